// SPDX-License-Identifier: Apache-2.0
// The listener for RADIUS accounting, spoken to over loopback.
#include "agent/subscribers/radius_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>

#include "tests/unit/directory.h"
#include "tests/unit/subscribers/packets.h"
#include "tests/unit/written_log.h"

namespace sekisho::subscribers {
namespace {

using boost::asio::ip::udp;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

class RadiusServerTest : public testing::Test {
protected:
    RadiusServerTest() {
        config_.listen = {parse_address("127.0.0.1").value()};
        config_.port = 0;
        config_.clients = {client("bras1", {"127.0.0.0/24"}, std::string(secret))};
    }

    RadiusClientConfig client(const std::string& name, const std::vector<std::string>& prefixes,
                              const std::string& shared) {
        RadiusClientConfig config{.name = name,
                                  .prefixes = {},
                                  .secret_file = directory_ / name,
                                  .interim_interval = 300s,
                                  .nas = {}};
        for (const std::string& each : prefixes) {
            config.prefixes.push_back(parse_prefix(each).value());
        }
        std::ofstream(config.secret_file) << shared << '\n';
        std::filesystem::permissions(config.secret_file, std::filesystem::perms::owner_read);
        return config;
    }

    void listen() {
        auto server =
            RadiusServer::listen(context_.get_executor(), config_, [this](std::span<Report> reports) {
                while_reporting_();
                bunches_++;
                reports_.insert(reports_.end(), reports.begin(), reports.end());
                return recorded_;
            });
        ASSERT_TRUE(server) << server.error().what;
        server_ = std::move(*server);
    }

    // A socket that has sent these.
    udp::socket send(const std::vector<Octets>& packets, const char* from = "127.0.0.1",
                     const char* to = "127.0.0.1") {
        udp::socket socket(context_, udp::endpoint(boost::asio::ip::make_address(from), 0));
        for (const Octets& packet : packets) {
            socket.send_to(boost::asio::buffer(packet),
                           udp::endpoint(boost::asio::ip::make_address(to), server_->ports().front()));
        }
        return socket;
    }

    // What came back, and from where.
    std::vector<std::pair<std::string, Octets>> answers(udp::socket& socket, std::size_t count = 1) {
        std::vector<std::pair<std::string, Octets>> all;
        const auto end = std::chrono::steady_clock::now() + (count == 0 ? 200ms : 10s);
        while ((all.size() < count || count == 0) && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_for(2ms);
            Octets octets(longest_packet);
            udp::endpoint from;
            boost::system::error_code error;
            socket.non_blocking(true);
            const std::size_t size = socket.receive_from(boost::asio::buffer(octets), from, 0, error);
            if (!error) {
                octets.resize(size);
                all.emplace_back(from.address().to_string(), octets);
            }
        }
        return all;
    }

    [[nodiscard]] std::string logged() const { return log_.text(); }

    tests::WrittenLog log_;
    tests::Directory directory_;
    boost::asio::io_context context_;
    RadiusConfig config_;
    std::unique_ptr<RadiusServer> server_;
    std::function<void()> while_reporting_ = [] {};
    bool recorded_ = true;
    std::vector<Report> reports_;
    int bunches_ = 0;
};

TEST_F(RadiusServerTest, AnswersAsFreeRadiusWants) {
    listen();
    udp::socket socket = send({recorded_start()});
    const auto got = answers(socket);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].second, recorded_answer());
    ASSERT_EQ(reports_.size(), 1U);
    EXPECT_EQ(reports_[0].request.user, "alice@example.net");
    EXPECT_EQ(reports_[0].client, "bras1");
    EXPECT_EQ(reports_[0].source.text(), "127.0.0.1");
    EXPECT_EQ(reports_[0].interim_interval.value(), 300s);
    EXPECT_EQ(server_->counts().packets, 1U);
    EXPECT_EQ(server_->counts().answers, 1U);
}

// So a grant has ended in the kernel when the NAS reads that its Stop has been heard.
TEST_F(RadiusServerTest, NothingIsAnsweredBeforeItIsDone) {
    listen();
    udp::socket socket = send({recorded_start(), start_with({{5, number(7)}})});
    int reported = 0;
    while_reporting_ = [&] {
        reported++;
        Octets octets(longest_packet);
        EXPECT_EQ(::recv(socket.native_handle(), octets.data(), octets.size(), MSG_DONTWAIT), -1);
        EXPECT_EQ(errno, EAGAIN) << "an answer is there already";
    };
    EXPECT_EQ(answers(socket, 2).size(), 2U);
    EXPECT_GE(reported, 1);
}

TEST_F(RadiusServerTest, WhatIsNotRecordedIsNotAnsweredUntilItIs) {
    listen();
    recorded_ = false;
    const std::vector<Octets> packets = {recorded_start(), recorded_start()};
    udp::socket socket = send(packets);
    EXPECT_EQ(answers(socket, 0).size(), 0U);
    EXPECT_EQ(server_->counts().unrecorded, 2U);
    EXPECT_EQ(server_->counts().answers, 0U);
    const std::size_t first = reports_.size();
    socket.send_to(boost::asio::buffer(packets[0]),
                   udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), server_->ports().front()));
    EXPECT_EQ(answers(socket, 0).size(), 0U);
    EXPECT_EQ(reports_.size(), first + 1) << "it counts as new, though it came before";
    recorded_ = true;
    socket.send_to(boost::asio::buffer(packets[0]),
                   udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), server_->ports().front()));
    EXPECT_EQ(answers(socket).size(), 1U);
    EXPECT_EQ(reports_.size(), first + 2);
}

TEST_F(RadiusServerTest, NasesBehindAProxyHaveIntervalsOfTheirOwn) {
    config_.clients[0].nas = {{.name = "bras7", .interim_interval = 600s},
                              {.name = "192.0.2.77", .interim_interval = 900s}};
    listen();
    udp::socket socket = send({start_with({{32, text("bras7")}}), start_with({{32, text("bras8")}}),
                               start_with({{4, {192, 0, 2, 77}}})});
    EXPECT_EQ(answers(socket, 3).size(), 3U);
    ASSERT_EQ(reports_.size(), 3U);
    EXPECT_EQ(reports_[0].interim_interval.value(), 600s);
    EXPECT_EQ(reports_[1].interim_interval.value(), 300s);
    EXPECT_EQ(reports_[2].interim_interval.value(), 900s);
}

TEST_F(RadiusServerTest, SeveralAreOneBunchAndEachIsAnswered) {
    listen();
    std::vector<Octets> packets;
    for (std::uint32_t i = 0; i < 100; i++) {
        packets.push_back(start_with({{5, number(i)}}));
    }
    udp::socket socket = send(packets);
    EXPECT_EQ(answers(socket, 100).size(), 100U);
    EXPECT_EQ(reports_.size(), 100U);
    EXPECT_LE(bunches_, 3);
}

TEST_F(RadiusServerTest, TheSameOnceMoreIsAnsweredAndNothingElse) {
    listen();
    udp::socket socket = send({recorded_start(), recorded_start()});
    EXPECT_EQ(answers(socket, 2).size(), 2U);
    socket.send_to(boost::asio::buffer(recorded_start()),
                   udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), server_->ports().front()));
    EXPECT_EQ(answers(socket, 1).size(), 1U);
    EXPECT_EQ(reports_.size(), 1U);
    EXPECT_EQ(server_->counts().repeated, 2U);
    udp::socket another = send({recorded_start()});
    EXPECT_EQ(answers(another, 1).size(), 1U);
    EXPECT_EQ(reports_.size(), 2U) << "from another port it is another's";
}

TEST(RecentPackets, AreForgottenByAgeAndByNumber) {
    RecentPackets recent(3, 60s);
    const RecentPackets::Time start{};
    const auto key = [](std::uint8_t identifier) {
        return RecentPackets::Key{.sender = {}, .identifier = identifier, .authenticator = {}};
    };
    EXPECT_TRUE(recent.is_new(key(1), start));
    EXPECT_FALSE(recent.is_new(key(1), start + 60s));
    EXPECT_TRUE(recent.is_new(key(1), start + 61s)) << "repeating does not make it younger";
    for (const RecentPackets::Key& each : {key(2), key(3), key(4)}) {
        EXPECT_TRUE(recent.is_new(each, start + 62s));
    }
    EXPECT_TRUE(recent.is_new(key(1), start + 63s)) << "there is no room for more than three";
    EXPECT_FALSE(recent.is_new(key(4), start + 63s));
}

TEST_F(RadiusServerTest, WhoIsNoClientOrHasAnotherSecretGetsNoAnswer) {
    config_.clients.push_back(client("other", {"127.0.0.9/32"}, "elsewhere"));
    listen();
    udp::socket stranger = send({recorded_start()}, "127.0.1.1");
    udp::socket other = send({recorded_start()}, "127.0.0.9");
    udp::socket broken = send({Octets{4, 1, 2}, text("hello, this is no packet of RADIUS"), {}});
    EXPECT_THAT(answers(stranger, 0), IsEmpty());
    EXPECT_THAT(answers(other, 0), IsEmpty());
    EXPECT_THAT(answers(broken, 0), IsEmpty());
    EXPECT_THAT(reports_, IsEmpty());
    EXPECT_EQ(server_->counts().strangers, 1U);
    EXPECT_EQ(server_->counts().refused, 1U);
    EXPECT_EQ(server_->counts().malformed, 3U);
    for (const char* name : {"RADIUS_STRANGER", "RADIUS_REFUSED", "RADIUS_MALFORMED", "client other"}) {
        EXPECT_THAT(logged(), HasSubstr(name));
    }
    EXPECT_THAT(logged(), testing::Not(HasSubstr("elsewhere")));
}

TEST_F(RadiusServerTest, TheLongestPrefixSaysWhoseItIs) {
    config_.clients = {client("wide", {"127.0.0.0/8"}, "elsewhere"),
                       client("narrow", {"127.0.0.7/32"}, std::string(secret))};
    listen();
    udp::socket socket = send({recorded_start()}, "127.0.0.7");
    EXPECT_EQ(answers(socket).size(), 1U);
}

TEST_F(RadiusServerTest, TheAnswerComesFromWhereTheQuestionWentTo) {
    config_.listen = {parse_address("0.0.0.0").value()};
    listen();
    udp::socket socket = send({recorded_start()}, "127.0.0.1", "127.0.0.77");
    const auto got = answers(socket);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].first, "127.0.0.77");
}

TEST_F(RadiusServerTest, SpeaksIPv6) {
    config_.listen = {parse_address("::").value()};
    config_.clients = {client("six", {"::1/128"}, std::string(secret))};
    listen();
    udp::socket socket = send({recorded_start()}, "::1", "::1");
    const auto got = answers(socket);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].first, "::1");
}

TEST_F(RadiusServerTest, WhatCantBeIsSaidAtTheStart) {
    listen();
    config_.port = server_->ports().front();
    const auto taken =
        RadiusServer::listen(context_.get_executor(), config_, [](std::span<Report>) { return true; });
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, Failure::conflict);
    config_.port = 0;
    std::filesystem::permissions(config_.clients[0].secret_file, std::filesystem::perms(0644));
    const auto open =
        RadiusServer::listen(context_.get_executor(), config_, [](std::span<Report>) { return true; });
    ASSERT_FALSE(open);
    EXPECT_THAT(open.error().what, HasSubstr("radius.client \"bras1\""));
}

}  // namespace
}  // namespace sekisho::subscribers
