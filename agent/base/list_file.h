// SPDX-License-Identifier: Apache-2.0
// A file of prefixes that its owner may replace at any time.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/changed_file.h"
#include "agent/base/result.h"

namespace sekisho {

class ListFile {
public:
    explicit ListFile(std::filesystem::path path);

    [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

    // What stands in the file, if it isn't what was there when this was asked last; its size, its time and
    // its inode tell. Failure::unavailable if it can't be read, Failure::invalid if it is no list
    // (parse_prefix_list), in words that name the file; a broken file is told of once, until it changes.
    [[nodiscard]] Result<std::optional<std::vector<Prefix>>> changed();

private:
    ChangedFile file_;
};

}  // namespace sekisho
