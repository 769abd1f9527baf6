// SPDX-License-Identifier: Apache-2.0
// The audit log: what was decided, and who looks at it.
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

// Decisions wait so long for one another, so that many are one transaction.
constexpr std::chrono::milliseconds together{200};
// And so long if the disk didn't take them.
constexpr std::chrono::milliseconds once_more{10'000};
constexpr std::size_t most_together = 10'000;
constexpr std::size_t decisions_shown = 3;

api::EventStatus status_of(store::Event&& event) {
    return {.id = event.id,
            .when = event.when,
            .name = std::move(event.name),
            .text = std::move(event.text),
            .key = event.key,
            .user = std::move(event.user),
            .reporter = std::move(event.reporter),
            .protocol = std::move(event.protocol),
            .rule = std::move(event.rule),
            .session = event.session,
            .by = std::move(event.by),
            .lasts = event.lasts};
}

std::string decision_text(const store::Event& event) {
    std::string text = rfc3339(event.when) + " " + event.name;
    for (const auto& [word, value] : {std::pair("user", &event.user), std::pair("by", &event.protocol),
                                      std::pair("reporter", &event.reporter), std::pair("rule", &event.rule),
                                      std::pair("ordered by", &event.by)}) {
        text += value->empty() ? "" : std::string(", ") + word + " " + printable(*value);
    }
    return text + (event.text.empty() ? "" : ": " + printable(event.text));
}

}  // namespace

Result<void> Daemon::begin_events() {
    auto opened = store::Events::open(
        config_.events.file(config_.store),
        {.time = config_.events.keep, .size = std::uint64_t{config_.events.keep_mib} << 20});
    if (opened) {
        events_ = std::move(*opened);
    } else {
        complain_of_events(opened.error());
    }
    return {};
}

void Daemon::complain_of_events(const Error& error) {
    events_trouble_ = error;
    session_log_.warning("EVENTS_FAILED", error.what, error.remedy, std::chrono::minutes(10));
}

void Daemon::audit(store::Event event) {
    if (!events_) {
        return;
    }
    event.when = std::chrono::system_clock::now();
    if (const auto session =
            event.key && event.session == 0 ? sessions_.find(event.key->address) : std::nullopt) {
        event.session = session->number;
    }
    if (events_->waiting() == 0) {
        flush_events_in(events_trouble_ ? once_more : together);
    }
    const bool ordered = !event.by.empty();
    events_->add(std::move(event));
    // Nobody is told that his order was carried out before that is written down; and a list that is imported
    // may decide about more than can wait.
    if (ordered || (events_->waiting() >= most_together && !events_trouble_)) {
        events_timer_.cancel();
        flush_events();
    }
}

void Daemon::audit_once(store::Event event, const std::string& about) {
    if (told_lately_.is_new(event.name + " " + about, std::chrono::steady_clock::now())) {
        audit(std::move(event));
    }
}

void Daemon::flush_events_in(std::chrono::milliseconds time) {
    events_timer_.expires_after(time);
    events_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            flush_events();
        }
    });
}

void Daemon::flush_events() {
    if (!events_) {
        return;
    }
    if (auto written = events_->flush(); written) {
        events_trouble_.reset();
    } else {
        complain_of_events(written.error());
        flush_events_in(once_more);
    }
    events_signal_.cancel();
}

void Daemon::expire_events() {
    if (!events_) {
        return;
    }
    const auto expired = events_->expire(read_clocks().wall);
    more_to_expire_ = expired && *expired;
    if (!expired) {
        complain_of_events(expired.error());
    }
}

Result<api::EventPage> Daemon::events(const api::EventQuestion& question) {
    if (!events_) {
        return fail(Failure::unavailable, "there is no audit log: " + events_trouble_.value_or(Error{}).what,
                    events_trouble_.value_or(Error{}).remedy);
    }
    store::EventFilter filter{.after = question.after.value_or(0),
                              .before = question.before.value_or(0),
                              .within = question.within,
                              .name = question.name,
                              .user = question.user,
                              .reporter = question.reporter,
                              .session = question.session,
                              .since = {}};
    if (question.since) {
        filter.since = read_clocks().wall - *question.since;
    }
    auto found = events_->find(filter, question.count);
    if (!found) {
        return std::unexpected(found.error());
    }
    api::EventPage page;
    std::ranges::transform(found->events, std::back_inserter(page.events),
                           [](store::Event& event) { return status_of(std::move(event)); });
    const bool forward = filter.after != 0;
    page.last = forward ? found->next : events_->last();
    page.before = forward ? 0 : found->next;
    return page;
}

boost::asio::awaitable<void> Daemon::wait_for_event(std::uint64_t after, std::chrono::seconds time) {
    boost::asio::steady_timer limit(context_, time);
    limit.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            events_signal_.cancel();
        }
    });
    const auto until = std::chrono::steady_clock::now() + time;
    while (events_ && events_->last() <= after && std::chrono::steady_clock::now() < until) {
        boost::system::error_code cancelled;
        co_await events_signal_.async_wait(
            boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    }
}

void Daemon::check_events(std::vector<api::Check>& checks) const {
    const std::uint64_t lost = events_ ? events_->lost() : 0;
    api::Check check{.name = "events", .ok = events_.has_value(), .detail = {}, .remedy = {}};
    check.detail = config_.events.file(config_.store).string();
    if (lost != 0) {
        check.ok = false;
        check.detail +=
            ": " + std::to_string(lost) + " decisions were lost, because the disk couldn't be written";
        check.remedy = "the log has them all; a restart begins to count anew";
    }
    const auto copied = events_ ? events_->copy_trouble() : std::nullopt;
    if (const auto& trouble = events_trouble_ ? events_trouble_ : copied; trouble) {
        check.ok = false;
        check.detail = trouble->what;
        check.remedy = trouble->remedy;
    }
    checks.push_back(std::move(check));
}

Prefix Daemon::key_or_itself(const Address& address) const {
    return key_of(address).value_or(Prefix{.address = address, .length = address.bits()});
}

std::vector<api::Step> Daemon::decision_steps(const Address& address) const {
    std::vector<api::Step> steps;
    if (!events_) {
        return steps;
    }
    const auto found = events_->find({.within = key_or_itself(address)}, decisions_shown);
    if (!found) {
        return steps;
    }
    for (const store::Event& event : found->events) {
        steps.push_back({.rule = "decided", .matched = false, .detail = decision_text(event)});
    }
    return steps;
}

}  // namespace sekisho
