// SPDX-License-Identifier: Apache-2.0
// The files that sekisho-guard.service loads before any interface comes up.
#pragma once

#include <filesystem>
#include <string>

#include "agent/base/result.h"

namespace sekisho::guard {

// Two, so that a kernel without the bridge family takes the other all the same.
struct BootFiles {
    std::filesystem::path inet;
    std::filesystem::path bridge;

    [[nodiscard]] bool exist() const;
};
// "guard.nft" and "guard-bridge.nft" beside the store.
[[nodiscard]] BootFiles boot_files(const std::filesystem::path& store);

// Replaces a file in one step, if it says anything else; on the disk when it returns. For its owner alone:
// it is the unit's user, too.
[[nodiscard]] Result<void> write_boot_file(const std::filesystem::path& file, const std::string& text);
// That one is missing is no failure.
[[nodiscard]] Result<void> remove_boot_files(const BootFiles& files);

}  // namespace sekisho::guard
