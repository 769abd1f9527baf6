// SPDX-License-Identifier: Apache-2.0
// Reads on where it stopped.
#include "agent/logins/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/logins/log_line.h"

namespace sekisho::logins {

namespace {

constexpr std::size_t block = std::size_t{64} << 10;
// Enough to tell one log from the next: a line has a time in it.
constexpr std::size_t longest_head = 256;
// Of files in the folder that are looked at for one that was renamed.
constexpr std::size_t most_looked_at = 1000;
// Of those that were rotated meanwhile.
constexpr std::size_t most_rotated = 64;

// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view octets) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char octet : octets) {
        hash = (hash ^ static_cast<unsigned char>(octet)) * 0x100000001b3ULL;
    }
    return hash;
}

// What the first octets come to; nothing if there aren't so many.
std::optional<std::uint64_t> head_of(int descriptor, std::size_t size) {
    std::array<char, longest_head> octets{};
    const ssize_t got = ::pread(descriptor, octets.data(), std::min(size, octets.size()), 0);
    return got == static_cast<ssize_t>(size) ? std::optional(size == 0 ? 0 : hash_of({octets.data(), size}))
                                             : std::nullopt;
}

Result<struct stat> facts_of(int descriptor, const std::filesystem::path& path) {
    struct stat facts{};
    if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return fail(Failure::unavailable, path.string() + " is no file", "name a log file");
    }
    return facts;
}

bool begins_line(int descriptor, std::uint64_t offset) {
    char before = '\n';
    return offset == 0 ||
           (::pread(descriptor, &before, 1, static_cast<off_t>(offset) - 1) == 1 && before == '\n');
}

std::uint64_t size_of(int descriptor) {
    struct stat facts{};
    return ::fstat(descriptor, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
}

std::uint64_t written_at(const struct stat& facts) {
    constexpr std::uint64_t second = 1'000'000'000;
    return static_cast<std::uint64_t>(facts.st_mtim.tv_sec) * second +
           static_cast<std::uint64_t>(facts.st_mtim.tv_nsec);
}

FilePosition beginning_of(const struct stat& facts) {
    return {.device = facts.st_dev, .inode = facts.st_ino, .written = written_at(facts)};
}

// Whether it is that file or its copy, as far as its text tells.
bool begins_like(int descriptor, const FilePosition& from) {
    return size_of(descriptor) >= from.offset && head_of(descriptor, from.head_size) == from.head;
}

// An inode's number is given again, and a log may have been cut.
bool is_of(int descriptor, const FilePosition& from) {
    struct stat facts{};
    return ::fstat(descriptor, &facts) == 0 && facts.st_dev == from.device && facts.st_ino == from.inode &&
           begins_like(descriptor, from);
}

// By logrotate, which puts a number or a date behind the name.
bool is_rotated(std::string_view name, std::string_view log) {
    if (name.size() < log.size() + 2 || !name.starts_with(log)) {
        return false;
    }
    name.remove_prefix(log.size());
    return (name[0] == '.' || name[0] == '-') && is_digit(name[1]) &&
           name.find_first_not_of("0123456789-", 1) == std::string_view::npos;
}

Descriptor opened(const std::filesystem::path& path) {
    // A FIFO of that name must not hold up the agent.
    return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace

FollowedFile::FollowedFile(std::filesystem::path path, const std::optional<FilePosition>& from)
    : path_(std::move(path)), from_(from), from_end_(!from) {
    struct stat facts{};
    // What isn't there yet is all new when it comes.
    from_end_ = from_end_ && ::stat(path_.c_str(), &facts) == 0;
}

// What was read of the log before may be found when the log itself is still missing.
Result<void> FollowedFile::open_current() {
    auto file = open_named();
    if (!file) {
        if (from_ && open_older(*from_)) {
            from_.reset();
        }
        return std::unexpected(file.error());
    }
    if (const auto from = std::exchange(from_, std::nullopt)) {
        if (is_of(file->descriptor.get(), *from)) {
            file->at = *from;
        } else {
            static_cast<void>(open_older(*from));
        }
    } else if (from_end_) {
        file->at.offset = size_of(file->descriptor.get());
    }
    from_end_ = false;
    file->skipping = !begins_line(file->descriptor.get(), file->at.offset);
    current_ = std::move(*file);
    return {};
}

Result<FollowedFile::Open> FollowedFile::open_named() const {
    Open file{.descriptor = opened(path_), .at = {}, .rest = {}};
    if (!file.descriptor) {
        return fail(Failure::unavailable,
                    "can't read " + path_.string() + ": " + std::generic_category().message(errno),
                    errno == EACCES ? "let sekishod's group read it (adm, for syslog's files)"
                                    : "it is read when it appears");
    }
    const auto facts = facts_of(file.descriptor.get(), path_);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    file.at = beginning_of(*facts);
    return file;
}

// The file of before has another name now, and there may be some that came and went behind it. False if there
// is nothing of the kind.
bool FollowedFile::open_older(const FilePosition& from) {
    std::error_code error;
    std::size_t looked_at = 0;
    std::vector<Rotated> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_.parent_path(), error)) {
        if (++looked_at > most_looked_at) {
            break;
        }
        if (auto one = rotated(entry.path(), from)) {
            found.push_back(std::move(*one));
        }
    }
    std::ranges::sort(found, {}, [](const Rotated& one) { return std::pair(one.kind, one.file.at.written); });
    // A log whose name was changed may have been copied, too.
    const auto later = std::ranges::find(found, Kind::later, &Rotated::kind);
    if (later - found.begin() > 1) {
        found.erase(found.begin() + 1, later);
    }
    // The youngest: what lies behind so many opens nothing any more.
    const std::size_t too_many = found.size() - std::min(found.size(), most_rotated);
    for (Rotated& one : std::span(found).subspan(too_many)) {
        older_.push_back(std::move(one.file));
    }
    return !found.empty();
}

std::optional<FollowedFile::Rotated> FollowedFile::rotated(const std::filesystem::path& path,
                                                           const FilePosition& from) const {
    struct stat facts{};
    if (path.filename() == path_.filename() || ::lstat(path.c_str(), &facts) != 0 ||
        !S_ISREG(facts.st_mode) || facts.st_dev != from.device) {
        return std::nullopt;
    }
    const bool itself = facts.st_ino == from.inode;
    if (!itself && !is_rotated(path.filename().string(), path_.filename().string())) {
        return std::nullopt;
    }
    Open file{.descriptor = opened(path), .at = beginning_of(facts), .rest = {}};
    if (!file.descriptor) {
        return std::nullopt;
    }
    const bool copy = !itself && from.head_size != 0 && begins_like(file.descriptor.get(), from);
    if (itself || copy) {
        file.at.offset = from.offset;
        file.at.head_size = from.head_size;
        file.at.head = from.head;
        file.skipping = !begins_line(file.descriptor.get(), from.offset);
    } else if (from.written == 0 || file.at.written <= from.written) {
        return std::nullopt;
    }
    return Rotated{.kind = itself ? Kind::itself : copy ? Kind::copy : Kind::later, .file = std::move(file)};
}

// A file that is shorter than what was read of it, or begins otherwise, was cut.
void FollowedFile::notice_cut(Open& file) const {
    struct stat facts{};
    if (::fstat(file.descriptor.get(), &facts) != 0) {
        return;
    }
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    file.at.written = written_at(facts);
    const bool shorter = size < file.at.offset + file.ahead;
    if (shorter || head_of(file.descriptor.get(), file.at.head_size) != file.at.head) {
        file.at.offset = file.at.head_size = file.at.head = file.ahead = 0;
        file.rest.clear();
        file.skipping = false;
    }
    const std::size_t head_size = std::min<std::size_t>(size, longest_head);
    if (head_size != file.at.head_size) {
        file.at.head_size = head_size;
        file.at.head = head_of(file.descriptor.get(), head_size).value_or(0);
    }
}

Result<bool> FollowedFile::read_file(Open& file, std::size_t most, const Take& take) const {
    notice_cut(file);
    std::vector<char> octets(std::min(most, block));
    for (std::size_t all = 0; all < most;) {
        const auto at = static_cast<off_t>(file.at.offset + file.ahead);
        const ssize_t got = ::pread(file.descriptor.get(), octets.data(), octets.size(), at);
        if (got < 0) {
            return fail(Failure::unavailable,
                        "can't read " + path_.string() + ": " + std::generic_category().message(errno));
        }
        if (got == 0) {
            file.read_up = true;
            return false;
        }
        all += static_cast<std::size_t>(got);
        take_text(file, {octets.data(), static_cast<std::size_t>(got)}, take);
    }
    return true;
}

// The offset stays at a line's beginning until its end has come: whoever goes on from there must not take the
// end of a line for a line.
void FollowedFile::take_text(Open& file, std::string_view text, const Take& take) {
    for (std::size_t end = 0; (end = text.find('\n')) != std::string_view::npos;) {
        if (!file.skipping && file.rest.size() + end <= longest_line) {
            file.rest.append(text.substr(0, end));
            take(file.rest);
        }
        file.at.offset += std::exchange(file.ahead, 0) + end + 1;
        file.rest.clear();
        file.skipping = false;
        text.remove_prefix(end + 1);
    }
    file.ahead += text.size();
    file.skipping = file.skipping || file.ahead > longest_line;
    if (file.skipping) {
        file.rest.clear();
    } else {
        file.rest.append(text);
    }
}

bool FollowedFile::was_renamed(const Open& file) const {
    struct stat facts{};
    return ::stat(path_.c_str(), &facts) == 0 &&
           (facts.st_ino != file.at.inode || facts.st_dev != file.at.device);
}

Result<bool> FollowedFile::read_on(std::size_t most, Clock now, const Take& take) {
    if (current_ && was_renamed(*current_)) {
        current_->read_up = false;
        older_.push_back(std::move(*current_));
        current_.reset();
    }
    // Even if the older ones aren't read up: the next rotation must find it open.
    const Result<void> open = current_ ? Result<void>() : open_current();
    for (auto file = older_.begin(); file != older_.end(); ++file) {
        if (file->renamed == Clock{}) {
            file->renamed = now;
        }
        const auto more = read_file(*file, most, take);
        if (!more) {
            older_.erase(file);  // or it would keep the others from being read
        }
        if (!more || *more) {
            return more;
        }
    }
    std::erase_if(older_, [now](const Open& file) { return now - file.renamed > renamed_for; });
    if (!open) {
        return std::unexpected(open.error());
    }
    return current_ ? read_file(*current_, most, take) : Result<bool>(false);
}

std::optional<FilePosition> FollowedFile::position() const {
    const auto unread = std::ranges::find(older_, false, &Open::read_up);
    const bool none_unread = unread == older_.end();
    if (none_unread && !current_ && older_.empty()) {
        return std::nullopt;
    }
    FilePosition position = !none_unread ? unread->at : current_ ? current_->at : older_.back().at;
    // Daemons may have written into an older one later.
    for (auto file = older_.begin(); file != unread; ++file) {
        position.written = std::max(position.written, file->at.written);
    }
    return position;
}

}  // namespace sekisho::logins
