// SPDX-License-Identifier: Apache-2.0
// What only the machine can say of a configuration: the files and users that it names.
#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"

namespace sekisho {

// Each without a place in the file.
struct MachineFindings {
    std::vector<ConfigError> complaints;  // a daemon would refuse to start
    std::vector<ConfigError> warnings;    // it works, but hardly as it was meant
};

// Complains of key files, certificates and lists of users that are missing or can't be used and, where there
// is a submission server, of its users that don't exist; only for root, others may not read the files. Warns
// of users that don't exist, and of a configuration under which nothing is enforced.
[[nodiscard]] MachineFindings check_machine(const Config& config);

// The warnings as lines for a terminal: "FILE: warning: what", and the remedy.
[[nodiscard]] std::string warning_text(const std::filesystem::path& file,
                                       const std::vector<ConfigError>& warnings);

}  // namespace sekisho
