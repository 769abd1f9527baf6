// SPDX-License-Identifier: Apache-2.0
// The queue over HTTP, for `sekisho queue`.
//
//   GET /v1/queue {"messages":[{"id","sender","user","client","received","size",
//                                                    "recipients":[{"address","attempts","next","last_error"}]}],"more"}
//   GET /v1/queue/ID                                one of them
//   POST /v1/queue/flush {"domain"?,"id"?}          204: everything, or these, are tried now
//   DELETE /v1/queue/ID                             204: thrown away, without a notice
//   GET /metrics                                    Prometheus text
//
// Errors are those of agent/api/README.md.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "smtpd/spool/spool.h"
#include "smtpd/spool/writer.h"

namespace sekisho {

class QueueApi {
public:
    // All must outlive it. `changed` is called when something is due that wasn't.
    QueueApi(boost::asio::any_io_executor executor, const ApiConfig& config, const spool::SpoolReader& reader,
             spool::Writer& writer, std::function<void()> changed, std::function<std::string()> metrics);

    // Answers one request: [api]'s operators may do all, its viewers may look.
    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);

private:
    [[nodiscard]] api::Response list();
    [[nodiscard]] api::Response show(const std::string& id);
    [[nodiscard]] boost::asio::awaitable<api::Response> flush(const api::Request& request);
    [[nodiscard]] boost::asio::awaitable<Result<void>> write(spool::Writer::Work work);

    boost::asio::any_io_executor executor_;
    const ApiConfig& config_;
    const spool::SpoolReader& reader_;
    spool::Writer& writer_;
    std::function<void()> changed_;
    std::function<std::string()> metrics_;
};

}  // namespace sekisho
