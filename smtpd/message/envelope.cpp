// SPDX-License-Identifier: Apache-2.0
#include "smtpd/message/envelope.h"

#include "agent/base/ascii.h"

namespace sekisho::message {

std::string domain_of(std::string_view mailbox) {
    const std::size_t at = mailbox.rfind('@');
    return at == std::string_view::npos ? std::string() : lowered(mailbox.substr(at + 1));
}

}  // namespace sekisho::message
