// SPDX-License-Identifier: Apache-2.0
// Both ends on a real socket: messages kept, refused, and the relay coming and going.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/listener.h"
#include "smtpd/handoff/client.h"
#include "smtpd/handoff/packet.h"
#include "smtpd/handoff/server.h"
#include "tests/unit/directory.h"

// clang-tidy 19 takes every variable here for a constant, loop counters too.
// NOLINTBEGIN(misc-const-correctness)
namespace sekisho::handoff {
namespace {

using namespace std::chrono_literals;

Descriptor file_with(std::string_view text) {
    Descriptor file(::memfd_create("message", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return file;
}

std::string content_of(const Descriptor& file, std::uint64_t size) {
    std::string text(size, '\0');
    EXPECT_EQ(::pread(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(size));
    return text;
}

message::Envelope envelope(std::string id = "0123456789abcdef") {
    return {.id = std::move(id),
            .sender = "alice@example.net",
            .recipients = {"bob@example.com"},
            .user = "alice",
            .client = "192.0.2.1",
            .received = message::WallTime(1'800'000'000s)};
}

class HandoffTest : public testing::Test {
protected:
    void listen(HandoffServer::Admit admit = [](uid_t) { return true; }) {
        auto socket = listen_unix({.path = path_, .mode = 0600, .type = SOCK_SEQPACKET, .group = {}});
        ASSERT_TRUE(socket) << socket.error().what;
        server_.emplace(
            context_.get_executor(), std::move(*socket), std::move(admit),
            [this](Request request, Descriptor file, HandoffServer::Answering answer) {
                handle_(std::move(request), std::move(file), std::move(answer));
            },
            [this](const Question& question, const HandoffServer::Answering& answer) {
                asked_.push_back(question.subject);
                answer({.number = 0, .refused = "550 5.1.1 " + question.subject});
            });
    }

    // What speaks for itself.
    [[nodiscard]] Descriptor connected() const {
        Descriptor raw(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_storage storage{};
        storage.ss_family = AF_UNIX;
        path_.native().copy(reinterpret_cast<char*>(&storage) + sizeof storage.ss_family,
                            path_.native().size());
        EXPECT_EQ(::connect(raw.get(), reinterpret_cast<sockaddr*>(&storage),
                            static_cast<socklen_t>(sizeof storage.ss_family + path_.native().size() + 1)),
                  0);
        return raw;
    }
    // Begins to hand over; the answer comes when the context runs.
    void send(std::string_view text, std::uint64_t size, message::Envelope what) {
        auto file = std::make_shared<Descriptor>(file_with(text));
        const std::size_t place = answers_.size();
        answers_.emplace_back();
        boost::asio::co_spawn(context_, client_.send(std::move(what), size, *file),
                              [this, place, file](const std::exception_ptr& error, Answer answer) {
                                  EXPECT_FALSE(error);
                                  answers_[place] = std::move(answer);
                                  arrived_++;
                              });
    }
    void ask(std::string recipient) {
        const std::size_t place = answers_.size();
        answers_.emplace_back();
        boost::asio::co_spawn(context_, client_.ask(std::move(recipient), {}),
                              [this, place](const std::exception_ptr& error, Answer answer) {
                                  EXPECT_FALSE(error);
                                  answers_[place] = std::move(answer);
                                  arrived_++;
                              });
    }
    void send(std::string_view text) { send(text, text.size(), envelope()); }

    // Runs until so many answers are there.
    void await(std::size_t count) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (arrived_ < count && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(1s);
        }
        ASSERT_EQ(arrived_, count);
    }

    std::string refusal(std::size_t place) { return answers_.at(place).value_or(Answer{}).refused; }

    tests::Directory directory_;
    std::filesystem::path path_ = directory_ / "relay.sock";
    boost::asio::io_context context_{1};
    HandoffClient client_{context_.get_executor(), path_, 2s};
    std::optional<HandoffServer> server_;
    std::deque<std::optional<Answer>> answers_;
    std::size_t arrived_ = 0;
    HandoffServer::Handler handle_ = [this](const Request& request, const Descriptor& file,
                                            const HandoffServer::Answering& answer) {
        seen_.push_back(request.octets.empty() ? content_of(file, request.size)
                                               : request.octets + " (in the packet)");
        answer({.number = 0, .refused = {}});
    };
    std::vector<std::string> seen_;
    std::vector<std::string> asked_;
};

TEST_F(HandoffTest, AMessageIsKept) {
    listen();
    send("Subject: x\r\n\r\nHello\r\n");
    await(1);
    EXPECT_EQ(refusal(0), "");
    EXPECT_EQ(seen_, std::vector<std::string>{"Subject: x\r\n\r\nHello\r\n"});
}

TEST_F(HandoffTest, ASmallMessageIsKeptWithoutAFile) {
    listen();
    const std::string largest(most_in_packet, 'x');
    for (const std::string& octets : {std::string("Subject: x\r\n\r\n{\n\0}\n", 19), largest}) {
        answers_.emplace_back();
        boost::asio::co_spawn(context_, client_.send(envelope(), octets),
                              [this](const std::exception_ptr& error, const Answer& answer) {
                                  EXPECT_FALSE(error);
                                  answers_[arrived_++] = answer;
                              });
        await(answers_.size());
        EXPECT_EQ(refusal(answers_.size() - 1), "");
        EXPECT_EQ(seen_.back(), octets + " (in the packet)");
    }
}

TEST_F(HandoffTest, AMailboxIsAskedFor) {
    ask("bob@example.net");
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0") << "nobody listens";
    listen();
    ask("bob@example.net");
    send("x");
    await(3);
    EXPECT_EQ(refusal(1), "550 5.1.1 bob@example.net");
    EXPECT_EQ(refusal(2), "");
    EXPECT_EQ(asked_, std::vector<std::string>{"bob@example.net"});
    EXPECT_EQ(seen_, std::vector<std::string>{"x"});
}

TEST_F(HandoffTest, ManyAtOnceAnsweredInAnyOrder) {
    std::vector<std::pair<Request, HandoffServer::Answering>> held;
    handle_ = [&](Request request, const Descriptor&, HandoffServer::Answering answer) {
        held.emplace_back(std::move(request), std::move(answer));
        if (held.size() == 500) {
            for (const auto& [asked, answering] : held | std::views::reverse) {
                answering({.number = 0, .refused = "451 4.3.0 " + asked.envelope.sender});
            }
        }
    };
    listen();
    for (int i = 0; i < 500; i++) {
        message::Envelope what = envelope();
        what.sender = std::to_string(i) + "@example.net";
        send("x", 1, std::move(what));
    }
    await(500);
    for (std::size_t i = 0; i < 500; i++) {
        EXPECT_EQ(refusal(i), "451 4.3.0 " + std::to_string(i) + "@example.net");
    }
}

TEST_F(HandoffTest, MoreThanAServerTakesUnansweredAreTakenLater) {
    std::deque<HandoffServer::Answering> held;
    handle_ = [&](const Request&, const Descriptor&, HandoffServer::Answering answer) {
        held.push_back(std::move(answer));
    };
    listen();
    for (int i = 0; i < 2500; i++) {
        send("x");
    }
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (arrived_ < 2500 && std::chrono::steady_clock::now() < end) {
        context_.restart();
        context_.run_for(1ms);
        EXPECT_LE(held.size(), 1000U);
        for (auto& answer : std::exchange(held, {})) {
            answer({.number = 0, .refused = {}});
        }
    }
    EXPECT_EQ(arrived_, 2500U);
}

TEST_F(HandoffTest, NobodyListens) {
    send("x");
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0");
}

TEST_F(HandoffTest, TheRelayGoesAndComesBack) {
    listen();
    send("one");
    await(1);
    server_.reset();
    send("two");
    await(2);
    EXPECT_EQ(refusal(1).substr(0, 9), "451 4.3.0");
    listen();
    send("three");
    await(3);
    EXPECT_EQ(refusal(2), "");
    EXPECT_EQ(seen_, (std::vector<std::string>{"one", "three"}));
}

TEST_F(HandoffTest, ARelayStartedAnewIsNoticed) {
    listen();
    send("one");
    await(1);
    server_.reset();
    listen();  // before the client has seen the end of its connection
    send("two");
    await(2);
    EXPECT_EQ(refusal(1), "");
}

TEST_F(HandoffTest, ARelayThatDiesWithMessagesInHandRefusesThem) {
    handle_ = [&](const Request&, const Descriptor&, const HandoffServer::Answering&) {};
    listen();
    send("x");
    context_.run_for(50ms);
    server_.reset();
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0");
}

// The end of a connection may be there before anything was said on it.
TEST_F(HandoffTest, ARelayThatDiesAtOnceRefuses) {
    auto listener = listen_unix({.path = path_, .mode = 0600, .type = SOCK_SEQPACKET, .group = {}});
    ASSERT_TRUE(listener) << listener.error().what;
    std::jthread relay([&listener](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const Descriptor taken(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
    });
    constexpr std::size_t times = 5'000;
    for (std::size_t i = 0; i < times; i++) {
        ask("bob@example.com");
        await(i + 1);
        ASSERT_EQ(refusal(i).substr(0, 9), "451 4.3.0");
    }
    relay.request_stop();
    ::shutdown(listener->get(), SHUT_RD);
}

TEST_F(HandoffTest, ARelayThatNeverAnswersIsNotWaitedForForever) {
    handle_ = [&](const Request&, const Descriptor&, const HandoffServer::Answering&) {};
    listen();
    send("x");
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0");
}

TEST_F(HandoffTest, AStrangerIsTurnedAway) {
    listen([](uid_t) { return false; });
    send("x");
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0");
    EXPECT_TRUE(seen_.empty());
}

TEST_F(HandoffTest, AFileShorterThanItIsSaidToBe) {
    listen();
    send("x", 2, envelope());
    await(1);
    EXPECT_EQ(refusal(0).substr(0, 9), "451 4.3.0");
    EXPECT_TRUE(seen_.empty());
}

// As many recipients as may be, each with all that may be said of one, and half of it escaped.
TEST_F(HandoffTest, AnEnvelopeLargerThanAPacket) {
    listen();
    message::Envelope large = envelope();
    message::Recipient recipient(std::string(240, 'a') + "@example.com");
    recipient.notify = message::parse_notify("SUCCESS,FAILURE,DELAY").value();
    recipient.original = "rfc822;" + std::string(480, '\\');
    large.recipients.assign(1000, recipient);
    std::vector<message::Recipient> seen;
    handle_ = [this, &seen](const Request& request, const Descriptor& file,
                            const HandoffServer::Answering& answer) {
        seen = request.envelope.recipients;
        seen_.push_back(content_of(file, request.size));
        answer({.number = 0, .refused = {}});
    };
    send("in a file", 9, large);
    await(1);
    EXPECT_EQ(refusal(0), "");
    EXPECT_EQ(seen, large.recipients);
    seen.clear();
    answers_.emplace_back();
    boost::asio::co_spawn(context_, client_.send(large, "in a packet otherwise"),
                          [this](const std::exception_ptr& error, Answer answer) {
                              EXPECT_FALSE(error);
                              answers_[1] = std::move(answer);
                              arrived_++;
                          });
    await(2);
    EXPECT_EQ(refusal(1), "");
    EXPECT_EQ(seen, large.recipients);
    EXPECT_EQ(seen_, (std::vector<std::string>{"in a file", "in a packet otherwise"}));
}

TEST_F(HandoffTest, AFileWithoutItsEnvelopeIsRefusedAndNothingElse) {
    listen();
    const Descriptor file = file_with("x{\"id\":1}");
    Request request{.number = 7, .size = 1, .envelope = {}, .envelope_size = 8};
    const Descriptor raw = connected();
    for (const std::size_t size : {std::size_t{8}, std::size_t{9}}) {
        request.envelope_size = size;
        ASSERT_EQ(send_packet(raw.get(), encode(request), file.get()), Moved::done);
        context_.restart();
        context_.run_for(20ms);
        Packet packet;
        ASSERT_EQ(receive_packet(raw.get(), packet), Moved::done);
        EXPECT_EQ(decode_answer(packet.text).value().refused.substr(0, 9), "451 4.3.0");
    }
    EXPECT_TRUE(seen_.empty());
}

TEST_F(HandoffTest, AMalformedPacketEndsTheConnectionAndNothingElse) {
    listen();
    const Descriptor raw = connected();
    ASSERT_EQ(send_packet(raw.get(), "{]", -1), Moved::done);
    send("one");
    await(1);
    EXPECT_EQ(refusal(0), "");
    Packet packet;
    context_.run_for(20ms);
    EXPECT_EQ(receive_packet(raw.get(), packet), Moved::closed);
}

TEST(HandoffPacket, SeveralDescriptorsAreClosedAndRefused) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
    const Descriptor left(pair[0]);
    const Descriptor right(pair[1]);
    const Descriptor file = file_with("x");
    const std::array<int, 3> sent = {file.get(), file.get(), file.get()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof sent)> control{};
    char octet = 'x';
    iovec place{.iov_base = &octet, .iov_len = 1};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof sent);
    std::memcpy(CMSG_DATA(header), sent.data(), sizeof sent);
    ASSERT_EQ(::sendmsg(left.get(), &message, 0), 1);
    const int next = ::dup(file.get());
    Packet packet;
    EXPECT_EQ(receive_packet(right.get(), packet), Moved::closed);
    const Descriptor after(::dup(file.get()));
    EXPECT_EQ(after.get(), next + 1) << "descriptors were left open";
    ::close(next);
}

}  // namespace
}  // namespace sekisho::handoff
// NOLINTEND(misc-const-correctness)
