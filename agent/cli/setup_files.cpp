// SPDX-License-Identifier: Apache-2.0
// Written beside, synced, then renamed.
#include "agent/cli/setup_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/base/config.h"
#include "agent/base/descriptor.h"

namespace sekisho::cli {

namespace {

std::unexpected<Error> not_written(const std::filesystem::path& file, int why) {
    return fail(Failure::unavailable,
                "can't write " + file.string() + ": " + std::generic_category().message(why),
                "is there room, and may it be written? nothing has been replaced");
}

bool write_all(const Descriptor& file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return true;
}

// So that the names survive a loss of power, too.
void sync_directory(const std::filesystem::path& directory) {
    const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    static_cast<void>(::fsync(opened.get()));
}

// ".2026-11-29T150210Z".
std::string time_suffix() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), ".%Y-%m-%dT%H%M%SZ", &parts)};
}

// A second name for what is there, one that nothing else has.
Result<std::filesystem::path> keep_beside(const std::filesystem::path& file) {
    constexpr int most = 100;
    const std::string name = file.string() + time_suffix();
    for (int i = 1; i <= most; i++) {
        std::string tried = i == 1 ? name : name + "." + std::to_string(i);
        if (::link(file.c_str(), tried.c_str()) == 0) {
            return tried;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return not_written(name, errno);
}

}  // namespace

NewFile::NewFile(std::filesystem::path path, std::filesystem::path target)
    : path_(std::move(path)), target_(std::move(target)) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), target_(std::move(other.target_)) {}

NewFile::~NewFile() {
    if (!path_.empty()) {
        ::unlink(path_.c_str());
    }
}

Result<NewFile> NewFile::write(const std::filesystem::path& target, const std::string& text, mode_t mode,
                               gid_t group) {
    std::error_code error;
    if (std::filesystem::create_directories(target.parent_path(), error)) {
        // Daemons read what is in it, whatever the umask is.
        ::chmod(target.parent_path().c_str(), 0755);
    }
    std::string name = target.string() + ".XXXXXX";
    const Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
    if (!file) {
        return not_written(target, errno);
    }
    NewFile made(name, target);
    const bool whole = ::fchown(file.get(), static_cast<uid_t>(-1), group) == 0 &&
                       ::fchmod(file.get(), mode) == 0 && write_all(file, text) && ::fsync(file.get()) == 0;
    if (!whole) {
        return not_written(target, errno);
    }
    return made;
}

Result<void> NewFile::put() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) {
        return not_written(target_, errno);
    }
    path_.clear();
    sync_directory(target_.parent_path());
    return {};
}

Result<std::optional<std::filesystem::path>> replace_config(const std::filesystem::path& file,
                                                            const std::string& text) {
    constexpr mode_t for_all_to_read = 0644;
    std::error_code error;
    // A link stays one: what it leads to is replaced.
    const std::filesystem::path target = std::filesystem::weakly_canonical(file, error);
    if (error) {
        return not_written(file, error.value());
    }
    auto made = NewFile::write(target, text, for_all_to_read);
    if (!made) {
        return std::unexpected(made.error());
    }
    if (const auto config = load_config(made->path()); !config) {
        const ConfigError& first = config.error().front();
        return fail(Failure::invalid, "what was answered makes no configuration: " + first.what,
                    first.remedy);
    }
    std::optional<std::filesystem::path> kept;
    if (std::filesystem::exists(target, error)) {
        const auto beside = keep_beside(target);
        if (!beside) {
            return std::unexpected(beside.error());
        }
        kept = *beside;
    }
    if (auto done = made->put(); !done) {
        return std::unexpected(done.error());
    }
    return kept;
}

Result<std::optional<std::string>> contents_of(const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error) && !error) {
        return std::nullopt;
    }
    std::ifstream stream(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) {
        return fail(Failure::unavailable, "can't read " + file.string(), "is it a file, and readable?");
    }
    return text;
}

}  // namespace sekisho::cli
