// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that concern sekisho-smtpd: [submission] and its lists. Part of config.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"

namespace sekisho {

// How a connection to a listener becomes a TLS connection.
enum class TlsMode : std::uint8_t {
    starttls,  // when the client asks for it (RFC 3207); AUTH and mail only afterwards
    implicit,  // from the first byte (RFC 8314)
    none,      // never: for networks of trust, see ListenerConfig::relay
};

[[nodiscard]] std::string_view to_string(TlsMode mode);  // "starttls", "implicit", "none"

// [[submission.listener]]
struct ListenerConfig {
    Address address;  // "::" is IPv6 only
    std::uint16_t port = 587;
    TlsMode tls = TlsMode::starttls;
    std::vector<Prefix> relay;  // clients from here may send without AUTH, with or without TLS
    // So may clients whose connections come in by these: patterns (fnmatch(3)) of names.
    std::vector<std::string> relay_interfaces{};
    std::vector<Prefix> proxy;    // balancers, whose connections begin with a PROXY header
    std::vector<Prefix> xclient;  // hosts that say by XCLIENT for whom they speak, and who has logged in
    bool relay_grants = false;    // so may who holds a grant for the relay: the agent is asked
    bool local = false;           // takes mail for the local domains ([[relay.local]]) from everybody
    bool login_in_clear = false;  // AUTH without TLS, by mechanisms that don't show the password
};

// [[submission.sni]]: one more certificate, for clients who ask for its names.
struct SniConfig {
    std::filesystem::path certificate;  // PEM, with its chain
    std::filesystem::path key;
};

enum class SubmissionAction : std::uint8_t { allow, deny, delay };

[[nodiscard]] std::string_view to_string(SubmissionAction action);  // "allow", "deny", "delay"

// [[submission.access]]: the first entry that fits a client and its sender decides.
struct SubmissionAccessConfig {
    std::int64_t priority = 0;  // lower comes first; of the same, the one that stands first
    SubmissionAction action = SubmissionAction::deny;
    std::vector<Prefix> clients;       // where it comes from; none: everywhere
    std::vector<std::string> names{};  // patterns of its forward-confirmed name, in small letters; none: all
    std::vector<std::string> senders;  // patterns (fnmatch(3)), in any case of letters; none: all
    bool unless_login = false;         // of deny: not for who has logged in
    std::chrono::seconds delay{10};    // of delay: 1 s to 5 minutes
};

// [[submission.account]]: the first entry that fits a user says what their account may not.
struct AccountConfig {
    std::vector<std::string> users;  // patterns (fnmatch(3)), in small letters
    bool relay = true;               // may send to the whole world, and not to local domains only
};

// [[submission.quota]]: the first entry that fits a user says how many recipients the user may send to, 0 any
// number. New ones are those whom the user has not sent to in the last 90 days.
struct QuotaConfig {
    std::vector<std::string> users;  // patterns (fnmatch(3)), in any case of letters; none: all
    std::uint32_t hour = 0;
    std::uint32_t day = 0;
    std::uint32_t new_hour = 0;
    std::uint32_t new_day = 0;
    std::uint32_t addresses_day = 0;  // from which the user sends
    std::uint32_t networks_day = 0;   // that these lie in: /16 of IPv4, /32 of IPv6
    std::uint32_t failed_day = 0;     // recipients who were refused for good, or given up
    std::uint32_t warn = 80;          // per cent of a limit: whoever reaches it is worth a warning in the log
    bool stop = false;  // whoever would go beyond a limit may send nothing until an operator says so
};

// [submission]: sekisho-smtpd. Without a listener there is no submission server.
struct SubmissionConfig {
    std::string hostname;  // in banner and trace; empty: the machine's own name
    std::string user = "sekisho-smtpd";
    std::filesystem::path certificate;  // PEM, with its chain
    std::filesystem::path key;          // PEM, not readable by others
    std::vector<SniConfig> sni{};       // more of them
    std::filesystem::path client_ca{};  // PEM: clients whose certificates it has signed log in by them
    std::filesystem::path auth_socket =
        "/run/sekisho/auth-client.sock";  // Dovecot's protocol: ours or Dovecot's
    std::filesystem::path admin_socket = "/run/sekisho/submission.sock";  // for `sekisho why-relay`
    bool report_logins = true;  // to the agent, which opens port 25 if [login.submission] says so
    std::uint64_t largest_message = 50ULL << 20;  // octets; also what SIZE announces (RFC 1870)
    std::size_t recipients = 100;                 // a message
    std::size_t connections = 1000;               // at once
    std::size_t errors = 10;                      // a connection, then it is ended
    std::chrono::seconds command_timeout{300};    // RFC 5321, 4.5.3.2.7: for a whole command
    std::uint32_t least_rate = 100;               // octets of a message a second, after the first minute
    // Whether users who have logged in send only as themselves and as what sender_file gives them.
    bool own_senders = false;
    std::filesystem::path sender_file{};  // see policy::SenderRights; empty: there is none
    std::vector<ListenerConfig> listeners;
    std::vector<SubmissionAccessConfig> access;  // in the order in which they are looked at
    std::vector<AccountConfig> accounts;         // too
    std::vector<QuotaConfig> quotas;             // too
    bool hide_clients = false;  // the trace of a user's message doesn't say where it came from
};

}  // namespace sekisho
