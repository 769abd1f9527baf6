// SPDX-License-Identifier: Apache-2.0
// The API's operations.
#include <unistd.h>

#include <algorithm>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/daemon.h"
#include "agent/metrics_text.h"
#include "bpf/sekisho_abi.h"

namespace sekisho {

namespace {

// ", by a pop3 login of alice that mail1 reported".
std::string opened_by(const grants::Grant& grant) {
    return ", by " + (grant.user.empty()
                          ? grant.source + (grant.reason.empty() ? "" : ": " + grant.reason)
                          : grant.reason + " of " + grant.user + " that " + grant.source + " reported");
}

std::string cool_down_text(const grants::CoolDown& cool_down) {
    const std::string grant = "grant" + (cool_down.user.empty() ? "" : " (" + cool_down.user + ")");
    return cool_down.cause == grants::CoolDownCause::overrun
               ? cool_down.key.text() + " opened more connections than its " + grant + " was good for"
               : "an operator revoked the " + grant + " of " + cool_down.key.text();
}

api::QuarantineStatus status_of(const grants::Quarantine& quarantine) {
    return {.key = quarantine.key, .note = quarantine.note, .since = quarantine.since};
}

api::ExemptionStatus status_of(const grants::Exemption& exemption) {
    return {.prefix = exemption.prefix, .note = exemption.note, .since = exemption.since};
}

api::Count count_of(const dataplane::Count& count) {
    return {.reason = count.reason, .verdict = count.verdict, .packets = count.packets, .bytes = count.bytes};
}

api::Check check_of(const dataplane::Check& check) {
    return {.name = check.name, .ok = check.ok, .detail = check.detail, .remedy = check.remedy};
}

std::vector<api::PoolStatus> pools_of(const Config& config) {
    std::vector<api::PoolStatus> pools;
    pools.reserve(config.pools.size());
    for (const PoolConfig& pool : config.pools) {
        pools.push_back(
            {.name = pool.name, .action = std::string(to_string(pool.action)), .prefixes = pool.prefixes});
    }
    return pools;
}

}  // namespace

api::Version Daemon::version() const {
    return {.version = SEKISHO_VERSION, .abi = SEKISHO_ABI_VERSION};
}

std::string Daemon::state() const {
    const auto [attached, missing] = subscriber_interfaces();
    if (attached == 0) {
        return "idle";
    }
    if (!missing.empty()) {
        return "incomplete";
    }
    const bool blocks = std::ranges::any_of(
        config_.pools, [](const PoolConfig& pool) { return pool.action != Action::monitor; });
    return blocks ? "enforcing" : "monitoring";
}

Result<api::Status> Daemon::status() const {
    const auto counts = dataplane_.counts();
    if (!counts) {
        return std::unexpected(counts.error());
    }
    const grants::Now now = read_clocks();
    api::Status status;
    status.since = since_;
    status.uptime = std::chrono::duration_cast<std::chrono::seconds>(now.wall - since_);
    status.pid = ::getpid();
    status.interfaces = dataplane_.attachments().size();
    status.state = state();
    status.grants = grants_.count(now);
    status.exemptions = grants_.exemptions().size();
    status.cool_downs = grants_.cool_downs(now).size();
    status.quarantines = grants_.quarantines().size();
    status.flows = flows_;
    status.foreign_prefixes = foreign_prefixes_;
    status.overruns = overrun_count_;
    status.pools = pools_of(config_);
    std::ranges::transform(*counts, std::back_inserter(status.counts), count_of);
    for (const api::ReporterStatus& reporter : reporters()) {
        status.logins.push_back({.name = reporter.name,
                                 .granted = reporter.granted,
                                 .refused = reporter.refused,
                                 .rejected = reporter.rejected});
    }
    return status;
}

// Whoever packs his mail into a tunnel isn't seen, unless the box is told to look inside.
void Daemon::check_tunnels(std::vector<api::Check>& checks) const {
    const auto counts = dataplane_.counts();
    if (!counts) {
        return;
    }
    for (const dataplane::Count& count : *counts) {
        if (count.reason == "tunnel") {
            checks.push_back(
                {.name = "tunnels",
                 .ok = false,
                 .detail = std::to_string(count.packets) + " packets of tunnels have passed unseen",
                 .remedy = "set tunnels = \"inspect\" for the interface, or put the box behind the "
                           "tunnels' end (AFTR, border relay)"});
        }
    }
}

void Daemon::check_listeners(std::vector<api::Check>& checks) const {
    const auto check = [&checks](const auto& section, const std::string& kind) {
        const bool local = is_local(section.listen);
        checks.push_back(
            {.name = "listener-" + section.name,
             .ok = local,
             .detail = section.listen.text() + " port " + std::to_string(section.port) +
                       (local ? "" : ": no interface of this host has the address, nobody can reach it"),
             .remedy = local ? "" : "compare `ip address` with listen of [[login." + kind + "]]"});
    };
    for (const DovecotConfig& section : config_.dovecot) {
        check(section, "dovecot");
    }
    for (const StalwartConfig& section : config_.stalwart) {
        check(section, "stalwart");
    }
    for (const SyslogConfig& section : config_.syslog) {
        check(section, "syslog");
    }
}

void Daemon::check_store(std::vector<api::Check>& checks) const {
    auto state = on_disk();
    if (const auto copied = store_.copy_trouble(); copied) {
        state = std::unexpected(*copied);
    }
    if (const auto& lost = store_lost_ ? store_lost_ : store_.left_out(); lost) {
        state = std::unexpected(*lost);
    }
    checks.push_back({.name = "store",
                      .ok = state.has_value(),
                      .detail = state ? config_.store.path.string() : state.error().what,
                      .remedy = state ? "" : state.error().remedy});
}

std::vector<api::Check> Daemon::doctor() const {
    std::vector<api::Check> checks;
    std::ranges::transform(dataplane::check_kernel(config_.dataplane.pin_path), std::back_inserter(checks),
                           check_of);
    check_interfaces(checks);
    check_guard(checks);
    check_tunnels(checks);
    check_foreign_dynamic(checks);
    check_logs(checks);
    check_radius(checks);
    check_events(checks);
    check_store(checks);
    checks.push_back({.name = "kernel-map",
                      .ok = kernel_errors_ == 0,
                      .detail = kernel_errors_ == 0 ? "has taken every change"
                                                    : "has refused changes since the start: " +
                                                          std::to_string(kernel_errors_) +
                                                          "; the last: " + kernel_trouble_.what,
                      .remedy = kernel_errors_ == 0 ? "" : kernel_trouble_.remedy});
    check_listeners(checks);
    for (const grants::Exemption& exemption : grants_.dormant_exemptions()) {
        checks.push_back(
            {.name = "exemption-" + exemption.prefix.text(),
             .ok = false,
             .detail = "it has no effect: it does not fit any pool",
             .remedy = "sekisho exempt remove " + exemption.prefix.text() + ", or mend the pools"});
    }
    return checks;
}

std::optional<std::vector<api::Count>> Daemon::counts_of(unsigned index) const {
    const auto counts = dataplane_.counts(index);
    if (!counts) {
        return std::nullopt;
    }
    const std::optional<std::vector<dataplane::Count>>& known = *counts;
    if (!known) {
        return std::nullopt;
    }
    std::vector<api::Count> list;
    std::ranges::transform(*known, std::back_inserter(list), count_of);
    return list;
}

std::vector<api::QuarantineStatus> Daemon::quarantines() const {
    std::vector<api::QuarantineStatus> list;
    for (const grants::Quarantine& quarantine : grants_.quarantines()) {
        list.push_back(status_of(quarantine));
    }
    return list;
}

Result<api::QuarantineStatus> Daemon::add_quarantine(const api::QuarantineOrder& order) {
    const auto actions = grants_.quarantine(order.address, order.note, read_clocks());
    if (!actions) {
        return std::unexpected(actions.error());
    }
    // What is shut stays shut, even if the disk can't be written: only the operator must know.
    auto applied = apply(*actions);
    if (applied) {
        applied = on_disk();
    }
    log::info("QUARANTINE_ADDED", "an operator shut a subscriber off",
              {{"address", order.address.text()}, {"note", order.note}, {"by", order.by}});
    audit({.name = "QUARANTINE_ADDED",
           .text = order.note,
           .key = key_or_itself(order.address),
           .by = order.by});
    if (!applied) {
        return std::unexpected(applied.error());
    }
    return status_of(grants_.quarantine_of(order.address).value_or(grants::Quarantine{}));
}

Result<void> Daemon::remove_quarantine(const api::QuarantineOrder& order) {
    const auto actions = grants_.release(order.address);
    if (!actions) {
        return std::unexpected(actions.error());
    }
    log::info("QUARANTINE_REMOVED", "an operator ended a quarantine",
              {{"address", order.address.text()}, {"by", order.by}});
    audit({.name = "QUARANTINE_REMOVED", .key = key_or_itself(order.address), .by = order.by});
    const auto applied = apply(*actions);
    return applied ? on_disk() : applied;
}

std::vector<api::ExemptionStatus> Daemon::exemptions() const {
    std::vector<api::ExemptionStatus> list;
    for (const grants::Exemption& exemption : grants_.exemptions()) {
        list.push_back(status_of(exemption));
    }
    return list;
}

Result<api::ExemptionStatus> Daemon::add_exemption(const api::ExemptionOrder& order) {
    const grants::Exemption exemption{
        .prefix = order.prefix, .note = order.note, .since = read_clocks().wall};
    const auto actions = grants_.exempt(exemption);
    if (!actions) {
        return std::unexpected(actions.error());
    }
    auto applied = apply(*actions);
    if (applied && !on_disk()) {  // a contract that works has been written down
        applied = fail(Failure::unavailable, "it can't be written to the disk: " + store_trouble_.what,
                       store_trouble_.remedy);
    }
    if (!applied) {
        if (const auto undone = grants_.remove_exemption(order.prefix)) {
            if (auto removed = apply(*undone); !removed) {
                log::error("KERNEL_FAILED", removed.error().what, {{"remedy", removed.error().remedy}});
            }
        }
        return std::unexpected(applied.error());
    }
    log::info("EXEMPTION_ADDED", "an operator exempted a prefix",
              {{"prefix", order.prefix.text()}, {"note", order.note}, {"by", order.by}});
    audit({.name = "EXEMPTION_ADDED", .text = order.note, .key = order.prefix, .by = order.by});
    return status_of(exemption);
}

Result<void> Daemon::remove_exemption(const api::ExemptionOrder& order) {
    const auto actions = grants_.remove_exemption(order.prefix);
    if (!actions) {
        return std::unexpected(actions.error());
    }
    log::info("EXEMPTION_REMOVED", "an operator ended an exemption",
              {{"prefix", order.prefix.text()}, {"by", order.by}});
    audit({.name = "EXEMPTION_REMOVED", .key = order.prefix, .by = order.by});
    const auto applied = apply(*actions);
    return applied ? on_disk() : applied;
}

Result<api::Why> Daemon::why(const Address& address, const std::optional<Address>& destination) const {
    const auto explanation = dataplane_.explain(address, destination, read_clocks().boottime);
    if (!explanation) {
        return std::unexpected(explanation.error());
    }
    api::Why why{.address = address,
                 .destination = destination,
                 .verdict = explanation->verdict,
                 .reason = explanation->reason,
                 .steps = {}};
    const auto [attached, missing] = subscriber_interfaces();
    why.steps.push_back(
        {.rule = "attached",
         .matched = attached == 0,
         .detail = attached == 0     ? "no subscriber interface has the program: everything passes"
                   : missing.empty() ? "subscriber interfaces have the program"
                                     : "NOT ALL subscriber interfaces have the program; what comes in by "
                                       "these passes: " +
                                           missing});
    if (attached == 0) {
        why.verdict = "pass";
        why.reason = "attached";
        return why;
    }
    for (const dataplane::Step& step : explanation->steps) {
        why.steps.push_back({.rule = step.rule, .matched = step.matched, .detail = step.detail});
    }
    if (const auto shut = grants_.quarantine_of(address); shut && !shut->note.empty()) {
        for (api::Step& step : why.steps) {
            step.detail += step.rule == "quarantined" ? ": " + shut->note : "";
        }
    }
    const grants::Now now = read_clocks();
    if (const auto grant = grants_.find(address, now)) {
        for (api::Step& step : why.steps) {
            if (step.rule == "granted") {
                step.detail +=
                    (grant->scope(now).edge ? "" : "; the relay alone is open") + opened_by(*grant);
            }
        }
    }
    if (sessions_.size() != 0) {
        why.steps.push_back(session_step(address));
    }
    if (const auto cooling = grants_.cool_down_of(address, now)) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(cooling->until - now.boottime);
        why.steps.push_back({.rule = "cool_down",
                             .matched = false,
                             .detail = cool_down_text(*cooling) + ": no login opens anything for another " +
                                       duration_text(left)});
    }
    std::ranges::move(decision_steps(address), std::back_inserter(why.steps));
    return why;
}

std::string Daemon::metrics() const {
    const auto now = status();
    if (!now) {
        return {};
    }
    AgentCounts counts{.store_errors = store_errors_,
                       .kernel_errors = kernel_errors_,
                       .unsent_events = dataplane_.unsent_events(),
                       .locked = locked(),
                       .gate = gate_.counts(),
                       .logs = {},
                       .listeners = {},
                       .sessions = sessions_.size(),
                       .handed_over = handed_over_,
                       .radius = {},
                       .interfaces = interfaces(),
                       .guard = {}};
    if (guard_.closes()) {
        counts.guard = {.in_place = guard_.in_place(), .lost = guard_.lost(), .dropped = guard_.dropped()};
    }
    if (radius_) {
        const auto& radius = radius_->counts();
        counts.radius = {{"answered", radius.answers},      {"stranger", radius.strangers},
                         {"refused", radius.refused},       {"malformed", radius.malformed},
                         {"unrecorded", radius.unrecorded}, {"lost", radius.lost}};
    }
    for (const auto& source : logs_) {
        counts.logs.push_back({.reporter = source->name(), .lines = source->lines(), .lost = 0});
    }
    for (const auto& source : journals_) {
        counts.logs.push_back({.reporter = source->name(), .lines = source->lines(), .lost = 0});
    }
    for (const auto& source : syslog_) {
        counts.logs.push_back({.reporter = source->name(), .lines = source->lines(), .lost = source->lost()});
    }
    if (api_) {
        counts.listeners.emplace_back(config_.api.socket.string(), api_->counts());
    }
    for (const auto& policy : policies_) {
        counts.listeners.emplace_back(policy->name(), policy->http_counts());
    }
    for (const auto& webhook : webhooks_) {
        counts.listeners.emplace_back(webhook->name(), webhook->http_counts());
    }
    return metrics_text(*now, counts);
}

}  // namespace sekisho
