// SPDX-License-Identifier: Apache-2.0
// Reads [login.tries] and [[login.access]].
#include "agent/base/config_access.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 2> tries_answers = {"refuse", "tarpit"};
constexpr std::array<std::string_view, 2> access_actions = {"allow", "deny"};

// A duration of 1 s to `longest`.
void read_span(TomlTable& table, std::string_view key, std::chrono::seconds longest,
               const std::string& remedy, std::chrono::seconds& to) {
    set(to, table.duration(key));
    if (to > longest) {
        table.complain(key, "is too long", remedy);
    }
}

// What a protocol is called by those who don't read Dovecot's logs: an entry for it would never fit.
std::string_view meant_protocol(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> slips = {
        {{"pop", "pop3"},
         {"pop3s", "pop3"},
         {"pops", "pop3"},
         {"imap4", "imap"},
         {"imaps", "imap"},
         {"smtps", "smtp"},
         {"managesieve", "sieve"}}};
    const auto* const slip =
        std::ranges::find(slips, name, &std::pair<std::string_view, std::string_view>::first);
    return slip == slips.end() ? std::string_view() : slip->second;
}

void read_protocols(TomlTable& table, AccessConfig& config) {
    set(config.protocols, table.texts("protocols"));
    if (table.is_empty_array("protocols")) {
        table.complain("protocols", "names no protocol", "leave it out, and the entry is for all of them");
    }
    for (const std::string& name : config.protocols) {
        const bool word = std::ranges::all_of(
            name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
        const std::string_view meant = meant_protocol(name);
        if (!word || !meant.empty()) {
            table.complain("protocols", "Dovecot knows no protocol \"" + printable(name) + "\"",
                           meant.empty() ? R"(write it like "pop3" or "imap", in small letters)"
                                         : "write \"" + std::string(meant) + "\", with and without TLS");
        }
    }
}

AccessConfig read_access(TomlTable& table) {
    constexpr std::int64_t highest = 1'000'000;
    AccessConfig config;
    table.require("action");
    set(config.priority, table.integer("priority", 0, highest));
    set(config.action, table.choice("action", words(access_actions)));
    if (table.has("clients")) {
        // Nothing is too much to be denied; but whoever is allowed by his address is never locked, either.
        const bool allows = config.action == AccessAction::allow;
        config.clients = table.prefixes("clients", [allows](const Prefix& prefix) {
            return allows ? too_wide(prefix) : std::optional<Error>();
        });
    }
    set(config.users, table.texts("users"));
    if (table.is_empty_array("users")) {
        table.complain("users", "names nobody", "leave it out, and the entry is for everybody");
    }
    read_protocols(table, config);
    return config;
}

}  // namespace

TriesConfig read_tries(TomlTable& table) {
    constexpr std::int64_t most_tries = 10'000;
    constexpr std::chrono::hours longest_window{24};
    constexpr std::chrono::hours longest_lock{24 * 7};
    constexpr std::chrono::seconds longest_tarpit{15};  // as long as Dovecot's own penalty
    TriesConfig config;
    read_span(table, "window", longest_window, "write 1s to 24h", config.window);
    set(config.per_address, table.integer("per_address", 0, most_tries));
    set(config.per_network, table.integer("per_network", 0, most_tries));
    set(config.per_user, table.integer("per_user", 0, most_tries));
    set(config.answer, table.choice("answer", words(tries_answers)));
    read_span(table, "tarpit", longest_tarpit,
              "write 1s to 15s: a mail program gives up when it waits for long", config.tarpit);
    read_span(table, "lock", longest_lock, "write 1s to 7d", config.lock);
    set(config.network_ipv4, table.integer("network_ipv4", 8, 31));
    set(config.network_ipv6, table.integer("network_ipv6", 16, 63));
    if (table.has("never")) {
        config.never = table.prefixes("never", too_wide);
    }
    if (config.per_address + config.per_network + config.per_user == 0) {
        table.complain("per_address", "is 0, and so are per_network and per_user: nobody is ever locked",
                       "leave [login.tries] out");
    }
    return config;
}

void read_access_list(TomlTable& table, Sections& sections) {
    read_all(table, "access", "", read_access, sections.access);
}

}  // namespace sekisho
