// SPDX-License-Identifier: Apache-2.0
// Where contenders are measured: a veth in a namespace of its own, filled by the kernel's live frames.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/bpf/namespace.h"

struct bench_generator;

namespace sekisho::bench {

// Blocked SYNs come from first_source + 2 * n + 1, n random below `sources` (a power of two).
inline constexpr std::uint32_t first_source = 0x0a000000;  // 10.0.0.0, inside the namespace only
inline constexpr std::uint32_t many_sources = 1U << 20;
inline constexpr std::uint32_t few_sources = 16;

class Arena {
public:
    // The measured end is "box", the other "wire". The process ends if the kernel refuses something.
    Arena();
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // Puts an XDP program onto the measured end, or takes it away (-1).
    void attach(int program) const;
    // Sends that many frames, one batch after the other on one CPU, each batch being received before the next
    // is made. Returns the seconds it took.
    [[nodiscard]] double send(std::uint32_t frames, std::uint32_t sources) const;
    // How many frames native XDP has dropped on the measured end.
    [[nodiscard]] std::uint64_t dropped() const;
    // The output of a command inside the namespace; the process ends if it fails.
    [[nodiscard]] std::string output_of(const std::string& command) const;

    // Runs `work` inside the namespace.
    void inside(const std::function<void()>& work) const { namespace_.inside(work); }

    [[nodiscard]] int bare_drop() const;
    [[nodiscard]] int bare_pass() const;

private:
    bpftest::Namespace namespace_;
    bench_generator* many_ = nullptr;
    bench_generator* few_ = nullptr;
};

[[noreturn]] void give_up(const std::string& what);

}  // namespace sekisho::bench
