// SPDX-License-Identifier: Apache-2.0
// A program of four instructions, and a TUN or TAP where it leads to.
#include "tests/bpf/beyond.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "tests/bpf/modem.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {
namespace {

constexpr auto device = "beyond0";
constexpr std::size_t largest_frame = 1U << 17;

// "return bpf_redirect(interface, 0)".
int load_redirect(unsigned interface) {
    constexpr std::uint8_t move = BPF_ALU64 | BPF_MOV | BPF_K;
    const auto index = static_cast<std::int32_t>(interface);
    const std::array<bpf_insn, 4> program{
        bpf_insn{.code = move, .dst_reg = 1, .src_reg = 0, .off = 0, .imm = index},
        bpf_insn{.code = move, .dst_reg = 2, .src_reg = 0, .off = 0, .imm = 0},
        bpf_insn{.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_redirect},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "beyond", "GPL", program.data(), program.size(), nullptr);
}

}  // namespace

Beyond::Beyond(const Namespace& host, const char* interface, int kind)
    : line_(open_line(host, device, kind)) {
    const int program = load_redirect(host.index_of(device));
    EXPECT_GE(program, 0) << "loading a program that redirects";
    attach_tc(host, interface, program, 2);
    ::close(program);
}

std::optional<Bytes> Beyond::next() const {
    Bytes packet(largest_frame);
    const auto size = ::read(line_.get(), packet.data(), packet.size());
    if (size <= 0) {
        return std::nullopt;
    }
    packet.resize(static_cast<std::size_t>(size));
    return packet;
}

}  // namespace sekisho::bpftest
