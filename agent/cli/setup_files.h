// SPDX-License-Identifier: Apache-2.0
// Files that are whole or not there, whatever happens while they are written.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "agent/base/result.h"

namespace sekisho::cli {

// A file that nobody sees under its name before put() has been called; else it goes with the object.
class NewFile {
public:
    // Beside `target`, whose directory is made if it isn't there. Belongs to root, and to `group` if it isn't
    // -1.
    [[nodiscard]] static Result<NewFile> write(const std::filesystem::path& target, const std::string& text,
                                               mode_t mode, gid_t group = static_cast<gid_t>(-1));

    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile();

    // Where it is until then.
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // In the place of what stands under its name.
    [[nodiscard]] Result<void> put();

private:
    NewFile(std::filesystem::path path, std::filesystem::path target);

    std::filesystem::path path_;  // empty: there is none any more
    std::filesystem::path target_;
};

// Puts `text` in the place of a configuration, once load_config() has read it. What stood there stays beside
// it, under its name and the time in UTC: that path is given, or none if nothing stood there. On failure
// nothing has changed.
[[nodiscard]] Result<std::optional<std::filesystem::path>> replace_config(const std::filesystem::path& file,
                                                                          const std::string& text);

// The whole file; nothing if there is none. Failure::unavailable if it can't be read.
[[nodiscard]] Result<std::optional<std::string>> contents_of(const std::filesystem::path& file);

}  // namespace sekisho::cli
