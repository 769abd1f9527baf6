// SPDX-License-Identifier: Apache-2.0
// A stream of syslog as a stranger may send it, in pieces of any size: what comes out of it must not depend
// on how it was cut, no message is longer than may be, and a login is of a user whom its message names.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/logins/log_line.h"
#include "agent/logins/log_patterns.h"
#include "agent/logins/syslog_frames.h"
#include "tests/fuzz/invariant.h"

namespace {

using sekisho::fuzz::require;
using sekisho::logins::LogPatterns;
using sekisho::logins::SyslogFrames;

struct Seen {
    std::vector<std::string> messages;
    bool good = true;
    bool operator==(const Seen&) const = default;
};

Seen read(std::string_view stream, std::size_t piece) {
    SyslogFrames frames;
    Seen seen;
    for (std::size_t at = 0; at < stream.size() && seen.good; at += piece) {
        seen.good = frames.feed(stream.substr(at, piece), [&seen](std::string_view message) {
            require(message.size() <= sekisho::logins::longest_line, "no message is longer than may be");
            seen.messages.emplace_back(message);
        });
    }
    return seen;
}

void look_for_logins(const std::vector<std::string>& messages) {
    static LogPatterns patterns = std::move(LogPatterns::make({}, {}).value());
    for (const std::string& message : messages) {
        if (const auto login = patterns.read(message)) {
            require(!login->user.empty() && message.contains(login->user), "a user is named in the message");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t piece = data[0] % 16U + 1;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Seen seen = read(stream, piece);
    require(seen == read(stream, std::max<std::size_t>(stream.size(), 1)), "how it is cut is no matter");
    look_for_logins(seen.messages);
    return 0;
}
