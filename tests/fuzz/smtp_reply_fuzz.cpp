// SPDX-License-Identifier: Apache-2.0
// Replies of strangers' mail servers: cut anywhere they are the same, and what is shown of them is short and
// harmless.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/printable.h"
#include "smtpd/delivery/reply.h"
#include "tests/fuzz/invariant.h"

using sekisho::delivery::Reply;
using sekisho::fuzz::require;

namespace {

constexpr std::size_t longest_text = 500;

void check(const Reply& reply) {
    require(reply.code >= 200 && reply.code <= 599, "a code is one");
    require(!reply.lines.empty(), "a reply has a line");
    require(int{reply.positive()} + int{reply.temporary()} + int{reply.permanent()} ==
                (reply.code >= 300 && reply.code < 400 ? 0 : 1),
            "it is done, or refused now, or refused for good");
    const std::string text = reply.text();
    require(text.size() <= longest_text, "what is shown is short");
    require(sekisho::is_utf8(text), "and text");
    require(std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c != 0x7f; }), "on one line");
    require(text.starts_with(std::to_string(reply.code) + " "), "and begins with the code");
    const std::string status = reply.status();
    require(status.size() >= 5 && status.size() <= 9 &&
                status[0] == static_cast<char>('0' + reply.code / 100) &&
                std::ranges::count(status, '.') == 2 &&
                status.find_first_not_of("0123456789.") == std::string::npos,
            "a status is one, of the code's class");
    for (const std::string& line : reply.lines) {
        require(line.find('\n') == std::string::npos, "a line is one");
        static_cast<void>(reply.offers(line.substr(0, line.find(' '))));
    }
    require(!Reply{.code = reply.code, .lines = {reply.lines.front()}}.offers("STARTTLS"),
            "a greeting offers nothing");
}

struct Conversation {
    std::vector<Reply> replies;
    bool failed = false;
};

Conversation read(std::string_view input, std::size_t piece) {
    Conversation all;
    sekisho::delivery::ReplyReader reader;
    while (!input.empty()) {
        std::string_view octets = input.substr(0, piece);
        input.remove_prefix(octets.size());
        while (true) {
            const auto reply = reader.feed(octets);
            octets = {};
            if (!reply) {
                require(!reply.error().what.empty() && reply.error().what.size() <= 2 * longest_text,
                        "an error has words, but not too many");
                require(sekisho::is_utf8(reply.error().what), "which are text");
                all.failed = true;
                return all;
            }
            if (!*reply) {
                break;
            }
            all.replies.push_back(**reply);
        }
    }
    return all;
}

bool same(const Conversation& one, const Conversation& other) {
    return one.failed == other.failed &&
           std::ranges::equal(one.replies, other.replies, [](const Reply& left, const Reply& right) {
               return left.code == right.code && left.lines == right.lines;
           });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const Conversation whole = read(input, size + 1);
    for (const Reply& reply : whole.replies) {
        check(reply);
    }
    require(same(whole, read(input, 1)), "octet by octet it is the same");
    require(same(whole, read(input, 1 + size / 3)), "in thirds it is the same");
    return 0;
}
