// SPDX-License-Identifier: Apache-2.0
// [mailbox] and [acme]: what is read, what is taken where nothing is said, and what is refused.
#include "agent/base/config_mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* around = R"(
[submission]
certificate = "/etc/sekisho/tls/fullchain.pem"
key = "/etc/sekisho/tls/privkey.pem"
[[login.dovecot]]
name = "box"
listen = "0.0.0.0"
key_file = "/etc/sekisho/policy.key"
reporters = ["127.0.0.0/8"]
proof = "authed=ok"
[[login.dovecot]]
name = "far"
listen = "198.51.100.1"
port = 4002
key_file = "/etc/sekisho/policy.key"
reporters = ["198.51.100.25"]
)";

// "what (remedy)" of all complaints, a line each; empty: fine.
std::string mailbox_complaints(const std::string& text) {
    const auto config = parse_config(text + around, "sekisho.toml");
    std::string all;
    if (!config) {
        for (const ConfigError& each : config.error()) {
            all += each.what + " (" + each.remedy + ")\n";
        }
    }
    return all;
}

Config mailbox_config(const std::string& text) {
    auto config = parse_config(text + around, "sekisho.toml");
    EXPECT_TRUE(config) << mailbox_complaints(text);
    return config ? *config : Config();
}

TEST(MailboxConfig, IsThereOnlyWhereItIsNamed) {
    const Config none = mailbox_config("");
    EXPECT_FALSE(none.mailbox);
    EXPECT_FALSE(none.acme);
    EXPECT_THAT(none.auth.dovecot_users.string(), IsEmpty());
    const Config some = mailbox_config("[mailbox]\nstore = \"/var/vmail\"\n");
    ASSERT_TRUE(some.mailbox);
    EXPECT_EQ(some.mailbox->file, "/etc/dovecot/sekisho.conf");
    EXPECT_THAT(some.mailbox->protocols, ElementsAre("imap", "imaps", "pop3", "pop3s"));
    EXPECT_EQ(some.mailbox->user, "vmail");
    EXPECT_EQ(some.mailbox->certificate, "/etc/sekisho/tls/fullchain.pem");
    EXPECT_EQ(some.mailbox->key, "/etc/sekisho/tls/privkey.pem");
    EXPECT_FALSE(some.mailbox->login_in_clear);
    EXPECT_EQ(some.auth.dovecot_users, "/run/sekisho-dovecot");
    EXPECT_EQ(mailbox_config("[auth]\ndovecot_users = \"/run/other\"\n[mailbox]\nstore = \"/var/vmail\"\n")
                  .auth.dovecot_users,
              "/run/other");
}

TEST(MailboxConfig, ReadsAllOfIt) {
    const Config config = mailbox_config(R"([mailbox]
file = "/etc/dovecot/other.conf"
protocols = ["pop3", "imaps"]
listen = ["198.51.100.1", "2001:db8:25::1"]
proxy = "mail.example.net"
proxy_tls = false
proxy_login = "/etc/sekisho/proxy.login"
certificate = "/etc/other.pem"
key = "/etc/other.key"
mechanisms = ["CRAM-MD5", "APOP", "PLAIN"]
login_in_clear = true
reporter = "box"
)");
    ASSERT_TRUE(config.mailbox);
    const MailboxConfig& mailbox = *config.mailbox;
    EXPECT_EQ(mailbox.file, "/etc/dovecot/other.conf");
    EXPECT_THAT(mailbox.protocols, ElementsAre("pop3", "imaps"));
    ASSERT_EQ(mailbox.listen.size(), 2U);
    EXPECT_EQ(mailbox.listen.at(1).text(), "2001:db8:25::1");
    EXPECT_EQ(mailbox.proxy, "mail.example.net");
    EXPECT_FALSE(mailbox.proxy_tls);
    EXPECT_EQ(mailbox.proxy_login, "/etc/sekisho/proxy.login");
    EXPECT_EQ(mailbox.certificate, "/etc/other.pem");
    EXPECT_EQ(mailbox.key, "/etc/other.key");
    EXPECT_THAT(mailbox.mechanisms, ElementsAre("CRAM-MD5", "APOP", "PLAIN"));
    EXPECT_TRUE(mailbox.login_in_clear);
    EXPECT_EQ(mailbox.reporter, "box");
    EXPECT_EQ(address_here(config.dovecot.at(0)).text(), "127.0.0.1");
    EXPECT_EQ(address_here(config.dovecot.at(1)).text(), "198.51.100.1");
}

// Each line makes exactly one complaint of a [mailbox] that would be fine without it.
TEST(MailboxConfig, RefusesWhatCantBe) {
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"protocols = []", "names none"},
        {R"(protocols = ["smtp"])", "isn't known"},
        {R"(protocols = ["imap", "imap"])", "names imap twice"},
        {R"(proxy = "mail.example.net")", "either in a directory of this box (store) or at another host"},
        {"proxy_tls = false", "there is no proxy"},
        {R"(proxy_ca = "/etc/ca.pem")", "there is no proxy"},
        {R"(proxy_login = "/etc/login")", "there is no proxy"},
        {R"(key = "/etc/key.pem")", "belong together"},
        {R"(mechanisms = ["plain"])", "isn't known"},
        {R"(mechanisms = ["PLAIN", "PLAIN"])", "names PLAIN twice"},
        {"login_in_clear = true", "PLAIN and LOGIN show the password"},
        {R"(reporter = "nobody")", "there is no [[login.dovecot]] \"nobody\""},
        {R"(reporter = "box.")", "there is no"},
        {R"(file = "sekisho.conf")", "must be an absolute path"},
        {R"(file = "/etc/dovecot/a b.conf")", "signs that mean something else"},
        {"listen = [\"192.0.2\"]", "192.0.2"},
        {"colour = 1", "colour"},
    };
    for (const auto& [line, what] : wrong) {
        const std::string all = mailbox_complaints("[mailbox]\nstore = \"/var/vmail\"\n" + line + "\n");
        EXPECT_THAT(all, HasSubstr(what)) << line;
        EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << line << ": " << all;
    }
    for (const char* const store : {"/", "/var/vmail/", "/var/../vmail", "/var//vmail", "/var/%u", "vmail"}) {
        EXPECT_THAT(mailbox_complaints("[mailbox]\nstore = \"" + std::string(store) + "\"\n"),
                    HasSubstr("mailbox.store"))
            << store;
    }
    EXPECT_THAT(mailbox_complaints("[mailbox]\n"), HasSubstr("either in a directory of this box"));
    EXPECT_THAT(mailbox_complaints("[mailbox]\nproxy = \"mail example\"\n"), HasSubstr("names no host"));
    EXPECT_THAT(mailbox_complaints("[mailbox]\nproxy = \"mail.example.net\"\nuser = \"vmail\"\n"),
                HasSubstr("there are no mailboxes here"));
    EXPECT_THAT(
        mailbox_complaints(
            "[mailbox]\nproxy = \"mail.example.net\"\nproxy_tls = false\nproxy_ca = \"/etc/ca.pem\"\n"),
        HasSubstr("there is no TLS"));
    EXPECT_THAT(
        mailbox_complaints("[mailbox]\nproxy = \"mail.example.net\"\nmechanisms = [\"SCRAM-SHA-256\"]\n"),
        HasSubstr("only PLAIN and LOGIN show it"));
    EXPECT_THAT(
        mailbox_complaints("[mailbox]\nstore = \"/v\"\nprotocols = [\"imaps\"]\nmechanisms = [\"APOP\"]\n"),
        HasSubstr("APOP is of POP"));
    EXPECT_THAT(mailbox_complaints("[mailbox]\nstore = \"/v\"\nprotocols = [\"imaps\"]\nmechanisms = "
                                   "[\"CRAM-MD5\"]\nlogin_in_clear = true\n"),
                HasSubstr("nothing is in the clear"));
    const std::string far = mailbox_complaints("[mailbox]\nstore = \"/v\"\nreporter = \"far\"\n");
    EXPECT_THAT(far, HasSubstr("has no proof"));
    EXPECT_THAT(far, HasSubstr("name 198.51.100.1 among its reporters"));
}

TEST(MailboxConfig, WantsACertificate) {
    const auto config = parse_config("[mailbox]\nstore = \"/var/vmail\"\n", "sekisho.toml");
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().front().what, HasSubstr("there is no certificate"));
}

TEST(AcmeConfig, ReadsAllOfIt) {
    const std::string least =
        "[acme]\ndirectory = \"https://acme.example.net/dir\"\nemail = \"postmaster@example.net\"\n"
        "names = [\"Mail.Example.net\"]\nagree = true\n";
    const Config config = mailbox_config(least);
    ASSERT_TRUE(config.acme);
    EXPECT_EQ(config.acme->directory, "https://acme.example.net/dir");
    EXPECT_THAT(config.acme->names, ElementsAre("mail.example.net"));
    EXPECT_EQ(config.acme->challenge, AcmeChallenge::http);
    EXPECT_EQ(config.acme->port, 80);
    EXPECT_FALSE(config.acme->listen);
    EXPECT_EQ(config.acme->renew_before, std::chrono::days(30));
    const Config other = mailbox_config(least + R"(challenge = "tls-alpn-01"
listen = "198.51.100.1"
authorities = "/etc/ca.pem"
renew_before = "20d"
)");
    ASSERT_TRUE(other.acme);
    EXPECT_EQ(other.acme->challenge, AcmeChallenge::tls_alpn);
    EXPECT_EQ(other.acme->port, 443);
    EXPECT_EQ(other.acme->email, "postmaster@example.net");
    EXPECT_EQ(other.acme->listen.value_or(Address()).text(), "198.51.100.1");
    EXPECT_EQ(other.acme->authorities, "/etc/ca.pem");
    EXPECT_EQ(mailbox_config(least + "port = 5002\n").acme->port, 5002);
    for (const auto& [line, what] :
         std::vector<std::pair<std::string, std::string>>{{"challenge = \"dns-01\"", "acme.challenge"},
                                                          {"renew_before = \"1h\"", "must be 1d to 60d"},
                                                          {"renew_before = \"90d\"", "must be 1d to 60d"},
                                                          {"listen = \"mail\"", "acme.listen"}}) {
        EXPECT_THAT(mailbox_complaints(least + line + "\n"), HasSubstr(what)) << line;
    }
    EXPECT_THAT(mailbox_complaints("[acme]\n"),
                ::testing::AllOf(HasSubstr("has no \"directory\""), HasSubstr("has no \"email\"")));
    for (const char* const email : {"nobody", "--x@example.net", "a b@example.net"}) {
        EXPECT_THAT(mailbox_complaints("[acme]\nemail = \"" + std::string(email) + "\"\n"),
                    HasSubstr("is no mail address"))
            << email;
    }
    EXPECT_THAT(mailbox_complaints("[acme]\ndirectory = \"http://a/\"\nnames = [\"-x\"]\nagree = false\n"),
                ::testing::AllOf(HasSubstr("is no https:// address"), HasSubstr("could be signed"),
                                 HasSubstr("signs nothing")));
}

}  // namespace
}  // namespace sekisho
