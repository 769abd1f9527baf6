// SPDX-License-Identifier: Apache-2.0
// The names, in the order of enum sekisho_reason.
#include "agent/dataplane/reasons.h"

#include <array>

#include "bpf/sekisho_abi.h"

namespace sekisho::dataplane {

namespace {

constexpr std::array<std::string_view, 33> reasons = {
    "no_table",          "frame_truncated", "not_ip",         "tags_too_deep",
    "mpls_too_deep",     "pppoe_malformed", "ipv4_malformed", "ipv6_malformed",
    "source_invalid",    "tunnel",          "later_fragment", "fragment_at_one",
    "tiny_fragment",     "tcp_malformed",   "header_chain",   "not_tcp",
    "port_not_enforced", "foreign_dynamic", "quarantined",    "designated",
    "no_pool",           "exempt",          "flow",           "granted",
    "budget_exhausted",  "not_granted",     "uplink",         "uplink_reply",
    "uplink_inbound",    "mpls_not_ip",     "ppp_not_ip",     "too_many_flows",
    "flow_unrecorded",
};
static_assert(reasons.size() == SEKISHO_REASON_FLOW_UNRECORDED + 1, "a name for each reason");

constexpr std::array<std::string_view, 7> verdicts = {"pass",     "monitor", "drop",   "reset",
                                                      "prohibit", "explain", "forward"};
static_assert(verdicts.size() == SEKISHO_FORWARD + 1, "a name for each verdict");

}  // namespace

std::string_view reason_name(unsigned reason) {
    return reason < reasons.size() ? reasons.at(reason) : "unknown";
}

std::string_view verdict_name(unsigned verdict) {
    return verdict < verdicts.size() ? verdicts.at(verdict) : "unknown";
}

}  // namespace sekisho::dataplane
