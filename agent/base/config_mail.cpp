// SPDX-License-Identifier: Apache-2.0
// Reading the submission server's sections.
#include "agent/base/config_mail.h"

#include <algorithm>
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
    set(config.program, table.texts("program"));
    if (table.is_empty_array("program")) {
        table.complain("program", "names no program", "leave it out, or write the program and its arguments");
    } else if (!config.program.empty() && !config.program.front().starts_with('/')) {
        table.complain("program", "\"" + printable(config.program.front()) + "\" is not an absolute path",
                       R"(write it like ["/usr/local/sbin/check-password", "--quiet"])");
    }
    set(config.processes, table.integer("processes", 1, 64));
    set_duration(table, "program_timeout", config.program_timeout);
    constexpr std::chrono::seconds longest{25};
    if (config.program_timeout > longest) {
        table.complain("program_timeout", "is too long",
                       "write 1s to 25s: who has waited longer is told 454 already");
    }
    for (const std::string_view key : {"processes", "program_timeout"}) {
        if (table.has(key) && config.program.empty()) {
            table.complain(key, "there is no program", "name it in auth.program");
        }
    }
}

// "mail.example.net", "mail.example.net:2525", "192.0.2.1", "[2001:db8::1]:2525".
std::optional<MailHostConfig> parse_mail_host(std::string_view text, std::uint16_t usual_port) {
    MailHostConfig config{.host = {}, .port = usual_port};
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

// `relay` as far as it has been read.
LocalConfig read_local(TomlTable& table, const RelayConfig& relay) {
    LocalConfig config;
    table.require("domains");
    table.require("lmtp");
    set(config.domains, table.texts("domains"));
    if (table.is_empty_array("domains")) {
        table.complain("domains", "names none", "leave the whole section out");
    }
    std::ranges::transform(config.domains, config.domains.begin(), lowered);
    for (const std::string& domain : config.domains) {
        if (!is_host_name(domain)) {
            table.complain("domains", "\"" + printable(domain) + "\" is no domain",
                           "write it like example.net; each one by its whole name");
        } else if (relay.local_for(domain) != nullptr) {
            table.complain("domains", domain + " is in an earlier [[relay.local]]", "keep one of the two");
        }
    }
    const auto lmtp = table.text("lmtp");
    if (lmtp && lmtp->starts_with('/')) {
        set_socket(table, "lmtp", config.path);
    } else if (lmtp) {
        constexpr std::uint16_t usual = 24;  // of LMTP, by custom: nothing is registered
        const auto host = parse_mail_host(*lmtp, usual);
        config.host = host.value_or(MailHostConfig());
        if (!host) {
            table.complain("lmtp", "\"" + printable(*lmtp) + "\" names no LMTP server",
                           "write it like /run/dovecot/lmtp, or [192.0.2.25]:24");
        }
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
        constexpr std::uint16_t smtp = 25;
        config.smarthost = parse_mail_host(*smarthost, smtp);
        if (!config.smarthost) {
            table.complain("smarthost", "\"" + printable(*smarthost) + "\" names no host",
                           "write it like mail.example.net, or [2001:db8::25]:2525");
        }
    }
    table.tables("local", [&config](TomlTable& each) { config.local.push_back(read_local(each, config)); });
}

void read_dns(TomlTable& table, DnsConfig& config) {
    config.servers = table.addresses("servers");
}

}  // namespace

void read_mail_sections(TomlTable& root, Config& config) {
    root.table("auth", [&config](TomlTable& table) { read_auth(table, config.auth); });
    root.table("relay", [&config](TomlTable& table) { read_relay(table, config.relay); });
    root.table("submission", [&config](TomlTable& table) {
        read_submission(table, config.submission,
                        {.grants_known = config.submission_login.has_value(),
                         .local_domains = !config.relay.local.empty()});
    });
    root.table("dns", [&config](TomlTable& table) { read_dns(table, config.dns); });
}

const LocalConfig* RelayConfig::local_for(std::string_view domain) const {
    const std::string wanted = lowered(domain);
    const auto found = std::ranges::find_if(local, [&wanted](const LocalConfig& each) {
        return std::ranges::find(each.domains, wanted) != each.domains.end();
    });
    return found == local.end() ? nullptr : &*found;
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
