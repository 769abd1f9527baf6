// SPDX-License-Identifier: Apache-2.0
// The session says what, this says how: sockets, TLS, the other two processes, time.
//
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include "smtpd/connection.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "agent/base/tls.h"
#include "smtpd/handoff/id.h"
#include "smtpd/message/domain.h"
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
constexpr std::size_t most_unsent = std::size_t{64} * 1024;

message::WallTime now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

SmtpdConnection::SmtpdConnection(Socket socket, const session::ProxiedEnds& ends,
                                 const SmtpdServices& services, const ListenerConfig& listener)
    : stream_(std::move(socket)),
      services_(services),
      listener_(listener),
      local_(ends.server),
      remote_(ends.client),
      name_(handoff::new_id()),
      xclient_(policy::speaks_for_others(listener, remote_.address)),
      session_(settings()),
      timer_(stream_.executor()) {}

// What the authentication server offers is offered; before it has been heard, what every one of them has.
session::Settings SmtpdConnection::settings() const {
    session::Settings settings =
        policy::settings_of(listener_, services_.config, services_.routes, remote_.address);
    if (const auto& offered = services_.auth.mechanisms(); !offered.empty()) {
        settings.mechanisms = offered;
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
        if (error || !self || self->closed_ ||
            self->timer_.expiry() > asio::steady_timer::clock_type::now()) {
            return;
        }
        self->late_ = true;
        self->stream_.cancel();
    });
}

asio::awaitable<void> SmtpdConnection::wait(std::chrono::seconds time) {
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
    if (error) {
        services_.counts.tls_failed++;
        log::info("TLS_FAILED", error.message(), {{"client", remote_.text()}});
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

asio::awaitable<void> SmtpdConnection::run() {
    const auto self = shared_from_this();
    co_await delay();
    if (listener_.tls == TlsMode::implicit) {
        co_await handshake();
    }
    if (!closed_) {
        co_await perform(session_.begin());
    }
    command_due_ = std::chrono::steady_clock::now() + services_.config.command_timeout;
    bool going = !closed_;
    while (going) {
        going = co_await converse();
    }
    if (challenge_) {
        services_.auth.cancel(*challenge_);
    }
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
            co_await perform(session_.give_up(late_ ? "Idle for too long" : "Shutting down"));
        }
        co_return false;
    }
    session::Actions actions = session_.receive({services_.scratch.data(), size});
    const bool progress = receiving || !actions.empty();
    co_await perform(std::move(actions));
    if (receiving) {
        body_time_ += std::chrono::steady_clock::now() - begin;
        body_octets_ += size;
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

asio::awaitable<void> SmtpdConnection::delay() {
    const policy::Access access =
        policy::judge_access(services_.config.access, remote_.address, std::nullopt);
    if (access.kind == policy::Access::Kind::delayed) {
        co_await wait(access.entry->delay);
    }
}

// What it says is believed as if the client itself had connected here.
asio::awaitable<void> SmtpdConnection::speak_for(session::NamedClient client) {
    remote_ = {.address = client.address, .port = client.port.value_or(0)};
    local_ = {.address = client.server.value_or(local_.address),
              .port = client.server_port.value_or(local_.port)};
    user_ = client.user;
    xclient_ = false;  // what comes now may be the client's own words, passed on
    session_ = session::Session(settings());
    log::info("CLIENT_NAMED", "a host says for whom it speaks",
              {{"client", remote_.text()}, {"user", user_}, {"session", name_}});
    if (policy::judge_access(services_.config.access, remote_.address, std::nullopt).kind ==
        policy::Access::Kind::denied) {
        services_.counts.denied++;
        unsent_ += denied;
        co_await flush();
        closed_ = true;
        co_return;
    }
    if (!user_.empty()) {
        mechanism_ = "XCLIENT";
        co_await report(seen_login(user_, true));
    }
    co_await delay();
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
        if (const auto id = std::exchange(challenge_, std::nullopt)) {
            services_.auth.cancel(*id);
        }
    } else if (std::holds_alternative<session::StartTls>(action)) {
        co_await start_tls();
    } else if (auto* named = std::get_if<session::ClientNamed>(&action)) {
        co_await speak_for(std::move(named->client));
    } else {
        co_await flush();
        closed_ = true;
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

asio::awaitable<void> SmtpdConnection::authenticate(session::Authenticate wanted) {
    co_await flush();
    mechanism_ = wanted.mechanism;
    sasl::AuthRequest request{.mechanism = std::move(wanted.mechanism),
                              .initial = std::move(wanted.initial),
                              .local = local_.address.text(),
                              .remote = remote_.address.text(),
                              .remote_port = remote_.port,
                              .secured = stream_.tls() != nullptr,
                              .session = name_};
    sasl::AuthStep step = co_await services_.auth.begin(std::move(request));
    co_await take(std::move(step));
}

asio::awaitable<void> SmtpdConnection::respond(std::string response) {
    const auto id = std::exchange(challenge_, std::nullopt);
    if (!id) {
        throw std::logic_error("an answer without a challenge");
    }
    sasl::AuthStep step = co_await services_.auth.respond(*id, std::move(response));
    co_await take(std::move(step));
}

asio::awaitable<void> SmtpdConnection::take(sasl::AuthStep step) {
    if (auto* challenge = std::get_if<sasl::AuthContinue>(&step)) {
        challenge_ = challenge->id;
        add(session_.auth_continued(challenge->challenge));
        co_return;
    }
    const std::string client = remote_.address.text();
    if (auto* ok = std::get_if<sasl::AuthOk>(&step)) {
        services_.counts.right++;
        log::info("LOGIN", "a user has logged in",
                  {{"user", ok->user}, {"client", client}, {"tls", tls()}, {"session", name_}});
        co_await report(seen_login(ok->user, true));
        add(session_.auth_succeeded(std::move(ok->user)));
        co_return;
    }
    const auto& failed = std::get<sasl::AuthFail>(step);
    (failed.temporary ? services_.counts.unavailable : services_.counts.wrong)++;
    log::info(failed.temporary ? "LOGIN_UNAVAILABLE" : "LOGIN_FAILED",
              failed.reason.empty() ? "wrong name or password" : failed.reason,
              {{"client", client}, {"session", name_}});
    if (!failed.temporary) {
        co_await report(seen_login(failed.user, false));
    }
    add(session_.auth_failed(failed.temporary ? session::AuthFailure::temporary
                                              : session::AuthFailure::wrong));
}

asio::awaitable<void> SmtpdConnection::report(SeenLogin login) {
    if (services_.agent != nullptr && services_.config.report_logins) {
        co_await services_.agent->tell(std::move(login));
    }
}

policy::RelayFacts SmtpdConnection::relay_facts(std::string sender) const {
    return {.submission = services_.config,
            .listener = listener_,
            .relay = services_.routes,
            .client = remote_.address,
            .sender = std::move(sender),
            .recipient = std::nullopt,
            .tls = stream_.tls() != nullptr,
            .user = session_.state().user,
            .rights = services_.senders.rights(),
            .grant = std::nullopt};
}

asio::awaitable<void> SmtpdConnection::judge_sender(std::string sender) {
    policy::RelayFacts facts = relay_facts(std::move(sender));
    policy::Ruling ruling = policy::judge_relay(facts);
    if (ruling.opinion == policy::Opinion::ask_agent) {
        co_await flush();
        facts.grant = co_await ask_for_grant(services_.agent, remote_.address);
        ruling = policy::judge_relay(facts);
    }
    // What delays a client whatever it sends has delayed the greeting already.
    const policy::Access access =
        policy::judge_access(services_.config.access, remote_.address, facts.sender);
    if (access.kind == policy::Access::Kind::delayed && !access.entry->senders.empty()) {
        co_await flush();
        co_await wait(access.entry->delay);
    }
    services_.counts.may_not_send += ruling.opinion == policy::Opinion::accept ? 0U : 1U;
    sender_ = std::move(facts.sender);
    grant_ = std::move(facts.grant);
    stranger_ = ruling.rule == "local";
    add(ruling.opinion == policy::Opinion::accept ? session_.address_accepted()
                                                  : session_.address_refused(ruling.reply));
}

asio::awaitable<void> SmtpdConnection::judge_recipient(std::string recipient) {
    policy::RelayFacts facts = relay_facts(sender_);
    facts.recipient = recipient;
    facts.grant = grant_;
    const policy::Ruling ruling = policy::judge_relay(facts);
    if (ruling.opinion != policy::Opinion::accept) {
        services_.counts.elsewhere++;
        refuse_recipient(recipient, ruling.reply);
        co_return;
    }
    if (services_.routes.local_for(message::domain_of(recipient)) == nullptr) {
        add(session_.address_accepted());
        co_return;
    }
    co_await flush();
    // What would come back from there is better not taken from strangers, who may never have sent it.
    const bool utf8 = !message::is_ascii(recipient) || (stranger_ && !message::is_ascii(sender_));
    const handoff::Answer mailbox = co_await services_.relay.ask(recipient, utf8);
    // A user's program can't come again as a mail server does: what fails for now waits in the spool.
    if (mailbox.refused.empty() || (mailbox.refused.starts_with('4') && !stranger_)) {
        add(session_.address_accepted());
        co_return;
    }
    services_.counts.no_mailbox++;
    refuse_recipient(recipient, mailbox.refused);
}

void SmtpdConnection::refuse_recipient(const std::string& recipient, std::string_view reply) {
    log::info("RECIPIENT_REFUSED", reply,
              {{"recipient", recipient}, {"client", remote_.text()}, {"session", name_}});
    add(session_.address_refused(reply));
}

SeenLogin SmtpdConnection::seen_login(const std::string& user, bool success) const {
    return {.client = remote_,
            .user = user,
            .mechanism = mechanism_,
            .tls = stream_.tls() != nullptr,
            .success = success};
}

std::string SmtpdConnection::tls() const {
    return stream_.tls() != nullptr ? tls_text(stream_.tls()) : std::string();
}

void SmtpdConnection::begin_message(session::MessageBegun begun) {
    const session::State& state = session_.state();
    const bool granted = grant_ && grant_->kind == policy::GrantAnswer::Kind::granted;
    envelope_ = {.id = handoff::new_id(),
                 .sender = std::move(begun.sender),
                 .recipients = std::move(begun.recipients),
                 .user = state.user.empty() && granted ? grant_->user : state.user,
                 .client = remote_.address.text(),
                 .eight_bit = begun.eight_bit,
                 .utf8 = begun.utf8,
                 .received = now(),
                 .returned = begun.returned,
                 .envelope_id = std::move(begun.envelope_id)};
    message::Trace trace{
        .hostname = services_.config.hostname,
        .helo = state.helo,
        .client = envelope_.client,
        .protocol = !state.esmtp ? "SMTP"
                                 : std::string(begun.utf8 ? "UTF8SMTP" : "ESMTP") + (state.tls ? "S" : "") +
                                       (state.user.empty() ? "" : "A"),
        .tls = tls(),
        .id = envelope_.id,
        .recipient = envelope_.recipients.size() == 1 ? envelope_.recipients.front().address : std::string(),
        .received = envelope_.received};
    body_time_ = {};
    body_octets_ = 0;
    const message::Duty duty = stranger_ ? message::Duty::relay : message::Duty::submission;
    incoming_.emplace(
        Incoming{.fixups = message::Fixups(std::move(trace), duty), .body = BodyFile(services_.temporary)});
}

void SmtpdConnection::refuse(std::string_view reply) {
    services_.counts.refused++;
    log::info("MESSAGE_REFUSED", reply, {{"id", envelope_.id}, {"client", envelope_.client}});
    incoming_.reset();
    // The session may be ahead, and have given this message up itself: then it awaits no word about it.
    const auto end = std::ranges::find_if(todo_, [](const session::Action& each) {
        return std::holds_alternative<session::MessageEnded>(each) ||
               std::holds_alternative<session::MessageAborted>(each);
    });
    if (end == todo_.end() || std::holds_alternative<session::MessageEnded>(*end)) {
        add(session_.message_refused(reply));
    }
}

void SmtpdConnection::take_body(std::string_view octets) {
    if (!incoming_) {
        return;
    }
    const auto fixed = incoming_->fixups.feed(octets);
    if (!fixed) {
        refuse(fixed.error().what);
        return;
    }
    if (auto appended = incoming_->body.append(*fixed); !appended) {
        log::error("NO_ROOM", appended.error().what, {{"remedy", appended.error().remedy}});
        refuse("452 4.3.1 Insufficient system storage");
    }
}

// RFC 6531, 3.4: who says SMTPUTF8 without using it can still reach everybody.
bool SmtpdConnection::needs_utf8() const {
    return !incoming_->fixups.header_is_ascii() || !message::is_ascii(envelope_.sender) ||
           !std::ranges::all_of(envelope_.recipients, message::is_ascii, &message::Recipient::address);
}

asio::awaitable<void> SmtpdConnection::end_message() {
    if (!incoming_) {
        co_return;  // refused although it was complete, and the session knows
    }
    const auto rest = incoming_->fixups.finish();
    if (!rest) {
        refuse(rest.error().what);
        co_return;
    }
    Result<void> complete = incoming_->body.append(*rest);
    if (complete) {
        complete = incoming_->body.finish();
    }
    if (!complete) {
        log::error("NO_ROOM", complete.error().what, {{"remedy", complete.error().remedy}});
        refuse("452 4.3.1 Insufficient system storage");
        co_return;
    }
    envelope_.utf8 = envelope_.utf8 && needs_utf8();
    if (envelope_.utf8 && stranger_) {
        const auto mailbox = co_await services_.relay.ask(envelope_.recipients.front().address, true);
        if (!mailbox.refused.empty()) {
            refuse(mailbox.refused);
            co_return;
        }
    }
    const auto answer =
        co_await services_.relay.send(envelope_, incoming_->body.size(), incoming_->body.file());
    if (!answer.refused.empty()) {
        refuse(answer.refused);
        co_return;
    }
    services_.counts.accepted++;
    log::info("MESSAGE_ACCEPTED", "a message was handed over",
              {{"id", envelope_.id},
               {"sender", envelope_.sender},
               {"recipients", envelope_.recipients.size()},
               {"size", incoming_->body.size()},
               {"user", envelope_.user},
               {"client", envelope_.client},
               {"tls", tls()},
               {"session", name_}});
    incoming_.reset();
    add(session_.message_kept(envelope_.id));
}

}  // namespace sekisho
