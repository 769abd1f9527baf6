// SPDX-License-Identifier: Apache-2.0
// Named by the numbers of their messages.
#include "smtpd/spool/body_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

namespace sekisho::spool {

namespace {

constexpr std::size_t at_a_time = std::size_t{1} << 20;

bool write_all(int file, std::string_view left) {
    while (!left.empty()) {
        const ssize_t count = ::write(file, left.data(), left.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        left.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

// 0 for what is no such name.
std::int64_t number_of(const std::string& name) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

}  // namespace

Result<BodyFiles> BodyFiles::open(const std::filesystem::path& spool) {
    const std::filesystem::path directory = spool.string() + "-bodies";
    Descriptor opened;
    if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) {
        opened = Descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!opened) {
        return fail(Failure::unavailable,
                    directory.string() + " can't be made or read: " + std::strerror(errno),
                    "let the relay's user write to the directory of relay.spool");
    }
    return BodyFiles(directory, std::move(opened));
}

std::unexpected<Error> BodyFiles::trouble(std::int64_t message, const char* what) const {
    const int number = errno;
    return fail(
        Failure::unavailable,
        (directory_ / std::to_string(message)).string() + " can't be " + what + ": " + std::strerror(number),
        number == ENOSPC ? "free some space on the disk that holds " + directory_.string()
                         : "look after the disk that holds " + directory_.string());
}

Result<void> BodyFiles::write(std::int64_t message, std::uint64_t size, const Read& read) const {
    remove(message);
    const std::string name = std::to_string(message);
    const Descriptor file(
        ::openat(opened_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
        return trouble(message, "made");
    }
    std::string buffer;
    Result<void> done;
    for (std::uint64_t at = 0; at < size && done; at += at_a_time) {
        buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(at_a_time, size - at)));
        done = read(at, buffer.data(), buffer.size());
        if (done && !write_all(file.get(), buffer)) {
            done = trouble(message, "written");
        }
    }
    if (done && ::fdatasync(file.get()) != 0) {
        done = trouble(message, "written");
    }
    if (!done) {
        remove(message);
    }
    return done;
}

Result<void> BodyFiles::sync() const {
    if (::fsync(opened_.get()) != 0) {
        return fail(Failure::unavailable, directory_.string() + " can't be written: " + std::strerror(errno),
                    "look after the disk that holds it");
    }
    return {};
}

void BodyFiles::remove(std::int64_t message) const {
    ::unlinkat(opened_.get(), std::to_string(message).c_str(), 0);
}

void BodyFiles::keep_only(const std::function<bool(std::int64_t message)>& known) const {
    std::error_code unreadable;
    for (const auto& each : std::filesystem::directory_iterator(directory_, unreadable)) {
        const std::int64_t number = number_of(each.path().filename().string());
        if (number > 0 && !known(number)) {
            remove(number);
        }
    }
}

Result<std::string> BodyFiles::part(std::int64_t message, std::uint64_t offset, std::size_t size) const {
    const std::string name = std::to_string(message);
    const Descriptor file(::openat(opened_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) {
        return errno == ENOENT ? fail(Failure::not_found, "the body of message " + name + " is gone")
                               : trouble(message, "read");
    }
    std::string part(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const ssize_t count =
            ::pread(file.get(), part.data() + got, size - got, static_cast<off_t>(offset + got));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return trouble(message, "read");
        }
        if (count == 0) {
            break;
        }
        got += static_cast<std::size_t>(count);
    }
    part.resize(got);
    return part;
}

}  // namespace sekisho::spool
