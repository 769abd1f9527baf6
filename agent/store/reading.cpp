// SPDX-License-Identifier: Apache-2.0
// What the store remembers, at a start.
#include <string>
#include <utility>

#include "agent/base/log.h"
#include "agent/store/store.h"

namespace sekisho::store {

namespace {

constexpr std::string_view load_boots = "SELECT number, id FROM boots";
constexpr std::string_view load_grants =
    "SELECT key, pool, source, user, reason, since, renewed, expires_boot, expires_wall, boot, generation, "
    "budget, edge_before, relay_before FROM grants";
constexpr std::string_view load_exemptions = "SELECT prefix, note, since FROM exemptions";
constexpr std::string_view load_cool_downs =
    "SELECT key, user, since, until_boot, until_wall, boot, cause FROM cool_downs";
constexpr std::string_view load_quarantines = "SELECT key, note, since FROM quarantines";

// What is no such time is none.
std::optional<std::chrono::nanoseconds> before_end(std::int64_t nanoseconds) {
    constexpr std::chrono::nanoseconds longest = std::chrono::days(36'500);
    const std::chrono::nanoseconds before(nanoseconds);
    return nanoseconds >= 0 && before <= longest ? std::optional(before) : std::nullopt;
}

grants::WallTime wall(std::int64_t nanoseconds) {
    return grants::WallTime(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

void Store::leave_out(std::string_view table, const std::string& key, const Error& why) const {
    const Error error{.kind = Failure::invalid,
                      .what = database_.file().string() + ": table " + std::string(table) + ", row \"" + key +
                              "\": " + why.what,
                      .remedy = "correct or delete the row with sqlite3 while the agent is down"};
    log::error("STORE_ROW_LEFT_OUT", error.what, {{"remedy", error.remedy}});
    if (!left_out_) {
        left_out_ = error;
    }
}

template <class Take>
Result<void> Store::each_row(std::string_view table, std::string_view sql, Take take) const {
    auto statement = database_.prepare(sql);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return {};
        }
        if (const auto key = parse_prefix(statement->octets(0))) {
            take(*key, *statement);
        } else {
            leave_out(table, statement->text(0), key.error());
        }
    }
}

template <class Row, class Read>
Result<std::vector<Row>> Store::rows(std::string_view table, std::string_view sql, Read read) const {
    std::vector<Row> all;
    auto done =
        each_row(table, sql, [&](const Prefix& key, const Statement& row) { all.push_back(read(key, row)); });
    if (!done) {
        return std::unexpected(done.error());
    }
    return all;
}

Result<grants::Stored> Store::load() const {
    auto contracts = exemptions();
    if (!contracts) {
        return std::unexpected(contracts.error());
    }
    auto cooling = cool_downs();
    if (!cooling) {
        return std::unexpected(cooling.error());
    }
    auto shut = quarantines();
    if (!shut) {
        return std::unexpected(shut.error());
    }
    const auto seen = clocks();
    if (!seen) {
        return std::unexpected(seen.error());
    }
    return grants::Stored{.exemptions = std::move(*contracts),
                          .cool_downs = std::move(*cooling),
                          .quarantines = std::move(*shut),
                          .seen = *seen};
}

Result<std::optional<grants::Now>> Store::clocks() const {
    auto statement = database_.prepare("SELECT boottime, wall, boot FROM clocks");
    if (!statement) {
        return std::unexpected(statement.error());
    }
    const auto row = statement->step();
    if (!row) {
        return std::unexpected(row.error());
    }
    return *row ? std::optional(grants::Now{.boottime = std::chrono::nanoseconds(statement->integer(0)),
                                            .wall = wall(statement->integer(1)),
                                            .boot = statement->text(2)})
                : std::nullopt;
}

Result<std::vector<grants::CoolDown>> Store::cool_downs() const {
    return rows<grants::CoolDown>("cool_downs", load_cool_downs, [](const Prefix& key, const Statement& row) {
        using enum grants::CoolDownCause;
        return grants::CoolDown{.key = key,
                                .cause = row.octets(6) == grants::to_string(revoked) ? revoked : overrun,
                                .user = row.text(1),
                                .until = std::chrono::nanoseconds(row.integer(3)),
                                .until_wall = wall(row.integer(4)),
                                .since = wall(row.integer(2)),
                                .boot = row.text(5)};
    });
}

Result<std::vector<grants::Quarantine>> Store::quarantines() const {
    return rows<grants::Quarantine>(
        "quarantines", load_quarantines, [](const Prefix& key, const Statement& row) {
            return grants::Quarantine{.key = key, .note = row.text(1), .since = wall(row.integer(2))};
        });
}

Result<std::map<std::int64_t, std::string>> Store::boots() const {
    auto statement = database_.prepare(load_boots);
    if (!statement) {
        return std::unexpected(statement.error());
    }
    std::map<std::int64_t, std::string> all;
    while (true) {
        const auto row = statement->step();
        if (!row) {
            return std::unexpected(row.error());
        }
        if (!*row) {
            return all;
        }
        all[statement->integer(0)] = statement->text(1);
    }
}

Result<void> Store::each_grant(const std::function<void(const grants::Grant&)>& take) const {
    auto known = boots();
    if (!known) {
        return std::unexpected(known.error());
    }
    grants::Grant grant;  // the same for all: its strings keep their memory
    return each_row("grants", load_grants, [&](const Prefix& key, const Statement& row) {
        grant.key = key;
        grant.pool = row.octets(1);
        grant.source = row.octets(2);
        grant.user = row.octets(3);
        grant.reason = row.octets(4);
        grant.since = wall(row.integer(5));
        grant.renewed = wall(row.integer(6));
        grant.expires = std::chrono::nanoseconds(row.integer(7));
        grant.expires_wall = wall(row.integer(8));
        grant.boot = (*known)[row.integer(9)];  // one that isn't there was another than this
        grant.generation = static_cast<std::uint32_t>(row.integer(10));
        grant.budget = static_cast<std::uint32_t>(row.integer(11));
        grant.edge_before = before_end(row.integer(12));
        grant.relay_before = before_end(row.integer(13));
        if (grant.edge_before || grant.relay_before) {
            take(grant);
        } else {
            leave_out("grants", key.text(),
                      {.kind = Failure::invalid, .what = "it is good for nothing", .remedy = {}});
        }
    });
}

Result<std::vector<grants::Exemption>> Store::exemptions() const {
    return rows<grants::Exemption>(
        "exemptions", load_exemptions, [](const Prefix& prefix, const Statement& row) {
            return grants::Exemption{.prefix = prefix, .note = row.text(1), .since = wall(row.integer(2))};
        });
}

}  // namespace sekisho::store
