// SPDX-License-Identifier: Apache-2.0
// Listeners for syslog, spoken to over loopback.
#include "agent/logins/syslog_source.h"

#include <gmock/gmock.h>
#include <netinet/tcp.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/written_log.h"

namespace sekisho::logins {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

const std::string login =
    "<22>1 - mail pop3d - - - LOGIN, user=alice, ip=[::ffff:192.0.2.10], port=[1234], protocol=POP3";
std::string login_of(const std::string& user) {
    std::string text = login;
    return text.replace(text.find("alice"), 5, user);
}

// A listener, what it reported, and what it logged. All in one thread: clients here never wait for an answer.
class SyslogSourceTest : public testing::Test {
protected:
    SyslogSourceTest() {
        config_.name = "mail1";
        config_.listen = parse_address("127.0.0.1").value();
        config_.port = 0;
        config_.senders = {parse_prefix("127.0.0.1/32").value()};
    }

    void listen(SyslogTransport transport) {
        config_.transport = transport;
        auto source = SyslogSource::listen(context_.get_executor(), config_,
                                           [this](const grants::LoginEvent& event) -> Result<void> {
                                               events_.push_back(event);
                                               return answer_;
                                           });
        ASSERT_TRUE(source) << source.error().what;
        source_ = std::move(*source);
    }

    // Lets the listener work until something is so, or ten seconds have gone.
    bool work_until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (!done() && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_for(5ms);
        }
        return done();
    }

    void send(const std::string& datagram, const char* from = "127.0.0.1") {
        udp::socket socket(context_, udp::endpoint(asio::ip::make_address(from), 0));
        socket.send_to(asio::buffer(datagram),
                       udp::endpoint(asio::ip::make_address("127.0.0.1"), source_->port()));
    }

    tcp::socket connected() {
        tcp::socket socket(context_);
        socket.connect(tcp::endpoint(asio::ip::make_address("127.0.0.1"), source_->port()));
        return socket;
    }

    // The listener's end of a connection, which is this process's, too; -1 if there is none yet.
    static int other_end(tcp::socket& socket) {
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
            const int number = std::stoi(each.path().filename());
            sockaddr_in peer{};
            socklen_t size = sizeof peer;
            if (number != socket.native_handle() &&
                ::getpeername(number, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
                peer.sin_family == AF_INET && ::ntohs(peer.sin_port) == socket.local_endpoint().port()) {
                return number;
            }
        }
        return -1;
    }

    // Whether the other end has closed it.
    bool is_closed(tcp::socket& socket) {
        return work_until([&socket] {
            std::array<char, 1> octet{};
            return ::recv(socket.native_handle(), octet.data(), octet.size(), MSG_DONTWAIT) == 0;
        });
    }

    [[nodiscard]] std::vector<std::string> users() const {
        std::vector<std::string> list;
        for (const auto& event : events_) {
            list.push_back(event.user);
        }
        return list;
    }

    [[nodiscard]] std::string log() const { return log_.text(); }

    tests::WrittenLog log_;
    SyslogConfig config_;
    std::vector<grants::LoginEvent> events_;
    Result<void> answer_;
    asio::io_context context_{1};
    std::unique_ptr<SyslogSource> source_;
};

// One whose host is gone says nothing, not even that.
TEST_F(SyslogSourceTest, APeerThatIsGoneIsNoticedWithinTwoMinutes) {
    listen(SyslogTransport::tcp);
    auto sender = connected();
    sender.send(asio::buffer(login + "\n"));
    ASSERT_TRUE(work_until([this] { return source_->lines() == 1; }));
    const int end = other_end(sender);
    ASSERT_GE(end, 0);
    const auto option = [end](int level, int name) {
        int value = 0;
        socklen_t size = sizeof value;
        EXPECT_EQ(::getsockopt(end, level, name, &value, &size), 0);
        return value;
    };
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_LE(option(IPPROTO_TCP, TCP_KEEPIDLE) +
                  option(IPPROTO_TCP, TCP_KEEPINTVL) * option(IPPROTO_TCP, TCP_KEEPCNT),
              120);
}

TEST_F(SyslogSourceTest, ADatagramIsAMessage) {
    config_.lifetime = 90s;
    listen(SyslogTransport::udp);
    send("<22>nothing");
    send(login + "\n");
    ASSERT_TRUE(work_until([this] { return source_->lines() == 2; }));
    ASSERT_THAT(users(), ElementsAre("alice"));
    EXPECT_EQ(events_[0].address.text(), "192.0.2.10");
    EXPECT_EQ(events_[0].reporter, "mail1");
    EXPECT_EQ(events_[0].protocol, "pop3");
    EXPECT_EQ(events_[0].lifetime, 90s);
    EXPECT_EQ(source_->counts().granted, 1U);
    EXPECT_EQ(source_->lost(), 0U);
}

// A user name with a line end in it must not become another message.
TEST_F(SyslogSourceTest, ADatagramHasNoSecondLine) {
    listen(SyslogTransport::udp);
    send("<22>pop3d: failed, user=\n" + login);
    send(login_of("al\nice"));
    send(login_of("bob"));
    ASSERT_TRUE(work_until([this] { return source_->lines() == 3; }));
    EXPECT_THAT(users(), ElementsAre("bob"));
}

TEST_F(SyslogSourceTest, LongDatagramsAreLeftOut) {
    config_.own = {{.name = "own", .program = "web", .expression = "(?P<user>eve) (?P<address>[^ ]+) x*"}};
    listen(SyslogTransport::udp);
    // What the kernel hands over of it would be one.
    const std::string own = "<22>web[7]: eve 192.0.2.10 ";
    send(own + std::string(9000, 'x'));
    send(own + std::string(7000, 'x'));
    ASSERT_TRUE(work_until([this] { return source_->lines() == 2; }));
    EXPECT_THAT(users(), ElementsAre("eve"));
}

TEST_F(SyslogSourceTest, StrangersAreNotHeard) {
    listen(SyslogTransport::udp);
    send(login, "127.0.0.2");
    ASSERT_TRUE(work_until([this] { return source_->counts().rejected == 1; }));
    EXPECT_THAT(users(), IsEmpty());
    EXPECT_THAT(log(), HasSubstr("SYSLOG_STRANGER"));
    EXPECT_THAT(log(), HasSubstr("127.0.0.2"));
}

TEST_F(SyslogSourceTest, TheTimeRunsFromTheStampOrNot) {
    std::string stamped = login;
    stamped.replace(stamped.find(" - "), 3, " 2026-01-02T03:04:05Z ");
    listen(SyslogTransport::udp);
    send(stamped);
    ASSERT_TRUE(work_until([this] { return events_.size() == 1; }));
    EXPECT_EQ(events_[0].when, std::chrono::sys_days(std::chrono::year(2026) / 1 / 2) + 3h + 4min + 5s);
    config_.from_stamp = false;
    listen(SyslogTransport::udp);
    send(stamped);
    ASSERT_TRUE(work_until([this] { return events_.size() == 2; }));
    EXPECT_LT(std::chrono::abs(events_[1].when - std::chrono::system_clock::now()), 60s);
}

TEST_F(SyslogSourceTest, AStreamIsManyMessages) {
    answer_ = fail(Failure::refused, "no");
    listen(SyslogTransport::tcp);
    auto client = connected();
    const std::string last = login_of("bob") + "\n";
    asio::write(client, asio::buffer(login + "\n" + std::to_string(login.size()) + " " + login +
                                     last.substr(0, last.size() - 2)));
    ASSERT_TRUE(work_until([this] { return events_.size() == 2; }));
    asio::write(client, asio::buffer(last.substr(last.size() - 2)));
    ASSERT_TRUE(work_until([this] { return events_.size() == 3; }));
    EXPECT_THAT(users(), ElementsAre("alice", "alice", "bob"));
    EXPECT_EQ(source_->counts().refused, 3U);
}

TEST_F(SyslogSourceTest, AStreamOfSomethingElseIsClosed) {
    listen(SyslogTransport::tcp);
    auto client = connected();
    asio::write(client, asio::buffer("17 apples and pears\n" + login + "\n"));
    EXPECT_TRUE(is_closed(client));
    EXPECT_THAT(users(), IsEmpty());
    EXPECT_EQ(source_->counts().rejected, 1U);
    EXPECT_THAT(log(), HasSubstr("SYSLOG_BAD_FRAME"));
}

TEST_F(SyslogSourceTest, StrangersAreClosed) {
    config_.senders = {parse_prefix("127.0.0.2/32").value()};
    listen(SyslogTransport::tcp);
    auto client = connected();
    EXPECT_TRUE(is_closed(client));
    EXPECT_EQ(source_->counts().rejected, 1U);
}

TEST_F(SyslogSourceTest, OneTooManyClosesTheMostSilent) {
    constexpr std::size_t most = 64;
    listen(SyslogTransport::tcp);
    std::vector<tcp::socket> clients;
    for (std::size_t i = 0; i < most; i++) {
        clients.push_back(connected());
        asio::write(clients.back(), asio::buffer(login + "\n"));
        ASSERT_TRUE(work_until([this, i] { return events_.size() == i + 1; }));
    }
    asio::write(clients[0], asio::buffer(login + "\n"));
    ASSERT_TRUE(work_until([this] { return events_.size() == most + 1; }));
    auto one_more = connected();
    EXPECT_TRUE(is_closed(clients[1]));
    asio::write(clients[0], asio::buffer(login + "\n"));
    asio::write(one_more, asio::buffer(login + "\n"));
    EXPECT_TRUE(work_until([this] { return events_.size() == most + 3; }));
    EXPECT_THAT(log(), HasSubstr("SYSLOG_CROWDED"));
}

TEST_F(SyslogSourceTest, TheEndOfTheListenerEndsItsConnections) {
    listen(SyslogTransport::tcp);
    auto client = connected();
    asio::write(client, asio::buffer(login + "\n<22>not whole"));
    ASSERT_TRUE(work_until([this] { return events_.size() == 1; }));
    source_.reset();
    EXPECT_TRUE(is_closed(client));
}

TEST_F(SyslogSourceTest, WhatCannotBe) {
    listen(SyslogTransport::tcp);
    SyslogConfig second = config_;
    second.port = source_->port();
    const OnLogin nothing = [](const grants::LoginEvent&) { return Result<void>(); };
    const auto taken = SyslogSource::listen(context_.get_executor(), second, nothing);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().kind, Failure::conflict);
    second.port = 0;
    second.transport = SyslogTransport::tls;
    second.certificate = second.key = "/nowhere";
    const auto keyless = SyslogSource::listen(context_.get_executor(), second, nothing);
    ASSERT_FALSE(keyless);
    EXPECT_THAT(keyless.error().what, HasSubstr("/nowhere"));
    second.transport = SyslogTransport::udp;
    second.patterns = {"nonsense"};
    const auto unknown = SyslogSource::listen(context_.get_executor(), second, nothing);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().what, HasSubstr("login.syslog \"mail1\": there is no pattern"));
    listen(SyslogTransport::udp);
    second.patterns.clear();
    second.port = source_->port();
    EXPECT_FALSE(SyslogSource::listen(context_.get_executor(), second, nothing));
}

}  // namespace
}  // namespace sekisho::logins
