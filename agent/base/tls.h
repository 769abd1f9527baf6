// SPDX-License-Identifier: Apache-2.0
// The server's side of TLS (RFC 8997: 1.2 and newer).
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <string>

#include "agent/base/result.h"

namespace sekisho {

// A context with this certificate (PEM, its chain behind it) and key. Failure::invalid, with a remedy, where
// one can't be read or doesn't fit the other, where the key can be read by everybody, or where it wants a
// pass phrase.
[[nodiscard]] Result<boost::asio::ssl::context> server_tls(const std::filesystem::path& certificate,
                                                           const std::filesystem::path& key);

// What was agreed upon, for the trace: "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384".
[[nodiscard]] std::string tls_text(const SSL* connection);

}  // namespace sekisho
