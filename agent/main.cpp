// SPDX-License-Identifier: Apache-2.0
// sekishod: the agent. Closes the enforced ports for subscribers in the kernel and opens them for those who
// may.
//
// Reads one configuration file, takes over what an earlier agent left in the kernel, and stays in the
// foreground. It trusts its configuration, its store and root; not reporters of logins (API key, address
// list), not callers of its socket (SO_PEERCRED). It needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. When it
// ends, however it ends, what is in force stays in force; `sekishod --detach` takes it out.
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <exception>
#include <iostream>

#include "agent/base/config.h"
#include "agent/base/log.h"
#include "agent/base/systemd.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

constexpr int done = 0;
constexpr int failed = 1;
constexpr int wrong_usage = 2;

int complain(const Error& error) {
    log::error("START_FAILED", error.what, {{"remedy", error.remedy}});
    return failed;
}

int detach(const Config& config) {
    const auto freed = dataplane::detach_all(config.dataplane.pin_path);
    if (!freed) {
        return complain(freed.error());
    }
    std::cout << "nothing is enforced any more; interfaces freed: " << *freed << '\n';
    return done;
}

// Tells systemd that the io_context still turns, as often as the unit asks for.
class Watchdog {
public:
    explicit Watchdog(boost::asio::io_context& context) : timer_(context) {
        if (const auto interval = systemd::watchdog_interval()) {
            interval_ = *interval;
            tick();
        }
    }

private:
    void tick() {
        systemd::alive();
        timer_.expires_after(interval_);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                tick();
            }
        });
    }

    boost::asio::steady_timer timer_;
    std::chrono::microseconds interval_{};
};

int run(const Config& config) {
    boost::asio::io_context context(1);
    boost::asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&context](const boost::system::error_code& error, int signal) {
        if (!error) {
            log::info("STOPPING", "what is in force stays in force", {{"signal", std::to_string(signal)}});
            systemd::stopping();
            context.stop();
        }
    });
    const auto daemon = Daemon::start(context, config);
    if (!daemon) {
        return complain(daemon.error());
    }
    const Watchdog watchdog(context);
    log::info("READY", "the agent is up",
              {{"version", SEKISHO_VERSION}, {"socket", config.api.socket.string()}});
    systemd::ready();
    systemd::status("enforcing");
    context.run();
    return done;
}

int main_with(int count, char** arguments) {
    CLI::App app("The agent of Sekisho: closes port 25 for subscribers, opens it for those who may.",
                 "sekishod");
    std::string file = "/etc/sekisho/sekisho.toml";
    bool check = false;
    bool take_out = false;
    app.add_option("--config", file, "The configuration file")->capture_default_str();
    auto* check_flag = app.add_flag("--check", check, "Only check the configuration");
    app.add_flag("--detach", take_out, "Take programs and maps out of the kernel: nothing is enforced then")
        ->excludes(check_flag);
    app.footer("Examples:\n  sekishod --check --config new.toml\n  sekishod --detach");
    app.set_version_flag("--version", SEKISHO_VERSION);
    try {
        app.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : wrong_usage;
    }
    const auto config = load_config(file);
    if (!config) {
        std::cerr << text(file, config.error());
        return wrong_usage;
    }
    if (check) {
        std::cout << file << " is fine\n";
        return done;
    }
    return take_out ? detach(*config) : run(*config);
}

}  // namespace

}  // namespace sekisho

int main(int count, char** arguments) {
    try {
        return sekisho::main_with(count, arguments);
    } catch (const std::exception& error) {
        std::cerr << "sekishod: " << error.what() << '\n';
        return 1;
    }
}
