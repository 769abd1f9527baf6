// SPDX-License-Identifier: Apache-2.0
// Requests of one client: each goes its own way, answers come in any order.
#include "smtpd/sasl/auth_connection.h"

#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>
#include <variant>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/sasl/failure_delays.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;

// Dovecot's clients want one and hand it to a master process, of which there is none here.
std::string new_cookie() {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<unsigned char, 16> octets{};
    static_cast<void>(RAND_bytes(octets.data(), static_cast<int>(octets.size())));
    std::string hex;
    for (const unsigned char octet : octets) {
        hex += {digits[octet >> 4U], digits[octet & 15U]};
    }
    return hex;
}

Fail not_now(std::uint32_t id, std::string user) {
    return {.id = id,
            .user = std::move(user),
            .reason = "try again later",
            .code = "temp_fail",
            .temporary = true};
}

std::unexpected<Error> broken(std::string what) {
    return fail(Failure::invalid, std::move(what));
}

}  // namespace

AuthConnection::AuthConnection(Socket socket, std::uint32_t number,
                               std::shared_ptr<AuthEnvironment> environment)
    : socket_(std::move(socket)), number_(number), environment_(std::move(environment)) {}

void AuthConnection::close() {
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void AuthConnection::greet() {
    if (closed_) {
        return;
    }
    send(Version());
    for (Offer& offer : environment_->judge->offers()) {
        send(std::move(offer));
    }
    send(ServerProcess{.pid = static_cast<std::uint32_t>(::getpid())});
    send(ConnectionNumber{.number = number_});
    send(Cookie{.hex = new_cookie()});
    send(Done());
}

asio::awaitable<void> AuthConnection::run() {
    const auto self = shared_from_this();
    greet();
    while (!closed_) {
        const std::span<char> space = input_.space();
        if (space.empty()) {
            environment_->counts.broken++;
            log::warning("AUTH_CLIENT_BROKEN", "a client was cut off: a line of over 16 KiB",
                         {{"connection", number_}});
            break;
        }
        const auto [error, size] =
            co_await socket_.async_read_some(asio::buffer(space.data(), space.size()), quietly);
        if (error || closed_) {
            break;
        }
        input_.filled(size);
        for (auto line = input_.next(); line && !closed_; line = input_.next()) {
            if (const auto taken = take(*line); !taken) {
                environment_->counts.broken++;
                log::warning("AUTH_CLIENT_BROKEN", "a client was cut off: " + taken.error().what,
                             {{"connection", number_}});
                close();
                co_return;
            }
        }
    }
    close();
}

Result<void> AuthConnection::take(std::string_view line) {
    auto message = parse_client_line(line);
    if (!message) {
        return std::unexpected(std::move(message.error()));
    }
    if (const auto* const version = std::get_if<Version>(&*message)) {
        return take(*version);
    }
    if (!versioned_) {
        return broken("its first line is no VERSION");
    }
    if (std::holds_alternative<ClientProcess>(*message)) {
        greeted_ = true;
        return {};
    }
    if (std::holds_alternative<Unknown>(*message)) {
        return {};
    }
    if (!greeted_) {
        return broken("it asks before it has sent CPID");
    }
    if (auto* const auth = std::get_if<Auth>(&*message)) {
        return take(*auth);
    }
    if (auto* const response = std::get_if<Continue>(&*message)) {
        return take(*response);
    }
    if (const auto* const taken_back = std::get_if<Cancel>(&*message)) {
        requests_.erase(taken_back->id);
    }
    return {};
}

Result<void> AuthConnection::take(const Version& version) {
    if (version.major != protocol_major) {
        return broken("it speaks version " + std::to_string(version.major) + " of the protocol, not 1");
    }
    versioned_ = true;
    return {};
}

Result<void> AuthConnection::take(Auth& auth) {
    if (requests_.contains(auth.id)) {
        return broken("it uses an id twice");
    }
    auto exchange = environment_->judge->begin(auth);
    if (!exchange) {
        turn_down(auth, "auth_mech_invalid", "this mechanism is not offered");
        return {};
    }
    if (!make_room()) {
        environment_->counts.unavailable++;
        turn_down(auth, "temp_fail", "too many logins at once");
        return {};
    }
    Request request{.serial = ++last_serial_,
                    .exchange = std::move(*exchange),
                    .mechanism = std::move(auth.mechanism),
                    .remote = {},
                    .remote_text = std::move(auth.remote),
                    .session = std::move(auth.session),
                    .final_response_ok = auth.final_response_ok,
                    .challenged = false,
                    .since = Clock::now()};
    if (const auto address = parse_address(request.remote_text)) {
        request.remote = *address;
    }
    requests_.emplace(auth.id, std::move(request));
    if (auth.response) {
        step_base64(auth.id, *auth.response);
    } else {
        step(auth.id, std::nullopt);
    }
    return {};
}

Result<void> AuthConnection::take(Continue& answered) {
    const auto found = requests_.find(answered.id);
    if (found == requests_.end()) {
        wipe(answered.data);
        send(Fail{.id = answered.id,
                  .user = {},
                  .reason = "no such request",
                  .code = "temp_fail",
                  .temporary = true});
        return {};
    }
    if (!found->second.challenged) {
        wipe(answered.data);
        return broken("it answers a challenge that was not made");
    }
    found->second.challenged = false;
    step_base64(answered.id, answered.data);
    return {};
}

void AuthConnection::turn_down(const Auth& auth, std::string_view code, std::string_view reason) {
    send(Fail{.id = auth.id,
              .user = {},
              .reason = std::string(reason),
              .code = std::string(code),
              .temporary = code == "temp_fail"});
}

// Whether one more request has a place: those whose client has forgotten them give theirs up, and else one of
// whoever has the most that wait for nobody but him.
bool AuthConnection::make_room() {
    if (requests_.size() < environment_->limits.requests) {
        return true;
    }
    const auto oldest = Clock::now() - environment_->limits.challenge;
    std::erase_if(requests_, [oldest](const auto& each) {
        return each.second.challenged && each.second.since < oldest;
    });
    if (requests_.size() >= environment_->limits.requests) {
        forget_one();
    }
    return requests_.size() < environment_->limits.requests;
}

// The oldest of the subscriber who has left the most challenges unanswered, if anybody has more than one.
void AuthConnection::forget_one() {
    std::map<std::optional<Address>, std::size_t> counts;
    const auto subscriber = [](const Request& request) {
        return request.remote ? std::optional(subscriber_of(*request.remote)) : std::nullopt;
    };
    for (const auto& [id, request] : requests_) {
        counts[subscriber(request)] += request.challenged ? 1U : 0U;
    }
    const auto most = std::ranges::max_element(counts, {}, [](const auto& each) { return each.second; });
    if (most == counts.end() || most->second < 2) {
        return;
    }
    auto oldest = requests_.end();
    for (auto each = requests_.begin(); each != requests_.end(); ++each) {
        if (each->second.challenged && subscriber(each->second) == most->first &&
            (oldest == requests_.end() || each->second.since < oldest->second.since)) {
            oldest = each;
        }
    }
    requests_.erase(oldest);
}

void AuthConnection::step_base64(std::uint32_t id, std::string& response) {
    auto plain = from_base64(response);
    wipe(response);
    if (plain) {
        step(id, std::move(*plain));
        return;
    }
    environment_->counts.malformed++;
    asio::co_spawn(socket_.get_executor(), refuse(id, requests_.at(id), {}, "no base64"), asio::detached);
}

void AuthConnection::step(std::uint32_t id, const std::optional<SecretText>& response) {
    Request& request = requests_.at(id);
    auto next = std::visit([&response](auto& exchange) { return exchange.step(response); }, request.exchange);
    const auto* const prompt = std::get_if<Prompt>(&next);
    if (prompt != nullptr && !prompt->proven.empty() && request.final_response_ok) {
        // Who is to be told of a login before the client is told anything can be so.
        accept(id, request, prompt->proven, to_base64(prompt->text));
    } else if (prompt != nullptr) {
        request.challenged = true;
        request.since = Clock::now();
        send(Continue{.id = id, .data = to_base64(prompt->text)});
    } else if (auto* const credentials = std::get_if<Credentials>(&next)) {
        asio::co_spawn(socket_.get_executor(), judge(id, request, std::move(*credentials)), asio::detached);
    } else if (auto* const token = std::get_if<TokenGiven>(&next)) {
        asio::co_spawn(socket_.get_executor(), judge_token(id, request, std::move(*token)), asio::detached);
    } else if (const auto* const proven = std::get_if<Proven>(&next)) {
        accept(id, request, proven->user);
    } else if (auto* const refuted = std::get_if<Refuted>(&next)) {
        environment_->counts.wrong += request.refused ? 0U : 1U;
        asio::co_spawn(socket_.get_executor(),
                       refuse(id, request, std::move(refuted->user), std::move(refuted->why)),
                       asio::detached);
    } else {
        environment_->counts.malformed++;
        asio::co_spawn(socket_.get_executor(),
                       refuse(id, request, {}, std::move(std::get<Malformed>(next).why)), asio::detached);
    }
}

// Says yes.
void AuthConnection::accept(std::uint32_t id, const Request& request, const std::string& user,
                            std::string response) {
    environment_->counts.right++;
    log::info("LOGIN_RIGHT", "a user has logged in",
              {{"user", user},
               {"address", request.remote_text},
               {"mechanism", request.mechanism},
               {"session", request.session}});
    answer(id, request, Ok{.id = id, .user = user, .response = std::move(response)});
}

asio::awaitable<void> AuthConnection::judge(std::uint32_t id, Request request, Credentials credentials) {
    const auto self = shared_from_this();
    const auto environment = environment_;
    if (environment->judge == nullptr) {
        co_return;
    }
    const std::string user = credentials.user;
    const Verdict verdict = co_await environment->judge->judge(std::move(credentials), request.remote);
    switch (verdict) {
        case Verdict::right:
            accept(id, request, user);
            break;
        case Verdict::wrong:
        case Verdict::unknown:
            environment->counts.wrong++;
            co_await refuse(id, std::move(request), user,
                            verdict == Verdict::unknown ? "no such user" : "wrong password");
            break;
        case Verdict::unavailable:
            environment->counts.unavailable++;
            answer(id, request, not_now(id, user));
            break;
    }
}

// A token that is no good is answered by a challenge (RFC 7628, 3.2.3), and no comes behind that.
asio::awaitable<void> AuthConnection::judge_token(std::uint32_t id, Request request, TokenGiven given) {
    const auto self = shared_from_this();
    const auto environment = environment_;
    if (environment->judge == nullptr) {
        co_return;
    }
    TokenVerdict verdict = co_await environment->judge->judge_token(std::move(given), request.remote);
    if (verdict.verdict == Verdict::right) {
        accept(id, request, verdict.user);
    } else if (verdict.verdict == Verdict::unavailable) {
        environment->counts.unavailable++;
        answer(id, request, not_now(id, std::move(verdict.user)));
    } else {
        environment->counts.wrong++;
        co_await hold_back(request, verdict.user, verdict.why);
        tell_failure(id, request.serial, std::move(verdict));
    }
}

void AuthConnection::tell_failure(std::uint32_t id, std::uint64_t serial, TokenVerdict verdict) {
    const auto found = requests_.find(id);
    if (closed_ || found == requests_.end() || found->second.serial != serial) {
        return;
    }
    Request& request = found->second;
    const Prompt told =
        std::get<BearerExchange>(request.exchange).failed(std::move(verdict.user), std::move(verdict.why));
    request.refused = true;
    request.challenged = true;
    request.since = Clock::now();
    send(Continue{.id = id, .data = to_base64(told.text)});
}

// Writes a failure down, and lets the client wait for it.
asio::awaitable<void> AuthConnection::hold_back(Request request, std::string user, std::string why) {
    if (environment_->judge == nullptr) {
        co_return;
    }
    const auto delay = environment_->judge->delay_after_failure(request.remote, user);
    log::info("LOGIN_WRONG", why,
              {{"user", user},
               {"address", request.remote_text},
               {"mechanism", request.mechanism},
               {"session", request.session},
               {"answered_after_ms", delay.count()}});
    asio::steady_timer timer(socket_.get_executor(), delay);
    co_await timer.async_wait(quietly);
}

// Says no: the same to all, later each time.
asio::awaitable<void> AuthConnection::refuse(std::uint32_t id, Request request, std::string user,
                                             std::string why) {
    const auto self = shared_from_this();
    if (environment_->judge == nullptr) {
        co_return;
    }
    if (!request.refused) {
        co_await hold_back(request, user, why);
    }
    answer(id, request, Fail{.id = id, .user = std::move(user), .reason = {}, .code = {}});
}

// Ends a request by its answer, unless the client has taken it back.
void AuthConnection::answer(std::uint32_t id, const Request& request, const ServerMessage& message) {
    const auto found = requests_.find(id);
    if (closed_ || found == requests_.end() || found->second.serial != request.serial) {
        return;
    }
    requests_.erase(found);
    send(message);
}

void AuthConnection::send(const ServerMessage& message) {
    if (closed_) {
        return;
    }
    output_ += print(message);
    if (output_.size() > environment_->limits.unsent) {
        log::warning("AUTH_CLIENT_BROKEN", "a client was cut off: it doesn't read its answers",
                     {{"connection", number_}});
        environment_->counts.broken++;
        close();
        return;
    }
    if (!writing_) {
        writing_ = true;
        asio::co_spawn(socket_.get_executor(), write_all(), asio::detached);
    }
}

asio::awaitable<void> AuthConnection::write_all() {
    const auto self = shared_from_this();
    while (!output_.empty() && !closed_) {
        const std::string sending = std::exchange(output_, {});
        const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(sending), quietly);
        if (error) {
            close();
        }
    }
    writing_ = false;
}

}  // namespace sekisho::sasl
