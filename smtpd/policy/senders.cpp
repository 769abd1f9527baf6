// SPDX-License-Identifier: Apache-2.0
// Users and their patterns.
#include "smtpd/policy/senders.h"

#include <algorithm>
#include <ranges>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "agent/base/user_name.h"
#include "smtpd/policy/mailbox.h"

namespace sekisho::policy {

namespace {

constexpr std::string_view blanks = " \t\r";

std::unexpected<Error> bad_line(std::size_t number, const std::string& what) {
    return fail(Failure::invalid, "line " + std::to_string(number) + ": " + what,
                "write it like anna: anna@example.net *@anna.example");
}

std::string_view without_comment(std::string_view line) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
        if (at == 0 || blanks.find(line[at - 1]) != std::string_view::npos) {
            return line.substr(0, at);
        }
    }
    return line;
}

std::vector<std::string> words_in(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = text.find_first_not_of(blanks); at != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = text.find_first_not_of(blanks, end);
    }
    return words;
}

}  // namespace

Result<SenderRights> SenderRights::parse(std::string_view text) {
    SenderRights rights;
    std::size_t number = 0;
    for (const auto part : std::views::split(text, '\n')) {
        number++;
        const std::string_view line = without_comment({part.begin(), part.end()});
        if (line.find_first_not_of(blanks) == std::string_view::npos) {
            continue;
        }
        const std::size_t colon = line.find(':');
        const auto names = words_in(line.substr(0, std::min(colon, line.size())));
        if (colon == std::string_view::npos || names.size() != 1) {
            return bad_line(number, "it doesn't begin with a user's name and a colon");
        }
        const auto patterns = words_in(line.substr(colon + 1));
        const auto no_address = std::ranges::find_if(patterns, [](const std::string& pattern) {
            return pattern != "*" && pattern.find('@') == std::string::npos;
        });
        if (no_address != patterns.end()) {
            return bad_line(number,
                            "\"" + printable(*no_address) + "\" is no address, and no pattern of one");
        }
        std::vector<std::string>& theirs = rights.patterns_[folded(names.front())];
        std::ranges::transform(patterns, std::back_inserter(theirs), lowered);
    }
    return rights;
}

bool SenderRights::may(std::string_view user, std::string_view sender) const {
    const std::string name = folded(user);
    if (sender.empty() || comparable(sender) == comparable(name)) {
        return true;
    }
    const auto found = patterns_.find(name);
    return found != patterns_.end() && fits_mailbox(found->second, sender);
}

}  // namespace sekisho::policy
