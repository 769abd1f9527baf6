// SPDX-License-Identifier: Apache-2.0
// IDNA2008 by libidn2.
#include "smtpd/message/domain.h"

#include <idn2.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "agent/base/ascii.h"

namespace sekisho::message {

namespace {

struct FreeName {
    void operator()(char* name) const { idn2_free(name); }
};

// The underscore is in no host's name, but in many a mail address.
constexpr bool is_name_octet(char octet) {
    return is_letter_or_digit(octet) || octet == '-' || octet == '_' || octet == '.';
}

// Letters that mean nothing are left out, and whole labels with them; others mean signs that no name has.
bool is_name(std::string_view ascii) {
    return !ascii.empty() && std::ranges::all_of(ascii, is_name_octet) && !ascii.starts_with('.') &&
           !ascii.ends_with('.') && ascii.find("..") == std::string_view::npos;
}

}  // namespace

bool is_ascii(std::string_view text) {
    constexpr std::uint64_t not_ascii = 0x8080808080808080;
    std::uint64_t all = 0;  // eight in one step: no compiler makes such steps of a loop over octets at -O2
    for (; text.size() >= sizeof all; text.remove_prefix(sizeof all)) {
        std::uint64_t octets = 0;
        std::memcpy(&octets, text.data(), sizeof octets);
        all |= octets;
    }
    for (const char octet : text) {
        all |= static_cast<unsigned char>(octet);
    }
    return (all & not_ascii) == 0;
}

std::optional<std::string> ascii_domain(std::string_view domain) {
    if (is_ascii(domain)) {
        return lowered(domain);
    }
    if (domain.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    char* name = nullptr;
    // With IDN2_USE_STD3_ASCII_RULES signs that no host's name has would be left out, and a_b be ab.
    const int result =
        idn2_to_ascii_8z(std::string(domain).c_str(), &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<char, FreeName> owned(name);
    if (result != IDN2_OK) {
        return std::nullopt;
    }
    const std::string ascii = lowered(name);
    return is_name(ascii) ? std::optional(ascii) : std::nullopt;
}

std::string domain_of(std::string_view mailbox) {
    const std::size_t at = mailbox.rfind('@');
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view domain = mailbox.substr(at + 1);
    return ascii_domain(domain).value_or(lowered(domain));
}

}  // namespace sekisho::message
