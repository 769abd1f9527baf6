// SPDX-License-Identifier: Apache-2.0
// Outcomes into changes of the spool.
#include "smtpd/settlement.h"

#include <algorithm>
#include <utility>

#include "smtpd/delivery/schedule.h"
#include "smtpd/message/domain.h"

namespace sekisho {

namespace {

// "mx.example.com[192.0.2.1]:25: 451 4.7.1 later", for the queue's list.
std::string sentence(const delivery::Outcome& outcome) {
    return outcome.host.empty() ? outcome.text : outcome.host + ": " + outcome.text;
}

// A message over this size comes back as its header only, whatever its sender wants.
constexpr std::uint64_t most_returned = std::uint64_t{1} << 20;

message::ReportedRecipient reported(const spool::Waiting& waiting, const delivery::Outcome& outcome,
                                    std::string status) {
    using enum message::ReportedRecipient::Action;
    const auto good = outcome.mailbox ? delivered : relayed;  // RFC 3461, 6.2
    return {.action = outcome.fate == delivery::Fate::delivered ? good : failed,
            .address = waiting.address,
            .status = std::move(status),
            .diagnostic = outcome.text,
            .host = outcome.host.starts_with('/') ? std::string() : outcome.host,  // a path is ours alone
            .replied = outcome.replied(),
            .original = waiting.original};
}

// RFC 3461, 4.1: who has said nothing may be told, too.
bool is_to_be_warned(const RelayConfig& config, std::string_view user, message::WallTime since,
                     const spool::Waiting& waiting, message::WallTime now) {
    return !waiting.warned && now >= since + config.warn_after && config.warn_after < config.give_up &&
           (waiting.notify.delay || (!user.empty() && !waiting.notify.given()));
}

}  // namespace

Settlement settle(const RelayConfig& config, std::string_view user, message::WallTime since,
                  const std::vector<spool::Waiting>& group, const std::vector<delivery::Outcome>& outcomes,
                  message::WallTime now, const std::function<double()>& jitter) {
    Settlement settlement;
    for (std::size_t i = 0; i < group.size(); i++) {
        const spool::Waiting& waiting = group[i];
        const delivery::Outcome& outcome = outcomes[i];
        const auto next = delivery::next_attempt(config, since, now, waiting.attempts + 1, jitter());
        if (outcome.fate == delivery::Fate::delivered) {
            settlement.finished.push_back(waiting.recipient);
            // RFC 3461, 5.2.2: a host that speaks DSN tells of it by itself (5.2.1).
            if (waiting.notify.success && !outcome.dsn) {
                settlement.reported.push_back(reported(waiting, outcome, outcome.status));
            }
        } else if (outcome.fate == delivery::Fate::deferred && next) {
            const bool warned = is_to_be_warned(config, user, since, waiting, now);
            settlement.deferred.push_back({waiting.recipient, *next, sentence(outcome), warned});
            if (warned) {
                auto late = reported(waiting, outcome, outcome.status);
                late.action = message::ReportedRecipient::Action::delayed;
                late.retry_until = since + config.give_up;
                settlement.reported.push_back(std::move(late));
            }
        } else {
            settlement.finished.push_back(waiting.recipient);
            if (waiting.notify.of_failure()) {
                const bool final = outcome.fate == delivery::Fate::failed;
                settlement.reported.push_back(reported(waiting, outcome, final ? outcome.status : "5.4.7"));
            }
            settlement.fates.push_back(delivery::Fate::failed);
            continue;
        }
        settlement.fates.push_back(outcome.fate);
    }
    return settlement;
}

// RFC 3461, 4.3: RET is about failures only; "if a DSN contains no indications of delivery failure, only the
// headers of the message should be returned".
bool returns_whole(const message::Envelope& original, const Settlement& settlement, std::uint64_t size) {
    const bool failed = std::ranges::find(settlement.reported, message::ReportedRecipient::Action::failed,
                                          &message::ReportedRecipient::action) != settlement.reported.end();
    return failed && original.returned == message::Return::full && size <= most_returned;
}

std::optional<Notice> notice_of(const message::Envelope& original, const Settlement& settlement,
                                const message::Quote& quote, std::string_view hostname, std::string id,
                                message::WallTime now) {
    if (settlement.reported.empty() || original.sender.empty()) {
        return std::nullopt;
    }
    std::string text = message::status_notice(original, settlement.reported, quote, hostname, id, now);
    // The original's BODY= was about all of its text, of which perhaps nothing is quoted.
    const bool eight_bit = !message::is_ascii(text);
    return Notice{.envelope = {.id = std::move(id),
                               .sender = {},
                               .recipients = {original.sender},
                               .user = {},
                               .client = {},
                               .eight_bit = eight_bit,
                               .utf8 = !message::is_ascii(original.sender),
                               .received = now},
                  .text = std::move(text)};
}

Result<void> write_down(spool::Spool& spool, const Settlement& settlement,
                        const std::optional<Notice>& notice) {
    for (const Settlement::Deferral& each : settlement.deferred) {
        if (auto done = spool.defer(each.recipient, each.next, each.error, each.warned); !done) {
            return done;
        }
    }
    for (const std::int64_t recipient : settlement.finished) {
        if (auto done = spool.finish(recipient); !done) {
            return done;
        }
    }
    if (!notice) {
        return {};
    }
    const std::string& text = notice->text;
    return spool.add(notice->envelope, text.size(),
                     [&text](std::uint64_t offset, char* to, std::size_t size) {
                         text.copy(to, size, offset);
                         return Result<void>();
                     });
}

}  // namespace sekisho
