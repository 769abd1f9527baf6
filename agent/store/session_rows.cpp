// SPDX-License-Identifier: Apache-2.0
// Sessions: rows and back.
#include "agent/store/session_rows.h"

#include <charconv>
#include <system_error>
#include <utility>

#include "agent/store/store.h"

namespace sekisho::store {

namespace {

constexpr std::string_view load_sessions =
    "SELECT number, nas, session_id, user, calling_station, classes, filters, prefixes, since, last_event, "
    "last_heard, interim_interval FROM sessions ORDER BY number";

std::chrono::sys_seconds moment(std::int64_t seconds) {
    return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

std::int64_t second(std::chrono::sys_seconds time) {
    return time.time_since_epoch().count();
}

// 0 in the table: it is not known.
std::optional<std::chrono::seconds> interval(std::int64_t seconds) {
    return seconds > 0 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

}  // namespace

std::string labels_text(const std::vector<std::string>& labels) {
    std::string text;
    for (const std::string& label : labels) {
        text += std::to_string(label.size()) + ":" + label + ",";
    }
    return text;
}

Result<std::vector<std::string>> read_labels(std::string_view text) {
    std::vector<std::string> labels;
    while (!text.empty()) {
        std::size_t size = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
        const auto head = static_cast<std::size_t>(end - text.data()) + 1;
        if (error != std::errc() || head > text.size() || text[head - 1] != ':' ||
            size >= text.size() - head || text[head + size] != ',') {
            return fail(Failure::invalid, "its labels are no netstrings");
        }
        labels.emplace_back(text.substr(head, size));
        text.remove_prefix(head + size + 1);
    }
    return labels;
}

std::string prefixes_text(const HeldPrefixes& held) {
    std::string text;
    for (std::size_t i = 0; i < held.prefixes.size(); i++) {
        text += (text.empty() ? "" : " ") + held.prefixes[i].text();
        if (i < held.since.size()) {
            text += "@" + std::to_string(second(held.since[i]));
        }
    }
    return text;
}

Result<HeldPrefixes> read_prefixes(std::string_view text) {
    HeldPrefixes held;
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(' '));
        const std::string_view name = one.substr(0, one.find('@'));
        const auto prefix = parse_prefix(name);
        if (!prefix) {
            return std::unexpected(prefix.error());
        }
        held.prefixes.push_back(*prefix);
        if (name.size() < one.size()) {
            std::int64_t seconds = 0;
            const char* const last = one.data() + one.size();
            const auto [end, error] = std::from_chars(one.data() + name.size() + 1, last, seconds);
            if (error != std::errc() || end != last) {
                return fail(Failure::invalid, std::string(one) + " has no time behind the @");
            }
            held.since.push_back(moment(seconds));
        }
        text.remove_prefix(std::min(one.size() + 1, text.size()));
    }
    if (held.since.size() != held.prefixes.size()) {
        held.since.clear();
    }
    return held;
}

Result<void> Store::write_sessions() {
    for (const auto& [number, session] : owed_sessions_) {
        Statement& statement = session ? statements_.save_session : statements_.forget_session;
        statement.bind(1, static_cast<std::int64_t>(number));
        if (session) {
            statement.bind(2, session->nas)
                .bind(3, session->session_id)
                .bind(4, session->user)
                .bind(5, session->calling_station)
                .bind_blob(6, labels_text(session->classes))
                .bind_blob(7, labels_text(session->filters))
                .bind(8, prefixes_text({.prefixes = session->prefixes, .since = session->held_since}))
                .bind(9, second(session->since))
                .bind(10, second(session->last_event))
                .bind(11, second(session->last_heard))
                .bind(12, session->interim_interval.value_or(std::chrono::seconds(0)).count());
        }
        if (auto done = statement.run(); !done) {
            return done;
        }
    }
    return {};
}

Result<std::size_t> Store::each_session(const std::function<void(const subscribers::Session&)>& take) const {
    auto statement = database_.prepare(load_sessions);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    subscribers::Session session;
    std::size_t skipped = 0;
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return skipped;
        }
        session.number = static_cast<std::uint64_t>(statement->integer(0));
        auto classes = read_labels(statement->octets(5));
        auto filters = read_labels(statement->octets(6));
        auto held = read_prefixes(statement->text(7));
        if (!classes || !filters || !held) {
            skipped++;
            continue;
        }
        session.nas = statement->octets(1);
        session.session_id = statement->octets(2);
        session.user = statement->octets(3);
        session.calling_station = statement->octets(4);
        session.classes = std::move(*classes);
        session.filters = std::move(*filters);
        session.prefixes = std::move(held->prefixes);
        session.held_since = std::move(held->since);
        session.since = moment(statement->integer(8));
        session.last_event = moment(statement->integer(9));
        session.last_heard = moment(statement->integer(10));
        session.interim_interval = interval(statement->integer(11));
        take(session);
    }
}

}  // namespace sekisho::store
