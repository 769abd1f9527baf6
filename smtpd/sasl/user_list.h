// SPDX-License-Identifier: Apache-2.0
// The text of the user file: lines `name:hash` or `name:hash:keys`, empty lines, comments behind #. Pure.
//
// Keys are those of SCRAM (scram_keys.h), for each mechanism one at most, with colons between them. What
// stands behind the first colon of a line is called "stored" here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/result.h"
#include "smtpd/sasl/scram_keys.h"

namespace sekisho::sasl {

// A line that names nobody. What stands in it is never said: it may be a password.
struct BadLine {
    std::size_t number = 0;  // from 1
    std::string what;

    bool operator==(const BadLine&) const = default;
};

class UserList {
public:
    // Every line is kept as it is, good or bad, and written again by text().
    [[nodiscard]] static UserList parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    // The hash of a user, or null. Names are those of user_key().
    [[nodiscard]] const std::string* hash_of(const std::string& name) const;
    // Somebody's hash, chosen by a number; null if there are none.
    [[nodiscard]] const std::string* any_hash(std::uint64_t choice) const;
    // Somebody's keys, chosen by a number; nothing if there are none, or the one has none of this kind.
    [[nodiscard]] std::optional<ScramKeys> any_keys(ScramHash hash, std::uint64_t choice) const;
    // The keys of a user; nothing if there are none, or no such user, which takes as long.
    [[nodiscard]] std::optional<ScramKeys> keys_of(const std::string& name, ScramHash hash) const;
    // Whether every user has such keys.
    [[nodiscard]] bool all_have_keys(ScramHash hash) const;
    // All names, sorted.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    [[nodiscard]] const std::vector<BadLine>& bad_lines() const { return bad_lines_; }

    // Failure::conflict if there is a user of this name; Failure::invalid for an unfit name.
    [[nodiscard]] Result<void> add(const std::string& name, const std::string& stored);
    // Failure::not_found.
    [[nodiscard]] Result<void> change(const std::string& name, std::string_view stored);
    // Failure::not_found. Removes all lines of this name, so that no second one comes into force.
    [[nodiscard]] Result<void> remove(const std::string& name);

private:
    struct Line {
        std::string name;  // empty: no user
        std::string rest;  // the hash, or else the whole line
        std::string keys;  // with a colon in front of each

        [[nodiscard]] static Line of(std::string name, std::string_view stored);
        [[nodiscard]] std::string text() const;
    };

    void read(std::string_view line);
    [[nodiscard]] std::optional<ScramKeys> keys_at(std::size_t line, ScramHash hash) const;
    void complain(std::string_view what) { bad_lines_.push_back({lines_.size(), std::string(what)}); }

    std::vector<Line> lines_;
    std::unordered_map<std::string, std::size_t> places_;
    std::vector<std::size_t> users_;  // places in lines_
    std::vector<BadLine> bad_lines_;
};

}  // namespace sekisho::sasl
