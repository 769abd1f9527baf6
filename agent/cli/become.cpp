// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/become.h"

#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <system_error>

namespace sekisho::cli {

Error become(const std::filesystem::path& program, std::vector<std::string> words, Error missing,
             std::ostream& out) {
    words.insert(words.begin(), program.string());
    std::vector<char*> values;
    values.reserve(words.size() + 1);
    for (std::string& word : words) {
        values.push_back(word.data());
    }
    values.push_back(nullptr);
    out.flush();
    ::execv(program.c_str(), values.data());
    const int why = errno;
    if (why == ENOENT) {
        return missing;
    }
    return Error{.kind = Failure::unavailable,
                 .what = program.string() + ": " + std::generic_category().message(why),
                 .remedy = "run this as root"};
}

}  // namespace sekisho::cli
