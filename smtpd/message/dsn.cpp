// SPDX-License-Identifier: Apache-2.0
// Three parts: words for people, fields for programs, the header of what didn't arrive.
#include "smtpd/message/dsn.h"

#include <algorithm>

#include "smtpd/message/fixups.h"

namespace sekisho::message {

namespace {

constexpr std::size_t most_quoted = std::size_t{64} * 1024;

// A value on one line of a field: strangers' words can't begin another field. Two of them and what stands
// around stay under the 998 octets of a line (RFC 5322, 2.1.1).
std::string one_line(std::string_view text) {
    constexpr std::size_t longest = 480;
    std::string line(text.substr(0, longest));
    std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return line;
}

std::string status_of(const FailedRecipient& failed) {
    constexpr std::size_t longest = 9;  // "5.999.999"
    const bool good = failed.status.starts_with("5.") && failed.status.size() <= longest &&
                      failed.status.find_first_not_of("0123456789.") == std::string::npos;
    return good ? failed.status : "5.0.0";
}

// "mx.example.com" of "mx.example.com[192.0.2.1]:25"; an address alone stays one: "[192.0.2.1]".
std::string host_name(std::string_view host) {
    return one_line(host.substr(0, host.rfind('[')));
}

std::string words(const std::vector<FailedRecipient>& failed, std::string_view hostname) {
    std::string text = "This is the mail server " + std::string(hostname) +
                       ".\r\n\r\nYour message could not be delivered to:\r\n\r\n";
    for (const FailedRecipient& each : failed) {
        text += "  " + one_line(each.address) + "\r\n";
        text += "    " + (each.host.empty() ? "" : one_line(each.host) + " says: ") +
                one_line(each.diagnostic) + "\r\n";
    }
    text +=
        "\r\nThe message was not sent to them; there will be no further attempt. Its header is below.\r\n";
    return text;
}

std::string fields(const Envelope& original, const std::vector<FailedRecipient>& failed,
                   std::string_view hostname, WallTime now) {
    std::string text = "Reporting-MTA: dns; " + std::string(hostname) + "\r\nX-Original-Id: " + original.id +
                       "\r\nArrival-Date: " + date_text(original.received) + "\r\n";
    for (const FailedRecipient& each : failed) {
        text += "\r\nFinal-Recipient: rfc822; " + one_line(each.address) +
                "\r\nAction: failed\r\nStatus: " + status_of(each) + "\r\n";
        if (!each.host.empty() && each.replied) {
            text += "Remote-MTA: dns; " + host_name(each.host) + "\r\n";
        }
        text += std::string("Diagnostic-Code: ") + (each.replied ? "smtp; " : "x-sekisho; ") +
                one_line(each.diagnostic) + "\r\nLast-Attempt-Date: " + date_text(now) + "\r\n";
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

}  // namespace

std::string failure_notice(const Envelope& original, const std::vector<FailedRecipient>& failed,
                           std::string_view header, std::string_view hostname, std::string_view id,
                           WallTime now) {
    // The header that is quoted can't hold this boundary by chance, and nobody knows the id before.
    const std::string boundary = "=_" + std::string(id) + "_=";
    const std::string line = "--" + boundary + "\r\n";
    const std::string host(hostname);
    const std::string_view copy = quoted(header);
    // What holds octets over 127 says so, and so does what holds that (RFC 2045, 6.4).
    const bool eight_bit =
        std::ranges::any_of(copy, [](char c) { return static_cast<unsigned char>(c) > 0x7f; });
    const std::string encoding =
        std::string("Content-Transfer-Encoding: ") + (eight_bit ? "8bit" : "7bit") + "\r\n";
    std::string notice = "From: Mail Delivery System <MAILER-DAEMON@" + host + ">\r\nTo: <" +
                         one_line(original.sender) +
                         ">\r\nSubject: Undelivered mail returned to sender\r\nDate: " + date_text(now) +
                         "\r\nMessage-ID: <" + std::string(id) + "@" + host +
                         ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" +
                         boundary + "\"\r\n" + encoding + "\r\n";
    notice += line + "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + words(failed, hostname) + "\r\n";
    notice += line + "Content-Type: message/delivery-status\r\n\r\n" +
              fields(original, failed, hostname, now) + "\r\n";
    notice += line + "Content-Type: text/rfc822-headers\r\n" + encoding + "\r\n";
    notice.append(copy).append("\r\n--" + boundary + "--\r\n");
    return notice;
}

}  // namespace sekisho::message
