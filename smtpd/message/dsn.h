// SPDX-License-Identifier: Apache-2.0
// Notices of failure for senders (RFC 3464, in RFC 6522's form). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smtpd/message/envelope.h"

namespace sekisho::message {

// A recipient who was given up.
struct FailedRecipient {
    std::string address;
    std::string status;      // "5.1.1"; anything that isn't of class 5 is written as 5.0.0
    std::string diagnostic;  // the other server's reply, or what went wrong; printable
    std::string host;        // who said so; may be empty
    bool replied = false;    // the diagnostic is an SMTP reply
};

// The notice as a message with CRLF line ends, for original.sender. `header` is the beginning of the
// original: its header section, with or without what stands behind it, or as much of that as there is; up to
// 64 KiB of it are quoted, in whole lines. `id` names the notice.
[[nodiscard]] std::string failure_notice(const Envelope& original, const std::vector<FailedRecipient>& failed,
                                         std::string_view header, std::string_view hostname,
                                         std::string_view id, WallTime now);

}  // namespace sekisho::message
