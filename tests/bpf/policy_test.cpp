// SPDX-License-Identifier: Apache-2.0
// The rows that judge a TCP segment by port, destination and what is known of its source. Names begin with
// the row's; those with "Near" are the nearest miss, which must fall into another row.
#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr std::uint8_t granted = SEKISHO_ENTRY_GRANT;
constexpr std::uint8_t exempt = SEKISHO_ENTRY_EXEMPT;
constexpr std::uint8_t quarantined = SEKISHO_ENTRY_QUARANTINE;
constexpr auto blocked = SEKISHO_REASON_NOT_GRANTED;

// A SYN to port 25, in the family of its source.
Packet syn(const std::string& from, const std::string& to = {}) {
    const bool six = from.find(':') != std::string::npos;
    auto packet = Eth();
    if (six) {
        packet.IPv6(from, to.empty() ? mx6 : to);
    } else {
        packet.IPv4(from, to.empty() ? mx4 : to);
    }
    return packet.Tcp(1024, 25).Syn();
}

std::vector<Case> ports() {
    constexpr auto other = SEKISHO_REASON_PORT_NOT_ENFORCED;
    const auto to4 = [](std::uint16_t port) { return Eth().IPv4(reset4, mx4).Tcp(25, port).Syn(); };
    const auto to6 = [](std::uint16_t port) { return Eth().IPv6(reset6, mx6).Tcp(25, port).Syn(); };
    return {
        {"PortNotEnforced26In4", to4(26), other, SEKISHO_PASS},
        {"PortNotEnforced587In4", to4(587), other, SEKISHO_PASS},
        {"PortNotEnforcedSwappedIn4", to4(25 << 8), other, SEKISHO_PASS},
        {"PortNotEnforcedZeroIn4", to4(0), other, SEKISHO_PASS},
        {"PortNotEnforced465In6", to6(465), other, SEKISHO_PASS},
        {"PortNotEnforcedZeroIn6", to6(0), other, SEKISHO_PASS},
        {"PortNotEnforcedQuarantined",
         to4(443),
         other,
         SEKISHO_PASS,
         {{.address = reset4, .flags = quarantined}}},
        {"PortNotEnforcedNear4", to4(25), blocked, SEKISHO_RESET},
        {"PortNotEnforcedNear6", to6(25), blocked, SEKISHO_RESET},
    };
}

std::vector<Case> quarantines() {
    constexpr auto reason = SEKISHO_REASON_QUARANTINED;
    const auto known = [](const char* address, int key_bits, std::uint8_t more = 0) {
        return std::vector{Known{.address = address,
                                 .key_bits = key_bits,
                                 .flags = static_cast<std::uint8_t>(quarantined | more)}};
    };
    return {
        {"QuarantinedReset4", syn(reset4), reason, SEKISHO_RESET, known(reset4, 32)},
        {"QuarantinedDrop4", syn(drop4), reason, SEKISHO_DROP, known(drop4, 32)},
        {"QuarantinedMonitor4", syn(monitor4), reason, SEKISHO_MONITOR, known(monitor4, 32)},
        {"QuarantinedReset6", syn(reset6), reason, SEKISHO_RESET, known(reset6, 64)},
        {"QuarantinedDrop6", syn(drop6), reason, SEKISHO_DROP, known(drop6, 56)},
        {"QuarantinedMonitor6", syn(monitor6), reason, SEKISHO_MONITOR, known(monitor6, 60)},
        {"QuarantinedBeforeDesignated4", syn(drop4, designated4), reason, SEKISHO_DROP, known(drop4, 32)},
        {"QuarantinedBeforeDesignated6", syn(drop6, designated6), reason, SEKISHO_DROP, known(drop6, 56)},
        {"QuarantinedBeforeGrant", syn(drop4), reason, SEKISHO_DROP, known(drop4, 32, granted)},
        {"QuarantinedBeforeExemption", syn(drop4), reason, SEKISHO_DROP, known(drop4, 32, exempt)},
        {"QuarantinedBeforeWideExemption", syn(exempt4), reason, SEKISHO_RESET, known(exempt4, 32)},
        {"QuarantinedNearNeighbour4", syn("192.0.2.131"), blocked, SEKISHO_DROP, known(drop4, 32)},
        {"QuarantinedNearNeighbour6", syn("2001:db8:200:107::7"), blocked, SEKISHO_DROP, known(drop6, 56)},
    };
}

std::vector<Case> foreigners() {
    constexpr auto reason = SEKISHO_REASON_FOREIGN_DYNAMIC;
    constexpr auto no_pool = SEKISHO_REASON_NO_POOL;
    constexpr auto designated = SEKISHO_REASON_DESIGNATED;
    return {
        {"ForeignDynamic4", syn(foreign4, designated4), reason, SEKISHO_DROP},
        {"ForeignDynamic6", syn(foreign6, designated6), reason, SEKISHO_DROP},
        {"ForeignDynamicAddress", syn("203.0.113.240", designated4), reason, SEKISHO_DROP},
        {"ForeignDynamicToAnOwnServerOnly", syn(foreign4, "198.51.100.24"), reason, SEKISHO_DROP},
        {"ForeignDynamicData", Eth().IPv4(foreign4, designated4).Tcp(40001, 25).Flags(0x18).Payload(9),
         reason, SEKISHO_DROP},
        {"ForeignDynamicFirst", syn("203.0.113.192", designated4), reason, SEKISHO_DROP},
        {"ForeignDynamicLast", syn("203.0.113.223", designated4), reason, SEKISHO_DROP},
        {"ForeignDynamicNearBelow", syn("203.0.113.191", designated4), designated, SEKISHO_PASS},
        {"ForeignDynamicNearAbove", syn("203.0.113.224", designated4), designated, SEKISHO_PASS},
        {"ForeignDynamicNearNeighbour", syn("203.0.113.241", "198.51.100.24"), no_pool, SEKISHO_PASS},
        {"ForeignDynamicNearBelow6", syn("2001:db8:76ff::7", "2001:db8:25::1"), no_pool, SEKISHO_PASS},
        {"ForeignDynamicNearOthersServer4", syn(foreign4), no_pool, SEKISHO_PASS},
        {"ForeignDynamicNearOthersServer6", syn(foreign6), no_pool, SEKISHO_PASS},
        {"ForeignDynamicNearOwnSubscriber4", syn(reset4, designated4), designated, SEKISHO_PASS},
        {"ForeignDynamicNearOwnSubscriber6", syn(drop6, designated6), designated, SEKISHO_PASS},
        {"ForeignDynamicNearOtherPort", Eth().IPv4(foreign4, designated4).Tcp(40001, 587).Syn(),
         SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS},
        {"ForeignDynamicMapped", syn("::ffff:203.0.113.200", "2001:db8:25::1"), reason, SEKISHO_DROP},
    };
}

std::vector<Case> destinations() {
    constexpr auto designated = SEKISHO_REASON_DESIGNATED;
    constexpr auto no_pool = SEKISHO_REASON_NO_POOL;
    return {
        {"Designated4", syn(reset4, designated4), designated, SEKISHO_PASS},
        {"Designated6", syn(reset6, designated6), designated, SEKISHO_PASS},
        {"DesignatedStranger4", syn(stranger4, designated4), designated, SEKISHO_PASS},
        {"DesignatedGranted",
         syn(drop4, designated4),
         designated,
         SEKISHO_PASS,
         {{.address = drop4, .flags = granted}}},
        {"DesignatedNearBelow4", syn(reset4, "198.51.100.24"), blocked, SEKISHO_RESET},
        {"DesignatedNearAbove4", syn(reset4, "198.51.100.26"), blocked, SEKISHO_RESET},
        {"DesignatedNearBelow6", syn(reset6, "2001:db8:25::24"), blocked, SEKISHO_RESET},
        {"DesignatedNearAbove6", syn(reset6, "2001:db8:25::26"), blocked, SEKISHO_RESET},
        {"NoPool4", syn(stranger4), no_pool, SEKISHO_PASS},
        {"NoPoolLowest4", syn("0.0.0.0"), no_pool, SEKISHO_PASS},
        {"NoPoolHighest4", syn("255.255.255.255"), no_pool, SEKISHO_PASS},
        {"NoPoolBelow4", syn("192.0.1.255"), no_pool, SEKISHO_PASS},
        {"NoPoolAbove4", syn("192.0.3.0"), no_pool, SEKISHO_PASS},
        {"NoPoolDesignatedItself4", syn(designated4), no_pool, SEKISHO_PASS},
        {"NoPoolBelowWithoutASearch", syn("198.17.255.255"), no_pool, SEKISHO_PASS},
        {"NoPoolAboveWithoutASearch", syn("198.20.0.0"), no_pool, SEKISHO_PASS},
        {"NoPool6", syn(stranger6), no_pool, SEKISHO_PASS},
        {"NoPoolLowest6", syn("::"), no_pool, SEKISHO_PASS},
        {"NoPoolHighest6", syn("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), no_pool, SEKISHO_PASS},
        {"NoPoolBelow6", syn("2001:db8:ff:ffff:ffff:ffff:ffff:ffff"), no_pool, SEKISHO_PASS},
        {"NoPoolAbove6", syn("2001:db8:101::"), no_pool, SEKISHO_PASS},
        {"NoPoolMapped4", syn("::ffff:192.0.2.7"), no_pool, SEKISHO_PASS},
        {"NoPoolNearFirst4", syn("192.0.2.0"), blocked, SEKISHO_RESET},
        {"NoPoolNearLast4", syn("192.0.2.255"), blocked, SEKISHO_MONITOR},
        {"NoPoolNearFirst6", syn("2001:db8:100::"), blocked, SEKISHO_RESET},
        {"NoPoolNearLast6", syn("2001:db8:100:feff:ffff:ffff:ffff:ffff"), blocked, SEKISHO_RESET},
    };
}

std::vector<Case> exemptions() {
    constexpr auto reason = SEKISHO_REASON_EXEMPT;
    const auto known = [](const char* address, int key_bits) {
        return std::vector{Known{.address = address, .key_bits = key_bits, .flags = exempt, .seconds = -600}};
    };
    return {
        {"ExemptKey4", syn(reset4), reason, SEKISHO_PASS, known(reset4, 32)},
        {"ExemptKey6", syn(reset6), reason, SEKISHO_PASS, known(reset6, 64)},
        {"ExemptKeyMonitor", syn(monitor4), reason, SEKISHO_PASS, known(monitor4, 32)},
        {"ExemptBeforeGrant",
         syn(drop4),
         reason,
         SEKISHO_PASS,
         {{.address = drop4, .flags = static_cast<std::uint8_t>(exempt | granted)}}},
        {"ExemptWide4", syn(exempt4), reason, SEKISHO_PASS},
        {"ExemptWideFirst4", syn("192.0.2.64"), reason, SEKISHO_PASS},
        {"ExemptWideLast4", syn("192.0.2.79"), reason, SEKISHO_PASS},
        {"ExemptWide6", syn(exempt6), reason, SEKISHO_PASS},
        {"ExemptNearKey4", syn("192.0.2.8"), blocked, SEKISHO_RESET, known(reset4, 32)},
        {"ExemptNearKey6", syn("2001:db8:100:8::7"), blocked, SEKISHO_RESET, known(reset6, 64)},
        {"ExemptNearWideBelow4", syn("192.0.2.63"), blocked, SEKISHO_RESET},
        {"ExemptNearWideAbove4", syn("192.0.2.80"), blocked, SEKISHO_RESET},
        {"ExemptNearWideBelow6", syn("2001:db8:100:feff::"), blocked, SEKISHO_RESET},
    };
}

std::vector<Case> grants() {
    constexpr auto reason = SEKISHO_REASON_GRANTED;
    const auto grant = [](const char* address, int key_bits, std::int64_t seconds = 600) {
        return std::vector{
            Known{.address = address, .key_bits = key_bits, .flags = granted, .seconds = seconds}};
    };
    auto lost_entry = grant(drop4, 32);
    lost_entry[0].entry = false;
    auto lost_bit = grant(drop4, 32);
    lost_bit[0].bit = false;
    auto nothing_said = grant(drop4, 32);
    nothing_said[0].flags = 0;
    return {
        {"GrantedWithoutASearch", syn(wide4), reason, SEKISHO_PASS, grant(wide4, 32)},
        {"Granted4", syn(reset4), reason, SEKISHO_PASS, grant(reset4, 32)},
        {"GrantedMonitor4", syn(monitor4), reason, SEKISHO_PASS, grant(monitor4, 32)},
        {"GrantedInsideWideExemptionIsExempt", syn(exempt4), SEKISHO_REASON_EXEMPT, SEKISHO_PASS,
         grant(exempt4, 32)},
        {"GrantedData4", Eth().IPv4(reset4, mx4).Tcp(1024, 25).Flags(0x18).Payload(100), reason, SEKISHO_PASS,
         grant(reset4, 32)},
        {"GrantedKey48", syn("2001:db8:40f:ffff::1"), reason, SEKISHO_PASS, grant("2001:db8:40f::", 48)},
        {"GrantedKey56", syn("2001:db8:200:ff::1"), reason, SEKISHO_PASS, grant(drop6, 56)},
        {"GrantedKey60", syn("2001:db8:300:f::1"), reason, SEKISHO_PASS, grant(monitor6, 60)},
        {"GrantedKey64", syn("2001:db8:100:7:ffff:ffff:ffff:ffff"), reason, SEKISHO_PASS, grant(reset6, 64)},
        {"GrantedKey96", syn("2001:db8:600::7:0:8"), reason, SEKISHO_PASS, grant("2001:db8:600::7:0:0", 96)},
        {"GrantedKey128", syn("2001:db8:500::8"), reason, SEKISHO_PASS, grant("2001:db8:500::8", 128)},
        {"GrantedHashed4", syn(hashed4), reason, SEKISHO_PASS, grant(hashed4, 32)},
        {"GrantedHashed6", syn("2001:db8:1fff:ffff::1"), reason, SEKISHO_PASS,
         grant("2001:db8:1fff:ffff::", 64)},
        {"GrantedNearExpired4", syn(drop4), blocked, SEKISHO_DROP, grant(drop4, 32, -1)},
        {"GrantedNearExpired6", syn(drop6), blocked, SEKISHO_DROP, grant(drop6, 56, -1)},
        {"GrantedNearNeighbour4", syn("192.0.2.129"), blocked, SEKISHO_DROP, grant(drop4, 32)},
        {"GrantedNearKey48", syn("2001:db8:40e::"), blocked, SEKISHO_DROP, grant("2001:db8:40f::", 48)},
        {"GrantedNearKey56", syn("2001:db8:200:100::"), blocked, SEKISHO_DROP, grant(drop6, 56)},
        {"GrantedNearKey60", syn("2001:db8:300:10::"), blocked, SEKISHO_MONITOR, grant(monitor6, 60)},
        {"GrantedNearKey64", syn("2001:db8:100:8::7"), blocked, SEKISHO_RESET, grant(reset6, 64)},
        {"GrantedNearKey96", syn("2001:db8:600::8:0:8"), blocked, SEKISHO_DROP,
         grant("2001:db8:600::7:0:0", 96)},
        {"GrantedNearKey128", syn("2001:db8:500::9"), blocked, SEKISHO_DROP, grant("2001:db8:500::8", 128)},
        {"GrantedNearBitWithoutEntry", syn(drop4), blocked, SEKISHO_DROP, lost_entry},
        {"GrantedNearEntryWithoutBit", syn(drop4), blocked, SEKISHO_DROP, lost_bit},
        {"GrantedNearEntryThatSaysNothing", syn(drop4), blocked, SEKISHO_DROP, nothing_said},
    };
}

std::vector<Case> blocks() {
    const auto segment = [](std::uint8_t flags) {
        return Eth().IPv4(drop4, mx4).Tcp(1024, 25).Flags(flags).Payload(10);
    };
    return {
        {"NotGrantedReset4", syn(reset4), blocked, SEKISHO_RESET},
        {"NotGrantedDrop4", syn(drop4), blocked, SEKISHO_DROP},
        {"NotGrantedMonitor4", syn(monitor4), blocked, SEKISHO_MONITOR},
        {"NotGrantedReset6", syn(reset6), blocked, SEKISHO_RESET},
        {"NotGrantedDrop6", syn(drop6), blocked, SEKISHO_DROP},
        {"NotGrantedMonitor6", syn(monitor6), blocked, SEKISHO_MONITOR},
        {"NotGrantedWithoutASearch", syn(wide4), blocked, SEKISHO_DROP},
        {"NotGrantedResetWithoutASearch", syn(wide_reset4), blocked, SEKISHO_RESET},
        {"NotGrantedMonitorWithoutASearch", syn(wide_monitor4), blocked, SEKISHO_MONITOR},
        {"NotGrantedFirstWithoutASearch", syn("198.18.0.0"), blocked, SEKISHO_DROP},
        {"NotGrantedLastWithoutASearch", syn("198.19.255.255"), blocked, SEKISHO_DROP},
        {"NotGrantedNeighbour",
         syn("198.18.7.8"),
         blocked,
         SEKISHO_DROP,
         {{.address = wide4, .flags = granted}}},
        {"NotGrantedAck", segment(0x10), blocked, SEKISHO_DROP},
        {"NotGrantedFin", segment(0x11), blocked, SEKISHO_DROP},
        {"NotGrantedReset", segment(0x04), blocked, SEKISHO_DROP},
        {"NotGrantedNoFlags", segment(0), blocked, SEKISHO_DROP},
    };
}

class PolicyCase : public Judged {};

TEST_P(PolicyCase, Verdict) {
    judge(std::get<Kind>(GetParam()), std::get<Case>(GetParam()));
}

auto each(std::vector<Case> (*cases)()) {
    return testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Values(by_hand(), by_agent()),
                            testing::ValuesIn(cases()));
}

INSTANTIATE_TEST_SUITE_P(Ports, PolicyCase, each(ports), name_of);
INSTANTIATE_TEST_SUITE_P(Quarantines, PolicyCase, each(quarantines), name_of);
INSTANTIATE_TEST_SUITE_P(Foreigners, PolicyCase, each(foreigners), name_of);
INSTANTIATE_TEST_SUITE_P(Destinations, PolicyCase, each(destinations), name_of);
INSTANTIATE_TEST_SUITE_P(Exemptions, PolicyCase, each(exemptions), name_of);
INSTANTIATE_TEST_SUITE_P(Grants, PolicyCase, each(grants), name_of);
INSTANTIATE_TEST_SUITE_P(Blocks, PolicyCase, each(blocks), name_of);

}  // namespace
}  // namespace sekisho::bpftest
