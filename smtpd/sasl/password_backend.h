// SPDX-License-Identifier: Apache-2.0
// Who is asked about the passwords of users who aren't in the user file.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// Is this password the user's?
struct PasswordQuestion {
    std::string user;
    SecretText password;
    std::optional<Address> remote;  // where the client is
};

// Runs on one thread's executor.
class PasswordBackend {
public:
    PasswordBackend() = default;
    PasswordBackend(const PasswordBackend&) = delete;
    PasswordBackend& operator=(const PasswordBackend&) = delete;
    virtual ~PasswordBackend() = default;

    // Failure::unavailable where it can't be found out now, or too many questions wait.
    [[nodiscard]] virtual boost::asio::awaitable<Result<bool>> check(PasswordQuestion question) = 0;
    // So many questions of one client's address may wait at once, so that it can't take all places.
    [[nodiscard]] virtual std::size_t most_of_one_address() const = 0;
    [[nodiscard]] virtual std::size_t waiting() const = 0;
};

}  // namespace sekisho::sasl
