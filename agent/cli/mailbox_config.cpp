// SPDX-License-Identifier: Apache-2.0
// Written as a person would write it, for a person reads it when something is wrong.
#include "agent/cli/mailbox_config.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "agent/base/ascii.h"

namespace sekisho::cli {

namespace {

// A file of auth.dovecot_users, and the mechanisms that can use what stands in it.
struct SecretKind {
    const char* file;
    std::vector<std::string_view> mechanisms;
};

const std::array<SecretKind, 4>& secret_kinds() {
    static const std::array<SecretKind, 4> kinds = {{{"hashes", {"PLAIN", "LOGIN"}},
                                                     {"scram-sha-256", {"SCRAM-SHA-256"}},
                                                     {"scram-sha-1", {"SCRAM-SHA-1"}},
                                                     {"recoverable", {"DIGEST-MD5", "CRAM-MD5", "APOP"}}}};
    return kinds;
}

bool has_name(const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::find(list, word) != list.end();
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const std::string& word : words) {
        text.append(text.empty() ? std::string_view() : between).append(word);
    }
    return text;
}

// Those of the kind that are offered, as Dovecot writes them.
std::vector<std::string> used_by(const SecretKind& kind, const DovecotFacts& facts) {
    std::vector<std::string> used;
    for (const std::string_view each : kind.mechanisms) {
        if (has_name(facts.mechanisms, each)) {
            used.push_back(lowered(each));
        }
    }
    return used;
}

// Something that nobody can guess, always the same one for the same key.
std::string nonce_of(std::string_view key) {
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr std::size_t octets = 16;
    const std::string text = "sekisho mailbox " + std::string(key);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    std::string nonce;
    for (std::size_t i = 0; i < octets; i++) {
        nonce += digits[digest.at(i) >> 4U];
        nonce += digits[digest.at(i) & 0xfU];
    }
    return nonce;
}

std::string host_text(const Address& address) {
    return address.family == Family::ipv6 ? "[" + address.text() + "]" : address.text();
}

// A percent sign begins a variable.
std::string without_variables(std::string_view text) {
    std::string result;
    for (const char letter : text) {
        result.append(letter == '%' ? 2 : 1, letter);
    }
    return result;
}

// What both languages have in common, and what each has of its own.
class DovecotWriter {
public:
    DovecotWriter(const MailboxConfig& mailbox, const DovecotFacts& facts)
        : mailbox_(mailbox), facts_(facts), newer_(facts.language == DovecotLanguage::of_2_4) {}

    std::string text() {
        head();
        tls();
        listeners();
        if (here()) {
            store();
            lmtp();
        }
        passwords();
        policy();
        text_ +=
            "\n# What stands there is yours, and comes last.\n!include_try " + local_file().string() + "\n";
        return std::move(text_);
    }

private:
    [[nodiscard]] bool here() const { return !mailbox_.store.empty(); }
    [[nodiscard]] bool has_protocol(std::string_view name) const {
        return has_name(mailbox_.protocols, name);
    }
    [[nodiscard]] static const char* yes(bool value) { return value ? "yes" : "no"; }
    [[nodiscard]] std::filesystem::path local_file() const {
        std::filesystem::path file = mailbox_.file;
        file.replace_filename(mailbox_.file.stem().string() + "-local" + mailbox_.file.extension().string());
        return file;
    }
    // "%Lu", "%{user | lower}".
    [[nodiscard]] const char* whole_name() const { return newer_ ? "%{user | lower}" : "%Lu"; }
    // Without its domain.
    [[nodiscard]] const char* short_name() const { return newer_ ? "%{user | username | lower}" : "%Ln"; }

    void line(std::string_view words) { text_.append(words).append("\n"); }
    void set(std::string_view name, std::string_view value) {
        text_.append(name).append(" = ").append(value).append("\n");
    }
    // In 2.3 by one name, in 2.4 by another.
    void set(const char* older, const char* newer, std::string_view value) {
        set(newer_ ? newer : older, value);
    }
    // Only in one of them.
    void set_older(std::string_view name, std::string_view value) {
        if (!newer_) {
            set(name, value);
        }
    }
    void set_newer(std::string_view name, std::string_view value) {
        if (newer_) {
            set(name, value);
        }
    }

    void head() {
        line("# Written by `sekisho mailbox apply` from [mailbox] in sekisho.toml(5): change it there.");
        set_newer("dovecot_config_version", "2.4.0");
        set_newer("dovecot_storage_version", "2.4.0");
        std::vector<std::string> protocols;
        for (const auto& [name, tls] : {std::pair("imap", "imaps"), std::pair("pop3", "pop3s")}) {
            if (has_protocol(name) || has_protocol(tls)) {
                protocols.emplace_back(name);
            }
        }
        if (here() && !facts_.lmtp.empty()) {
            protocols.emplace_back("lmtp");
        }
        set("protocols", joined(protocols, " "));
        std::vector<std::string> addresses;
        for (const Address& each : mailbox_.listen) {
            addresses.push_back(each.text());
        }
        set("listen", addresses.empty() ? "*, ::" : joined(addresses, ", "));
    }

    void tls() {
        line(mailbox_.login_in_clear ? "\n# Without TLS only by mechanisms that don't show the password."
                                     : "\n# Nobody logs in without TLS.");
        set("ssl", mailbox_.login_in_clear ? "yes" : "required");
        set("ssl_cert", "ssl_server_cert_file", (newer_ ? "" : "<") + mailbox_.certificate.string());
        set("ssl_key", "ssl_server_key_file", (newer_ ? "" : "<") + mailbox_.key.string());
        set("ssl_min_protocol", "TLSv1.2");
        set("disable_plaintext_auth", "auth_allow_cleartext", newer_ ? "no" : "yes");
        std::vector<std::string> mechanisms;
        for (const std::string& each : facts_.mechanisms) {
            mechanisms.push_back(lowered(each));
        }
        set("auth_mechanisms", joined(mechanisms, " "));
        // Our names have small letters.
        set("auth_username_format", whole_name());
    }

    void listeners() {
        for (const auto& [service, name, tls] :
             {std::tuple("imap-login", "imap", "imaps"), std::tuple("pop3-login", "pop3", "pop3s")}) {
            if (has_protocol(name) == has_protocol(tls)) {
                continue;  // both, or the protocol isn't there at all
            }
            line("service " + std::string(service) + " {");
            line("  inet_listener " + std::string(has_protocol(name) ? tls : name) + " {");
            line("    port = 0\n  }\n}");
        }
    }

    void store() {
        const std::string number = std::to_string(facts_.owner);
        line("\n# A mailbox is a directory, and all of them are one user's.");
        set_older("mail_location", "maildir:~/Maildir");
        set_newer("mail_driver", "maildir");
        set_newer("mail_path", "~/Maildir");
        set("first_valid_uid", number);
        set("last_valid_uid", number);
        line("namespace inbox {\n  inbox = yes");
        for (const char* const name : {"Drafts", "Junk", "Sent", "Trash"}) {
            const std::string use = newer_ ? R"("\\)" + std::string(name) + "\"" : "\\" + std::string(name);
            line("  mailbox " + std::string(name) + " {\n    special_use = " + use + "\n  }");
        }
        line("}");
        user_database("users", "", whole_name());
        // Mail for a user of a local domain whose name has none.
        user_database("short-names", short_name(), short_name());
    }

    // Whose mailbox is where. `renamed`: what the user is called from then on, if not as before.
    void user_database(std::string_view name, const std::string& renamed, const std::string& format) {
        const std::string home = (mailbox_.store / format).string();
        const std::string file = (facts_.users / "hashes").string();
        if (newer_) {
            line("userdb " + std::string(name) + " {\n  driver = passwd-file\n  passwd_file_path = " + file);
            line("  auth_username_format = " + format + "\n  fields {");
            line("    uid = " + mailbox_.user + "\n    gid = " + mailbox_.user + "\n    home = " + home);
            line((renamed.empty() ? std::string() : "    user = " + renamed + "\n") + "  }\n}");
            return;
        }
        line("userdb {\n  driver = passwd-file\n  args = username_format=" + format + " " + file);
        line("  override_fields = uid=" + mailbox_.user + " gid=" + mailbox_.user + " home=" + home +
             (renamed.empty() ? std::string() : " user=" + renamed) + "\n}");
    }

    void lmtp() {
        if (facts_.lmtp.empty()) {
            return;
        }
        constexpr const char* usual = "lmtp";
        line("\n# Mail from the relay ([[relay.local]]), and from nobody else.\nservice lmtp {");
        if (!has_name(facts_.lmtp, usual)) {
            line("  unix_listener " + std::string(usual) + " {\n    mode = 0\n  }");
        }
        for (const std::string& each : facts_.lmtp) {
            line("  unix_listener " + each + " {\n    mode = 0600\n    user = " + facts_.relay_user +
                 "\n  }");
        }
        line("}");
    }

    // By whom the certificate of the host behind must be signed. Dovecot 2.3 looks for them where those of
    // clients' certificates stand; for its login processes alone, since other programs of its own are given
    // the settings in their environment, which has no room for so many.
    void authorities() {
        const std::string file =
            mailbox_.proxy_ca.empty() ? "/etc/ssl/certs/ca-certificates.crt" : mailbox_.proxy_ca.string();
        if (newer_) {
            set("ssl_client_ca_file", file);
            return;
        }
        set("ssl_require_crl", "no");
        for (const char* const protocol : {"imap", "pop3"}) {
            line("protocol " + std::string(protocol) + " {\n  ssl_ca = <" + file + "\n}");
        }
    }

    // One for each kind of secret, since a user has one in each.
    void passwords() {
        line("\n# Users are those of sekisho-auth(8).");
        if (!here() && mailbox_.proxy_tls) {
            authorities();
        }
        for (const SecretKind& kind : secret_kinds()) {
            const auto used = used_by(kind, facts_);
            if (!used.empty()) {
                password_database(kind.file, used);
            }
        }
    }

    void password_database(const std::string& file, const std::vector<std::string>& used) {
        const std::string path = (facts_.users / file).string();
        if (newer_) {
            line("passdb " + file + " {\n  driver = passwd-file\n  passwd_file_path = " + path);
            line("  mechanisms_filter = " + joined(used, " "));
        } else {
            line("passdb {\n  driver = passwd-file\n  args = " + path);
            line("  mechanisms = " + joined(used, " "));
        }
        const auto all = fields();
        if (newer_ && !all.empty()) {
            line("  fields {\n    " + joined(all, "\n    ") + "\n  }");
        } else if (!all.empty()) {
            line("  override_fields = " + joined(all, " "));
        }
        line("}");
    }

    // What a right password adds to what is known of the user.
    [[nodiscard]] std::vector<std::string> fields() const {
        const std::string is = newer_ ? " = " : "=";
        std::vector<std::string> all;
        if (facts_.policy) {
            all.push_back("sekisho" + is + facts_.policy->proof.second);
        }
        if (!here()) {
            all.insert(all.end(), {"proxy" + is + "y", "host" + is + mailbox_.proxy});
            if (mailbox_.proxy_tls) {
                all.push_back("ssl" + is + "yes");
            }
        }
        if (facts_.proxy_login) {
            all.push_back("master" + is + without_variables(facts_.proxy_login->first));
            all.push_back("pass" + is + without_variables(facts_.proxy_login->second));
        }
        return all;
    }

    void policy() {
        if (!facts_.policy) {
            return;
        }
        const PolicyFacts& policy = *facts_.policy;
        line("\n# The agent is told of a right password before the client is (sekishod(8)).");
        set("auth_policy_server_url",
            "http://" + host_text(policy.address) + ":" + std::to_string(policy.port) + "/");
        set("auth_policy_server_api_header", "X-API-Key: " + policy.key);
        set_older("auth_policy_server_timeout_msecs", "2000");
        set("auth_policy_hash_nonce", nonce_of(policy.key));
        set("auth_policy_check_before_auth", yes(policy.before));
        set("auth_policy_check_after_auth", "yes");
        set("auth_policy_report_after_auth", yes(policy.reports));
        if (newer_) {
            line("auth_policy_request_attributes {\n  session = %{session}\n  mech = %{mechanism}\n  " +
                 policy.proof.first + " = %{passdb:sekisho | default('')}\n}");
        } else {
            set("auth_policy_request_attributes",
                "login=%{requested_username} remote=%{rip} device_id=%{client_id} protocol=%s "
                "session=%{session} mech=%m " +
                    policy.proof.first + "=%{passdb:sekisho}");
        }
    }

    const MailboxConfig& mailbox_;
    const DovecotFacts& facts_;
    bool newer_;
    std::string text_;
};

}  // namespace

std::optional<DovecotLanguage> language_of(std::string_view version) {
    if (version.starts_with("2.3.")) {
        return DovecotLanguage::of_2_3;
    }
    return version.starts_with("2.4.") ? std::optional(DovecotLanguage::of_2_4) : std::nullopt;
}

std::string dovecot_config(const MailboxConfig& mailbox, const DovecotFacts& facts) {
    return DovecotWriter(mailbox, facts).text();
}

std::vector<std::string> offered_mechanisms(const MailboxConfig& mailbox, const UserCounts& users) {
    if (!mailbox.mechanisms.empty()) {
        return mailbox.mechanisms;
    }
    std::vector<std::string> offered;
    // Who is behind a proxy must be told the password, or let us act as anybody.
    const bool shown = !mailbox.proxy.empty() && mailbox.proxy_login.empty();
    const auto all_have = [&](std::size_t count) {
        return !shown && users.hashes > 0 && count == users.hashes;
    };
    if (all_have(users.scram_sha_256)) {
        offered.emplace_back("SCRAM-SHA-256");
    }
    if (all_have(users.scram_sha_1)) {
        offered.emplace_back("SCRAM-SHA-1");
    }
    if (all_have(users.recoverable)) {
        offered.insert(offered.end(), {"DIGEST-MD5", "CRAM-MD5"});
        if (has_name(mailbox.protocols, "pop3") || has_name(mailbox.protocols, "pop3s")) {
            offered.emplace_back("APOP");
        }
    }
    offered.insert(offered.end(), {"PLAIN", "LOGIN"});
    return offered;
}

}  // namespace sekisho::cli
