// SPDX-License-Identifier: Apache-2.0
// Servers that answer, hang, lie and come back. What a real one says stands in
// tests/system/test_radius_logins.py.
#include "smtpd/sasl/radius_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include "agent/base/descriptor.h"
#include "tests/unit/sasl/harness.h"
#include "tests/unit/sasl/radius_answer.h"

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using tests::answer_to;
using tests::Octets;
using tests::Seal;
using Answers = std::vector<Octets>;

constexpr std::string_view shared = "a shared secret";

// A server on a port of 127.0.0.1: what it sends for each packet that comes.
class StandInServer {
public:
    using Says = std::function<Answers(const Octets& request, int number)>;

    explicit StandInServer(Says says) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
            throw std::runtime_error("no port");
        }
        port_ = ntohs(address.sin_port);
        thread_ =
            std::jthread([this, says = std::move(says)](const std::stop_token& stop) { serve(stop, says); });
    }
    [[nodiscard]] RadiusBackend::Server server() const {
        return {.endpoint = {.address = parse_address("127.0.0.1").value(), .port = port_},
                .secret = std::string(shared),
                .timeout = 300ms};
    }
    [[nodiscard]] int heard() const { return heard_; }

private:
    void serve(const std::stop_token& stop, const Says& says) {
        while (!stop.stop_requested()) {
            pollfd one{socket_.get(), POLLIN, 0};
            if (::poll(&one, 1, 20) != 1) {
                continue;
            }
            Octets packet(5000);
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            const ssize_t got = ::recvfrom(socket_.get(), packet.data(), packet.size(), 0,
                                           reinterpret_cast<sockaddr*>(&from), &size);
            packet.resize(static_cast<std::size_t>(got));
            for (const Octets& answer : says(packet, ++heard_)) {
                ::sendto(socket_.get(), answer.data(), answer.size(), 0,
                         reinterpret_cast<const sockaddr*>(&from), size);
            }
        }
    }

    Descriptor socket_;
    std::uint16_t port_ = 0;
    std::atomic<int> heard_ = 0;
    std::jthread thread_;
};

// Says yes or no.
StandInServer::Says saying(std::uint8_t code, Seal seal = Seal::right) {
    return
        [code, seal](const Octets& request, int) { return Answers{answer_to(request, code, shared, seal)}; };
}

class RadiusBackendTest : public ::testing::Test {
protected:
    // NOLINTNEXTLINE(bugprone-exception-escape): what is thrown here ends the tests, as it should
    ~RadiusBackendTest() override {
        runner_.on_thread([this] { backend_.reset(); });
    }
    void start(const std::vector<RadiusBackend::Server>& servers, std::size_t most_waiting = 100) {
        runner_.on_thread([&] {
            backend_ = std::make_unique<RadiusBackend>(
                runner_.executor(),
                RadiusBackend::Settings{
                    .servers = servers, .nas = "smtp1", .most_waiting = most_waiting, .rest = 500ms});
        });
    }
    std::future<Result<bool>> begin(std::string user, std::string_view password) {
        return runner_.begin(backend_->check({.user = std::move(user),
                                              .password = SecretText(password),
                                              .remote = parse_address("192.0.2.7").value()}));
    }
    static std::string text(const Result<bool>& answer) {
        return !answer ? answer.error().what : *answer ? "right" : "wrong";
    }
    std::string ask(std::string user = "nemo", std::string_view password = "arctangent") {
        return text(begin(std::move(user), password).get());
    }
    RadiusBackend::Counts counts(std::size_t server = 0) {
        return runner_.on_thread([&] { return backend_->counts().at(server); });
    }
    tests::Runner runner_;
    std::unique_ptr<RadiusBackend> backend_;
};

TEST_F(RadiusBackendTest, YesAndNo) {
    const StandInServer yes(saying(2));
    start({yes.server()});
    EXPECT_EQ(ask(), "right");
    const StandInServer no(saying(3));
    start({no.server()});
    EXPECT_EQ(ask(), "wrong");
    const StandInServer more(saying(11));
    start({more.server()});
    EXPECT_EQ(ask(), "wrong") << "a challenge is no yes";
    EXPECT_EQ(counts().rejected, 1U);
}

TEST_F(RadiusBackendTest, WhatRadiusCannotSayIsNobodys) {
    const StandInServer yes(saying(2));
    start({yes.server()});
    EXPECT_EQ(ask("nemo", std::string(129, 'p')), "wrong");
    EXPECT_EQ(ask(std::string(254, 'n')), "wrong");
    EXPECT_EQ(ask("nemo", std::string(128, 'p')), "right");
    EXPECT_EQ(yes.heard(), 1);
}

TEST_F(RadiusBackendTest, ALostPacketIsSentAgain) {
    Octets first;
    const StandInServer slow([&first](const Octets& request, int number) {
        if (number == 1) {
            first = request;
            return Answers();
        }
        EXPECT_EQ(request, first) << "the same packet";
        return Answers{answer_to(request, 2, shared)};
    });
    start({slow.server()});
    EXPECT_EQ(ask(), "right");
    EXPECT_EQ(slow.heard(), 2);
}

TEST_F(RadiusBackendTest, TheNextServerIsAskedAndTheSilentOneRests) {
    std::atomic<bool> answers = false;
    const StandInServer silent([&answers](const Octets& request, int) {
        return answers ? Answers{answer_to(request, 2, shared)} : Answers();
    });
    const StandInServer other(saying(3));
    start({silent.server(), other.server()});
    EXPECT_EQ(ask(), "wrong");
    EXPECT_EQ(silent.heard(), 2);
    EXPECT_EQ(ask(), "wrong");
    EXPECT_EQ(silent.heard(), 2) << "it rests";
    answers = true;
    std::this_thread::sleep_for(600ms);
    EXPECT_EQ(ask(), "right") << "it is asked again";
    EXPECT_EQ(counts(0).unanswered, 1U);
    EXPECT_EQ(counts(0).accepted, 1U);
    EXPECT_EQ(counts(1).rejected, 2U);
}

TEST_F(RadiusBackendTest, OneThatRestsIsAskedBeforeNobodyIs) {
    std::atomic<bool> answers = false;
    const StandInServer dead([](const Octets&, int) { return Answers(); });
    const StandInServer lossy([&answers](const Octets& request, int) {
        return answers ? Answers{answer_to(request, 2, shared)} : Answers();
    });
    start({dead.server(), lossy.server()});
    EXPECT_EQ(ask(), "no RADIUS server answers");
    answers = true;
    EXPECT_EQ(ask(), "right") << "both rest";
}

// Somebody may know names for which a server has no answer: that must not send it to rest for all.
TEST_F(RadiusBackendTest, AServerThatAnswersOthersDoesNotRest) {
    const StandInServer picky([](const Octets& request, int) {
        return request.at(40) == 'x' ? Answers() : Answers{answer_to(request, 2, shared)};
    });
    const StandInServer other(saying(3));
    start({picky.server(), other.server()});
    auto unanswered = begin("x", "secret");
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(ask(), "right");
    EXPECT_EQ(text(unanswered.get()), "wrong") << "by the other one";
    EXPECT_EQ(ask(), "right") << "it was not sent to rest";
}

TEST_F(RadiusBackendTest, WhereNobodyAnswersItIsNotKnown) {
    const StandInServer silent([](const Octets&, int) { return Answers(); });
    start({silent.server()});
    EXPECT_EQ(ask(), "no RADIUS server answers");
    EXPECT_EQ(ask(), "no RADIUS server answers");
    EXPECT_EQ(silent.heard(), 4) << "the only one is asked each time";
    std::uint16_t closed = 0;
    {
        const StandInServer gone(saying(2));
        closed = gone.server().endpoint.port;
    }
    auto server = silent.server();
    server.endpoint.port = closed;
    start({server});
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(ask(), "no RADIUS server answers");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 290ms) << "nobody listens, and the kernel says so";
}

TEST_F(RadiusBackendTest, LiesArePassedOver) {
    const StandInServer liar([](const Octets& request, int) {
        Octets other = request;
        other[1]++;
        return Answers{Octets{1, 2, 3},
                       Octets(),
                       answer_to(request, 2, "another secret"),
                       answer_to(request, 2, shared, Seal::none),
                       answer_to(request, 2, shared, Seal::wrong),
                       answer_to(other, 2, shared),
                       answer_to(request, 3, shared)};
    });
    start({liar.server()});
    EXPECT_EQ(ask(), "wrong");
    EXPECT_EQ(counts().ignored, 6U);
    EXPECT_EQ(liar.heard(), 1);
}

TEST_F(RadiusBackendTest, OldServersOnlyWhereTheyAreWanted) {
    const StandInServer old(saying(2, Seal::none));
    start({old.server()});
    EXPECT_EQ(ask(), "no RADIUS server answers");
    auto wanted = old.server();
    wanted.strict = false;
    start({wanted});
    EXPECT_EQ(ask(), "right");
}

TEST_F(RadiusBackendTest, ManyAtOnceEachHasItsOwnAnswer) {
    const StandInServer judge([](const Octets& request, int) {
        const bool good = request.at(40) == 'g';  // the name's first octet, behind the head and the seal
        return Answers{answer_to(request, good ? 2 : 3, shared)};
    });
    start({judge.server()}, 50);
    std::vector<std::future<Result<bool>>> answers;
    for (int i = 0; i < 60; i++) {
        answers.push_back(begin((i % 2 == 0 ? "good" : "bad") + std::to_string(i), "secret"));
    }
    int crowded = 0;
    for (int i = 0; i < 60; i++) {
        const std::string answer = text(answers[static_cast<std::size_t>(i)].get());
        crowded += answer == "too many logins at once" ? 1 : 0;
        EXPECT_TRUE(answer == (i % 2 == 0 ? "right" : "wrong") || answer == "too many logins at once")
            << answer;
    }
    EXPECT_LE(crowded, 10);
    EXPECT_EQ(runner_.on_thread([this] { return backend_->waiting(); }), 0U);
}

TEST_F(RadiusBackendTest, ItsEndHurtsNobodyWhoWaits) {
    const StandInServer silent([](const Octets&, int) { return Answers(); });
    start({silent.server()});
    auto waiting = begin("nemo", "arctangent");
    runner_.on_thread([this] { backend_.reset(); });
    EXPECT_EQ(text(waiting.get()), "no RADIUS server answers");
}

}  // namespace
}  // namespace sekisho::sasl
