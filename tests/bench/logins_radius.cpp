// SPDX-License-Identifier: Apache-2.0
// A NAS in a hurry: bench_logins_radius ADDRESS SECRET FIRST COUNT KIND... sends to port 1813 a packet of
// each KIND (start, interim, stop) for so many subscribers of 10.0.0.0/11, and prints
// {"packets","seconds","lost"}: of packets that were not answered within two seconds. None is sent twice; an
// answer that is not signed for the packet it answers is none.
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/descriptor.h"
#include "agent/base/socket_address.h"

namespace {

using Clock = std::chrono::steady_clock;
using Packet = std::vector<std::uint8_t>;

constexpr std::uint16_t port = 1813;
constexpr std::size_t sockets = 8;
constexpr std::size_t at_once = 64;  // packets that wait for their answer, of each socket
constexpr std::chrono::seconds patience{2};

void append(Packet& packet, std::uint8_t type, std::span<const std::uint8_t> value) {
    packet.push_back(type);
    packet.push_back(static_cast<std::uint8_t>(value.size() + 2));
    packet.insert(packet.end(), value.begin(), value.end());
}

void append(Packet& packet, std::uint8_t type, std::string_view text) {
    append(packet, type, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::array<std::uint8_t, 4> number(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
            static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

// The attributes that a BNG sends, of RFC 2866 and 4818.
Packet request(std::uint8_t identifier, std::uint32_t status, std::uint32_t subscriber,
               std::string_view secret) {
    Packet packet{4, identifier};
    packet.resize(20);
    const std::string name = std::to_string(subscriber);
    append(packet, 40, number(status));
    append(packet, 44, "5f0a" + name);
    append(packet, 1, "user" + name + "@example.net");
    append(packet, 32, "bng1");
    append(packet, 31, "00-11-22-33-44-55");
    append(packet, 8, number(0x0a000000U + subscriber));
    append(packet, 25, "residential");
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    Packet hashed = packet;
    hashed.insert(hashed.end(), secret.begin(), secret.end());
    EVP_Digest(hashed.data(), hashed.size(), packet.data() + 4, nullptr, EVP_md5(), nullptr);
    return packet;
}

// RFC 2866, section 3: MD5 of the answer with the request's authenticator in its place, and of the secret.
bool answers(std::span<const std::uint8_t> answer, const Packet& packet, std::string_view secret) {
    static EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    constexpr std::size_t at = 4;
    constexpr std::size_t size = 16;
    if (answer[0] != 5 || answer[1] != packet[1] ||
        (std::size_t{answer[2]} << 8U | answer[3]) != answer.size()) {
        return false;
    }
    Packet hashed(answer.begin(), answer.end());
    std::copy_n(packet.begin() + at, size, hashed.begin() + at);
    hashed.insert(hashed.end(), secret.begin(), secret.end());
    std::array<std::uint8_t, size> digest{};
    EVP_Digest(hashed.data(), hashed.size(), digest.data(), nullptr, md5, nullptr);
    return std::ranges::equal(digest, answer.subspan(at, size));
}

// One socket: its packets in order, and which of their identifiers wait for an answer.
class Line {
public:
    Line(const sekisho::SocketAddress& server, std::string_view secret)
        : socket_(::socket(server.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          secret_(secret) {
        const int room = 1 << 20;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (::connect(socket_.get(), server.get(), server.size) != 0) {
            std::perror("connect");
            std::exit(1);
        }
    }

    // The identifier that the next packet has to have.
    [[nodiscard]] std::uint8_t next() const { return static_cast<std::uint8_t>(packets_.size()); }
    void add(Packet packet) { packets_.push_back(std::move(packet)); }
    [[nodiscard]] bool done() const { return sent_ == packets_.size() && waiting_.none(); }
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] std::size_t lost() const { return lost_; }

    void send() {
        while (sent_ < packets_.size() && waiting_.count() < at_once) {
            const Packet& packet = packets_[sent_];
            if (waiting_[packet[1]] || ::send(socket_.get(), packet.data(), packet.size(), 0) < 0) {
                return;
            }
            waiting_.set(packet[1]);
            of_identifier_.at(packet[1]) = sent_++;
            heard_ = Clock::now();
        }
    }

    void receive() {
        std::array<std::uint8_t, 4096> answer{};
        ssize_t size = 0;
        while ((size = ::recv(socket_.get(), answer.data(), answer.size(), 0)) >= 20) {
            if (waiting_[answer[1]] && answers(std::span(answer).first(static_cast<std::size_t>(size)),
                                               packets_[of_identifier_.at(answer[1])], secret_)) {
                waiting_.reset(answer[1]);
                heard_ = Clock::now();
            }
        }
        if (waiting_.any() && Clock::now() - heard_ > patience) {
            lost_ += waiting_.count();
            waiting_.reset();
        }
    }

private:
    sekisho::Descriptor socket_;
    std::string_view secret_;
    std::vector<Packet> packets_;
    std::array<std::size_t, 256> of_identifier_{};  // which of them has it
    std::size_t sent_ = 0;
    std::size_t lost_ = 0;
    std::bitset<256> waiting_;
    Clock::time_point heard_ = Clock::now();
};

std::uint32_t status_of(std::string_view kind) {
    return kind == "start" ? 1 : kind == "stop" ? 2 : 3;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv, argv + argc);
    if (arguments.size() < 6) {
        std::fputs("usage: bench_logins_radius ADDRESS SECRET FIRST COUNT start|interim|stop...\n", stderr);
        return 2;
    }
    const auto server =
        sekisho::socket_address({.address = sekisho::parse_address(arguments[1]).value(), .port = port});
    std::deque<Line> lines;
    for (std::size_t i = 0; i < sockets; i++) {
        lines.emplace_back(server, arguments[2]);
    }
    const auto first = static_cast<std::uint32_t>(std::stoul(arguments[3]));
    const auto count = static_cast<std::uint32_t>(std::stoul(arguments[4]));
    std::size_t packets = 0;
    for (const std::string& kind : std::span(arguments).subspan(5)) {
        for (std::uint32_t i = first; i < first + count; i++, packets++) {
            Line& line = lines[i % sockets];  // what one subscriber's packets say stays in order
            line.add(request(line.next(), status_of(kind), i, arguments[2]));
        }
    }
    const auto begin = Clock::now();
    std::array<pollfd, sockets> waiting{};
    while (!std::ranges::all_of(lines, &Line::done)) {
        for (std::size_t i = 0; i < sockets; i++) {
            lines[i].receive();
            lines[i].send();
            waiting.at(i) = {.fd = lines[i].socket(), .events = POLLIN, .revents = 0};
        }
        ::poll(waiting.data(), waiting.size(), 100);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::size_t lost = 0;
    for (const Line& line : lines) {
        lost += line.lost();
    }
    std::printf("{\"packets\":%zu,\"seconds\":%.3f,\"lost\":%zu}\n", packets, seconds, lost);
    return 0;
}
