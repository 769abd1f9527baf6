// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that say who reports logins: [login]. Part of config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

// What all have in common that mail servers tell of logins by HTTP.
struct ReportersConfig {
    std::string name;  // of the reporter, in grants and logs
    Address listen;
    std::uint16_t port = 0;
    std::filesystem::path key_file;  // holds what the mail server must know, not readable by others
    std::vector<Prefix> reporters;   // who may speak to this listener at all
    std::optional<std::chrono::seconds> lifetime;
};

// [[login.dovecot]]: a listener for Dovecot's auth policy protocol, with an API key and by default on port
// 4001.
struct DovecotConfig : ReportersConfig {
    // "proof": "authed=ok" means that an `allow` whose attribute `authed` is `ok` was sent after a right
    // password and is granted on; without it only `report` with success grants.
    std::optional<std::pair<std::string, std::string>> proof;
};

// [[login.stalwart]]: a listener for Stalwart's webhook, whose signature key it has, by default on port 4002.
struct StalwartConfig : ReportersConfig {
    // "imap", "pop3", "smtp", "http", "managesieve": whose logins grant; none named: all.
    std::vector<std::string> protocols;
};

// [[login.log.pattern]]: lines of an operator's own.
struct LogPatternConfig {
    std::string name;
    std::string program;  // whose lines it is tried on; empty: all
    // RE2, for the whole message. Groups named `user` and `address`, perhaps `port`, `protocol`, `mechanism`,
    // `tls`.
    std::string expression;
};

// What all have in common that read lines of logs.
struct LinesConfig {
    std::string name;                   // of the reporter, in grants and logs
    std::vector<std::string> patterns;  // those that are known and wanted; none named: all
    std::vector<LogPatternConfig> own;  // tried before them
    std::optional<std::chrono::seconds> lifetime;
};

// [[login.log]]: a log file in which daemons tell of logins.
struct LogConfig : LinesConfig {
    std::filesystem::path file;
};

// [[login.journal]]: systemd's journal, in which daemons of this machine tell of logins.
struct JournalConfig : LinesConfig {
    std::vector<std::string> units;   // whose messages are read: the journal vouches for who wrote them
    std::filesystem::path directory;  // with the journal's files; none: this machine's own
};

enum class SyslogTransport : std::uint8_t {
    udp,  // RFC 5426
    tcp,  // RFC 6587, both ways of framing
    tls,  // RFC 5425
};

[[nodiscard]] std::string_view to_string(SyslogTransport transport);  // "udp", "tcp", "tls"

// [[login.syslog]]: a listener for what other hosts' daemons log (RFC 3164, 5424).
struct SyslogConfig : LinesConfig {
    Address listen;
    std::uint16_t port = 514;  // 514, 601 or 6514, by the transport
    SyslogTransport transport = SyslogTransport::udp;
    std::vector<Prefix>
        senders;  // who may speak to it at all; with TLS, none named: whoever has a certificate
    // "time": whether a grant's time runs from the line's stamp, or ("arrival") from when the line came.
    bool from_stamp = true;
    std::filesystem::path certificate;  // TLS: PEM, with its chain
    std::filesystem::path key;          // TLS: PEM, not readable by others
    std::filesystem::path client_ca;    // TLS: PEM, who must have signed a sender's certificate
    std::vector<std::string>
        client_names;  // TLS: whose certificates are good (RFC 5425, 5.2); none named: all
};

}  // namespace sekisho
