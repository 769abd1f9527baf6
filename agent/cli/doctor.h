// SPDX-License-Identifier: Apache-2.0
// What can be checked on the machine itself, and what a running agent adds.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <optional>

namespace sekisho::cli {

// {"ok","checks":[{"name","ok","detail","remedy"}]}: kernel version, BTF, BPF file system, configuration
// file, agent, then what the agent says of itself; where both know of a check, the agent's word counts. Works
// without an agent. Without `socket` the configuration's is asked.
[[nodiscard]] boost::json::object examine(const std::filesystem::path& config,
                                          const std::optional<std::filesystem::path>& socket);

}  // namespace sekisho::cli
