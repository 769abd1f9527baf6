// SPDX-License-Identifier: Apache-2.0
// A delivery from beginning to end, and what becomes of it. No co_await stands in a condition with && or ||,
// in a ?: or in an argument: GCC 12 makes wrong code of that.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "agent/base/log.h"
#include "smtpd/delivery/schedule.h"
#include "smtpd/handoff/id.h"
#include "smtpd/relay.h"

namespace sekisho {

namespace {

constexpr auto quietly = boost::asio::as_tuple(boost::asio::use_awaitable);
constexpr std::chrono::seconds pause_without_spool{5};
constexpr std::size_t header_quoted = std::size_t{64} * 1024;

message::WallTime now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
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

// "mx.example.com[192.0.2.1]:25: 451 4.7.1 later", for the queue's list.
std::string sentence(const delivery::Outcome& outcome) {
    return outcome.host.empty() ? outcome.text : outcome.host + ": " + outcome.text;
}

bool is_reply(const std::string& text) {
    return text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && text.find_first_not_of("0123456789") == 3;
}

}  // namespace

boost::asio::awaitable<void> RelayDaemon::carry(std::string domain, Group group) {
    const std::string id = group.front().id;
    auto queued = reader_.message(id);
    if (queued) {
        delivery::Consignment consignment{.envelope = queued->envelope,
                                          .domain = domain,
                                          .size = queued->size,
                                          .body = [this, id](std::uint64_t offset, std::size_t size) {
                                              return reader_.body(id, offset, size);
                                          }};
        consignment.envelope.recipients.clear();
        for (const spool::Waiting& waiting : group) {
            consignment.envelope.recipients.push_back(waiting.address);
        }
        const auto outcomes = co_await delivery_.deliver(std::move(consignment));
        co_await write_down(id, settle(*queued, group, outcomes));
    }
    for (const spool::Waiting& waiting : group) {
        under_way_.erase(waiting.recipient);
    }
    if (--busy_[domain] == 0) {
        busy_.erase(domain);
    }
    deliveries_--;
    schedule();
}

// Until it is written: what has arrived must not be sent again.
boost::asio::awaitable<void> RelayDaemon::write_down(std::string id, spool::Writer::Work work) {
    boost::asio::steady_timer timer(context_);
    while (true) {
        struct State {
            bool there = false;
            Result<void> result;
        };
        const auto state = std::make_shared<State>();
        const auto wake = std::make_shared<boost::asio::steady_timer>(context_);
        wake->expires_at(boost::asio::steady_timer::time_point::max());
        writer_->submit(work, [state, wake](Result<void> result) {
            state->there = true;
            state->result = std::move(result);
            wake->cancel();
        });
        while (!state->there) {
            static_cast<void>(co_await wake->async_wait(quietly));
        }
        if (state->result) {
            co_return;
        }
        log::error("SPOOL_FAILED", state->result.error().what,
                   {{"id", id}, {"remedy", state->result.error().remedy}});
        timer.expires_after(pause_without_spool);
        static_cast<void>(co_await timer.async_wait(quietly));
    }
}

spool::Writer::Work RelayDaemon::settle(const spool::Queued& queued, const Group& group,
                                        const std::vector<delivery::Outcome>& outcomes) {
    struct Deferral {
        std::int64_t recipient = 0;
        message::WallTime next{};
        std::string error;
    };
    std::vector<std::int64_t> finished;
    std::vector<Deferral> deferred;
    std::vector<message::FailedRecipient> failed;
    std::uniform_real_distribution<double> jitter(0, 1);
    for (std::size_t i = 0; i < group.size(); i++) {
        const spool::Waiting& waiting = group[i];
        const delivery::Outcome& outcome = outcomes[i];
        const auto next = delivery::next_attempt(config_.relay, queued.envelope.received, now(),
                                                 waiting.attempts + 1, jitter(random_));
        if (outcome.fate == delivery::Fate::delivered) {
            counts_.delivered++;
            log_outcome("DELIVERED", "a message has arrived", waiting, outcome);
            finished.push_back(waiting.recipient);
        } else if (outcome.fate == delivery::Fate::deferred && next) {
            counts_.deferred++;
            log_outcome("DEFERRED", "it is tried again later", waiting, outcome);
            deferred.push_back({waiting.recipient, *next, sentence(outcome)});
        } else {
            counts_.failed++;
            log_outcome("FAILED",
                        outcome.fate == delivery::Fate::failed ? "refused for good" : "given up: too old",
                        waiting, outcome);
            finished.push_back(waiting.recipient);
            failed.push_back({.address = waiting.address,
                              .status = outcome.fate == delivery::Fate::failed ? outcome.status : "5.4.7",
                              .diagnostic = outcome.text,
                              .host = outcome.host,
                              .replied = is_reply(outcome.text)});
        }
    }
    std::optional<message::Envelope> notice;
    std::string text;
    if (!failed.empty() && !queued.envelope.sender.empty()) {
        counts_.notices++;
        notice = message::Envelope{.id = handoff::new_id(),
                                   .sender = {},
                                   .recipients = {queued.envelope.sender},
                                   .user = {},
                                   .client = {},
                                   .eight_bit = queued.envelope.eight_bit,
                                   .received = now()};
        text = notice_for(queued.envelope, failed, notice->id);
        log::info("NOTICE", "the sender is told", {{"id", notice->id}, {"of", queued.envelope.id}});
    }
    return [finished, deferred, notice, text](spool::Spool& spool) -> Result<void> {
        for (const Deferral& each : deferred) {
            if (auto done = spool.defer(each.recipient, each.next, each.error); !done) {
                return done;
            }
        }
        for (const std::int64_t recipient : finished) {
            if (auto done = spool.finish(recipient); !done) {
                return done;
            }
        }
        if (!notice) {
            return {};
        }
        return spool.add(*notice, text.size(), [&text](std::uint64_t offset, char* to, std::size_t size) {
            text.copy(to, size, offset);
            return Result<void>();
        });
    };
}

std::string RelayDaemon::notice_for(const message::Envelope& original,
                                    const std::vector<message::FailedRecipient>& failed,
                                    const std::string& id) {
    const auto header = reader_.body(original.id, 0, header_quoted);
    return message::failure_notice(original, failed, header ? std::string_view(*header) : std::string_view(),
                                   hostname_, id, now());
}

}  // namespace sekisho
