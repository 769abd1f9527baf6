// SPDX-License-Identifier: Apache-2.0
// RADIUS accounting (RFC 2866, with the attributes of RFC 2869, 3162, 4818 and 6911): what a packet says, and
// the answer to it. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::subscribers {

// RFC 2866, section 3: the least and the most that Length may say.
constexpr std::size_t shortest_packet = 20;
constexpr std::size_t longest_packet = 4096;

// Of a kind of attribute that may come more than once, so many are read; what comes behind them is ignored.
constexpr std::size_t most_prefixes = 16;
constexpr std::size_t most_labels = 16;  // of Class, and as many of Filter-Id
// More of these make a packet malformed: each of them has to be sent back.
constexpr std::size_t most_proxy_states = 64;

// Acct-Status-Type. `other` is what this box has no use for; it is answered all the same.
enum class Status : std::uint8_t { start, stop, interim, on, off, other };

// One Accounting-Request, as far as it matters here. Texts are octets as they came, not fit to be printed;
// they are empty, and optional values missing, where the packet has none.
struct AccountingRequest {
    std::uint8_t identifier = 0;
    std::array<std::uint8_t, 16> authenticator{};
    Status status = Status::other;
    std::string session_id;  // Acct-Session-Id; never empty with start, stop and interim
    std::string user;
    std::string calling_station;
    std::vector<std::string> classes;
    std::vector<std::string> filters;
    std::optional<Address> nas;  // NAS-IP-Address, else NAS-IPv6-Address
    std::string nas_identifier;
    std::string nas_port;  // NAS-Port-Id, else the number of NAS-Port
    // Addresses as prefixes of full length, each once, in the packet's order. What names no one address
    // (RFC 2865, section 5.8: 255.255.255.254 and .255; zeros) is not among them.
    std::vector<Prefix> prefixes;
    std::chrono::seconds delay{};                          // Acct-Delay-Time
    std::optional<std::chrono::sys_seconds> event_time;    // Event-Timestamp
    std::optional<std::chrono::seconds> interim_interval;  // Acct-Interim-Interval
    std::optional<std::chrono::seconds> session_time;      // Acct-Session-Time
    std::vector<std::vector<std::uint8_t>> proxy_states;   // their values
};

// `packet` is what came in one datagram; octets behind its Length are padding. Failure::invalid if it is no
// Accounting-Request, is cut short, or has an attribute that can't be what it says; Failure::refused if it
// was not made with this secret. Neither may be answered (RFC 2866, section 3 and 4.1).
[[nodiscard]] Result<AccountingRequest> read_accounting(std::span<const std::uint8_t> packet,
                                                        std::string_view secret);

// What the NAS that made it calls itself: NAS-Identifier, else its address; else `source`, whence it came.
[[nodiscard]] std::string nas_of(const AccountingRequest& request, const Address& source);

// The Accounting-Response (RFC 2866, section 4.2), with the Proxy-State attributes of the request in their
// order. It has no Message-Authenticator, even if the request had one: RFC 2869, section 5.19 knows none in
// accounting, and those who send it disagree whether that of an answer is made with the Request Authenticator
// or with zeros, and drop what is made in the other way.
[[nodiscard]] std::vector<std::uint8_t> accounting_response(const AccountingRequest& request,
                                                            std::string_view secret);

}  // namespace sekisho::subscribers
