// SPDX-License-Identifier: Apache-2.0
// The name that a client gives, in each line that daemons write of it: whatever it is, a failure is no login,
// and a success is one of where the client really is, if it is one at all.
#include <string>
#include <string_view>

#include "agent/logins/log_patterns.h"
#include "tests/fuzz/invariant.h"
#include "tests/unit/logins/line_templates.h"

using sekisho::fuzz::require;
namespace logins = sekisho::logins;

namespace {

// As it comes through daemons and syslog, which leave no line end, no tab and no NUL in a name.
std::string in_one_line(std::string_view name) {
    std::string text(name);
    std::erase_if(text, [](char letter) { return (letter >= 0 && letter < ' ') || letter == '\x7f'; });
    return text;
}

void check(logins::LogPatterns& patterns, const logins::LineTemplate& line, std::string_view name) {
    static const sekisho::Address client = sekisho::parse_address(logins::real_client).value();
    require(!patterns.read(logins::with_header(line.pattern, line.before)), "who connects has no login yet");
    const auto seen = patterns.read(logins::line_with_name(line, name));
    if (seen) {
        require(line.succeeded, "a failure is no login");
        require(seen->address == client, "a login opens for who has logged in");
        // Each is a part of the other: what stands around a name in the line, and what can't be one's.
        require(seen->user.contains(name) || name.contains(seen->user), "the user is the one of the name");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static logins::LogPatterns patterns = std::move(logins::LogPatterns::make({}, {}).value());
    const std::string name = in_one_line({reinterpret_cast<const char*>(data), size});
    if (name.empty()) {
        return 0;
    }
    for (const logins::LineTemplate& line : logins::line_templates) {
        check(patterns, line, name);
    }
    return 0;
}
