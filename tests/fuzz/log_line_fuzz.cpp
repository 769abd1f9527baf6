// SPDX-License-Identifier: Apache-2.0
// Lines of logs: whatever stands in them, a login has a user and an address that stand there, too.
#include <ctime>
#include <string_view>

#include "agent/logins/log_patterns.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace logins = sekisho::logins;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static logins::LogPatterns patterns = std::move(logins::LogPatterns::make({}, {}).value());
    std::string_view text(reinterpret_cast<const char*>(data), size);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const logins::LogLine parts = logins::read_line(line);
        require(parts.message.size() <= line.size(), "a message is a part of its line");
        require(parts.stamp.empty() || line.contains(parts.stamp), "so is a stamp");
        const auto from_local = [](std::tm fields) -> std::optional<std::time_t> {
            return ::timegm(&fields);
        };
        static_cast<void>(logins::time_of(parts.stamp, {}, from_local));
        if (const auto seen = patterns.read(line)) {
            require(!seen->user.empty() && line.contains(seen->user), "a user is named in the line");
            require(!seen->pattern.empty(), "a pattern has a name");
        }
    }
    return 0;
}
