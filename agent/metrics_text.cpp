// SPDX-License-Identifier: Apache-2.0
// Metrics from a status.
#include "agent/metrics_text.h"

#include <utility>

#include "agent/base/metrics.h"

namespace sekisho {

std::string metrics_text(const api::Status& status, std::uint64_t store_errors) {
    constexpr auto counter = Metrics::Kind::counter;
    constexpr auto gauge = Metrics::Kind::gauge;
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
    metrics.declare("sekisho_interfaces", gauge, "Interfaces with a program");
    metrics.set("sekisho_interfaces", {}, static_cast<double>(status.interfaces));
    metrics.declare("sekisho_store_errors_total", counter, "Failed writes of the store");
    metrics.set("sekisho_store_errors_total", {}, static_cast<double>(store_errors));
    metrics.declare("sekisho_start_time_seconds", gauge, "When the agent started, Unix time");
    metrics.set("sekisho_start_time_seconds", {}, since);
    return metrics.text();
}

}  // namespace sekisho
