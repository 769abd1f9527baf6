// SPDX-License-Identifier: Apache-2.0
// Small steps of reading sections. Internal to this room.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/config_check.h"
#include "agent/base/toml_table.h"

namespace sekisho {

// Beyond it nobody means what he writes, and the kernel's seconds come to an end.
inline constexpr std::chrono::hours longest_time{24 * 366};

template <std::size_t Size>
std::vector<std::string_view> words(const std::array<std::string_view, Size>& all) {
    return {all.begin(), all.end()};
}

// Sets `to` if there is a value.
template <class To, class From>
void set(To& to, const std::optional<From>& from) {
    if (from) {
        to = static_cast<To>(*from);
    }
}

// An absolute path, which must not be taken from where the daemon happens to be started.
void set_path(TomlTable& table, std::string_view key, std::filesystem::path& to);

// The path of a Unix socket.
void set_socket(TomlTable& table, std::string_view key, std::filesystem::path& to);

// An address; false if it is missing or wrong.
bool set_address(TomlTable& table, std::string_view key, Address& to);

// A host's name (RFC 1123, 2.1): labels of letters, digits and dashes.
bool is_host_name(std::string_view text);

// A duration that is longer than nothing.
void set_duration(TomlTable& table, std::string_view key, std::chrono::seconds& to);

// What is wrong with a prefix that is meant to hold servers or trusted networks: wider than /8 (IPv4) or /16
// (IPv6) it would open the box to half the world, and is a slip.
std::optional<Error> too_wide(const Prefix& prefix);

// Reads each table of an array; `prefixes` is the key that holds its prefixes.
template <class T>
void read_all(TomlTable& root, std::string_view key, std::string_view prefixes, T (*read)(TomlTable&),
              std::vector<Placed<T>>& list) {
    root.tables(key, [&list, prefixes, read](TomlTable& table) {
        T value = read(table);
        list.push_back({std::move(value), table.place(), table.places(prefixes), table.place("lifetime")});
    });
}

// [grants], [[grants.rule]]: what logins open.
void read_grants(TomlTable& root, Sections& sections, Config& config);

// [login]: what says who reports logins.
void read_logins(TomlTable& root, Sections& sections, Config& config);

// [login.tries], [[login.access]]: what Dovecot is told before it looks at a password.
TriesConfig read_tries(TomlTable& table);
void read_access_list(TomlTable& table, Sections& sections);

// [radius], [[contract]]: who tells of sessions, and which are always open.
void read_subscribers(TomlTable& root, Sections& sections);

// [submission], and what of other sections matters to it.
struct SubmissionSurroundings {
    bool grants_known = false;   // the agent tells the submission server of grants
    bool local_domains = false;  // there are some
};
void read_submission(TomlTable& table, SubmissionConfig& config, SubmissionSurroundings around);
// The other sections of mail: see config_mail.h.
void read_mail_sections(TomlTable& root, Config& config);
// [mailbox] and [acme], which look at the sections above.
void read_mailbox_sections(TomlTable& root, Config& config);
// [login.submission].
SubmissionLoginConfig read_submission_login(TomlTable& table, const GrantConfig& grants);

}  // namespace sekisho
