// SPDX-License-Identifier: Apache-2.0
// Dovecot's configuration: what stands in it for whom, in both languages. What Dovecot makes of it is
// tests/system's to show.
#include "agent/cli/mailbox_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sekisho::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

MailboxConfig here() {
    MailboxConfig mailbox;
    mailbox.store = "/var/vmail";
    mailbox.certificate = "/etc/tls/chain.pem";
    mailbox.key = "/etc/tls/key.pem";
    return mailbox;
}

MailboxConfig elsewhere() {
    MailboxConfig mailbox = here();
    mailbox.store.clear();
    mailbox.proxy = "mail.example.net";
    return mailbox;
}

DovecotFacts facts(DovecotLanguage language, std::vector<std::string> mechanisms = {"PLAIN", "LOGIN"}) {
    return {.language = language,
            .users = "/run/users",
            .mechanisms = std::move(mechanisms),
            .owner = 904,
            .lmtp = {},
            .relay_user = "sekisho-relay",
            .policy = std::nullopt,
            .proxy_login = std::nullopt};
}

constexpr DovecotLanguage older = DovecotLanguage::of_2_3;
constexpr DovecotLanguage newer = DovecotLanguage::of_2_4;

TEST(DovecotVersion, ChoosesTheLanguage) {
    EXPECT_EQ(language_of("2.3.19.1 (9b53102964)"), older);
    EXPECT_EQ(language_of("2.4.1-4 (7d8c0e5759)"), newer);
    for (const char* const other : {"", "2.2.36", "2.5.0", "2.30.1", "3.0", "dovecot"}) {
        EXPECT_FALSE(language_of(other)) << other;
    }
}

TEST(MailboxText, APasswordDatabaseForEachKindOfSecret) {
    const std::vector<std::string> all = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5",
                                          "APOP",          "PLAIN",       "LOGIN"};
    EXPECT_THAT(
        dovecot_config(here(), facts(older, all)),
        AllOf(HasSubstr("auth_mechanisms = scram-sha-256 scram-sha-1 digest-md5 cram-md5 apop plain login\n"),
              HasSubstr("  args = /run/users/hashes\n  mechanisms = plain login\n}"),
              HasSubstr("  args = /run/users/scram-sha-256\n  mechanisms = scram-sha-256\n}"),
              HasSubstr("  args = /run/users/scram-sha-1\n  mechanisms = scram-sha-1\n}"),
              HasSubstr("  args = /run/users/recoverable\n  mechanisms = digest-md5 cram-md5 apop\n}")));
    EXPECT_THAT(
        dovecot_config(here(), facts(newer, all)),
        AllOf(HasSubstr("  passwd_file_path = /run/users/recoverable\n  mechanisms_filter = digest-md5 "
                        "cram-md5 apop\n}"),
              HasSubstr("  passwd_file_path = /run/users/hashes\n  mechanisms_filter = plain login\n}")));
    EXPECT_THAT(dovecot_config(here(), facts(older)),
                AllOf(Not(HasSubstr("recoverable")), Not(HasSubstr("scram"))));
}

TEST(MailboxText, NobodyLogsInInTheClear) {
    MailboxConfig clear = here();
    clear.login_in_clear = true;
    EXPECT_THAT(dovecot_config(here(), facts(older)), HasSubstr("ssl = required\n"));
    EXPECT_THAT(dovecot_config(here(), facts(newer)), HasSubstr("ssl = required\n"));
    EXPECT_THAT(dovecot_config(clear, facts(older)),
                AllOf(HasSubstr("ssl = yes\n"), HasSubstr("disable_plaintext_auth = yes\n")));
    EXPECT_THAT(dovecot_config(clear, facts(newer)),
                AllOf(HasSubstr("ssl = yes\n"), HasSubstr("auth_allow_cleartext = no\n")));
}

TEST(MailboxText, ListensWhereItIsToldTo) {
    MailboxConfig some = here();
    some.protocols = {"imaps"};
    some.listen = {parse_address("192.0.2.1").value(), parse_address("2001:db8::1").value()};
    const std::string text = dovecot_config(some, facts(older));
    EXPECT_THAT(text, AllOf(HasSubstr("protocols = imap\n"), HasSubstr("listen = 192.0.2.1, 2001:db8::1\n"),
                            HasSubstr("  inet_listener imap {\n    port = 0\n"), Not(HasSubstr("pop3"))));
    EXPECT_THAT(dovecot_config(here(), facts(older)),
                AllOf(HasSubstr("protocols = imap pop3\n"), HasSubstr("listen = *, ::\n"),
                      Not(HasSubstr("inet_listener"))));
}

TEST(MailboxText, MailComesFromTheRelayAlone) {
    DovecotFacts with = facts(older);
    with.lmtp = {"lmtp", "second"};
    EXPECT_THAT(
        dovecot_config(here(), with),
        AllOf(HasSubstr("protocols = imap pop3 lmtp\n"),
              HasSubstr("  unix_listener lmtp {\n    mode = 0600\n    user = sekisho-relay\n  }\n"),
              HasSubstr("  unix_listener second {\n    mode = 0600\n    user = sekisho-relay\n  }\n")));
    with.lmtp = {"second"};
    EXPECT_THAT(dovecot_config(here(), with), HasSubstr("  unix_listener lmtp {\n    mode = 0\n  }\n"))
        << "Dovecot's own is everybody's";
    EXPECT_THAT(dovecot_config(elsewhere(), with), Not(HasSubstr("lmtp"))) << "there are no mailboxes here";
    EXPECT_THAT(dovecot_config(here(), facts(older)), Not(HasSubstr("lmtp")));
}

TEST(MailboxText, TheAgentIsToldBehindARightPassword) {
    DovecotFacts asked = facts(older);
    asked.policy = PolicyFacts{
        .address = parse_address("::1").value(), .port = 4001, .key = "secret", .proof = {"authed", "ok"}};
    const std::string text = dovecot_config(here(), asked);
    EXPECT_THAT(
        text,
        AllOf(HasSubstr("auth_policy_server_url = http://[::1]:4001/\n"), HasSubstr("X-API-Key: secret\n"),
              HasSubstr("auth_policy_check_before_auth = no\nauth_policy_check_after_auth = "
                        "yes\nauth_policy_report_after_auth = no\n"),
              HasSubstr("  override_fields = sekisho=ok\n"), HasSubstr(" authed=%{passdb:sekisho}\n")));
    EXPECT_EQ(text, dovecot_config(here(), asked)) << "the same each time";
    asked.language = newer;
    asked.policy->before = asked.policy->reports = true;
    EXPECT_THAT(dovecot_config(here(), asked),
                AllOf(HasSubstr("auth_policy_check_before_auth = yes\n"),
                      HasSubstr("auth_policy_report_after_auth = yes\n"),
                      HasSubstr("  fields {\n    sekisho = ok\n  }\n"),
                      HasSubstr("  authed = %{passdb:sekisho | default('')}\n")));
    EXPECT_THAT(dovecot_config(here(), facts(older)), Not(HasSubstr("sekisho=ok")));
}

TEST(MailboxText, MailboxesAtAnotherHost) {
    DovecotFacts master = facts(older);
    master.proxy_login = {"box", "100%"};
    EXPECT_THAT(dovecot_config(elsewhere(), facts(older)),
                AllOf(HasSubstr("override_fields = proxy=y host=mail.example.net ssl=yes\n"),
                      HasSubstr("protocol pop3 {\n  ssl_ca = </etc/ssl/certs/ca-certificates.crt\n}\n"),
                      Not(HasSubstr("userdb")), Not(HasSubstr("mail_location"))));
    EXPECT_THAT(dovecot_config(elsewhere(), facts(newer)),
                HasSubstr("ssl_client_ca_file = /etc/ssl/certs/ca-certificates.crt\n"));
    EXPECT_THAT(dovecot_config(elsewhere(), master), HasSubstr("ssl=yes master=box pass=100%%\n"));
    MailboxConfig plain = elsewhere();
    plain.proxy_tls = false;
    EXPECT_THAT(
        dovecot_config(plain, facts(newer)),
        AllOf(HasSubstr("    proxy = y\n    host = mail.example.net\n  }\n"), Not(HasSubstr("ssl = yes"))));
}

TEST(MailboxMechanisms, AreWhatAllUsersHave) {
    const UserCounts all = {.hashes = 2, .scram_sha_256 = 2, .scram_sha_1 = 2, .recoverable = 2};
    EXPECT_THAT(offered_mechanisms(here(), all), ElementsAre("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
                                                             "CRAM-MD5", "APOP", "PLAIN", "LOGIN"));
    EXPECT_THAT(
        offered_mechanisms(here(), {.hashes = 2, .scram_sha_256 = 2, .scram_sha_1 = 1, .recoverable = 1}),
        ElementsAre("SCRAM-SHA-256", "PLAIN", "LOGIN"));
    EXPECT_THAT(offered_mechanisms(here(), {}), ElementsAre("PLAIN", "LOGIN"))
        << "nobody is no reason to offer more";
    EXPECT_THAT(offered_mechanisms(elsewhere(), all), ElementsAre("PLAIN", "LOGIN"))
        << "the host behind must be told the password";
    MailboxConfig some = elsewhere();
    some.proxy_login = "/etc/login";
    some.protocols = {"imaps"};
    EXPECT_THAT(offered_mechanisms(some, all),
                ElementsAre("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"));
    some.mechanisms = {"PLAIN"};
    EXPECT_THAT(offered_mechanisms(some, all), ElementsAre("PLAIN"));
}

}  // namespace
}  // namespace sekisho::cli
