// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/backup_command.h"

#include <ostream>

#include "agent/base/result.h"
#include "agent/cli/answers.h"
#include "agent/cli/become.h"
#include "agent/cli/cli.h"

namespace sekisho::cli {

std::vector<std::string> backup_words(const Arguments& arguments) {
    std::vector<std::string> words;
    if (arguments.json) {
        words.emplace_back("--json");
    }
    words.emplace_back(arguments.command == Command::restore ? "restore" : "save");
    words.push_back(arguments.name);
    return words;
}

int backup_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                   const std::filesystem::path& program) {
    print_error(become(program, backup_words(arguments),
                       Error{.kind = Failure::unavailable,
                             .what = program.string() + " is missing",
                             .remedy = "apt-get install --reinstall sekisho"},
                       out),
                arguments.json, out, err);
    return exit_failed;
}

}  // namespace sekisho::cli
