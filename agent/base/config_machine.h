// SPDX-License-Identifier: Apache-2.0
// What only the machine can say of a configuration: the files and users that it names.
#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"

namespace sekisho {

// What closes interfaces until they are judged; by its path, so that nobody's PATH says what is run.
inline constexpr const char* nft_program = "/usr/sbin/nft";

// Each without a place in the file.
struct MachineFindings {
    std::vector<ConfigError> complaints;  // a daemon would refuse to start
    std::vector<ConfigError> warnings;    // it works, but hardly as it was meant
};

// Complains of key files, certificates and lists of users that are missing or can't be used and, where there
// is a submission server, of its users that don't exist; only for root, others may not read the files. Warns
// of users that don't exist, of a configuration under which nothing is enforced, and where interfaces are to
// be closed until they are judged, and there is no nft.
[[nodiscard]] MachineFindings check_machine(const Config& config);

// The warnings as lines for a terminal: "FILE: warning: what", and the remedy.
[[nodiscard]] std::string warning_text(const std::filesystem::path& file,
                                       const std::vector<ConfigError>& warnings);

}  // namespace sekisho
