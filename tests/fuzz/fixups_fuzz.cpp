// SPDX-License-Identifier: Apache-2.0
// Header fix-ups: cut anywhere they are the same, they add what they must, and the text passes untouched. Of
// another host's mail nothing else is touched either.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "smtpd/message/fixups.h"
#include "smtpd/message/header_line.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace message = sekisho::message;

namespace {

message::Trace example_trace() {
    return {.hostname = "mail.example.net",
            .helo = "client.example.com",
            .client = "192.0.2.1",
            .protocol = "ESMTPSA",
            .tls = {},
            .id = "0123456789abcdef",
            .recipient = "bob@example.org",
            .received = message::WallTime(std::chrono::seconds(1'795'521'600))};
}

// Nothing where it was refused.
std::optional<std::string> pass(std::string_view text, std::size_t piece, message::Duty duty) {
    message::Fixups fixups(example_trace(), duty);
    std::string out;
    while (!text.empty()) {
        const auto fed = fixups.feed(text.substr(0, piece));
        if (!fed) {
            require(fed.error().what.starts_with("554 5."), "a refusal is a reply");
            return std::nullopt;
        }
        out += *fed;
        text.remove_prefix(std::min(piece, text.size()));
    }
    const auto rest = fixups.finish();
    return rest ? std::optional(out + *rest) : std::nullopt;
}

// Takes a line with its line end off the text.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
    text.remove_prefix(line.size());
    return line;
}

struct Header {
    std::size_t dates = 0;
    std::size_t message_ids = 0;
    std::size_t blind_copies = 0;
    std::string_view text;  // behind the empty line
};

// A whole header, every line of which belongs to it.
Header read_header(std::string_view all) {
    Header header;
    while (true) {
        require(!all.empty(), "a header has an end");
        const std::string_view line = take_line(all);
        const auto kind = message::classify(line);
        require(kind != message::HeaderLine::no_field, "a header has fields only");
        if (kind == message::HeaderLine::end) {
            header.text = all;
            return header;
        }
        header.dates += kind == message::HeaderLine::date ? 1 : 0;
        header.message_ids += kind == message::HeaderLine::message_id ? 1 : 0;
        header.blind_copies += kind == message::HeaderLine::blind_copy ? 1 : 0;
    }
}

// A message that may have no header, in two; the empty line belongs to neither.
struct Parts {
    std::string_view header;
    std::string_view text;
};

Parts parts_of(std::string_view all) {
    const std::string_view whole = all;
    for (bool first = true; !all.empty(); first = false) {
        const std::string_view before = all;
        const auto kind = message::classify(take_line(all));
        const bool none =
            kind == message::HeaderLine::no_field || (first && kind == message::HeaderLine::continuation);
        if (kind == message::HeaderLine::end || none) {
            return {.header = whole.substr(0, whole.size() - before.size()), .text = none ? before : all};
        }
    }
    return {.header = whole, .text = {}};
}

// A user's, complete now.
void check_submitted(const std::string& out, std::string_view text) {
    const Header header = read_header(out);
    require(header.dates >= 1 && header.message_ids >= 1, "there are date and id");
    require(header.blind_copies == 0, "there is no Bcc");
    require(header.text == parts_of(text).text, "the text is untouched");
}

void check_relayed(std::string_view out, std::string_view text) {
    const Parts parts = parts_of(text);
    std::string expected(parts.header);
    expected += parts.header.empty() || parts.header.ends_with('\n') ? "\r\n" : "\r\n\r\n";
    expected += parts.text;
    require(out == expected, "there is nothing new but the trace and line ends");
}

void check(std::string_view text, message::Duty duty) {
    const auto whole = pass(text, text.size() + 1, duty);
    require(pass(text, 1, duty) == whole, "octet by octet it is the same");
    require(pass(text, 1 + text.size() / 3, duty) == whole, "in thirds it is the same");
    if (!whole) {
        return;
    }
    const std::string trace = message::received_field(example_trace());
    require(whole->starts_with(trace), "the trace is on top");
    const std::string_view behind = std::string_view(*whole).substr(trace.size());
    if (duty == message::Duty::submission) {
        check_submitted(*whole, text);
    } else {
        check_relayed(behind, text);
    }
    const auto again = pass(behind, behind.size() + 1, duty);
    require(!again || again == whole, "what is in order stays as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(text, message::Duty::submission);
    check(text, message::Duty::relay);
    return 0;
}
