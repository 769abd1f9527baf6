// SPDX-License-Identifier: Apache-2.0
// Exemptions: those of a key share its entry with a grant, wider ones live in the table.
#include <ranges>

#include "agent/grants/grants.h"

namespace sekisho::grants {

namespace {

Error no_fit(Fit fit, const Prefix& prefix, const Placement& placement) {
    const std::string name = prefix.text();
    switch (fit) {
        case Fit::too_wide:
            return {Failure::refused,
                    name + " is wider than " + placement.within.text() + " of pool \"" +
                        placement.pool->name + "\"",
                    "exempt " + placement.within.text() + " instead, and each further prefix on its own"};
        case Fit::narrow:
            return {Failure::refused,
                    name + " is only a part of what one subscriber of pool \"" + placement.pool->name +
                        "\" holds",
                    "exempt " + placement.key.text() + " instead"};
        default:
            return {Failure::refused, name + " lies in no pool, so port 25 is open to it anyway",
                    "if it is a subscriber's, add its prefix to a [[pool]] of the configuration first"};
    }
}

}  // namespace

// The whole list, because the table is replaced as a whole.
Action Grants::wide_list() const {
    return SetWideExemptions{{wide_.begin(), wide_.end()}};
}

// Brings an exemption into force, where it fits, and says how it fits.
Fit Grants::enforce(const Prefix& prefix, Placement& placement) {
    const Fit fit = placements_.fit(prefix, placement);
    if (fit == Fit::key) {
        hold(prefix).exempt = true;
    } else if (fit == Fit::wide) {
        wide_.insert(prefix);
    } else {
        return fit;
    }
    ++exempt_lengths_[{prefix.address.family, prefix.length}];
    return fit;
}

Result<Actions> Grants::exempt(const Exemption& exemption) {
    const Prefix& prefix = exemption.prefix;
    const Prefix meant{.address = prefix.address.masked(prefix.length), .length = prefix.length};
    if (meant != prefix) {
        return fail(Failure::invalid, prefix.text() + " has bits set behind its length",
                    "exempt " + meant.text() + ", or the address alone");
    }
    if (exemptions_.contains(prefix)) {
        return fail(
            Failure::conflict, prefix.text() + " is exempt already",
            "nothing was changed; for another note, `sekisho exempt remove " + prefix.text() + "` first");
    }
    Placement placement;
    const Fit fit = enforce(prefix, placement);
    if (fit != Fit::key && fit != Fit::wide) {
        return std::unexpected(no_fit(fit, prefix, placement));
    }
    exemptions_.emplace(prefix, exemption);
    // The disk comes first: what the kernel shows as a contract must not be forgotten after a crash.
    Actions actions{SaveExemption{exemption}};
    actions.push_back(fit == Fit::key ? Action(PutEntry{entry_of(prefix, holdings_.at(prefix))})
                                      : wide_list());
    return actions;
}

Result<Actions> Grants::remove_exemption(const Prefix& prefix) {
    if (exemptions_.erase(prefix) == 0) {
        const auto covering = exemption_of(prefix.address);
        return fail(Failure::not_found, prefix.text() + " is not exempt by an entry of its own",
                    covering && covering->prefix.contains(prefix)
                        ? "it is covered by " + covering->prefix.text() + ": remove that one"
                        : "name it as it stands in `sekisho exempt list`");
    }
    Actions actions{ForgetExemption{prefix}};
    const bool was_wide = wide_.erase(prefix) != 0;
    const auto place = holdings_.find(prefix);
    const bool was_key = place != holdings_.end() && place->second.exempt;
    if (was_wide || was_key) {
        const auto length = exempt_lengths_.find({prefix.address.family, prefix.length});
        if (--length->second == 0) {
            exempt_lengths_.erase(length);
        }
    }
    if (was_wide) {
        actions.push_back(wide_list());
    } else if (was_key) {
        place->second.exempt = false;
        tell_kernel(place, actions);
    }
    return actions;
}

bool Grants::in_force(const Prefix& prefix) const {
    const auto place = holdings_.find(prefix);
    return wide_.contains(prefix) || (place != holdings_.end() && place->second.exempt);
}

std::vector<Exemption> Grants::exemptions() const {
    std::vector<Exemption> all;
    all.reserve(exemptions_.size());
    for (const auto& [prefix, exemption] : exemptions_) {
        all.push_back(exemption);
    }
    return all;
}

std::vector<Exemption> Grants::dormant_exemptions() const {
    std::vector<Exemption> dormant;
    for (const auto& [prefix, exemption] : exemptions_) {
        if (!in_force(prefix)) {
            dormant.push_back(exemption);
        }
    }
    return dormant;
}

std::optional<Exemption> Grants::exemption_of(const Address& address) const {
    // Only the lengths in use are tried, the longest first; they are few.
    for (const auto& [used, count] : std::views::reverse(exempt_lengths_)) {
        const auto [family, length] = used;
        if (family != address.family) {
            continue;
        }
        const Prefix around{.address = address.masked(length), .length = length};
        if (const auto found = exemptions_.find(around); found != exemptions_.end() && in_force(around)) {
            return found->second;
        }
    }
    return std::nullopt;
}

}  // namespace sekisho::grants
