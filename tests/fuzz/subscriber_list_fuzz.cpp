// SPDX-License-Identifier: Apache-2.0
// Lists of subscribers, CSV or JSON: complaints are few and can be printed; what was read keeps within its
// limits, names nothing twice, and is read the same once it is written as CSV.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/subscriber_import.h"
#include "agent/base/printable.h"
#include "agent/cli/subscriber_list.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace api = sekisho::api;
namespace cli = sekisho::cli;

namespace {

using List = std::vector<api::ImportedSubscriber>;

void check_mistakes(const std::vector<cli::ListMistake>& mistakes, std::size_t lines) {
    require(!mistakes.empty() && mistakes.size() <= cli::most_mistakes, "some, but not too many");
    for (const cli::ListMistake& one : mistakes) {
        require(!one.what.empty() && one.line <= lines + 1, "each has words, and a line of the file");
        for (const std::string& words : {one.what, one.remedy}) {
            require(
                sekisho::is_utf8(words) &&
                    std::ranges::none_of(
                        words, [](char letter) { return (letter >= 0 && letter < ' ') || letter == '\x7f'; }),
                "words that move no cursor");
        }
    }
}

void check(const List& list) {
    std::set<std::string> ids;
    std::set<sekisho::Prefix> prefixes;
    const auto fits = [](const std::string& text) {
        return text.size() <= api::longest_subscriber_text && sekisho::is_utf8(text);
    };
    for (const api::ImportedSubscriber& one : list) {
        require(!one.id.empty() && ids.insert(one.id).second, "an id of its own");
        require(fits(one.id) && fits(one.user), "names are short, and UTF-8");
        require(!one.prefixes.empty() && one.prefixes.size() <= api::most_of_a_subscriber,
                "1 to 16 prefixes");
        for (const sekisho::Prefix& prefix : one.prefixes) {
            require(prefix.address.masked(prefix.length) == prefix.address, "nothing behind the length");
            require(prefixes.insert(prefix).second, "that nobody else has");
        }
        for (const auto& labels : {one.classes, one.filters}) {
            require(labels.size() <= api::most_of_a_subscriber, "16 at most");
            require(std::ranges::all_of(labels,
                                        [&](const std::string& each) { return !each.empty() && fits(each); }),
                    "with something in them");
        }
    }
}

std::string as_cell(const std::string& text) {
    std::string result = "\"";
    for (const char letter : text) {
        result.append(letter == '"' ? 2 : 1, letter);
    }
    return result + "\"";
}

// Nothing where CSV can't say it: a class or a filter with a blank in it, which JSON can.
std::string as_csv(const List& list) {
    std::string text = "filter_id,class,prefixes,user,id\r\n";
    for (const api::ImportedSubscriber& one : list) {
        std::string cells;
        for (const auto& labels : {one.filters, one.classes}) {
            std::string words;
            for (const std::string& each : labels) {
                if (each.find_first_of(" \t\r\n") != std::string::npos) {
                    return {};
                }
                words += " " + each;
            }
            cells += as_cell(words) + " ,";
        }
        std::string words;
        for (const sekisho::Prefix& prefix : one.prefixes) {
            words += prefix.text() + "\t";
        }
        text += cells + words + "," + as_cell(one.user) + "," + as_cell(one.id) + "\r\n";
    }
    return text;
}

bool same(const api::ImportedSubscriber& one, const api::ImportedSubscriber& other) {
    return one.id == other.id && one.user == other.user && one.prefixes == other.prefixes &&
           one.classes == other.classes && one.filters == other.filters;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto list = cli::parse_subscriber_list(text);
    if (!list) {
        check_mistakes(list.error(), static_cast<std::size_t>(std::ranges::count(text, '\n')));
        return 0;
    }
    check(*list);
    if (const std::string csv = as_csv(*list); !csv.empty()) {
        const auto again = cli::parse_subscriber_list(csv);
        require(again && std::ranges::equal(*again, *list, same), "what was written is read the same");
    }
    return 0;
}
