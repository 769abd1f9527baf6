// SPDX-License-Identifier: Apache-2.0
// Each question has a socket of its own, so that nobody can foresee its port.
#include "smtpd/sasl/radius_backend.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/sasl/access_request.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;
using Udp = asio::ip::udp;
using Moment = std::chrono::steady_clock::time_point;

// As LoginJudge has it for the user file.
constexpr std::size_t most_of_one = 32;

// A packet that waits for its answer.
struct Question {
    std::uint8_t identifier = 0;
    RequestAuthenticator authenticator{};
    std::vector<std::uint8_t> packet{};
};

// One of those that wait, for as long as it lives.
class Place {
public:
    explicit Place(std::size_t& count) : count_(count) { count_++; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { count_--; }

private:
    std::size_t& count_;
};

Result<Question> question_for(const PasswordQuestion& asked, const std::string& nas,
                              std::string_view secret) {
    Question question;
    if (RAND_bytes(&question.identifier, 1) != 1 ||
        RAND_bytes(question.authenticator.data(), static_cast<int>(question.authenticator.size())) != 1) {
        return fail(Failure::unavailable, "there is no randomness");
    }
    auto packet = access_request(
        {.user = asked.user, .password = asked.password.view(), .nas = nas, .remote = asked.remote},
        question.identifier, question.authenticator, secret);
    if (!packet) {
        return std::unexpected(packet.error());
    }
    question.packet = std::move(*packet);
    return question;
}

}  // namespace

struct RadiusBackend::State : std::enable_shared_from_this<State> {
    struct Peer {
        Server server;
        Counts counts;
        Moment rests_until{};
        Moment heard{};        // the last answer
        bool silent = false;   // it was, when it was last asked
        bool strange = false;  // what it says is passed over
    };

    State(asio::any_io_executor where, Settings what)
        : executor(std::move(where)), settings(std::move(what)) {
        for (Server& server : settings.servers) {
            const std::string name = server.endpoint.text();
            peers.push_back({.server = std::move(server), .counts = {.server = name}});
        }
    }

    [[nodiscard]] std::vector<Peer*> in_order();
    asio::awaitable<std::optional<AccessAnswer>> ask(Peer& peer, const PasswordQuestion& asked);
    asio::awaitable<std::optional<AccessAnswer>> exchange(Peer& peer, const Question& question);
    asio::awaitable<std::optional<AccessAnswer>> await_answer(Peer& peer, Udp::socket& socket,
                                                              const Question& question);
    void answered(Peer& peer, AccessAnswer answer);
    void passed_over(Peer& peer, const std::string& why);
    void unanswered(Peer& peer, Moment began);

    asio::any_io_executor executor;
    Settings settings;
    std::vector<Peer> peers;
    std::size_t waiting = 0;
};

// Those that rest come last, who has rested longest first.
std::vector<RadiusBackend::State::Peer*> RadiusBackend::State::in_order() {
    const Moment now = std::chrono::steady_clock::now();
    std::vector<Peer*> all;
    std::vector<Peer*> resting;
    for (Peer& peer : peers) {
        (peer.rests_until <= now ? all : resting).push_back(&peer);
    }
    std::ranges::sort(resting, {}, [](const Peer* peer) { return peer->rests_until; });
    all.insert(all.end(), resting.begin(), resting.end());
    return all;
}

// Nothing: it doesn't answer.
asio::awaitable<std::optional<AccessAnswer>> RadiusBackend::State::ask(Peer& peer,
                                                                       const PasswordQuestion& asked) {
    const auto question = question_for(asked, settings.nas, peer.server.secret);
    if (!question) {
        log::warning("LOGIN_NOT_CHECKED", question.error().what);
        co_return std::nullopt;
    }
    const Moment began = std::chrono::steady_clock::now();
    const std::optional<AccessAnswer> answer = co_await exchange(peer, *question);
    if (answer) {
        answered(peer, *answer);
    } else {
        unanswered(peer, began);
    }
    co_return answer;
}

asio::awaitable<std::optional<AccessAnswer>> RadiusBackend::State::exchange(Peer& peer,
                                                                            const Question& question) {
    const Endpoint& to = peer.server.endpoint;
    const SocketAddress raw = socket_address(to);
    Udp::endpoint endpoint;
    endpoint.resize(raw.size);
    std::copy_n(reinterpret_cast<const char*>(raw.get()), raw.size, reinterpret_cast<char*>(endpoint.data()));
    Udp::socket socket(executor);
    boost::system::error_code error;
    socket.open(endpoint.protocol(), error);
    if (!error) {
        socket.connect(endpoint, error);
    }
    for (std::size_t attempt = 0; !error && attempt < peer.server.attempts; attempt++) {
        // The same packet again (RFC 2865, 2.5), so that the server knows it for the same question.
        const auto [unsent, sent] = co_await socket.async_send(asio::buffer(question.packet), quietly);
        if (unsent) {
            break;  // nobody listens there
        }
        const std::optional<AccessAnswer> answer = co_await await_answer(peer, socket, question);
        if (answer) {
            co_return answer;
        }
    }
    co_return std::nullopt;
}

// Until it is time to ask again.
asio::awaitable<std::optional<AccessAnswer>> RadiusBackend::State::await_answer(Peer& peer,
                                                                                Udp::socket& socket,
                                                                                const Question& question) {
    asio::steady_timer timer(executor);
    const auto late = std::make_shared<bool>(false);
    timer.expires_after(peer.server.timeout);
    timer.async_wait([&socket, late](const boost::system::error_code& error) {
        if (!error && !*late) {
            *late = true;
            boost::system::error_code ignored;
            socket.cancel(ignored);
        }
    });
    std::optional<AccessAnswer> answer;
    std::array<std::uint8_t, longest_radius_packet + 1> octets{};
    while (!answer && !*late) {
        const auto [error, size] = co_await socket.async_receive(asio::buffer(octets), quietly);
        if (error) {
            break;
        }
        const auto read = read_access_answer(std::span(octets).first(size), question.identifier,
                                             question.authenticator, peer.server.secret, peer.server.strict);
        if (read) {
            answer = *read;
        } else {
            passed_over(peer, read.error().what);
        }
    }
    *late = true;  // a timer that was set may already have sent its word on the way: the socket may be gone
    timer.cancel();
    co_return answer;
}

void RadiusBackend::State::answered(Peer& peer, AccessAnswer answer) {
    (answer == AccessAnswer::accept ? peer.counts.accepted : peer.counts.rejected)++;
    peer.rests_until = {};
    peer.heard = std::chrono::steady_clock::now();
    peer.strange = false;
    if (std::exchange(peer.silent, false)) {
        log::info("RADIUS_SERVER_BACK", "a RADIUS server answers again", {{"server", peer.counts.server}});
    }
    if (answer == AccessAnswer::challenge) {
        log::warning("RADIUS_CHALLENGE",
                     "a RADIUS server wants to hear more than a password, which there is no way to ask for",
                     {{"server", peer.counts.server}});
    }
}

void RadiusBackend::State::passed_over(Peer& peer, const std::string& why) {
    peer.counts.ignored++;
    if (!std::exchange(peer.strange, true)) {
        log::warning("RADIUS_ANSWER_IGNORED", "what came from a RADIUS server was passed over: " + why,
                     {{"server", peer.counts.server},
                      {"remedy",
                       "compare the secrets at both ends; a server that knows no "
                       "Message-Authenticator wants message_authenticator = false"}});
    }
}

// It may have something against this question only: then it has answered others meanwhile.
void RadiusBackend::State::unanswered(Peer& peer, Moment began) {
    peer.counts.unanswered++;
    if (peer.heard >= began) {
        return;
    }
    peer.rests_until = std::chrono::steady_clock::now() + settings.rest;
    if (!std::exchange(peer.silent, true)) {
        log::warning("RADIUS_SERVER_LOST", "a RADIUS server doesn't answer",
                     {{"server", peer.counts.server},
                      {"remedy", "is it running, does it know this client and its secret?"}});
    }
}

RadiusBackend::RadiusBackend(const asio::any_io_executor& executor, Settings settings)
    : state_(std::make_shared<State>(executor, std::move(settings))) {}

RadiusBackend::~RadiusBackend() = default;

std::size_t RadiusBackend::most_of_one_address() const {
    return most_of_one;
}

std::size_t RadiusBackend::waiting() const {
    return state_->waiting;
}

std::vector<RadiusBackend::Counts> RadiusBackend::counts() const {
    std::vector<Counts> counts;
    for (const auto& peer : state_->peers) {
        counts.push_back(peer.counts);
    }
    return counts;
}

asio::awaitable<Result<bool>> RadiusBackend::check(PasswordQuestion question) {
    const auto state = state_;
    if (question.user.size() > longest_radius_attribute ||
        question.password.view().size() > longest_radius_password) {
        co_return false;  // nobody's: RADIUS can't even say it
    }
    if (state->waiting >= state->settings.most_waiting) {
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    const Place place(state->waiting);
    std::optional<AccessAnswer> answer;
    for (State::Peer* const peer : state->in_order()) {
        if (!answer) {
            answer = co_await state->ask(*peer, question);
        }
    }
    if (!answer) {
        co_return fail(Failure::unavailable, "no RADIUS server answers",
                       "see RADIUS_SERVER_LOST in this log");
    }
    co_return *answer == AccessAnswer::accept;
}

}  // namespace sekisho::sasl
