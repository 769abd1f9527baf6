// SPDX-License-Identifier: Apache-2.0
// The addresses that each user may send as (RFC 6409, 6.1). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::policy {

class SenderRights {
public:
    // Lines of a user's name, a colon, and patterns (fnmatch(3)) with blanks between them:
    // "anna: anna@example.net *@anna.example". A user may have several lines; all behind a # that stands at
    // the beginning of a line or behind a blank means nothing. Failure::invalid for the first line that is
    // wrong, with its number.
    [[nodiscard]] static Result<SenderRights> parse(std::string_view text);

    // Whether the user may send as this mailbox, in any case of letters: the user's own name is always the
    // user's, and so is the null path (empty), which mail programs send receipts with.
    [[nodiscard]] bool may(std::string_view user, std::string_view sender) const;

    // Users who stand in it.
    [[nodiscard]] std::size_t size() const { return patterns_.size(); }

private:
    std::unordered_map<std::string, std::vector<std::string>> patterns_;
};

}  // namespace sekisho::policy
