// SPDX-License-Identifier: Apache-2.0
// `sekisho why-relay` against a stand-in for sekisho-smtpd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::Asked;
using tests::StandIn;

constexpr const char* refused =
    R"({"client":"192.0.2.10","user":"","from":"anna@example.net","to":"\u001b[2Jbob@example.com",)"
    R"("listener":{"number":2,"address":"::","port":587,"tls":"starttls"},"verdict":"refuse",)"
    R"("rule":"nobody","reply":"530 5.7.0 Authentication required","rules":[)"
    R"({"rule":"login","opinion":"none","detail":"nobody has logged in on this connection"},)"
    R"({"rule":"nobody","opinion":"refuse","detail":"nothing lets it relay"}]})";

class WhyRelayTest : public testing::Test {
protected:
    int ask(std::vector<std::string> arguments, const std::string& reply = refused) {
        const std::string socket = (directory_.path() / "submission.sock").string();
        const StandIn server(socket, [reply](const Asked&) { return tests::answer(200, reply); });
        arguments.insert(arguments.begin(), "why-relay");
        arguments.insert(arguments.end(), {"--socket", socket});
        std::ostringstream out;
        std::ostringstream err;
        const int code = run(arguments, out, err);
        asked_ = server.asked();
        out_ = out.str();
        err_ = err.str();
        return code;
    }

    std::vector<Asked> asked_;
    std::string out_;
    std::string err_;

private:
    tests::Directory directory_;
};

TEST_F(WhyRelayTest, AsksForAllThatItWasTold) {
    ASSERT_EQ(ask({"--client", "::ffff:192.0.2.10", "--user", "anna b", "--from", "a&b@example.net", "--to",
                   "bob@example.com", "--listener", "2", "--interface", "lan0"}),
              0)
        << err_;
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(asked_[0].line,
              "GET /v1/why-relay?client=192.0.2.10&user=anna%20b&from=a%26b%40example.net&"
              "to=bob%40example.com&interface=lan0&listener=2");
}

TEST_F(WhyRelayTest, NobodyAndTheFirstListenerIfNothingIsSaid) {
    ASSERT_EQ(ask({"--client", "2001:db8::1", "--from", "", "--to", "b@example.com"}), 0) << err_;
    EXPECT_EQ(asked_.at(0).line,
              "GET /v1/why-relay?client=2001%3Adb8%3A%3A1&user=&from=&to=b%40example.com&listener=1");
}

TEST_F(WhyRelayTest, PrintsTheRulesAndTheReply) {
    EXPECT_EQ(ask({"--client", "192.0.2.10", "--from", "a@example.net", "--to", "b@example.com"}), 0);
    EXPECT_THAT(out_, AllOf(HasSubstr("anna@example.net"), HasSubstr("nobody has logged in"),
                            HasSubstr("listener 2, :: port 587 (tls = starttls): is refused."),
                            HasSubstr("The client reads: 530 5.7.0 Authentication required"),
                            HasSubstr("The rule that decides: nobody"), HasSubstr("->  nobody")));
    EXPECT_THAT(out_, AllOf(Not(HasSubstr("\x1b")), HasSubstr("\\x1b[2Jbob@example.com")));
    EXPECT_EQ(ask({"--client", "192.0.2.10", "--from", "a@example.net", "--to", "b@example.com", "--json"}),
              0);
    EXPECT_EQ(out_, std::string(refused) + "\n");
}

TEST_F(WhyRelayTest, WrongUsage) {
    const std::vector<std::string> whole = {"--client", "192.0.2.1", "--from", "a@x.net", "--to", "b@x.net"};
    for (std::size_t left_out = 0; left_out < whole.size(); left_out += 2) {
        std::vector<std::string> some = whole;
        const auto begin = some.begin() + static_cast<std::ptrdiff_t>(left_out);
        some.erase(begin, begin + 2);
        EXPECT_EQ(ask(some), 2) << out_;
    }
    for (const char* const listener : {"0", "-1", "two", "1x", "4294967296"}) {
        std::vector<std::string> words = whole;
        words.insert(words.end(), {"--listener", listener});
        EXPECT_EQ(ask(words), 2) << listener;
        EXPECT_TRUE(asked_.empty());
    }
    EXPECT_EQ(ask({"--client", "192.0.2.0/24", "--from", "a@x.net", "--to", "b@x.net"}), 2);
    EXPECT_THAT(err_, HasSubstr("one address is asked for"));
}

}  // namespace

}  // namespace sekisho::cli
