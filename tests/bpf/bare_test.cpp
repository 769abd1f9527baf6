// SPDX-License-Identifier: Apache-2.0
// The programs for devices whose packets begin with IP, on a TUN: each packet as the kernel hands it over,
// its ethertype beside it.
#include <linux/if_tun.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "tests/bpf/beyond.h"
#include "tests/bpf/cases.h"
#include "tests/bpf/frame_generator.h"
#include "tests/bpf/modem.h"
#include "tests/bpf/reference.h"
#include "tests/bpf/shells.h"
#include "tests/bpf/through.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t ethernet = 14;
constexpr std::size_t macs = 12;
constexpr std::size_t flags = 2;  // before the ethertype, over the TUN's descriptor

// A program, and whether it looks into tunnels.
class Bare : public testing::TestWithParam<std::tuple<Role, bool>> {
protected:
    Bare() : line_(open_line(box_, "edge0", IFF_TUN, 0)) {
        attach_tc(box_, "edge0", Programs::get().descriptor(Kind::tc, role()));
        beyond_.emplace(box_, "edge0", IFF_TUN);
    }

    [[nodiscard]] static Role role() { return std::get<Role>(GetParam()); }
    [[nodiscard]] static bool inspects() { return std::get<bool>(GetParam()); }

    void SetUp() override {
        fresh_table();
        auto& programs = Programs::get();
        programs.put_foreign(example_policy().foreign);
        programs.table().inbound_replies = SEKISHO_REPLIES_STRICT;
        sekisho_interface interface{};
        interface.tunnels = inspects() ? 1 : 0;
        programs.put_interface(box_.index_of("edge0"), interface);
    }

    // What the frame carries comes in; what came back then, in a frame of the other direction.
    [[nodiscard]] std::optional<Bytes> ask(const Bytes& frame) const {
        Programs::get().clear_counts();
        Programs::get().renew_limiters();
        Bytes packet(flags);
        packet.insert(packet.end(), frame.begin() + macs, frame.end());
        EXPECT_EQ(::write(line_.get(), packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
        Bytes back(4096);
        const auto size = ::read(line_.get(), back.data(), back.size());
        if (size <= 0) {
            return std::nullopt;
        }
        Bytes answer = Packet{}.Eth(subscriber_mac, box_mac).bytes();
        answer.resize(macs);
        answer.insert(answer.end(), back.begin() + flags, back.begin() + size);
        return answer;
    }

    // Whether what was counted, and became of the packet, is what the reference says; which need not know to
    // whom nobody answers.
    void expect(const Bytes& frame, const Opinion& theirs) {
        const auto back = ask(frame);
        const auto passed = beyond_->next();
        const Bytes packet(frame.begin() + ethernet, frame.end());
        EXPECT_EQ(passed, fate_of(theirs.verdict) == Fate::passed ? std::optional(packet) : std::nullopt);
        const bool silent = fate_of(theirs.verdict) == Fate::answered && !back;
        EXPECT_EQ(Programs::get().counts(),
                  once(theirs.reason, silent ? SEKISHO_DROP : theirs.verdict, packet.size()));
        EXPECT_TRUE(!back || fate_of(theirs.verdict) == Fate::answered);
        answers_ += back ? 1 : 0;
    }

    Namespace box_;
    Socket line_;
    std::optional<Beyond> beyond_;
    std::size_t answers_ = 0;
};

// A tag would be taken off before the program sees the packet; no such device has any.
bool may_be_bare(const Bytes& frame) {
    const int type = frame.at(macs) << 8 | frame.at(macs + 1);
    return frame.size() > ethernet && type != 0x8100 && type != 0x88a8;
}

TEST_P(Bare, AgreesWithTheReference) {
    const bool uplink = role() == Role::uplink_bare;
    const Reference reference(
        example_policy(), [](const sekisho_key&) { return std::uint8_t{0}; }, inspects(),
        role() == Role::validated_bare);
    FrameGenerator generator(31 + static_cast<std::uint64_t>(role()));
    std::map<sekisho_reason, std::size_t> seen;
    for (int i = 0; i < 10'000 && !HasFailure(); i++) {
        const Bytes frame = generator.next();
        if (!may_be_bare(frame)) {
            continue;
        }
        const auto theirs =
            uplink ? reference.judge_uplink(frame, SEKISHO_REPLIES_STRICT) : reference.judge(frame);
        SCOPED_TRACE("frame " + std::to_string(i));
        expect(frame, theirs);
        seen[theirs.reason]++;
    }
    if (uplink) {
        EXPECT_GT(seen[SEKISHO_REASON_UPLINK_REPLY], 100);
        EXPECT_GT(seen[SEKISHO_REASON_UPLINK_INBOUND], 20);
        EXPECT_EQ(answers_, 0);
        return;
    }
    EXPECT_EQ(seen[SEKISHO_REASON_SOURCE_INVALID] > 1000, role() == Role::validated_bare);
    EXPECT_GT(seen[SEKISHO_REASON_NOT_GRANTED], 100);
    EXPECT_GT(answers_, 20);
}

TEST_P(Bare, AnswersOctetByOctet) {
    if (role() == Role::uplink_bare) {
        return;
    }
    for (const Shell& shell : shells()) {
        if (shell.tags + shell.ppp != 0) {
            continue;
        }
        for (const std::size_t payload : {0U, 1000U}) {
            SCOPED_TRACE(shell.name + ", data of " + std::to_string(payload));
            const auto* resets = shell.six ? reset6 : reset4;
            EXPECT_EQ(ask(syn_behind(shell, resets, payload).bytes()), reset_of(shell, resets, payload));
            const auto* prohibits = shell.six ? prohibit6 : prohibit4;
            const auto question = syn_behind(shell, prohibits, payload).bytes();
            EXPECT_EQ(ask(question), prohibition_of(question, shell, prohibits, shell.six ? mx6 : mx4));
        }
    }
}

// DS-Lite and 6in4 over a line without Ethernet: what is blocked is answered through the tunnel.
TEST_P(Bare, AnswersThroughATunnel) {
    if (role() == Role::uplink_bare || !inspects()) {
        return;
    }
    for (const Way& way : ways()) {
        if (way.tags + way.ppp != 0) {
            continue;
        }
        SCOPED_TRACE(way.name);
        EXPECT_EQ(ask(question_through(way, reset4, reset6)), reset_through(way));
        EXPECT_EQ(ask(question_through(way, prohibit4, prohibit6)), prohibition_through(way));
    }
}

std::string role_name(const testing::TestParamInfo<Bare::ParamType>& info) {
    const Role role = std::get<Role>(info.param);
    return std::string(role == Role::bare             ? "Subscriber"
                       : role == Role::validated_bare ? "Validated"
                                                      : "Uplink") +
           (std::get<bool>(info.param) ? "Inspects" : "");
}

INSTANTIATE_TEST_SUITE_P(
    Each, Bare,
    testing::Combine(testing::Values(Role::bare, Role::validated_bare, Role::uplink_bare), testing::Bool()),
    role_name);

}  // namespace
}  // namespace sekisho::bpftest
