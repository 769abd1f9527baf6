// SPDX-License-Identifier: Apache-2.0
// Where contenders are measured: a veth in a namespace of its own, filled by the kernel's live frames, and a
// second one that the kernel routes to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/bpf/namespace.h"

struct bench_generator;

namespace sekisho::bench {

// Subscribers with an entry are the even addresses from here on, those without one the odd ones.
inline constexpr std::uint32_t first_source = 0x0a000000;  // 10.0.0.0, inside the namespace only
inline constexpr std::uint32_t many_sources = 1U << 20;
inline constexpr std::uint32_t few_sources = 16;
// Subscribers with an entry, unless a benchmark says otherwise.
inline constexpr std::uint32_t entries = 1'000'000;

// What is sent, each frame from a random source.
enum class Traffic : std::uint8_t {
    unknown_many,  // SYNs to port 25 from many_sources that have no entry
    unknown_few,   // the same from few_sources
    known,         // SYNs to port 25 from those with an entry
    connections,   // the same with random source ports and right checksums: each is a connection of its own
    ordinary,      // data to port 443, from those with an entry, right checksums
};

class Arena {
public:
    // The measured end is "box", the other "wire". What passes is routed out by "out", at whose other end,
    // "sink", it is dropped and counted. The process ends if the kernel refuses something.
    Arena();
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // Puts an XDP program onto the measured end, or takes it away (-1).
    void attach(int program) const;
    // Sends that many frames, one batch after the other on one CPU, each batch being received before the next
    // is made. Returns the seconds it took.
    [[nodiscard]] double send(std::uint32_t frames, Traffic traffic) const;
    // How many frames native XDP has dropped on the measured end, and how many have come out.
    [[nodiscard]] std::uint64_t dropped() const { return drops_of("box"); }
    [[nodiscard]] std::uint64_t arrived() const { return drops_of("sink"); }
    // How many of them were for port 25, and how many weren't.
    [[nodiscard]] std::uint64_t enforced_arrived() const;
    [[nodiscard]] std::uint64_t others_arrived() const;
    // The output of a command inside the namespace; the process ends if it fails.
    [[nodiscard]] std::string output_of(const std::string& command) const;

    // Runs `work` inside the namespace.
    void inside(const std::function<void()>& work) const { namespace_.inside(work); }
    [[nodiscard]] unsigned index_of(const std::string& interface) const {
        return namespace_.index_of(interface);
    }

    [[nodiscard]] int bare_drop() const;
    [[nodiscard]] int bare_pass() const;

private:
    void join(const std::string& end, const std::string& mac, const std::string& other) const;
    void make_routes() const;
    [[nodiscard]] std::uint64_t drops_of(const std::string& interface) const;

    bpftest::Namespace namespace_;
    std::map<Traffic, bench_generator*> generators_;
};

// Frames a second of one round: sends them, and asks `counted` before and after. The process ends unless it
// has grown by every single one.
[[nodiscard]] double rate(const Arena& arena, std::uint32_t frames, Traffic traffic,
                          const std::function<std::uint64_t()>& counted);

[[nodiscard]] double median(std::vector<double> values);

// Prints a row of a ratio, which should be at least `target`, and the rates behind it.
void print_ratio(const std::string& row, double value, double target,
                 const std::vector<std::pair<std::string, double>>& peers);

// Ends the process unless it may load programs and make namespaces.
void require_root();

[[noreturn]] void give_up(const std::string& what);

}  // namespace sekisho::bench
