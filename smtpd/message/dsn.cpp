// SPDX-License-Identifier: Apache-2.0
// Three parts: words for people, fields for programs, the message it is about or its header.
#include "smtpd/message/dsn.h"

#include <algorithm>
#include <utility>

#include "agent/base/printable.h"
#include "smtpd/message/domain.h"
#include "smtpd/message/fixups.h"

namespace sekisho::message {

namespace {

constexpr std::size_t most_quoted = std::size_t{64} * 1024;

// Two values and what stands around stay under the 998 octets of a line (RFC 5322, 2.1.1).
constexpr std::size_t longest_value = 480;

// A value on one line of a field: strangers' words can't begin another field.
std::string one_line(std::string_view text) {
    std::string line(text.substr(0, longest_value));
    std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return line;
}

// The same, in letters of any language.
std::string one_line_of_any(std::string_view text) {
    const bool good = text.size() <= longest_value && is_utf8(text) &&
                      std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
    return good ? std::string(text) : one_line(text);
}

// RFC 3464, 2.3.2, and RFC 6533, 3.
std::string typed(std::string_view address) {
    return is_ascii(address) || !is_utf8(address) ? "rfc822; " + one_line(address)
                                                  : "utf-8; " + one_line(utf8_xtext(address, " +=\\"));
}

using Action = ReportedRecipient::Action;

std::string_view text_of(Action action) {
    switch (action) {
        case Action::failed:
            return "failed";
        case Action::delayed:
            return "delayed";
        case Action::delivered:
            return "delivered";
        case Action::relayed:
            return "relayed";
    }
    std::unreachable();
}

std::string status_of(const ReportedRecipient& reported) {
    constexpr std::size_t longest = 9;  // "5.999.999"
    const std::string digit = reported.action == Action::failed    ? "5"
                              : reported.action == Action::delayed ? "4"
                                                                   : "2";
    const bool good = reported.status.starts_with(digit + ".") && reported.status.size() <= longest &&
                      reported.status.find_first_not_of("0123456789.") == std::string::npos;
    return good ? reported.status : digit + ".0.0";
}

bool any(const std::vector<ReportedRecipient>& reported, Action action) {
    return std::ranges::find(reported, action, &ReportedRecipient::action) != reported.end();
}

// "mx.example.com" of "mx.example.com[192.0.2.1]:25"; an address alone stays one: "[192.0.2.1]".
std::string host_name(std::string_view host) {
    return one_line(host.substr(0, host.rfind('[')));
}

// Those of one action, with what was said of them.
std::string list(const std::vector<ReportedRecipient>& reported, Action action) {
    std::string text;
    for (const ReportedRecipient& each : reported) {
        if (each.action == action) {
            text += "  " + one_line_of_any(each.address) + "\r\n";
            text += "    " + (each.host.empty() ? "" : one_line(each.host) + " says: ") +
                    one_line(each.diagnostic) + "\r\n";
        }
    }
    return text;
}

std::string words(const std::vector<ReportedRecipient>& reported, bool whole, std::string_view hostname) {
    std::string text = "This is the mail server " + std::string(hostname) + ".\r\n";
    if (any(reported, Action::failed)) {
        text += "\r\nYour message could not be delivered to:\r\n\r\n" + list(reported, Action::failed) +
                "\r\nThe message was not sent to them; there will be no further attempt.\r\n";
    }
    if (any(reported, Action::delayed)) {
        text += "\r\nYour message could not be delivered yet to:\r\n\r\n" + list(reported, Action::delayed) +
                "\r\nIt is tried again and again; you needn't do anything.\r\n";
    }
    if (any(reported, Action::delivered)) {
        text +=
            "\r\nYour message has arrived in the mailboxes of:\r\n\r\n" + list(reported, Action::delivered);
    }
    if (any(reported, Action::relayed)) {
        text += "\r\nYour message was passed on to the mail servers of:\r\n\r\n" +
                list(reported, Action::relayed) +
                "\r\nThese servers tell nobody when it arrives, but they may still tell you if it fails.\r\n";
    }
    return text + (whole ? "\r\nThe message is below.\r\n" : "\r\nIts header is below.\r\n");
}

// RFC 3464, 2.3.1: the type, and what the xtext means.
std::string original_recipient(std::string_view value) {
    const std::size_t semicolon = value.find(';');
    return one_line(value.substr(0, semicolon)) + "; " + one_line(decoded_xtext(value.substr(semicolon + 1)));
}

std::string fields_of(const ReportedRecipient& reported, WallTime now) {
    std::string text;
    if (!reported.original.empty()) {
        text += "Original-Recipient: " + original_recipient(reported.original) + "\r\n";
    }
    text += "Final-Recipient: " + typed(reported.address) +
            "\r\nAction: " + std::string(text_of(reported.action)) + "\r\nStatus: " + status_of(reported) +
            "\r\n";
    if (!reported.host.empty() && reported.replied) {
        text += "Remote-MTA: dns; " + host_name(reported.host) + "\r\n";
    }
    return text + "Diagnostic-Code: " + (reported.replied ? "smtp; " : "x-sekisho; ") +
           one_line(reported.diagnostic) + "\r\nLast-Attempt-Date: " + date_text(now) + "\r\n" +
           (reported.retry_until ? "Will-Retry-Until: " + date_text(*reported.retry_until) + "\r\n" : "");
}

std::string fields(const Envelope& original, const std::vector<ReportedRecipient>& reported,
                   std::string_view hostname, WallTime now) {
    std::string text;
    if (!original.envelope_id.empty()) {  // RFC 3464, 2.2.1
        text += "Original-Envelope-Id: " + one_line(decoded_xtext(original.envelope_id)) + "\r\n";
    }
    text += "Reporting-MTA: dns; " + std::string(hostname) + "\r\nX-Original-Id: " + original.id +
            "\r\nArrival-Date: " + date_text(original.received) + "\r\n";
    for (const ReportedRecipient& each : reported) {
        text += "\r\n" + fields_of(each, now);
    }
    return text;
}

// Whole lines of the header, up to the limit and without the empty line behind it.
std::string_view quoted(std::string_view header) {
    if (const std::size_t end = header.find("\r\n\r\n"); end != std::string_view::npos) {
        header = header.substr(0, end + 2);
    }
    header = header.substr(0, most_quoted);
    const std::size_t end = header.rfind("\r\n");
    return header.substr(0, end == std::string_view::npos ? 0 : end + 2);
}

// What holds octets over 127 says so, and so does what holds that (RFC 2045, 6.4).
std::string encoding_of(bool ascii) {
    return std::string("Content-Transfer-Encoding: ") + (ascii ? "7bit" : "8bit") + "\r\n";
}

}  // namespace

std::string status_notice(const Envelope& original, const std::vector<ReportedRecipient>& reported,
                          const Quote& quote, std::string_view hostname, std::string_view id, WallTime now) {
    // What is quoted can't hold this boundary by chance, and nobody knows the id before.
    const std::string boundary = "=_" + std::string(id) + "_=";
    const std::string line = "--" + boundary + "\r\n";
    const std::string host(hostname);
    const std::string_view copy = quote.whole ? quote.octets : quoted(quote.octets);
    const std::string told = words(reported, quote.whole, hostname);
    // RFC 6532, 3.7, and RFC 6533, 4.3.
    const std::string_view head = copy.substr(0, copy.find("\r\n\r\n"));
    const std::string_view kind = is_ascii(head)
                                      ? (quote.whole ? "message/rfc822" : "text/rfc822-headers")
                                      : (quote.whole ? "message/global" : "message/global-headers");
    const std::string subject = any(reported, Action::failed)    ? "Undelivered mail returned to sender"
                                : any(reported, Action::delayed) ? "Delayed mail, which is still tried"
                                : any(reported, Action::relayed) ? "Mail has been passed on"
                                                                 : "Mail has arrived";
    std::string notice = "From: Mail Delivery System <MAILER-DAEMON@" + host + ">\r\nTo: <" +
                         one_line_of_any(original.sender) + ">\r\nSubject: " + subject +
                         "\r\nDate: " + date_text(now) + "\r\nMessage-ID: <" + std::string(id) + "@" + host +
                         ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" +
                         boundary + "\"\r\n" + encoding_of(is_ascii(copy) && is_ascii(told)) + "\r\n";
    notice += line + "Content-Type: text/plain; charset=" +
              (is_ascii(told) ? "us-ascii\r\n" : "utf-8\r\n" + encoding_of(false)) + "\r\n" + told + "\r\n";
    notice += line + "Content-Type: message/delivery-status\r\n\r\n" +
              fields(original, reported, hostname, now) + "\r\n";
    notice.append(line).append("Content-Type: ").append(kind).append("\r\n");
    notice += encoding_of(is_ascii(copy)) + "\r\n";
    notice.append(copy).append("\r\n--" + boundary + "--\r\n");
    return notice;
}

}  // namespace sekisho::message
