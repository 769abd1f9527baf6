// SPDX-License-Identifier: Apache-2.0
// Network interfaces that come and go, by rtnetlink. Says what is there; what it means is the caller's
// business.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "agent/base/result.h"

namespace sekisho::links {

// An interface as the kernel describes it.
struct Link {
    unsigned index = 0;
    std::string name;
    std::string kind;                   // "veth", "bridge", ...; empty for hardware
    std::string port_of;                // the kind of what it is a port of: "bridge", "bond"; mostly empty
    std::uint16_t hardware = 0;         // ARPHRD_..., see linux/if_arp.h
    std::array<std::uint8_t, 6> mac{};  // zero without an Ethernet address
    // The index of the device that its packets come in by first, as a VLAN's, a macvlan's and an ipvlan's do;
    // 0: none of this network namespace.
    unsigned on = 0;
    bool came = false;  // while it was watched, otherwise it was there before; makes no other link of it

    bool operator==(const Link& other) const {
        const auto facts = [](const Link& link) {
            return std::tie(link.index, link.name, link.kind, link.port_of, link.hardware, link.mac, link.on);
        };
        return facts(*this) == facts(other);
    }
};

// What an interface says of itself at the moment.
struct Traffic {
    bool up = false;
    std::uint64_t received = 0;  // packets, since it was made
};
// Nothing if it is gone.
[[nodiscard]] std::optional<Traffic> traffic_of(unsigned index);

// Watches all interfaces of the network namespace. Callbacks run on the executor's thread, in the order of
// the kernel's messages; after a lost message everything is read anew, so that the picture is right again.
class Watcher {
public:
    using Appeared = std::function<void(const Link&)>;  // new, or something that Link says has changed
    using Gone = std::function<void(const Link&)>;

    // Reads what is there (`appeared` has been called for each interface when it returns) and watches on.
    [[nodiscard]] static Result<std::unique_ptr<Watcher>> start(const boost::asio::any_io_executor& executor,
                                                                Appeared appeared, Gone gone);

    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    virtual ~Watcher() = default;

protected:
    Watcher() = default;
};

}  // namespace sekisho::links
