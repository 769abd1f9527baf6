// SPDX-License-Identifier: Apache-2.0
// The fast path: which interfaces its packets may leave by, and what an operator is told of it.
#include <algorithm>
#include <string>

#include "agent/base/log.h"
#include "agent/daemon.h"
#include "agent/links/frame_takers.h"

namespace sekisho {

void Daemon::refresh_fast_path() {
    if (std::ranges::none_of(config_.interfaces, &InterfaceConfig::fast_path)) {
        return;
    }
    auto takers = links::frame_takers();
    const auto set = dataplane_.set_frame_takers(takers ? *takers : std::set<unsigned>());
    const Error trouble = !takers ? takers.error() : !set ? set.error() : Error{};
    if (trouble.what != fast_path_trouble_.what && !trouble.what.empty()) {
        log::error("FAST_PATH_OFF", trouble.what, {{"remedy", trouble.remedy}});
    }
    fast_path_trouble_ = trouble;
}

std::string Daemon::ways_out(unsigned index) const {
    std::string names;
    for (const dataplane::Attachment& attachment : dataplane_.attachments()) {
        if (attachment.takes_frames && attachment.index != index) {
            names += (names.empty() ? "" : ", ") + attachment.interface;
        }
    }
    return names;
}

std::string Daemon::fast_path_of(const dataplane::Attachment& attachment) const {
    const auto seen = seen_.find(attachment.index);
    if (seen == seen_.end() || !seen->second.fast_path) {
        return "off";
    }
    return attachment.fast_path && !ways_out(attachment.index).empty() ? "on" : "stack";
}

void Daemon::check_fast_path(std::vector<api::Check>& checks) const {
    for (const dataplane::Attachment& attachment : dataplane_.attachments()) {
        const auto seen = seen_.find(attachment.index);
        if (seen == seen_.end() || !seen->second.fast_path) {
            continue;
        }
        api::Check check{.name = "fast-path-" + attachment.interface, .ok = true, .detail = {}, .remedy = {}};
        const std::string ways = ways_out(attachment.index);
        if (!attachment.fast_path) {
            check.ok = false;
            const bool native = attachment.mode == "xdp";
            check.detail =
                "its packets go by the stack: " + (native ? "there are more interfaces than the 63 that can"
                                                          : "it is attached as " + attachment.mode);
            check.remedy = native
                               ? "leave fast_path out, or attach fewer interfaces: the first 63 have it"
                               : "the fast path needs native XDP: `sekisho interface list` says why it isn't";
        } else if (!fast_path_trouble_.what.empty()) {
            check.ok = false;
            check.detail = "its packets go by the stack: " + fast_path_trouble_.what;
            check.remedy = fast_path_trouble_.remedy;
        } else if (ways.empty()) {
            check.ok = false;
            check.detail =
                "its packets go by the stack: no other interface of the configuration takes frames from XDP";
            check.remedy =
                "name the interfaces that packets leave by as [[interface]], too; they need native XDP, and "
                "of a "
                "veth the other end needs it or `ethtool -K NAME gro on`";
        } else {
            check.detail = "to " + ways;
        }
        checks.push_back(std::move(check));
    }
}

}  // namespace sekisho
