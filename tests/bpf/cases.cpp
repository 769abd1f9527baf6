// SPDX-License-Identifier: Apache-2.0
// Running the cases.
#include "tests/bpf/cases.h"

#include <linux/if_tun.h>

#include <array>
#include <chrono>

#include "tests/bpf/beyond.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {

void PrintTo(const Case& tested, std::ostream* out) {
    *out << tested.name;
}

void PrintTo(const Filler& filler, std::ostream* out) {
    *out << filler.name;
}

void PrintTo(Fate fate, std::ostream* out) {
    constexpr std::array names{"passed", "dropped", "answered", "other"};
    *out << names.at(static_cast<std::size_t>(fate));
}

Fate fate_of(sekisho_verdict verdict) {
    switch (verdict) {
        case SEKISHO_PASS:
        case SEKISHO_MONITOR:
            return Fate::passed;
        case SEKISHO_RESET:
        case SEKISHO_PROHIBIT:
            return Fate::answered;
        default:
            return Fate::dropped;
    }
}

const Filler& by_hand() {
    static const Filler filler{
        "Hand", [](sekisho_table& table) -> std::function<std::optional<std::uint32_t>(std::string_view)> {
            table = example_table().data();
            return [](std::string_view address) { return example_table().bit_of(address); };
        }};
    return filler;
}

void fresh_table() {
    auto& programs = Programs::get();
    programs.reset();
    by_hand().fill(programs.table());
}

void Judged::SetUp() {
    auto& programs = Programs::get();
    const auto& [kind, filler, tested] = GetParam();
    programs.reset();
    programs.put_foreign(example_policy().foreign);
    const auto bit_of = filler.fill(programs.table());
    for (const auto& known : tested.known) {
        tell(known, bit_of);
    }
}

std::string name_of(const testing::TestParamInfo<Judged::ParamType>& info) {
    const auto& [kind, filler, tested] = info.param;
    return name(kind) + "_" + filler.name + "_" + tested.name;
}

void tell(const Known& known, const std::function<std::optional<std::uint32_t>(std::string_view)>& bit_of) {
    auto& programs = Programs::get();
    const auto now = static_cast<std::int64_t>(boottime());
    const auto end = now + known.seconds * 1'000'000'000;
    if (known.entry) {
        programs.put_entry(key_of(known.address, known.key_bits), known.flags,
                           end < 0 ? 1 : static_cast<std::uint64_t>(end));
    }
    const auto bit = bit_of(known.address);
    ASSERT_TRUE(bit.has_value()) << known.address << " lies in no pool";
    if (known.bit) {
        programs.table().bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
    }
}

std::uint64_t not_granted(const Counts& counts) {
    std::uint64_t packets = 0;
    for (const auto& [row, count] : counts) {
        packets += row.first == SEKISHO_REASON_NOT_GRANTED ? count.first : 0;
    }
    return packets;
}

namespace {

// By BPF_PROG_TEST_RUN, or over a wire where the kernel refuses the frame.
Outcome run(Kind kind, const Bytes& frame, sekisho_verdict expected) {
    auto& programs = Programs::get();
    if (Programs::can_run(kind, frame)) {
        return programs.run(kind, frame);
    }
    using std::chrono_literals::operator""ms;
    static const Wire wire(Kind::tc);
    static const Beyond beyond(wire.box(), "edge0", IFF_TAP);
    wire.introduce();
    wire.send(frame);
    // The program has run when send() returns: a veth hands over on the same CPU. Only an answer comes back.
    if (const auto back = wire.arrived(fate_of(expected) == Fate::answered ? 1000ms : 0ms)) {
        return {Fate::answered, *back};
    }
    const auto passed = beyond.next();
    return {passed ? Fate::passed : Fate::dropped, passed.value_or(frame)};
}

}  // namespace

void judge(Kind kind, const Case& tested) {
    auto& programs = Programs::get();
    const auto frame = tested.packet.bytes();
    const auto outcome = run(kind, frame, tested.verdict);
    EXPECT_EQ(outcome.fate, fate_of(tested.verdict));
    EXPECT_EQ(programs.counts(), once(tested.reason, tested.verdict, frame.size()));
    if (outcome.fate == Fate::passed) {
        EXPECT_EQ(outcome.frame, frame) << "a packet that passes must not be changed";
    }
}

}  // namespace sekisho::bpftest
