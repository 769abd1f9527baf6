// SPDX-License-Identifier: Apache-2.0
// Reads a file when it is another one.
#include "agent/base/changed_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

namespace sekisho {

namespace {

constexpr off_t largest_file = 64 << 20;

}  // namespace

ChangedFile::ChangedFile(std::filesystem::path path, std::string remedy)
    : path_(std::move(path)), remedy_(std::move(remedy)) {}

Result<std::optional<std::string>> ChangedFile::changed() {
    struct stat facts{};
    const int error = ::stat(path_.c_str(), &facts) != 0 ? errno : 0;
    if (error != 0 || !S_ISREG(facts.st_mode)) {
        const std::string why = error != 0 ? std::generic_category().message(error) : "it is no file";
        if (std::exchange(missing_, true)) {
            return std::nullopt;
        }
        seen_.reset();
        return fail(Failure::unavailable, "can't read " + path_.string() + ": " + why, remedy_);
    }
    missing_ = false;
    const Look look{static_cast<std::int64_t>(facts.st_ino), facts.st_size, facts.st_ctim.tv_sec,
                    facts.st_ctim.tv_nsec};
    if (seen_ == look) {
        return std::nullopt;
    }
    seen_ = look;
    if (facts.st_size > largest_file) {
        return fail(Failure::invalid, path_.string() + " is larger than 64 MiB",
                    "this can't be the right file");
    }
    std::ifstream stream(path_, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) {
        return fail(Failure::unavailable, "can't read " + path_.string(), "is it readable for this user?");
    }
    return text;
}

}  // namespace sekisho
