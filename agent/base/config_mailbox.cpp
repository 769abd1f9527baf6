// SPDX-License-Identifier: Apache-2.0
// Reading [mailbox] and [acme].
#include "agent/base/config_mailbox.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "agent/base/ascii.h"
#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 4> mailbox_protocols = {"imap", "imaps", "pop3", "pop3s"};
constexpr std::array<std::string_view, 7> mailbox_mechanisms = {
    "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "APOP", "PLAIN", "LOGIN"};
// That mean nothing else to Dovecot.
constexpr std::string_view signs_in_paths = "/._-+@";
constexpr std::array<std::string_view, 2> acme_challenges = {"http-01", "tls-alpn-01"};

bool has_word(const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::find(list, word) != list.end();
}

bool shows_password(std::string_view mechanism) {
    return mechanism == "PLAIN" || mechanism == "LOGIN";
}

// Each word once, and only those that there are.
void check_words(TomlTable& table, std::string_view key, const std::vector<std::string>& list,
                 const std::vector<std::string_view>& known) {
    std::string all;
    for (const std::string_view each : known) {
        all.append(all.empty() ? "" : ", ").append(each);
    }
    if (table.is_empty_array(key)) {
        table.complain(key, "names none", "leave it out, or name some of " + all);
    }
    for (const std::string& word : list) {
        if (std::ranges::find(known, word) == known.end()) {
            table.complain(key, "has \"" + printable(word) + "\", which isn't known", "take some of " + all);
        } else if (std::ranges::count(list, word) > 1) {
            table.complain(key, "names " + word + " twice", "name each once");
            return;
        }
    }
}

// A path that stands in Dovecot's configuration, where some signs mean something.
void set_plain_path(TomlTable& table, std::string_view key, std::filesystem::path& to) {
    set_path(table, key, to);
    if (std::ranges::any_of(to.native(), [](char octet) {
            return !is_letter_or_digit(octet) && signs_in_paths.find(octet) == std::string_view::npos;
        })) {
        table.complain(key, "has signs that mean something else to Dovecot",
                       "take letters, digits and /._-+@ only");
    }
}

void read_place(TomlTable& table, MailboxConfig& config) {
    set_plain_path(table, "store", config.store);
    set(config.user, table.name("user"));
    set(config.proxy, table.text("proxy"));
    set(config.proxy_tls, table.boolean("proxy_tls"));
    set_plain_path(table, "proxy_ca", config.proxy_ca);
    set_plain_path(table, "proxy_login", config.proxy_login);
    if (table.has("store") == table.has("proxy")) {
        table.complain(table.has("store") ? "proxy" : "store",
                       "mailboxes are either in a directory of this box (store) or at another host (proxy)",
                       "name one of the two: store = \"/var/vmail\", or proxy = \"mail.example.net\"");
        return;
    }
    if (table.has("store") &&
        (!config.store.has_filename() || config.store.lexically_normal().native() != config.store.native())) {
        table.complain("store",
                       "must be a directory below the root, without .. and // and a slash at its end",
                       "write it like /var/vmail");
    }
    if (table.has("proxy") && !is_host_name(config.proxy) && !parse_address(config.proxy)) {
        table.complain("proxy", "\"" + printable(config.proxy) + "\" names no host",
                       "write it like mail.example.net, or 192.0.2.25");
    }
    for (const char* const key : {"proxy_tls", "proxy_ca", "proxy_login"}) {
        if (table.has(key) && !table.has("proxy")) {
            table.complain(key, "there is no proxy", "leave it out");
        }
    }
    if (table.has("user") && table.has("proxy")) {
        table.complain("user", "there are no mailboxes here that could be somebody's", "leave it out");
    }
    if (table.has("proxy_ca") && !config.proxy_tls) {
        table.complain("proxy_ca", "there is no TLS on the way to the proxy's host", "leave it out");
    }
}

void read_mailbox_mechanisms(TomlTable& table, MailboxConfig& config) {
    set(config.mechanisms, table.texts("mechanisms"));
    check_words(table, "mechanisms", config.mechanisms, words(mailbox_mechanisms));
    set(config.login_in_clear, table.boolean("login_in_clear"));
    if (!config.proxy.empty() && config.proxy_login.empty() &&
        !std::ranges::all_of(config.mechanisms, shows_password)) {
        table.complain("mechanisms",
                       "the host behind must be told a password, and only PLAIN and LOGIN show it",
                       "name no others, or set proxy_login");
    }
    if (has_word(config.mechanisms, "APOP") && !has_word(config.protocols, "pop3") &&
        !has_word(config.protocols, "pop3s")) {
        table.complain("mechanisms", "APOP is of POP, which isn't among protocols", "leave it out");
    }
    if (config.login_in_clear && std::ranges::all_of(config.mechanisms, shows_password)) {
        table.complain("login_in_clear", "nobody could log in without TLS: PLAIN and LOGIN show the password",
                       "name others in mechanisms, such as CRAM-MD5, or leave it out");
    }
    if (config.login_in_clear && !has_word(config.protocols, "imap") && !has_word(config.protocols, "pop3")) {
        table.complain("login_in_clear", "nothing is in the clear: protocols has neither imap nor pop3",
                       "leave it out");
    }
}

void read_mailbox_certificate(TomlTable& table, MailboxConfig& config, const SubmissionConfig& submission) {
    set_plain_path(table, "certificate", config.certificate);
    set_plain_path(table, "key", config.key);
    if (table.has("certificate") != table.has("key")) {
        table.complain(table.has("key") ? "certificate" : "key", "a certificate and its key belong together",
                       "name both, or none, and those of [submission] are taken");
        return;
    }
    if (!table.has("certificate")) {
        config.certificate = submission.certificate;
        config.key = submission.key;
    }
    if (config.certificate.empty() || config.key.empty()) {
        table.complain("certificate", "there is no certificate, here or in [submission]",
                       "certificate = \"/etc/sekisho/tls/fullchain.pem\", "
                       "key = \"/etc/sekisho/tls/privkey.pem\"");
    }
}

void read_mailbox_reporter(TomlTable& table, MailboxConfig& config,
                           const std::vector<DovecotConfig>& dovecots) {
    set(config.reporter, table.name("reporter"));
    if (config.reporter.empty()) {
        return;
    }
    const auto found = std::ranges::find(dovecots, config.reporter, &DovecotConfig::name);
    if (found == dovecots.end()) {
        table.complain("reporter", "there is no [[login.dovecot]] \"" + printable(config.reporter) + "\"",
                       "write its name, or leave it out, and no login opens port 25");
        return;
    }
    const Address address = address_here(*found);
    const auto is_plain = [](const std::string& word) {
        return std::ranges::all_of(word,
                                   [](char octet) { return is_letter_or_digit(octet) || octet == '_'; });
    };
    if (found->proof && (!is_plain(found->proof->first) || !is_plain(found->proof->second))) {
        table.complain("reporter",
                       "the proof of its [[login.dovecot]] has signs that mean something else to Dovecot",
                       "proof = \"authed=ok\" there");
    }
    if (!found->proof) {
        table.complain("reporter",
                       "its [[login.dovecot]] has no proof, and would not know a right password from a try",
                       "proof = \"authed=ok\" there");
    }
    if (std::ranges::none_of(found->reporters,
                             [&address](const Prefix& each) { return each.contains(address); })) {
        table.complain("reporter", "its [[login.dovecot]] doesn't listen to this box",
                       "name " + address.text() + " among its reporters");
    }
}

void read_mailbox(TomlTable& table, Config& config) {
    MailboxConfig mailbox;
    set_plain_path(table, "file", mailbox.file);
    set(mailbox.protocols, table.texts("protocols"));
    check_words(table, "protocols", mailbox.protocols, words(mailbox_protocols));
    mailbox.listen = table.addresses("listen");
    read_place(table, mailbox);
    read_mailbox_mechanisms(table, mailbox);
    read_mailbox_certificate(table, mailbox, config.submission);
    read_mailbox_reporter(table, mailbox, config.dovecot);
    if (config.auth.dovecot_users.empty()) {
        config.auth.dovecot_users = usual_dovecot_users;
    }
    config.mailbox = std::move(mailbox);
}

// What is signed is a name that the whole world can ask for.
void check_signed_names(TomlTable& table, const std::vector<std::string>& names) {
    constexpr std::size_t most_names = 100;
    if (table.is_empty_array("names") || names.size() > most_names) {
        table.complain("names", "must be 1 to 100 names", R"(write them like ["mail.example.net"])");
    }
    for (const std::string& name : names) {
        if (!is_host_name(name) || name.find('.') == std::string::npos || parse_address(name)) {
            table.complain("names", "\"" + printable(name) + "\" is no name that could be signed",
                           "write each like mail.example.net");
        }
    }
}

AcmeConfig read_acme(TomlTable& table) {
    constexpr std::string_view with_tls = "https://";
    constexpr std::uint16_t https = 443;
    constexpr std::chrono::days longest_before{60};
    AcmeConfig config;
    for (const char* const key : {"directory", "email", "names", "agree"}) {
        table.require(key);
    }
    set(config.directory, table.text("directory"));
    const auto odd = [](char octet) { return octet <= ' ' || octet > '~' || octet == '@'; };
    if (table.has("directory") &&
        (!config.directory.starts_with(with_tls) || config.directory.size() == with_tls.size() ||
         std::ranges::any_of(config.directory, odd))) {
        table.complain("directory", "is no https:// address",
                       "write it like https://acme-v02.api.letsencrypt.org/directory");
    }
    set(config.email, table.text("email"));
    if (table.has("email") && (config.email.find('@') == std::string::npos || config.email.starts_with('-') ||
                               std::ranges::any_of(config.email, [](char octet) {
                                   return octet <= ' ' || octet > '~' || octet == ',';
                               }))) {
        table.complain("email", "is no mail address", "write it like postmaster@example.net");
    }
    set(config.names, table.texts("names"));
    std::ranges::transform(config.names, config.names.begin(), lowered);
    check_signed_names(table, config.names);
    if (table.boolean("agree") == false) {
        table.complain("agree", "without it the authority signs nothing",
                       "read its terms of service, and write true");
    }
    set(config.challenge, table.choice("challenge", words(acme_challenges)));
    config.port = config.challenge == AcmeChallenge::http ? config.port : https;
    set(config.port, table.integer("port", 1, 65535));
    Address listen;
    if (set_address(table, "listen", listen)) {
        config.listen = listen;
    }
    set_path(table, "authorities", config.authorities);
    set_path(table, "state", config.state);
    set_duration(table, "renew_before", config.renew_before);
    if (config.renew_before < std::chrono::days(1) || config.renew_before > longest_before) {
        table.complain("renew_before", "must be 1d to 60d", "30d is usual for certificates of 90 days");
    }
    return config;
}

}  // namespace

Address address_here(const DovecotConfig& dovecot) {
    const Address everywhere{.family = dovecot.listen.family, .bytes = {}};
    if (dovecot.listen != everywhere) {
        return dovecot.listen;
    }
    return parse_address(everywhere.family == Family::ipv4 ? "127.0.0.1" : "::1").value_or(everywhere);
}

void read_mailbox_sections(TomlTable& root, Config& config) {
    root.table("mailbox", [&config](TomlTable& table) { read_mailbox(table, config); });
    root.table("acme", [&config](TomlTable& table) {
        config.acme = read_acme(table);
        if (config.submission.certificate.empty() || config.submission.key.empty()) {
            table.complain("names", "nobody says where the certificate is to stand",
                           "name certificate and key in [submission]");
        }
    });
}

}  // namespace sekisho
