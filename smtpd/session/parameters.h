// SPDX-License-Identifier: Apache-2.0
// What may stand behind the path of MAIL and RCPT (RFC 5321, 4.1.2): SIZE, BODY, SMTPUTF8, AUTH, RET and
// ENVID; NOTIFY and ORCPT.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "smtpd/message/notification.h"

namespace sekisho::session {

enum class ParameterFault : std::uint8_t {
    syntax,   // no parameter, a value that doesn't fit its name, or a name twice
    unknown,  // a parameter of an extension that isn't offered
};

struct MailParameters {
    std::uint64_t size = 0;  // RFC 1870; the largest number for one that doesn't fit
    bool eight_bit = false;  // RFC 6152
    bool utf8 = false;       // RFC 6531
    message::Return returned = message::Return::not_given;
    std::string envelope_id;  // RFC 3461, 4.4, as it came
};

struct RecipientParameters {
    message::Notify notify;
    std::string original;  // RFC 3461, 4.2, as it came, but always in ASCII
};

// Reads all of `text`: blanks and parameters. AUTH= (RFC 4954, 5) must be well-formed; what it says isn't
// believed.
[[nodiscard]] std::expected<MailParameters, ParameterFault> read_mail_parameters(std::string_view text);
// The same for RCPT. `utf8`: MAIL had SMTPUTF8, and ORCPT may be in letters of any language (RFC 6533, 3).
[[nodiscard]] std::expected<RecipientParameters, ParameterFault> read_recipient_parameters(
    std::string_view text, bool utf8);

}  // namespace sekisho::session
