// SPDX-License-Identifier: Apache-2.0
// Strict reading of one TOML table: each key is asked for once, in its type and range; what is wrong, and
// what nobody asked for, becomes a complaint with its place in the file.
#pragma once

#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"

namespace sekisho {

using Complaints = std::vector<ConfigError>;

struct Place {
    int line = 0;
    int column = 0;
};

class TomlTable {
public:
    // `name` is how the table is written in complaints: "dataplane", "pool". Both references outlive the
    // object.
    TomlTable(const toml::table& table, std::string name, Complaints& complaints);

    TomlTable(const TomlTable&) = delete;
    TomlTable& operator=(const TomlTable&) = delete;
    // Complains of the keys that nobody asked for.
    ~TomlTable();

    // Each gives nothing if the key is missing, or wrong (and complained of).
    std::optional<std::string> text(std::string_view key);
    // A text of up to 64 letters, digits, dots, dashes and underscores, as it may stand in logs and tables.
    std::optional<std::string> name(std::string_view key);
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t lowest, std::int64_t highest);
    std::optional<bool> boolean(std::string_view key);
    std::optional<std::chrono::seconds> duration(std::string_view key);
    std::optional<std::vector<std::string>> texts(std::string_view key);
    std::optional<std::vector<std::int64_t>> integers(std::string_view key, std::int64_t lowest,
                                                      std::int64_t highest);
    // Every bad element is complained of, at its own place; the good ones are given, and places() knows
    // where.
    std::vector<Address> addresses(std::string_view key);
    // The same, not empty; `check` gives what is wrong with a prefix, if anything is.
    using PrefixCheck = std::function<std::optional<Error>(const Prefix&)>;
    std::vector<Prefix> prefixes(std::string_view key, const PrefixCheck& check);
    // The place of the value among `words`.
    std::optional<std::size_t> choice(std::string_view key, const std::vector<std::string_view>& words);
    // A table, or each of an array of tables, under the key.
    void table(std::string_view key, const std::function<void(TomlTable&)>& read);
    void tables(std::string_view key, const std::function<void(TomlTable&)>& read);

    // Complains if the key is missing.
    void require(std::string_view key);
    // Complains of the value of a key, or of the table itself where the key is missing.
    void complain(std::string_view key, const std::string& what, std::string remedy = {});

    // Whether the key is there, right or wrong.
    [[nodiscard]] bool has(std::string_view key) const;
    [[nodiscard]] bool is_empty_array(std::string_view key) const;
    // Where the table begins; where a key's value stands (the table's place where it is missing); where the
    // good elements of an array of addresses or prefixes stand.
    [[nodiscard]] Place place() const;
    [[nodiscard]] Place place(std::string_view key) const;
    [[nodiscard]] std::vector<Place> places(std::string_view key) const;

private:
    const toml::node* ask(std::string_view key);
    const toml::array* array(std::string_view key, const std::string& of);
    std::optional<std::string> text_at(const toml::node& element, std::string_view key);
    [[nodiscard]] std::string path(std::string_view key) const;
    void complain_at(const toml::node& node, std::string what, std::string remedy);

    const toml::table& table_;
    std::string name_;
    Complaints& complaints_;
    std::vector<std::string> asked_;
    std::map<std::string, std::vector<Place>, std::less<>> places_;  // of the good elements
};

}  // namespace sekisho
