// SPDX-License-Identifier: Apache-2.0
// What the main() of every daemon of the box does: arguments, configuration, signals, systemd, exit codes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/config.h"
#include "agent/base/result.h"

namespace CLI {
class App;
}

namespace sekisho {

// One program. Each starts with `NAME [--config FILE] [--check] [--version]`, stays in the foreground, and
// ends on SIGTERM or SIGINT. Exit codes: 0 ended as asked, 1 could not start, 2 wrong usage or configuration.
struct DaemonProgram {
    std::string name;      // "sekishod"
    std::string about;     // one sentence for --help
    std::string examples;  // lines for --help, each indented by two blanks
    // Options of its own; may be empty.
    std::function<void(CLI::App& app)> add_options;
    // What is wrong with a configuration that only this program can tell; asked by --check. May be empty.
    std::function<std::optional<Error>(const Config& config)> unfit{};
    // Something else than starting, where an option of its own asked for it: its exit code. May be empty.
    std::function<std::optional<int>(const Config& config)> instead;
    // Starts it. What is returned lives until the io_context has ended. `config` outlives it.
    std::function<Result<std::shared_ptr<void>>(boost::asio::io_context& context, const Config& config)>
        start;
    // Asked to end, it may end what is under way first, and then call `left`; a second signal doesn't wait
    // for it. May be empty: the end comes at once.
    std::function<void(const std::shared_ptr<void>& daemon, std::function<void()> left)> leave{};
    // For the log, when it is up and when it ends.
    std::string ready;
    std::string stopping;
};

// Runs the program; its exit code.
[[nodiscard]] int run_daemon(const DaemonProgram& program, int count, char** arguments);

// Logs why something failed, under this name; always 1, an exit code.
int complain(std::string_view name, const Error& error);

}  // namespace sekisho
