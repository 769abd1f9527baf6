// SPDX-License-Identifier: Apache-2.0
// Answers to segments that don't lie in one piece. Drivers that split headers from data give XDP frames whose
// linear part may end anywhere; at TC it ends behind the headers of a large segment, or where its sender's
// kernel found a page.
#include <algorithm>
#include <chrono>

#include "tests/bpf/cases.h"
#include "tests/bpf/shells.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t ethernet = 14;
constexpr std::size_t tcp_header = 20;

// A question and its answer.
struct Exchange {
    Bytes question;
    Bytes answer;
    sekisho_verdict verdict;
};

Exchange refused(const Shell& shell, std::size_t payload) {
    const auto* from = shell.six ? reset6 : reset4;
    return {syn_behind(shell, from, payload).bytes(), reset_of(shell, from, payload), SEKISHO_RESET};
}

Exchange prohibited(const Shell& shell, std::size_t payload) {
    const auto* from = shell.six ? prohibit6 : prohibit4;
    const auto question = syn_behind(shell, from, payload).bytes();
    return {question, prohibition_of(question, shell, from, shell.six ? mx6 : mx4), SEKISHO_PROHIBIT};
}

// By shell, and how the question is refused.
class InPieces : public testing::TestWithParam<std::tuple<Shell, bool>> {
protected:
    void SetUp() override { fresh_table(); }

    [[nodiscard]] static Exchange exchange(std::size_t payload) {
        const auto& [shell, resets] = GetParam();
        return resets ? refused(shell, payload) : prohibited(shell, payload);
    }

    // As fresh_table() leaves it, without the table's cost.
    static void forget() {
        Programs::get().clear_counts();
        Programs::get().renew_limiters();
    }
};

std::string name_of_pieces(const testing::TestParamInfo<InPieces::ParamType>& info) {
    return std::get<Shell>(info.param).name + (std::get<bool>(info.param) ? "_Reset" : "_Prohibit");
}

// What the kernel's own splitting gives: all of a page but what it keeps for itself, then whole pages.
TEST_P(InPieces, FramesOverAPage) {
    for (const std::size_t payload : {3300U, 3500U, 4096U, 8192U, 60'000U}) {
        forget();
        const auto [question, answer, verdict] = exchange(payload);
        const auto outcome = Programs::get().run(Kind::xdp, question);
        EXPECT_EQ(outcome.fate, Fate::answered) << payload;
        EXPECT_EQ(outcome.frame, answer) << payload;
        EXPECT_EQ(Programs::get().counts(), once(SEKISHO_REASON_NOT_GRANTED, verdict, question.size()));
    }
}

TEST_P(InPieces, CutAtEveryOctet) {
    for (const std::size_t payload : {0U, 1U, 5000U}) {
        const auto [question, answer, verdict] = exchange(payload);
        const auto last = std::min(question.size(), tcp_behind(std::get<Shell>(GetParam())) + 64);
        for (std::size_t linear = ethernet; linear < last; linear++) {
            forget();
            const auto outcome = Programs::get().run_in_pieces(question, static_cast<std::uint32_t>(linear));
            if (!outcome) {
                GTEST_SKIP() << "this kernel can't run a program on pieces of a test's choice";
            }
            ASSERT_EQ(outcome->fate, Fate::answered) << linear << " linear, data of " << payload;
            ASSERT_EQ(outcome->frame, answer) << linear << " linear, data of " << payload;
            auto counts = Programs::get().counts();
            if (std::get<Shell>(GetParam()).padding != 0) {
                // Nobody looks how long the padding is, so its octets may not be counted.
                std::ranges::for_each(counts, [&](auto& row) { row.second.second = question.size(); });
            }
            ASSERT_EQ(counts, once(SEKISHO_REASON_NOT_GRANTED, verdict, question.size()));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, InPieces, testing::Combine(testing::ValuesIn(shells()), testing::Bool()),
                         name_of_pieces);

// Whether a reset would have to take options out of a packet of which the kernel doesn't know where IP
// begins: then it isn't sent to one who lives on the same machine, for whose packets the kernel has noted
// where TCP does.
bool is_in_the_way(const Shell& shell) {
    return shell.ip_options + shell.extensions != 0 && (shell.tags > 1 || shell.ppp != 0);
}

// The same at TC, over a veth, which hands over what the sender's kernel made.
class InPiecesOnTheWire : public InPieces {
protected:
    InPiecesOnTheWire() : wire_(wire()) {
        wire_.introduce();
        wire_.forget_arrived();
    }

    void SetUp() override {
        InPieces::SetUp();
        wire_.introduce();
    }

    // Checksums are completed when an answer leaves, so that it can be compared.
    static const Wire& wire() {
        static const Wire made(Kind::tc);
        static const bool completes = (Wire::offload(made.box(), "edge0", false), true);
        EXPECT_TRUE(completes);
        return made;
    }

    // Sends it in this way; false if the kernel refuses that. `expected` is the answer, or empty for none.
    [[nodiscard]] bool ask(const Exchange& tested, const Offload& offload, const Bytes& expected) const {
        static const Socket line = [] {
            Socket made;
            wire().subscriber().inside([&] { made = raw_line("sub0"); });
            return made;
        }();
        SCOPED_TRACE(std::to_string(offload.linear) + " linear, segments of " +
                     std::to_string(offload.segment) + (offload.tcp != 0 ? ", partial" : ""));
        forget();
        if (!send_offloaded(line, tested.question, offload)) {
            return false;
        }
        const auto arrived = wire_.arrived(expected.empty() ? 0ms : 1000ms);
        EXPECT_EQ(arrived.value_or(Bytes{}), expected);
        const auto seen = tested.question.size() - (std::get<Shell>(GetParam()).tags == 0 ? 0 : 4);
        EXPECT_EQ(Programs::get().counts(),
                  once(SEKISHO_REASON_NOT_GRANTED, expected.empty() ? SEKISHO_DROP : tested.verdict, seen));
        return true;
    }

    const Wire& wire_;
};

constexpr std::size_t large = 5000;  // what is under a page the kernel makes linear

TEST_P(InPiecesOnTheWire, CutAtManyOctets) {
    const auto& [shell, resets] = GetParam();
    if (resets && is_in_the_way(shell)) {
        return;  // depends on what the sender's kernel found behind the shell
    }
    const auto tested = exchange(large);
    const auto behind = tcp_behind(shell) + tcp_header;
    std::size_t accepted = 0;
    for (std::size_t linear = ethernet; linear < behind + 48; linear += 3) {
        accepted += ask(tested, {.linear = linear}, tested.answer) ? 1 : 0;
        ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(accepted, 10);
}

// As a local sender's kernel hands it over: the checksum is left to the device. A reset has one of its own,
// and what is quoted is completed as far as it is quoted.
TEST_P(InPiecesOnTheWire, WithAPartialChecksum) {
    const auto& [shell, resets] = GetParam();
    const auto tcp = tcp_behind(shell);
    for (const std::size_t payload : {std::size_t{0}, std::size_t{1}, large}) {
        auto tested = exchange(payload);
        if (!resets) {
            tested.answer = prohibition_of(completed(tested.question, shell), shell,
                                           shell.six ? prohibit6 : prohibit4, shell.six ? mx6 : mx4);
        } else if (is_in_the_way(shell)) {
            tested.answer.clear();
        }
        for (const std::size_t linear : {std::size_t{0}, tcp + 18, tcp + 20, tcp + 33}) {
            const auto present = std::min(linear, tested.question.size());
            EXPECT_TRUE(ask(tested, {.linear = present, .tcp = tcp}, tested.answer)) << payload;
        }
    }
}

// The same for a large segment that a device would cut up; of the plain kind, as a host sends it.
TEST_P(InPiecesOnTheWire, AsALargeSegment) {
    const auto& [shell, resets] = GetParam();
    if (shell.tags + shell.ppp + shell.padding != 0) {
        return;
    }
    const auto tcp = tcp_behind(shell);
    auto tested = exchange(20'000);
    if (!resets) {
        tested.answer = prohibition_of(completed(tested.question, shell), shell,
                                       shell.six ? prohibit6 : prohibit4, shell.six ? mx6 : mx4);
    }
    const auto header = tcp_header + 4 * shell.tcp_options;
    for (const std::size_t linear : {std::size_t{0}, tcp + header, tcp + header + 100}) {
        EXPECT_TRUE(ask(tested, {.linear = linear, .segment = 1000, .tcp = tcp}, tested.answer));
    }
}

INSTANTIATE_TEST_SUITE_P(All, InPiecesOnTheWire,
                         testing::Combine(testing::ValuesIn(shells()), testing::Bool()), name_of_pieces);

}  // namespace
}  // namespace sekisho::bpftest
