// SPDX-License-Identifier: Apache-2.0
// Reading the submission server's sections.
#include "agent/base/config_mail.h"

#include <charconv>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

void read_auth(TomlTable& table, AuthConfig& config) {
    set(config.user, table.name("user"));
    set_path(table, "users", config.users);
    set_socket(table, "socket", config.socket);
    set(config.clients, table.name("clients"));
    set_socket(table, "admin_socket", config.admin_socket);
}

// "mail.example.net", "mail.example.net:2525", "192.0.2.1", "[2001:db8::1]:2525".
std::optional<SmarthostConfig> parse_smarthost(std::string_view text) {
    SmarthostConfig config;
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || !parse_address(text.substr(1, end - 1))) {
            return std::nullopt;
        }
        config.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        config.host = text.substr(0, colon);
        port = text.substr(colon);
        if (!is_host_name(config.host)) {
            return std::nullopt;
        }
    }
    if (port.empty()) {
        return config;
    }
    if (!port.starts_with(':')) {
        return std::nullopt;
    }
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), config.port);
    if (error != std::errc() || end != port.data() + port.size() || config.port == 0) {
        return std::nullopt;
    }
    return config;
}

void read_relay(TomlTable& table, RelayConfig& config) {
    set(config.user, table.name("user"));
    set_path(table, "spool", config.spool);
    set_socket(table, "socket", config.socket);
    set(config.clients, table.name("clients"));
    set_socket(table, "admin_socket", config.admin_socket);
    set(config.port, table.integer("port", 1, 65535));
    set_duration(table, "retry_first", config.retry_first);
    set_duration(table, "retry_longest", config.retry_longest);
    set_duration(table, "give_up", config.give_up);
    set_duration(table, "host_timeout", config.host_timeout);
    set(config.deliveries, table.integer("deliveries", 1, 10'000));
    set(config.deliveries_per_host, table.integer("deliveries_per_host", 1, 1000));
    if (config.retry_first > config.retry_longest) {
        table.complain("retry_first", "is longer than relay.retry_longest", "lower this, or raise the other");
    }
    if (const auto smarthost = table.text("smarthost")) {
        config.smarthost = parse_smarthost(*smarthost);
        if (!config.smarthost) {
            table.complain("smarthost", "\"" + printable(*smarthost) + "\" names no host",
                           "write it like mail.example.net, or [2001:db8::25]:2525");
        }
    }
}

void read_dns(TomlTable& table, DnsConfig& config) {
    config.servers = table.addresses("servers");
}

}  // namespace

void read_mail_sections(TomlTable& root, Config& config) {
    root.table("submission", [&config](TomlTable& table) {
        read_submission(table, config.submission, config.submission_login.has_value());
    });
    root.table("auth", [&config](TomlTable& table) { read_auth(table, config.auth); });
    root.table("relay", [&config](TomlTable& table) { read_relay(table, config.relay); });
    root.table("dns", [&config](TomlTable& table) { read_dns(table, config.dns); });
}

SubmissionLoginConfig read_submission_login(TomlTable& table, const GrantConfig& grants) {
    SubmissionLoginConfig config;
    set(config.reporter, table.name("reporter"));
    config.lifetime = table.duration("lifetime");
    if (config.lifetime && config.lifetime->count() == 0) {
        table.complain("lifetime", "a grant of no time is none", "write it like 90s, 10m or 1h30m");
    }
    if (config.lifetime && *config.lifetime > grants.longest) {
        table.complain("lifetime", "is longer than grants.longest", "raise grants.longest, or lower this");
    }
    return config;
}

}  // namespace sekisho
