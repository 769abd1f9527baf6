// SPDX-License-Identifier: Apache-2.0
// `sekisho certificate`: the submission server's certificate, and how an authority signs one (RFC 8555).
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/base/config_mailbox.h"
#include "agent/cli/arguments.h"

namespace sekisho::cli {

// Where everything is.
struct CertificatePlaces {
    std::filesystem::path lego = "/usr/bin/lego";
    std::filesystem::path systemd = "/run/systemd/system";  // is there where systemd runs
    std::filesystem::path systemctl = "/usr/bin/systemctl";
};

// The words by which lego has a certificate signed. Pure.
[[nodiscard]] std::vector<std::string> lego_words(const AcmeConfig& acme, const std::string& lego);

[[nodiscard]] int certificate_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                                      const CertificatePlaces& places = {});

}  // namespace sekisho::cli
