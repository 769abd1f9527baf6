// SPDX-License-Identifier: Apache-2.0
// Notices to senders of what became of their mail (RFC 3464, in RFC 6522's form). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpd/message/envelope.h"

namespace sekisho::message {

// A recipient to tell the sender of.
struct ReportedRecipient {
    // Given up; not yet arrived, and still tried; in the mailbox; or passed on to a host that tells nobody of
    // its success (RFC 3464, 2.3.3).
    enum class Action : std::uint8_t { failed, delayed, delivered, relayed };

    Action action = Action::failed;
    std::string address;
    std::string status;  // "5.1.1"; anything that isn't of the action's class is written as its general one
    std::string diagnostic;                 // the other server's reply, or what went wrong; printable
    std::string host;                       // who said so; may be empty
    bool replied = false;                   // the diagnostic is an SMTP reply
    std::string original{};                 // as in Recipient
    std::optional<WallTime> retry_until{};  // of delayed
};

// What a notice has of the message, from its beginning.
struct Quote {
    std::string_view octets;
    bool whole =
        false;  // all of it, to be enclosed as it is; else only its header is, up to 64 KiB in whole lines
};

// The notice as a message with CRLF line ends, for original.sender. `id` names the notice.
[[nodiscard]] std::string status_notice(const Envelope& original,
                                        const std::vector<ReportedRecipient>& reported, const Quote& quote,
                                        std::string_view hostname, std::string_view id, WallTime now);

}  // namespace sekisho::message
