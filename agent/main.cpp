// SPDX-License-Identifier: Apache-2.0
// sekishod: the agent. Closes the enforced ports for subscribers in the kernel and opens them for those who
// may.
//
// Reads one configuration file, takes over what an earlier agent left in the kernel, and stays in the
// foreground. It trusts its configuration, its store and root; not reporters of logins (API key, address
// list), not callers of its socket (SO_PEERCRED). It needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. When it
// ends, however it ends, what is in force stays in force; `sekishod --detach` takes it out.
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>

#include "agent/base/daemon_main.h"
#include "agent/daemon.h"
#include "agent/guard/guard.h"
#include "agent/logins/line_logins.h"

namespace sekisho {

namespace {

namespace json = boost::json;

struct Options {
    bool detach = false;
    bool json = false;
};

// Programs first: an agent that runs has them, and what closes interfaces stays then, too.
Result<int> take_everything_out(const Config& config) {
    auto freed = dataplane::detach_all(config.dataplane.pin_path);
    if (!freed) {
        return freed;
    }
    if (auto removed = guard::remove_guard(guard::boot_files(config.store.path)); !removed) {
        return std::unexpected(removed.error());
    }
    return freed;
}

int detach(const Config& config, bool as_json) {
    const auto freed = take_everything_out(config);
    if (!freed && as_json) {
        const Error& error = freed.error();
        std::cout << json::serialize(json::object{{"error", json::object{{"kind", failure_name(error.kind)},
                                                                         {"what", error.what},
                                                                         {"remedy", error.remedy}}}})
                  << '\n';
        return 1;
    }
    if (!freed) {
        return complain("DETACH_FAILED", freed.error());
    }
    if (as_json) {
        std::cout << json::serialize(json::object{{"interfaces_freed", *freed}}) << '\n';
    } else {
        std::cout << "nothing is enforced any more; interfaces freed: " << *freed << '\n';
    }
    return 0;
}

DaemonProgram program(Options& options) {
    return {
        .name = "sekishod",
        .about = "The agent of Sekisho: closes port 25 for subscribers, opens it for those who may.",
        .examples = "  sekishod --detach",
        .add_options =
            [&options](CLI::App& app) {
                CLI::Option* const detach =
                    app.add_flag("--detach", options.detach,
                                 "Take programs and maps out of the kernel: nothing is enforced then")
                        ->excludes("--check");
                app.add_flag("--json", options.json, "Say in JSON what became of it")->needs(detach);
            },
        .unfit = [](const Config& config) -> std::optional<Error> {
            for (const auto& [section, lines] : line_sections(config)) {
                if (const auto patterns = logins::patterns_of(*lines, section); !patterns) {
                    return patterns.error();
                }
            }
            return std::nullopt;
        },
        .instead =
            [&options](const Config& config) {
                return options.detach ? std::optional<int>(detach(config, options.json)) : std::nullopt;
            },
        .start = [](boost::asio::io_context& context, const Config& config) -> Result<std::shared_ptr<void>> {
            auto daemon = Daemon::start(context, config);
            if (!daemon) {
                return std::unexpected(daemon.error());
            }
            return std::shared_ptr<Daemon>(std::move(*daemon));
        },
        .ready = "the agent is up",
        .stopping = "what is in force stays in force"};
}

}  // namespace

}  // namespace sekisho

int main(int count, char** arguments) {
    sekisho::Options options;
    return sekisho::run_daemon(sekisho::program(options), count, arguments);
}
