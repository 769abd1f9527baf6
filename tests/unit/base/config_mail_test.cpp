// SPDX-License-Identifier: Apache-2.0
// The submission server's sections: what is read, what is taken where nothing is said, and what is refused.
#include "agent/base/config_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const std::filesystem::path mail_file = "/etc/sekisho/sekisho.toml";

constexpr const char* whole_mail = R"([login.submission]
reporter = "smtp"
lifetime = "5m"
[submission]
hostname = "smtp.example.net"
user = "smtp"
certificate = "/etc/tls/chain.pem"
key = "/etc/tls/key.pem"
auth_socket = "/run/dovecot/auth-client"
report_logins = false
largest_message = 1048576
recipients = 200
connections = 50
errors = 3
command_timeout = "30s"
least_rate = 7
[[submission.listener]]
address = "198.51.100.1"
port = 587
[[submission.listener]]
address = "2001:db8:25::1"
port = 465
tls = "implicit"
[[submission.listener]]
address = "198.51.100.1"
port = 2525
tls = "none"
relay = ["192.0.2.0/24", "2001:db8:1::/64"]
relay_interfaces = ["lan*"]
relay_grants = true
[auth]
user = "auth"
users = "/var/lib/auth/users"
socket = "/run/a.sock"
clients = "mail"
admin_socket = "/run/b.sock"
[relay]
user = "relay"
spool = "/var/lib/relay/mail.db"
socket = "/run/c.sock"
clients = "mail"
admin_socket = "/run/d.sock"
smarthost = "[2001:db8:25::25]:2525"
port = 26
retry_first = "10s"
retry_longest = "1h"
warn_after = "6h"
give_up = "2d"
host_timeout = "5s"
deliveries = 7
deliveries_per_host = 2
[dns]
servers = ["198.51.100.53", "2001:db8:53::53"]
)";

TEST(ConfigMail, ReadsSubmission) {
    const auto config = parse_config(whole_mail, mail_file);
    ASSERT_TRUE(config) << text(mail_file, config.error());
    const SubmissionConfig& submission = config->submission;
    EXPECT_EQ(submission.hostname, "smtp.example.net");
    EXPECT_EQ(submission.user, "smtp");
    EXPECT_EQ(submission.certificate, "/etc/tls/chain.pem");
    EXPECT_EQ(submission.key, "/etc/tls/key.pem");
    EXPECT_EQ(submission.auth_socket, "/run/dovecot/auth-client");
    EXPECT_FALSE(submission.report_logins);
    EXPECT_EQ(submission.largest_message, 1'048'576U);
    EXPECT_EQ(submission.recipients, 200U);
    EXPECT_EQ(submission.connections, 50U);
    EXPECT_EQ(submission.errors, 3U);
    EXPECT_EQ(submission.command_timeout, 30s);
    EXPECT_EQ(submission.least_rate, 7U);
    ASSERT_EQ(submission.listeners.size(), 3U);
    EXPECT_EQ(submission.listeners[0].address.text(), "198.51.100.1");
    EXPECT_EQ(submission.listeners[0].port, 587);
    EXPECT_EQ(submission.listeners[0].tls, TlsMode::starttls);
    EXPECT_TRUE(submission.listeners[0].relay.empty());
    EXPECT_EQ(submission.listeners[1].address.text(), "2001:db8:25::1");
    EXPECT_EQ(submission.listeners[1].tls, TlsMode::implicit);
    EXPECT_EQ(submission.listeners[2].tls, TlsMode::none);
    ASSERT_EQ(submission.listeners[2].relay.size(), 2U);
    EXPECT_EQ(submission.listeners[2].relay[1].text(), "2001:db8:1::/64");
    EXPECT_EQ(submission.listeners[2].relay_interfaces, std::vector<std::string>{"lan*"});
    EXPECT_FALSE(submission.listeners[1].relay_grants);
    EXPECT_TRUE(submission.listeners[2].relay_grants);
    EXPECT_EQ(to_string(TlsMode::starttls), "starttls");
    EXPECT_EQ(to_string(TlsMode::implicit), "implicit");
    EXPECT_EQ(to_string(TlsMode::none), "none");
}

TEST(ConfigMail, ReadsTheOtherSections) {
    const auto config = parse_config(whole_mail, mail_file);
    ASSERT_TRUE(config) << text(mail_file, config.error());
    ASSERT_TRUE(config->submission_login);
    EXPECT_EQ(config->submission_login->reporter, "smtp");
    EXPECT_EQ(config->submission_login->lifetime, 300s);
    EXPECT_EQ(config->auth.user, "auth");
    EXPECT_EQ(config->auth.users, "/var/lib/auth/users");
    EXPECT_EQ(config->auth.socket, "/run/a.sock");
    EXPECT_EQ(config->auth.clients, "mail");
    EXPECT_EQ(config->auth.admin_socket, "/run/b.sock");
    const RelayConfig& relay = config->relay;
    EXPECT_EQ(relay.user, "relay");
    EXPECT_EQ(relay.spool, "/var/lib/relay/mail.db");
    EXPECT_EQ(relay.socket, "/run/c.sock");
    EXPECT_EQ(relay.clients, "mail");
    EXPECT_EQ(relay.admin_socket, "/run/d.sock");
    ASSERT_TRUE(relay.smarthost);
    EXPECT_EQ(relay.smarthost->host, "2001:db8:25::25");
    EXPECT_EQ(relay.smarthost->port, 2525);
    EXPECT_EQ(relay.port, 26);
    EXPECT_EQ(relay.retry_first, 10s);
    EXPECT_EQ(relay.retry_longest, 1h);
    EXPECT_EQ(relay.warn_after, 6h);
    EXPECT_EQ(relay.give_up, 48h);
    EXPECT_EQ(relay.host_timeout, 5s);
    EXPECT_EQ(relay.deliveries, 7U);
    EXPECT_EQ(relay.deliveries_per_host, 2U);
    ASSERT_EQ(config->dns.servers.size(), 2U);
    EXPECT_EQ(config->dns.servers[1].text(), "2001:db8:53::53");
}

TEST(ConfigMail, AProgramMayCheckPasswords) {
    const auto config = parse_config(
        "[auth]\nprogram = [\"/c\", \"-x\"]\nprocesses = 2\nprogram_timeout = \"3s\"\n", mail_file);
    ASSERT_TRUE(config) << text(mail_file, config.error());
    EXPECT_EQ(config->auth.program, (std::vector<std::string>{"/c", "-x"}));
    EXPECT_EQ(config->auth.processes, 2U);
    EXPECT_EQ(config->auth.program_timeout, 3s);
    EXPECT_TRUE(parse_config("", mail_file)->auth.program.empty());
}

TEST(ConfigMail, WithoutSectionsThereIsNoServerAndNoReporter) {
    const auto config = parse_config("", mail_file);
    ASSERT_TRUE(config);
    EXPECT_TRUE(config->submission.listeners.empty());
    EXPECT_FALSE(config->submission_login);
    EXPECT_FALSE(config->relay.smarthost);
    EXPECT_TRUE(config->dns.servers.empty());
    EXPECT_EQ(config->submission.auth_socket, config->auth.socket);
    EXPECT_EQ(config->relay.give_up, 120h);
}

TEST(ConfigMail, AnEmptyReporterSectionIsEnough) {
    const auto config = parse_config("[login.submission]\n", mail_file);
    ASSERT_TRUE(config);
    ASSERT_TRUE(config->submission_login);
    EXPECT_EQ(config->submission_login->reporter, "sekisho-smtpd");
    EXPECT_FALSE(config->submission_login->lifetime);
}

// What stands there without comment signs must be what is taken where it is left out.
TEST(ConfigMail, TheInstalledFileNamesTheDefaults) {
    std::ifstream in(std::filesystem::path(SEKISHO_SOURCE_DIR) / "images/sekisho.toml");
    const std::string installed{std::istreambuf_iterator<char>(in), {}};
    const auto config = parse_config(installed, mail_file);
    ASSERT_TRUE(config) << text(mail_file, config.error());
    const AuthConfig auth;
    EXPECT_THAT(installed, HasSubstr("\n[auth] "));
    EXPECT_EQ(config->auth.user, auth.user);
    EXPECT_EQ(config->auth.users, auth.users);
    EXPECT_EQ(config->auth.socket, auth.socket);
    EXPECT_EQ(config->auth.clients, auth.clients);
    EXPECT_EQ(config->auth.admin_socket, auth.admin_socket);
    const RelayConfig relay;
    EXPECT_THAT(installed, HasSubstr("\n[relay] "));
    EXPECT_EQ(config->relay.user, relay.user);
    EXPECT_EQ(config->relay.spool, relay.spool);
    EXPECT_EQ(config->relay.socket, relay.socket);
    EXPECT_EQ(config->relay.clients, relay.clients);
    EXPECT_EQ(config->relay.admin_socket, relay.admin_socket);
    EXPECT_EQ(config->relay.port, relay.port);
    EXPECT_EQ(config->relay.retry_first, relay.retry_first);
    EXPECT_EQ(config->relay.retry_longest, relay.retry_longest);
    EXPECT_EQ(config->relay.give_up, relay.give_up);
    EXPECT_EQ(config->relay.host_timeout, relay.host_timeout);
    EXPECT_EQ(config->relay.deliveries, relay.deliveries);
    EXPECT_EQ(config->relay.deliveries_per_host, relay.deliveries_per_host);
    EXPECT_FALSE(config->relay.smarthost);
}

TEST(ConfigMail, LocalDomains) {
    const auto config = parse_config(R"(
[[relay.local]]
domains = ["Example.NET", "example.org"]
lmtp = "/run/dovecot/lmtp"
[[relay.local]]
domains = ["example.com"]
lmtp = "[2001:db8::25]"
[[submission.listener]]
address = "192.0.2.1"
port = 25
tls = "none"
local = true
)",
                                     mail_file);
    ASSERT_TRUE(config) << text(mail_file, config.error());
    const RelayConfig& relay = config->relay;
    EXPECT_TRUE(config->submission.listeners.at(0).local);
    ASSERT_EQ(relay.local.size(), 2U);
    EXPECT_EQ(relay.local_for("example.ORG"), relay.local.data());
    EXPECT_EQ(relay.local[0].path, "/run/dovecot/lmtp");
    EXPECT_EQ(relay.local_for("example.com")->host.host, "2001:db8::25");
    EXPECT_EQ(relay.local_for("example.com")->host.port, 24);
    EXPECT_TRUE(relay.local_for("example.com")->path.empty());
    for (const char* domain : {"", "net", "sub.example.net", "example.net.", "[192.0.2.1]"}) {
        EXPECT_EQ(relay.local_for(domain), nullptr) << domain;
    }
}

TEST(ConfigMail, LocalDomainsThatAreNone) {
    const auto complaint = [](const std::string& table) {
        const auto config = parse_config(table, mail_file);
        return config ? std::string("none") : config.error().front().what;
    };
    const std::string lmtp = "lmtp = \"/run/lmtp\"\n";
    EXPECT_EQ(complaint("[[relay.local]]\ndomains = [\"example.net\"]\n" + lmtp), "none");
    EXPECT_THAT(complaint("[[relay.local]]\n" + lmtp), HasSubstr("domains"));
    EXPECT_THAT(complaint("[[relay.local]]\ndomains = []\n" + lmtp), HasSubstr("names none"));
    EXPECT_THAT(complaint("[[relay.local]]\ndomains = [\"*.example.net\"]\n" + lmtp),
                HasSubstr("is no domain"));
    EXPECT_THAT(complaint("[[relay.local]]\ndomains = [\"a.test\", \"A.test\"]\n" + lmtp), "none");
    EXPECT_THAT(complaint("[[relay.local]]\ndomains = [\"a.test\"]\n" + lmtp +
                          "[[relay.local]]\ndomains = [\"A.test\"]\n" + lmtp),
                HasSubstr("a.test is in an earlier"));
    EXPECT_THAT(complaint("[[relay.local]]\ndomains = [\"a.test\"]\n"), HasSubstr("lmtp"));
    for (const char* server : {":24", "x:0", "run/lmtp", "[192.0.2.1"}) {
        EXPECT_THAT(
            complaint("[[relay.local]]\ndomains = [\"a.test\"]\nlmtp = \"" + std::string(server) + "\"\n"),
            HasSubstr("names no LMTP server"));
    }
    EXPECT_THAT(
        complaint(
            "[[submission.listener]]\naddress = \"192.0.2.1\"\nport = 25\ntls = \"none\"\nlocal = true\n"),
        HasSubstr("there are no local domains"));
}

TEST(ConfigMail, Smarthosts) {
    const auto smarthost = [](const std::string& name) {
        const auto config = parse_config("[relay]\nsmarthost = \"" + name + "\"\n", mail_file);
        return config && config->relay.smarthost
                   ? config->relay.smarthost->host + " " + std::to_string(config->relay.smarthost->port)
                   : std::string("none");
    };
    EXPECT_EQ(smarthost("mail.example.net"), "mail.example.net 25");
    EXPECT_EQ(smarthost("mail.example.net:2525"), "mail.example.net 2525");
    EXPECT_EQ(smarthost("192.0.2.1"), "192.0.2.1 25");
    EXPECT_EQ(smarthost("[192.0.2.1]:26"), "192.0.2.1 26");
    EXPECT_EQ(smarthost("[2001:db8::25]"), "2001:db8::25 25");
    for (const char* name : {":25", "mail:", "mail:0", "mail:65536", "mail:25x", "mail example",
                             "2001:db8::25", "[mail.example.net]", "[192.0.2.1", "[192.0.2.1]26", "[]", "-x",
                             "a..b", "a.", "mail:-1", "mail: 25"}) {
        EXPECT_EQ(smarthost(name), "none") << name;
    }
}

struct MailMistake {
    int line;  // 0: anywhere
    const char* what;
};

TEST(ConfigMail, MistakesAreNamedWithPlaceAndRemedy) {
    constexpr const char* tls = "certificate = \"/c\"\nkey = \"/k\"\n";
    const std::string listener = "[[submission.listener]]\naddress = \"198.51.100.1\"\nport = 587\n";
    const std::string with_tls = std::string("[submission]\n") + tls;
    const std::vector<std::pair<std::string, MailMistake>> mistakes = {
        {"[submission]\nhostname = \"a b\"\n", {2, "no host name"}},
        {"[submission]\nhostname = \"-x.example\"\n", {2, "no host name"}},
        {"[submission]\nkey = \"key.pem\"\n", {2, "absolute"}},
        {"[submission]\nrecipients = 99\n", {2, "100"}},
        {"[submission]\nerrors = 0\n", {2, "1"}},
        {"[submission]\nlargest_message = 1024\n", {2, "65536"}},
        {"[submission]\nlargest_message = 1073741825\n", {2, "1073741824"}},
        {"[submission]\nconnections = 0\n", {2, "1"}},
        {"[submission]\ncommand_timeout = \"0s\"\n", {2, "longer than nothing"}},
        {"[submission]\nreport_logins = \"yes\"\n", {2, "report_logins"}},
        {"[submission]\nhostnam = \"x\"\n", {2, "hostnam"}},
        {listener, {0, "a certificate and its key"}},
        {std::string("[submission]\ncertificate = \"/c\"\n") + listener, {0, "a certificate and its key"}},
        {with_tls + "[[submission.listener]]\nport = 587\n", {4, "address"}},
        {with_tls + "[[submission.listener]]\naddress = \"198.51.100.1\"\n", {4, "port"}},
        {with_tls + listener + "tls = \"ssl\"\n", {7, "tls"}},
        {with_tls + listener + "tls = \"none\"\n", {7, "without TLS nobody could log in"}},
        {with_tls + listener + "relay = [\"192.0.2.1/24\"]\n", {7, "relay"}},
        {with_tls + listener + listener, {0, "listened on twice"}},
        {"[auth]\nusers = \"users\"\n", {2, "absolute"}},
        {"[auth]\nuser = \"a b\"\n", {2, "user"}},
        {"[auth]\nsocket = \"/" + std::string(107, 'x') + "\"\n", {2, "107"}},
        {"[auth]\npassword = \"x\"\n", {2, "password"}},
        {"[auth]\nprogram = []\n", {2, "names no program"}},
        {"[auth]\nprogram = [\"check\"]\n", {2, "not an absolute path"}},
        {"[auth]\nprocesses = 2\n", {2, "there is no program"}},
        {"[auth]\nprogram_timeout = \"1s\"\n", {2, "there is no program"}},
        {"[auth]\nprogram = [\"/c\"]\nprocesses = 65\n", {3, "processes"}},
        {"[relay]\nretry_first = \"5h\"\n", {2, "longer than relay.retry_longest"}},
        {"[relay]\ngive_up = \"0s\"\n", {2, "longer than nothing"}},
        {"[relay]\nport = 0\n", {2, "port"}},
        {"[relay]\ndeliveries = 0\n", {2, "deliveries"}},
        {"[relay]\nsmarthost = \"a b\"\n", {2, "names no host"}},
        {"[relay]\nsmarthost = 25\n", {2, "smarthost"}},
        {"[dns]\nservers = [\"192.0.2.53\", \"resolver\"]\n", {2, "resolver"}},
        {"[dns]\nservers = \"192.0.2.53\"\n", {2, "servers"}},
        {"[login.submission]\nlifetime = \"25h\"\n", {2, "longer than grants.longest"}},
        {"[login.submission]\nlifetime = \"0s\"\n", {2, "longer than nothing"}},
        {"[login.submission]\nport = 1\n", {2, "port"}},
        {"[submission]\n[[submission.listener]]\naddress = \"::\"\nport = 25\ntls = \"none\"\nrelay_grants = "
         "true\n",
         {6, "[login.submission]"}},
        {"[submission]\n[[submission.listener]]\naddress = \"::\"\nrelay_interfaces = []\nport = 25\ntls = "
         "\"none\"\n",
         {4, "names none"}},
        {"[submission]\n[[submission.listener]]\naddress = \"::\"\nrelay_interfaces = [\"lan0\", "
         "\"*\"]\nport = "
         "25\ntls = \"none\"\n",
         {4, "every interface"}},
        {"[[login.dovecot]]\nname = \"submission\"\nlisten = \"198.51.100.1\"\nkey_file = \"/k\"\nreporters "
         "= "
         "[\"192.0.2.1\"]\n",
         {2, "submission"}},
    };
    for (const auto& [broken, mistake] : mistakes) {
        const auto config = parse_config(broken, mail_file);
        ASSERT_FALSE(config) << broken;
        const ConfigError& error = config.error().front();
        EXPECT_THAT(error.what, HasSubstr(mistake.what)) << broken;
        EXPECT_FALSE(error.remedy.empty()) << broken << error.what;
        EXPECT_GT(error.line, 0) << broken;
        if (mistake.line != 0) {
            EXPECT_EQ(error.line, mistake.line) << broken;
        }
    }
}

TEST(ConfigMail, AllMistakesAreNamedAtOnce) {
    const auto config = parse_config(
        "[auth]\nuser = 7\nusers = \"x\"\n[relay]\nport = 0\n[dns]\nservers = [\"x\"]\n", mail_file);
    ASSERT_FALSE(config);
    std::vector<int> lines;
    for (const ConfigError& error : config.error()) {
        lines.push_back(error.line);
    }
    EXPECT_THAT(lines, testing::ElementsAre(2, 3, 5, 7));
}

}  // namespace
}  // namespace sekisho
