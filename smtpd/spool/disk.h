// SPDX-License-Identifier: Apache-2.0
// The disk that holds the spool, and how the write-ahead log lies on it. Internal to this room.
#pragma once

#include <cstdint>
#include <filesystem>

#include "agent/base/result.h"

namespace sekisho::spool {

// In octets.
struct Room {
    std::uint64_t free = 0;  // on the disk
    std::uint64_t log = 0;   // that the log's file takes

    // Then the log is folded into the database early, and gives back what it has taken.
    [[nodiscard]] bool is_tight() const;
    // Whether a message of `size` octets may be added, with `added` others that aren't written yet: it stands
    // in the log first, and once more in the database, and so does all that is in the log already.
    [[nodiscard]] bool has(std::uint64_t size, std::uint64_t added) const;
};

// Of the disk of a spool. Failure::unavailable if it can't be asked.
[[nodiscard]] Result<Room> room_of(const std::filesystem::path& spool);

// Makes the log's file longer than the `used` octets that the log has in it, by zeros that SQLite takes for
// its end. Who writes where the file has octets already waits for those only; who makes it longer waits for
// the file system's own books, too. Nothing if that can't be done, since nothing depends on it.
void lengthen_log(const std::filesystem::path& spool, const Room& room, std::uint64_t used);

}  // namespace sekisho::spool
