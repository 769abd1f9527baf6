// SPDX-License-Identifier: Apache-2.0
// Reads [login].
#include "agent/base/config_logins.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 3> transports = {"udp", "tcp", "tls"};
constexpr std::array<std::string_view, 2> times = {"line", "arrival"};
constexpr std::array<std::string_view, 5> webhook_protocols = {"imap", "pop3", "smtp", "http", "managesieve"};

void read_proof(TomlTable& table, DovecotConfig& config) {
    const auto proof = table.text("proof");
    if (!proof) {
        return;
    }
    const std::size_t equals = proof->find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == proof->size()) {
        table.complain("proof", "must be an attribute and its value", "write it like \"authed=ok\"");
        return;
    }
    config.proof = std::pair(proof->substr(0, equals), proof->substr(equals + 1));
}

void read_reporter(TomlTable& table, std::string& name) {
    set(name, table.name("name"));
    if (name == "operator" || name == "submission") {
        table.complain("name",
                       "\"" + name + "\" is what grants by " +
                           (name == "operator" ? "the command line" : "the submission server") +
                           " are known by",
                       "choose another name");
    }
}

LogPatternConfig read_log_pattern(TomlTable& table) {
    LogPatternConfig config;
    table.require("name");
    table.require("expression");
    set(config.name, table.name("name"));
    set(config.program, table.text("program"));
    set(config.expression, table.text("expression"));
    return config;
}

void read_lines(TomlTable& table, LinesConfig& config) {
    table.require("name");
    read_reporter(table, config.name);
    set(config.patterns, table.texts("patterns"));
    table.tables("pattern",
                 [&config](TomlTable& pattern) { config.own.push_back(read_log_pattern(pattern)); });
    config.lifetime = table.duration("lifetime");
}

LogConfig read_log(TomlTable& table) {
    LogConfig config;
    read_lines(table, config);
    table.require("file");
    set_path(table, "file", config.file);
    return config;
}

// A unit's name by systemd.unit(5), whole: the journal knows no short ones.
void check_units(TomlTable& table, const std::vector<std::string>& units) {
    if (units.empty()) {
        table.complain("units", "names no unit", "write it like [\"dovecot.service\"]");
    }
    for (const std::string& unit : units) {
        if (unit.find('.') == std::string::npos || unit.find_first_of(" /*?[") != std::string::npos ||
            unit.find("@.") != std::string::npos) {
            table.complain("units", "has a name that is no unit's: \"" + printable(unit) + "\"",
                           "write it like \"dovecot.service\"; `systemctl list-units` knows them");
        }
    }
}

JournalConfig read_journal(TomlTable& table) {
    JournalConfig config;
    read_lines(table, config);
    table.require("units");
    if (const auto units = table.texts("units")) {
        config.units = *units;
        check_units(table, config.units);
    }
    set_path(table, "directory", config.directory);
    return config;
}

void read_syslog_tls(TomlTable& table, SyslogConfig& config) {
    constexpr std::array<std::string_view, 4> keys = {"certificate", "key", "client_ca", "client_names"};
    set_path(table, "certificate", config.certificate);
    set_path(table, "key", config.key);
    set_path(table, "client_ca", config.client_ca);
    set(config.client_names, table.texts("client_names"));
    if (table.has("client_names") && config.client_names.empty()) {
        table.complain("client_names", "names nobody",
                       "leave it out where any certificate of the CA is good");
    }
    if (config.transport == SyslogTransport::tls) {
        table.require("certificate");
        table.require("key");
        if (!config.client_names.empty() && !table.has("client_ca")) {
            table.complain("client_names", "says nothing without client_ca",
                           "name the CA that has signed the senders' certificates");
        }
        return;
    }
    for (const std::string_view key : keys) {
        if (table.has(key)) {
            table.complain(key, "says nothing without TLS", "set transport = \"tls\", or leave it out");
        }
    }
}

// Whoever may speak can open port 25 for anybody.
void read_senders(TomlTable& table, SyslogConfig& config) {
    if (table.has("senders") || !table.has("client_ca")) {
        table.require("senders");
        config.senders = table.prefixes("senders", too_wide);
    }
}

SyslogConfig read_syslog(TomlTable& table) {
    constexpr std::array<std::uint16_t, 3> ports = {514, 601, 6514};
    SyslogConfig config;
    read_lines(table, config);
    table.require("listen");
    if (const auto transport = table.choice("transport", words(transports))) {
        config.transport = static_cast<SyslogTransport>(*transport);
    }
    config.port = ports.at(static_cast<std::size_t>(config.transport));
    set(config.port, table.integer("port", 1, 65535));
    if (!set_address(table, "listen", config.listen)) {
        config.port = 0;  // no listener: check_sections has nothing to compare
    }
    read_senders(table, config);
    if (const auto time = table.choice("time", words(times))) {
        config.from_stamp = *time == 0;
    }
    read_syslog_tls(table, config);
    return config;
}

void read_http_listener(TomlTable& table, ReportersConfig& config, std::uint16_t port) {
    for (const std::string_view key : {"name", "listen", "key_file", "reporters"}) {
        table.require(key);
    }
    read_reporter(table, config.name);
    config.port = port;
    set(config.port, table.integer("port", 1, 65535));
    set_path(table, "key_file", config.key_file);
    config.reporters = table.prefixes("reporters", too_wide);
    if (!set_address(table, "listen", config.listen)) {
        config.port = 0;  // no listener: check_sections has nothing to compare
    }
    config.lifetime = table.duration("lifetime");
}

DovecotConfig read_dovecot(TomlTable& table) {
    constexpr std::uint16_t port = 4001;
    DovecotConfig config;
    read_http_listener(table, config, port);
    read_proof(table, config);
    return config;
}

void read_protocols(TomlTable& table, StalwartConfig& config) {
    const auto protocols = table.texts("protocols");
    if (!protocols) {
        return;
    }
    config.protocols = *protocols;
    if (config.protocols.empty()) {
        table.complain("protocols", "names no protocol", "leave it out where logins by all of them are good");
    }
    for (const std::string& protocol : config.protocols) {
        if (std::ranges::find(webhook_protocols, protocol) == webhook_protocols.end()) {
            table.complain("protocols", "has a name that is no protocol's: \"" + printable(protocol) + "\"",
                           "known are imap, pop3, smtp, http and managesieve");
        }
    }
}

StalwartConfig read_stalwart(TomlTable& table) {
    constexpr std::uint16_t port = 4002;
    StalwartConfig config;
    read_http_listener(table, config, port);
    read_protocols(table, config);
    return config;
}

}  // namespace

std::string_view to_string(SyslogTransport transport) {
    return transports.at(static_cast<std::size_t>(transport));
}

std::vector<std::pair<std::string_view, const LinesConfig*>> line_sections(const Config& config) {
    std::vector<std::pair<std::string_view, const LinesConfig*>> sections;
    const auto add = [&sections](const auto& list, std::string_view name) {
        for (const auto& each : list) {
            sections.emplace_back(name, &each);
        }
    };
    add(config.logs, "login.log");
    add(config.journals, "login.journal");
    add(config.syslog, "login.syslog");
    return sections;
}

void read_logins(TomlTable& root, Sections& sections, Config& config) {
    root.table("login", [&sections, &config](TomlTable& table) {
        read_all(table, "dovecot", "reporters", read_dovecot, sections.dovecot);
        read_all(table, "stalwart", "reporters", read_stalwart, sections.stalwart);
        read_all(table, "log", "", read_log, sections.logs);
        read_all(table, "journal", "", read_journal, sections.journals);
        read_all(table, "syslog", "senders", read_syslog, sections.syslog);
        table.table("tries", [&config](TomlTable& tries) { config.tries = read_tries(tries); });
        read_access_list(table, sections);
        table.table("submission", [&config](TomlTable& submission) {
            config.submission_login = read_submission_login(submission, config.grants);
        });
    });
}

}  // namespace sekisho
