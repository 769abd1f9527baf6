// SPDX-License-Identifier: Apache-2.0
// Reads [grants].
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "agent/base/config_read.h"
#include "agent/base/printable.h"
#include "agent/base/user_name.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 2> tls_words = {"any", "required"};

std::optional<bool> tls_required(TomlTable& table) {
    const auto word = table.choice("tls", words(tls_words));
    return word ? std::optional(*word == 1) : std::nullopt;
}

// What logs and Dovecot call it: a slip would be a rule that is for nothing.
void check_protocols(TomlTable& table, const std::vector<std::string>& protocols) {
    for (const std::string& protocol : protocols) {
        if (protocol.empty() ||
            protocol.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
            table.complain("protocols", "has a word that is no protocol: \"" + printable(protocol) + "\"",
                           R"(write it like "pop3", "imap" or "smtp")");
        }
    }
}

std::optional<std::uint32_t> count_of(TomlTable& table, std::string_view key, std::int64_t largest) {
    const auto count = table.integer(key, 0, largest);
    return count ? std::optional(static_cast<std::uint32_t>(*count)) : std::nullopt;
}

// An array of words, as lists are everywhere in the file.
std::optional<Scope> scope_in(TomlTable& table) {
    const auto list = table.texts("scope");
    if (!list) {
        return std::nullopt;
    }
    std::string words;
    for (const std::string& word : *list) {
        words += (words.empty() ? "" : ",") + word;
    }
    const auto scope = parse_scope(words);
    if (!scope) {
        table.complain(
            "scope", list->empty() ? "names none, so a grant would be for nothing" : scope.error().what,
            R"(write it like ["edge"] or ["edge", "relay"]; a rule with opens = false opens nothing)");
        return std::nullopt;
    }
    return *scope;
}

GrantRuleConfig read_rule(TomlTable& table) {
    GrantRuleConfig rule;
    table.require("name");
    set(rule.name, table.name("name"));
    set(rule.reporters, table.texts("reporters"));
    if (const auto protocols = table.texts("protocols")) {
        rule.protocols = *protocols;
        check_protocols(table, *protocols);
    }
    set(rule.users, table.texts("users"));
    std::ranges::transform(rule.users, rule.users.begin(), folded);
    for (const std::string_view key : {"reporters", "protocols", "users"}) {
        if (table.is_empty_array(key)) {
            table.complain(key, "names none, so the rule is for nothing", "leave it out where all are meant");
        }
    }
    set(rule.opens, table.boolean("opens"));
    rule.lifetime = table.duration("lifetime");
    rule.budget = count_of(table, "budget", largest_budget);
    rule.tls_required = tls_required(table);
    rule.addresses_per_user = count_of(table, "addresses_per_user", largest_count);
    rule.other_family = table.boolean("other_family");
    rule.scope = scope_in(table);
    return rule;
}

}  // namespace

void read_grants(TomlTable& root, Sections& sections, Config& config) {
    root.table("grants", [&sections, &config](TomlTable& table) {
        GrantConfig& grants = config.grants;
        set(grants.lifetime, table.duration("lifetime"));
        set(grants.longest, table.duration("longest"));
        set(grants.budget, table.integer("budget", 0, largest_budget));
        set(grants.window, table.duration("window"));
        set(grants.window_connections, table.integer("window_connections", 0, largest_count));
        set(grants.cool_down, table.duration("cool_down"));
        set(grants.tls_required, tls_required(table));
        set(grants.addresses_per_user, table.integer("addresses_per_user", 0, largest_count));
        set(grants.other_family, table.boolean("other_family"));
        set(grants.scope, scope_in(table));
        read_all(table, "rule", "", read_rule, sections.grant_rules);
        if (grants.window > longest_time || grants.cool_down > longest_time) {
            const std::string key = grants.window > longest_time ? "window" : "cool_down";
            table.complain(key, "is longer than a year", "write it like 60s, 15m or 1h30m");
        }
        if (grants.lifetime > grants.longest) {
            table.complain("lifetime", "is longer than grants.longest",
                           "raise grants.longest, or lower this");
        }
    });
}

}  // namespace sekisho
