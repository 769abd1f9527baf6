// SPDX-License-Identifier: Apache-2.0
// Logs that tell of logins: files, the journal, and what other hosts send.
#include <utility>

#include "agent/base/log.h"
#include "agent/base/socket_address.h"
#include "agent/daemon.h"

namespace sekisho {

// After the take-over: what a line opens must not be taken for something that an agent before this one left.
Result<void> Daemon::follow_logs() {
    for (const LogConfig& config : config_.logs) {
        const auto from = store_.position_of(config.file);
        if (!from) {
            return std::unexpected(from.error());
        }
        auto source = logins::LogSource::follow(
            context_.get_executor(), config, *from, on_login(),
            [this](const std::filesystem::path& file, const FilePosition& position) {
                group_commit_.hurry();  // what these lines led to, before
                note(store_.save_position(file, position));
            });
        if (!source) {
            return std::unexpected(source.error());
        }
        logs_.push_back(std::move(*source));
    }
    return {};
}

Result<void> Daemon::follow_journals() {
    for (const JournalConfig& config : config_.journals) {
        const auto from = store_.cursor_of(config.name);
        if (!from) {
            return std::unexpected(from.error());
        }
        auto source =
            logins::JournalSource::follow(context_.get_executor(), config, *from, on_login(),
                                          [this](const std::string& reporter, const std::string& cursor) {
                                              group_commit_.hurry();
                                              note(store_.save_cursor(reporter, cursor));
                                          });
        if (!source) {
            return std::unexpected(source.error());
        }
        journals_.push_back(std::move(*source));
    }
    return {};
}

void Daemon::note(const Result<void>& saved) {
    if (!saved) {
        store_errors_++;
        store_trouble_ = saved.error();
    }
}

Result<void> Daemon::listen_for_syslog() {
    for (const SyslogConfig& config : config_.syslog) {
        auto source = logins::SyslogSource::listen(context_.get_executor(), config, on_login());
        if (!source) {
            return std::unexpected(source.error());
        }
        log::info("LISTENING", "syslog is taken here",
                  {{"address", Endpoint{config.listen, config.port}.text()},
                   {"transport", to_string(config.transport)}});
        syslog_.push_back(std::move(*source));
    }
    return {};
}

void Daemon::check_logs(std::vector<api::Check>& checks) const {
    const auto check = [&checks](const auto& source, const std::string& kind) {
        const std::optional<Error>& trouble = source->trouble();
        checks.push_back({.name = kind + source->name(),
                          .ok = !trouble,
                          .detail = trouble ? trouble->what : std::to_string(source->lines()) + " lines read",
                          .remedy = trouble ? trouble->remedy : ""});
    };
    for (const auto& source : logs_) {
        check(source, "log-");
    }
    for (const auto& source : journals_) {
        check(source, "journal-");
    }
    for (const auto& source : syslog_) {
        const std::uint64_t lost = source->lost();
        checks.push_back({.name = "syslog-" + source->name(),
                          .ok = lost == 0,
                          .detail = std::to_string(source->lines()) + " messages read" +
                                    (lost == 0 ? "" : ", " + std::to_string(lost) + " lost"),
                          .remedy = lost == 0 ? ""
                                              : "send only what daemons say of logins, or by TCP; raise "
                                                "net.core.rmem_max"});
    }
}

}  // namespace sekisho
