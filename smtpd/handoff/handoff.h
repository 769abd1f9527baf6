// SPDX-License-Identifier: Apache-2.0
// The words between sekisho-smtpd and sekisho-relay: a Unix SOCK_SEQPACKET socket, one JSON object a packet.
//
// A request {"n":7,"size":4096,"envelope":{...}} carries the message as a descriptor (SCM_RIGHTS) of a file
// that holds `size` octets from offset 0, or, where it is small, in the packet, behind a line feed, of which
// the object has none. The answer {"n":7} means that the message is on the disk;
// {"n":7,"refused":"452 4.3.1 ..."} that it is not and what to tell the client. A recipient is a string, or
// an object where its sender has said what to tell of it; what wasn't said isn't there.
//
// A question {"n":7,"recipient":"bob@example.net"}, without a file, is whether the server of a local domain
// has this mailbox, with "utf8":true whether it takes mail for it that needs SMTPUTF8. The answer {"n":7}
// means that it does, and "refused" what it says against it: 5xx for good, 4xx for now, or because it doesn't
// answer.
//
// A question {"n":7,"user":"anna"} is whether this user may send anything now; "refused" is why not.
//
// A question {"n":7,"client":"192.0.2.1"} is what forward-confirmed name this address has: {"n":7,"name":
// "mail.example.net"}, or {"n":7} for none, also where nobody could tell.
//
// Many of all may be under way; answers come in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/message/envelope.h"

namespace sekisho::handoff {

// No object is longer in a packet. An envelope that would be stands in the file, behind the message.
constexpr std::size_t longest_object = std::size_t{128} * 1024;
// A thousand recipients, each with the longest address and ORCPT, and half of that escaped.
constexpr std::size_t longest_envelope = std::size_t{4} * 1024 * 1024;
// A message of so many octets needs no file.
constexpr std::size_t most_in_packet = std::size_t{16} * 1024;
constexpr std::size_t longest_packet = longest_object + 1 + most_in_packet;

struct Request {
    std::uint64_t number = 0;
    std::uint64_t size = 0;
    message::Envelope envelope;
    std::string octets{};  // all of the message, if it stands in the packet; empty: it is in the file
    std::size_t envelope_size = 0;  // not 0: the envelope, too, so many octets behind the message
};

struct Question {
    enum class About : std::uint8_t { mailbox, user, client };
    std::uint64_t number = 0;
    About about = About::mailbox;
    std::string subject;     // an address, a name by which somebody logs in, an IP address
    message::Needs needs{};  // of what would come to a mailbox
};

struct Answer {
    std::uint64_t number = 0;
    std::string refused;  // an SMTP reply without its line end; empty: kept, or the answer is yes
    std::string name{};   // of a client; empty: it has none
};

[[nodiscard]] std::string encode(const Request& request);
[[nodiscard]] std::string encode(const message::Envelope& envelope);
[[nodiscard]] std::string encode(const Question& question);
[[nodiscard]] std::string encode(const Answer& answer);
// Failure::invalid for anything but what encode() makes.
[[nodiscard]] Result<Request> decode_request(std::string_view packet);
[[nodiscard]] Result<message::Envelope> decode_envelope(std::string_view text);
[[nodiscard]] Result<Question> decode_question(std::string_view packet);
[[nodiscard]] Result<Answer> decode_answer(std::string_view packet);

}  // namespace sekisho::handoff
