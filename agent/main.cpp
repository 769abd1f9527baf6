// SPDX-License-Identifier: Apache-2.0
// sekishod: the agent. Closes the enforced ports for subscribers in the kernel and opens them for those who
// may.
//
// Reads one configuration file, takes over what an earlier agent left in the kernel, and stays in the
// foreground. It trusts its configuration, its store and root; not reporters of logins (API key, address
// list), not callers of its socket (SO_PEERCRED). It needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. When it
// ends, however it ends, what is in force stays in force; `sekishod --detach` takes it out.
#include <CLI/CLI.hpp>
#include <iostream>

#include "agent/base/daemon_main.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

int detach(const Config& config) {
    const auto freed = dataplane::detach_all(config.dataplane.pin_path);
    if (!freed) {
        return complain("DETACH_FAILED", freed.error());
    }
    std::cout << "nothing is enforced any more; interfaces freed: " << *freed << '\n';
    return 0;
}

DaemonProgram program(bool& take_out) {
    return {
        .name = "sekishod",
        .about = "The agent of Sekisho: closes port 25 for subscribers, opens it for those who may.",
        .examples = "  sekishod --detach",
        .add_options =
            [&take_out](CLI::App& app) {
                app.add_flag("--detach", take_out,
                             "Take programs and maps out of the kernel: nothing is enforced then")
                    ->excludes("--check");
            },
        .instead =
            [&take_out](const Config& config) {
                return take_out ? std::optional<int>(detach(config)) : std::nullopt;
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
    bool take_out = false;
    return sekisho::run_daemon(sekisho::program(take_out), count, arguments);
}
