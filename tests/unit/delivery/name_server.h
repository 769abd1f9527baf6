// SPDX-License-Identifier: Apache-2.0
// A name server on loopback with a few names. Whatever it doesn't know doesn't exist.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/descriptor.h"
#include "agent/base/socket_address.h"

namespace sekisho::delivery::tests {

class NameServer {
public:
    NameServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const auto address = socket_address({.address = parse_address("127.0.0.1").value(), .port = 0});
        if (!socket_ || ::bind(socket_.get(), address.get(), address.size) != 0) {
            throw std::runtime_error("no name server");
        }
    }
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;
    ~NameServer() {
        if (thread_.joinable()) {
            ending_ = true;
            const auto address = socket_address(*local_endpoint(socket_.get()));
            ::sendto(socket_.get(), "", 0, 0, address.get(), address.size);
        }
    }

    void mx(const std::string& domain, std::uint8_t preference, const std::string& host) {
        const std::scoped_lock held(mutex_);
        records_[domain][type_mx].push_back(std::string({'\0', static_cast<char>(preference)}) + wire(host));
    }
    void address(const std::string& host, std::string_view text) {
        const Address address = parse_address(text).value();
        const bool four = address.family == Family::ipv4;
        const std::scoped_lock held(mutex_);
        records_[host][four ? type_a : type_aaaa].emplace_back(
            reinterpret_cast<const char*>(address.bytes.data()), four ? 4 : 16);
    }
    void ptr(const std::string& reverse, const std::string& name) {
        const std::scoped_lock held(mutex_);
        records_[reverse][type_ptr].push_back(wire(name));
    }
    // A name that nobody can tell of now.
    void trouble(const std::string& name) {
        const std::scoped_lock held(mutex_);
        records_[name][trouble_] = {};
    }
    void forget() {
        const std::scoped_lock held(mutex_);
        records_.clear();
    }

    std::uint16_t start() {
        if (!thread_.joinable()) {
            thread_ = std::jthread([this] { serve(); });
        }
        return local_endpoint(socket_.get())->port;
    }

private:
    static constexpr int type_a = 1;
    static constexpr int type_ptr = 12;
    static constexpr int type_mx = 15;
    static constexpr int type_aaaa = 28;
    static constexpr int trouble_ = 0;
    static constexpr std::size_t header_size = 12;

    static std::string wire(std::string_view name) {
        std::string all;
        while (!name.empty()) {
            const std::string_view label = name.substr(0, name.find('.'));
            all += static_cast<char>(label.size());
            all += label;
            name.remove_prefix(std::min(name.size(), label.size() + 1));
        }
        return all + '\0';
    }

    // The answer to a packet with one question.
    [[nodiscard]] std::string answer(std::string_view packet) {
        const std::scoped_lock held(mutex_);
        std::string name;
        std::size_t at = header_size;
        while (packet.at(at) != 0) {
            const std::size_t length = static_cast<unsigned char>(packet.at(at));
            name.append(name.empty() ? "" : ".").append(packet.substr(at + 1, length));
            at += 1 + length;
        }
        const int type = static_cast<unsigned char>(packet.at(at + 2));
        const std::string question(packet.substr(header_size, at + 5 - header_size));
        const auto found = records_.find(name);
        const bool known = found != records_.end();
        const bool broken = known && found->second.contains(trouble_);
        std::string records;
        std::size_t count = 0;
        if (known && found->second.contains(type)) {
            for (const std::string& data : found->second.at(type)) {
                constexpr std::string_view fixed("\0\1\0\0\0\0\0", 7);  // IN, TTL 0, high octet of the length
                records += std::string("\xc0\x0c\0", 3) + static_cast<char>(type);
                records.append(fixed).append(1, static_cast<char>(data.size())).append(data);
                count++;
            }
        }
        std::string said(packet.substr(0, 2));
        said += '\x85';  // an answer, authoritative, as was desired
        said += static_cast<char>(0x80 | (broken ? 2 : known ? 0 : 3));
        said += std::string("\0\1\0", 3) + static_cast<char>(count) + std::string(4, '\0');
        return said + question + records;
    }

    void serve() {
        std::array<char, 1500> packet{};
        while (true) {
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            auto* const client = reinterpret_cast<sockaddr*>(&from);
            const ssize_t got = ::recvfrom(socket_.get(), packet.data(), packet.size(), 0, client, &size);
            if (ending_) {
                return;
            }
            if (got > static_cast<ssize_t>(header_size)) {
                const std::string said = answer({packet.data(), static_cast<std::size_t>(got)});
                ::sendto(socket_.get(), said.data(), said.size(), 0, client, size);
            }
        }
    }

    Descriptor socket_;
    std::mutex mutex_;
    std::map<std::string, std::map<int, std::vector<std::string>>> records_;  // under mutex_
    std::atomic<bool> ending_ = false;
    std::jthread thread_;
};

}  // namespace sekisho::delivery::tests
