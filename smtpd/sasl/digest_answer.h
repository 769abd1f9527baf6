// SPDX-License-Identifier: Apache-2.0
// What a client answers in DIGEST-MD5 (RFC 2831, 2.1.2), read strictly. Pure.
//
// GNU SASL reads it, too, but takes a word for what it isn't: it ends the process where a client names
// neither charset nor realm, and doesn't look at the service.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sekisho::sasl {

// The same answer as GNU SASL can be given it: each directive once, none that nobody needs, an empty realm
// where there is none. Nothing for an answer that is malformed, wants more than authentication, or is for
// another service than "smtp", say.
[[nodiscard]] std::optional<std::string> checked_digest_answer(std::string_view answer,
                                                               std::string_view service);

}  // namespace sekisho::sasl
