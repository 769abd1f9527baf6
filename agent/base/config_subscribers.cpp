// SPDX-License-Identifier: Apache-2.0
// Reads [radius] and [[contract]].
#include "agent/base/config_subscribers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "agent/base/config_read.h"

namespace sekisho {

namespace {

// RFC 2869, section 5.16, knows none below a minute. A session is over after three of them without a word:
// who writes more than a day would keep addresses with who left them long ago.
std::optional<std::chrono::seconds> interim_interval_in(TomlTable& table) {
    constexpr std::chrono::minutes shortest{1};
    constexpr std::chrono::hours longest{24};
    const auto interval = table.duration("interim_interval");
    if (interval && (*interval < shortest || *interval > longest)) {
        table.complain("interim_interval", "must be 1m to 24h",
                       "write what the NAS is set to, or leave it out, and it is learnt");
    }
    return interval;
}

void read_radius_nas(TomlTable& table, std::vector<RadiusNasConfig>& list) {
    RadiusNasConfig config;
    for (const std::string_view key : {"name", "interim_interval"}) {
        table.require(key);
    }
    set(config.name, table.text("name"));
    set(config.interim_interval, interim_interval_in(table));
    if (!config.name.empty() && std::ranges::find(list, config.name, &RadiusNasConfig::name) != list.end()) {
        table.complain("name", "this NAS of the client is there already", "name each once");
    }
    list.push_back(std::move(config));
}

RadiusClientConfig read_radius_client(TomlTable& table) {
    RadiusClientConfig config;
    for (const std::string_view key : {"name", "prefixes", "secret_file"}) {
        table.require(key);
    }
    set(config.name, table.name("name"));
    config.prefixes = table.prefixes("prefixes", too_wide);
    set_path(table, "secret_file", config.secret_file);
    config.interim_interval = interim_interval_in(table);
    table.tables("nas", [&config](TomlTable& nas) { read_radius_nas(nas, config.nas); });
    return config;
}

// The clients become a part of it when all sections have been checked.
RadiusConfig read_radius(TomlTable& table, Sections& sections) {
    RadiusConfig config;
    table.require("listen");
    config.listen = table.addresses("listen");
    if (table.is_empty_array("listen")) {
        table.complain("listen", "names no address", "name one of this box's, like [\"192.0.2.1\"]");
    }
    set(config.port, table.integer("port", 1, 65535));
    set(config.max_sessions, table.integer("max_sessions", 16, 16'777'216));
    read_all(table, "client", "prefixes", read_radius_client, sections.radius_clients);
    if (!table.has("client") || table.is_empty_array("client")) {
        table.complain("client", "nobody may send accounting", "add a [[radius.client]] for each NAS");
    }
    return config;
}

void read_patterns(TomlTable& table, std::string_view key, std::vector<std::string>& patterns) {
    set(patterns, table.texts(key));
    if (table.is_empty_array(key)) {
        table.complain(key, "names no pattern", "leave it out, or write one like \"static*\"");
    }
}

ContractConfig read_contract(TomlTable& table) {
    constexpr std::array<std::string_view, 3> marks = {"class", "filter_id", "users"};
    ContractConfig config;
    table.require("name");
    set(config.name, table.name("name"));
    read_patterns(table, "class", config.classes);
    read_patterns(table, "filter_id", config.filters);
    set_path(table, "users", config.users);
    if (std::ranges::none_of(marks, [&table](std::string_view key) { return table.has(key); })) {
        table.complain("class", "is missing, and so are filter_id and users: nobody has this contract",
                       "say by one of them whose it is");
    }
    return config;
}

}  // namespace

void read_subscribers(TomlTable& root, Sections& sections) {
    root.table("radius", [&sections](TomlTable& table) {
        RadiusConfig config = read_radius(table, sections);
        sections.radius.push_back({.value = std::move(config),
                                   .place = table.place(),
                                   .prefixes = table.places("listen"),
                                   .lifetime = {}});
    });
    read_all(root, "contract", "", read_contract, sections.contracts);
}

}  // namespace sekisho
