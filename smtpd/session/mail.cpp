// SPDX-License-Identifier: Apache-2.0
// A mail transaction: MAIL, RCPT, DATA, and the message itself.
#include <algorithm>
#include <string>
#include <utility>

#include "smtpd/session/dialogue.h"
#include "smtpd/session/parameters.h"
#include "smtpd/session/path.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

constexpr std::string_view too_large = "552 5.3.4 Message exceeds the maximum size";
constexpr std::string_view not_ascii = "553 5.6.7 Addresses outside of ASCII are for those who say SMTPUTF8";
constexpr std::string_view not_extended = "555 5.5.4 Parameters are for those who say EHLO";

// The replies to paths that can't be read.
struct PathReplies {
    std::string_view syntax;
    std::string_view too_long;
};
constexpr PathReplies of_sender = {"501 5.1.7 Bad sender address syntax",
                                   "501 5.1.7 Sender address too long"};
constexpr PathReplies of_recipient = {"501 5.1.3 Bad recipient address syntax",
                                      "501 5.1.3 Recipient address too long"};

std::string_view reply_to(PathFault fault, const PathReplies& replies) {
    switch (fault) {
        case PathFault::syntax:
            return replies.syntax;
        case PathFault::too_long:
            return replies.too_long;
    }
    std::unreachable();
}

std::string_view reply_to(ParameterFault fault) {
    return fault == ParameterFault::unknown ? "555 5.5.4 Unknown parameter" : "501 5.5.4 Bad parameter";
}

std::string_view reply_to(BodyReader::Fault fault) {
    switch (fault) {
        case BodyReader::Fault::bare_line_end:
            return "554 5.5.2 Bare CR or bare LF in the message: lines end with CRLF";
        case BodyReader::Fault::nul:
            return "554 5.6.0 NUL in the message";
        case BodyReader::Fault::long_line:
            return "554 5.6.0 Line of over 998 octets in the message";
        case BodyReader::Fault::too_large:
            return too_large;
        case BodyReader::Fault::none:
            break;
    }
    std::unreachable();
}

// "FROM:" and "TO:", behind which blanks are forbidden and still not rare.
bool take_label(std::string_view& argument, std::string_view label) {
    if (!take_word(argument, label)) {
        return false;
    }
    argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
    return true;
}

}  // namespace

void Dialogue::mail(std::string_view argument) {
    if (!take_label(argument, "FROM:")) {
        return refuse("501 5.5.4 Syntax: MAIL FROM:<address>");
    }
    auto path = take_path(argument);
    if (!path) {
        return refuse(reply_to(path.error(), of_sender));
    }
    if (!path->mailbox.empty() && !path->has_domain) {
        return refuse(of_sender.syntax);
    }
    if (!state_.esmtp && !argument.empty()) {
        return refuse(not_extended);
    }
    auto parameters = read_mail_parameters(argument);
    if (!parameters) {
        return refuse(reply_to(parameters.error()));
    }
    if (!settings_.dsn &&
        (parameters->returned != message::Return::not_given || !parameters->envelope_id.empty())) {
        return refuse(reply_to(ParameterFault::unknown));
    }
    if (!path->ascii && !parameters->utf8) {
        return refuse(not_ascii);
    }
    if (parameters->size > settings_.largest_message) {
        return refuse(too_large);
    }
    envelope_ = {.sender = std::move(path->mailbox),
                 .recipients = {},
                 .eight_bit = parameters->eight_bit,
                 .utf8 = parameters->utf8,
                 .announced_size = parameters->size,
                 .returned = parameters->returned,
                 .envelope_id = std::move(parameters->envelope_id)};
    actions_.emplace_back(SenderGiven{envelope_.sender});
    awaited_ = Awaited::sender;
}

void Dialogue::rcpt(std::string_view argument) {
    recipients_tried_ = true;
    if (!take_label(argument, "TO:")) {
        return refuse("501 5.5.4 Syntax: RCPT TO:<address>");
    }
    auto path = take_path(argument);
    if (!path) {
        return refuse(reply_to(path.error(), of_recipient));
    }
    if (!argument.empty() && argument.front() != ' ') {
        return refuse(of_recipient.syntax);
    }
    if (!state_.esmtp && !argument.empty()) {
        return refuse(not_extended);
    }
    auto parameters = read_recipient_parameters(argument, envelope_.utf8);
    if (!parameters) {
        return refuse(reply_to(parameters.error()));
    }
    if (!settings_.dsn && (parameters->notify.given() || !parameters->original.empty())) {
        return refuse(reply_to(ParameterFault::unknown));
    }
    if (!path->ascii && !envelope_.utf8) {
        return refuse(not_ascii);
    }
    if (!path->has_domain) {
        if (!same_word(path->mailbox, "postmaster")) {
            return refuse(of_recipient.syntax);
        }
        path->mailbox += '@' + settings_.postmaster_domain;
    }
    if (envelope_.recipients.size() >= settings_.recipients) {
        say("452 4.5.3 Too many recipients");
        return count_idle();
    }
    message::Recipient recipient(path->mailbox);
    recipient.notify = parameters->notify;
    recipient.original = std::move(parameters->original);
    envelope_.recipients.push_back(std::move(recipient));
    actions_.emplace_back(RecipientGiven{std::move(path->mailbox)});
    awaited_ = Awaited::recipient;
}

// Octets that come behind DATA without waiting for the answer (RFC 2920 forbids it) are the message if the
// answer is 354, and commands if it isn't: how the network has cut them plays no part.
void Dialogue::data(std::string_view /*argument*/) {
    if (envelope_.recipients.empty()) {
        return refuse(recipients_tried_ ? "554 5.5.1 No valid recipients" : "503 5.5.1 Say RCPT first");
    }
    actions_.emplace_back(std::exchange(envelope_, {}));
    say("354 End data with <CR><LF>.<CR><LF>");
    body_ = BodyReader(settings_.largest_message);
    phase_ = Phase::body;
}

void Dialogue::read_body(std::string_view& input) {
    read_octets(input);
    if (body_.ended()) {
        end_message();
    }
}

void Dialogue::read_octets(std::string_view& input) {
    Body piece;
    piece.octets.reserve(refusal_.reply.empty() ? input.size() : 0);
    body_.take(input, piece.octets);
    pass(std::move(piece));
}

// What body_ has just made of the client's octets.
void Dialogue::pass(Body piece) {
    if (body_.fault() != BodyReader::Fault::none) {
        abort_message(reply_to(body_.fault()), true);
    }
    if (refusal_.reply.empty() && !piece.octets.empty()) {
        actions_.emplace_back(std::move(piece));
    }
}

// The first reason is the one that the client is told.
void Dialogue::abort_message(std::string_view reply, bool error) {
    if (!refusal_.reply.empty()) {
        return;
    }
    refusal_ = {.reply = std::string(reply), .error = error};
    body_.discard();
    actions_.emplace_back(MessageAborted{});
}

void Dialogue::end_message() {
    if (refusal_.reply.empty()) {
        actions_.emplace_back(MessageEnded{});
        awaited_ = Awaited::keeping;
        return;
    }
    const Refusal refusal = std::exchange(refusal_, {});
    forget_message();
    refusal.error ? refuse(refusal.reply) : say(refusal.reply);
}

}  // namespace sekisho::session
