// SPDX-License-Identifier: Apache-2.0
// Lines of logs: whatever stands in them, a login has a user and an address that stand there, too.
#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>

#include "agent/logins/log_patterns.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace logins = sekisho::logins;

namespace {

// Whether an address stands there, as it is written or with a port behind it.
bool names(std::string_view line, const sekisho::Address& address) {
    constexpr std::string_view letters = "0123456789abcdefABCDEF:.";
    while (!line.empty()) {
        line.remove_prefix(std::min(line.find_first_of(letters), line.size()));
        const std::string_view word = line.substr(0, line.find_first_not_of(letters));
        line.remove_prefix(word.size());
        for (const std::string_view part : {word, word.substr(0, word.rfind(':'))}) {
            for (std::size_t from = 0; from < part.size(); from++) {  // cucipop's user may end in digits
                const auto read = sekisho::parse_address(std::string(part.substr(from)));
                if (read && *read == address) {
                    return true;
                }
            }
        }
    }
    return false;
}

}  // namespace

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
            // That of two lines stood in an earlier one.
            require(names(line, seen->address) || seen->pattern.ends_with("-session"),
                    "an address stands in the line");
        }
    }
    return 0;
}
