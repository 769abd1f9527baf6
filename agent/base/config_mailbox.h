// SPDX-License-Identifier: Apache-2.0
// The sections of sekisho.toml about what stands beside our own daemons: [mailbox], a Dovecot for POP and
// IMAP, and [acme], where certificates come from. Part of config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config_logins.h"

namespace sekisho {

// [mailbox]: `sekisho mailbox apply` writes Dovecot's configuration from it. Either `store` or `proxy` is
// set.
struct MailboxConfig {
    std::filesystem::path file = "/etc/dovecot/sekisho.conf";  // what is written
    // "imap", "imaps", "pop3", "pop3s": those with an s in TLS from the first byte.
    std::vector<std::string> protocols = {"imap", "imaps", "pop3", "pop3s"};
    std::vector<Address> listen;        // none: everywhere
    std::filesystem::path store;        // a directory with one for each user
    std::string user = "vmail";         // whose the mailboxes are
    std::string proxy;                  // the host that has the mailboxes: a name or an address
    bool proxy_tls = true;              // on the way there
    std::filesystem::path proxy_ca;     // PEM: who signs its certificate; empty: those of the system
    std::filesystem::path proxy_login;  // a line NAME:PASSWORD by which it lets us act as anybody
    std::filesystem::path certificate;  // PEM, with its chain; that of [submission], if none is named
    std::filesystem::path key;
    std::vector<std::string> mechanisms;  // in capitals; none: what all users can log in by
    bool login_in_clear = false;          // without TLS, too, by mechanisms that don't show the password
    std::string reporter;  // the [[login.dovecot]] that its logins are told to; empty: nobody is told
};

enum class AcmeChallenge : std::uint8_t { http, tls_alpn };

// [acme]: `sekisho certificate` has certificates signed by RFC 8555. They take the place of those of
// [submission].
struct AcmeConfig {
    std::string directory;           // where the authority begins: https://
    std::string email;               // where it writes to
    std::vector<std::string> names;  // what is to be signed, the first one for people
    AcmeChallenge challenge = AcmeChallenge::http;
    std::optional<Address> listen;                          // while it is asked for; nothing: everywhere
    std::uint16_t port = 80;                                // 80 or 443, by the challenge
    std::filesystem::path state = "/var/lib/sekisho-acme";  // our account there, and what was signed
    std::filesystem::path authorities;  // PEM: who signs the authority's own; empty: those of the system
    std::chrono::seconds renew_before{std::chrono::days(30)};  // the end of what we have
};

// Where a Dovecot on this box reaches the listener of a [[login.dovecot]].
[[nodiscard]] Address address_here(const DovecotConfig& dovecot);

}  // namespace sekisho
