// SPDX-License-Identifier: Apache-2.0
// A delivery from beginning to end, and what becomes of it. No co_await stands in a condition with && or ||,
// in a ?: or in an argument: GCC 12 makes wrong code of that.
#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/handoff/id.h"
#include "smtpd/message/domain.h"
#include "smtpd/relay.h"
#include "smtpd/settlement.h"

namespace sekisho {

namespace {

constexpr std::chrono::seconds pause_without_spool{5};
constexpr std::size_t header_quoted = std::size_t{64} * 1024;

constexpr std::size_t most_names = 500;  // of clients, that are asked for at once

constexpr const char* not_now = "451 4.3.0 The mailbox can't be looked up now, try again later";

// The reply to RCPT: in the server's words, if it has answered; where it stands is nobody's business.
std::string refusal_by(const delivery::Outcome& outcome) {
    if (outcome.fate == delivery::Fate::delivered) {
        return {};
    }
    if (outcome.fate == delivery::Fate::deferred && outcome.text.starts_with('5')) {
        return not_now;  // that was about us, and not about the mailbox
    }
    if (!outcome.replied()) {
        return outcome.fate == delivery::Fate::failed ? "550 " + outcome.status + " " + outcome.text
                                                      : not_now;
    }
    constexpr std::size_t code = 4;  // "550 "
    std::string_view words = std::string_view(outcome.text).substr(std::min(code, outcome.text.size()));
    if (words.starts_with(outcome.status + " ")) {
        words.remove_prefix(outcome.status.size() + 1);
    }
    return outcome.text.substr(0, code) + outcome.status + " " + std::string(words);
}

void log_outcome(std::string_view name, std::string_view text, const spool::Waiting& waiting,
                 const delivery::Outcome& outcome) {
    log::info(name, text,
              {{"id", waiting.id},
               {"recipient", waiting.address},
               {"host", outcome.host},
               {"reply", outcome.text},
               {"status", outcome.status},
               {"tls", outcome.tls},
               {"attempt", waiting.attempts + 1}});
}

// As the spool would give it, had it been asked when these were found.
Result<spool::Queued> queued_of(const handoff::Request& fresh, const Agenda::Group& group) {
    return spool::Queued{
        .envelope = fresh.envelope, .size = fresh.size, .since = fresh.envelope.received, .waiting = group};
}

Result<std::string> part_of(const std::string& octets, std::uint64_t offset, std::size_t size) {
    return octets.substr(std::min<std::uint64_t>(offset, octets.size()), size);
}

}  // namespace

// No co_await is an argument: see above.
boost::asio::awaitable<void> RelayDaemon::answer_question(handoff::Question question,
                                                          handoff::HandoffServer::Answering answer) {
    switch (question.about) {
        case handoff::Question::About::mailbox:
            co_await look_up(std::move(question), std::move(answer));
            break;
        case handoff::Question::About::user:
            answer(answer_about(question.subject));
            break;
        case handoff::Question::About::client: {
            handoff::Answer name = co_await name_of(std::move(question.subject));
            answer(std::move(name));
            break;
        }
    }
}

boost::asio::awaitable<handoff::Answer> RelayDaemon::name_of(std::string client) {
    const auto address = parse_address(client);
    if (!address || names_ >= most_names) {
        co_return handoff::Answer{};
    }
    names_++;
    const auto name = co_await resolver_->confirmed_name(*address);
    names_--;
    if (!name && name.error().kind == Failure::unavailable) {
        log::warning("NAME_UNKNOWN", name.error().what, {{"client", client}});
    }
    co_return handoff::Answer{.number = 0, .refused = {}, .name = name.value_or(std::string())};
}

boost::asio::awaitable<void> RelayDaemon::look_up(handoff::Question question,
                                                  handoff::HandoffServer::Answering answer) {
    const std::string domain = message::domain_of(question.subject);
    const LocalConfig* const local = config_.relay.local_for(domain);
    if (local == nullptr) {
        answer({.number = 0, .refused = not_now});
        co_return;
    }
    while (lookups_[local] >= config_.relay.deliveries_per_host) {
        static_cast<void>(co_await lookup_ended_.async_wait(quietly));
    }
    lookups_[local]++;
    const delivery::Outcome outcome = co_await delivery_.ask(question.subject, domain, question.needs);
    lookups_[local]--;
    lookup_ended_.cancel();
    answer({.number = 0, .refused = refusal_by(outcome)});
    if (outcome.fate == delivery::Fate::deferred) {
        log::warning("MAILBOX_UNKNOWN", "the server of a local domain doesn't say whether it has a mailbox",
                     {{"recipient", question.subject}, {"host", outcome.host}, {"reply", outcome.text}});
    }
}

boost::asio::awaitable<void> RelayDaemon::carry(Agenda::Delivery delivery) {
    spool::Writer::Work work = co_await carry_out(delivery.lane, delivery.group);
    agenda_.leave(delivery, std::chrono::steady_clock::now());
    schedule();
    if (work) {
        co_await write_down(delivery.group.front().id, std::move(work));
    }
    agenda_.end(delivery);
    schedule();
}

boost::asio::awaitable<spool::Writer::Work> RelayDaemon::carry_out(std::string lane, Agenda::Group group) {
    const std::string id = group.front().id;
    const FreshMail::Message fresh = fresh_.take(id);
    const auto queued = fresh ? queued_of(*fresh, group) : reader_.message(id);
    if (!queued) {
        if (queued.error().kind != Failure::not_found) {  // that one an operator has deleted
            log::error("SPOOL_FAILED", queued.error().what, {{"id", id}, {"remedy", queued.error().remedy}});
            // It is still due: without a pause it would be asked for again and again.
            boost::asio::steady_timer pause(context_, pause_without_spool);
            static_cast<void>(co_await pause.async_wait(quietly));
        }
        co_return spool::Writer::Work();
    }
    // Since these were found, they may have been held, or their user stopped.
    std::erase_if(group, [&queued, present = now()](const spool::Waiting& found) {
        const auto still = std::ranges::find(queued->waiting, found.recipient, &spool::Waiting::recipient);
        return still == queued->waiting.end() || still->next > present;
    });
    if (group.empty()) {
        co_return spool::Writer::Work();
    }
    delivery::Consignment consignment{
        .envelope = queued->envelope,
        .domain = group.front().domain,
        .size = queued->size,
        .body =
            [this, id, fresh](std::uint64_t offset, std::size_t size) {
                return fresh ? part_of(fresh->octets, offset, size) : reader_.body(id, offset, size);
            },
        .others_follow = [this,
                          lane] { return agenda_.others_follow(lane, std::chrono::steady_clock::now()); }};
    consignment.envelope.recipients.clear();
    for (const spool::Waiting& waiting : group) {
        consignment.envelope.recipients.push_back(waiting.as_recipient());
    }
    const auto outcomes = co_await delivery_.deliver(std::move(consignment));
    co_return conclude(*queued, group, outcomes);
}

// Until it is written: what has arrived must not be sent again. But only a sudden death within a tenth of a
// second would have it sent again, and a commit of its own would have the next message wait for the disk.
boost::asio::awaitable<void> RelayDaemon::write_down(std::string id, spool::Writer::Work work) {
    boost::asio::steady_timer timer(context_);
    while (true) {
        spool::Writer::Work once = work;
        const auto done = co_await work_.run(std::move(once), spool::Writer::When::in_company);
        if (done) {
            co_return;
        }
        log::error("SPOOL_FAILED", done.error().what, {{"id", id}, {"remedy", done.error().remedy}});
        timer.expires_after(pause_without_spool);
        static_cast<void>(co_await timer.async_wait(quietly));
    }
}

spool::Writer::Work RelayDaemon::conclude(const spool::Queued& queued, const Agenda::Group& group,
                                          const std::vector<delivery::Outcome>& outcomes) {
    std::uniform_real_distribution<double> jitter(0, 1);
    const auto present = now();
    auto settlement = settle(config_.relay, queued.envelope.user, queued.since, group, outcomes, present,
                             [&] { return jitter(random_); });
    for (std::size_t i = 0; i < group.size(); i++) {
        count(group[i], outcomes[i], settlement.fates[i]);
    }
    std::optional<Notice> notice;
    if (!settlement.reported.empty()) {
        const bool whole = returns_whole(queued.envelope, settlement, queued.size);
        const auto octets = reader_.body(queued.envelope.id, 0, whole ? queued.size : header_quoted);
        const message::Quote quote{.octets = octets ? std::string_view(*octets) : std::string_view(),
                                   .whole = whole && octets && octets->size() == queued.size};
        notice = notice_of(queued.envelope, settlement, quote, hostname_, handoff::new_id(), present);
    }
    if (notice) {
        counts_.notices++;
        log::info("NOTICE", "the sender is told", {{"id", notice->envelope.id}, {"of", queued.envelope.id}});
    }
    const auto failed =
        static_cast<std::uint64_t>(std::ranges::count(settlement.fates, delivery::Fate::failed));
    return [settlement = std::move(settlement), notice = std::move(notice), user = queued.envelope.user,
            failed, present](spool::Spool& spool) {
        auto done = sekisho::write_down(spool, settlement, notice);
        return done && failed > 0 && !user.empty() ? spool.senders().count_failed(user, failed, present)
                                                   : done;
    };
}

void RelayDaemon::count(const spool::Waiting& waiting, const delivery::Outcome& outcome,
                        delivery::Fate fate) {
    switch (fate) {
        case delivery::Fate::delivered:
            counts_.delivered++;
            log_outcome("DELIVERED", "a message has arrived", waiting, outcome);
            return;
        case delivery::Fate::deferred:
            counts_.deferred++;
            log_outcome("DEFERRED", "it is tried again later", waiting, outcome);
            return;
        case delivery::Fate::failed:
            counts_.failed++;
            log_outcome("FAILED",
                        outcome.fate == delivery::Fate::failed ? "refused for good" : "given up: too old",
                        waiting, outcome);
            return;
    }
}

}  // namespace sekisho
