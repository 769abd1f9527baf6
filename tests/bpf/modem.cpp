// SPDX-License-Identifier: Apache-2.0
// TUN, TAP, and who carries between them.
#include "tests/bpf/modem.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "tests/bpf/cases.h"

namespace sekisho::bpftest {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t macs = 12;
constexpr std::size_t ethernet = 14;
constexpr std::size_t largest = 2048;

// What is to be read from a line within a millisecond, or nothing.
std::optional<Bytes> read_from(int line) {
    pollfd ready{.fd = line, .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, 1) <= 0) {
        return std::nullopt;
    }
    Bytes data(largest);
    const auto size = ::read(line, data.data(), data.size());
    if (size <= 0) {
        return std::nullopt;
    }
    data.resize(static_cast<std::size_t>(size));
    return data;
}

// A device that is down takes nothing: as on a real line, that is lost.
void write_to(int line, const Bytes& data) {
    [[maybe_unused]] const auto written = ::write(line, data.data(), data.size());
}

std::uint16_t number_at(const Bytes& data, std::size_t at) {
    return static_cast<std::uint16_t>(data.at(at) << 8 | data.at(at + 1));
}

}  // namespace

Socket open_line(const Namespace& host, const std::string& name, int kind, int information) {
    int line = -1;
    host.inside([&] {
        line = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        ifreq request{};
        std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
        request.ifr_flags = static_cast<short>(kind | information);
        if (line < 0 || ::ioctl(line, TUNSETIFF, &request) != 0) {
            ADD_FAILURE() << "making " << name << ": " << std::strerror(errno);
        }
    });
    host.ip("link set " + name + (kind == IFF_TAP ? " address 02:00:5e:00:53:01" : "") + " mtu 1400 up");
    return Socket(line);
}

Client::Client(int kind) : frames_(kind == IFF_TAP), line_(open_line(host_, "wan0", kind)) {}

void Client::number(const std::string& address) const {
    const bool six = address.contains(':');
    const std::string family = six ? "-6 " : "";
    host_.number("wan0", address + (six ? "/128" : "/32"));
    host_.ip(family + "route add default dev wan0");
    if (frames_) {
        host_.ip("neighbour add " + std::string(six ? mx6 : mx4) +
                 " lladdr 02:00:5e:00:53:02 dev wan0 nud permanent");
    }
}

int Client::connect(const std::string& address) const {
    int error = 0;
    host_.inside([&] { error = connect_to(tcp_socket(address), address, 25); });
    return error;
}

Modem::Modem(const Client& client, const Wire& wire, const Shell& shell)
    : line_(client.line()),
      wire_(wire),
      type_(shell.six ? Bytes{0x86, 0xdd} : Bytes{0x08, 0x00}),
      ppp_(shell.ppp) {
    const Bytes frame = shell.six ? shell_of(shell, Eth()).IPv6(reset6, mx6).bytes()
                                  : shell_of(shell, Eth()).IPv4(reset4, mx4).bytes();
    shell_ = Bytes(frame.begin() + macs, frame.end() - (shell.six ? 40 : 20));
    carrying_ = std::jthread([this](const std::stop_token& stop) { carry(stop); });
}

void Modem::carry(const std::stop_token& stop) const {
    while (!stop.stop_requested()) {
        const auto said = read_from(line_);
        if (said && std::ranges::equal(std::span(*said).subspan(macs, type_.size()), type_)) {
            wire_.send(wrap(*said));
        }
        if (const auto heard = wire_.arrived(0ms)) {
            if (const auto frame = unwrap(*heard)) {
                write_to(line_, *frame);
            }
        }
    }
}

Bytes Modem::wrap(const Bytes& frame) const {
    Bytes wrapped(frame.begin(), frame.begin() + macs);
    wrapped.insert(wrapped.end(), shell_.begin(), shell_.end());
    if (ppp_ != 0) {
        const std::size_t length = frame.size() - ethernet + ppp_;
        const std::size_t at = wrapped.size() - ppp_ - 2;
        wrapped.at(at) = static_cast<std::uint8_t>(length >> 8);
        wrapped.at(at + 1) = static_cast<std::uint8_t>(length);
    }
    wrapped.insert(wrapped.end(), frame.begin() + ethernet, frame.end());
    return wrapped;
}

// Nothing unless the shell is the same to the octet, but PPPoE's length, and this is right.
std::optional<Bytes> Modem::unwrap(const Bytes& frame) const {
    const std::size_t begin = macs + shell_.size();
    if (frame.size() < begin) {
        return std::nullopt;
    }
    Bytes shell(frame.begin() + macs, frame.begin() + static_cast<std::ptrdiff_t>(begin));
    if (ppp_ != 0) {
        const std::size_t at = shell.size() - ppp_ - 2;
        if (number_at(shell, at) != frame.size() - begin + ppp_) {
            return std::nullopt;
        }
        std::copy_n(shell_.begin() + static_cast<std::ptrdiff_t>(at), 2,
                    shell.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (shell != shell_) {
        return std::nullopt;
    }
    Bytes unwrapped(frame.begin(), frame.begin() + macs);
    unwrapped.insert(unwrapped.end(), type_.begin(), type_.end());
    unwrapped.insert(unwrapped.end(), frame.begin() + static_cast<std::ptrdiff_t>(begin), frame.end());
    return unwrapped;
}

namespace {

// The packet in one that goes from one end of a tunnel to the other.
Bytes encapsulated(const Bytes& packet, const std::string& from, const std::string& to) {
    return from.contains(':') ? Packet{}.IPv6(from, to).Next(IPPROTO_IPIP).Raw(packet).bytes()
                              : Packet{}.IPv4(from, to).Next(IPPROTO_IPV6).Raw(packet).bytes();
}

// What is in it; nothing unless it comes from that end. A TTL, an identification or a checksum may differ:
// the addresses do not.
std::optional<Bytes> decapsulated(const Bytes& packet, const std::string& from, const std::string& to) {
    const bool six = from.contains(':');
    const Bytes header = encapsulated({}, from, to);
    const std::size_t addresses = six ? 32 : 8;
    const std::size_t protocol = six ? 6 : 9;
    if (packet.size() <= header.size() || packet.at(0) != header.at(0) ||
        packet.at(protocol) != header.at(protocol) ||
        !std::equal(header.end() - static_cast<std::ptrdiff_t>(addresses), header.end(),
                    packet.begin() + static_cast<std::ptrdiff_t>(header.size() - addresses))) {
        return std::nullopt;
    }
    return Bytes(packet.begin() + static_cast<std::ptrdiff_t>(header.size()), packet.end());
}

}  // namespace

TunnelLine::TunnelLine(const Client& client, const Socket& other, std::string from, std::string to)
    : carrying_([inside = client.line(), outside = other.get(), from = std::move(from),
                 to = std::move(to)](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
              if (const auto said = read_from(inside)) {
                  write_to(outside, encapsulated(*said, from, to));
              }
              if (const auto heard = read_from(outside)) {
                  if (const auto packet = decapsulated(*heard, to, from)) {
                      write_to(inside, *packet);
                  }
              }
          }
      }) {}

SerialLine::SerialLine(const Client& client, const Socket& other)
    : carrying_([from = client.line(), to = other.get()](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
              if (const auto said = read_from(from)) {
                  write_to(to, *said);
              }
              if (const auto heard = read_from(to)) {
                  write_to(from, *heard);
              }
          }
      }) {}

}  // namespace sekisho::bpftest
