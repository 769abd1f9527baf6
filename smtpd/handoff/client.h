// SPDX-License-Identifier: Apache-2.0
// sekisho-smtpd's end: hands messages over, and waits until they are kept; asks about mailboxes.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/base/address.h"
#include "agent/base/descriptor.h"
#include "smtpd/handoff/handoff.h"

namespace sekisho::handoff {

// One connection for all messages; made when it is needed, made again when the relay has been away. Runs on
// one thread's executor.
class HandoffClient {
public:
    // A message that is not answered for within `limit` counts as refused; it may be kept all the same, and
    // then arrives twice.
    HandoffClient(const boost::asio::any_io_executor& executor, std::filesystem::path socket,
                  std::chrono::seconds limit = std::chrono::seconds{60});
    HandoffClient(const HandoffClient&) = delete;
    HandoffClient& operator=(const HandoffClient&) = delete;
    ~HandoffClient();

    // Hands over the first `size` octets of a file. The answer is "451 4.3.0 ..." where the relay can't be
    // reached or doesn't answer, "452 4.3.1 ..." where the file has no room for a large envelope.
    [[nodiscard]] boost::asio::awaitable<Answer> send(message::Envelope envelope, std::uint64_t size,
                                                      const Descriptor& file);
    // Hands over a message of 1 to most_in_packet octets.
    [[nodiscard]] boost::asio::awaitable<Answer> send(message::Envelope envelope, std::string octets);

    // Whether the server of a local domain has this mailbox, and takes mail for it that needs these. The
    // answer is "451 4.3.0 ..." where the relay can't be reached or doesn't answer.
    [[nodiscard]] boost::asio::awaitable<Answer> ask(std::string recipient, message::Needs needs);

    // Whether this user may send anything now. The answers are as above.
    [[nodiscard]] boost::asio::awaitable<Answer> ask_about(std::string user);

    // The forward-confirmed name of an address, in small letters; empty where it has none, or nobody tells.
    [[nodiscard]] boost::asio::awaitable<std::string> name_of(Address client);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::handoff
