// SPDX-License-Identifier: Apache-2.0
// The agent's state in Prometheus' text format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/routes.h"
#include "agent/logins/gate.h"

namespace sekisho {

// What was read of a log, or of another host's.
struct LineCounts {
    std::string reporter;
    std::uint64_t lines = 0;
    std::uint64_t lost = 0;  // datagrams for which there was no room
};

// What closes interfaces until they are judged.
struct GuardCounts {
    bool in_place = false;
    std::uint64_t lost = 0;     // how often somebody has taken it away
    std::uint64_t dropped = 0;  // packets
};

// What a status doesn't say.
struct AgentCounts {
    std::uint64_t store_errors = 0;                             // how often the store could not be written
    std::uint64_t kernel_errors = 0;                            // changes that the kernel refused
    std::uint32_t unsent_events = 0;                            // for which the kernel had no room
    std::vector<std::pair<std::string, std::uint64_t>> locked;  // for failed logins, by kind
    logins::Gate::Counts gate;
    std::vector<LineCounts> logs;
    std::vector<std::pair<std::string, api::HttpCounts>> listeners;  // by the reporter's name, or the socket
    std::size_t sessions = 0;                                        // of subscribers
    std::uint64_t handed_over = 0;                                   // grants that ended with a session
    // Packets of RADIUS accounting, by what became of them; empty where it isn't taken.
    std::vector<std::pair<std::string, std::uint64_t>> radius;
    std::vector<api::InterfaceStatus> interfaces;
    std::optional<GuardCounts> guard;  // none where the configuration closes nothing
};

[[nodiscard]] std::string metrics_text(const api::Status& status, const AgentCounts& counts);

}  // namespace sekisho
