// SPDX-License-Identifier: Apache-2.0
// Grants, as the API has them, and what operators order of them.
#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

// When a part of its scope ends; nothing if it has, or was none.
std::optional<grants::WallTime> until(const grants::Grant& grant,
                                      const std::optional<std::chrono::nanoseconds>& before,
                                      const grants::Now& now) {
    return before && grant.expires - *before > now.boottime ? std::optional(grant.expires_wall - *before)
                                                            : std::nullopt;
}

api::GrantStatus status_of(const grants::Grant& grant, const grants::Now& now) {
    return {.key = grant.key,
            .pool = grant.pool,
            .source = grant.source,
            .user = grant.user,
            .reason = grant.reason,
            .since = grant.since,
            .expires = grant.expires_wall,
            .left = std::chrono::ceil<std::chrono::seconds>(grant.expires - now.boottime),
            .scope = grant.scope(now),
            .edge_until = until(grant, grant.edge_before, now),
            .relay_until = until(grant, grant.relay_before, now),
            .budget = grant.budget,
            .connections_left = {},
            .flows = {},
            .session = 0};
}

api::CoolDownStatus status_of(const grants::CoolDown& cool_down, const grants::Now& now) {
    return {.key = cool_down.key,
            .cause = std::string(grants::to_string(cool_down.cause)),
            .user = cool_down.user,
            .since = cool_down.since,
            .until = cool_down.until_wall,
            .left = std::chrono::ceil<std::chrono::seconds>(cool_down.until - now.boottime)};
}

}  // namespace

api::GrantListing Daemon::grants(const api::GrantQuestion& question) const {
    const grants::Now now = read_clocks();
    const grants::GrantFilter filter{
        .after = question.after, .within = question.within, .user = question.user, .source = question.source};
    const grants::GrantPage page = question.session == 0
                                       ? grants_.page(filter, question.count, now)
                                       : page_of_session(question.session, filter, question.count, now);
    api::GrantListing listing{.grants = {}, .next = page.next};
    for (const grants::Grant& grant : page.grants) {
        listing.grants.push_back(with_session(status_of(grant, now)));
    }
    return listing;
}

// A session's prefixes stand in the order in which keys do.
grants::GrantPage Daemon::page_of_session(std::uint64_t number, grants::GrantFilter filter, std::size_t count,
                                          const grants::Now& now) const {
    grants::GrantPage all;
    const auto session = sessions_.find(number);
    const auto within = std::exchange(filter.within, std::nullopt);
    for (const Prefix& prefix : session ? session->prefixes : std::vector<Prefix>()) {
        if (within && !within->overlaps(prefix)) {
            continue;
        }
        if (all.grants.size() == count) {
            all.next = all.grants.back().key;
            break;
        }
        filter.within = within && prefix.contains(*within) ? within : prefix;
        const grants::GrantPage page = grants_.page(filter, count - all.grants.size(), now);
        for (const grants::Grant& grant : page.grants) {
            // A key may be wider than what a session has, or than what has been left of that.
            if (grant.key.contains(prefix) || sessions_.holder_of(grant.key) == number) {
                all.grants.push_back(grant);
                filter.after = grant.key;  // two prefixes may lie in one key
            }
        }
        if (page.next) {
            all.next = page.next;
            break;
        }
    }
    return all;
}

api::GrantStatus Daemon::with_session(api::GrantStatus status) const {
    const auto session = sessions_.find(status.key.address);
    status.session = session ? session->number : 0;
    return status;
}

std::optional<Prefix> Daemon::key_of(const Address& address) const {
    const auto placement = grants_.place(address);
    return placement ? std::optional(placement->key) : std::nullopt;
}

Result<api::GrantStatus> Daemon::grant(const Address& address) const {
    const grants::Now now = read_clocks();
    const auto found = grants_.find(address, now);
    if (!found) {
        return fail(Failure::not_found, "there is no grant for " + address.text(),
                    "see `sekisho grant list`");
    }
    api::GrantStatus status = with_session(status_of(*found, now));
    if (const auto usage = dataplane_.usage(found->key)) {
        status.connections_left = usage->connections_left;
        status.flows = usage->flows;
    }
    return status;
}

std::optional<api::RelayRight> Daemon::relay_right(const Address& address) const {
    const grants::Now now = read_clocks();
    const auto found = grants_.find(address, now);
    const auto end = found ? until(*found, found->relay_before, now) : std::nullopt;
    if (!end || grants_.quarantine_of(address)) {
        return std::nullopt;
    }
    return api::RelayRight{.user = found->user, .until = *end};
}

std::vector<api::CoolDownStatus> Daemon::cool_downs() const {
    const grants::Now now = read_clocks();
    std::vector<api::CoolDownStatus> list;
    for (const grants::CoolDown& cool_down : grants_.cool_downs(now)) {
        list.push_back(status_of(cool_down, now));
    }
    return list;
}

Result<api::GrantStatus> Daemon::add_grant(const api::GrantOrder& order) {
    const grants::Now now = read_clocks();
    const auto granted = open({.address = order.address,
                               .lifetime = order.lifetime,
                               .budget = order.budget,
                               .source = "operator",
                               .user = {},
                               .reason = order.reason,
                               .ends_cool_down = true,
                               .scope = order.scope},
                              now);
    if (!granted) {
        return std::unexpected(granted.error());
    }
    log::info("GRANT_ADDED", "an operator opened " + grants::opened_things(order.scope),
              {{"key", granted->grant->key.text()}, {"reason", order.reason}, {"by", order.by}});
    audit({.name = "GRANT_ADDED",
           .text = grants::opened_things(order.scope) + (order.reason.empty() ? "" : ": " + order.reason),
           .key = granted->grant->key,
           .by = order.by,
           .lasts = std::chrono::ceil<std::chrono::seconds>(granted->grant->expires - now.boottime)});
    return with_session(status_of(*granted->grant, now));
}

std::uint32_t Daemon::connections_of(const Address& address) const {
    const auto key = key_of(address);
    const auto usage = key ? dataplane_.usage(*key) : std::nullopt;
    return usage ? usage->flows : 0;
}

// Of grants that have ended before.
Result<void> Daemon::end_connections(const api::RevokeOrder& order, std::uint32_t open) {
    const std::string text = std::to_string(open) + " connections that outlived their grant were ended";
    log::info("CONNECTIONS_ENDED", text, {{"address", order.address.text()}, {"by", order.by}});
    audit({.name = "CONNECTIONS_ENDED",
           .text = text,
           .key = key_or_itself(order.address),
           .by = order.by,
           .lasts = order.cool_down ? config_.grants.cool_down : std::chrono::seconds(0)});
    const auto applied = apply(grants_.end_connections(
        order.address, read_clocks(), order.cool_down ? grants::After::cool_down : grants::After::logins));
    return applied ? on_disk() : applied;
}

Result<void> Daemon::revoke_grant(const api::RevokeOrder& order) {
    const auto grant = grants_.find(order.address, read_clocks());
    if (const std::uint32_t open = grant ? 0 : connections_of(order.address); open != 0 && order.kill) {
        return end_connections(order, open);
    }
    const auto actions =
        grants_.revoke(order.address, read_clocks(), order.kill ? grants::Flows::end : grants::Flows::go_on,
                       order.cool_down ? grants::After::cool_down : grants::After::logins);
    if (!actions) {
        return std::unexpected(actions.error());
    }
    const std::chrono::seconds cool_down =
        order.cool_down ? config_.grants.cool_down : std::chrono::seconds(0);
    log::info("GRANT_REVOKED", "an operator ended a grant",
              {{"address", order.address.text()},
               {"connections", order.kill ? "ended" : "go on"},
               {"cool_down", seconds_text(cool_down)},
               {"by", order.by}});
    audit({.name = "GRANT_REVOKED",
           .text = order.kill ? "its connections ended, too" : "its connections go on",
           .key = key_or_itself(order.address),
           .user = grant ? grant->user : "",
           .by = order.by,
           .lasts = cool_down});
    const auto applied = apply(*actions);
    return applied ? on_disk() : applied;
}

}  // namespace sekisho
