// SPDX-License-Identifier: Apache-2.0
// Whose is this access token? Asked of the authorization server (RFC 7662), over HTTPS by libcurl.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// By what an answer is judged.
struct TokenRules {
    std::string user = "username";  // the member that names the user
    std::string scope{};            // a word that "scope" must have; empty: any
    std::string audience{};         // a text that "aud" must be or hold; empty: any
};

//// Reads an answer of up to 64 KiB: the user, as user_key() makes it; nothing for a token that is not
/// active, no access
// token, not for us, or names nobody. Failure::invalid for what is no answer (RFC 7662, 2.2). Pure.
[[nodiscard]] Result<std::optional<std::string>> user_in_introspection(std::string_view body,
                                                                       const TokenRules& rules);

// To be asked from one thread; a few questions are asked at a time, on threads of their own.
class Introspection {
public:
    struct Settings {
        std::string url;       // https://..., or http:// to this machine
        std::string client{};  // our name there; empty: none is sent
        std::string secret{};  // and our secret (HTTP Basic)
        TokenRules rules{};
        std::filesystem::path authorities{};  // PEM; empty: those of the system
        std::chrono::milliseconds limit{10'000};
        std::size_t threads = 8;
        std::size_t most_waiting = 256;
    };
    struct Counts {
        std::uint64_t active = 0;  // tokens that were somebody's
        std::uint64_t refused = 0;
        std::uint64_t unanswered = 0;
    };

    explicit Introspection(Settings settings);
    Introspection(const Introspection&) = delete;
    Introspection& operator=(const Introspection&) = delete;
    ~Introspection();

    // The token's user; nothing if it is nobody's. Failure::unavailable if that can't be found out now.
    [[nodiscard]] boost::asio::awaitable<Result<std::optional<std::string>>> user_of(SecretText token);
    [[nodiscard]] Counts counts() const;
    [[nodiscard]] std::size_t waiting() const;

private:
    struct State;
    std::shared_ptr<State> state_;
    boost::asio::thread_pool pool_;
};

}  // namespace sekisho::sasl
