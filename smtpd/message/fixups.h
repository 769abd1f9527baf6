// SPDX-License-Identifier: Apache-2.0
// What a submission server does to a message's header (RFC 6409, section 8): trace on top, Date and
// Message-ID if they are missing, no Bcc; and no Return-Path, which is the last server's (RFC 5321, 4.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/message/envelope.h"

namespace sekisho::message {

// For the Received line (RFC 5321, 4.4).
struct Trace {
    std::string hostname;  // ours
    std::string helo;      // what the client called itself
    std::string client;    // its address, text; empty: it shall not be told, nor its name
    std::string
        protocol;  // "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" (RFC 3848), "UTF8SMTPSA" (RFC 6531, 4.3), "SMTP"
    std::string tls;  // "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384", or empty
    std::string id;
    std::string recipient;  // named only where there is one
    WallTime received{};
};

// As what a message is taken: a user's, which is completed, or another host's, which gets its trace and
// nothing else (RFC 5321, 6.4: what a relay MUST NOT do).
enum class Duty : std::uint8_t { submission, relay };

// Passes a message on, octets in, octets out, holding back no more than its header.
class Fixups {
public:
    explicit Fixups(Trace trace, Duty duty = Duty::submission);
    Fixups(Fixups&&) noexcept;
    Fixups& operator=(Fixups&&) noexcept;
    ~Fixups();

    // What can be passed on now. Failure::refused, with an SMTP reply in `what` ("554 5.4.6 Too many hops"):
    // too many Received lines, or a header over 256 KiB. Nothing may be fed any more then.
    [[nodiscard]] Result<std::string> feed(std::string_view octets);
    // The rest, where the message ended inside its header.
    [[nodiscard]] Result<std::string> finish();
    // Whether the header, as far as it has been seen, has anything that isn't ASCII (RFC 6532).
    [[nodiscard]] bool header_is_ascii() const;
    // The same of the whole message (RFC 6152).
    [[nodiscard]] bool is_ascii() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// The Received header field, folded, with its CRLF.
[[nodiscard]] std::string received_field(const Trace& trace);

// "Tue, 24 Nov 2026 12:00:00 +0000" (RFC 5322, 3.3).
[[nodiscard]] std::string date_text(WallTime time);

}  // namespace sekisho::message
