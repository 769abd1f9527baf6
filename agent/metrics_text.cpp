// SPDX-License-Identifier: Apache-2.0
// Metrics from a status.
#include "agent/metrics_text.h"

#include <utility>

#include "agent/base/metrics.h"

namespace sekisho {

namespace {

constexpr auto counter = Metrics::Kind::counter;
constexpr auto gauge = Metrics::Kind::gauge;

void add_listeners(Metrics& metrics, const AgentCounts& counts) {
    metrics.declare("sekisho_http_requests_total", counter, "Requests that could be read, by listener");
    metrics.declare("sekisho_http_turned_down_total", counter, "Clients turned down, by listener and why");
    for (const auto& [name, http] : counts.listeners) {
        metrics.set("sekisho_http_requests_total", {{"listener", name}}, static_cast<double>(http.requests));
        for (const auto& [why, value] :
             {std::pair{"malformed", http.malformed}, std::pair{"slow", http.slow},
              std::pair{"crowded_out", http.crowded_out}, std::pair{"turned_away", http.turned_away}}) {
            metrics.set("sekisho_http_turned_down_total", {{"listener", name}, {"why", why}},
                        static_cast<double>(value));
        }
    }
}

void add_logs(Metrics& metrics, const AgentCounts& counts) {
    metrics.declare("sekisho_log_lines_total", counter, "Lines of logs that were read, by reporter");
    metrics.declare("sekisho_syslog_lost_total", counter,
                    "Datagrams of syslog that came faster than they were read, by reporter");
    for (const LineCounts& log : counts.logs) {
        metrics.set("sekisho_log_lines_total", {{"reporter", log.reporter}}, static_cast<double>(log.lines));
        metrics.set("sekisho_syslog_lost_total", {{"reporter", log.reporter}}, static_cast<double>(log.lost));
    }
}

void add_gate(Metrics& metrics, const AgentCounts& counts) {
    metrics.declare("sekisho_lockouts", gauge, "Who is locked for failed logins, by kind");
    for (const auto& [kind, number] : counts.locked) {
        metrics.set("sekisho_lockouts", {{"kind", kind}}, static_cast<double>(number));
    }
    metrics.declare("sekisho_failed_logins_total", counter, "Failed logins that were counted");
    metrics.set("sekisho_failed_logins_total", {}, static_cast<double>(counts.gate.failed));
    metrics.declare("sekisho_logins_held_total", counter,
                    "Logins that were refused or delayed, by why: the access list, or failed ones before");
    for (const auto& [how, number] :
         {std::pair{"denied", counts.gate.denied}, std::pair{"refused", counts.gate.refused},
          std::pair{"delayed", counts.gate.delayed}}) {
        metrics.set("sekisho_logins_held_total", {{"how", how}}, static_cast<double>(number));
    }
}

// Without bytes: they stand in the sums.
void add_interfaces(Metrics& metrics, const AgentCounts& counts) {
    metrics.declare("sekisho_interface_packets_total", counter,
                    "Packets judged since the interface was attached, by reason and verdict");
    metrics.declare("sekisho_interface_unjudged_packets", gauge,
                    "Packets that came in, at most, before a program stood on the interface");
    for (const api::InterfaceStatus& interface : counts.interfaces) {
        if (interface.unjudged_packets) {
            metrics.set("sekisho_interface_unjudged_packets", {{"interface", interface.name}},
                        static_cast<double>(*interface.unjudged_packets));
        }
        if (!interface.counts) {
            continue;
        }
        for (const api::Count& count : *interface.counts) {
            metrics.set("sekisho_interface_packets_total",
                        {{"interface", interface.name}, {"reason", count.reason}, {"verdict", count.verdict}},
                        static_cast<double>(count.packets));
        }
    }
}

void add_guard(Metrics& metrics, const AgentCounts& counts) {
    if (!counts.guard) {
        return;
    }
    metrics.declare("sekisho_interface_closed", gauge,
                    "1 while an interface is closed because it isn't judged");
    for (const api::InterfaceStatus& interface : counts.interfaces) {
        metrics.set("sekisho_interface_closed", {{"interface", interface.name}}, interface.closed ? 1 : 0);
    }
    metrics.declare("sekisho_guard_in_place", gauge,
                    "1 while what closes interfaces until they are judged stands in nftables");
    metrics.set("sekisho_guard_in_place", {}, counts.guard->in_place ? 1 : 0);
    metrics.declare("sekisho_guard_lost_total", counter, "How often somebody has taken it away");
    metrics.set("sekisho_guard_lost_total", {}, static_cast<double>(counts.guard->lost));
    metrics.declare("sekisho_guard_dropped_packets", gauge,
                    "Packets that it has dropped since it was loaded first, when it was last looked at");
    metrics.set("sekisho_guard_dropped_packets", {}, static_cast<double>(counts.guard->dropped));
}

void add_sessions(Metrics& metrics, const AgentCounts& counts) {
    metrics.declare("sekisho_sessions", gauge, "Subscribers' sessions");
    metrics.set("sekisho_sessions", {}, static_cast<double>(counts.sessions));
    metrics.declare("sekisho_handed_over_total", counter, "Grants that ended with a session");
    metrics.set("sekisho_handed_over_total", {}, static_cast<double>(counts.handed_over));
    metrics.declare("sekisho_radius_packets_total", counter,
                    "Packets of RADIUS accounting, by what became of them");
    for (const auto& [result, packets] : counts.radius) {
        metrics.set("sekisho_radius_packets_total", {{"result", result}}, static_cast<double>(packets));
    }
}

}  // namespace

std::string metrics_text(const api::Status& status, const AgentCounts& counts) {
    Metrics metrics;
    metrics.declare("sekisho_packets_total", counter, "Packets judged, by reason and verdict");
    metrics.declare("sekisho_bytes_total", counter, "Bytes judged, by reason and verdict");
    for (const api::Count& count : status.counts) {
        const Metrics::Labels labels = {{"reason", count.reason}, {"verdict", count.verdict}};
        metrics.set("sekisho_packets_total", labels, static_cast<double>(count.packets));
        metrics.set("sekisho_bytes_total", labels, static_cast<double>(count.bytes));
    }
    metrics.declare("sekisho_logins_total", counter, "Logins reported, by reporter and result");
    for (const api::LoginCounts& login : status.logins) {
        for (const auto& [result, value] :
             {std::pair{"granted", login.granted}, std::pair{"refused", login.refused},
              std::pair{"rejected", login.rejected}}) {
            metrics.set("sekisho_logins_total", {{"reporter", login.name}, {"result", result}},
                        static_cast<double>(value));
        }
    }
    const double since = std::chrono::duration<double>(status.since.time_since_epoch()).count();
    metrics.declare("sekisho_grants", gauge, "Grants alive");
    metrics.set("sekisho_grants", {}, static_cast<double>(status.grants));
    metrics.declare("sekisho_exemptions", gauge, "Exemptions");
    metrics.set("sekisho_exemptions", {}, static_cast<double>(status.exemptions));
    metrics.declare("sekisho_flows", gauge, "Connections opened under grants and remembered");
    metrics.set("sekisho_flows", {}, static_cast<double>(status.flows));
    metrics.declare("sekisho_foreign_prefixes", gauge, "Prefixes in the list of foreign dynamic addresses");
    metrics.set("sekisho_foreign_prefixes", {}, static_cast<double>(status.foreign_prefixes));
    metrics.declare("sekisho_cool_downs", gauge, "Keys for which no login opens anything");
    metrics.set("sekisho_cool_downs", {}, static_cast<double>(status.cool_downs));
    metrics.declare("sekisho_quarantines", gauge, "Subscribers that an operator shut off");
    metrics.set("sekisho_quarantines", {}, static_cast<double>(status.quarantines));
    metrics.declare("sekisho_overruns_total", counter,
                    "Grants that were used more often than they were good for");
    metrics.set("sekisho_overruns_total", {}, static_cast<double>(status.overruns));
    metrics.declare("sekisho_interfaces", gauge, "Interfaces with a program");
    metrics.set("sekisho_interfaces", {}, static_cast<double>(status.interfaces));
    metrics.declare("sekisho_store_errors_total", counter, "Failed writes of the store");
    metrics.set("sekisho_store_errors_total", {}, static_cast<double>(counts.store_errors));
    metrics.declare("sekisho_kernel_errors_total", counter, "Changes that the kernel refused");
    metrics.set("sekisho_kernel_errors_total", {}, static_cast<double>(counts.kernel_errors));
    metrics.declare("sekisho_unsent_events_total", counter,
                    "Events that found no room on their way from the kernel; what they told of is looked up");
    metrics.set("sekisho_unsent_events_total", {}, static_cast<double>(counts.unsent_events));
    add_sessions(metrics, counts);
    add_listeners(metrics, counts);
    add_logs(metrics, counts);
    add_gate(metrics, counts);
    add_interfaces(metrics, counts);
    add_guard(metrics, counts);
    metrics.declare("sekisho_start_time_seconds", gauge, "When the agent started, Unix time");
    metrics.set("sekisho_start_time_seconds", {}, since);
    return metrics.text();
}

}  // namespace sekisho
