// SPDX-License-Identifier: Apache-2.0
// Many grants at once: each goes its own way to the kernel, all go to the disk together.
#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/base/log.h"
#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

Result<api::ImportOutcome> Daemon::import_grants(const api::ImportOrder& order) {
    const grants::Now now = read_clocks();
    api::ImportOutcome outcome;
    grants::Actions all;
    grants::GrantRequest request{.address = {},
                                 .lifetime = order.lifetime,
                                 .budget = order.budget,
                                 .source = "operator",
                                 .user = {},
                                 .reason = order.reason,
                                 .ends_cool_down = true,
                                 .scope = order.scope};
    for (const Address& address : order.addresses) {
        request.address = address;
        const std::size_t before = all.size();
        const auto granted = grants_.open(request, now, all);
        if (!granted && granted.error().kind == Failure::invalid && outcome.opened + outcome.kept == 0) {
            return std::unexpected(granted.error());  // what is wrong is the order
        }
        if (!granted) {
            outcome.refused.push_back({address, granted.error().what});
            continue;
        }
        (all.size() == before ? outcome.kept : outcome.opened)++;
    }
    std::vector<Prefix> lost;
    const auto applied = apply_to_kernel(all, lost);
    for (const Prefix& key : lost) {
        // What the kernel does not hold must not stand in the books.
        grants::Actions undone = grants_.give_up_edge(key.address, now);
        std::vector<Prefix> none;  // there was nothing in the kernel to take back
        static_cast<void>(apply_to_kernel(undone, none));
        std::ranges::move(undone, std::back_inserter(all));
        outcome.opened--;
        outcome.refused.push_back({key.address, applied.error().what});
    }
    apply_to_store(all);
    log::info("GRANTS_IMPORTED", "an operator opened " + grants::opened_things(order.scope) + " for a list",
              {{"opened", std::to_string(outcome.opened)},
               {"kept", std::to_string(outcome.kept)},
               {"refused", std::to_string(outcome.refused.size())},
               {"reason", order.reason},
               {"by", order.by}});
    audit({.name = "GRANTS_IMPORTED",
           .text = std::to_string(outcome.opened) + " opened, " + std::to_string(outcome.kept) + " kept, " +
                   std::to_string(outcome.refused.size()) + " refused, " +
                   grants::opened_things(order.scope) + (order.reason.empty() ? "" : ": " + order.reason),
           .by = order.by,
           .lasts = order.lifetime.value_or(config_.grants.lifetime)});
    return outcome;
}

}  // namespace sekisho
