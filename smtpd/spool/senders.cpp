// SPDX-License-Identifier: Apache-2.0
// Counting, stopping, forgetting.
#include "smtpd/spool/senders.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <limits>
#include <set>

#include "agent/base/address.h"
#include "agent/base/ascii.h"
#include "smtpd/spool/schema.h"

namespace sekisho::spool {

namespace {

using message::WallTime;

constexpr std::int64_t slot_seconds = 600;
constexpr std::int64_t slots_of_hour = 6;
constexpr std::int64_t slots_of_day = 144;
constexpr std::int64_t day_seconds = 86'400;
constexpr std::int64_t days_known = 90;

std::int64_t slot_of(WallTime now) {
    return number(now) / slot_seconds;
}

std::int64_t day_of(WallTime now) {
    return number(now) / day_seconds;
}

// 64 bits of a digest: hardly ever is a recipient taken for another, and nobody finds out who they are
// without knowing whom to look for.
std::int64_t pair_of(std::string_view user, std::string_view recipient) {
    const std::string text = lowered(user) + '\n' + lowered(recipient);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    std::array<unsigned char, sizeof(std::int64_t)> first{};
    std::copy_n(digest.begin(), first.size(), first.begin());
    return std::bit_cast<std::int64_t>(first);
}

std::set<std::int64_t> pairs_of(std::string_view user, const std::vector<message::Recipient>& recipients) {
    std::set<std::int64_t> pairs;
    for (const message::Recipient& each : recipients) {
        pairs.insert(pair_of(user, each.address));
    }
    return pairs;
}

// What lies near an address, as far as that can be told from it. What isn't one lies near itself.
std::string network_of(std::string_view client) {
    constexpr int length4 = 16;
    constexpr int length6 = 32;
    const auto address = parse_address(client);
    return address ? address->masked(address->family == Family::ipv4 ? length4 : length6).text()
                   : std::string(client);
}

std::uint64_t natural(const Statement& row, int column) {
    return static_cast<std::uint64_t>(row.integer(column));
}

// ?1: the slot behind the oldest of the last hour.
constexpr const char* sums =
    "coalesce(sum(iif(slot > ?1, recipients, 0)), 0), coalesce(sum(recipients), 0), "
    "coalesce(sum(iif(slot > ?1, fresh, 0)), 0), coalesce(sum(fresh), 0), coalesce(sum(failed), 0) ";

Sent sent_in(const Statement& row, int column) {
    return {.hour = natural(row, column),
            .day = natural(row, column + 1),
            .new_hour = natural(row, column + 2),
            .new_day = natural(row, column + 3),
            .failed_day = natural(row, column + 4)};
}

Stop stop_in(const Statement& row) {
    return {.user = row.text(0),
            .since = WallTime(std::chrono::seconds(row.integer(1))),
            .who = row.text(2),
            .reason = row.text(3)};
}

// One number that is always there.
Result<std::uint64_t> number_of(Result<Statement> statement) {
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->step();
    return row ? Result<std::uint64_t>(*row ? natural(*statement, 0) : 0) : std::unexpected(row.error());
}

}  // namespace

Result<Sent> Senders::sent(std::string_view user, WallTime now) const {
    auto statement = database_.prepare(std::string("SELECT ") + sums +
                                       "FROM sent WHERE user = ?2 AND slot > ?3 AND slot <= ?4");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const std::int64_t slot = slot_of(now);
    const auto row = statement->bind(1, slot - slots_of_hour)
                         .bind(2, lowered(user))
                         .bind(3, slot - slots_of_day)
                         .bind(4, slot)
                         .step();
    if (!row) {
        return std::unexpected(row.error());
    }
    Sent sent = sent_in(*statement, 0);
    auto added = add_origins(sent, user, now);
    return added ? Result<Sent>(sent) : std::unexpected(added.error());
}

Result<void> Senders::add_origins(Sent& sent, std::string_view user, WallTime now) const {
    auto statement = database_.prepare(
        "SELECT count(*), count(DISTINCT network) FROM origins WHERE user = ? AND slot > ? AND slot <= ?");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const std::int64_t slot = slot_of(now);
    const auto row = statement->bind(1, lowered(user)).bind(2, slot - slots_of_day).bind(3, slot).step();
    if (!row) {
        return std::unexpected(row.error());
    }
    sent.addresses_day = natural(*statement, 0);
    sent.networks_day = natural(*statement, 1);
    return {};
}

Result<Novelty> Senders::novelty(const message::Envelope& envelope, WallTime now) const {
    const auto fresh = strangers(envelope.user, envelope.recipients);
    if (!fresh) {
        return std::unexpected(fresh.error());
    }
    auto statement = database_.prepare(
        "SELECT coalesce(max(address = ?3), 0), coalesce(max(network = ?4), 0) FROM origins WHERE user = ?1 "
        "AND "
        "slot > ?2 AND slot <= ?5");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->bind(1, lowered(envelope.user))
                         .bind(5, slot_of(now))
                         .bind(2, slot_of(now) - slots_of_day)
                         .bind(3, envelope.client)
                         .bind(4, network_of(envelope.client))
                         .step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return Novelty{.recipients = *fresh,
                   .addresses = statement->integer(0) == 0 ? 1U : 0U,
                   .networks = statement->integer(1) == 0 ? 1U : 0U};
}

Result<std::uint64_t> Senders::strangers(std::string_view user,
                                         const std::vector<message::Recipient>& recipients) const {
    auto statement = database_.prepare("SELECT count(*) FROM known WHERE pair = ?");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    std::uint64_t fresh = 0;
    for (const std::int64_t pair : pairs_of(user, recipients)) {
        const auto row = statement->bind(1, pair).step();
        if (!row) {
            return std::unexpected(row.error());
        }
        fresh += statement->integer(0) == 0 ? 1U : 0U;
        if (auto done = statement->run(); !done) {
            return std::unexpected(done.error());
        }
    }
    return fresh;
}

Result<std::optional<Stop>> Senders::stop_of(std::string_view user) const {
    auto statement = database_.prepare("SELECT user, since, who, reason FROM stopped WHERE user = ?");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->bind(1, lowered(user)).step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return *row ? std::optional(stop_in(*statement)) : std::nullopt;
}

Result<std::vector<Sender>> Senders::list(WallTime now, std::size_t limit) const {
    auto statement = database_.prepare(
        std::string("WITH last AS (SELECT * FROM sent WHERE slot > ?2 AND slot <= ?4 UNION ALL SELECT user, "
                    "?2, 0, 0, 0 "
                    "FROM stopped) SELECT user, ") +
        sums +
        "FROM last GROUP BY user ORDER BY user IN (SELECT user FROM stopped) DESC, 3 DESC, user LIMIT ?3");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const std::int64_t slot = slot_of(now);
    statement->bind(1, slot - slots_of_hour)
        .bind(2, slot - slots_of_day)
        .bind(3, static_cast<std::int64_t>(limit))
        .bind(4, slot);
    std::vector<Sender> all;
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return all;
        }
        Sender sender{.user = statement->text(0), .sent = sent_in(*statement, 1), .stop = {}};
        auto stop = stop_of(sender.user);
        const auto added = add_origins(sender.sent, sender.user, now);
        if (!stop || !added) {
            return std::unexpected(stop ? added.error() : stop.error());
        }
        sender.stop = std::move(*stop);
        all.push_back(std::move(sender));
    }
}

Result<std::uint64_t> Senders::held(std::string_view user) const {
    auto statement =
        database_.prepare("SELECT count(*) FROM messages WHERE held & ? AND lower(user) = ? AND user <> ''");
    if (statement) {
        statement->bind(1, bit(Hold::user)).bind(2, lowered(user));
    }
    return number_of(std::move(statement));
}

Result<std::uint64_t> Senders::stopped() const {
    return number_of(database_.prepare("SELECT count(*) FROM stopped"));
}

Result<void> Senders::count(const message::Envelope& envelope, std::uint64_t fresh, WallTime now) const {
    auto sum = database_.prepare(
        "INSERT INTO sent VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT DO UPDATE SET recipients = recipients + ?3, "
        "fresh = fresh + ?4");
    auto origin = database_.prepare(
        "INSERT INTO origins VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET slot = ?4 WHERE slot < ?4");
    // A row is written once a day.
    auto meet = database_.prepare(
        "INSERT INTO known VALUES (?1, ?2) ON CONFLICT DO UPDATE SET day = ?2 WHERE day < ?2");
    if (!sum || !origin || !meet) {
        return std::unexpected(!sum ? sum.error() : !origin ? origin.error() : meet.error());
    }
    const std::string user = lowered(envelope.user);
    sum->bind(1, user)
        .bind(2, slot_of(now))
        .bind(3, static_cast<std::int64_t>(envelope.recipients.size()))
        .bind(4, static_cast<std::int64_t>(fresh));
    auto done = sum->run();
    if (done) {
        done = origin->bind(1, user)
                   .bind(2, envelope.client)
                   .bind(3, network_of(envelope.client))
                   .bind(4, slot_of(now))
                   .run();
    }
    for (const std::int64_t pair : pairs_of(user, envelope.recipients)) {
        done = done ? meet->bind(1, pair).bind(2, day_of(now)).run() : done;
    }
    return done;
}

Result<void> Senders::count_failed(std::string_view user, std::uint64_t recipients, WallTime now) const {
    auto sum = database_.prepare(
        "INSERT INTO sent VALUES (?1, ?2, 0, 0, ?3) ON CONFLICT DO UPDATE SET failed = failed + ?3");
    return sum ? sum->bind(1, lowered(user))
                     .bind(2, slot_of(now))
                     .bind(3, static_cast<std::int64_t>(recipients))
                     .run()
               : std::unexpected(sum.error());
}

void Senders::intervene() const {
    if (interventions_ != nullptr) {
        ++*interventions_;
    }
}

Result<void> Senders::stop(const Stop& stop) const {
    intervene();
    auto mark = database_.prepare("INSERT OR REPLACE INTO stopped VALUES (?, ?, ?, ?)");
    auto hold = database_.prepare("UPDATE messages SET held = held | ? WHERE lower(user) = ? AND user <> ''");
    auto stay = database_.prepare("UPDATE recipients SET next = ? WHERE key IN " +
                                  recipients_where("lower(user) = ? AND user <> ''"));
    if (!mark || !hold || !stay) {
        return std::unexpected(!mark ? mark.error() : !hold ? hold.error() : stay.error());
    }
    const std::string user = lowered(stop.user);
    auto done = mark->bind(1, user).bind(2, number(stop.since)).bind(3, stop.who).bind(4, stop.reason).run();
    if (done) {
        done = hold->bind(1, bit(Hold::user)).bind(2, user).run();
    }
    return done ? stay->bind(1, never).bind(2, user).run() : done;
}

Result<void> Senders::resume(std::string_view user, HeldMail held, WallTime now) const {
    intervene();
    const std::string name = lowered(user);
    auto mark = database_.prepare("DELETE FROM stopped WHERE user = ?");
    if (!mark) {
        return std::unexpected(mark.error());
    }
    if (auto done = mark->bind(1, name).run(); !done) {
        return done;
    }
    if (database_.changes() == 0) {
        return fail(Failure::not_found, "nobody has stopped " + std::string(user),
                    "see `sekisho user usage`");
    }
    if (auto anew = count_anew(name); !anew) {
        return anew;
    }
    if (held == HeldMail::discarded) {
        auto discard =
            database_.prepare("DELETE FROM messages WHERE held = ? AND lower(user) = ? AND user <> ''");
        if (auto done = discard ? discard->bind(1, bit(Hold::user)).bind(2, name).run()
                                : Result<void>(std::unexpected(discard.error()));
            !done) {
            return done;
        }
    }
    auto release = database_.prepare(
        "UPDATE messages SET held = held & ~?1, released = ?2 WHERE held & ?1 AND lower(user) = ?3 AND user "
        "<> ''");
    auto go = database_.prepare("UPDATE recipients SET next = ? WHERE next = ? AND key IN " +
                                recipients_where("lower(user) = ? AND user <> '' AND held = 0"));
    if (!release || !go) {
        return std::unexpected(release ? go.error() : release.error());
    }
    auto done = release->bind(1, bit(Hold::user)).bind(2, number(now)).bind(3, name).run();
    return done ? go->bind(1, number(now)).bind(2, never).bind(3, name).run() : done;
}

// Whoever has gone beyond a limit would be stopped again by the next message.
Result<void> Senders::count_anew(const std::string& name) const {
    for (const char* const table :
         {"DELETE FROM sent WHERE user = ?", "DELETE FROM origins WHERE user = ?"}) {
        auto statement = database_.prepare(table);
        if (auto done =
                statement ? statement->bind(1, name).run() : Result<void>(std::unexpected(statement.error()));
            !done) {
            return done;
        }
    }
    return {};
}

// What is a day ahead was counted by a clock that was wrong. Whoever sends is made to wait by what is
// written: the pairs are looked at in slices of their numbers, one a minute.
Result<void> Senders::forget(WallTime now) const {
    constexpr std::int64_t slices = 1024;
    constexpr std::int64_t width = std::int64_t{1} << 54U;  // 2^64 / slices
    constexpr std::int64_t minute = 60;
    auto old = database_.prepare("DELETE FROM sent WHERE slot <= ?1 OR slot > ?1 + 288");
    auto left = database_.prepare("DELETE FROM origins WHERE slot <= ?1 OR slot > ?1 + 288");
    auto unknown = database_.prepare("DELETE FROM known WHERE pair BETWEEN ? AND ? AND day < ?");
    if (!old || !left || !unknown) {
        return std::unexpected(!old ? old.error() : !left ? left.error() : unknown.error());
    }
    for (Statement* const each : {&*old, &*left}) {
        if (auto done = each->bind(1, slot_of(now) - slots_of_day).run(); !done) {
            return done;
        }
    }
    const std::int64_t slice = number(now) / minute % slices;
    const std::int64_t first = (slice - slices / 2) * width;
    return unknown->bind(1, first).bind(2, first + (width - 1)).bind(3, day_of(now) - days_known).run();
}

}  // namespace sekisho::spool
