// SPDX-License-Identifier: Apache-2.0
// A stream of syslog as a stranger may send it, in pieces of any size: what comes out of it must not depend
// on how it was cut, and no message is longer than may be.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/logins/log_line.h"
#include "agent/logins/syslog_frames.h"

namespace {

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
            if (message.size() > sekisho::logins::longest_line) {
                std::abort();
            }
            static_cast<void>(sekisho::logins::read_line(message));
            seen.messages.emplace_back(message);
        });
    }
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t piece = data[0] % 16U + 1;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (read(stream, piece) != read(stream, std::max<std::size_t>(stream.size(), 1))) {
        std::abort();
    }
    return 0;
}
