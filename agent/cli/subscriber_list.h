// SPDX-License-Identifier: Apache-2.0
// A list of subscribers as operators write it: CSV (RFC 4180) or JSON. Pure: text in, values or complaints
// out.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/routes.h"

namespace sekisho::cli {

// Something that is wrong with a list.
struct ListMistake {
    std::size_t line = 0;  // of the text, from 1 on; 0 where `what` names the place
    std::string what;      // fit for a terminal
    std::string remedy;
};

// More are not told at once.
inline constexpr std::size_t most_mistakes = 20;

// JSON where the first letter is [ or {: the array of subscribers, or the object that the API takes. Else
// CSV: a header line of columns in any order, "id" and "prefixes", and if you like "user", "class" and
// "filter_id"; several prefixes, classes and filters stand in one cell, separated by blanks. Quotes as in RFC
// 4180; blanks around a cell, empty lines and lines that begin with # mean nothing. A byte order mark at the
// start is skipped. Nobody's address or id stands there twice, see api::SubscriberRules.
[[nodiscard]] std::expected<std::vector<api::ImportedSubscriber>, std::vector<ListMistake>>
parse_subscriber_list(std::string_view text);

}  // namespace sekisho::cli
