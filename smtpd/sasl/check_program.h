// SPDX-License-Identifier: Apache-2.0
// A program of the operator's that checks passwords. It speaks as Squid's helpers for basic authentication do
// (and they can be taken: LDAP, PAM, a database): a line with name and password, percent-encoded, with a
// blank between them; a line that begins with OK, ERR (no) or BH (it can't tell) for an answer.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "smtpd/sasl/password_backend.h"

namespace sekisho::sasl {

// So many processes of it, each of which checks one password after the other; started when they are needed,
// and again when one has ended, answers wrongly, or not in time. Runs on one thread's executor.
class CheckProgram final : public PasswordBackend {
public:
    struct Settings {
        std::vector<std::string> command;  // an absolute path, and arguments
        std::size_t processes = 4;
        std::chrono::milliseconds limit{10'000};  // for an answer
        std::size_t most_waiting = 256;           // with those that are being checked
        std::chrono::milliseconds pause{1000};    // before one is started again that was of no use
    };

    CheckProgram(const boost::asio::any_io_executor& executor, Settings settings);
    // Kills the processes.
    ~CheckProgram() override;

    // As many as there are processes.
    [[nodiscard]] std::size_t most_of_one_address() const override;
    [[nodiscard]] std::size_t waiting() const override;
    // Whether the password is the user's. Failure::unavailable where the program can't tell or be started,
    // doesn't answer in time, or too many wait.
    [[nodiscard]] boost::asio::awaitable<Result<bool>> check(PasswordQuestion question) override;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::sasl
