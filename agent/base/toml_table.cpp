// SPDX-License-Identifier: Apache-2.0
// Strict reading of TOML.
#include "agent/base/toml_table.h"

#include <algorithm>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/nearest.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"

namespace sekisho {

namespace {

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "a whole number";
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::boolean:
            return "true or false";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::table:
            return "a table";
        default:
            return "a date or time";
    }
}

Place place_of(const toml::node& node) {
    return {static_cast<int>(node.source().begin.line), static_cast<int>(node.source().begin.column)};
}

// What an unknown word was probably meant to be.
std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
    if (const auto meant = nearest(word, known)) {
        return "did you mean \"" + *meant + "\"?";
    }
    std::string all;
    for (const std::string& candidate : known) {
        all += (all.empty() ? "" : ", ") + candidate;
    }
    return "known here: " + all;
}

}  // namespace

TomlTable::TomlTable(const toml::table& table, std::string name, Complaints& complaints)
    : table_(table), name_(std::move(name)), complaints_(complaints) {}

TomlTable::~TomlTable() {
    for (const auto& [key, node] : table_) {
        if (std::ranges::find(asked_, key.str()) == asked_.end()) {
            complaints_.push_back({.line = static_cast<int>(key.source().begin.line),
                                   .column = static_cast<int>(key.source().begin.column),
                                   .what = "unknown key \"" + path(key.str()) + "\"",
                                   .remedy = suggestion(key.str(), asked_)});
        }
    }
}

std::string TomlTable::path(std::string_view key) const {
    return name_.empty() ? printable(key) : name_ + "." + printable(key);
}

Place TomlTable::place() const {
    return place_of(table_);
}

Place TomlTable::place(std::string_view key) const {
    const toml::node* node = table_.get(key);
    return place_of(node != nullptr ? *node : table_);
}

std::vector<Place> TomlTable::places(std::string_view key) const {
    const auto found = places_.find(key);
    return found == places_.end() ? std::vector<Place>{} : found->second;
}

bool TomlTable::has(std::string_view key) const {
    return table_.contains(key);
}

bool TomlTable::is_empty_array(std::string_view key) const {
    const toml::node* node = table_.get(key);
    return node != nullptr && node->is_array() && node->as_array()->empty();
}

const toml::node* TomlTable::ask(std::string_view key) {
    asked_.emplace_back(key);
    return table_.get(key);
}

void TomlTable::complain_at(const toml::node& node, std::string what, std::string remedy) {
    const Place where = place_of(node);
    complaints_.push_back(
        {.line = where.line,
         .column = where.column,
         .what = std::move(what),
         .remedy = remedy.empty() ? "sekisho.toml(5) says what may stand here" : std::move(remedy)});
}

void TomlTable::complain(std::string_view key, const std::string& what, std::string remedy) {
    const toml::node* node = table_.get(key);
    complain_at(node != nullptr ? *node : table_, path(key) + ": " + what, std::move(remedy));
}

void TomlTable::require(std::string_view key) {
    if (table_.get(key) == nullptr) {
        complain_at(table_, "[[" + name_ + "]] has no \"" + std::string(key) + "\"", "add it");
    }
}

std::optional<std::string> TomlTable::text(std::string_view key) {
    const toml::node* node = ask(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    auto value = node->value_exact<std::string>();
    if (!value || value->empty()) {
        complain(key, value ? "must not be empty" : "must be a string, not " + std::string(type_name(*node)));
        return std::nullopt;
    }
    return value;
}

std::optional<std::string> TomlTable::name(std::string_view key) {
    constexpr std::size_t longest = 64;
    auto value = text(key);
    const auto fits = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; };
    if (value && (value->size() > longest || !std::ranges::all_of(*value, fits))) {
        complain(key, "\"" + printable(value->substr(0, longest)) + "\" can't be a name",
                 "write up to 64 letters, digits, dots, dashes and underscores");
        return std::nullopt;
    }
    return value;
}

std::optional<std::int64_t> TomlTable::integer(std::string_view key, std::int64_t lowest,
                                               std::int64_t highest) {
    const toml::node* node = ask(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < lowest || *value > highest) {
        complain(key,
                 "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
        return std::nullopt;
    }
    return value;
}

std::optional<bool> TomlTable::boolean(std::string_view key) {
    const toml::node* node = ask(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    const auto value = node->value_exact<bool>();
    if (!value) {
        complain(key, "must be true or false, not " + std::string(type_name(*node)));
    }
    return value;
}

std::optional<std::chrono::seconds> TomlTable::duration(std::string_view key) {
    const auto value = text(key);
    if (!value) {
        return std::nullopt;
    }
    const auto parsed = parse_duration(*value);
    if (!parsed) {
        complain(key, parsed.error().what, parsed.error().remedy);
        return std::nullopt;
    }
    if (*parsed <= std::chrono::seconds::zero()) {
        complain(key, "must be longer than nothing", "write it like \"10m\"");
        return std::nullopt;
    }
    return *parsed;
}

const toml::array* TomlTable::array(std::string_view key, const std::string& of) {
    const toml::node* node = ask(key);
    if (node != nullptr && !node->is_array()) {
        complain(key, "must be an array of " + of + ", not " + std::string(type_name(*node)));
    }
    return node == nullptr ? nullptr : node->as_array();
}

std::optional<std::string> TomlTable::text_at(const toml::node& element, std::string_view key) {
    auto value = element.value_exact<std::string>();
    if (!value || value->empty()) {
        complain_at(element, path(key) + ": must hold strings that are not empty", {});
        return std::nullopt;
    }
    return value;
}

std::optional<std::vector<std::string>> TomlTable::texts(std::string_view key) {
    const toml::array* const found = array(key, "strings");
    if (found == nullptr) {
        return std::nullopt;
    }
    std::vector<std::string> values;
    for (const toml::node& element : *found) {
        if (auto value = text_at(element, key)) {
            values.push_back(std::move(*value));
        }
    }
    return values.size() == found->size() ? std::optional(std::move(values)) : std::nullopt;
}

std::optional<std::vector<std::int64_t>> TomlTable::integers(std::string_view key, std::int64_t lowest,
                                                             std::int64_t highest) {
    const toml::array* const found = array(key, "whole numbers");
    if (found == nullptr) {
        return std::nullopt;
    }
    std::vector<std::int64_t> values;
    for (const toml::node& element : *found) {
        const auto value = element.value_exact<std::int64_t>();
        if (!value || *value < lowest || *value > highest) {
            complain_at(element,
                        path(key) + ": must hold whole numbers from " + std::to_string(lowest) + " to " +
                            std::to_string(highest),
                        {});
        } else {
            values.push_back(*value);
        }
    }
    return values.size() == found->size() ? std::optional(std::move(values)) : std::nullopt;
}

std::vector<Address> TomlTable::addresses(std::string_view key) {
    std::vector<Address> values;
    const toml::array* const found = array(key, "strings");
    for (std::size_t i = 0; found != nullptr && i < found->size(); i++) {
        const toml::node& element = *found->get(i);
        const auto text = text_at(element, key);
        const auto address = text ? parse_address(*text) : Address{};
        if (!address) {
            complain_at(element, path(key) + ": " + address.error().what, address.error().remedy);
        } else if (text) {
            values.push_back(*address);
            places_[std::string(key)].push_back(place_of(element));
        }
    }
    return values;
}

std::vector<Prefix> TomlTable::prefixes(std::string_view key, const PrefixCheck& check) {
    std::vector<Prefix> values;
    const toml::array* const found = array(key, "strings");
    if (found == nullptr) {
        return values;
    }
    if (found->empty()) {
        complain(key, "must not be empty", "name at least one prefix, like \"192.0.2.0/24\"");
    }
    for (const toml::node& element : *found) {
        const auto text = text_at(element, key);
        if (!text) {
            continue;
        }
        const auto prefix = parse_prefix(*text);
        const auto trouble = prefix ? check(*prefix) : std::optional(prefix.error());
        if (trouble) {
            complain_at(element, path(key) + ": " + trouble->what, trouble->remedy);
        } else {
            values.push_back(*prefix);
            places_[std::string(key)].push_back(place_of(element));
        }
    }
    return values;
}

std::optional<std::size_t> TomlTable::choice(std::string_view key,
                                             const std::vector<std::string_view>& words) {
    const auto value = text(key);
    if (!value) {
        return std::nullopt;
    }
    const auto found = std::ranges::find(words, *value);
    if (found == words.end()) {
        complain(key, "\"" + printable(*value) + "\" is not one of its values",
                 suggestion(*value, std::vector<std::string>(words.begin(), words.end())));
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - words.begin());
}

void TomlTable::table(std::string_view key, const std::function<void(TomlTable&)>& read) {
    const toml::node* node = ask(key);
    if (node == nullptr) {
        return;
    }
    if (const toml::table* found = node->as_table()) {
        TomlTable inner(*found, path(key), complaints_);
        read(inner);
        return;
    }
    complain(key, "must be a table, not " + std::string(type_name(*node)), "write [" + path(key) + "]");
}

void TomlTable::tables(std::string_view key, const std::function<void(TomlTable&)>& read) {
    const toml::node* node = ask(key);
    if (node == nullptr) {
        return;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr ||
        !std::ranges::all_of(*array, [](const toml::node& each) { return each.is_table(); })) {
        complain(key, "must be an array of tables", "write [[" + path(key) + "]]");
        return;
    }
    for (const toml::node& element : *array) {
        TomlTable inner(*element.as_table(), path(key), complaints_);
        read(inner);
    }
}

}  // namespace sekisho
