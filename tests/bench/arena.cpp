// SPDX-License-Identifier: Apache-2.0
// The veth and the generator.
#include "tests/bench/arena.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "generator.skel.h"
#include "tests/bpf/packet.h"

namespace sekisho::bench {
namespace {

// Frames a batch: what a driver's NAPI poll takes at once.
constexpr std::uint32_t batch = 64;

bench_generator* generator_for(std::uint32_t target, std::uint32_t sources) {
    auto* generator = bench_generator__open();
    if (generator == nullptr) {
        give_up("opening the generator");
    }
    generator->rodata->target_index = target;
    generator->rodata->first_source = first_source;
    generator->rodata->sources = sources;
    if (bench_generator__load(generator) != 0) {
        give_up("loading the generator");
    }
    return generator;
}

// All of a round happens on one CPU, the last, which is less often the one that serves interrupts; and nobody
// else gets that CPU meanwhile, so that what else the machine does is not measured (where the kernel allows
// it).
void stay_on_one_cpu() {
    cpu_set_t all;
    cpu_set_t one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(all), &all) != 0) {
        give_up("asking for CPUs");
    }
    for (unsigned cpu = CPU_SETSIZE; cpu-- > 0;) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    if (sched_setaffinity(0, sizeof(one), &one) != 0) {
        give_up("staying on one CPU");
    }
    const sched_param first{.sched_priority = 1};
    static_cast<void>(sched_setscheduler(0, SCHED_FIFO, &first));
}

}  // namespace

void give_up(const std::string& what) {
    std::cerr << what << ": " << std::strerror(errno) << '\n';
    std::exit(EXIT_FAILURE);
}

Arena::Arena() {
    namespace_.ip("link add box type veth peer name wire");
    namespace_.ip("link set box address 02:00:5e:00:53:02");
    namespace_.ip("link set wire address 02:00:5e:00:53:01");
    // With generic receive offload the veth polls like a driver, even without a program of XDP.
    for (const std::string end : {"box", "wire"}) {
        static_cast<void>(output_of("ethtool -K " + end + " gro on"));
        namespace_.ip("link set " + end + " up");
    }
    const auto wire = namespace_.index_of("wire");
    many_ = generator_for(wire, many_sources);
    few_ = generator_for(wire, few_sources);
}

Arena::~Arena() {
    bench_generator__destroy(few_);
    bench_generator__destroy(many_);
}

void Arena::attach(int program) const {
    namespace_.inside([&] {
        const auto index = static_cast<int>(if_nametoindex("box"));
        if (bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, nullptr) != 0) {
            give_up("attaching");
        }
    });
}

double Arena::send(std::uint32_t frames, std::uint32_t sources) const {
    const auto frame =
        bpftest::Eth().IPv4("10.0.0.1", "203.0.113.10").Tcp(40000, 25).Syn().TcpOptions(5).bytes();
    const int program =
        bpf_program__fd(sources == few_sources ? few_->progs.generate : many_->progs.generate);
    double seconds = 0;
    namespace_.inside([&] {
        stay_on_one_cpu();
        xdp_md context{};
        context.data_end = static_cast<__u32>(frame.size());
        bpf_test_run_opts options{};
        options.sz = sizeof(options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
        options.repeat = static_cast<int>(frames);
        options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        options.batch_size = batch;
        const auto begin = std::chrono::steady_clock::now();
        if (bpf_prog_test_run_opts(program, &options) != 0) {
            give_up("sending live frames");
        }
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    });
    return seconds;
}

std::string Arena::output_of(const std::string& command) const {
    std::string output;
    namespace_.inside([&] {
        FILE* pipe = popen(command.c_str(), "r");
        if (pipe == nullptr) {
            give_up(command);
        }
        std::array<char, 4096> part{};
        while (const auto size = fread(part.data(), 1, part.size(), pipe)) {
            output.append(part.data(), size);
        }
        if (pclose(pipe) != 0) {
            give_up("failed: " + command);
        }
    });
    return output;
}

std::uint64_t Arena::dropped() const {
    std::istringstream lines(output_of("ethtool -S box"));
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon != std::string::npos && line.find("rx_queue_") != std::string::npos &&
            line.find("_xdp_drops") < colon) {
            sum += std::stoull(line.substr(colon + 1));
        }
    }
    return sum;
}

int Arena::bare_drop() const {
    return bpf_program__fd(many_->progs.bare_drop);
}

int Arena::bare_pass() const {
    return bpf_program__fd(many_->progs.bare_pass);
}

}  // namespace sekisho::bench
