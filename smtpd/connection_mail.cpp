// SPDX-License-Identifier: Apache-2.0
// Who may send to whom, and a message from its first octet until the relay has it.
//
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/base/log.h"
#include "smtpd/connection.h"
#include "smtpd/handoff/id.h"
#include "smtpd/message/domain.h"
#include "smtpd/ruling.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;

message::WallTime now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

policy::RelayFacts SmtpdConnection::relay_facts(std::string sender) const {
    return {.submission = services_.config,
            .listener = listener_,
            .relay = services_.routes,
            .client = remote_.address,
            .interface = interface_,
            .name = client_name_,
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
    if (ruling.opinion == policy::Opinion::ask_agent || ruling.opinion == policy::Opinion::ask_relay) {
        co_await flush();
        ruling = co_await rule_on(facts, services_.agent, services_.relay);
    }
    // What delays a client whatever it sends has delayed the greeting already.
    const policy::Access access = this->access(facts.sender);
    if (access.kind == policy::Access::Kind::delayed && !access.entry->senders.empty()) {
        co_await flush();
        co_await wait(access.entry->delay);
    }
    const bool accepted = ruling.opinion == policy::Opinion::accept;
    if (facts.standing && !facts.standing->empty() && !facts.standing->starts_with("451")) {
        log::info("USER_REFUSED", ruling.reply,
                  {{"user", policy::user_of(facts)}, {"client", remote_.text()}, {"session", name_}});
    }
    services_.counts.may_not_send += accepted ? 0U : 1U;
    sender_ = std::move(facts.sender);
    grant_ = std::move(facts.grant);
    standing_ = std::move(facts.standing);
    stranger_ = ruling.rule == "local";
    add(accepted ? session_.address_accepted() : session_.address_refused(ruling.reply));
}

asio::awaitable<void> SmtpdConnection::judge_recipient(std::string recipient) {
    policy::RelayFacts facts = relay_facts(sender_);
    facts.recipient = recipient;
    facts.grant = grant_;
    facts.standing = standing_;
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
    const message::Needs needs{.utf8 = !message::is_ascii(recipient) ||
                                       (stranger_ && !message::is_ascii(sender_))};
    const handoff::Answer mailbox = co_await services_.relay.ask(recipient, needs);
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

void SmtpdConnection::begin_message(session::MessageBegun begun) {
    const session::State& state = session_.state();
    policy::RelayFacts facts = relay_facts({});
    facts.grant = grant_;
    envelope_ = {.id = handoff::new_id(),
                 .sender = std::move(begun.sender),
                 .recipients = std::move(begun.recipients),
                 .user = policy::user_of(facts),
                 .client = remote_.address.text(),
                 .eight_bit = begun.eight_bit,
                 .utf8 = begun.utf8,
                 .received = now(),
                 .returned = begun.returned,
                 .envelope_id = std::move(begun.envelope_id)};
    const bool hidden = services_.config.hide_clients && !envelope_.user.empty();
    message::Trace trace{
        .hostname = services_.config.hostname,
        .helo = state.helo,
        .client = hidden ? std::string() : envelope_.client,
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
    return (incoming_ && !incoming_->fixups.header_is_ascii()) || !message::is_ascii(envelope_.sender) ||
           !std::ranges::all_of(envelope_.recipients, message::is_ascii, &message::Recipient::address);
}

// Why a server of a local domain would send it back to somebody who may never have sent it; empty: none
// would.
asio::awaitable<std::string> SmtpdConnection::would_come_back() {
    const message::Needs needs{.eight_bit = envelope_.eight_bit && !envelope_.sender.empty(),
                               .utf8 = envelope_.utf8};
    if (needs == message::Needs()) {
        co_return std::string();
    }
    std::set<const LocalConfig*> asked;
    for (const message::Recipient& recipient : envelope_.recipients) {
        if (!asked.insert(services_.routes.local_for(message::domain_of(recipient.address))).second) {
            continue;
        }
        handoff::Answer mailbox = co_await services_.relay.ask(recipient.address, needs);
        if (!mailbox.refused.empty()) {
            co_return std::move(mailbox.refused);
        }
    }
    co_return std::string();
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
        complete = incoming_->body.finish(handoff::most_in_packet);
    }
    if (!complete) {
        log::error("NO_ROOM", complete.error().what, {{"remedy", complete.error().remedy}});
        refuse("452 4.3.1 Insufficient system storage");
        co_return;
    }
    envelope_.utf8 = envelope_.utf8 && needs_utf8();
    envelope_.eight_bit = envelope_.eight_bit && !incoming_->fixups.is_ascii();
    if (stranger_) {
        const std::string refused = co_await would_come_back();
        if (!refused.empty()) {
            refuse(refused);
            co_return;
        }
    }
    const BodyFile& body = incoming_->body;
    handoff::Answer answer;
    if (body.file()) {
        answer = co_await services_.relay.send(envelope_, body.size(), body.file());
    } else {
        std::string octets = body.octets();
        answer = co_await services_.relay.send(envelope_, std::move(octets));
    }
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
