// SPDX-License-Identifier: Apache-2.0
// What `sekisho setup` learns from the machine, and makes it do.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/cli/setup_dialogue.h"
#include "agent/cli/setup_toml.h"

namespace sekisho::cli {

// Where everything is.
struct SetupPlaces {
    std::filesystem::path units_read = "/etc/sekisho/sekisho.toml";  // the configuration of the units
    std::filesystem::path example = "/usr/share/sekisho/sekisho.toml";
    std::filesystem::path certificate = setup_certificate;
    std::filesystem::path key = setup_key;
    std::filesystem::path interfaces = "/sys/class/net";
    std::filesystem::path systemd = "/run/systemd/system";  // is there where systemd runs
    std::filesystem::path systemctl = "/usr/bin/systemctl";
    std::string mail_user = "sekisho-smtpd";  // whose group reads the key, too
};

// All interfaces but the loopback, by name. `place` is /sys/class/net.
[[nodiscard]] std::vector<SetupInterface> interfaces_in(const std::filesystem::path& place);

// The words of the commands that start what is configured, without "systemctl".
[[nodiscard]] std::vector<std::vector<std::string>> start_commands(bool submission);

// "systemctl restart sekisho-agent".
[[nodiscard]] std::string command_text(const std::vector<std::string>& words);

// Runs systemctl to its end; what it says goes to standard error. Failure::unavailable where it fails.
[[nodiscard]] Result<void> run_systemctl(const std::filesystem::path& program,
                                         const std::vector<std::string>& words);

}  // namespace sekisho::cli
