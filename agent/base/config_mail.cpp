// SPDX-License-Identifier: Apache-2.0
// Reading the submission server's sections.
#include "agent/base/config_mail.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 3> tls_modes = {"starttls", "implicit", "none"};

// A host's name (RFC 1123, 2.1): labels of letters, digits and dashes.
bool is_host_name(std::string_view text) {
    constexpr std::size_t longest = 253;
    const auto good = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; };
    return !text.empty() && text.size() <= longest && std::ranges::all_of(text, good) &&
           !text.starts_with('.') && !text.starts_with('-') && !text.ends_with('.') &&
           text.find("..") == std::string_view::npos;
}

void set_host_name(TomlTable& table, std::string_view key, std::string& to) {
    const auto value = table.text(key);
    if (value && !is_host_name(*value)) {
        table.complain(key, "\"" + printable(*value) + "\" is no host name",
                       "write it like mail.example.net");
    } else if (value) {
        to = *value;
    }
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

// `may_ask`: the agent tells the submission server of grants.
ListenerConfig read_listener(TomlTable& table, bool may_ask) {
    ListenerConfig config;
    table.require("address");
    table.require("port");
    set_address(table, "address", config.address);
    set(config.port, table.integer("port", 1, 65535));
    set(config.tls, table.choice("tls", words(tls_modes)));
    config.relay = table.prefixes("relay", too_wide);
    set(config.relay_grants, table.boolean("relay_grants"));
    if (config.relay_grants && !may_ask) {
        table.complain("relay_grants", "the agent answers only whom [login.submission] names",
                       "add the section [login.submission]");
    }
    if (config.tls == TlsMode::none && !table.has("relay") && !config.relay_grants) {
        table.complain("tls", "without TLS nobody could log in, and no network may relay without a login",
                       R"(name the networks in relay, or take "starttls" or "implicit")");
    }
    return config;
}

void check_listeners(TomlTable& table, const SubmissionConfig& config) {
    const auto& all = config.listeners;
    for (std::size_t i = 0; i < all.size(); i++) {
        const auto same = [&](const ListenerConfig& other) {
            return other.address == all[i].address && other.port == all[i].port;
        };
        if (std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), same)) {
            table.complain(
                "listener",
                all[i].address.text() + " port " + std::to_string(all[i].port) + " is listened on twice",
                "keep one of the two");
        }
    }
    const bool tls = std::ranges::any_of(all, [](const auto& each) { return each.tls != TlsMode::none; });
    if (tls && (config.certificate.empty() || config.key.empty())) {
        table.complain(config.certificate.empty() ? "certificate" : "key",
                       "a listener with TLS needs a certificate and its key",
                       "certificate = \"/etc/sekisho/tls/fullchain.pem\", "
                       "key = \"/etc/sekisho/tls/privkey.pem\"");
    }
}

void read_submission(TomlTable& table, SubmissionConfig& config, bool may_ask) {
    set_host_name(table, "hostname", config.hostname);
    set(config.user, table.name("user"));
    set_path(table, "certificate", config.certificate);
    set_path(table, "key", config.key);
    set_socket(table, "auth_socket", config.auth_socket);
    set(config.report_logins, table.boolean("report_logins"));
    set(config.largest_message, table.integer("largest_message", 65'536, 1LL << 30));
    set(config.recipients, table.integer("recipients", 100, 1000));  // at least 100: RFC 5321, 4.5.3.1.8
    set(config.connections, table.integer("connections", 1, 100'000));
    set(config.errors, table.integer("errors", 1, 1000));
    set_duration(table, "command_timeout", config.command_timeout);
    table.tables("listener", [&config, may_ask](TomlTable& each) {
        config.listeners.push_back(read_listener(each, may_ask));
    });
    check_listeners(table, config);
}

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

std::string_view to_string(TlsMode mode) {
    return tls_modes.at(static_cast<std::size_t>(mode));
}

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
