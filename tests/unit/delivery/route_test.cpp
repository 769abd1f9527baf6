// SPDX-License-Identifier: Apache-2.0
// Which hosts, in which order (RFC 5321, 5.1), and what is made of several answers.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/delivery/harness.h"

namespace sekisho::delivery::tests {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<message::Recipient> three = {"one@example.com", "two@example.com", "three@example.com"};

// A domain with two mail hosts at one port.
class RouteTest : public DeliveryTest {
protected:
    void two_hosts(Script first, Script second) {
        names_.mx("example.com", 20, "second.example.com");
        names_.mx("example.com", 10, "first.example.com");
        names_.address("first.example.com", "127.0.0.1");
        names_.address("second.example.com", "127.0.0.2");
        first_.emplace(std::vector{std::move(first)});
        config_.port = first_->port();
        second_.emplace(std::vector{std::move(second)}, "127.0.0.2", config_.port);
    }
    void one_host(Script script = {}) {
        first_.emplace(std::vector{std::move(script)});
        config_.port = first_->port();
    }

    std::optional<ScriptedServer> first_;
    std::optional<ScriptedServer> second_;
};

TEST_F(RouteTest, TheBestPreferenceFirst) {
    two_hosts({}, {});
    const Outcomes all = deliver();
    EXPECT_EQ(summary(all.at(0)), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_EQ(all.at(0).host, "first.example.com[127.0.0.1]:" + std::to_string(config_.port));
    EXPECT_THAT(second_->visits(), IsEmpty());
}

TEST_F(RouteTest, WithoutMxTheNameItself) {
    one_host();
    names_.address("example.com", "127.0.0.1");
    EXPECT_THAT(result(), StartsWith("delivered"));
}

TEST_F(RouteTest, AddressLiterals) {
    one_host();
    EXPECT_THAT(result("[127.0.0.1]"), StartsWith("delivered"));
    EXPECT_THAT(result("[ipv6:::1]"), StartsWith("deferred 4.4.1 connect: "));
    EXPECT_EQ(first_->visits().size(), 1U);
}

TEST_F(RouteTest, ASmarthostByName) {
    one_host();
    names_.address("out.example.net", "127.0.0.1");
    names_.mx("out.example.net", 10, "elsewhere.example.net");  // nobody asks for it
    config_.smarthost = {.host = "out.example.net", .port = config_.port};
    EXPECT_THAT(result(), StartsWith("delivered"));
    EXPECT_THAT(result("[192.0.2.1]"), StartsWith("delivered"));
}

TEST_F(RouteTest, ServersAreAskedForByName) {
    one_host({.answers = {{"(clear)EHLO", "250-x\r\n250 STARTTLS"}}});
    names_.address("example.com", "127.0.0.1");
    EXPECT_THAT(result(), StartsWith("delivered"));
    EXPECT_EQ(first_->visits().at(0).server_name, "example.com");
}

TEST_F(RouteTest, DomainsThatTakeNoMail) {
    names_.mx("example.com", 0, "");
    EXPECT_EQ(result(), "failed 5.1.10 example.com takes no mail (null MX)");
}

TEST_F(RouteTest, DomainsThatAreNone) {
    EXPECT_EQ(result(), "failed 5.1.2 example.com: there is no such domain");
}

TEST_F(RouteTest, DomainsWithoutAnyHost) {
    names_.mx("example.com", 10, "gone.example.com");
    names_.mx("example.org", 10, "empty.example.org");
    names_.mx("empty.example.org", 10, "x.example.org");
    EXPECT_EQ(result(), "failed 5.4.4 the domain's mail hosts have no addresses");
    EXPECT_EQ(result("example.org"), "failed 5.4.4 the domain's mail hosts have no addresses");
}

TEST_F(RouteTest, WhatNobodyCanTellNowIsAskedAgainLater) {
    names_.trouble("example.com");
    names_.mx("example.org", 10, "gone.example.org");
    names_.mx("example.org", 20, "troubled.example.org");
    names_.trouble("troubled.example.org");
    EXPECT_THAT(result(), StartsWith("deferred 4.4.3 example.com: "));
    EXPECT_THAT(result("example.org"), StartsWith("deferred 4.4.3 troubled.example.org: "));
}

TEST_F(RouteTest, AHostThatRefusesForNowIsFollowedByTheNext) {
    for (const char* step : {"EHLO", "MAIL", "RCPT", "DATA", "."}) {
        two_hosts({.answers = {{step, "451 4.3.0 later"}}}, {});
        EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine") << step;
        EXPECT_EQ(first_->visits().size(), 1U);
        EXPECT_EQ(second_->visits().size(), 1U);
        names_.forget();
    }
}

TEST_F(RouteTest, AHostThatIsAwayIsFollowedByTheNext) {
    two_hosts({}, {});
    first_.reset();
    EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_EQ(second_->visits().size(), 1U);
}

TEST_F(RouteTest, OneHostWithSeveralAddresses) {
    one_host();
    names_.mx("example.com", 10, "mx.example.com");
    names_.address("mx.example.com", "127.0.0.3");
    names_.address("mx.example.com", "127.0.0.1");
    EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine");
}

// Where only one family works, the other's addresses may not use up all attempts.
TEST_F(RouteTest, ManyAddressesOfOneFamilyLeaveRoomForTheOther) {
    one_host();
    names_.mx("example.com", 10, "mx.example.com");
    for (const char* text : {"::1", "::ffff:127.0.0.9", "ff00::1", "ff00::2", "ff00::3", "ff00::4"}) {
        names_.address("mx.example.com", text);
    }
    names_.address("mx.example.com", "127.0.0.1");
    EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine");
}

TEST_F(RouteTest, ARefusalForGoodIsNotAskedAgain) {
    for (const char* step : {"MAIL", "RCPT", "DATA", "."}) {
        two_hosts({.answers = {{step, "550 5.7.1 never"}}}, {});
        EXPECT_EQ(result(), "failed 5.7.1 550 5.7.1 never") << step;
        EXPECT_THAT(second_->visits(), IsEmpty());
        names_.forget();
    }
}

TEST_F(RouteTest, WhatIsFinalForSomeIsAskedForTheOthersOnly) {
    two_hosts({.answers = {{"RCPT TO:<one", "550 5.1.1 unknown"}, {"RCPT TO:<two", "451 4.7.1 grey"}}},
              {.answers = {{".", "250 2.0.0 second"}}});
    const Outcomes all = deliver(three);
    EXPECT_EQ(summary(all.at(0)), "failed 5.1.1 550 5.1.1 unknown");
    EXPECT_EQ(summary(all.at(1)), "delivered 2.0.0 250 2.0.0 second");
    EXPECT_EQ(summary(all.at(2)), "delivered 2.0.0 250 2.0.0 fine");
    EXPECT_THAT(second_->visits().at(0).commands,
                ElementsAre("EHLO mail.example.net", "MAIL FROM:<alice@example.net>",
                            "RCPT TO:<two@example.com>", "DATA", "QUIT"));
}

TEST_F(RouteTest, AHostThatTurnsUsAwayIsFollowedByTheNext) {
    two_hosts({.greeting = "554 no mail here"}, {});
    EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine");
    names_.forget();
    two_hosts({.answers = {{"EHLO", "550 no"}, {"HELO", "550 no"}}}, {});
    EXPECT_EQ(result(), "delivered 2.0.0 250 2.0.0 fine");
}

TEST_F(RouteTest, TurnedAwayEverywhereIsTriedAgain) {
    two_hosts({.greeting = "554 first"}, {.greeting = "554 second"});
    EXPECT_EQ(result(), "deferred 5.0.0 554 second");
    names_.forget();
    two_hosts({.greeting = "554 first"}, {.greeting = "421 second"});
    EXPECT_EQ(result(), "deferred 4.0.0 421 second");
}

// RFC 6152, 3, and RFC 6531, 3.5: what no host of the domain takes is returned.
TEST_F(RouteTest, AHostThatLacksAnExtensionIsFollowedByTheNext) {
    const Script able{.answers = {{"EHLO", "250-x\r\n250-8BITMIME\r\n250 SMTPUTF8"}}};
    const Script away{.greeting = "421 later"};
    for (const auto& [utf8, status] : {std::pair{true, "5.6.7"}, std::pair{false, "5.6.3"}}) {
        envelope_.utf8 = utf8;
        envelope_.eight_bit = !utf8;
        const auto of_two = [this](const Script& first, const Script& second) {
            names_.forget();
            two_hosts(first, second);
            return result();
        };
        EXPECT_EQ(of_two({}, able), "delivered 2.0.0 250 2.0.0 fine");
        EXPECT_EQ(first_->visits().size(), 1U);
        EXPECT_THAT(of_two({}, {}), StartsWith("failed " + std::string(status)));
        EXPECT_EQ(second_->visits().size(), 1U) << "it might have offered it";
        EXPECT_EQ(of_two({}, away), "deferred 4.0.0 421 later");
        EXPECT_EQ(of_two(away, {}), "deferred 4.0.0 421 later");
    }
}

// Port 25 of this host belongs to somebody who may trust whoever comes from here.
TEST_F(RouteTest, NamesOfStrangersDontLeadToThisHost) {
    for (const char* address : {"127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"}) {
        names_.address("example.com", address);
        EXPECT_EQ(result(), "failed 5.4.6 the mail host is this host itself") << address;
        names_.forget();
    }
    EXPECT_EQ(result("[127.0.0.1]"), "failed 5.4.6 the mail host is this host itself");
    EXPECT_EQ(result("[ipv6:::1]"), "failed 5.4.6 the mail host is this host itself");
}

// We may be the domain's second mail host: the first is away, and mail for it stays here.
TEST_F(RouteTest, OurselvesBehindAnotherHostIsNoLoop) {
    names_.mx("example.com", 10, "first.example.com");
    names_.mx("example.com", 20, "ours.example.net");
    names_.mx("example.com", 30, "behind.example.com");
    names_.address("first.example.com", "224.0.0.1");  // nobody can connect to it
    names_.address("ours.example.net", "127.0.0.1");
    names_.address("behind.example.com", "127.0.0.2");
    const Outcomes all = deliver();
    EXPECT_EQ(all.at(0).fate, Fate::deferred);
    EXPECT_EQ(all.at(0).status, "4.4.1");
    EXPECT_THAT(all.at(0).host, StartsWith("first.example.com"));
}

}  // namespace
}  // namespace sekisho::delivery::tests
