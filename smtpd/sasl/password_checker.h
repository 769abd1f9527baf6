// SPDX-License-Identifier: Apache-2.0
// Hashing on threads of its own, so that the others' lines are read meanwhile.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// To be asked from one thread. At its end checks that have not begun are forgotten, and their callers' frames
// with them.
class PasswordChecker {
public:
    // At most `most_waiting` are under way or wait: more would wait longer than anybody likes to.
    PasswordChecker(std::size_t threads, std::size_t most_waiting);
    PasswordChecker(const PasswordChecker&) = delete;
    PasswordChecker& operator=(const PasswordChecker&) = delete;
    ~PasswordChecker();

    // Whether the password makes the hash. Failure::unavailable where too many wait already.
    [[nodiscard]] boost::asio::awaitable<Result<bool>> check(SecretText password, std::string hash);
    // What is to be stored of a new password (user_list.h): a hash, and keys for each mechanism of SCRAM.
    // Waits however many wait.
    [[nodiscard]] boost::asio::awaitable<Result<std::string>> hash(SecretText password);

    [[nodiscard]] std::size_t waiting() const { return *waiting_; }

private:
    boost::asio::thread_pool pool_;
    std::size_t most_waiting_;
    // Shared with the callers' frames, which may live longer.
    std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);
};

}  // namespace sekisho::sasl
