// SPDX-License-Identifier: Apache-2.0
// Reading and replacing files of secrets.
#include "smtpd/sasl/kept_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "agent/base/descriptor.h"
#include "agent/base/log.h"

namespace sekisho::sasl {

namespace {

constexpr off_t largest = off_t{256} << 20;
constexpr mode_t for_owner = 0600;

std::unexpected<Error> unreadable(const std::filesystem::path& path, int code) {
    return fail(Failure::unavailable, "can't read " + path.string() + ": " + std::strerror(code),
                "it and its directory belong to the user of sekisho-auth: chown sekisho-auth, chmod 0600");
}

std::unexpected<Error> unwritable(const std::filesystem::path& path, int code) {
    const std::string what = "can't write " + path.string() + ": " + std::strerror(code);
    const std::string directory = path.parent_path().string();
    switch (code) {
        case ENOENT:
            return fail(Failure::unavailable, what,
                        "create its directory: install -d -m 0700 -o sekisho-auth " + directory);
        case EACCES:
        case EPERM:
            return fail(
                Failure::unavailable, what,
                directory + " must belong to the user of sekisho-auth: chown sekisho-auth " + directory);
        case EROFS:
            return fail(
                Failure::unavailable, what,
                "the unit of the daemon lets it write to /var/lib/sekisho/auth alone: keep it there, make it "
                "beforehand, or say ReadWritePaths= in a drop-in");
        case ENOSPC:
        case EDQUOT:
            return fail(Failure::unavailable, what, "make room on the disk; nothing has changed");
        default:
            return fail(Failure::unavailable, what);
    }
}

// 0, or the errno.
int write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

// Makes a new name in a directory survive a power cut. 0, or the errno.
int sync_directory(const std::filesystem::path& directory) {
    const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return opened && ::fsync(opened.get()) == 0 ? 0 : errno;
}

// 0, or the errno.
int write_new(const std::filesystem::path& path, std::string_view text) {
    // What a crash has left behind.
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return errno;
    }
    const Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, for_owner));
    if (!file) {
        return errno;
    }
    const int code = write_all(file.get(), text);
    return code != 0 || ::fsync(file.get()) == 0 ? code : errno;
}

Result<void> replace_whole(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::path fresh = path;
    fresh += ".new";
    if (const int code = write_new(fresh, text); code != 0) {
        ::unlink(fresh.c_str());
        return unwritable(path, code);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) {
        const int code = errno;
        ::unlink(fresh.c_str());
        return unwritable(path, code);
    }
    // The new file is in place: an error now would tell of a change that did not happen.
    if (const int code = sync_directory(path.parent_path()); code != 0) {
        log::warning("USERS_NOT_SYNCED", "the change may be lost by a power cut",
                     {{"file", path.string()}, {"error", std::strerror(code)}});
    }
    return {};
}

Result<std::string> content_of(int file, const std::filesystem::path& path) {
    std::string text;
    std::string piece(std::size_t{64} * 1024, '\0');
    for (;;) {
        const ssize_t got = ::read(file, piece.data(), piece.size());
        if (got == 0) {
            return text;
        }
        if (got > 0) {
            text.append(piece, 0, static_cast<std::size_t>(got));
        } else if (errno != EINTR) {
            return unreadable(path, errno);
        }
        if (text.size() > static_cast<std::size_t>(largest)) {
            return fail(Failure::invalid, path.string() + " is larger than 256 MiB");
        }
    }
}

}  // namespace

KeptFile::Seen KeptFile::look() const {
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0) {
        return {};
    }
    return {.there = true,
            .device = status.st_dev,
            .inode = status.st_ino,
            .size = status.st_size,
            .seconds = status.st_mtim.tv_sec,
            .nanoseconds = status.st_mtim.tv_nsec,
            .mode = status.st_mode};
}

Result<std::string> KeptFile::read() const {
    // O_NONBLOCK: a FIFO in this place must not hang the daemon.
    const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
        return errno == ENOENT ? Result<std::string>(std::string()) : unreadable(path_, errno);
    }
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return unreadable(path_, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(Failure::invalid, path_.string() + " is not a regular file");
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        log::warning("USERS_EXPOSED", "others than its owner may use a file of secrets: chmod 0600",
                     {{"file", path_.string()}});
    }
    return content_of(file.get(), path_);
}

Result<void> KeptFile::replace(std::string_view text) const {
    return replace_whole(path_, text);
}

}  // namespace sekisho::sasl
