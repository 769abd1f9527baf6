// SPDX-License-Identifier: Apache-2.0
// Namespaces by threads: a thread that leaves its namespace takes nobody else with it.
#include "tests/bpf/namespace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

namespace sekisho::bpftest {
namespace {

void require(bool good, const std::string& what) {
    if (good) {
        return;
    }
    std::cerr << what << '\n';
    std::abort();
}

}  // namespace

Namespace::Namespace() {
    std::thread([this] {
        require(unshare(CLONE_NEWNET) == 0, "no new network namespace");
        descriptor_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }).join();
    require(descriptor_ >= 0, "no descriptor of the network namespace");
    ip("link set lo up");
    for (const std::string scope : {"all", "default"}) {
        set("net/ipv6/conf/" + scope + "/accept_dad", "0");
        set("net/ipv6/conf/" + scope + "/router_solicitations", "0");
        set("net/ipv6/conf/" + scope + "/addr_gen_mode", "1");
    }
}

Namespace::~Namespace() {
    close(descriptor_);
}

void Namespace::inside(const std::function<void()>& work) const {
    std::thread([&] {
        require(setns(descriptor_, CLONE_NEWNET) == 0, "can't enter the network namespace");
        work();
    }).join();
}

void Namespace::ip(const std::string& arguments) const {
    const auto command = "ip " + arguments;
    inside([&] { require(std::system(command.c_str()) == 0, "failed: " + command); });
}

// A new IPv6 address is tentative until a worker of the kernel has looked at it, accept_dad or not: on a busy
// machine that takes seconds, in which a connection's source is ::1. Not so with nodad, but still it is that
// worker who makes the address's own route, without which the host forwards what is for it.
void Namespace::number(const std::string& interface, const std::string& address) const {
    const bool six = address.contains(':');
    ip("address add " + address + " dev " + interface + (six ? " nodad" : ""));
    if (six) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!is_local(address.substr(0, address.find('/')))) {
            require(std::chrono::steady_clock::now() < end, address + " doesn't become local");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
}

// By the kernel's routing table: proc_pid_net(5), ipv6_route, whose ninth word are the flags.
bool Namespace::is_local(const std::string& address) const {
    constexpr unsigned long local = 0x80000000;  // RTF_LOCAL of linux/ipv6_route.h
    std::array<std::uint8_t, 16> octets{};
    require(inet_pton(AF_INET6, address.c_str(), octets.data()) == 1, "no IPv6 address: " + address);
    std::string digits;
    for (const auto octet : octets) {
        constexpr auto digit = "0123456789abcdef";
        digits += digit[octet >> 4];
        digits += digit[octet & 0xf];
    }
    bool found = false;
    inside([&] {
        std::ifstream routes("/proc/thread-self/net/ipv6_route");
        for (std::string line; std::getline(routes, line);) {
            std::istringstream words(line);
            const std::vector<std::string> row(std::istream_iterator<std::string>(words), {});
            found = found || (row.size() > 8 && row[0] == digits && row[1] == "80" &&
                              (std::stoul(row[8], nullptr, 16) & local) != 0);
        }
    });
    return found;
}

void Namespace::set(const std::string& sysctl, const std::string& value) const {
    inside([&] {
        std::ofstream file("/proc/sys/" + sysctl);
        file << value << std::flush;
        require(file.good(), "can't set " + sysctl);
    });
}

unsigned Namespace::index_of(const std::string& interface) const {
    unsigned index = 0;
    inside([&] { index = if_nametoindex(interface.c_str()); });
    require(index != 0, "no interface " + interface);
    return index;
}

std::string Namespace::path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(descriptor_);
}

}  // namespace sekisho::bpftest
