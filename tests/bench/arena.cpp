// SPDX-License-Identifier: Apache-2.0
// The veths and the generators.
#include "tests/bench/arena.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
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

bench_generator* generator_for(std::uint32_t target, std::uint32_t first, std::uint32_t sources) {
    auto* generator = bench_generator__open();
    if (generator == nullptr) {
        give_up("opening the generator");
    }
    generator->rodata->target_index = target;
    generator->rodata->first_source = first;
    generator->rodata->sources = sources;
    std::ranges::copy(bpftest::box_mac, generator->rodata->target_mac);
    std::ranges::copy(bpftest::subscriber_mac, generator->rodata->source_mac);
    if (bench_generator__load(generator) != 0) {
        give_up("loading the generator");
    }
    return generator;
}

bpftest::Bytes frame_of(Traffic traffic) {
    auto packet =
        bpftest::Eth().IPv4("10.0.0.1", "203.0.113.10").Tcp(40000, traffic == Traffic::ordinary ? 443 : 25);
    constexpr std::uint8_t data = 0x18;
    return traffic == Traffic::ordinary ? packet.Flags(data).Payload(100).bytes()
                                        : packet.Syn().TcpOptions(5).bytes();
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
    join("box", "02:00:5e:00:53:02", "wire");
    join("out", "02:00:5e:00:53:03", "sink");
    namespace_.ip("link set wire address 02:00:5e:00:53:01");
    make_routes();
    const auto wire = namespace_.index_of("wire");
    generators_[Traffic::unknown_many] = generator_for(wire, first_source + 1, many_sources);
    generators_[Traffic::unknown_few] = generator_for(wire, first_source + 1, few_sources);
    for (const auto traffic : {Traffic::known, Traffic::connections, Traffic::ordinary}) {
        generators_[traffic] = generator_for(wire, first_source, entries);
    }
    inside([this] {
        if (bpf_xdp_attach(static_cast<int>(if_nametoindex("sink")),
                           bpf_program__fd(generators_.at(Traffic::known)->progs.counting_drop),
                           XDP_FLAGS_DRV_MODE, nullptr) != 0) {
            give_up("attaching to the sink");
        }
    });
}

// With generic receive offload a veth polls like a driver, even without a program of XDP.
void Arena::join(const std::string& end, const std::string& mac, const std::string& other) const {
    namespace_.ip("link add " + end + " address " + mac + " type veth peer name " + other);
    for (const auto& each : {end, other}) {
        static_cast<void>(output_of("ethtool -K " + each + " gro on"));
        namespace_.ip("link set " + each + " up");
    }
}

void Arena::make_routes() const {
    for (const auto* setting : {"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/box/rp_filter"}) {
        namespace_.set(setting, "0");
    }
    namespace_.set("net/ipv4/ip_forward", "1");
    namespace_.number("box", "192.0.2.1/24");
    namespace_.ip("route add 10.0.0.0/8 dev box");
    namespace_.number("out", "203.0.113.1/24");
    namespace_.ip("neigh add 203.0.113.10 lladdr 02:00:5e:00:53:04 dev out nud permanent");
}

Arena::~Arena() {
    for (const auto& [traffic, generator] : generators_) {
        bench_generator__destroy(generator);
    }
}

void Arena::attach(int program) const {
    namespace_.inside([&] {
        const auto index = static_cast<int>(if_nametoindex("box"));
        if (bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, nullptr) != 0) {
            give_up("attaching");
        }
    });
}

double Arena::send(std::uint32_t frames, Traffic traffic) const {
    const auto frame = frame_of(traffic);
    const auto& programs = generators_.at(traffic)->progs;
    const bool whole = traffic == Traffic::connections || traffic == Traffic::ordinary;
    const int program = bpf_program__fd(whole ? programs.generate_whole : programs.generate);
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

std::uint64_t Arena::drops_of(const std::string& interface) const {
    std::istringstream lines(output_of("ethtool -S " + interface));
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

std::uint64_t Arena::enforced_arrived() const {
    return std::atomic_ref(generators_.at(Traffic::known)->bss->enforced_arrived).load();
}

std::uint64_t Arena::others_arrived() const {
    return std::atomic_ref(generators_.at(Traffic::known)->bss->others_arrived).load();
}

int Arena::bare_drop() const {
    return bpf_program__fd(generators_.at(Traffic::known)->progs.bare_drop);
}

int Arena::bare_pass() const {
    return bpf_program__fd(generators_.at(Traffic::known)->progs.bare_pass);
}

void require_root() {
    if (geteuid() != 0) {
        std::cerr << "needs root: loads BPF programs and makes a network namespace\n";
        std::exit(EXIT_FAILURE);
    }
}

double rate(const Arena& arena, std::uint32_t frames, Traffic traffic,
            const std::function<std::uint64_t()>& counted) {
    static_cast<void>(arena.send(frames / 16, traffic));  // warms caches
    const auto before = counted();
    const double seconds = arena.send(frames, traffic);
    if (const auto count = counted() - before; count != frames) {
        give_up(std::to_string(count) + " of " + std::to_string(frames) + " frames were counted");
    }
    return frames / seconds;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void print_ratio(const std::string& row, double value, double target,
                 const std::vector<std::pair<std::string, double>>& peers) {
    std::string behind;
    for (const auto& [name, rate] : peers) {
        behind +=
            (behind.empty() ? "\"" : ",\"") + name + "_per_second\":" + std::to_string(std::llround(rate));
    }
    std::printf(
        "{\"row\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\",\"target\":%.2f,\"met\":%s,\"peers\":{%s}}\n",
        row.c_str(), value, target, value >= target ? "true" : "false", behind.c_str());
    std::fflush(stdout);
}

}  // namespace sekisho::bench
