// SPDX-License-Identifier: Apache-2.0
// A directory for one test, and things to put into a store.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "agent/grants/grants.h"
#include "agent/store/store.h"

namespace sekisho::store {

using namespace std::chrono_literals;

// Gone with its content at the end of the test.
class Directory {
public:
    Directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sekisho-store-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline grants::Grant grant(std::string_view key, std::string user = "alice") {
    return {.key = parse_prefix(key).value(),
            .pool = "dsl",
            .source = "mail1",
            .user = std::move(user),
            .reason = "pop3 login",
            .since = grants::WallTime(1'700'000'000'123'456'789ns),
            .renewed = grants::WallTime(1'700'000'100'000'000'001ns),
            .expires = 123'456'789'012ns,
            .expires_wall = grants::WallTime(1'700'000'700'000'000'001ns),
            .boot = "6f3c1d3e-0000-4000-8000-000000000001",
            .generation = 4'000'000'000U};
}

inline grants::Exemption exemption(std::string_view prefix, std::string note = "contract 17") {
    return {.prefix = parse_prefix(prefix).value(),
            .note = std::move(note),
            .since = grants::WallTime(1'700'000'000'000'000'009ns)};
}

inline std::string content(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void overwrite(const std::filesystem::path& file, std::string_view bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace sekisho::store
