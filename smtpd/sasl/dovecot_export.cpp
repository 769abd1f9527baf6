// SPDX-License-Identifier: Apache-2.0
// Four files, each of which is whole at each moment.
#include "smtpd/sasl/dovecot_export.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/base/descriptor.h"
#include "agent/base/log.h"

namespace sekisho::sasl {

namespace {

// Which they are, and which of the texts stands in each.
struct ExportedFile {
    const char* name;
    std::string DovecotUsers::* text;
};
constexpr std::array<ExportedFile, 4> exported = {{{"hashes", &DovecotUsers::hashes},
                                                   {"scram-sha-256", &DovecotUsers::scram_sha_256},
                                                   {"scram-sha-1", &DovecotUsers::scram_sha_1},
                                                   {"recoverable", &DovecotUsers::recoverable}}};
constexpr const char* unfinished = ".unfinished";

std::unexpected<Error> not_exported(const std::filesystem::path& path, int code) {
    return fail(Failure::unavailable, "can't write " + path.string() + ": " + std::strerror(code),
                "make its directory, and let the unit write there (ReadWritePaths=): install -d -m 2750 -o "
                "sekisho-auth -g dovecot " +
                    path.parent_path().string());
}

// Nobody but its group may look into it, what is made in it is its group's, and it is in memory.
Result<Descriptor> fit_directory(const std::filesystem::path& path) {
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status{};
    struct statfs system{};
    if (!directory || ::fstat(directory.get(), &status) != 0 || ::fstatfs(directory.get(), &system) != 0) {
        return not_exported(path / exported.front().name, errno);
    }
    if ((status.st_mode & (S_IRWXO | S_IWGRP)) != 0 || (status.st_mode & S_ISGID) == 0 ||
        status.st_uid != ::geteuid()) {
        return fail(Failure::invalid,
                    path.string() + " is not this daemon's, or open to others, or not its group's",
                    "it takes passwords: install -d -m 2750 -o sekisho-auth -g dovecot " + path.string());
    }
    if (system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC) {
        return fail(Failure::invalid, path.string() + " is on a disk, where no password may stand",
                    "name a directory on a tmpfs, such as /run/sekisho-dovecot, in auth.dovecot_users");
    }
    return directory;
}

bool write_text(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return true;
}

// Dovecot looks at the second of a file's change and at its size alone, so no two may have the same second.
timespec next_second(int directory, const char* name) {
    struct stat before{};
    const std::time_t last = ::fstatat(directory, name, &before, AT_SYMLINK_NOFOLLOW) == 0
                                 ? before.st_mtim.tv_sec + 1
                                 : std::time_t{0};
    return {.tv_sec = std::max(std::time(nullptr), last), .tv_nsec = 0};
}

// 0, or the errno.
int put_file(int directory, const char* name, std::string_view text) {
    constexpr mode_t for_group_to_read = 0640;
    // What a crash has left behind.
    if (::unlinkat(directory, unfinished, 0) != 0 && errno != ENOENT) {
        return errno;
    }
    const timespec second = next_second(directory, name);
    const std::array<timespec, 2> times = {second, second};
    const Descriptor file(::openat(directory, unfinished,
                                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, for_group_to_read));
    // Whatever the umask is.
    const bool whole = file && ::fchmod(file.get(), for_group_to_read) == 0 && write_text(file.get(), text) &&
                       ::futimens(file.get(), times.data()) == 0 &&
                       ::renameat(directory, unfinished, directory, name) == 0;
    if (whole) {
        return 0;
    }
    const int code = errno;
    ::unlinkat(directory, unfinished, 0);
    return code;
}

std::vector<KeptFile::Seen> seen_in(const std::filesystem::path& directory) {
    std::vector<KeptFile::Seen> all;
    all.reserve(exported.size());
    for (const ExportedFile& each : exported) {
        all.push_back(KeptFile(directory / each.name).look());
    }
    return all;
}

}  // namespace

DovecotExport::DovecotExport(std::filesystem::path directory, std::vector<AccessConfig> access,
                             UserFile& users, RecoverablePasswords& recoverable)
    : directory_(std::move(directory)),
      networks_(std::move(access)),
      users_(users),
      recoverable_(recoverable) {}

void DovecotExport::follow() {
    const UserList& users = users_.users();
    static_cast<void>(recoverable_.empty());  // has them read again, too
    const Version now{.users = users_.version(), .recoverable = recoverable_.version()};
    if (current() && now == written_ && stands()) {
        return;
    }
    const auto counts = write(users);
    if (!counts) {
        // Said once, however often it is tried.
        if (complaint_ != counts.error().what) {
            log::warning("DOVECOT_USERS_NOT_WRITTEN", counts.error().what,
                         {{"remedy", counts.error().remedy}});
        }
        complaint_ = counts.error().what;
        return;
    }
    complaint_.clear();
    written_ = now;
    seen_ = seen_in(directory_);
    log::info("DOVECOT_USERS_WRITTEN", "Dovecot's files have the users as they are now",
              {{"directory", directory_.string()}, {"users", counts->users}, {"left_out", counts->left_out}});
}

Result<DovecotExport::Counts> DovecotExport::write(const UserList& users) {
    const auto directory = fit_directory(directory_);
    if (!directory) {
        return std::unexpected(directory.error());
    }
    const DovecotUsers files = dovecot_users(users, recoverable_, networks_);
    for (const ExportedFile& each : exported) {
        if (const int code = put_file(directory->get(), each.name, files.*each.text); code != 0) {
            return not_exported(directory_ / each.name, code);
        }
    }
    return Counts{.users = files.users, .left_out = files.left_out};
}

bool DovecotExport::stands() const {
    return seen_ == seen_in(directory_);
}

}  // namespace sekisho::sasl
