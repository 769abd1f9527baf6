// SPDX-License-Identifier: Apache-2.0
// Log files that tell of logins.
#include <utility>

#include "agent/base/log.h"
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
            context_.get_executor(), config, *from,
            [this](const grants::LoginEvent& event) -> Result<void> {
                if (auto granted = login(event); !granted) {
                    return std::unexpected(granted.error());
                }
                return {};
            },
            [this](const std::filesystem::path& file, const FilePosition& position) {
                if (auto saved = store_.save_position(file, position); !saved) {
                    store_errors_++;
                    store_trouble_ = saved.error();
                }
            });
        if (!source) {
            return std::unexpected(source.error());
        }
        logs_.push_back(std::move(*source));
    }
    return {};
}

void Daemon::check_logs(std::vector<api::Check>& checks) const {
    for (const auto& source : logs_) {
        const std::optional<Error>& trouble = source->trouble();
        checks.push_back({.name = "log-" + source->name(),
                          .ok = !trouble,
                          .detail = trouble ? trouble->what : std::to_string(source->lines()) + " lines read",
                          .remedy = trouble ? trouble->remedy : ""});
    }
}

}  // namespace sekisho
