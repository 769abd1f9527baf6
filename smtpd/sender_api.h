// SPDX-License-Identifier: Apache-2.0
// What users send, over HTTP, for `sekisho user usage`, `stop` and `resume`.
//
//   GET /v1/senders {"senders":[{"user","hour","day","new_hour","new_day","addresses_day","networks_day",
//                                "failed_day","limits","stopped"}],"more"}
//                                      who has been stopped, then who has sent in the last day, the busiest
//                                      first; more: whether there are others. limits: null, or those there
//                                      are, as in [[submission.quota]]; stopped: null, or
//                                      {"since","by","reason"}
//   GET /v1/senders/USER               one of them, whoever it is, with "held": messages that are held
//   because
//                                      the user is stopped
//   POST /v1/senders/USER/stop {"reason"?}
//                                      the same: USER may send nothing, and what waits of theirs is held
//   POST /v1/senders/USER/resume {"discard"?}
//                                      204: USER may send again, and what was held goes on its way, or is
//                                      thrown away
//
// Errors are those of agent/api/README.md.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/config_submission.h"
#include "smtpd/spool/spool.h"
#include "smtpd/spool_work.h"

namespace sekisho {

class SenderApi {
public:
    // All must outlive it. `changed` is called when something is due that wasn't.
    SenderApi(const std::vector<QuotaConfig>& quotas, const spool::SpoolReader& reader, SpoolWork& work,
              std::function<void()> changed);

    [[nodiscard]] static bool is_for(std::string_view path);
    // Answers a request to such a path, of somebody who may ask it.
    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);

private:
    [[nodiscard]] api::Response list() const;
    [[nodiscard]] api::Response show(const std::string& user) const;
    [[nodiscard]] boost::asio::awaitable<api::Response> stop(const api::Request& request,
                                                             const std::string& user);
    [[nodiscard]] boost::asio::awaitable<api::Response> resume(const api::Request& request,
                                                               const std::string& user);

    const std::vector<QuotaConfig>& quotas_;
    const spool::SpoolReader& reader_;
    SpoolWork& work_;
    std::function<void()> changed_;
};

}  // namespace sekisho
