// SPDX-License-Identifier: Apache-2.0
// How a command ends that has asked a daemon one question.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <iosfwd>

#include "agent/base/result.h"
#include "agent/cli/arguments.h"
#include "agent/cli/ask.h"

namespace sekisho::cli {

// Prints the answer, by `print` or with --json as it came, or the error. Returns the exit code.
[[nodiscard]] int finish(const Arguments& arguments, const Result<Reply>& reply,
                         const std::function<void(const boost::json::object& answer)>& print,
                         std::ostream& out, std::ostream& err);

}  // namespace sekisho::cli
