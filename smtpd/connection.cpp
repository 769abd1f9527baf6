// SPDX-License-Identifier: Apache-2.0
// The session says what, this says how: sockets, TLS, time. What becomes of logins stands in
// connection_login.cpp, and of mail in connection_mail.cpp.
//
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include "smtpd/connection.h"

#include <algorithm>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "agent/base/tls.h"
#include "smtpd/handoff/id.h"
#include "smtpd/policy/access.h"
#include "smtpd/policy/connection.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;

// A handshake needs a few packets; who is slower has other intentions.
constexpr std::chrono::seconds handshake_timeout{30};
// For so long the octets of a message may come as slowly as they like.
constexpr std::chrono::seconds free_time{60};
// A message that is too large is read to its end, but not when it is so many times as large as the largest.
constexpr std::uint64_t endless = 4;
constexpr std::string_view spoke_first = "554 5.5.1 Wait for the greeting\r\n";
// For so long a client may go on talking that has heard the last words: it may not have read them yet.
constexpr std::chrono::seconds parting_time{5};
constexpr std::size_t most_unsent = std::size_t{64} * 1024;

}  // namespace

SmtpdConnection::SmtpdConnection(Socket socket, const session::ProxiedEnds& ends, std::string interface,
                                 const SmtpdServices& services, const ListenerConfig& listener)
    : stream_(std::move(socket)),
      services_(services),
      listener_(listener),
      local_(ends.server),
      remote_(ends.client),
      interface_(std::move(interface)),
      name_(handoff::new_id()),
      xclient_(policy::speaks_for_others(listener, remote_.address)),
      session_(settings()),
      timer_(stream_.executor()) {}

// What the authentication server offers is offered, as far as the connection is good for it; before it has
// been heard, what every one of them has.
std::vector<std::string> SmtpdConnection::mechanisms(bool inside) const {
    std::vector<std::string> all{"PLAIN", "LOGIN"};
    if (services_.auth.heard()) {
        all = services_.auth.mechanisms();
    }
    std::erase_if(all, [this, inside](const std::string& name) {
        if (!inside) {
            return !policy::hides_password(name);
        }
        return (name.ends_with("-PLUS") && peer_.exporter.empty() && peer_.unique.empty()) ||
               (name == "EXTERNAL" && peer_.certificate_user.empty());
    });
    return all;
}

session::Settings SmtpdConnection::settings() const {
    session::Settings settings =
        policy::settings_of(listener_, services_.config, services_.routes, remote_.address);
    settings.mechanisms = mechanisms(true);
    if (listener_.login_in_clear) {
        settings.clear_mechanisms = mechanisms(false);
    }
    settings.xclient = xclient_;
    settings.user = user_;
    settings.tls_offered = settings.tls_offered && stream_.tls() == nullptr;
    settings.tls_active = settings.tls_active || stream_.tls() != nullptr;
    return settings;
}

void SmtpdConnection::limit_to(std::chrono::steady_clock::duration time) {
    late_ = false;
    timer_.expires_after(time);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        // A timer that was set anew may already have sent its old word on the way.
        if (error || !self || self->timer_.expiry() > asio::steady_timer::clock_type::now()) {
            return;
        }
        self->late_ = true;
        self->stream_.cancel();
    });
}

asio::awaitable<void> SmtpdConnection::wait(std::chrono::steady_clock::duration time) {
    if (closing_) {
        co_return;
    }
    waiting_ = true;
    timer_.expires_after(time);
    static_cast<void>(co_await timer_.async_wait(quietly));
    waiting_ = false;
}

void SmtpdConnection::close() {
    closed_ = true;
    timer_.cancel();
    stream_.close();
}

void SmtpdConnection::ask_to_leave() {
    closing_ = true;
    if (reading_ && !incoming_) {
        stream_.cancel();
    }
    if (waiting_) {
        timer_.cancel();
    }
}

asio::awaitable<bool> SmtpdConnection::handshake() {
    limit_to(handshake_timeout);
    const auto error = co_await stream_.start_tls(services_.certificates.current());
    timer_.cancel();
    if (!error) {
        peer_ = spoken_for_ ? TlsPeer() : peer_of(stream_.tls());
        session_.offer(mechanisms(true));
    }
    if (error) {
        services_.counts.tls_failed++;
        log::info("TLS_FAILED", late_ ? "the handshake took over half a minute" : error.message(),
                  {{"client", remote_.text()}});
        closed_ = true;
    }
    co_return !error;
}

// How much has come; 0 at the end, or when the time is over.
asio::awaitable<std::size_t> SmtpdConnection::read() {
    limit_to(command_due_ - std::chrono::steady_clock::now());
    reading_ = true;
    const auto [error, size] = co_await stream_.read(services_.scratch);
    reading_ = false;
    co_return error ? 0 : size;
}

asio::awaitable<void> SmtpdConnection::flush() {
    if (unsent_.empty() || closed_) {
        co_return;
    }
    limit_to(services_.config.command_timeout);
    const std::string text = std::exchange(unsent_, {});
    const auto error = co_await stream_.write(text);
    if (error) {
        closed_ = true;
    }
}

asio::awaitable<void> SmtpdConnection::part() {
    co_await flush();
    parted_ = !closed_;
    closed_ = true;
}

asio::awaitable<void> SmtpdConnection::see_off() {
    // The daemon doesn't wait with its own end for clients that are silent anyway.
    if (parted_ && (!closing_ || stream_.has_input())) {
        limit_to(parting_time);
        co_await stream_.see_off(services_.scratch);
    }
}

asio::awaitable<void> SmtpdConnection::run() {
    const auto self = shared_from_this();
    co_await admit();
    if (!closed_ && listener_.tls == TlsMode::implicit) {
        co_await handshake();
    }
    if (!closed_) {
        co_await refuse_haste();
    }
    if (!closed_) {
        co_await perform(session_.begin());
    }
    command_due_ = std::chrono::steady_clock::now() + services_.config.command_timeout;
    bool going = !closed_;
    while (going) {
        going = co_await converse();
    }
    co_await give_up_login();
    co_await see_off();
    close();
}

// A command has its time as a whole, in however many pieces it comes; a message has more if it comes fast
// enough.
asio::awaitable<bool> SmtpdConnection::converse() {
    const bool receiving = session_.receiving() || incoming_;
    const auto begin = std::chrono::steady_clock::now();
    std::size_t size = 0;
    if (!closing_ || incoming_) {
        size = co_await read();
    }
    if (size == 0) {
        if (late_ || closing_) {
            co_await perform(session_.give_up(late_ ? "4.4.2 Idle for too long" : "4.3.2 Shutting down"));
        }
        co_return false;
    }
    session::Actions actions = session_.receive({services_.scratch.data(), size});
    const bool progress = receiving || !actions.empty();
    if (receiving) {  // now: what the client waits for is not its own time
        body_time_ += std::chrono::steady_clock::now() - begin;
        body_octets_ += size;
    }
    co_await perform(std::move(actions));
    if (session_.receiving() || incoming_) {
        co_await judge_pace();
    }
    if (progress) {
        command_due_ = std::chrono::steady_clock::now() + services_.config.command_timeout;
    }
    co_return !closed_;
}

// Also of a message that was refused and is read to its end.
asio::awaitable<void> SmtpdConnection::judge_pace() {
    const auto& config = services_.config;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(body_time_);
    const bool slow = seconds > std::min(free_time, config.command_timeout) &&
                      body_octets_ < config.least_rate * static_cast<std::uint64_t>(seconds.count());
    if (slow || body_octets_ > endless * config.largest_message) {
        co_await perform(
            session_.give_up(slow ? "4.4.2 The message comes too slowly" : "4.3.0 The message has no end"));
    }
}

policy::Access SmtpdConnection::access(std::optional<std::string_view> sender) const {
    return policy::judge_access(services_.config.access,
                                {.client = remote_.address, .name = client_name_, .sender = sender});
}

asio::awaitable<void> SmtpdConnection::admit() {
    if (policy::name_matters(services_.config.access, remote_.address)) {
        client_name_ = co_await services_.relay.name_of(remote_.address);
    }
    const policy::Access access = this->access(std::nullopt);
    if (access.kind == policy::Access::Kind::delayed) {
        co_await wait(access.entry->delay);
    }
    if (access.kind == policy::Access::Kind::denied) {
        services_.counts.denied++;
        log::info("CLIENT_DENIED", "a client was turned away: an entry denies it",
                  {{"client", remote_.text()}, {"name", client_name_.value_or("")}, {"session", name_}});
        // Before TLS there are no words for it.
        if (listener_.tls != TlsMode::implicit || stream_.tls() != nullptr) {
            unsent_ += denied;
            co_await flush();
        }
        closed_ = true;
    }
}

asio::awaitable<void> SmtpdConnection::refuse_haste() {
    // Whom the operator knows may be a simple device.
    if (xclient_ || policy::is_trusted(listener_, remote_.address, interface_) || !stream_.has_input()) {
        co_return;
    }
    services_.counts.spoke_first++;
    log::info("SPOKE_FIRST", "a client was sent away that didn't wait for the greeting",
              {{"client", remote_.text()}, {"session", name_}});
    unsent_ += spoke_first;
    co_await part();
}

// What it says is believed as if the client itself had connected here.
asio::awaitable<void> SmtpdConnection::speak_for(session::NamedClient client) {
    remote_ = {.address = client.address, .port = client.port.value_or(0)};
    local_ = {.address = client.server.value_or(local_.address),
              .port = client.server_port.value_or(local_.port)};
    user_ = client.user;
    interface_.clear();
    peer_ = {};  // its TLS, if any, is not with us
    spoken_for_ = true;
    xclient_ = false;  // what comes now may be the client's own words, passed on
    session_ = session::Session(settings());
    log::info("CLIENT_NAMED", "a host says for whom it speaks",
              {{"client", remote_.text()}, {"user", user_}, {"session", name_}});
    client_name_.reset();
    co_await admit();
    if (closed_) {
        co_return;
    }
    if (!user_.empty()) {
        mechanism_ = "XCLIENT";
        // Its password is the host's business, and so are its failures.
        static_cast<void>(co_await report(seen_login(user_, {}, true)));
    }
    add(session_.begin());
}

void SmtpdConnection::add(session::Actions actions) {
    todo_.insert(todo_.end(), std::make_move_iterator(actions.begin()),
                 std::make_move_iterator(actions.end()));
}

asio::awaitable<void> SmtpdConnection::perform(session::Actions actions) {
    add(std::move(actions));
    while (!todo_.empty() && !closed_) {
        session::Action action = std::move(todo_.front());
        todo_.pop_front();
        co_await perform_one(std::move(action));
    }
    co_await flush();
}

asio::awaitable<void> SmtpdConnection::perform_one(session::Action action) {
    if (auto* reply = std::get_if<session::Reply>(&action)) {
        unsent_ += reply->text;
        if (unsent_.size() > most_unsent) {
            co_await flush();
        }
    } else if (auto* body = std::get_if<session::Body>(&action)) {
        take_body(body->octets);
    } else if (auto* begun = std::get_if<session::MessageBegun>(&action)) {
        begin_message(std::move(*begun));
    } else if (std::holds_alternative<session::MessageEnded>(action)) {
        co_await end_message();
    } else if (std::holds_alternative<session::MessageAborted>(action)) {
        services_.counts.refused += incoming_ ? 1U : 0U;  // else refuse() has counted it
        incoming_.reset();
    } else if (auto* given = std::get_if<session::SenderGiven>(&action)) {
        co_await judge_sender(std::move(given->sender));
    } else if (auto* to = std::get_if<session::RecipientGiven>(&action)) {
        co_await judge_recipient(std::move(to->recipient));
    } else if (auto* wanted = std::get_if<session::Authenticate>(&action)) {
        co_await authenticate(std::move(*wanted));
    } else if (auto* response = std::get_if<session::AuthResponse>(&action)) {
        co_await respond(std::move(response->response));
    } else if (std::holds_alternative<session::AuthCancelled>(action)) {
        co_await give_up_login();
    } else if (std::holds_alternative<session::StartTls>(action)) {
        co_await start_tls();
    } else if (auto* named = std::get_if<session::ClientNamed>(&action)) {
        co_await speak_for(std::move(named->client));
    } else {
        co_await part();
    }
}

asio::awaitable<void> SmtpdConnection::start_tls() {
    co_await flush();
    if (closed_) {
        co_return;
    }
    const bool done = co_await handshake();
    if (done) {
        add(session_.tls_started());
    }
}

std::string SmtpdConnection::tls() const {
    return stream_.tls() != nullptr ? tls_text(stream_.tls()) : std::string();
}

}  // namespace sekisho
