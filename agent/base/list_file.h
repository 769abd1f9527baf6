// SPDX-License-Identifier: Apache-2.0
// A file of prefixes that its owner may replace at any time.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho {

class ListFile {
public:
    explicit ListFile(std::filesystem::path path);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // What stands in the file, if it isn't what was there when this was asked last; its size, its time and
    // its inode tell. Failure::unavailable if it can't be read, Failure::invalid if it is no list
    // (parse_prefix_list), in words that name the file; a broken file is told of once, until it changes.
    [[nodiscard]] Result<std::optional<std::vector<Prefix>>> changed();

private:
    using Look = std::array<std::int64_t, 4>;  // inode, size, time of change: seconds, nanoseconds

    std::filesystem::path path_;
    std::optional<Look> seen_;
    bool missing_ = false;
};

}  // namespace sekisho
