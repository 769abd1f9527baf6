// SPDX-License-Identifier: Apache-2.0
// `why`: the rules of bpf/policy.h once more, in words, over the same table and the same entries.
#include <algorithm>
#include <chrono>

#include "agent/dataplane/foreign_dynamic.h"
#include "agent/dataplane/reasons.h"
#include "agent/dataplane/state.h"

namespace sekisho::dataplane {

namespace {

constexpr std::uint16_t asked_port = 25;

// What is known of the two ends of the packet asked about.
struct Subject {
    const sekisho_segment* source = nullptr;
    const sekisho_segment* destination = nullptr;
    std::optional<sekisho_entry> entry;
    std::string from;
    std::string to;
    std::string pool;
    std::string key;
    std::string server;
    std::chrono::nanoseconds boottime{};
    bool enforced = true;  // the port
    bool foreign = false;  // the source is among the foreign dynamic addresses
    std::uint32_t flow_limit = 0;
    std::uint32_t window_s = 0;  // 0: connections aren't counted by time
    std::uint32_t window_limit = 0;
    const Config* config = nullptr;

    [[nodiscard]] bool in_pool() const { return (source->flags & SEKISHO_SEGMENT_POOL) != 0; }
    [[nodiscard]] bool flagged(sekisho_entry_flag flag) const { return entry && (entry->flags & flag) != 0; }
    [[nodiscard]] bool live_grant() const {
        return entry && (entry->flags & SEKISHO_ENTRY_GRANT) != 0 &&
               std::chrono::nanoseconds(entry->expires_ns) > boottime;
    }
};

std::string seconds_text(std::chrono::nanoseconds time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

// Which interfaces don't take the source, whatever it sends: it is not said by which one it comes in.
Step source_invalid(const Subject& subject) {
    std::string refusing;
    std::size_t refuse = 0;
    std::size_t subscribers = 0;
    bool validated = false;
    for (const InterfaceConfig& interface : subject.config->interfaces) {
        if (interface.side != Side::subscriber) {
            continue;
        }
        subscribers++;
        validated = validated || interface.validate_source;
        const bool takes =
            subject.in_pool() && (interface.pools.empty() || interface.pools.contains(subject.pool));
        if (interface.validate_source && !takes) {
            refuse++;
            refusing += (refusing.empty() ? "" : ", ") + interface.name;
        }
    }
    return {.rule = "source_invalid",
            .matched = refuse != 0 && refuse == subscribers,
            .detail = refuse != 0 ? "whatever " + subject.from + " sends is dropped by " + refusing
                      : validated ? "each interface that validates sources takes " + subject.from
                                  : "no interface validates sources"};
}

Step port_not_enforced(const Subject& subject) {
    const std::string port = "port " + std::to_string(asked_port);
    return {.rule = "port_not_enforced",
            .matched = !subject.enforced,
            .detail = subject.enforced ? port + " is enforced" : port + " is not among dataplane.ports"};
}

Step foreign_dynamic(const Subject& subject) {
    const bool own =
        subject.destination != nullptr && (subject.destination->flags & SEKISHO_SEGMENT_OWN) != 0;
    return {.rule = "foreign_dynamic",
            .matched = own && subject.foreign && !subject.in_pool(),
            .detail = subject.from + (subject.foreign ? " is" : " is not") + " a foreign dynamic address" +
                      (own ? ", and " + subject.to + " is closed to those" : "")};
}

Step quarantined(const Subject& subject) {
    const bool is = subject.in_pool() && subject.flagged(SEKISHO_ENTRY_QUARANTINE);
    return {.rule = "quarantined",
            .matched = is,
            .detail = subject.from + (is ? " is" : " is not") + " quarantined"};
}

Step designated(const Subject& subject) {
    if (subject.destination == nullptr) {
        return {.rule = "designated",
                .matched = false,
                .detail = "no destination given: as if to a server that is not designated"};
    }
    const bool is = (subject.destination->flags & SEKISHO_SEGMENT_DESIGNATED) != 0;
    return {.rule = "designated",
            .matched = is,
            .detail = subject.to +
                      (is ? " is the designated server " + subject.server : " is no designated server")};
}

Step no_pool(const Subject& subject) {
    return {.rule = "no_pool",
            .matched = !subject.in_pool(),
            .detail = subject.in_pool()
                          ? subject.from + " lies in the pool " + subject.pool + ", its key is " + subject.key
                          : subject.from + " lies in no pool: it is nobody's subscriber"};
}

Step exempt(const Subject& subject) {
    if ((subject.source->flags & SEKISHO_SEGMENT_EXEMPT) != 0) {
        return {.rule = "exempt", .matched = true, .detail = subject.from + " lies in an exempt prefix"};
    }
    const bool is = subject.flagged(SEKISHO_ENTRY_EXEMPT);
    return {.rule = "exempt", .matched = is, .detail = subject.key + (is ? " is exempt" : " is not exempt")};
}

Step overrun(const Subject& subject) {
    const bool is = subject.live_grant() && subject.flagged(SEKISHO_ENTRY_OVERRUN);
    return {
        .rule = "budget_exhausted",
        .matched = is,
        .detail = is ? "the grant for " + subject.key + " was used for more connections than it is good for"
                     : "no grant that was used too often"};
}

Step budget_exhausted(const Subject& subject) {
    if (!subject.entry || !subject.live_grant()) {
        return {.rule = "budget_exhausted", .matched = false, .detail = "no grant, so no budget"};
    }
    const sekisho_entry& entry = *subject.entry;
    if ((entry.flags & SEKISHO_ENTRY_UNLIMITED) != 0) {
        return {.rule = "budget_exhausted",
                .matched = false,
                .detail = "the grant for " + subject.key + " is good for any number of connections"};
    }
    const auto left = std::max<__s32>(entry.budget_left, 0);
    return {.rule = "budget_exhausted",
            .matched = left == 0,
            .detail = "the grant for " + subject.key + " is good for " + std::to_string(left) +
                      " more connections"};
}

Step too_many_flows(const Subject& subject) {
    const std::uint32_t flows = subject.entry ? subject.entry->flows : 0;
    return {.rule = "too_many_flows",
            .matched = subject.live_grant() && subject.flow_limit != 0 && flows >= subject.flow_limit,
            .detail = subject.key + " has " + std::to_string(flows) + " recorded connections of at most " +
                      std::to_string(subject.flow_limit)};
}

Step window_exhausted(const Subject& subject) {
    constexpr std::uint32_t numbers = 0xffff;
    Step step{
        .rule = "budget_exhausted",
        .matched = false,
        .detail = subject.window_s == 0 ? "connections aren't limited by time" : "no grant, so no window"};
    if (subject.window_s == 0 || !subject.entry || !subject.live_grant()) {
        return step;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(subject.boottime).count();
    const auto number = static_cast<std::uint32_t>(seconds / subject.window_s) & numbers;
    const std::uint32_t window = subject.entry->window;
    const std::uint32_t used = window >> 16U == number ? window & numbers : 0;
    step.matched = used >= subject.window_limit;
    step.detail = subject.key + " has opened " + std::to_string(used) + " connections of at most " +
                  std::to_string(subject.window_limit) + " within these " + std::to_string(subject.window_s) +
                  " s" + (step.matched ? ": one more ends its grant" : "");
    return step;
}

Step granted(const Subject& subject) {
    const std::uint32_t open = subject.entry ? subject.entry->flows : 0;
    const std::string outlived =
        open == 0
            ? ""
            : "; " + std::to_string(open) +
                  " connections that were opened under it go on (`sekisho grant revoke --kill` ends them)";
    if (!subject.entry || !subject.flagged(SEKISHO_ENTRY_GRANT)) {
        return {.rule = "granted", .matched = false, .detail = "no grant for " + subject.key + outlived};
    }
    const auto left = std::chrono::nanoseconds(subject.entry->expires_ns) - subject.boottime;
    if (left <= std::chrono::nanoseconds::zero()) {
        return {
            .rule = "granted",
            .matched = false,
            .detail = "the grant for " + subject.key + " ended " + seconds_text(-left) + " ago" + outlived};
    }
    return {.rule = "granted",
            .matched = true,
            .detail = "a grant for " + subject.key + " lives for " + seconds_text(left) + " more"};
}

Step not_granted(const Subject& subject) {
    return {.rule = "not_granted",
            .matched = true,
            .detail = "nothing opened port 25 for " + subject.key + "; pool " + subject.pool + " says " +
                      std::string(verdict_name(subject.source->action))};
}

Explanation walk(const Subject& subject) {
    Explanation explanation;
    for (const auto rule :
         {source_invalid, port_not_enforced, foreign_dynamic, quarantined, designated, no_pool, exempt,
          overrun, too_many_flows, window_exhausted, budget_exhausted, granted, not_granted}) {
        explanation.steps.push_back(rule(subject));
        const Step& step = explanation.steps.back();
        if (step.matched) {
            const bool blocks = step.rule == "quarantined" || step.rule == "budget_exhausted" ||
                                step.rule == "too_many_flows" || step.rule == "not_granted";
            explanation.verdict = step.rule == "foreign_dynamic"  ? verdict_name(subject.destination->action)
                                  : step.rule == "source_invalid" ? verdict_name(SEKISHO_DROP)
                                  : blocks                        ? verdict_name(subject.source->action)
                                                                  : verdict_name(SEKISHO_PASS);
            explanation.reason = step.rule;
            break;
        }
    }
    return explanation;
}

std::string server_of(const Config& config, const Address& address) {
    for (const DesignatedConfig& server : config.designated) {
        for (const Prefix& prefix : server.prefixes) {
            if (prefix.contains(address)) {
                return server.name;
            }
        }
    }
    return {};
}

}  // namespace

Result<Explanation> Dataplane::explain(const Address& source, const std::optional<Address>& destination,
                                       std::chrono::nanoseconds boottime) const {
    const auto& in_force = state_->table;
    if (!in_force) {
        return fail(Failure::unavailable, "no policy is in force yet");
    }
    if (destination && destination->family != source.family) {
        return fail(Failure::invalid,
                    source.text() + " and " + destination->text() + " are of different families",
                    "give two addresses of one family");
    }
    const Table& table = *in_force;
    Subject subject;
    subject.source = &table.source(source);
    subject.destination = destination ? &table.destination(*destination) : nullptr;
    subject.from = source.text();
    subject.boottime = boottime;
    subject.flow_limit = state_->config.dataplane.flows_per_subscriber;
    subject.window_s = state_->tables.in_force().window_s;
    subject.window_limit = state_->tables.in_force().window_limit;
    subject.config = &state_->config;
    subject.enforced =
        std::ranges::find(state_->config.dataplane.ports, asked_port) != state_->config.dataplane.ports.end();
    const auto foreign = is_foreign_dynamic(state_->kernel.ask_foreign(), source);
    if (!foreign) {
        return std::unexpected(foreign.error());
    }
    subject.foreign = *foreign;
    if (destination) {
        subject.to = destination->text();
        subject.server = server_of(state_->config, *destination);
    }
    if (subject.in_pool()) {
        const int length = subject.source->key_bits;
        const Prefix key{.address = source.masked(length), .length = length};
        subject.pool = state_->config.pools.at(subject.source->pool).name;
        subject.key = key.text();
        subject.entry = state_->entries.find(kernel_key(key));
    }
    return walk(subject);
}

}  // namespace sekisho::dataplane
