// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml; config_check.cpp says what must hold between them.
#include "agent/base/config.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/config_check.h"
#include "agent/base/config_read.h"
#include "agent/base/pattern.h"
#include "agent/base/printable.h"
#include "agent/base/toml_table.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 2> sides = {"subscriber", "uplink"};
constexpr std::array<std::string_view, 5> attaches = {"auto", "xdp", "xdp-generic", "tc", "clsact"};
constexpr std::array<std::string_view, 2> tunnels = {"pass", "inspect"};
constexpr std::array<std::string_view, 2> validations = {"off", "pool"};
constexpr std::array<std::string_view, 3> replies = {"off", "strict", "designated"};
constexpr std::array<std::string_view, 2> inbounds = {"pass", "block"};
constexpr std::array<std::string_view, 2> untils = {"pass", "drop"};
constexpr std::array<std::string_view, 2> foreign_actions = {"monitor", "drop"};
constexpr std::array<std::string_view, 4> actions = {"monitor", "drop", "reset", "prohibit"};

// An address of this family, from which answers may come.
void set_source(TomlTable& table, std::string_view key, Family family, std::optional<Address>& to) {
    Address address;
    if (!set_address(table, key, address)) {
        return;
    }
    if (address.family != family) {
        table.complain(key, "is no IPv" + std::string(family == Family::ipv4 ? "4" : "6") + " address",
                       "name one of this box's addresses");
        return;
    }
    to = address;
}

void read_dataplane(TomlTable& table, DataplaneConfig& config) {
    set_path(table, "pin_path", config.pin_path);
    set(config.max_entries, table.integer("max_entries", 16, 16'777'216));
    set(config.answers_per_second, table.integer("answers_per_second", 0, 100'000'000));
    set(config.max_flows, table.integer("max_flows", 16, 16'777'216));
    set(config.flows_per_subscriber, table.integer("flows_per_subscriber", 0, largest_count));
    set(config.flow_idle, table.duration("flow_idle"));
    if (config.flow_idle > longest_time) {
        table.complain("flow_idle", "is longer than a year",
                       "a mail server may be silent for ten minutes (RFC 5321, 4.5.3.2): write it like 15m");
    }
    set_source(table, "icmp_source_ipv4", Family::ipv4, config.icmp_source_ipv4);
    set_source(table, "icmp_source_ipv6", Family::ipv6, config.icmp_source_ipv6);
    set(config.inbound_replies, table.choice("inbound_replies", words(replies)));
    if (const auto ports = table.integers("ports", 1, 65535)) {
        if (ports->empty() || ports->size() > 8) {
            table.complain("ports", "must name 1 to 8 ports", "ports = [25]");
            return;
        }
        if (std::set<std::int64_t>(ports->begin(), ports->end()).size() != ports->size()) {
            table.complain("ports", "names a port twice", "name each once");
            return;
        }
        config.ports.clear();
        for (const std::int64_t port : *ports) {
            config.ports.push_back(static_cast<std::uint16_t>(port));
        }
    }
}

// A device's name has up to 15 bytes without blanks and slashes (dev_valid_name() in the kernel).
void check_pattern(TomlTable& table, const std::string& pattern) {
    constexpr std::size_t longest_name = 15;
    const auto impossible = [](unsigned char c) { return c <= ' ' || c == '/' || c == 0x7f; };
    const bool plain = pattern.find_first_of("*?[\\") == std::string::npos;
    if (std::ranges::any_of(pattern, impossible) || (plain && pattern.size() > longest_name)) {
        table.complain("name", "no interface can have the name \"" + printable(pattern) + "\"",
                       "write a name of up to 15 letters, or a pattern such as \"ppp*\"");
    }
}

void read_entrants(TomlTable& table, InterfaceConfig& config) {
    const auto pools = table.texts("pools");
    if (!pools) {
        return;
    }
    if (pools->empty()) {
        table.complain("pools", "names no pool",
                       "name those whose subscribers come in here, or leave it out");
    } else if (!config.validate_source) {
        table.complain("pools", "has no effect without source validation",
                       R"(set source_validation = "pool", or leave pools out)");
    }
    config.pools = {pools->begin(), pools->end()};
}

void read_until_judged(TomlTable& table, InterfaceConfig& config) {
    config.closed_until_judged = table.choice("until_judged", words(untils)).value_or(0) == 1;
    if (!config.closed_until_judged) {
        return;
    }
    if (config.side == Side::uplink) {
        table.complain("until_judged", "can't be \"drop\" on the uplink side",
                       "it is for what subscribers send; leave it out there");
    }
    if (!config.name.empty() && !is_beginning(config.name)) {
        table.complain("until_judged",
                       "can't be \"drop\" for the pattern \"" + printable(config.name) +
                           "\", which nftables doesn't know",
                       "write a name, or the beginning of names and a single * at its end, such as \"ppp*\"");
    }
}

InterfaceConfig read_interface(TomlTable& table) {
    InterfaceConfig config;
    table.require("name");
    set(config.name, table.text("name"));
    check_pattern(table, config.name);
    set(config.side, table.choice("side", words(sides)));
    set(config.attach, table.choice("attach", words(attaches)));
    set(config.tunnels, table.choice("tunnels", words(tunnels)));
    config.validate_source = table.choice("source_validation", words(validations)).value_or(0) == 1;
    if (config.validate_source && config.side == Side::uplink) {
        table.complain("source_validation", "can't be \"pool\" on the uplink side",
                       "sources in a pool come from subscribers; leave it out there");
    }
    if (config.tunnels == Tunnels::inspect && config.side == Side::uplink) {
        table.complain("tunnels", "can't be \"inspect\" on the uplink side",
                       "only what subscribers send is looked for in tunnels; leave it out there");
    }
    read_entrants(table, config);
    read_until_judged(table, config);
    set(config.fast_path, table.boolean("fast_path"));
    if (config.fast_path && config.attach != Attach::automatic && config.attach != Attach::xdp) {
        table.complain("fast_path",
                       "needs native XDP, and attach says " + std::string(to_string(config.attach)),
                       R"(set attach = "auto" or "xdp", or leave fast_path out)");
    }
    return config;
}

// The first 32 bits are zero: the kernel keeps the keys of IPv4 addresses there.
bool in_reserved_range(const Prefix& prefix) {
    constexpr int reserved_bits = 32;
    return prefix.address.family == Family::ipv6 &&
           prefix.address.masked(std::min(prefix.length, reserved_bits)).bytes ==
               std::array<std::uint8_t, 16>{};
}

// Nobody's own address can lie there (RFC 1112, 1122, 4291).
bool is_special(const Prefix& prefix) {
    static const std::vector<Prefix> special = [] {
        std::vector<Prefix> list;
        for (const char* text : {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "ff00::/8"}) {
            list.push_back(parse_prefix(text).value());
        }
        return list;
    }();
    return std::ranges::any_of(special, [&prefix](const Prefix& each) { return each.overlaps(prefix); });
}

// What is wrong with a prefix of a pool whose subscribers hold this much.
std::optional<Error> check_pool(const Prefix& prefix, int key_length_ipv6) {
    const auto error = [&prefix](const std::string& what, const std::string& remedy) {
        return Error{.kind = Failure::invalid, .what = prefix.text() + what, .remedy = remedy};
    };
    if (in_reserved_range(prefix)) {
        return error(" reaches into ::/32, which is reserved",
                     "name the prefixes that subscribers really have");
    }
    if (is_special(prefix)) {
        return error(" holds addresses that no subscriber can have",
                     "name the prefixes that subscribers really have");
    }
    if (prefix.address.family == Family::ipv6 && prefix.length > key_length_ipv6) {
        return error(" is narrower than one subscriber's key of /" + std::to_string(key_length_ipv6),
                     "raise ipv6_key to " + std::to_string(prefix.length) + " or name a wider prefix");
    }
    return std::nullopt;
}

PoolConfig read_pool(TomlTable& table) {
    PoolConfig config;
    table.require("name");
    table.require("prefixes");
    set(config.name, table.name("name"));
    set(config.key_length_ipv6, table.integer("ipv6_key", 48, 128));
    set(config.action, table.choice("action", words(actions)));
    config.closed = table.choice("inbound", words(inbounds)).value_or(0) == 1;
    set(config.shared, table.boolean("shared"));
    config.prefixes = table.prefixes(
        "prefixes", [&config](const Prefix& prefix) { return check_pool(prefix, config.key_length_ipv6); });
    return config;
}

DesignatedConfig read_designated(TomlTable& table) {
    DesignatedConfig config;
    table.require("name");
    table.require("prefixes");
    set(config.name, table.name("name"));
    config.prefixes = table.prefixes("prefixes", too_wide);
    return config;
}

ForeignDynamicConfig read_foreign_dynamic(TomlTable& table) {
    ForeignDynamicConfig config;
    table.require("file");
    table.require("servers");
    set_path(table, "file", config.file);
    set(config.action, table.choice("action", words(foreign_actions)));
    config.servers = table.prefixes("servers", too_wide);
    return config;
}

void read_api(TomlTable& table, ApiConfig& config) {
    set_socket(table, "socket", config.socket);
    set(config.operators, table.texts("operators"));
    set(config.viewers, table.texts("viewers"));
}

void read_events(TomlTable& table, EventsConfig& config) {
    constexpr std::uint32_t most_mib = 1'048'576;
    set_path(table, "path", config.path);
    set(config.keep, table.duration("keep"));
    set(config.keep_mib, table.integer("keep_mib", 1, most_mib));
    if (config.keep > longest_time * 10) {
        table.complain("keep", "is longer than ten years", "write it like 90d");
    }
}

template <class T>
void move_values(std::vector<Placed<T>>& from, std::vector<T>& to) {
    for (Placed<T>& each : from) {
        to.push_back(std::move(each.value));
    }
}

void take_sections(Sections& sections, Config& config) {
    move_values(sections.interfaces, config.interfaces);
    move_values(sections.pools, config.pools);
    move_values(sections.designated, config.designated);
    move_values(sections.dovecot, config.dovecot);
    move_values(sections.stalwart, config.stalwart);
    move_values(sections.logs, config.logs);
    move_values(sections.journals, config.journals);
    move_values(sections.syslog, config.syslog);
    move_values(sections.access, config.access);
    move_values(sections.contracts, config.contracts);
    move_values(sections.grant_rules, config.grants.rules);
    for (Placed<ForeignDynamicConfig>& foreign : sections.foreign_dynamic) {
        config.foreign_dynamic = std::move(foreign.value);
    }
    for (Placed<RadiusConfig>& radius : sections.radius) {
        config.radius = std::move(radius.value);
        move_values(sections.radius_clients, config.radius->clients);
    }
}

void read_sections(TomlTable& root, Config& config, Complaints& complaints) {
    root.table("dataplane", [&config](TomlTable& table) { read_dataplane(table, config.dataplane); });
    root.table("api", [&config](TomlTable& table) { read_api(table, config.api); });
    root.table("events", [&config](TomlTable& table) { read_events(table, config.events); });
    root.table("store", [&config](TomlTable& table) { set_path(table, "path", config.store.path); });
    Sections sections;
    read_grants(root, sections, config);
    read_all(root, "interface", "", read_interface, sections.interfaces);
    read_all(root, "pool", "prefixes", read_pool, sections.pools);
    read_all(root, "designated", "prefixes", read_designated, sections.designated);
    root.table("foreign_dynamic", [&sections](TomlTable& table) {
        sections.foreign_dynamic.push_back({.value = read_foreign_dynamic(table),
                                            .place = table.place(),
                                            .prefixes = table.places("servers"),
                                            .lifetime = {}});
    });
    read_logins(root, sections, config);
    read_subscribers(root, sections);
    read_mail_sections(root, config);
    check_sections(sections, config.grants, complaints);
    take_sections(sections, config);
    read_mailbox_sections(root, config);
}

// toml++ has escaped what can't be shown already, by backslashes; only they must not be escaped once more.
std::string description_of(const toml::parse_error& error) {
    std::string text = printable(error.description());
    for (std::size_t at = 0; (at = text.find("\\\\", at)) != std::string::npos; at++) {
        text.erase(at, 1);
    }
    return text;
}

std::unexpected<Complaints> one_complaint(int line, int column, std::string what, std::string remedy) {
    return std::unexpected(
        Complaints{{.line = line, .column = column, .what = std::move(what), .remedy = std::move(remedy)}});
}

}  // namespace

std::filesystem::path EventsConfig::file(const StoreConfig& store) const {
    return path.empty() ? store.path.parent_path() / (store.path.stem().string() + "-events.db") : path;
}

bool is_host_name(std::string_view text) {
    constexpr std::size_t longest = 253;
    const auto good = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; };
    return !text.empty() && text.size() <= longest && std::ranges::all_of(text, good) &&
           !text.starts_with('.') && !text.starts_with('-') && !text.ends_with('.') &&
           text.find("..") == std::string_view::npos;
}

void set_duration(TomlTable& table, std::string_view key, std::chrono::seconds& to) {
    if (const auto value = table.duration(key)) {
        if (value->count() == 0) {
            table.complain(key, "must be longer than nothing", "write it like 90s, 10m or 1h30m");
            return;
        }
        to = *value;
    }
}

void set_path(TomlTable& table, std::string_view key, std::filesystem::path& to) {
    const auto value = table.text(key);
    if (!value) {
        return;
    }
    if (!value->starts_with('/')) {
        table.complain(key, "must be an absolute path", "begin it with /");
        return;
    }
    to = *value;
}

void set_socket(TomlTable& table, std::string_view key, std::filesystem::path& to) {
    constexpr std::size_t longest_socket_path = 107;  // sockaddr_un's room
    set_path(table, key, to);
    if (to.native().size() > longest_socket_path) {
        table.complain(key, "is longer than a socket's path can be (107 bytes)", "choose a shorter one");
    }
}

bool set_address(TomlTable& table, std::string_view key, Address& to) {
    const auto text = table.text(key);
    if (!text) {
        return false;
    }
    const auto address = parse_address(*text);
    if (!address) {
        table.complain(key, address.error().what, address.error().remedy);
        return false;
    }
    to = *address;
    return true;
}

std::optional<Error> too_wide(const Prefix& prefix) {
    const int widest = prefix.address.family == Family::ipv4 ? 8 : 16;
    if (prefix.length >= widest) {
        return std::nullopt;
    }
    return Error{
        .kind = Failure::invalid,
        .what = prefix.text() + " is wider than /" + std::to_string(widest) + ": it lets nearly everybody in",
        .remedy = "name the addresses or networks that are really meant"};
}

std::string_view to_string(Side side) {
    return sides.at(static_cast<std::size_t>(side));
}
std::string_view to_string(Attach attach) {
    return attaches.at(static_cast<std::size_t>(attach));
}
std::string_view to_string(Action action) {
    return actions.at(static_cast<std::size_t>(action));
}

std::expected<Config, std::vector<ConfigError>> parse_config(std::string_view text,
                                                             const std::filesystem::path& file) {
    toml::table root;
    try {
        root = toml::parse(text, file.string());
    } catch (const toml::parse_error& error) {
        return one_complaint(static_cast<int>(error.source().begin.line),
                             static_cast<int>(error.source().begin.column), description_of(error),
                             "text, addresses and durations stand in quotes, \"like this\"; see "
                             "https://toml.io for the form of TOML files");
    }
    Config config;
    config.file = file;
    Complaints complaints;
    {
        TomlTable table(root, "", complaints);
        read_sections(table, config, complaints);
    }
    if (complaints.empty()) {
        return config;
    }
    std::ranges::sort(complaints, {},
                      [](const ConfigError& each) { return std::tie(each.line, each.column, each.what); });
    return std::unexpected(std::move(complaints));
}

std::expected<Config, std::vector<ConfigError>> load_config(const std::filesystem::path& file) {
    constexpr std::uintmax_t longest = 1 << 20;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file, error);
    if (error) {
        return one_complaint(0, 0, "can't read it: " + error.message(), "name the file by --config");
    }
    if (size > longest) {
        return one_complaint(0, 0, "it is larger than 1 MiB", "this can't be the right file");
    }
    std::ifstream stream(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) {
        return one_complaint(0, 0, "can't read it", "is it readable for this user?");
    }
    return parse_config(text, file);
}

std::string text(const std::filesystem::path& file, const std::vector<ConfigError>& errors) {
    std::string result;
    for (const ConfigError& error : errors) {
        result += file.string() + ":";
        if (error.line > 0) {
            result += std::to_string(error.line) + ":" + std::to_string(error.column) + ":";
        }
        result += " " + error.what + "\n";
        if (!error.remedy.empty()) {
            result += "  " + error.remedy + "\n";
        }
    }
    return result;
}

}  // namespace sekisho
