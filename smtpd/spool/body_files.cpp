// SPDX-License-Identifier: Apache-2.0
// Named by the ids of their messages.
#include "smtpd/spool/body_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

// 16 of [0-9a-z]: as sekisho-smtpd makes them. Nothing else becomes the name of a file, or is taken for one.
bool is_id(std::string_view text) {
    constexpr std::size_t length = 16;
    return text.size() == length &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

}  // namespace

Result<BodyFiles> BodyFiles::open(const std::filesystem::path& spool) {
    const std::filesystem::path directory = spool.string() + "-bodies";
    Descriptor opened;
    const bool made = ::mkdir(directory.c_str(), 0700) == 0;
    if (made || errno == EEXIST) {
        opened = Descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!opened) {
        return fail(Failure::unavailable,
                    directory.string() + " can't be made or read: " + std::strerror(errno),
                    "let the relay's user write to the directory of relay.spool");
    }
    if (made) {  // its own name must be on the disk, too
        const Descriptor parent(::openat(opened.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!parent || ::fsync(parent.get()) != 0) {
            return fail(Failure::unavailable, directory.string() + " can't be kept: " + std::strerror(errno),
                        "look after the disk that holds it");
        }
    }
    return BodyFiles(directory, std::move(opened));
}

std::unexpected<Error> BodyFiles::trouble(std::string_view id, const char* what) const {
    const int number = errno;
    return fail(Failure::unavailable,
                (directory_ / id).string() + " can't be " + what + ": " + std::strerror(number),
                number == ENOSPC ? "free some space on the disk that holds " + directory_.string()
                                 : "look after the disk that holds " + directory_.string());
}

Result<void> BodyFiles::write(std::string_view id, std::uint64_t size, const Read& read) const {
    if (!is_id(id)) {
        return fail(Failure::invalid, "what a message is called is no id");
    }
    remove(id);
    const std::string name(id);
    const Descriptor file(
        ::openat(opened_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
        return trouble(id, "made");
    }
    std::string buffer;
    Result<void> done;
    for (std::uint64_t at = 0; at < size && done; at += at_a_time) {
        buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(at_a_time, size - at)));
        done = read(at, buffer.data(), buffer.size());
        if (done && !write_all(file.get(), buffer)) {
            done = trouble(id, "written");
        }
    }
    if (done && ::fdatasync(file.get()) != 0) {
        done = trouble(id, "written");
    }
    if (!done) {
        remove(id);
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

void BodyFiles::remove(std::string_view id) const {
    if (is_id(id)) {
        ::unlinkat(opened_.get(), std::string(id).c_str(), 0);
    }
}

std::set<std::string> BodyFiles::all() const {
    std::set<std::string> ids;
    std::error_code unreadable;
    for (const auto& each : std::filesystem::directory_iterator(directory_, unreadable)) {
        if (std::string name = each.path().filename().string(); is_id(name)) {
            ids.insert(std::move(name));
        }
    }
    return ids;
}

Result<std::string> BodyFiles::part(std::string_view id, std::uint64_t offset, std::size_t size) const {
    const std::string name(id);
    const Descriptor file(::openat(opened_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) {
        return errno == ENOENT ? fail(Failure::not_found, "the body of message " + name + " is gone")
                               : trouble(id, "read");
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
            return trouble(id, "read");
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
