// SPDX-License-Identifier: Apache-2.0
// The queue over HTTP, for `sekisho queue`.
//
//   GET /v1/queue {"messages":[{"id","sender","user","client","received","size","held","user_stopped",
//                                                    "recipients":[{"address","attempts","next","last_error"}]}],"more"}
//                                                   `next` is null while the message is held
//   GET /v1/queue/ID                                one of them
//   POST /v1/queue/ID/hold, /release                204: nobody is tried, everybody is
//   POST /v1/queue/flush {"domain"?,"id"?}          204: everything, or these, are tried now
//   DELETE /v1/queue/ID                             204: thrown away, without a notice
//   /v1/senders and below                           see sender_api.h
//   GET /metrics                                    Prometheus text
//
// Errors are those of agent/api/README.md.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "smtpd/sender_api.h"
#include "smtpd/spool/spool.h"
#include "smtpd/spool_work.h"

namespace sekisho {

class QueueApi {
public:
    // All must outlive it. `changed` is called when something is due that wasn't.
    QueueApi(const Config& config, const spool::SpoolReader& reader, SpoolWork& work,
             std::function<void()> changed, std::function<std::string()> metrics);

    // Answers one request: [api]'s operators may do all, its viewers may look.
    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);

private:
    [[nodiscard]] api::Response list();
    [[nodiscard]] api::Response show(const std::string& id);
    // Of one message.
    [[nodiscard]] boost::asio::awaitable<api::Response> change(const api::Request& request,
                                                               std::string_view rest);
    [[nodiscard]] boost::asio::awaitable<api::Response> flush(const api::Request& request);

    const ApiConfig& config_;
    const spool::SpoolReader& reader_;
    SpoolWork& work_;
    std::function<void()> changed_;
    SenderApi senders_;
    std::function<std::string()> metrics_;
};

}  // namespace sekisho
