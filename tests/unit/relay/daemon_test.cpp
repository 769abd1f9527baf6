// SPDX-License-Identifier: Apache-2.0
// The whole daemon in this process: what stands in the spool goes to a mail host on loopback.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/handoff/client.h"
#include "smtpd/relay.h"
#include "tests/unit/delivery/scripted_server.h"
#include "tests/unit/spool/messages.h"
#include "tests/unit/written_log.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;
using delivery::tests::Script;
using delivery::tests::ScriptedServer;
using delivery::tests::Visit;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::string id_of(int number) {
    const std::string digits = std::to_string(number);
    return std::string(16 - digits.size(), '0') + digits;
}

class RelayDaemonTest : public testing::Test {
protected:
    RelayDaemonTest() {
        // As whoever runs the test: nobody else's rights are needed.
        config_.submission.user = config_.relay.user = ::getpwuid(::geteuid())->pw_name;
        config_.relay.clients = ::getgrgid(::getegid())->gr_name;
        config_.relay.spool = directory_ / "mail.db";
        config_.relay.socket = directory_ / "relay.sock";
        config_.relay.admin_socket = directory_ / "mail.sock";
        config_.dns.servers = {parse_address("127.0.0.1").value()};
    }

    // Puts messages into the spool before the daemon has it. They came in just now.
    void put(const std::vector<message::Envelope>& envelopes) {
        auto spool = spool::Spool::open(config_.relay.spool).value();
        ASSERT_TRUE(spool::commit(spool, [&](spool::Spool& in) -> Result<void> {
            const std::string body = "Subject: x\r\n\r\n";
            for (message::Envelope envelope : envelopes) {
                envelope.eight_bit = false;
                envelope.received =
                    std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
                if (auto added = in.add(envelope, body.size(), spool::body_of(body)); !added) {
                    return added;
                }
            }
            return {};
        }));
    }

    void by_way_of(const ScriptedServer& server) {
        config_.relay.smarthost = {.host = "127.0.0.1", .port = server.port()};
    }

    // Runs the daemon until this holds of its spool.
    void run_until(const std::function<bool(const spool::SpoolReader&)>& done) {
        boost::asio::io_context context{1};
        const auto daemon = RelayDaemon::start(context, config_);
        ASSERT_TRUE(daemon) << daemon.error().what;
        const auto reader = spool::SpoolReader::open(config_.relay.spool).value();
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (!done(reader) && std::chrono::steady_clock::now() < end) {
            context.run_one_for(100ms);
        }
        EXPECT_TRUE(done(reader)) << "it never happened";
    }

    static bool empty(const spool::SpoolReader& reader) { return reader.count().value() == 0; }

    static std::vector<std::string> recipients(const std::vector<Visit>& visits) {
        std::vector<std::string> all;
        for (const Visit& visit : visits) {
            for (const std::string& command : visit.commands) {
                if (command.starts_with("RCPT TO:")) {
                    all.push_back(command.substr(8));
                }
            }
        }
        return all;
    }

    tests::Directory directory_;
    Config config_;
};

// Twice the same: what has only just come in, and what the spool is asked for when it is tried again.
TEST_F(RelayDaemonTest, WhatIsHandedOverArrives) {
    ScriptedServer server({Script{.answers = {{".", "451 4.3.0 later"}}}, Script()});
    by_way_of(server);
    config_.relay.retry_first = 1s;
    const std::string text = "Subject: x\r\n\r\n.a dot\r\nthe end\r\n";
    boost::asio::io_context context{1};
    const auto daemon = RelayDaemon::start(context, config_);
    ASSERT_TRUE(daemon) << daemon.error().what;
    handoff::HandoffClient client(context.get_executor(), config_.relay.socket);
    std::string refused = "no answer";
    boost::asio::co_spawn(
        context,
        [&]() -> boost::asio::awaitable<void> {
            message::Envelope envelope = spool::envelope(id_of(1), {"x@example.com"});
            envelope.eight_bit = false;
            envelope.received = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
            std::string octets = text;
            const handoff::Answer answer = co_await client.send(std::move(envelope), std::move(octets));
            refused = answer.refused;
        },
        boost::asio::detached);
    const auto reader = spool::SpoolReader::open(config_.relay.spool).value();
    const auto end = std::chrono::steady_clock::now() + 30s;
    while ((refused == "no answer" || !empty(reader)) && std::chrono::steady_clock::now() < end) {
        context.run_one_for(100ms);
    }
    EXPECT_EQ(refused, "");
    EXPECT_TRUE(empty(reader));
    ASSERT_THAT(server.visits(), SizeIs(2));
    for (const Visit& visit : server.visits()) {
        EXPECT_THAT(visit.commands,
                    testing::IsSupersetOf({"MAIL FROM:<anna@example.net>", "RCPT TO:<x@example.com>"}));
        EXPECT_EQ(visit.message, "Subject: x\r\n\r\n..a dot\r\nthe end\r\n");
    }
}

TEST_F(RelayDaemonTest, RecipientsOfOneDomainTravelTogether) {
    put({spool::envelope(id_of(1), {"x@[127.0.0.1]", "y@[127.0.0.1]", "z@[127.0.0.2]"})});
    ScriptedServer server({Script()}, "0.0.0.0");
    config_.relay.port = server.port();
    run_until(empty);
    EXPECT_THAT(server.visits(), SizeIs(2));
    EXPECT_THAT(recipients(server.visits()),
                UnorderedElementsAre("<x@[127.0.0.1]>", "<y@[127.0.0.1]>", "<z@[127.0.0.2]>"));
}

TEST_F(RelayDaemonTest, AllTravelTogetherToASmarthost) {
    put({spool::envelope(id_of(1), {"x@example.com", "y@EXAMPLE.com", "z@example.org"})});
    ScriptedServer server;
    by_way_of(server);
    run_until(empty);
    EXPECT_THAT(server.visits(), SizeIs(1));
    EXPECT_THAT(recipients(server.visits()),
                UnorderedElementsAre("<x@example.com>", "<y@EXAMPLE.com>", "<z@example.org>"));
}

TEST_F(RelayDaemonTest, WhatFailsComesBackAsANoticeAndWhatIsPutOffStays) {
    put({spool::envelope(id_of(1), {"x@example.com", "y@example.com", "z@example.com"})});
    ScriptedServer server(
        {Script{.answers = {{"RCPT TO:<x", "550 5.1.1 unknown"}, {"RCPT TO:<y", "451 4.7.1 later"}}}});
    by_way_of(server);
    run_until([](const spool::SpoolReader& reader) {
        const auto all = reader.list(10).value();
        return all.size() == 1 && all.front().waiting.size() == 1 &&
               all.front().waiting.front().attempts == 1;
    });
    const auto& visits = server.visits();
    ASSERT_THAT(recipients(visits).back(), "<anna@example.net>");
    EXPECT_EQ(visits.back().commands.at(1), "MAIL FROM:<>");
    EXPECT_THAT(visits.back().message, testing::HasSubstr("Final-Recipient: rfc822; x@example.com\r\n"));
    EXPECT_THAT(visits.back().message, testing::Not(testing::HasSubstr("y@example.com")));
}

TEST_F(RelayDaemonTest, TheMessageComesBackWholeToWhomWantsIt) {
    auto envelope = spool::envelope(id_of(1), {"x@example.com"});
    envelope.returned = message::Return::full;
    envelope.envelope_id = "QQ314";
    put({envelope});
    ScriptedServer server({Script{.answers = {{"RCPT TO:<x", "550 5.1.1 unknown"}}}});
    by_way_of(server);
    run_until(empty);
    EXPECT_THAT(server.visits().back().message,
                testing::AllOf(testing::HasSubstr("Original-Envelope-Id: QQ314\r\n"),
                               testing::HasSubstr("Content-Type: message/rfc822\r\n")));
}

// Many messages for one domain may wait for it, but not keep all others waiting.
TEST_F(RelayDaemonTest, ACrowdForOneDomainDoesntHoldUpAnother) {
    std::vector<message::Envelope> envelopes;
    constexpr int crowd = 700;
    for (int i = 0; i < crowd; i++) {
        envelopes.push_back(spool::envelope(id_of(i), {"x@[127.0.0.1]"}));
    }
    envelopes.push_back(spool::envelope(id_of(crowd), {"y@[127.0.0.2]"}));
    put(envelopes);
    config_.relay.deliveries_per_host = 1;
    // Each takes one connection at a time.
    const ScriptedServer server;
    const ScriptedServer other({Script()}, "127.0.0.2", server.port());
    config_.relay.port = server.port();
    const tests::WrittenLog log;
    run_until([&](const spool::SpoolReader& reader) { return !reader.message(id_of(crowd)); });
    // In the order in which they arrive; they leave the spool some at a time.
    const std::string told = log.text();
    const std::size_t it = told.find("id=" + id_of(crowd));
    ASSERT_NE(it, std::string::npos);
    std::size_t before_it = 0;
    for (std::size_t at = told.find("DELIVERED"); at < it; at = told.find("DELIVERED", at + 1)) {
        before_it++;
    }
    EXPECT_LE(before_it, 20U);  // its own line counts
}

}  // namespace
}  // namespace sekisho
