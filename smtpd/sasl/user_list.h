// SPDX-License-Identifier: Apache-2.0
// The text of the user file: lines `name:hash`, empty lines, comments behind #. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/result.h"

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
    // All names, sorted.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    [[nodiscard]] const std::vector<BadLine>& bad_lines() const { return bad_lines_; }

    // Failure::conflict if there is a user of this name; Failure::invalid for an unfit name.
    [[nodiscard]] Result<void> add(const std::string& name, const std::string& hash);
    // Failure::not_found.
    [[nodiscard]] Result<void> change(const std::string& name, std::string hash);
    // Failure::not_found. Removes all lines of this name, so that no second one comes into force.
    [[nodiscard]] Result<void> remove(const std::string& name);

private:
    struct Line {
        std::string name;  // empty: no user
        std::string rest;  // the hash, or else the whole line
    };

    void read(std::string_view line);
    void complain(std::string_view what) { bad_lines_.push_back({lines_.size(), std::string(what)}); }

    std::vector<Line> lines_;
    std::unordered_map<std::string, std::size_t> places_;
    std::vector<std::size_t> users_;  // places in lines_
    std::vector<BadLine> bad_lines_;
};

}  // namespace sekisho::sasl
