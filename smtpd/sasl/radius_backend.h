// SPDX-License-Identifier: Apache-2.0
// RADIUS servers that check passwords (RFC 2865), over UDP.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/socket_address.h"
#include "smtpd/sasl/password_backend.h"

namespace sekisho::sasl {

// Servers are asked in their order until one answers. One from which nothing comes is asked last for a while.
// An Access-Challenge is a no: a password is all that there is.
class RadiusBackend final : public PasswordBackend {
public:
    struct Server {
        Endpoint endpoint;
        std::string secret;
        std::chrono::milliseconds timeout{3000};  // for the answer to one packet
        std::size_t attempts = 2;                 // packets
        bool strict = true;                       // as read_access_answer() has it
    };
    struct Settings {
        std::vector<Server> servers;  // at least one
        std::string nas;              // what we call ourselves
        std::size_t most_waiting = 256;
        std::chrono::milliseconds rest{30'000};  // of a server that doesn't answer
    };
    // What has come of the questions that one server was asked.
    struct Counts {
        std::string server;  // "192.0.2.1:1812"
        std::uint64_t accepted = 0;
        std::uint64_t rejected = 0;
        std::uint64_t unanswered = 0;
        std::uint64_t ignored = 0;  // packets that were no answers
    };

    RadiusBackend(const boost::asio::any_io_executor& executor, Settings settings);
    ~RadiusBackend() override;

    // Whether the password is the user's. Failure::unavailable where no server answers, or too many wait.
    [[nodiscard]] boost::asio::awaitable<Result<bool>> check(PasswordQuestion question) override;
    [[nodiscard]] std::size_t most_of_one_address() const override;
    [[nodiscard]] std::size_t waiting() const override;
    [[nodiscard]] std::vector<Counts> counts() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::sasl
