// SPDX-License-Identifier: Apache-2.0
// The veth, its programs, and raw frames on it.
#include "tests/bpf/wire.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t largest_frame = 1U << 17;

void require(bool good, const char* what) {
    if (good) {
        return;
    }
    std::cerr << what << ": " << std::strerror(errno) << '\n';
    std::abort();
}

std::string text_of(const Bytes& mac) {
    std::string text;
    for (const auto octet : mac) {
        constexpr auto digits = "0123456789abcdef";
        text += text.empty() ? "" : ":";
        text += digits[octet >> 4];
        text += digits[octet & 0xf];
    }
    return text;
}

// "r0 = XDP_PASS; exit".
int load_pass() {
    const std::array<bpf_insn, 2> program{
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", program.data(), program.size(), nullptr);
}

// Puts back the tag that the kernel took out of the frame.
void put_tag_back(msghdr& message, Bytes& frame) {
    for (auto* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) {
            continue;
        }
        tpacket_auxdata aux{};
        std::memcpy(&aux, CMSG_DATA(control), sizeof(aux));
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0U) {
            continue;
        }
        const std::uint16_t type =
            (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0U ? aux.tp_vlan_tpid : ETH_P_8021Q;
        const Bytes tag{static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
                        static_cast<std::uint8_t>(aux.tp_vlan_tci >> 8),
                        static_cast<std::uint8_t>(aux.tp_vlan_tci)};
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    }
}

}  // namespace

void attach_tc(const Namespace& host, const char* interface, int program, unsigned place) {
    host.inside([&] {
        bpf_tc_hook hook{};
        hook.sz = sizeof(hook);
        hook.ifindex = static_cast<int>(if_nametoindex(interface));
        hook.attach_point = BPF_TC_INGRESS;
        bpf_tc_opts options{};
        options.sz = sizeof(options);
        options.prog_fd = program;
        options.priority = place;
        require(place != 1 || bpf_tc_hook_create(&hook) == 0, "making clsact");
        require(bpf_tc_attach(&hook, &options) == 0, "attaching to clsact");
    });
}

namespace {

// What goes before a frame to a raw socket with PACKET_VNET_HDR: virtio 1.2, section 5.1.6;
// linux/virtio_net.h isn't C++.
struct OffloadHeader {
    std::uint8_t flags = 0;
    std::uint8_t segmentation = 0;
    std::uint16_t linear = 0;
    std::uint16_t segment = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};
constexpr std::uint8_t needs_checksum = 1;
constexpr std::uint8_t segments_of_tcp4 = 1;
constexpr std::uint8_t segments_of_tcp6 = 4;

}  // namespace

Socket raw_line(const char* interface) {
    Socket line(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    require(line.get() >= 0, "a raw socket");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    const int on = 1;
    require(bind(line.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                setsockopt(line.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0,
            "a raw socket for offloaded packets");
    return line;
}

bool send_offloaded(const Socket& line, const Bytes& frame, const Offload& offload) {
    OffloadHeader header{.linear = static_cast<std::uint16_t>(offload.linear)};
    if (offload.tcp != 0) {
        header.flags = needs_checksum;
        header.checksum_start = static_cast<std::uint16_t>(offload.tcp);
        header.checksum_offset = 16;
    }
    if (offload.segment != 0) {
        header.segmentation = frame.at(12) == 0x86 ? segments_of_tcp6 : segments_of_tcp4;
        header.segment = offload.segment;
    }
    std::array<iovec, 2> parts{
        {{.iov_base = &header, .iov_len = sizeof(header)},
         {.iov_base = const_cast<std::uint8_t*>(frame.data()), .iov_len = frame.size()}}};
    return ::writev(line.get(), parts.data(), parts.size()) ==
           static_cast<ssize_t>(sizeof(header) + frame.size());
}

Wire::Wire(Kind kind) {
    join();
    attach(kind);
    listen();
    introduce();
}

Wire::~Wire() {
    close(socket_);
}

void Wire::join() const {
    box_.ip("link add edge0 mtu 65535 address " + text_of(box_mac) +
            " type veth peer name sub0 mtu 65535 address " + text_of(subscriber_mac) + " netns " +
            subscriber_.path());
}

void Wire::attach(Kind kind) const {
    const int program = Programs::get().descriptor(kind);
    if (kind == Kind::xdp) {
        // A frame must fit a page for native XDP, and so must what the peer may send.
        box_.ip("link set edge0 mtu 1500");
        subscriber_.ip("link set sub0 mtu 1500");
        box_.inside([&] {
            const auto index = static_cast<int>(if_nametoindex("edge0"));
            require(bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, nullptr) == 0, "attaching XDP");
        });
        subscriber_.inside([&] {
            const int pass = load_pass();
            const auto index = static_cast<int>(if_nametoindex("sub0"));
            require(bpf_xdp_attach(index, pass, XDP_FLAGS_DRV_MODE, nullptr) == 0, "attaching XDP_PASS");
            close(pass);
        });
    } else {
        attach_tc(box_, "edge0", program);
    }
    box_.ip("link set edge0 up");
    subscriber_.ip("link set sub0 up");
}

void Wire::listen() {
    subscriber_.inside([&] {
        socket_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
        require(socket_ >= 0, "a raw socket");
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(if_nametoindex("sub0"));
        require(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
                "binding it");
        const int on = 1;
        require(setsockopt(socket_, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) == 0, "asking for tags");
    });
}

void Wire::introduce() const {
    sekisho_interface interface{};
    std::ranges::copy(box_mac, interface.mac);
    Programs::get().put_interface(box_.index_of("edge0"), interface);
}

void Wire::number() const {
    box_.ip("link set edge0 mtu 1500");
    subscriber_.ip("link set sub0 mtu 1500");
    subscriber_.number("sub0", std::string(reset4) + "/32");
    subscriber_.number("sub0", std::string(reset6) + "/128");
    box_.number("edge0", std::string(mx4) + "/32");
    box_.number("edge0", std::string(mx6) + "/128");
    subscriber_.ip("route add default dev sub0");
    subscriber_.ip("-6 route add default dev sub0");
    box_.ip("route add default dev edge0");
    box_.ip("-6 route add default dev edge0");
    for (const std::string address : {mx4, mx6}) {
        subscriber_.ip("neighbour add " + address + " lladdr " + text_of(box_mac) +
                       " dev sub0 nud permanent");
    }
    for (const std::string address : {reset4, reset6}) {
        box_.ip("neighbour add " + address + " lladdr " + text_of(subscriber_mac) +
                " dev edge0 nud permanent");
    }
}

void Wire::offload(const Namespace& host, const char* interface, bool on) {
    host.inside([&] {
        ethtool_value value{.cmd = ETHTOOL_STXCSUM, .data = on ? 1U : 0U};
        ifreq request{};
        std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
        request.ifr_data = reinterpret_cast<char*>(&value);
        const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        require(ioctl(control, SIOCETHTOOL, &request) == 0, "setting checksum offload");
        close(control);
    });
}

void Wire::send(const Bytes& frame) const {
    require(::send(socket_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()),
            "sending a frame");
}

namespace {

// What IPv6 says of its own accord: neighbour discovery, and multicast reports behind a hop-by-hop header.
// What ICMPv6 says of errors isn't.
bool is_chatter(const Bytes& frame) {
    constexpr std::size_t next_header = 20;
    constexpr std::size_t icmp_type = 54;
    constexpr std::uint8_t hop_by_hop = 0;
    constexpr std::uint8_t informational = 128;  // RFC 4443, section 2.1
    return frame.size() > icmp_type && frame[12] == 0x86 && frame[13] == 0xdd &&
           ((frame[next_header] == IPPROTO_ICMPV6 && frame[icmp_type] >= informational) ||
            frame[next_header] == hop_by_hop);
}

}  // namespace

std::optional<Bytes> Wire::next(bool outgoing, std::chrono::milliseconds within) const {
    const auto end = std::chrono::steady_clock::now() + within;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) {
            return std::nullopt;
        }
        Bytes frame(largest_frame);
        alignas(cmsghdr) std::array<char, 256> control{};
        sockaddr_ll from{};
        iovec place{.iov_base = frame.data(), .iov_len = frame.size()};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
        message.msg_iov = &place;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto size = recvmsg(socket_, &message, 0);
        require(size >= 0, "receiving a frame");
        if ((from.sll_pkttype == PACKET_OUTGOING) != outgoing) {
            continue;
        }
        frame.resize(static_cast<std::size_t>(size));
        if (is_chatter(frame)) {
            continue;
        }
        put_tag_back(message, frame);
        return frame;
    }
}

std::optional<Bytes> Wire::arrived(std::chrono::milliseconds within) const {
    return next(false, within);
}

std::optional<Bytes> Wire::said() const {
    return next(true, std::chrono::milliseconds(0));
}

void Wire::forget_arrived() const {
    while (arrived(std::chrono::milliseconds(0))) {
    }
}

}  // namespace sekisho::bpftest
