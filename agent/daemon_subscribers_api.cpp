// SPDX-License-Identifier: Apache-2.0
// Subscribers, as the API has them, and their import.
#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/printable.h"
#include "agent/base/systemd.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

subscribers::Report report_of(const api::ImportedSubscriber& line, subscribers::Status status,
                              grants::WallTime when) {
    subscribers::Report report;
    report.request.status = status;
    report.request.nas_identifier = Daemon::imported_nas;
    report.request.session_id = line.id;
    report.request.user = line.user;
    report.request.classes = line.classes;
    report.request.filters = line.filters;
    report.request.prefixes = line.prefixes;
    report.request.event_time = std::chrono::floor<std::chrono::seconds>(when);
    return report;
}

bool has_family(const std::vector<Prefix>& prefixes, Family family) {
    return std::ranges::any_of(prefixes,
                               [family](const Prefix& each) { return each.address.family == family; });
}

// Whether the line says what is known already.
bool is_same(const api::ImportedSubscriber& line, const subscribers::Session& session) {
    std::vector<Prefix> prefixes = line.prefixes;
    std::ranges::sort(prefixes);
    return session.user == line.user && session.classes == line.classes && session.filters == line.filters &&
           session.prefixes == prefixes;
}

// Whether an Interim can say it: what that doesn't name stays as it is.
bool goes_on(const api::ImportedSubscriber& line, const subscribers::Session& session) {
    const auto loses = [&](Family family) {
        return has_family(session.prefixes, family) && !has_family(line.prefixes, family);
    };
    return !loses(Family::ipv4) && !loses(Family::ipv6) && (session.user.empty() || !line.user.empty()) &&
           (session.classes.empty() || !line.classes.empty()) &&
           (session.filters.empty() || !line.filters.empty());
}

using Imported = std::map<std::string, subscribers::Session>;

// What a list would have said as a NAS, in this order: who is new comes before who is gone, so that a
// contract that is known by another id now has no gap. Of what was known before, what is the same is left
// out.
struct Story {
    std::vector<subscribers::Report> reports;
    api::SubscriberImport outcome;
};

Story story_of(const std::vector<api::ImportedSubscriber>& list, Imported known, grants::WallTime now) {
    Story story;
    const grants::WallTime before = now - std::chrono::seconds(1);
    const auto stop = [&story, before](const std::string& id) {
        story.reports.push_back(
            report_of({.id = id, .user = {}, .prefixes = {}, .classes = {}, .filters = {}},
                      subscribers::Status::stop, before));
    };
    for (const api::ImportedSubscriber& line : list) {
        const auto found = known.find(line.id);
        (found == known.end() ? story.outcome.began : story.outcome.kept)++;
        const bool same = found != known.end() && is_same(line, found->second);
        const bool update = found != known.end() && goes_on(line, found->second);
        if (found != known.end() && !update) {
            stop(line.id);
        }
        if (!same) {
            story.reports.push_back(
                report_of(line, update ? subscribers::Status::interim : subscribers::Status::start, now));
        }
        if (found != known.end()) {
            known.erase(found);
        }
    }
    for (const auto& [id, session] : known) {
        stop(id);
    }
    story.outcome.ended = known.size();
    return story;
}

Error none(const std::string& what) {
    return {Failure::not_found, what + " is nobody's session",
            "see `sekisho subscriber list`; sessions come by RADIUS accounting, or by `sekisho subscriber "
            "import`"};
}

}  // namespace

api::SubscriberStatus Daemon::subscriber_status(const subscribers::Session& session) const {
    return {.id = session.number,
            .nas = session.nas,
            .session = session.session_id,
            .user = session.user,
            .calling_station = session.calling_station,
            .classes = session.classes,
            .filters = session.filters,
            .prefixes = session.prefixes,
            .since = session.since,
            .last_heard = session.last_heard,
            .interim_interval = session.interim_interval,
            .contract = std::string(contracts_.of(session))};
}

api::SubscriberPage Daemon::subscribers(const api::SubscriberQuestion& question) const {
    const subscribers::SessionPage found = sessions_.page(
        {.from = question.from, .within = question.within, .user = question.user, .nas = question.nas},
        question.count);
    api::SubscriberPage page{.subscribers = {}, .in_all = sessions_.size(), .next = found.next};
    for (const subscribers::Session& session : found.sessions) {
        page.subscribers.push_back(subscriber_status(session));
    }
    return page;
}

Result<api::SubscriberStatus> Daemon::subscriber(std::uint64_t id) const {
    const auto session = sessions_.find(id);
    return session ? Result<api::SubscriberStatus>(subscriber_status(*session))
                   : std::unexpected(none(std::to_string(id)));
}

Result<api::SubscriberStatus> Daemon::subscriber_of(const Address& address) const {
    const auto session = sessions_.find(address);
    return session ? Result<api::SubscriberStatus>(subscriber_status(*session))
                   : std::unexpected(none(address.text()));
}

api::Step Daemon::session_step(const Address& address) const {
    const auto session = sessions_.find(address);
    if (!session) {
        return {.rule = "session", .matched = false, .detail = "nobody is known to have " + address.text()};
    }
    return {.rule = "session",
            .matched = false,
            .detail = "session " + std::to_string(session->number) +
                      (session->user.empty() ? "" : " of " + printable(session->user)) + ", NAS " +
                      printable(session->nas) + ", since " + rfc3339(session->since) +
                      contract_text(*session, address)};
}

std::string Daemon::contract_text(const subscribers::Session& session, const Address& address) const {
    const std::string_view name = contracts_.of(session);
    if (name.empty()) {
        return {};
    }
    std::string text = ", contract \"" + std::string(name) + "\"";
    for (const Prefix& prefix : session.prefixes) {
        if (!prefix.contains(address)) {
            continue;
        }
        if (const auto keys = grants_.contract_keys(prefix); !keys) {
            return text + ", which opens nothing: " + keys.error().what;
        }
    }
    return text;
}

std::map<std::string, subscribers::Session> Daemon::imported() const {
    Imported known;
    std::vector<subscribers::Session> some = sessions_.list(0, 10'000);
    while (!some.empty()) {
        const std::uint64_t last = some.back().number;
        for (subscribers::Session& session : some) {
            if (session.nas == imported_nas) {
                std::string id = session.session_id;
                known.emplace(std::move(id), std::move(session));
            }
        }
        some = sessions_.list(last + 1, 10'000);
    }
    return known;
}

// As if a NAS of its own had told: what the list has no more stops, what it has is as it says.
Result<api::SubscriberImport> Daemon::import_subscribers(const std::vector<api::ImportedSubscriber>& list,
                                                         const std::string& by) {
    Imported known = imported();
    const auto is_new = [&known](const api::ImportedSubscriber& line) { return !known.contains(line.id); };
    const auto news = static_cast<std::size_t>(std::ranges::count_if(list, is_new));
    if (sessions_.size() + news > sessions_.most()) {
        return fail(Failure::unavailable,
                    "there is room for " + std::to_string(sessions_.most()) +
                        " sessions: " + std::to_string(sessions_.size()) +
                        " are there, and those that end make room only afterwards",
                    "raise max_sessions in [radius]");
    }
    // Two imports within a second, and an end and a new beginning within one import, are in this order.
    grants::Now now = read_clocks();
    now.wall = last_import_ = std::max(now.wall, last_import_ + std::chrono::seconds(2));
    Story story = story_of(list, std::move(known), now.wall);
    SessionWork work;
    for (std::size_t i = 0; i < story.reports.size(); i++) {
        follow(sessions_.apply(story.reports[i], now), now, work);
        if (i % 10'000 == 0) {
            systemd::alive();  // a long list takes its time
        }
    }
    story.outcome.revoked = work.revoked;
    write_down(std::move(work));
    if (auto written = on_disk(); !written) {
        return std::unexpected(written.error());
    }
    log::info("SUBSCRIBERS_IMPORTED", "a list of subscribers was taken over",
              {{"began", std::to_string(story.outcome.began)},
               {"ended", std::to_string(story.outcome.ended)},
               {"kept", std::to_string(story.outcome.kept)},
               {"grants", std::to_string(story.outcome.revoked)},
               {"by", by}});
    audit({.name = "SUBSCRIBERS_IMPORTED",
           .text = std::to_string(story.outcome.began) + " began, " + std::to_string(story.outcome.ended) +
                   " ended, " + std::to_string(story.outcome.kept) + " kept; " +
                   std::to_string(story.outcome.revoked) + " grants ended with that",
           .by = by});
    return story.outcome;
}

}  // namespace sekisho
