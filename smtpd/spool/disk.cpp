// SPDX-License-Identifier: Apache-2.0
// statvfs(3), and the zeros.
#include "smtpd/spool/disk.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <string>
#include <system_error>

#include "agent/base/descriptor.h"
#include "smtpd/spool/schema.h"

namespace sekisho::spool {

namespace {

// What no message may take. That one has left, and when the next attempt is due, is written to the log first,
// too: without this room a full spool could never become emptier. The log is folded when it has half of it.
constexpr std::uint64_t kept_for_leaving = std::uint64_t{8} << 20;
constexpr std::uint64_t tight = std::uint64_t{4} * largest_log_file;

// By so much at a time, when less than that part is left.
constexpr std::uint64_t zeros = std::uint64_t{4} << 20;
constexpr std::uint64_t little_left = zeros / 4;

std::string log_of(const std::filesystem::path& spool) {
    return spool.string() + "-wal";
}

}  // namespace

bool Room::is_tight() const {
    return free < tight;
}

bool Room::has(std::uint64_t size, std::uint64_t added) const {
    return free >= 2 * (added + size) + log + kept_for_leaving;
}

Result<Room> room_of(const std::filesystem::path& spool) {
    struct statvfs disk{};
    if (::statvfs(spool.c_str(), &disk) != 0) {
        return fail(Failure::unavailable, "the room on the disk of " + spool.string() + " can't be asked for",
                    "look whether the disk is mounted");
    }
    std::error_code no_log;
    const auto log = std::filesystem::file_size(log_of(spool), no_log);
    return Room{.free = std::uint64_t{disk.f_bavail} * disk.f_frsize, .log = no_log ? 0 : log};
}

void lengthen_log(const std::filesystem::path& spool, const Room& room, std::uint64_t used) {
    if (room.is_tight() || room.log >= largest_log_file || used + little_left <= room.log) {
        return;
    }
    const Descriptor log(::open(log_of(spool).c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    static constexpr std::array<char, zeros / 64> block{};
    bool written = static_cast<bool>(log);
    for (std::uint64_t at = 0; at < zeros && written; at += block.size()) {
        written = ::write(log.get(), block.data(), block.size()) > 0;
    }
    if (written) {
        static_cast<void>(::fdatasync(log.get()));
    }
}

}  // namespace sekisho::spool
