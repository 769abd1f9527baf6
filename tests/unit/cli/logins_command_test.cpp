// SPDX-License-Identifier: Apache-2.0
// `sekisho logins test`: what lines of a log would open, by when they were written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/time_text.h"
#include "agent/cli/cli.h"
#include "tests/unit/directory.h"

namespace sekisho::cli {

namespace {

using testing::MatchesRegex;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr const char* lines_config = R"([[pool]]
name = "dsl"
prefixes = ["192.0.2.0/24"]
action = "drop"

[grants]
lifetime = "10h"

[[login.syslog]]
name = "late"
listen = "127.0.0.1"
transport = "udp"
senders = ["127.0.0.1/32"]
time = "arrival"

[[login.log]]
name = "mail"
file = "/var/log/mail.log"
)";

class LoginsCommandTest : public testing::Test {
protected:
    // What becomes of a login that was written so long ago.
    std::string told(std::chrono::seconds ago, const std::string& reporter = "mail",
                     const std::string& address = "192.0.2.2") {
        std::ofstream(directory_ / "sekisho.toml") << lines_config;
        std::ofstream(directory_ / "tested.log")
            << rfc3339(std::chrono::system_clock::now() - ago)
            << " mail spop3d[5]: user alice authenticated - " << address << "\n";
        std::ostringstream out;
        std::ostringstream err;
        const std::vector<std::string> command = {
            "logins", "test",     (directory_ / "tested.log").string(),   "--reporter",
            reporter, "--config", (directory_ / "sekisho.toml").string(), "--json"};
        const int code = run(command, out, err);
        EXPECT_EQ(code, 0) << out.str() << err.str();
        return std::string(boost::json::parse(out.str()).at("logins").at(0).at("then").as_string());
    }

    tests::Directory directory_;
};

TEST_F(LoginsCommandTest, ALineOfNowOpensForTheWholeTime) {
    EXPECT_THAT(told(0s), MatchesRegex("opens the port for 192.0.2.2/32 of pool dsl for (10h|9h59m.*)"));
}

TEST_F(LoginsCommandTest, AnOlderOneForTheRest) {
    EXPECT_THAT(told(4h), MatchesRegex("opens the port for 192.0.2.2/32 of pool dsl for (6h|5h.*)"));
}

TEST_F(LoginsCommandTest, OneWhoseTimeIsOverIsRefused) {
    EXPECT_EQ(
        told(11h),
        "refused: the login was longer ago than a grant lasts; in time it would have opened the port for "
        "192.0.2.2/32 of pool dsl for 10h");
}

TEST_F(LoginsCommandTest, SoIsOneOfAnotherDay) {
    EXPECT_EQ(told(-50h), "refused: the login's time lies in the future");
}

TEST_F(LoginsCommandTest, WhatIsRefusedAnywayIsSaidOnce) {
    EXPECT_EQ(told(11h, "mail", "203.0.113.9"), "refused: 203.0.113.9 lies in no pool");
}

TEST_F(LoginsCommandTest, WhereStampsAreNotBelievedItIsOfNow) {
    EXPECT_THAT(told(11h, "late"), StartsWith("opens the port for 192.0.2.2/32 of pool dsl for 10h"));
}

}  // namespace

}  // namespace sekisho::cli
