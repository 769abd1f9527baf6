// SPDX-License-Identifier: Apache-2.0
// What a handshake has shown of the client, for its login. Internal to sekisho-smtpd.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <string>

#include "agent/base/result.h"

namespace sekisho {

struct TlsPeer {
    // What binds a login to this connection, in base64; empty where it would bind nothing.
    // tls-exporter (RFC 9266): of TLS 1.3.
    std::string exporter{};
    // tls-unique (RFC 5929): of TLS 1.2 with extended master secret, not resumed (RFC 7627).
    std::string unique{};
    // Whom the client's certificate names, if one of our authorities has signed it and it is valid now: its
    // first e-mail address, or else its common name, if it has only one and that is no address. Empty where
    // there is no such certificate.
    std::string certificate_user{};
};

[[nodiscard]] TlsPeer peer_of(SSL* connection);

// Has clients asked for a certificate; they need none, and one that is not good is as none. Lists of revoked
// ones (CRLs) in the file of the authorities are believed; then each authority in it needs one.
// Failure::invalid for a file (PEM) without certificates.
[[nodiscard]] Result<void> ask_for_certificates(boost::asio::ssl::context& context,
                                                const std::filesystem::path& authorities);

}  // namespace sekisho
