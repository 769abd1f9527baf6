// SPDX-License-Identifier: Apache-2.0
// Reads a list when it is another one.
#include "agent/base/list_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "agent/base/prefix_list.h"

namespace sekisho {

namespace {

constexpr off_t largest_file = 64 << 20;

}  // namespace

ListFile::ListFile(std::filesystem::path path) : path_(std::move(path)) {}

Result<std::optional<std::vector<Prefix>>> ListFile::changed() {
    struct stat facts{};
    const int error = ::stat(path_.c_str(), &facts) != 0 ? errno : 0;
    if (error != 0 || !S_ISREG(facts.st_mode)) {
        const std::string why = error != 0 ? std::generic_category().message(error) : "it is no file";
        if (std::exchange(missing_, true)) {
            return std::nullopt;
        }
        seen_.reset();
        return fail(Failure::unavailable, "can't read " + path_.string() + ": " + why,
                    "put a list of prefixes there, one on each line");
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
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) {
        return fail(Failure::unavailable, "can't read " + path_.string(), "is it readable for this user?");
    }
    auto prefixes = parse_prefix_list(text);
    if (!prefixes) {
        return fail(prefixes.error().kind, path_.string() + ", " + prefixes.error().what,
                    prefixes.error().remedy);
    }
    return std::optional(std::move(*prefixes));
}

}  // namespace sekisho
