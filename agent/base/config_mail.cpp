// SPDX-License-Identifier: Apache-2.0
// Reading the submission server's sections.
#include "agent/base/config_mail.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

// Who has waited longer is told 454 already.
constexpr std::chrono::seconds longest_check{25};

constexpr std::array<std::string_view, 11> all_mechanisms = {
    "EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
    "CRAM-MD5", "OAUTHBEARER",        "XOAUTH2",          "PLAIN",         "LOGIN"};

void read_mechanisms(TomlTable& table, AuthConfig& config) {
    set(config.mechanisms, table.texts("mechanisms"));
    if (table.is_empty_array("mechanisms")) {
        table.complain("mechanisms", "names none, so that nobody could log in",
                       "leave it out, and what all users can log in by is offered");
    }
    for (const std::string& name : config.mechanisms) {
        if (std::ranges::find(all_mechanisms, name) == all_mechanisms.end()) {
            table.complain("mechanisms", "\"" + printable(name) + "\" is no mechanism that there is",
                           "take some of EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, "
                           "SCRAM-SHA-1, DIGEST-MD5, CRAM-MD5, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN");
        }
    }
}

// Those that were chosen must have something to be judged by.
void check_mechanisms(TomlTable& table, const Config& config) {
    for (const std::string& name : config.auth.mechanisms) {
        if (name == "EXTERNAL" && config.submission.client_ca.empty()) {
            table.complain("mechanisms", "has EXTERNAL, and nobody is asked for a certificate",
                           "name the authorities in submission.client_ca");
        } else if ((name == "OAUTHBEARER" || name == "XOAUTH2") && !config.auth.oauth) {
            table.complain("mechanisms", "has " + name + ", and nobody can be asked whose a token is",
                           "add the section [auth.oauth]");
        }
    }
}

RadiusServerConfig read_radius_server(TomlTable& table) {
    RadiusServerConfig config;
    table.require("address");
    table.require("secret_file");
    set_address(table, "address", config.address);
    set(config.port, table.integer("port", 1, 65535));
    set_path(table, "secret_file", config.secret_file);
    set_duration(table, "timeout", config.timeout);
    set(config.attempts, table.integer("attempts", 1, 10));
    set(config.message_authenticator, table.boolean("message_authenticator"));
    return config;
}

void read_radius_servers(TomlTable& table, AuthConfig& config) {
    table.tables("radius", [&config](TomlTable& each) { config.radius.push_back(read_radius_server(each)); });
    set(config.nas, table.text("nas"));
    if (table.has("nas") && config.radius.empty()) {
        table.complain("nas", "there is no [[auth.radius]] that could hear it", "leave it out");
    }
    constexpr std::size_t longest_name = 253;
    if (config.nas.size() > longest_name) {
        table.complain("nas", "is longer than 253 octets", "write a shorter one");
    }
    if (!config.radius.empty() && !config.program.empty()) {
        table.complain("radius", "auth.program checks all other users already", "keep one of the two");
    }
    std::chrono::seconds in_all{0};
    for (const RadiusServerConfig& each : config.radius) {
        in_all += each.timeout * static_cast<std::int64_t>(each.attempts);
    }
    if (in_all > longest_check) {
        table.complain(
            "radius",
            "the servers would be waited for " + std::to_string(in_all.count()) + "s, and a client for 25s",
            "lower timeout or attempts, or name fewer servers");
    }
}

// A token is as good as a password: it goes over TLS, or doesn't leave the machine.
bool is_safe_url(std::string_view url) {
    // Names and passwords in front of a host lead astray.
    if (std::ranges::any_of(url, [](char octet) { return octet <= ' ' || octet > '~' || octet == '@'; })) {
        return false;
    }
    constexpr std::string_view with_tls = "https://";
    constexpr std::array<std::string_view, 3> here = {"http://localhost", "http://127.0.0.1", "http://[::1]"};
    return (url.starts_with(with_tls) && url.size() > with_tls.size()) ||
           std::ranges::any_of(here, [url](std::string_view each) {
               std::string_view rest = url.starts_with(each) ? url.substr(each.size()) : "x";
               if (rest.starts_with(':')) {
                   rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
               }
               return rest.empty() || rest.front() == '/';
           });
}

OauthConfig read_oauth(TomlTable& table) {
    OauthConfig config;
    table.require("introspection");
    set(config.introspection, table.text("introspection"));
    if (table.has("introspection") && !is_safe_url(config.introspection)) {
        table.complain("introspection", "is no https:// address, and no http:// address of this machine",
                       "write it like https://login.example.net/oauth2/introspect");
    }
    set(config.client, table.text("client"));
    set_path(table, "secret_file", config.secret_file);
    if (config.client.empty() != config.secret_file.empty()) {
        table.complain(config.client.empty() ? "secret_file" : "client",
                       "the authorization server wants both a name and a secret, or none",
                       "set client and secret_file");
    }
    set(config.username, table.text("username"));
    set(config.scope, table.text("scope"));
    set(config.audience, table.text("audience"));
    if (config.scope.empty() && config.audience.empty()) {
        table.complain("scope",
                       "and audience are missing: whatever a user lets some program do, it could send mail",
                       "name the scope that a token must have, or whom it must be for");
    }
    set(config.configuration, table.text("configuration"));
    set_path(table, "authorities", config.authorities);
    set_duration(table, "timeout", config.timeout);
    if (config.timeout > longest_check) {
        table.complain("timeout", "is too long",
                       "write 1s to 25s: who has waited longer is told 454 already");
    }
    return config;
}

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
    if (config.program_timeout > longest_check) {
        table.complain("program_timeout", "is too long",
                       "write 1s to 25s: who has waited longer is told 454 already");
    }
    set_path(table, "key_file", config.key_file);
    set_path(table, "dovecot_users", config.dovecot_users);
    read_mechanisms(table, config);
    read_radius_servers(table, config);
    table.table("oauth", [&config](TomlTable& each) { config.oauth = read_oauth(each); });
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
    set_duration(table, "warn_after", config.warn_after);
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
    root.table("relay", [&config](TomlTable& table) { read_relay(table, config.relay); });
    root.table("submission", [&config](TomlTable& table) {
        read_submission(table, config.submission,
                        {.grants_known = config.submission_login.has_value(),
                         .local_domains = !config.relay.local.empty()});
    });
    root.table("auth", [&config](TomlTable& table) {
        read_auth(table, config.auth);
        check_mechanisms(table, config);
    });
    root.table("dns", [&config](TomlTable& table) { read_dns(table, config.dns); });
}

std::filesystem::path AuthConfig::recoverable() const {
    std::filesystem::path path = users;
    return path += ".recoverable";
}

std::filesystem::path AuthConfig::key() const {
    std::filesystem::path path = users;
    return key_file.empty() ? path += ".key" : key_file;
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
