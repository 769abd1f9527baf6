// SPDX-License-Identifier: Apache-2.0
// What stands in a certificate, and whether a key is its key (OpenSSL). Pure.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::cli {

struct CertificateFacts {
    std::vector<std::string> names;  // DNS names of subjectAltName, in small letters, sorted
    std::chrono::sys_seconds from;
    std::chrono::sys_seconds until;
    std::string issuer;  // its common name, or what else it has
    bool self_signed = false;
};

// Of the first certificate in a PEM text. Failure::invalid if there is none.
[[nodiscard]] Result<CertificateFacts> certificate_facts(const std::string& pem);

// Whether the key in a PEM text is that of the first certificate in another. Failure::invalid if either isn't
// there.
[[nodiscard]] Result<bool> belong_together(const std::string& certificate, const std::string& key);

}  // namespace sekisho::cli
