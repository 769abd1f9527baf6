// SPDX-License-Identifier: Apache-2.0
// Names of mail hosts by libunbound, without waiting.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"

namespace sekisho::dns {

struct MxRecord {
    std::uint16_t preference = 0;
    std::string host;  // without the last dot; empty: "." (RFC 7505)
};

// Runs on one thread's executor.
class Resolver {
public:
    // Asks the configured servers, at `port`, or those of /etc/resolv.conf. Failure::unavailable if
    // libunbound can't start.
    [[nodiscard]] static Result<std::shared_ptr<Resolver>> make(const boost::asio::any_io_executor& executor,
                                                                const DnsConfig& config,
                                                                std::uint16_t port = 53);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    // Both: an empty list where the name exists without such a record; Failure::not_found where it doesn't
    // exist; Failure::unavailable where nobody could tell now.
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<MxRecord>>> mx(std::string domain);
    // IPv6 first, then IPv4.
    [[nodiscard]] boost::asio::awaitable<Result<std::vector<Address>>> addresses(std::string host);
    // The address's own name (PTR, RFC 1035, 3.5; RFC 3596, 2.5), if that name has this address: whoever
    // holds an address can give it any name. In small letters; Failure::not_found if there is none,
    // Failure::unavailable where nobody could tell within a quarter of a minute.
    [[nodiscard]] boost::asio::awaitable<Result<std::string>> confirmed_name(Address address);

private:
    struct State;
    explicit Resolver(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::dns
