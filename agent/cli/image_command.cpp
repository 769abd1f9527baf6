// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/image_command.h"

#include <ostream>

#include "agent/base/result.h"
#include "agent/cli/answers.h"
#include "agent/cli/become.h"
#include "agent/cli/cli.h"

namespace sekisho::cli {

std::vector<std::string> image_words(const Arguments& arguments) {
    std::vector<std::string> words;
    if (arguments.json) {
        words.emplace_back("--json");
    }
    switch (arguments.command) {
        case Command::image_update:
            words.insert(words.end(), {"update", arguments.name, arguments.older ? "--allow-older" : "",
                                       arguments.reboot ? "--reboot" : ""});
            break;
        case Command::image_rollback:
            words.emplace_back("rollback");
            break;
        case Command::image_confirm:
            words.emplace_back("confirm");
            break;
        case Command::image_install:
            words.insert(words.end(), {"install", arguments.name, arguments.yes ? "--yes" : ""});
            break;
        case Command::image_factory_reset:
            words.emplace_back("factory-reset");
            break;
        default:
            words.emplace_back("status");
    }
    return words;
}

int image_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                  const std::filesystem::path& program) {
    print_error(become(program, image_words(arguments),
                       Error{.kind = Failure::unavailable,
                             .what = "this box was not made from the appliance's image",
                             .remedy = "where Sekisho is a package, apt-get updates it"},
                       out),
                arguments.json, out, err);
    return exit_failed;
}

}  // namespace sekisho::cli
