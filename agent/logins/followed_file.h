// SPDX-License-Identifier: Apache-2.0
// A log file that is read as it grows, across rotation.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/descriptor.h"
#include "agent/base/file_position.h"
#include "agent/base/result.h"

namespace sekisho::logins {

// Knows both kinds of rotation: a file that was renamed is read to its end, and for a while beyond, because
// daemons write into it until they are told; one that was copied and cut is read from its beginning. No line
// is read twice, nor after a restart: the position is where the oldest text stands that wasn't read. What
// comes into a renamed file after its end was reached is read only by who was there. Not thread-safe.
class FollowedFile {
public:
    // From a position of before: first what is left of that file, under its own name or another one in the
    // same folder, or of its copy; then what was rotated since, if its name is the log's with a number or a
    // date behind it (logrotate's .1 or -20261127; nothing compressed); then what is there now. Without a
    // position from the end of what is there now: who logged in before is not let in again. A file that comes
    // later is read from its beginning.
    FollowedFile(std::filesystem::path path, const std::optional<FilePosition>& from);

    using Take = std::function<void(std::string_view line)>;
    using Clock = std::chrono::steady_clock::time_point;
    // Reads what has come, about `most` octets of it, and calls `take` with each whole line, without its end.
    // True if there may be more at once. Failure::unavailable if the file isn't there or can't be read: it is
    // looked for the next time. What is longer than longest_line is left out.
    [[nodiscard]] Result<bool> read_on(std::size_t most, Clock now, const Take& take);

    // Nothing while there was no file.
    [[nodiscard]] std::optional<FilePosition> position() const;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // How long a file that was renamed is still looked at.
    static constexpr std::chrono::seconds renamed_for{120};

private:
    struct Open {
        Descriptor descriptor;
        FilePosition at;
        std::string rest;         // of a line whose end hasn't come
        std::uint64_t ahead = 0;  // how long that is; `rest` is empty if it is too long
        bool skipping = false;    // it is, or began before this was opened
        bool read_up = false;     // to its end, since it was renamed
        Clock renamed{};
    };
    enum class Kind : std::uint8_t { itself, copy, later };
    struct Rotated {
        Kind kind;
        Open file;
    };

    [[nodiscard]] Result<void> open_current();
    [[nodiscard]] Result<Open> open_named() const;
    [[nodiscard]] bool open_older(const FilePosition& from);
    [[nodiscard]] std::optional<Rotated> rotated(const std::filesystem::path& path,
                                                 const FilePosition& from) const;
    [[nodiscard]] Result<bool> read_file(Open& file, std::size_t most, const Take& take) const;
    void notice_cut(Open& file) const;
    static void take_text(Open& file, std::string_view text, const Take& take);
    [[nodiscard]] bool was_renamed(const Open& file) const;

    std::filesystem::path path_;
    std::optional<FilePosition> from_;
    bool from_end_;  // what is there at the first look was there before
    std::optional<Open> current_;
    std::vector<Open> older_;
};

}  // namespace sekisho::logins
