// SPDX-License-Identifier: Apache-2.0
// Namespaces by threads: a thread that leaves its namespace takes nobody else with it.
#include "tests/bpf/namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

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
// machine that takes seconds, in which a connection's source is ::1.
void Namespace::number(const std::string& interface, const std::string& address) const {
    ip("address add " + address + " dev " + interface + (address.contains(':') ? " nodad" : ""));
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
