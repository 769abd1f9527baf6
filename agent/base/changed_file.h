// SPDX-License-Identifier: Apache-2.0
// A small file that its owner may replace at any time.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/base/result.h"

namespace sekisho {

class ChangedFile {
public:
    // `remedy` is for who finds it missing: what should be there.
    ChangedFile(std::filesystem::path path, std::string remedy);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // Its text, if it isn't what was there when this was asked last; its size, its time and its inode tell.
    // Failure::unavailable if it can't be read, Failure::invalid if it is larger than 64 MiB; a missing one
    // is told of once, until it comes.
    [[nodiscard]] Result<std::optional<std::string>> changed();

private:
    using Look = std::array<std::int64_t, 4>;  // inode, size, time of change: seconds, nanoseconds

    std::filesystem::path path_;
    std::string remedy_;
    std::optional<Look> seen_;
    bool missing_ = false;
};

}  // namespace sekisho
