// SPDX-License-Identifier: Apache-2.0
// Text that leaves no trace in memory, and base64 (RFC 4648) from and into it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho::sasl {

// A password, or what holds one. Wiped when it goes; never copied.
class SecretText {
public:
    SecretText() = default;
    explicit SecretText(std::string_view text);
    SecretText(SecretText&& other) noexcept;
    SecretText& operator=(SecretText&& other) noexcept;
    SecretText(const SecretText&) = delete;
    SecretText& operator=(const SecretText&) = delete;
    ~SecretText();

    [[nodiscard]] std::string_view view() const { return {text(), size_}; }
    // Ended by NUL, for C.
    [[nodiscard]] const char* text() const { return octets_ ? octets_.get() : ""; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

private:
    friend Result<SecretText> from_base64(std::string_view text);
    void wipe();

    std::unique_ptr<char[]> octets_;
    std::size_t size_ = 0;
};

// Failure::invalid for letters outside of the alphabet, blanks, and missing or misplaced padding.
[[nodiscard]] Result<SecretText> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64(std::string_view octets);

// Overwrites a string that held a secret, and empties it.
void wipe(std::string& text);

// How many characters valid UTF-8 text (RFC 3629) has; -1 if it isn't.
[[nodiscard]] std::ptrdiff_t characters_in(std::string_view text);

// Whether there is a control character: C0, DEL or, in UTF-8, C1.
[[nodiscard]] bool has_controls(std::string_view text);

}  // namespace sekisho::sasl
