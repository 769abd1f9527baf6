// SPDX-License-Identifier: Apache-2.0
// What travels with a message and isn't part of it (RFC 5321, 2.3.1).
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace sekisho::message {

using WallTime = std::chrono::sys_seconds;

struct Envelope {
    std::string id;                       // of the message in trace, logs and spool: 16 of [0-9a-z]
    std::string sender;                   // "alice@example.net"; empty: the null reverse-path, never bounced
    std::vector<std::string> recipients;  // at least one
    std::string user;                     // who logged in; empty: a network of trust
    std::string client;                   // address of the client, text
    bool eight_bit = false;               // BODY=8BITMIME (RFC 6152)
    WallTime received{};
};

}  // namespace sekisho::message
