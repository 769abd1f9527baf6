// SPDX-License-Identifier: Apache-2.0
// Packets between sekisho-smtpd and sekisho-relay: what is accepted is whole, can be written and read again,
// and has no address that could be more than one line of a conversation.
#include <algorithm>
#include <string>
#include <string_view>

#include "smtpd/handoff/handoff.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace handoff = sekisho::handoff;

namespace {

bool one_line(std::string_view text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

void check(const handoff::Request& request) {
    const auto& envelope = request.envelope;
    require(envelope.id.size() == 16 &&
                std::ranges::all_of(envelope.id,
                                    [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }),
            "an id is one");
    require(!envelope.recipients.empty(), "somebody is to get it");
    require(std::ranges::all_of(envelope.recipients, one_line, &sekisho::message::Recipient::address) &&
                one_line(envelope.sender) && one_line(envelope.user) && one_line(envelope.client),
            "an address is one line");
    const auto one_word = [](std::string_view text) {
        return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
    };
    require(one_word(envelope.envelope_id) &&
                std::ranges::all_of(envelope.recipients, one_word, &sekisho::message::Recipient::original),
            "a parameter is one word");
    require(request.octets.empty() || request.octets.size() == request.size, "all of it, or nothing");
    require(envelope.received.time_since_epoch().count() >= 0, "time has begun");
    const auto again = handoff::decode_request(handoff::encode(request));
    require(again.has_value(), "what was written can be read");
    const auto& other = again->envelope;
    require(again->number == request.number && again->size == request.size &&
                again->octets == request.octets && other.id == envelope.id &&
                other.sender == envelope.sender && other.recipients == envelope.recipients &&
                other.user == envelope.user && other.client == envelope.client &&
                other.eight_bit == envelope.eight_bit && other.utf8 == envelope.utf8 &&
                other.returned == envelope.returned && other.envelope_id == envelope.envelope_id &&
                other.received == envelope.received,
            "and says the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (const auto request = handoff::decode_request(input)) {
        if (request->envelope_size > 0) {
            require(request->envelope_size <= handoff::longest_envelope && request->octets.empty(),
                    "it stands behind the message");
            const auto again = handoff::decode_request(handoff::encode(*request));
            require(again && again->envelope_size == request->envelope_size && again->size == request->size,
                    "what was written can be read");
        } else {
            check(*request);
        }
    } else {
        require(!request.error().what.empty(), "an error has words");
    }
    if (const auto envelope = handoff::decode_envelope(input)) {
        check({.number = 1, .size = 1, .envelope = *envelope});
    }
    if (const auto question = handoff::decode_question(input)) {
        require(one_line(question->subject) && !question->subject.empty(), "what it is about is one line");
        require(question->about == handoff::Question::About::mailbox ||
                    question->needs == sekisho::message::Needs(),
                "only mailboxes are in other languages");
        const auto again = handoff::decode_question(handoff::encode(*question));
        require(again && again->number == question->number && again->about == question->about &&
                    again->subject == question->subject && again->needs == question->needs,
                "a question survives its text");
        require(!handoff::decode_request(input), "a question is no message");
    } else {
        require(!question.error().what.empty(), "an error has words");
    }
    if (const auto answer = handoff::decode_answer(input)) {
        require(one_line(answer->refused) && one_line(answer->name), "a refusal is one line, a name, too");
        const auto again = handoff::decode_answer(handoff::encode(*answer));
        require(again && again->number == answer->number && again->refused == answer->refused &&
                    again->name == answer->name,
                "an answer survives its text");
    } else {
        require(!answer.error().what.empty(), "an error has words");
    }
    return 0;
}
