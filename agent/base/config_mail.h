// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml that concern the submission server's processes; sekisho-smtpd's own are in
// config_submission.h. Part of config.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config_submission.h"

namespace sekisho {

// [[auth.radius]]: a server that checks passwords.
struct RadiusServerConfig {
    Address address;
    std::uint16_t port = 1812;
    std::filesystem::path secret_file;  // not readable by others
    std::chrono::seconds timeout{3};    // for the answer to one packet
    std::size_t attempts = 2;           // packets
    bool message_authenticator = true;  // answers without it are passed over
};

// [auth.oauth]: an authorization server that knows access tokens (RFC 7662).
struct OauthConfig {
    std::string introspection;          // https://..., or http:// to this machine
    std::string client;                 // our name there; empty: none
    std::filesystem::path secret_file;  // and our secret; not readable by others
    std::string username = "username";  // the member of its answer that names the user
    std::string scope;                  // a word that the token's scope must have; empty: any
    std::string audience;               // whom the token must be for; empty: anybody
    std::string configuration;          // where clients learn how to get a token; empty: they aren't told
    std::filesystem::path authorities;  // PEM, of its certificate; empty: those of the system
    std::chrono::seconds timeout{10};
};

// Of AuthConfig, where there is a [mailbox].
inline constexpr const char* usual_dovecot_users = "/run/sekisho-dovecot";

// [auth]: sekisho-auth.
struct AuthConfig {
    std::string user = "sekisho-auth";
    std::filesystem::path users = "/var/lib/sekisho/auth/users";  // names and salted hashes
    std::filesystem::path socket = "/run/sekisho/auth-client.sock";
    std::string clients = "sekisho-smtpd";                          // the group that may connect to it
    std::filesystem::path admin_socket = "/run/sekisho/auth.sock";  // for `sekisho user`
    std::vector<std::string> program;  // checks users who aren't in the file; none: there are no others
    std::size_t processes = 4;         // of it
    std::chrono::seconds program_timeout{10};  // for an answer of it
    std::vector<RadiusServerConfig> radius;    // instead of a program, asked in this order
    std::optional<OauthConfig> oauth;
    std::string nas;  // what we are called there; empty: the machine's own name
    // What is offered, in capitals; empty: what all users can log in by.
    std::vector<std::string> mechanisms;
    // By which recoverable passwords are encrypted; empty: beside `users`, ending in ".key".
    std::filesystem::path key_file;
    // A directory on a tmpfs where the users stand as Dovecot reads them; empty: nowhere.
    std::filesystem::path dovecot_users;

    // Where they are: beside `users`, ending in ".recoverable".
    [[nodiscard]] std::filesystem::path recoverable() const;
    [[nodiscard]] std::filesystem::path key() const;
};

// A host that takes mail from us: "mail.example.net", "[192.0.2.1]:2525".
struct MailHostConfig {
    std::string host;  // a name, or an address without brackets
    std::uint16_t port = 25;
};

// [[relay.local]]: domains whose mailboxes are the operator's own, and who takes their mail, by LMTP (RFC
// 2033).
struct LocalConfig {
    std::vector<std::string> domains;  // in small letters
    std::filesystem::path path;        // of a Unix socket; empty: `host`
    MailHostConfig host;
};

// [relay]: sekisho-relay.
struct RelayConfig {
    std::string user = "sekisho-relay";
    std::filesystem::path spool = "/var/lib/sekisho/spool/mail.db";
    std::filesystem::path socket = "/run/sekisho/relay.sock";       // where sekisho-smtpd hands mail over
    std::string clients = "sekisho-smtpd";                          // the group that may connect to it
    std::filesystem::path admin_socket = "/run/sekisho/mail.sock";  // for `sekisho queue`
    std::optional<MailHostConfig> smarthost;  // takes all mail, instead of the recipients' own hosts
    std::vector<LocalConfig> local;           // but not that of these
    std::uint16_t port = 25;                  // of the recipients' hosts
    std::chrono::seconds warn_after{
        std::chrono::hours{4}};             // the sender is told of a delay; from give_up on: never
    std::chrono::seconds retry_first{300};  // until the second attempt; each wait is 1.5 times the last
    std::chrono::seconds retry_longest{4 * 3600};
    std::chrono::seconds give_up{5 *
                                 86'400};  // after this long a temporary failure is final (RFC 5321, 4.5.4.1)
    std::chrono::seconds host_timeout{30};  // to connect to a host
    std::size_t deliveries = 50;            // at once
    std::size_t deliveries_per_host = 5;

    // Who takes a domain's mail here, whatever its letters' case; null: it isn't local.
    [[nodiscard]] const LocalConfig* local_for(std::string_view domain) const;
};

// [dns]
struct DnsConfig {
    std::vector<Address> servers;  // resolvers to ask; empty: those of /etc/resolv.conf
};

// [login.submission]: SMTP AUTH at sekisho-smtpd opens port 25, as a POP or IMAP login does.
struct SubmissionLoginConfig {
    std::string reporter = "sekisho-smtpd";  // the user whose reports on the agent's socket are believed
    std::optional<std::chrono::seconds> lifetime;
};

}  // namespace sekisho
