// SPDX-License-Identifier: Apache-2.0
// The submission server's rules over HTTP, for `sekisho why-relay`.
//
//   GET /v1/why-relay?client=ADDRESS&user=U&from=A&to=B&listener=N
//       {"client","user","from","to","listener":{"number","address","port","tls"},"verdict","rule","reply",
//        "rules":[{"rule","opinion","detail"}]}
//   GET /metrics                                Prometheus text
//
// `user` is who would have logged in; without it nobody. Listeners are numbered from 1, as they stand in the
// configuration. Errors are those of agent/api/README.md.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "smtpd/agent_link.h"
#include "smtpd/handoff/client.h"
#include "smtpd/sender_file.h"

namespace sekisho {

class SubmissionApi {
public:
    // All must outlive it. `agent` may be null: there is none to ask. `metrics` makes the text of /metrics.
    // `submission` is config's, with its hostname filled in.
    SubmissionApi(const Config& config, const SubmissionConfig& submission, SenderFile& senders,
                  AgentLink* agent, handoff::HandoffClient& relay, std::function<std::string()> metrics);

    // Answers one request: [api]'s operators and viewers may look, and there is nothing to change.
    [[nodiscard]] boost::asio::awaitable<api::Response> answer(const api::Request& request);

private:
    [[nodiscard]] boost::asio::awaitable<api::Response> why_relay(const api::Request& request);

    const Config& config_;
    const SubmissionConfig& submission_;
    SenderFile& senders_;
    AgentLink* agent_;
    handoff::HandoffClient& relay_;
    std::function<std::string()> metrics_;
};

}  // namespace sekisho
