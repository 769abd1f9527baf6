// SPDX-License-Identifier: Apache-2.0
// A UDP socket whose datagrams are taken some at a time, so that what else the program does isn't held up.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "agent/base/socket_address.h"

namespace sekisho {

// The two ends of a datagram: who sent it, and to which of this machine's addresses.
struct DatagramPath {
    Endpoint remote;
    Address local;
    unsigned interface = 0;  // by which it came in
};

// Not thread-safe.
class Datagrams {
public:
    struct Handlers {
        // One datagram. One that is longer than `longest` is seen to be longer, and cut.
        std::function<void(std::string_view octets, const DatagramPath& path)> take;
        // Some were taken, and no more is there, or it is time to let others work.
        std::function<void()> taken;
        // So many were thrown away by the kernel, because more came than were taken.
        std::function<void(std::uint64_t count)> lost;
    };

    // Listens at an address (see bind_udp()). Failure::conflict for a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<Datagrams>> listen(
        const boost::asio::any_io_executor& executor, const Endpoint& endpoint, std::size_t longest,
        Handlers handlers);

    Datagrams(const Datagrams&) = delete;
    Datagrams& operator=(const Datagrams&) = delete;
    ~Datagrams();

    // The port listened on.
    [[nodiscard]] std::uint16_t port() const { return port_; }

    // Answers from the address that was written to. What can't be sent now is lost, as any datagram may be;
    // false then.
    bool answer(const DatagramPath& path, std::span<const std::uint8_t> octets);

private:
    Datagrams(const boost::asio::any_io_executor& executor, std::uint16_t port, Descriptor socket,
              std::size_t longest, Handlers handlers);

    void await();
    void take_some();
    bool take_one();
    void note_overflow(std::uint32_t in_all);

    std::uint16_t port_;
    boost::asio::posix::stream_descriptor socket_;
    Handlers handlers_;
    std::vector<char> octets_;
    std::uint32_t overflowed_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sekisho
