// SPDX-License-Identifier: Apache-2.0
// The frame around a daemon.
#include "agent/base/daemon_main.h"

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <utility>

#include "agent/base/config_machine.h"
#include "agent/base/descriptor_limit.h"
#include "agent/base/log.h"
#include "agent/base/systemd.h"

namespace sekisho {

namespace {

constexpr int done = 0;
constexpr int failed = 1;
constexpr int wrong_usage = 2;

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

// The end, on SIGTERM and SIGINT.
class Ending {
public:
    Ending(boost::asio::io_context& context, const DaemonProgram& program)
        : context_(context), program_(program), signals_(context, SIGTERM, SIGINT) {
        await();
    }

    // Once there is something to end.
    void of(std::shared_ptr<void> daemon) { daemon_ = std::move(daemon); }

private:
    void await() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) {
                return;
            }
            log::info("STOPPING", program_.stopping, {{"signal", signal}});
            systemd::stopping();
            if (!program_.leave || !daemon_ || std::exchange(leaving_, true)) {
                context_.stop();
                return;
            }
            program_.leave(daemon_, [this] { context_.stop(); });
            await();
        });
    }

    boost::asio::io_context& context_;
    const DaemonProgram& program_;
    boost::asio::signal_set signals_;
    std::shared_ptr<void> daemon_;
    bool leaving_ = false;
};

int serve(const DaemonProgram& program, const Config& config) {
    // The log may be a pipe whose reader ends before us: a line that can't be written must not end the
    // daemon.
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    raise_descriptor_limit();
    boost::asio::io_context context(1);
    Ending ending(context, program);
    const auto daemon = program.start(context, config);
    if (!daemon) {
        return complain("START_FAILED", daemon.error());
    }
    ending.of(*daemon);
    const Watchdog watchdog(context);
    log::info("READY", program.ready, {{"version", SEKISHO_VERSION}});
    systemd::ready();
    systemd::status(program.ready);
    context.run();
    return done;
}

// For --check, once the file itself is right.
int check_here(const DaemonProgram& program, const std::string& file, const Config& config) {
    MachineFindings findings = check_machine(config);
    if (const auto error = program.unfit ? program.unfit(config) : std::nullopt) {
        findings.complaints.push_back({.line = 0, .column = 0, .what = error->what, .remedy = error->remedy});
    }
    std::cerr << warning_text(file, findings.warnings);
    if (!findings.complaints.empty()) {
        std::cerr << text(file, findings.complaints);
        return wrong_usage;
    }
    std::cout << file << " is fine\n";
    return done;
}

int run(const DaemonProgram& program, int count, char** arguments) {
    CLI::App app(program.about, program.name);
    std::string file = "/etc/sekisho/sekisho.toml";
    bool check = false;
    app.add_option("--config", file, "The configuration file")->capture_default_str();
    app.add_flag("--check", check, "Only check the configuration");
    app.set_version_flag("--version", SEKISHO_VERSION);
    app.footer("Examples:\n  " + program.name + " --check --config new.toml" +
               (program.examples.empty() ? "" : "\n" + program.examples));
    if (program.add_options) {
        program.add_options(app);
    }
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
        return check_here(program, file, *config);
    }
    if (program.instead) {
        if (const auto code = program.instead(*config)) {
            return *code;
        }
    }
    return serve(program, *config);
}

}  // namespace

int complain(std::string_view name, const Error& error) {
    log::error(name, error.what, {{"remedy", error.remedy}});
    return failed;
}

int run_daemon(const DaemonProgram& program, int count, char** arguments) {
    try {
        return run(program, count, arguments);
    } catch (const std::exception& error) {
        std::cerr << program.name << ": " << error.what() << '\n';
        return failed;
    }
}

}  // namespace sekisho
