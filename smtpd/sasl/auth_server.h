// SPDX-License-Identifier: Apache-2.0
// The server of Dovecot's authentication protocol, for sekisho-smtpd, Postfix, Exim and Dovecot's own tools.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "agent/base/descriptor.h"
#include "smtpd/sasl/login_judge.h"

namespace sekisho::sasl {

struct AuthLimits {
    std::size_t connections = 1024;             // one more is closed at once
    std::size_t requests = 1024;                // of one connection, under way; one more fails for now
    std::size_t unsent = std::size_t{1} << 20;  // octets that a client doesn't read; then it is closed
    std::chrono::seconds challenge{150};        // to answer a challenge, where places are scarce
};

// What has happened since the start, for metrics.
struct AuthCounts {
    std::uint64_t connections = 0;
    std::uint64_t broken = 0;       // connections ended because of what they said
    std::uint64_t right = 0;        // logins: the password was
    std::uint64_t wrong = 0;        // password or user
    std::uint64_t malformed = 0;    // no credentials in what was said
    std::uint64_t unavailable = 0;  // could not be checked now
};

// A listener and its connections, on one thread's executor.
class AuthServer {
public:
    // `listener` is a Unix stream socket that listens. `judge` must outlive it.
    AuthServer(const boost::asio::any_io_executor& executor, Descriptor listener, LoginJudge& judge,
               AuthLimits limits = {});
    AuthServer(const AuthServer&) = delete;
    AuthServer& operator=(const AuthServer&) = delete;
    // Closes all. Logins under way get no answer.
    ~AuthServer();

    [[nodiscard]] AuthCounts counts() const;
    [[nodiscard]] std::size_t connections() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace sekisho::sasl
