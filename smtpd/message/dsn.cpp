// SPDX-License-Identifier: Apache-2.0
// Three parts: words for people, fields for programs, the header of what didn't arrive.
#include "smtpd/message/dsn.h"

#include <algorithm>

#include "smtpd/message/fixups.h"

namespace sekisho::message {

namespace {

constexpr std::size_t most_quoted = std::size_t{64} * 1024;

// A value on one line of a field: strangers' words can't begin another field. Lines stay under 998 octets.
std::string one_line(std::string_view text) {
    constexpr std::size_t longest = 700;
    std::string line(text.substr(0, longest));
    std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return line;
}

std::string status_of(const FailedRecipient& failed) {
    return failed.status.starts_with("5.") ? failed.status : "5.0.0";
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
            const std::string host = each.host.substr(0, each.host.find('['));
            text += "Remote-MTA: dns; " + one_line(host) + "\r\n";
        }
        text += std::string("Diagnostic-Code: ") + (each.replied ? "smtp; " : "x-sekisho; ") +
                one_line(each.diagnostic) + "\r\nLast-Attempt-Date: " + date_text(now) + "\r\n";
    }
    return text;
}

// Whole lines of the header, up to the limit and without the empty line behind it.
std::string quoted(std::string_view header) {
    if (const std::size_t end = header.find("\r\n\r\n"); end != std::string_view::npos) {
        header = header.substr(0, end + 2);
    }
    if (header.size() > most_quoted) {
        header = header.substr(0, header.rfind("\r\n", most_quoted - 2) + 2);
    }
    return std::string(header);
}

}  // namespace

std::string failure_notice(const Envelope& original, const std::vector<FailedRecipient>& failed,
                           std::string_view header, std::string_view hostname, std::string_view id,
                           WallTime now) {
    // The header that is quoted can't hold this boundary by chance, and nobody knows the id before.
    const std::string boundary = "=_" + std::string(id) + "_=";
    const std::string line = "--" + boundary + "\r\n";
    const std::string host(hostname);
    std::string notice = "From: Mail Delivery System <MAILER-DAEMON@" + host + ">\r\nTo: <" +
                         original.sender +
                         ">\r\nSubject: Undelivered mail returned to sender\r\nDate: " + date_text(now) +
                         "\r\nMessage-ID: <" + std::string(id) + "@" + host +
                         ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" +
                         boundary + "\"\r\n\r\n";
    notice += line + "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + words(failed, hostname) + "\r\n";
    notice += line + "Content-Type: message/delivery-status\r\n\r\n" +
              fields(original, failed, hostname, now) + "\r\n";
    notice += line + "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
              quoted(header) + "\r\n--" + boundary + "--\r\n";
    return notice;
}

}  // namespace sekisho::message
