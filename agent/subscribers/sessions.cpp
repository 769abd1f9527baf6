// SPDX-License-Identifier: Apache-2.0
// Sessions: what begins, changes and ends them. What they hold is in claims.cpp.
#include "agent/subscribers/sessions.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sekisho::subscribers {

namespace {

using std::chrono::seconds;

// How much of what is over is remembered, and for how long.
constexpr std::size_t most_past_sessions = 100'000;
constexpr std::size_t most_past_claims = 200'000;
constexpr std::uint32_t longest_memory = 24 * 3600;
constexpr std::size_t most_restarts = 10'000;

// A NAS that says an earlier time has a clock that nobody has set: no packet is under way for so long.
constexpr std::chrono::hours longest_way{24};
// Acct-Delay-Time is rounded: a Stop may seem to be this much older than the Start.
constexpr seconds rounding(5);

// RFC 2869, section 5.16: no interval is shorter than a minute. In whole minutes, and a day at most, there
// are few different ones.
constexpr seconds shortest_interval = std::chrono::minutes(1);
constexpr seconds longest_interval = std::chrono::days(1);
// Shorter distances are those of a session that begins, with one address after the other.
constexpr seconds shortest_guess = std::chrono::minutes(5);
constexpr std::uint32_t intervals_of_silence = 3;
// So that a NAS that dies with all its sessions doesn't hold up a login.
constexpr std::size_t most_at_once = 10'000;

// So long after its end a Start that says no time is one of before.
constexpr Moment::duration longest_repetition = std::chrono::minutes(5);
constexpr Moment::duration shortest_restart = std::chrono::minutes(1);

// A second has room for so many new sessions before their numbers run ahead of the clock.
constexpr unsigned number_bits = 16;

Moment moment(std::chrono::sys_seconds time) {
    const auto count = std::clamp<std::int64_t>(time.time_since_epoch().count(), 0,
                                                std::numeric_limits<std::uint32_t>::max());
    return Moment(Moment::duration(static_cast<std::uint32_t>(count)));
}

std::uint32_t seconds_since_boot(const grants::Now& now) {
    return static_cast<std::uint32_t>(std::chrono::floor<seconds>(now.boottime).count());
}

// Rounded up.
std::uint16_t minutes_of(seconds interval) {
    const seconds within = std::clamp(interval, shortest_interval, longest_interval);
    return static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::minutes>(within).count());
}

std::string full_name_of_nas(const Report& report) {
    std::string name = report.client.empty() ? std::string() : report.client + "/";
    return name += nas_of(report.request, report.source);
}

bool differ(std::string_view known, std::string_view said) {
    return !known.empty() && !said.empty() && known != said;
}

}  // namespace

void Sessions::Record::set_texts(std::string_view id, std::string_view user_name, std::string_view station) {
    constexpr std::size_t most = std::numeric_limits<std::uint8_t>::max();
    id = id.substr(0, most);
    user_name = user_name.substr(0, most);
    station = station.substr(0, most);
    auto copy = std::make_unique_for_overwrite<char[]>(id.size() + user_name.size() + station.size());
    std::ranges::copy(station, std::ranges::copy(user_name, std::ranges::copy(id, copy.get()).out).out);
    texts = std::move(copy);
    session_id_size = static_cast<std::uint8_t>(id.size());
    user_size = static_cast<std::uint8_t>(user_name.size());
    calling_station_size = static_cast<std::uint8_t>(station.size());
}

Sessions::Sessions(std::size_t most) : most_(most), claims_(most_past_claims) {}

Sessions::~Sessions() {
    std::vector<HolderChange> ignored;
    for (Record& record : by_number_) {
        claims_.release(record, Moment(), [](const Prefix&) { return true; }, ignored);
        ignored.clear();
    }
    by_number_.clear();
    by_name_.clear_and_dispose(std::default_delete<Record>());
}

Sessions::Packet Sessions::packet_of(const Report& report, const grants::Now& now) {
    const AccountingRequest& request = report.request;
    const auto came = std::chrono::floor<seconds>(now.wall);
    const bool believed = request.event_time && *request.event_time >= came - longest_way;
    // The future is another clock's.
    const auto made = std::min(believed ? *request.event_time : came - request.delay, came);
    return {.report = report,
            .nas = full_name_of_nas(report),
            .time = moment(made),
            .says_time = believed || request.delay > seconds(0),
            .came = moment(came),
            .now = now};
}

Sessions::Record* Sessions::find_record(const std::string& nas, const std::string& session_id) {
    const auto found = by_name_.find(Name{nas, session_id});
    return found == by_name_.end() ? nullptr : &*found;
}

Sessions::Record& Sessions::add(const std::string& nas, std::string_view session_id) {
    auto record = std::make_unique<Record>();
    record->nas = Shared<std::string>(nas);
    record->set_texts(session_id, {}, {});
    by_name_.insert(*record);
    return *record.release();  // the tree's now
}

Changes Sessions::apply(const Report& report, const grants::Now& now) {
    Changes changes;
    Packet packet = packet_of(report, now);
    Record* const record = find_record(packet.nas, report.request.session_id);
    if (record != nullptr) {
        packet.time = made(packet, *record);
    }
    switch (report.request.status) {
        case Status::start:
        case Status::interim:
            apply_alive(packet, record, changes);
            break;
        case Status::stop:
            apply_stop(packet, record, changes);
            break;
        case Status::on:
        case Status::off:
            apply_restart(packet, changes);
            break;
        case Status::other:
            break;
    }
    finish(changes);
    return changes;
}

// Whether a NAS has begun to use the name for another subscriber. Then it has lost a Stop.
bool Sessions::is_another(const Packet& packet, const Record& record) {
    const AccountingRequest& request = packet.report.request;
    return differ(record.calling_station(), request.calling_station) ||
           (request.status == Status::start && differ(record.user(), request.user));
}

// Whether the session that the packet tells of is over: it has ended, or its name is another's now. Nothing
// but a Start brings one back that was ended by a packet.
bool Sessions::is_past(const Packet& packet, const Record* record) const {
    const auto restart = restarts_.find(packet.nas);
    if (restart != restarts_.end() && packet.time < restart->second.time) {
        return true;
    }
    if (record == nullptr) {
        return false;
    }
    if (record->ended) {
        const bool begins = packet.report.request.status == Status::start || record->may_be_there;
        return !begins || packet.time <= record->last_event;
    }
    return is_another(packet, *record) && packet.time <= record->last_event;
}

// Of a retransmission both identifier and authenticator may be new (RFC 2866, section 5.2), and what says no
// time seems to be made when it comes: later than what others have said since it was made. When that was
// shows in how long the session had lasted, if the NAS tells; some tell nothing that can be.
Moment Sessions::made(const Packet& packet, const Record& record) {
    const AccountingRequest& request = packet.report.request;
    if (packet.says_time || is_another(packet, record)) {
        return packet.time;
    }
    if (record.ended) {
        const bool again = !record.may_be_there && (request.status != Status::start ||
                                                    packet.time - record.last_event < longest_repetition);
        return again ? std::min(packet.time, record.last_event) : packet.time;
    }
    if (request.status == Status::start) {
        return std::min(packet.time, record.since);
    }
    if (request.session_time) {
        const Moment told = moment(seconds_of(record.since) + *request.session_time);
        return told <= packet.time && packet.time - told < longest_repetition ? told : packet.time;
    }
    const bool again = request.status == Status::interim && packet.time >= record.last_event &&
                       packet.time - record.last_event < shortest_interval;
    return again ? record.last_event : packet.time;
}

void Sessions::apply_alive(const Packet& packet, Record* record, Changes& changes) {
    const bool past = is_past(packet, record);
    if (past) {
        changes.late = true;
        record = nullptr;
    }
    if (record != nullptr && !record->ended && is_another(packet, *record)) {
        end(*record, packet.time, packet.time, packet.now, changes);
    }
    if (record != nullptr && record->ended) {
        forget(*record);
        record = nullptr;
    }
    if (record == nullptr && !past) {
        record = begin(packet, changes);
    }
    claim(packet, Family::ipv4, record, changes);
    claim(packet, Family::ipv6, record, changes);
    if (record != nullptr) {
        update(packet, *record, changes);
    }
}

// An Interim may be the first that is heard of a session; since when it lasts is said there. Nothing of a NAS
// is older than its restart.
Moment Sessions::since_of(const Packet& packet) const {
    const auto lasted = packet.report.request.session_time.value_or(seconds(0));
    const auto restart = restarts_.find(packet.nas);
    const Moment since = moment(seconds_of(packet.time) - lasted);
    return restart == restarts_.end() ? since : std::min(packet.time, std::max(since, restart->second.time));
}

Sessions::Record* Sessions::begin(const Packet& packet, Changes& changes) {
    if (size() >= most_) {
        refused_++;
        changes.refused =
            Error{.kind = Failure::unavailable,
                  .what = "there are " + std::to_string(most_) + " sessions, and no room for more",
                  .remedy = "look for a NAS that sends no Stop and no Interim"};
        return nullptr;
    }
    Record& record = add(packet.nas, packet.report.request.session_id);
    record.since = since_of(packet);
    record.last_event = packet.time;
    // By the clock, so that none is given twice even if all that had them are forgotten.
    const std::uint64_t clock = std::uint64_t{packet.came.time_since_epoch().count()} << number_bits;
    last_number_ = std::max(last_number_ + 1, clock);
    record.number = last_number_;
    by_number_.insert(by_number_.end(), record);
    changes.began.push_back(record.number);
    return &record;
}

// What the packet says of one family. Of a session that is over (null), or that has said something newer, it
// still shows who hasn't the prefixes any more.
void Sessions::claim(const Packet& packet, Family family, Record* record, Changes& changes) {
    std::vector<Prefix> named = packet.report.request.prefixes;
    named.resize(std::min(named.size(), most_prefixes));
    std::erase_if(named, [family](const Prefix& prefix) { return prefix.address.family != family; });
    if (named.empty()) {
        return;
    }
    Moment before;
    if (record != nullptr) {
        Moment& last = family == Family::ipv4 ? record->named_ipv4 : record->named_ipv6;
        before = std::exchange(last, std::max(last, packet.time));
    }
    Record* const holder = packet.time >= before ? record : nullptr;
    const bool first = holder != nullptr && packet.time > before;
    changes.late = changes.late || holder != record;
    for (const Prefix& prefix : named) {
        const bool claimed = claims_.claim(
            {.prefix = prefix, .time = packet.time, .holder = holder, .first = first}, changes.holders);
        changes.late = changes.late || !claimed;
    }
    if (holder != nullptr) {
        const auto is_over = [&named, family](const Prefix& prefix) {
            return prefix.address.family == family && std::ranges::find(named, prefix) == named.end();
        };
        claims_.release(*holder, packet.time, is_over, changes.holders);
    }
}

void Sessions::update(const Packet& packet, Record& record, Changes& changes) {
    const AccountingRequest& request = packet.report.request;
    record.since = std::min(record.since, packet.time);
    if (packet.time < record.last_event) {
        changes.late = true;
        hear(record, packet.came, packet.now);  // a clock may have gone back; it is there all the same
        return;
    }
    update_texts(request, record, changes);
    update_labels(request, record, changes);
    learn_interval(packet, record);
    record.last_event = packet.time;
    hear(record, packet.came, packet.now);
}

// What isn't said stays as it was.
void Sessions::update_texts(const AccountingRequest& request, Record& record, Changes& changes) {
    const std::string_view user = request.user.empty() ? record.user() : request.user;
    const std::string_view station =
        request.calling_station.empty() ? record.calling_station() : request.calling_station;
    if (user != record.user() || station != record.calling_station()) {
        record.set_texts(request.session_id, user, station);
        changes.to_save.push_back(record.number);
    }
}

void Sessions::update_labels(const AccountingRequest& request, Record& record, Changes& changes) {
    const Labels& known = record.labels.get();
    const auto& classes = request.classes.empty() ? known.classes : request.classes;
    const auto& filters = request.filters.empty() ? known.filters : request.filters;
    if (classes != known.classes || filters != known.filters) {
        record.labels = Shared<Labels>(Labels{.classes = classes, .filters = filters});
        changes.to_save.push_back(record.number);
    }
}

// What is configured counts, else what the packet says. Else two distances in a row that are alike: a single
// one may be short because an address has changed, or long because a packet was lost.
void Sessions::learn_interval(const Packet& packet, Record& record) {
    const auto said = packet.report.interim_interval ? packet.report.interim_interval
                                                     : packet.report.request.interim_interval;
    if (said && *said > seconds(0)) {
        record.interval = minutes_of(*said);
        record.interval_known = Known::yes;
        return;
    }
    const seconds distance = seconds_of(packet.time) - seconds_of(record.last_event);
    if (record.interval_known == Known::yes || distance < shortest_guess) {
        return;
    }
    const auto [shorter, longer] = std::minmax({record.interval, minutes_of(distance)});
    const bool alike = longer - shorter <= std::max(1, longer / 10);
    const bool again = record.interval_known == Known::guessed && alike;
    record.interval = again ? longer : minutes_of(distance);
    record.interval_known = again ? Known::yes : Known::guessed;
}

void Sessions::hear(Record& record, Moment came, const grants::Now& now) {
    record.heard = seconds_since_boot(now);
    record.last_heard = came;
    record.TimeHook::unlink();
    if (record.interval_known == Known::yes) {
        by_silence_[record.interval].push_back(record);
    }
}

void Sessions::apply_stop(const Packet& packet, Record* record, Changes& changes) {
    if (record == nullptr) {
        // Its Start, or an Interim, may come yet.
        record = &add(packet.nas, packet.report.request.session_id);
        record->last_event = packet.time;
        remember(*record, packet.now);
        let_go(packet, changes);
    } else if (record->ended) {
        record->last_event = std::max(record->last_event, packet.time);
        record->may_be_there = false;
        let_go(packet, changes);
    } else if (seconds_of(packet.time) + rounding < seconds_of(record->since)) {
        changes.late = true;  // of another session that had this name
    } else {
        end(*record, packet.time, packet.time, packet.now, changes);
    }
}

// Who has logged in there had that session.
void Sessions::let_go(const Packet& packet, Changes& changes) const {
    const auto& named = packet.report.request.prefixes;
    for (std::size_t i = 0; i < std::min(named.size(), most_prefixes); i++) {
        if (holder_of(named[i]) == 0) {
            changes.let_go.push_back({.prefix = named[i], .time = seconds_of(packet.time)});
        }
    }
}

// No NAS restarts twice in so short a time, but it asks again and again whether it was heard.
bool Sessions::is_sent_again(const Packet& restart) const {
    const auto known = restarts_.find(restart.nas);
    return known != restarts_.end() && !restart.says_time &&
           known->second.status == restart.report.request.status &&
           known->second.session_id == restart.report.request.session_id &&
           restart.time - known->second.time < shortest_restart;
}

void Sessions::apply_restart(const Packet& packet, Changes& changes) {
    if (is_sent_again(packet)) {
        changes.late = true;
        return;
    }
    if (restarts_.size() >= most_restarts && !restarts_.contains(packet.nas)) {
        restarts_.erase(
            std::ranges::min_element(restarts_, {}, [](const auto& each) { return each.second.time; }));
    }
    Restart& restart = restarts_[packet.nas];
    if (packet.time >= restart.time) {
        restart = {.time = packet.time,
                   .status = packet.report.request.status,
                   .session_id = packet.report.request.session_id};
    }
    std::vector<Record*> over;
    const auto first = by_name_.lower_bound(Name{packet.nas, {}});
    for (auto each = first; each != by_name_.end() && each->nas.get() == packet.nas; ++each) {
        if (!each->ended && each->since <= packet.time) {
            over.push_back(&*each);
        }
    }
    for (Record* record : over) {
        record->may_be_there = true;  // some NASes say On when nothing has ended
        end(*record, packet.time, packet.time, packet.now, changes);
    }
}

// `time`: packets that were made before are too late; `let_go`: until then its addresses were its own.
void Sessions::end(Record& record, Moment time, Moment let_go, const grants::Now& now, Changes& changes) {
    claims_.release(record, let_go, [](const Prefix&) { return true; }, changes.holders);
    changes.ended.push_back(record.number);
    changes.ended_users.emplace_back(record.user());
    by_number_.erase(by_number_.iterator_to(record));
    record.last_event = std::max(record.last_event, time);
    remember(record, now);
}

// Of a session that has ended, only its name and its end are kept.
void Sessions::remember(Record& record, const grants::Now& now) {
    record.set_texts(record.session_id(), {}, {});
    record.labels = Shared<Labels>();
    record.ended = true;
    record.heard = seconds_since_boot(now);
    record.TimeHook::unlink();
    ended_.push_back(record);
    ended_count_++;
    if (ended_count_ > most_past_sessions) {
        forget(ended_.front());
    }
}

void Sessions::forget(Record& record) {
    ended_count_--;
    by_name_.erase_and_dispose(by_name_.iterator_to(record), std::default_delete<Record>());
}

Changes Sessions::sweep(const grants::Now& now) {
    Changes changes;
    const std::uint32_t second = seconds_since_boot(now);
    for (auto& [minutes, records] : by_silence_) {
        const std::uint32_t longest_silence = intervals_of_silence * minutes * 60;
        while (changes.ended.size() < most_at_once && !records.empty() &&
               records.front().heard + longest_silence < second) {
            Record& record = records.front();
            record.may_be_there = true;
            end(record, record.last_event, moment(std::chrono::floor<seconds>(now.wall)), now, changes);
        }
    }
    while (!ended_.empty() && ended_.front().heard + longest_memory < second) {
        forget(ended_.front());
    }
    finish(changes);
    return changes;
}

// What has changed and is alive is to be saved, each once.
void Sessions::finish(Changes& changes) const {
    std::vector<std::uint64_t>& numbers = changes.to_save;
    numbers.insert(numbers.end(), changes.began.begin(), changes.began.end());
    for (const HolderChange& change : changes.holders) {
        numbers.insert(numbers.end(), {change.before, change.after});
    }
    std::ranges::sort(numbers);
    const auto again = std::ranges::unique(numbers);
    numbers.erase(again.begin(), again.end());
    std::erase_if(numbers, [this](std::uint64_t number) { return by_number_.count(number) == 0; });
}

Result<Changes> Sessions::restore(const Session& stored, const grants::Now& now) {
    if (stored.number == 0 || stored.nas.empty() || stored.session_id.empty()) {
        return fail(Failure::invalid, "a session without a number or a name can't be restored");
    }
    if (by_number_.count(stored.number) != 0 || by_name_.count(Name{stored.nas, stored.session_id}) != 0) {
        return fail(Failure::conflict, "session " + std::to_string(stored.number) + " is there already");
    }
    if (size() >= most_) {
        return fail(Failure::unavailable,
                    "there are " + std::to_string(most_) + " sessions, and no room for more");
    }
    Record& record = add(stored.nas, stored.session_id);
    record.set_texts(stored.session_id, stored.user, stored.calling_station);
    record.labels = Shared<Labels>(Labels{.classes = stored.classes, .filters = stored.filters});
    record.number = stored.number;
    last_number_ = std::max(last_number_, stored.number);
    by_number_.insert(record);
    record.since = moment(stored.since);
    record.last_event = moment(stored.last_event);
    if (stored.interim_interval) {
        record.interval = minutes_of(*stored.interim_interval);
        record.interval_known = Known::yes;
    }
    hear(record, moment(stored.last_heard), now);
    Changes changes;
    for (std::size_t i = 0; i < stored.prefixes.size(); i++) {
        const Prefix& prefix = stored.prefixes[i];
        (prefix.address.family == Family::ipv4 ? record.named_ipv4 : record.named_ipv6) = record.last_event;
        const Moment from = i < stored.held_since.size() ? moment(stored.held_since[i]) : record.last_event;
        changes.late |= !claims_.claim({.prefix = prefix,
                                        .time = record.last_event,
                                        .holder = &record,
                                        .first = true,
                                        .from = std::min(from, record.last_event)},
                                       changes.holders);
    }
    finish(changes);
    return changes;
}

}  // namespace sekisho::subscribers
