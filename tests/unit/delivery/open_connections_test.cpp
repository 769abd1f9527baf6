// SPDX-License-Identifier: Apache-2.0
// Several messages over one connection, and what becomes of them when it is over before they are.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/delivery/harness.h"

namespace sekisho::delivery::tests {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class OpenConnectionsTest : public DeliveryTest {
protected:
    // Messages of 1@example.net, 2@example.net and so on, one after the other; whether others follow when
    // each is done.
    std::vector<std::string> send(const std::vector<bool>& others_follow) {
        DnsConfig dns;
        dns.servers = {parse_address("127.0.0.1").value()};
        resolver_ = dns::Resolver::make(context_.get_executor(), dns, names_.start()).value();
        delivery_.emplace(context_.get_executor(), config_, "mail.example.net", *resolver_);
        std::vector<std::string> said;
        for (const bool others : others_follow) {
            said.push_back(send_one(std::to_string(said.size() + 1) + "@example.net", others));
        }
        return said;
    }

    std::optional<Delivery> delivery_;
    std::vector<message::Recipient> recipients_ = {"bob@example.com"};
    std::string domain_ = "example.com";

    std::string send_one(std::string sender, bool others) {
        envelope_.sender = std::move(sender);
        Consignment one{.envelope = envelope_,
                        .domain = domain_,
                        .size = body_.size(),
                        .body = part_,
                        .others_follow = [others] { return others; }};
        one.envelope.recipients = recipients_;
        return awaited(delivery_->deliver(std::move(one)),
                       [](const Outcomes& all) { return all.empty() ? "nothing" : summary(all.front()); });
    }
    // Whether there is such a mailbox.
    std::string ask(std::string recipient) {
        return awaited(delivery_->ask(std::move(recipient), domain_, {}), summary);
    }

private:
    // What it comes to, in words.
    template <class Result, class Words>
    std::string awaited(boost::asio::awaitable<Result> work, Words in_words) {
        std::optional<std::string> said;
        boost::asio::co_spawn(context_, std::move(work),
                              [&said, in_words](const std::exception_ptr& error, const Result& result) {
                                  EXPECT_FALSE(error);
                                  said = in_words(result);
                              });
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
        while (!said && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(std::chrono::seconds(1));
        }
        return said.value_or("nothing");
    }

    std::shared_ptr<dns::Resolver> resolver_;
};

constexpr const char* fine = "delivered 2.0.0 250 2.0.0 fine";

TEST_F(OpenConnectionsTest, WhileOthersWaitTheyShareOne) {
    ScriptedServer server;
    by_way_of(server);
    EXPECT_THAT(send({true, true, false}), ElementsAre(fine, fine, fine));
    ASSERT_THAT(server.visits(), SizeIs(1));
    EXPECT_THAT(server.visits()[0].commands,
                ElementsAre("EHLO mail.example.net", "MAIL FROM:<1@example.net>", "RCPT TO:<bob@example.com>",
                            "DATA", "MAIL FROM:<2@example.net>", "RCPT TO:<bob@example.com>", "DATA",
                            "MAIL FROM:<3@example.net>", "RCPT TO:<bob@example.com>", "DATA", "QUIT"));
}

TEST_F(OpenConnectionsTest, NobodyWaitsAndItEnds) {
    ScriptedServer server;
    by_way_of(server);
    EXPECT_THAT(send({false, false}), ElementsAre(fine, fine));
    ASSERT_THAT(server.visits(), SizeIs(2));
    EXPECT_EQ(server.visits()[0].commands.back(), "QUIT");
}

TEST_F(OpenConnectionsTest, InsideTls) {
    ScriptedServer server({Script{.answers = {{"EHLO", "250-mx\r\n250-PIPELINING\r\n250 STARTTLS"}}}});
    by_way_of(server);
    EXPECT_THAT(send({true, false}), ElementsAre(fine, fine));
    ASSERT_THAT(server.visits(), SizeIs(1));
    EXPECT_TRUE(server.visits()[0].tls);
}

// What could not be said on a connection that has carried others is said on a new one, at once.
TEST_F(OpenConnectionsTest, AHostThatHasHadEnough) {
    for (const auto& [step, answer] :
         {std::pair{"MAIL FROM:<2", std::string(vanishes)},
          std::pair{"MAIL FROM:<2", std::string("421 4.7.0 enough")},
          std::pair{"MAIL FROM:<2", std::string("452 4.5.3 too many")},
          std::pair{"MAIL FROM:<2", std::string("554 5.5.0 too many messages in this session")}}) {
        ScriptedServer server({Script{.answers = {{step, answer}}}, Script()});
        by_way_of(server);
        EXPECT_THAT(send({true, false}), ElementsAre(fine, fine)) << answer;
        ASSERT_THAT(server.visits(), SizeIs(2));
        EXPECT_THAT(server.visits()[1].commands, Contains("MAIL FROM:<2@example.net>"));
    }
}

TEST_F(OpenConnectionsTest, WhatTheNextConnectionSaysCounts) {
    ScriptedServer server({Script{.answers = {{"MAIL FROM:<2", "450 4.7.0 slowly"}}}});
    by_way_of(server);
    EXPECT_THAT(send({true, false}), ElementsAre(fine, "deferred 4.7.0 450 4.7.0 slowly"));
    EXPECT_THAT(server.visits(), SizeIs(2));
}

TEST_F(OpenConnectionsTest, ARefusalIsOneWhereItIsRepeated) {
    ScriptedServer server({Script{.answers = {{"MAIL FROM:<2", "550 5.7.1 not you"}}}});
    by_way_of(server);
    EXPECT_THAT(send({true, true, false}), ElementsAre(fine, "failed 5.7.1 550 5.7.1 not you", fine));
    ASSERT_THAT(server.visits(), SizeIs(3));
    EXPECT_EQ(server.visits()[0].commands.back(), "QUIT");
}

// What has been accepted is not sent twice.
TEST_F(OpenConnectionsTest, AHostThatHasHadEnoughOfOneRecipient) {
    recipients_ = {"one@example.com", "two@example.com"};
    ScriptedServer server({Script{.answers = {{"RCPT TO:<two", "421 4.7.0 later"}}}});
    by_way_of(server);
    EXPECT_THAT(send({true, false}), ElementsAre(fine, fine));
    ASSERT_THAT(server.visits(), SizeIs(1));
    EXPECT_EQ(std::ranges::count(server.visits()[0].commands, "RCPT TO:<one@example.com>"), 2);
}

// Else the next message would take the second reply for one of its own.
TEST_F(OpenConnectionsTest, AHostThatSaysTooMuch) {
    for (const char* offered : {"250 mx", "250-mx\r\n250 STARTTLS"}) {
        ScriptedServer server(
            {Script{.answers = {{"EHLO", offered}, {".", "250 2.0.0 fine\r\n250 2.0.0 really"}}}});
        by_way_of(server);
        EXPECT_THAT(send({true, false}), ElementsAre(fine, fine));
        EXPECT_THAT(server.visits(), SizeIs(2)) << offered;
    }
}

TEST_F(OpenConnectionsTest, ByLmtp) {
    ScriptedServer server({Script{.answers = {{"LHLO", "250-mx\r\n250 PIPELINING"}}}});
    config_.local = {
        {.domains = {"example.com"}, .path = {}, .host = {.host = "127.0.0.1", .port = server.port()}}};
    EXPECT_THAT(send({true, false}), ElementsAre(fine, fine));
    ASSERT_THAT(server.visits(), SizeIs(1));
    EXPECT_EQ(server.visits()[0].commands.size(), 8U);
}

// A reply that came before anybody asked lies in OpenSSL, decrypted or not, where the socket has nothing
// more.
TEST_F(OpenConnectionsTest, AHostThatSaysTooMuchInsideTls) {
    constexpr const char* offer = "250-mx\r\n250 STARTTLS";
    // As many octets as are read at once; the rest of the record waits.
    const std::string last = "\r\n250 2.0.0 fine";
    std::string long_answer = "250-";
    long_answer.append(8192 - long_answer.size() - last.size() - 2, 'x').append(last);
    for (const Script& script :
         {Script{.answers = {{"EHLO", offer}}, .behind_message = "250 2.0.0 really"},
          Script{.answers = {{"EHLO", offer}, {".", long_answer + "\r\n250 2.0.0 really"}}}}) {
        ScriptedServer server({script});
        by_way_of(server);
        EXPECT_THAT(send({true, false}), Each(StartsWith("delivered 2.0.0 250 ")));
        ASSERT_THAT(server.visits(), SizeIs(2));
        EXPECT_TRUE(server.visits()[0].tls);
        EXPECT_EQ(server.visits()[0].commands.back(), "QUIT");
    }
}

// Somebody waits for the answer, and what is kept is for mail.
TEST_F(OpenConnectionsTest, AQuestionHasOneOfItsOwn) {
    ScriptedServer server({Script{.answers = {{"RCPT TO:<bob", "250 2.1.5 here"}}}});
    config_.local = {
        {.domains = {"example.com"}, .path = {}, .host = {.host = "127.0.0.1", .port = server.port()}}};
    EXPECT_THAT(send({true}), ElementsAre(fine));
    EXPECT_EQ(ask("bob@example.com"), "delivered 2.1.5 250 2.1.5 here");
    EXPECT_EQ(send_one("2@example.net", false), fine);
    ASSERT_THAT(server.visits(), SizeIs(2));
    EXPECT_THAT(server.visits()[0].commands,
                AllOf(Contains("MAIL FROM:<1@example.net>"), Contains("MAIL FROM:<2@example.net>")));
    EXPECT_THAT(server.visits()[1].commands,
                ElementsAre("LHLO mail.example.net", "MAIL FROM:<>", "RCPT TO:<bob@example.com>", "QUIT"));
}

TEST_F(OpenConnectionsTest, SoManyAreKeptAndNoMore) {
    config_.deliveries = 1;
    ScriptedServer one;
    ScriptedServer two({Script()}, "127.0.0.2", one.port());
    config_.port = one.port();
    domain_ = "[127.0.0.1]";
    EXPECT_THAT(send({true}), ElementsAre(fine));
    for (const char* next : {"[127.0.0.2]", "[127.0.0.1]", "[127.0.0.2]"}) {
        domain_ = next;
        EXPECT_EQ(send_one("2@example.net", true), fine);
    }
    delivery_.reset();
    EXPECT_THAT(one.visits(), SizeIs(1));
    ASSERT_THAT(two.visits(), SizeIs(2));
    EXPECT_EQ(two.visits()[0].commands.back(), "QUIT");
}

TEST_F(OpenConnectionsTest, AnotherHostHasAnother) {
    ScriptedServer server;
    ScriptedServer other({Script()}, "127.0.0.2", server.port());
    config_.port = server.port();
    domain_ = "[127.0.0.1]";
    EXPECT_THAT(send({true}), ElementsAre(fine));
    domain_ = "[127.0.0.2]";
    EXPECT_THAT(send_one("2@example.net", false), fine);
    delivery_.reset();
    EXPECT_THAT(server.visits(), SizeIs(1));
    EXPECT_THAT(other.visits(), SizeIs(1));
}

// How many messages each connection has carried.
std::vector<std::ptrdiff_t> carried(ScriptedServer& server) {
    std::vector<std::ptrdiff_t> all;
    for (const Visit& visit : server.visits()) {
        all.push_back(std::ranges::count(visit.commands, "DATA"));
    }
    return all;
}

const std::vector<Script> once_away = {Script{.greeting = "421 4.3.2 later"}, Script()};

// Two hosts of one domain at one port.
class EqualHostsTest : public OpenConnectionsTest {
protected:
    EqualHostsTest() {
        config_.port = one_.port();
        names_.address("one.example.com", "127.0.0.1");
        names_.address("two.example.com", "127.0.0.2");
    }
    void preferences(std::uint8_t one, std::uint8_t two) {
        names_.mx("example.com", one, "one.example.com");
        names_.mx("example.com", two, "two.example.com");
    }

    ScriptedServer one_{once_away};
    ScriptedServer two_{{Script()}, "127.0.0.2", one_.port()};
};

TEST_F(EqualHostsTest, TheOneWithAConnectionIsFavoured) {
    preferences(10, 10);
    EXPECT_THAT(send(std::vector<bool>(20, true)), Not(Contains(Not(fine))));
    delivery_.reset();
    EXPECT_THAT(carried(two_), ElementsAre(20)) << "the other one was away when the first was sent";
    EXPECT_THAT(carried(one_), Each(0));
}

TEST_F(EqualHostsTest, ChanceDecidesWhereThereIsNone) {
    preferences(10, 10);
    EXPECT_THAT(send(std::vector<bool>(40, false)), Not(Contains(Not(fine))));
    EXPECT_THAT(carried(one_), SizeIs(Gt(1)));
    EXPECT_THAT(carried(two_), SizeIs(Gt(1)));
}

TEST_F(EqualHostsTest, AConnectionIsNoPreference) {
    preferences(10, 20);
    EXPECT_THAT(send({true, true, true}), ElementsAre(fine, fine, fine));
    delivery_.reset();
    EXPECT_THAT(carried(two_), ElementsAre(1));
    EXPECT_THAT(carried(one_), ElementsAre(0, 2));
}

// In whichever order the name service tells them.
TEST_F(OpenConnectionsTest, AddressesOfOneHostAreEquals) {
    for (const bool first_is_away : {true, false}) {
        ScriptedServer first(first_is_away ? once_away : std::vector{Script()});
        ScriptedServer second(first_is_away ? std::vector{Script()} : once_away, "127.0.0.2", first.port());
        config_.port = first.port();
        names_.forget();
        names_.address("example.com", "127.0.0.1");
        names_.address("example.com", "127.0.0.2");
        EXPECT_THAT(send({true, true, true}), Each(fine));
        delivery_.reset();
        EXPECT_THAT(carried(first_is_away ? second : first), ElementsAre(3));
        EXPECT_THAT(carried(first_is_away ? first : second), Each(0));
    }
}

// It may have been kept: it is not sent again before its time.
TEST_F(OpenConnectionsTest, AConnectionThatIsLostBehindTheMessage) {
    ScriptedServer server({Script{.messages = 1}, Script()});
    by_way_of(server);
    EXPECT_THAT(send({true, false}), ElementsAre(fine, StartsWith("deferred 4.4.2 waiting for a reply")));
    EXPECT_THAT(server.visits(), SizeIs(1));
}

TEST_F(OpenConnectionsTest, ItCarriesAHundredAtMost) {
    ScriptedServer server;
    by_way_of(server);
    EXPECT_THAT(send(std::vector<bool>(101, true)), Not(Contains(Not(fine))));
    delivery_.reset();
    ASSERT_THAT(server.visits(), SizeIs(2));
    EXPECT_EQ(server.visits()[0].commands.size(), 302U);
    EXPECT_EQ(server.visits()[0].commands.back(), "QUIT");
}

TEST_F(OpenConnectionsTest, WhereNobodyComesItIsEndedSoon) {
    ScriptedServer server;
    by_way_of(server);
    EXPECT_THAT(send({true}), ElementsAre(fine));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (server.served() == 0 && std::chrono::steady_clock::now() < end) {
        context_.restart();
        context_.run_one_for(std::chrono::milliseconds(100));
    }
    ASSERT_THAT(server.visits(), SizeIs(1));
    EXPECT_EQ(server.visits()[0].commands.back(), "QUIT");
}

}  // namespace
}  // namespace sekisho::delivery::tests
