// SPDX-License-Identifier: Apache-2.0
// memfd_create(2) first, O_TMPFILE later: neither has a name that anybody could open.
#include "smtpd/body_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sekisho {

namespace {

constexpr std::size_t buffer_size = std::size_t{64} * 1024;

std::unexpected<Error> no_room(const char* what) {
    return fail(Failure::unavailable, std::string(what) + ": " + std::strerror(errno),
                "make room in the directory for temporary files, or memory");
}

}  // namespace

BodyFile::BodyFile(std::filesystem::path directory, std::size_t in_memory)
    : directory_(std::move(directory)), in_memory_(in_memory) {}

Result<void> BodyFile::append(std::string_view octets) {
    buffer_ += octets;
    return buffer_.size() < buffer_size ? Result<void>() : flush();
}

Result<void> BodyFile::finish(std::size_t without_file) {
    const bool small = !file_ && !buffer_.empty() && buffer_.size() <= without_file;
    return small ? Result<void>() : flush();
}

Result<void> BodyFile::open() {
    if (!file_) {
        file_ = Descriptor(::memfd_create("message", MFD_CLOEXEC));
        if (!file_) {
            return no_room("memfd_create");
        }
    }
    return !on_disk_ && size() > in_memory_ ? move_to_disk() : Result<void>();
}

Result<void> BodyFile::move_to_disk() {
    Descriptor target(::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!target) {
        return no_room(directory_.c_str());
    }
    off_t from = 0;
    while (static_cast<std::uint64_t>(from) < written_) {
        if (::sendfile(target.get(), file_.get(), &from, written_ - static_cast<std::uint64_t>(from)) <= 0) {
            return no_room(directory_.c_str());
        }
    }
    file_ = std::move(target);
    on_disk_ = true;
    return {};
}

Result<void> BodyFile::flush() {
    if (auto opened = open(); !opened) {
        return opened;
    }
    std::string_view left = buffer_;
    while (!left.empty()) {
        const ssize_t count = ::write(file_.get(), left.data(), left.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return no_room("write");
        }
        written_ += static_cast<std::uint64_t>(count);
        left.remove_prefix(static_cast<std::size_t>(count));
    }
    buffer_.clear();
    return {};
}

}  // namespace sekisho
