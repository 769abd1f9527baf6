// SPDX-License-Identifier: Apache-2.0
// BDAT (RFC 3030, section 2; BINARYMIME, section 3, isn't offered): a message in pieces whose length is said
// before. No octet of it is looked at to find its end, so dots mean nothing here; its lines have DATA's
// rules.
//
// "If a failure occurs after a BDAT command is received, the receiver-SMTP MUST accept and discard the
// associated message data before sending the appropriate 5XX or 4XX code": so it is with each BDAT whose size
// can be read, wherever it comes. What it has announced is never a command.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "smtpd/session/dialogue.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

// 1*DIGIT, taken off the argument; nothing for what is none, or more octets than can be counted.
std::optional<std::uint64_t> take_size(std::string_view& argument) {
    const std::string_view word = argument.substr(0, argument.find(' '));
    argument.remove_prefix(word.size());
    argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
    const bool good = error == std::errc() && end == word.data() + word.size();
    return good ? std::optional(size) : std::nullopt;
}

constexpr std::string_view syntax = "501 5.5.4 Syntax: BDAT size [LAST]";

}  // namespace

void Dialogue::bdat(std::string_view argument) {
    const auto size = take_size(argument);
    if (!size) {
        refuse(syntax);
        // Where the next command begins nobody knows: it could stand in the text of somebody's message.
        return close("421 4.7.0 This chunk has no end, closing the connection");
    }
    chunk_ = {.size = *size, .left = *size, .last = same_word(argument, "LAST")};
    begin_chunk(argument.empty() || chunk_.last ? no_chunk() : syntax);
}

// Why none may come now; empty if one may. "Any BDAT command sent after the BDAT LAST is illegal and MUST be
// replied to with a 503": then MAIL is missing.
std::string_view Dialogue::no_chunk() const {
    if (!state_.esmtp) {
        return "503 5.5.1 Say EHLO first";
    }
    if (phase_ == Phase::ready) {
        return "503 5.5.1 Say MAIL first";
    }
    if (phase_ == Phase::mail && envelope_.recipients.empty()) {
        return recipients_tried_ ? "554 5.5.1 No valid recipients" : "503 5.5.1 Say RCPT first";
    }
    return {};
}

void Dialogue::begin_chunk(std::string_view refusal) {
    if (phase_ == Phase::chunks && !refusal.empty()) {
        abort_message(refusal, true);
    } else if (phase_ != Phase::chunks && refusal.empty()) {
        actions_.emplace_back(std::exchange(envelope_, {}));
        body_ = BodyReader(settings_.largest_message, BodyReader::Framing::length);
        phase_ = Phase::chunks;
    } else if (phase_ != Phase::chunks) {
        refusal_ = {.reply = std::string(refusal), .error = true};
        body_ = BodyReader(0, BodyReader::Framing::length);
        body_.discard();
    }
    chunk_.behind = std::exchange(phase_, Phase::chunk);
    if (chunk_.left == 0) {
        end_chunk();
    }
}

void Dialogue::read_chunk(std::string_view& input) {
    std::string_view octets =
        input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(chunk_.left, input.size())));
    input.remove_prefix(octets.size());
    chunk_.left -= octets.size();
    read_octets(octets);
    if (chunk_.left == 0) {
        end_chunk();
    }
}

void Dialogue::end_chunk() {
    phase_ = chunk_.behind;
    if (phase_ == Phase::chunks && chunk_.last) {
        Body rest;
        body_.finish(rest.octets);
        pass(std::move(rest));
        end_message();
    } else if (refusal_.reply.empty()) {
        say("250 2.0.0 " + std::to_string(chunk_.size) + " octets received");
        if (chunk_.size == 0) {
            count_idle();
        }
    } else {
        refuse_chunk();
    }
}

// "the receiver SMTP MUST be prepared to accept and discard additional BDAT chunks already in the pipeline
// after the failed BDAT": they are told the same, up to LAST or RSET, and it is one error.
void Dialogue::refuse_chunk() {
    const Refusal refusal = refusal_;
    refusal_.error = false;
    if (phase_ != Phase::chunks) {
        refusal_ = {};
    }
    if (refusal.error) {
        refuse(refusal.reply);
    } else {
        say(refusal.reply);
        count_idle();
    }
}

}  // namespace sekisho::session
