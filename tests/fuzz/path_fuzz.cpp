// SPDX-License-Identifier: Apache-2.0
// What stands behind MAIL FROM: and RCPT TO:. What is understood is one line within its limits, and can be
// written into a command again, where it means the same.
#include <algorithm>
#include <string>
#include <string_view>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "smtpd/message/domain.h"
#include "smtpd/message/notification.h"
#include "smtpd/session/parameters.h"
#include "smtpd/session/path.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace message = sekisho::message;
namespace session = sekisho::session;

namespace {

bool is_line(std::string_view text) {
    return sekisho::is_utf8(text) &&
           std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// Reads a path that is to be one, with something behind it.
session::Path read_again(const std::string& mailbox) {
    const std::string written = '<' + mailbox + "> SIZE=1";
    std::string_view text = written;
    const auto path = session::take_path(text);
    require(path.has_value(), "what was written can be read");
    require(path->mailbox == mailbox && text == " SIZE=1", "and says the same");
    return *path;
}

// A mailbox without a domain isn't asked for it: an @ that it has stands in its quotes.
void check_without_domain(const session::Path& path) {
    require(path.mailbox.find('@') == std::string::npos || path.mailbox.starts_with('"'),
            "there is a domain where there is an @");
}

void check_domain(const session::Path& path) {
    const std::string domain = message::domain_of(path.mailbox);
    require(!domain.empty(), "a domain isn't empty");
    require(message::is_ascii(domain) && sekisho::lowered(domain) == domain, "a domain is as DNS has it");
    require(domain.find('@') == std::string::npos, "a domain is no mailbox");
    require(message::domain_of("x@" + domain) == domain, "and stays as it is");
    require(std::ranges::count(domain, '_') >=
                std::ranges::count(path.mailbox.substr(path.mailbox.rfind('@') + 1), '_'),
            "no sign of it is lost");
    const std::string mailbox = "x@" + domain;
    if (mailbox.size() + 2 <= session::longest_path) {
        read_again(mailbox);
    }
}

void check_limits(const session::Path& path) {
    const std::size_t at = path.has_domain ? path.mailbox.rfind('@') : path.mailbox.size();
    require(at <= session::longest_local_part, "a local part has its limit");  // and is there: else npos
    require(path.mailbox.size() - at <= 1 + session::longest_domain, "a domain, too");
}

// What stands behind the path.
std::string_view check_path(std::string_view text) {
    std::string_view rest = text;
    const auto path = session::take_path(rest);
    if (!path) {
        require(rest == text, "what isn't understood stays");
        return text;
    }
    const std::string_view taken = text.substr(0, text.size() - rest.size());
    require(taken.size() <= session::longest_path, "a path has its limit");
    require(taken.starts_with('<') && taken.ends_with(path->mailbox + '>'), "a mailbox is as it was written");
    const std::string_view route = taken.substr(1, taken.size() - path->mailbox.size() - 2);
    require(route.empty() || (route.starts_with('@') && route.ends_with(':')), "only a route is left out");
    require(!path->mailbox.starts_with('@'), "and all of it");
    require(is_line(path->mailbox), "a mailbox is one line");
    require(path->ascii == message::is_ascii(path->mailbox), "it is known who can take it");
    check_limits(*path);
    path->has_domain ? check_domain(*path) : check_without_domain(*path);
    const session::Path again = read_again(path->mailbox);
    require(again.has_domain == path->has_domain && again.ascii == path->ascii, "and means the same");
    return rest;
}

std::string written(const session::MailParameters& parameters) {
    std::string text = " SIZE=" + std::to_string(parameters.size);
    text += parameters.eight_bit ? " BODY=8BITMIME" : "";
    text += parameters.utf8 ? " SMTPUTF8" : "";
    text += parameters.returned == message::Return::not_given ? "" : " RET=";
    text += message::text_of(parameters.returned);
    return text + (parameters.envelope_id.empty() ? "" : " ENVID=" + parameters.envelope_id);
}

void check_mail(std::string_view text) {
    const auto read = session::read_mail_parameters(text);
    if (!read) {
        return;
    }
    require(is_line(text) && message::is_ascii(text), "parameters are one line");
    require(read->envelope_id.empty() || message::is_envelope_id(read->envelope_id), "an id is one");
    const auto again = session::read_mail_parameters(written(*read));
    require(again && again->size == read->size && again->eight_bit == read->eight_bit &&
                again->utf8 == read->utf8 && again->returned == read->returned &&
                again->envelope_id == read->envelope_id,
            "parameters survive their text");
}

bool same(const session::RecipientParameters& one, const session::RecipientParameters& other) {
    return one.notify == other.notify && one.original == other.original;
}

void check_recipient(std::string_view text, bool utf8) {
    const auto read = session::read_recipient_parameters(text, utf8);
    if (!read) {
        return;
    }
    require(is_line(text) && (utf8 || message::is_ascii(text)), "parameters are one line");
    std::string written = read->notify.given() ? " NOTIFY=" + read->notify.text() : "";
    if (!read->original.empty()) {
        require(message::is_original_recipient(read->original), "an original recipient is one");
        written += " ORCPT=" + read->original;
    }
    for (const bool again_utf8 : {false, true}) {
        const auto again = session::read_recipient_parameters(written, again_utf8);
        require(again && same(*again, *read), "wishes survive their text, and need no SMTPUTF8");
    }
    const auto widened = session::read_recipient_parameters(text, true);
    require(widened && same(*widened, *read), "SMTPUTF8 takes nothing away");
}

// Of any text, such as a domain of the configuration.
void check_name(std::string_view text) {
    require(message::domain_of(text).find('@') == std::string::npos, "a domain is no mailbox");
    const auto ascii = message::ascii_domain(text);
    require(!ascii || message::is_ascii(*ascii), "ASCII is ASCII");
    require(!ascii || message::ascii_domain(*ascii) == ascii, "and stays so");
    require(!ascii || message::is_ascii(text) ||
                std::ranges::all_of(*ascii,
                                    [](char octet) {
                                        return sekisho::is_letter_or_digit(octet) || octet == '-' ||
                                               octet == '_' || octet == '.';
                                    }),
            "a name has letters, digits and few signs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string_view behind = check_path(text);
    check_mail(behind);
    check_recipient(behind, false);
    check_recipient(behind, true);
    check_name(text);
    return 0;
}
