// SPDX-License-Identifier: Apache-2.0
// Mail servers that tell of logins by a webhook.
#include <utility>

#include "agent/base/log.h"
#include "agent/base/socket_address.h"
#include "agent/daemon.h"

namespace sekisho {

Result<void> Daemon::listen_for_webhooks() {
    for (const StalwartConfig& config : config_.stalwart) {
        auto webhook =
            logins::StalwartWebhook::listen(context_.get_executor(), config, on_login(), when_settled());
        if (!webhook) {
            return std::unexpected(webhook.error());
        }
        log::info("LISTENING", "Stalwart's webhook is taken here",
                  {{"address", Endpoint{config.listen, config.port}.text()}, {"reporter", config.name}});
        webhooks_.push_back(std::move(*webhook));
    }
    return {};
}

}  // namespace sekisho
