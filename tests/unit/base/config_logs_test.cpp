// SPDX-License-Identifier: Apache-2.0
// [[login.log]]: files that tell of logins.
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

struct Mistake {
    std::string text;
    int line;
    const char* what;
};

TEST(ConfigLogs, MistakesAreSaidWithTheirPlace) {
    const std::string dovecot =
        "[[login.dovecot]]\nname = \"mail.log\"\nlisten = \"::1\"\nkey_file = \"/k\"\nreporters = "
        "[\"::1\"]\n";
    for (const Mistake& mistake : {
             Mistake{"[[login.log]]\nname = \"a\"\n", 1, "has no \"file\""},
             Mistake{"[[login.log]]\nfile = \"/a\"\n", 1, "has no \"name\""},
             Mistake{"[[login.log]]\nname = \"a\"\nfile = \"a\"\n", 3, "absolute path"},
             Mistake{"[[login.log]]\nname = \"operator\"\nfile = \"/a\"\n", 2, "the command line"},
             Mistake{one + "lifetime = \"25h\"\n", 4, "login.log.lifetime: is longer than grants.longest"},
             Mistake{one + "[[login.log.pattern]]\nname = \"a\"\n", 4, "has no \"expression\""},
             Mistake{one + "[[login.log]]\nname = \"mail.log\"\nfile = \"/a\"\n", 4,
                     "is there already, at line 1"},
             Mistake{one + "[[login.log]]\nname = \"b\"\nfile = \"/var/log/mail.log\"\n", 4,
                     "is read already, at line 1"},
             Mistake{dovecot + one, 6, "has the name of a [[login.dovecot]]"},
         }) {
        const auto config = parse_config(mistake.text, "x.toml");
        ASSERT_FALSE(config) << mistake.text;
        ASSERT_EQ(config.error().size(), 1U) << text("x.toml", config.error());
        EXPECT_EQ(config.error().front().line, mistake.line) << mistake.text;
        EXPECT_THAT(config.error().front().what, HasSubstr(mistake.what));
    }
}

}  // namespace
}  // namespace sekisho
