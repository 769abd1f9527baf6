// SPDX-License-Identifier: Apache-2.0
// Which interfaces are closed until they are judged, and what an operator is told of it.
#include <string>
#include <utility>

#include "agent/daemon.h"

namespace sekisho {

const Daemon::Seen* Daemon::beneath(const links::Link& link) const {
    constexpr int deepest = 8;  // as many as the kernel stacks (MAX_NEST_DEV)
    unsigned index = link.on;
    for (int depth = 0; depth < deepest; depth++) {
        if (const auto seen = seen_.find(index); seen != seen_.end()) {
            return &seen->second;
        }
        const auto stacked = stacked_.find(index);
        if (stacked == stacked_.end()) {
            return nullptr;
        }
        index = stacked->second.on;
    }
    return nullptr;
}

// Routed packets carry the name of the topmost device, and were judged at the bottom.
guard::State Daemon::guarded() const {
    guard::State state;
    for (const auto& [index, seen] : seen_) {
        if (seen.closed && !seen.trouble) {
            state.judged.insert(index);
        }
    }
    for (const auto& [index, link] : stacked_) {
        const Seen* const seen = beneath(link);
        // nftables would take a name with these for something else; nobody has such a device.
        if (seen == nullptr || !seen->closed || link.name.find_first_of(R"("*\)") != std::string::npos) {
            continue;
        }
        state.stacked.insert(link.name);
        if (!seen->trouble) {
            state.judged.insert(index);
        }
    }
    return state;
}

bool Daemon::closed_now(unsigned index, const Seen& seen) const {
    return seen.closed && guard_.in_place() && !guard_.lets_in(index);
}

void Daemon::check_guard(std::vector<api::Check>& checks) const {
    if (!guard_.closes()) {
        return;
    }
    std::string closed;
    for (const auto& [index, seen] : seen_) {
        if (closed_now(index, seen)) {
            closed += (closed.empty() ? "" : ", ") + seen.link.name;
        }
    }
    api::Check check{.name = "until-judged", .ok = true, .detail = {}, .remedy = {}};
    if (const auto trouble = guard_.trouble(); trouble) {
        check.ok = false;
        check.detail =
            (guard_.in_place() ? "" : "interfaces are open until they are judged: ") + trouble->what;
        check.remedy = trouble->remedy;
    } else {
        check.detail = "stands in nftables; packets dropped so far: " + std::to_string(guard_.dropped()) +
                       "; closed now: " + (closed.empty() ? "none" : closed);
    }
    checks.push_back(std::move(check));
}

}  // namespace sekisho
