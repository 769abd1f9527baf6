// SPDX-License-Identifier: Apache-2.0
// sekisho-relay's end: takes messages, and answers when they are kept; answers questions.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "agent/base/descriptor.h"
#include "smtpd/handoff/handoff.h"

namespace sekisho::handoff {

// A listener and its connections. Runs on one thread's executor.
class HandoffServer {
public:
    // To be called once, on the executor's thread, now or later; nothing happens if the client has gone.
    using Answering = std::function<void(Answer)>;
    // A message: it is request.octets, or else the file holds at least request.size octets. It may be a file
    // that somebody else still writes to or shortens: read it, don't map it.
    using Handler = std::function<void(Request request, Descriptor file, Answering answer)>;
    // See Question.
    using Asked = std::function<void(Question question, Answering answering)>;
    // Whether this user may hand mail over at all.
    using Admit = std::function<bool(uid_t user)>;

    // Takes over a listening SOCK_SEQPACKET socket.
    HandoffServer(const boost::asio::any_io_executor& executor, Descriptor listener, Admit admit,
                  Handler handler, Asked asked);
    HandoffServer(const HandoffServer&) = delete;
    HandoffServer& operator=(const HandoffServer&) = delete;
    // Closes everything; answers that are still owed are lost, which the clients take for a refusal.
    ~HandoffServer();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::handoff
