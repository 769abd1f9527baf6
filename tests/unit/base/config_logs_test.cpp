// SPDX-License-Identifier: Apache-2.0
// [[login.log]], [[login.journal]] and [[login.syslog]]: files, the journal and other hosts that tell of
// logins.
#include <gmock/gmock.h>

#include <string>

#include "agent/base/config.h"

namespace sekisho {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

const std::string one = "[[login.log]]\nname = \"mail.log\"\nfile = \"/var/log/mail.log\"\n";

TEST(ConfigLogs, AreRead) {
    const auto config = parse_config(one +
                                         "patterns = [\"dovecot\", \"courier\"]\nlifetime = \"3s\"\n"
                                         "[[login.log.pattern]]\nname = \"webmail\"\nprogram = \"web\"\n"
                                         "expression = '(?P<user>x) (?P<address>y)'\n"
                                         "[[login.log.pattern]]\nname = \"other\"\nexpression = 'z'\n",
                                     "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_EQ(config->logs.size(), 1U);
    const LogConfig& log = config->logs.front();
    EXPECT_EQ(log.name, "mail.log");
    EXPECT_EQ(log.file, "/var/log/mail.log");
    EXPECT_EQ(log.patterns, (std::vector<std::string>{"dovecot", "courier"}));
    EXPECT_EQ(log.lifetime, 3s);
    ASSERT_EQ(log.own.size(), 2U);
    EXPECT_EQ(log.own[0].name, "webmail");
    EXPECT_EQ(log.own[0].program, "web");
    EXPECT_EQ(log.own[0].expression, "(?P<user>x) (?P<address>y)");
    EXPECT_EQ(log.own[1].program, "");
}

struct LogsMistake {
    std::string text;
    int line;
    const char* what;
};

TEST(ConfigLogs, MistakesAreSaidWithTheirPlace) {
    const std::string dovecot =
        "[[login.dovecot]]\nname = \"mail.log\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = "
        "[\"::1\"]\n";
    for (const LogsMistake& mistake : {
             LogsMistake{"[[login.log]]\nname = \"a\"\n", 1, "has no \"file\""},
             LogsMistake{"[[login.log]]\nfile = \"/a\"\n", 1, "has no \"name\""},
             LogsMistake{"[[login.log]]\nname = \"a\"\nfile = \"a\"\n", 3, "absolute path"},
             LogsMistake{"[[login.log]]\nname = \"operator\"\nfile = \"/a\"\n", 2, "the command line"},
             LogsMistake{one + "lifetime = \"25h\"\n", 4,
                         "login.log.lifetime: is longer than grants.longest"},
             LogsMistake{one + "[[login.log.pattern]]\nname = \"a\"\n", 4, "has no \"expression\""},
             LogsMistake{one + "[[login.log]]\nname = \"mail.log\"\nfile = \"/a\"\n", 4,
                         "is there already, at line 1"},
             LogsMistake{one + "[[login.log]]\nname = \"b\"\nfile = \"/var/log/mail.log\"\n", 4,
                         "is read already, at line 1"},
             LogsMistake{dovecot + one, 6, "has the name of a [[login.dovecot]]"},
         }) {
        const auto config = parse_config(mistake.text, "x.toml");
        ASSERT_FALSE(config) << mistake.text;
        ASSERT_EQ(config.error().size(), 1U) << text("x.toml", config.error());
        EXPECT_EQ(config.error().front().line, mistake.line) << mistake.text;
        EXPECT_THAT(config.error().front().what, HasSubstr(mistake.what));
    }
}

TEST(ConfigJournal, IsRead) {
    const auto config = parse_config(
        "[[login.journal]]\nname = \"journal\"\nunits = [\"dovecot.service\", \"postfix@-.service\"]\n"
        "directory = \"/var/log/journal/remote\"\npatterns = [\"dovecot\"]\n",
        "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_EQ(config->journals.size(), 1U);
    const JournalConfig& journal = config->journals.front();
    EXPECT_EQ(journal.units, (std::vector<std::string>{"dovecot.service", "postfix@-.service"}));
    EXPECT_EQ(journal.directory, "/var/log/journal/remote");
    EXPECT_EQ(journal.patterns, std::vector<std::string>{"dovecot"});
    ASSERT_EQ(line_sections(*config).size(), 1U);
    EXPECT_EQ(line_sections(*config).front().first, "login.journal");
    EXPECT_EQ(line_sections(*config).front().second, &journal);
}

TEST(ConfigJournal, MistakesAreSaidWithTheirPlace) {
    const std::string journal = "[[login.journal]]\nname = \"a\"\n";
    const std::string dovecot = journal + "units = [\"dovecot.service\"]\n";
    for (const LogsMistake& mistake : {
             LogsMistake{journal, 1, "has no \"units\""},
             LogsMistake{journal + "units = []\n", 3, "names no unit"},
             LogsMistake{journal + "units = [\"dovecot\"]\n", 3, "no unit's: \"dovecot\""},
             LogsMistake{journal + "units = [\"a b.service\"]\n", 3, "no unit's"},
             LogsMistake{journal + "units = [\"postfix@*.service\"]\n", 3, "no unit's"},
             LogsMistake{journal + "units = [\"postfix@.service\"]\n", 3, "no unit's"},
             LogsMistake{dovecot + "directory = \"journal\"\n", 4, "absolute path"},
             LogsMistake{dovecot + "lifetime = \"25h\"\n", 4, "login.journal.lifetime: is longer"},
             LogsMistake{dovecot + dovecot, 4, "is there already, at line 1"},
         }) {
        const auto config = parse_config(mistake.text, "x.toml");
        ASSERT_FALSE(config) << mistake.text;
        EXPECT_EQ(config.error().front().line, mistake.line) << mistake.text;
        EXPECT_THAT(config.error().front().what, HasSubstr(mistake.what)) << mistake.text;
    }
}

const std::string udp = "[[login.syslog]]\nname = \"mail\"\nlisten = \"192.0.2.1\"\n";
const std::string udp_senders = udp + "senders = [\"198.51.100.0/28\"]\n";
const std::string over_tls = udp + "transport = \"tls\"\ncertificate = \"/c\"\nkey = \"/k\"\n";

TEST(ConfigSyslog, IsRead) {
    const auto config = parse_config(udp_senders + "patterns = [\"dovecot\"]\nlifetime = \"3s\"\n", "x.toml");
    ASSERT_TRUE(config) << text("x.toml", config.error());
    ASSERT_EQ(config->syslog.size(), 1U);
    const SyslogConfig& syslog = config->syslog.front();
    EXPECT_EQ(syslog.name, "mail");
    EXPECT_EQ(syslog.listen.text(), "192.0.2.1");
    EXPECT_EQ(syslog.port, 514);
    EXPECT_EQ(syslog.transport, SyslogTransport::udp);
    ASSERT_EQ(syslog.senders.size(), 1U);
    EXPECT_EQ(syslog.senders.front().text(), "198.51.100.0/28");
    EXPECT_TRUE(syslog.from_stamp);
    EXPECT_EQ(syslog.patterns, std::vector<std::string>{"dovecot"});
    EXPECT_EQ(syslog.lifetime, 3s);
}

TEST(ConfigSyslog, EachTransportHasItsPort) {
    const auto tcp = parse_config(udp_senders + "transport = \"tcp\"\ntime = \"arrival\"\n", "x.toml");
    ASSERT_TRUE(tcp) << text("x.toml", tcp.error());
    EXPECT_EQ(tcp->syslog.front().port, 601);
    EXPECT_FALSE(tcp->syslog.front().from_stamp);
    const auto by_certificate =
        parse_config(over_tls + "client_ca = \"/a\"\nclient_names = [\"mail.example.net\"]\n", "x.toml");
    ASSERT_TRUE(by_certificate) << text("x.toml", by_certificate.error());
    const SyslogConfig& syslog = by_certificate->syslog.front();
    EXPECT_EQ(syslog.port, 6514);
    EXPECT_TRUE(syslog.senders.empty());
    EXPECT_EQ(syslog.certificate, "/c");
    EXPECT_EQ(syslog.key, "/k");
    EXPECT_EQ(syslog.client_ca, "/a");
    EXPECT_EQ(syslog.client_names, std::vector<std::string>{"mail.example.net"});
}

TEST(ConfigSyslog, MistakesAreSaidWithTheirPlace) {
    const std::string dovecot =
        "[[login.dovecot]]\nname = \"other\"\nlisten = \"192.0.2.1\"\nport = 601\nkey_file = \"/k\"\n"
        "reporters = [\"::1\"]\n";
    for (const LogsMistake& mistake : {
             LogsMistake{udp, 1, "has no \"senders\""},
             LogsMistake{over_tls, 1, "has no \"senders\""},
             LogsMistake{udp + "senders = []\n", 4, "senders"},
             LogsMistake{udp + "senders = [\"0.0.0.0/0\"]\n", 4, "senders"},
             LogsMistake{udp_senders + "key = \"/k\"\n", 5, "says nothing without TLS"},
             LogsMistake{udp_senders + "client_ca = \"/k\"\n", 5, "says nothing without TLS"},
             LogsMistake{udp_senders + "transport = \"tls\"\ncertificate = \"/c\"\n", 1, "has no \"key\""},
             LogsMistake{over_tls + "senders = [\"::1\"]\nclient_names = [\"a\"]\n", 8,
                         "says nothing without client_ca"},
             LogsMistake{over_tls + "client_ca = \"/a\"\nclient_names = []\n", 8, "names nobody"},
             LogsMistake{udp_senders + "transport = \"quic\"\n", 5, "transport"},
             LogsMistake{udp_senders + "time = \"now\"\n", 5, "time"},
             LogsMistake{udp_senders + "port = 0\n", 5, "port"},
             LogsMistake{udp_senders + "lifetime = \"25h\"\n", 5, "login.syslog.lifetime: is longer"},
             LogsMistake{udp_senders + udp_senders, 5, "is listened to already, at line 1"},
             LogsMistake{dovecot + udp_senders + "transport = \"tcp\"\n", 7,
                         "is listened to already, at line 1"},
             LogsMistake{one + udp_senders + "[[login.log]]\nname = \"mail\"\nfile = \"/a\"\n", 4,
                         "has the name of a [[login.log]]"},
         }) {
        const auto config = parse_config(mistake.text, "x.toml");
        ASSERT_FALSE(config) << mistake.text;
        EXPECT_EQ(config.error().front().line, mistake.line) << mistake.text;
        EXPECT_THAT(config.error().front().what, HasSubstr(mistake.what)) << mistake.text;
    }
    // UDP and TCP don't share ports.
    EXPECT_TRUE(parse_config(dovecot + udp_senders + "port = 601\n", "x.toml"));
}

}  // namespace
}  // namespace sekisho
