// SPDX-License-Identifier: Apache-2.0
// From the caller's thread to a worker and back.
#include "smtpd/sasl/password_checker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "smtpd/sasl/password_hash.h"
#include "smtpd/sasl/scram_keys.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;

// These two run on a worker; what they are given belongs to them.
asio::awaitable<Result<bool>> match(SecretText password, std::string hash) {
    co_return matches(password, hash);
}

asio::awaitable<Result<std::string>> make(SecretText password) {
    auto stored = hash_password(password);
    for (const ScramHash hash : scram_hashes) {
        if (!stored) {
            break;
        }
        const auto keys = make_scram_keys(hash, password);
        stored =
            keys ? Result<std::string>(*stored + ":" + print(hash, *keys)) : std::unexpected(keys.error());
    }
    co_return stored;
}

}  // namespace

PasswordChecker::PasswordChecker(std::size_t threads, std::size_t most_waiting)
    : pool_(threads), most_waiting_(most_waiting) {}

PasswordChecker::~PasswordChecker() {
    pool_.stop();
    pool_.join();
}

asio::awaitable<Result<bool>> PasswordChecker::check(SecretText password, std::string hash) {
    const auto waiting = waiting_;
    if (*waiting >= most_waiting_) {
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    ++*waiting;
    auto result = co_await asio::co_spawn(pool_.get_executor(), match(std::move(password), std::move(hash)),
                                          asio::use_awaitable);
    --*waiting;
    co_return result;
}

asio::awaitable<Result<std::string>> PasswordChecker::hash(SecretText password) {
    const auto waiting = waiting_;
    ++*waiting;
    auto result =
        co_await asio::co_spawn(pool_.get_executor(), make(std::move(password)), asio::use_awaitable);
    --*waiting;
    co_return result;
}

}  // namespace sekisho::sasl
