// SPDX-License-Identifier: Apache-2.0
// What travels with a message and isn't part of it (RFC 5321, 2.3.1).
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/message/notification.h"

namespace sekisho::message {

using WallTime = std::chrono::sys_seconds;

struct Recipient {
    // One of whom nothing else is said.
    Recipient(std::string mailbox) : address(std::move(mailbox)) {}
    Recipient(const char* mailbox) : address(mailbox) {}

    std::string address;
    Notify notify;
    std::string original;  // ORCPT's value, as it came, but always in ASCII; empty: not given

    bool operator==(const Recipient&) const = default;
};

// What a host must offer to take a message in.
struct Needs {
    bool eight_bit = false;  // 8BITMIME (RFC 6152)
    bool utf8 = false;       // SMTPUTF8 (RFC 6531)
    bool operator==(const Needs&) const = default;
};

struct Envelope {
    std::string id;                     // of the message in trace, logs and spool: 16 of [0-9a-z]
    std::string sender;                 // "alice@example.net"; empty: the null reverse-path, never bounced
    std::vector<Recipient> recipients;  // at least one
    std::string user;                   // who logged in; empty: a network of trust
    std::string client;                 // address of the client, text
    bool eight_bit = false;             // BODY=8BITMIME (RFC 6152), and the message is so
    bool utf8 = false;                  // only hosts that speak SMTPUTF8 can take it (RFC 6531)
    WallTime received{};
    Return returned = Return::not_given;
    std::string envelope_id{};  // ENVID's value, as it came; empty: not given
};

}  // namespace sekisho::message
