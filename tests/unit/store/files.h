// SPDX-License-Identifier: Apache-2.0
// Things to put into a store.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/grants/grants.h"
#include "agent/store/store.h"
#include "tests/unit/directory.h"

namespace sekisho::store {

using namespace std::chrono_literals;

using tests::Directory;

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
            .generation = 4'000'000'000U,
            .budget = 500,
            .edge_before = {},
            .relay_before = 0ns};
}

inline grants::CoolDown cool_down(std::string_view key) {
    return {.key = parse_prefix(key).value(),
            .user = "alice",
            .until = 123'456'789'013ns,
            .until_wall = grants::WallTime(1'700'000'800'000'000'002ns),
            .since = grants::WallTime(1'700'000'000'000'000'003ns),
            .boot = "6f3c1d3e-0000-4000-8000-000000000001"};
}

inline grants::Quarantine quarantine(std::string_view key, std::string note = "ticket 4712") {
    return {.key = parse_prefix(key).value(),
            .note = std::move(note),
            .since = grants::WallTime(1'700'000'000'000'000'004ns)};
}

inline grants::Exemption exemption(std::string_view prefix, std::string note = "contract 17") {
    return {.prefix = parse_prefix(prefix).value(),
            .note = std::move(note),
            .since = grants::WallTime(1'700'000'000'000'000'009ns)};
}

inline subscribers::Session session(std::uint64_t number, std::string id = "5f0a0001") {
    return {.number = number,
            .nas = "bras1",
            .session_id = std::move(id),
            .user = std::string("al\0ice\xff", 7),
            .calling_station = "00-11-22-33-44-55",
            .classes = {"gold", std::string("\0,3:", 4), ""},
            .filters = {"residential"},
            .prefixes = {parse_prefix("192.0.2.7").value(), parse_prefix("2001:db8:100:1200::/56").value()},
            .held_since = {std::chrono::sys_seconds(std::chrono::seconds(1'790'000'007)),
                           std::chrono::sys_seconds(std::chrono::seconds(1'790'000'300))},
            .since = std::chrono::sys_seconds(1'700'000'000s),
            .last_event = std::chrono::sys_seconds(1'700'000'100s),
            .last_heard = std::chrono::sys_seconds(1'700'000'101s),
            .interim_interval = 600s};
}

inline std::vector<subscribers::Session> sessions_in(const Store& store) {
    std::vector<subscribers::Session> all;
    EXPECT_TRUE(store.each_session([&all](const subscribers::Session& each) { all.push_back(each); }));
    return all;
}

inline grants::SaveGrant save(grants::Grant grant) {
    return {.grant = std::make_shared<const grants::Grant>(std::move(grant))};
}

// Of the generation that grant() makes.
inline grants::ForgetGrant forget(std::string_view key) {
    return {.key = parse_prefix(key).value(), .generation = grant(key).generation};
}

inline std::vector<grants::Grant> grants_in(const Store& store) {
    std::vector<grants::Grant> all;
    EXPECT_TRUE(store.each_grant([&all](const grants::Grant& each) { all.push_back(each); }));
    return all;
}

inline std::string content(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void overwrite(const std::filesystem::path& file, std::string_view bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace sekisho::store
