// SPDX-License-Identifier: Apache-2.0
// The last step.
#include "agent/cli/finish.h"

#include <ostream>

#include "agent/cli/answers.h"
#include "agent/cli/cli.h"

namespace sekisho::cli {

int finish(const Arguments& arguments, const Result<Reply>& reply,
           const std::function<void(const boost::json::object& answer)>& print, std::ostream& out,
           std::ostream& err) {
    if (!reply) {
        print_error(reply.error(), arguments.json, out, err);
        return exit_failed;
    }
    if (arguments.json) {
        out << reply->text << '\n';
    } else {
        print(reply->object);
    }
    return exit_done;
}

}  // namespace sekisho::cli
