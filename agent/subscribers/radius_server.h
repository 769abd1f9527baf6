// SPDX-License-Identifier: Apache-2.0
// The listener for RADIUS accounting (RFC 2866).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/datagrams.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "agent/subscribers/recent_packets.h"
#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

// What some packets in a row say; it may be changed. When the function returns, all that follows from them
// has been done. If it is recorded, too, they are answered; else their senders are to send them again (RFC
// 2866, section 2).
using OnReports = std::function<bool(std::span<Report> reports)>;

// Takes packets from clients that are known, checks their secret, and answers. Not thread-safe.
class RadiusServer {
public:
    struct Counts {
        std::uint64_t packets = 0;    // that were understood
        std::uint64_t repeated = 0;   // of them: that had come before, octet for octet
        std::uint64_t answers = 0;    // that were sent
        std::uint64_t strangers = 0;  // packets from addresses of no client
        std::uint64_t refused = 0;    // made with another secret
        std::uint64_t malformed = 0;
        std::uint64_t unrecorded = 0;  // not answered, since they couldn't be recorded
        std::uint64_t lost = 0;        // thrown away by the kernel, because more came than were read
    };

    // Listens at all addresses, and reads the clients' secrets. `config` must outlive the object.
    // Failure::invalid for a secret that can't be used, Failure::conflict for a port that is taken.
    [[nodiscard]] static Result<std::unique_ptr<RadiusServer>> listen(
        const boost::asio::any_io_executor& executor, const RadiusConfig& config, OnReports on_reports);
    RadiusServer(const RadiusServer&) = delete;
    RadiusServer& operator=(const RadiusServer&) = delete;
    ~RadiusServer() = default;

    [[nodiscard]] const Counts& counts() const { return counts_; }
    // The ports listened on, in the order of the configuration's addresses.
    [[nodiscard]] std::vector<std::uint16_t> ports() const;

private:
    struct Client {
        std::string name;
        std::string secret;
        std::optional<std::chrono::seconds> interim_interval;
        std::map<std::string, std::chrono::seconds> interim_intervals;  // of single NASes

        [[nodiscard]] std::optional<std::chrono::seconds> interval_of(const std::string& nas) const;
    };
    // What is sent when all that follows from the packets is done.
    struct Waiting {
        DatagramPath path;
        std::vector<std::uint8_t> response;
    };
    // Packets of one socket.
    struct Bunch {
        std::unique_ptr<Datagrams> socket;
        std::vector<Report> reports;
        std::vector<Waiting> waiting;
    };

    explicit RadiusServer(OnReports on_reports) : on_reports_(std::move(on_reports)), quiet_("radius") {}

    Result<void> read_clients(const RadiusConfig& config);
    Result<void> listen_at(const boost::asio::any_io_executor& executor, const Endpoint& endpoint);
    // The client with the longest prefix around the address; null for a stranger.
    [[nodiscard]] const Client* client_of(const Address& address) const;
    void take(std::string_view octets, const DatagramPath& path, Bunch& bunch);
    void answer(Bunch& bunch);
    void note_lost(std::uint64_t count);

    OnReports on_reports_;
    log::Quiet quiet_;
    Counts counts_;
    RecentPackets recent_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::map<Prefix, const Client*> by_prefix_;
    std::map<std::pair<Family, int>, std::size_t> lengths_;  // that prefixes of clients have
    std::vector<std::unique_ptr<Bunch>> bunches_;
};

}  // namespace sekisho::subscribers
