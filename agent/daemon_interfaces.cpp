// SPDX-License-Identifier: Apache-2.0
// The interfaces, as an operator asks about them.
#include <string>
#include <utility>

#include "agent/daemon.h"
#include "agent/dataplane/offloads.h"

namespace sekisho {

std::pair<std::size_t, std::string> Daemon::subscriber_interfaces() const {
    std::size_t attached = 0;
    std::string missing;
    for (const auto& [index, seen] : seen_) {
        if (seen.side != Side::subscriber) {
            continue;
        }
        if (!seen.trouble) {
            attached++;
        } else {
            missing += (missing.empty() ? "" : ", ") + seen.link.name;
        }
    }
    return {attached, missing};
}

void Daemon::check_interfaces(std::vector<api::Check>& checks) const {
    for (const dataplane::Attachment& attachment : dataplane_.attachments()) {
        for (dataplane::Check& check : dataplane::check_interface(attachment)) {
            checks.push_back({.name = std::move(check.name),
                              .ok = check.ok,
                              .detail = std::move(check.detail),
                              .remedy = std::move(check.remedy)});
        }
    }
    check_fast_path(checks);
    for (const auto& [index, seen] : seen_) {
        if (seen.trouble) {
            checks.push_back({.name = "attached-" + seen.link.name,
                              .ok = false,
                              .detail = seen.trouble->what,
                              .remedy = seen.trouble->remedy});
        }
    }
    const std::string remedy = "compare the [[interface]] sections with `ip link`";
    if (seen_.empty()) {
        checks.push_back({.name = "interfaces",
                          .ok = false,
                          .detail = "no interface fits the configuration's names: nothing is enforced",
                          .remedy = remedy});
    }
    for (const std::string& name : missing_interfaces()) {
        // That a pattern fits nothing can be right: ppp* before the first session.
        const bool pattern = name.find_first_of("*?[\\") != std::string::npos;
        checks.push_back({.name = "interface-" + name,
                          .ok = pattern,
                          .detail = pattern ? "no interface fits this pattern at the moment"
                                            : "no interface has this name; it is attached when it appears",
                          .remedy = pattern ? "" : remedy});
    }
}

std::vector<api::InterfaceStatus> Daemon::interfaces() const {
    std::vector<api::InterfaceStatus> list;
    for (const dataplane::Attachment& attachment : dataplane_.attachments()) {
        list.push_back({.name = attachment.interface,
                        .index = attachment.index,
                        .side = std::string(to_string(attachment.side)),
                        .driver = dataplane::driver_of(attachment.interface),
                        .mode = attachment.mode,
                        .why = attachment.why,
                        .program = attachment.program,
                        .fast_path = fast_path_of(attachment),
                        .attached = true,
                        .closed = false,
                        .unjudged_packets = {},
                        .unjudged_time = {},
                        .counts = counts_of(attachment.index)});
        if (const auto seen = seen_.find(attachment.index); seen != seen_.end()) {
            list.back().closed = closed_now(attachment.index, seen->second);
            list.back().unjudged_packets = seen->second.unjudged.packets;
            list.back().unjudged_time = seen->second.unjudged.time;
        }
    }
    for (const auto& [index, seen] : seen_) {
        if (seen.trouble) {
            list.push_back({.name = seen.link.name,
                            .index = index,
                            .side = std::string(to_string(seen.side)),
                            .driver = dataplane::driver_of(seen.link.name),
                            .mode = {},
                            .why = seen.trouble->what,
                            .program = 0,
                            .fast_path = "off",
                            .attached = false,
                            .closed = closed_now(index, seen),
                            .unjudged_packets = {},
                            .unjudged_time = {},
                            .counts = {}});
        }
    }
    return list;
}

}  // namespace sekisho
