// SPDX-License-Identifier: Apache-2.0
// Logins: who judges them, and what becomes of them when too many have failed before.
//
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include <chrono>
#include <stdexcept>
#include <utility>

#include "agent/base/log.h"
#include "smtpd/connection.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;

// Of a login that is refused for what has failed before. A wrong password is held back for up to four
// seconds, and who is asked behind that may do the same.
constexpr std::chrono::seconds locked_answer{10};

}  // namespace

asio::awaitable<void> SmtpdConnection::authenticate(session::Authenticate wanted) {
    co_await flush();
    tried_ = std::chrono::steady_clock::now();
    mechanism_ = wanted.mechanism;
    token_sent_ = wanted.initial.has_value();
    // Before anybody looks at a password: what it is can't be seen in an answer then.
    const bool refused = co_await locked({});
    if (refused) {
        co_await refuse_locked({});
        co_return;
    }
    sasl::AuthRequest request{.mechanism = std::move(wanted.mechanism),
                              .initial = std::move(wanted.initial),
                              .local = local_.address.text(),
                              .remote = remote_.address.text(),
                              .remote_port = remote_.port,
                              .secured = stream_.tls() != nullptr,
                              .session = name_,
                              .certificate_user = peer_.certificate_user,
                              .tls_bindable = !peer_.exporter.empty() || !peer_.unique.empty(),
                              .tls_exporter = peer_.exporter,
                              .tls_unique = peer_.unique};
    sasl::AuthStep step = co_await services_.auth.begin(std::move(request));
    co_await take(std::move(step));
}

asio::awaitable<void> SmtpdConnection::respond(std::string response) {
    const auto id = std::exchange(challenge_, std::nullopt);
    if (!id) {
        throw std::logic_error("an answer without a challenge");
    }
    token_sent_ = true;
    tried_ = std::chrono::steady_clock::now();
    sasl::AuthStep step = co_await services_.auth.respond(*id, std::move(response));
    co_await take(std::move(step));
}

asio::awaitable<void> SmtpdConnection::take(sasl::AuthStep step) {
    if (auto* challenge = std::get_if<sasl::AuthContinue>(&step)) {
        challenge_ = challenge->id;
        bool refused = false;
        if (!challenge->proven.empty()) {
            // The server's own proof would tell a guesser that he was right.
            refused = co_await locked(challenge->proven, challenge->also);
        }
        if (refused) {
            services_.auth.cancel(*std::exchange(challenge_, std::nullopt));
            co_await refuse_locked(std::move(challenge->proven));
            co_return;
        }
        add(session_.auth_continued(challenge->challenge));
        co_return;
    }
    if (auto* failed = std::get_if<sasl::AuthFail>(&step)) {
        co_await refuse_login(std::move(*failed));
        co_return;
    }
    auto& ok = std::get<sasl::AuthOk>(step);
    const bool refused = co_await report(seen_login(ok.user, ok.also, true));
    if (refused) {
        co_await refuse_locked(std::move(ok.user));
        co_return;
    }
    services_.counts.right++;
    log::info("LOGIN", "a user has logged in",
              {{"user", ok.user}, {"client", remote_.address.text()}, {"tls", tls()}, {"session", name_}});
    add(session_.auth_succeeded(std::move(ok.user)));
}

// Only a wrong password is a try that counts; to the client all noes are the same.
asio::awaitable<void> SmtpdConnection::refuse_login(sasl::AuthFail failed) {
    using enum sasl::AuthFail::Why;
    log::info(failed.why == wrong         ? "LOGIN_FAILED"
              : failed.why == not_allowed ? "LOGIN_NOT_ALLOWED"
                                          : "LOGIN_UNAVAILABLE",
              failed.reason.empty() ? "wrong name or password" : failed.reason,
              {{"client", remote_.address.text()}, {"session", name_}});
    if (failed.why == unavailable) {
        services_.counts.unavailable++;
        add(session_.auth_failed(session::AuthFailure::temporary));
        co_return;
    }
    bool refused = false;
    if (failed.why == wrong) {
        refused = co_await report(seen_login(failed.user, failed.also, false));
    } else {
        refused = co_await locked(failed.user, failed.also);
    }
    if (refused) {
        co_await refuse_locked(std::move(failed.user));
        co_return;
    }
    (failed.why == wrong ? services_.counts.wrong : services_.counts.not_allowed)++;
    add(session_.auth_failed(session::AuthFailure::wrong));
}

// A right password and a wrong one look the same, and take the same time, which is longer than anybody takes
// to answer a wrong one.
asio::awaitable<void> SmtpdConnection::refuse_locked(std::string user) {
    services_.counts.locked++;
    log::info("LOGIN_LOCKED", "too many logins have failed: this one is refused, whatever it was",
              {{"user", user}, {"client", remote_.address.text()}, {"session", name_}});
    const auto held = std::chrono::steady_clock::now() - tried_;
    if (held < locked_answer) {
        co_await wait(locked_answer - held);
    }
    add(session_.auth_failed(session::AuthFailure::wrong));
}

// The client doesn't go on. With a token that was a failure: only for one that is no good there is a
// challenge (RFC 7628, 3.2.3).
asio::awaitable<void> SmtpdConnection::give_up_login() {
    const auto id = std::exchange(challenge_, std::nullopt);
    if (!id) {
        co_return;
    }
    services_.auth.cancel(*id);
    if (token_sent_ && (mechanism_ == "OAUTHBEARER" || mechanism_ == "XOAUTH2")) {
        services_.counts.wrong++;
        log::info("LOGIN_FAILED", "a token that is no good",
                  {{"client", remote_.address.text()}, {"session", name_}});
        static_cast<void>(co_await report(seen_login({}, {}, false)));
    }
}

asio::awaitable<bool> SmtpdConnection::locked(std::string user, std::vector<std::string> also) {
    bool locked = false;
    if (services_.agent != nullptr && services_.config.report_logins) {
        locked = co_await services_.agent->locks(remote_.address, std::move(user), std::move(also));
    }
    co_return locked;
}

asio::awaitable<bool> SmtpdConnection::report(SeenLogin login) {
    bool locked = false;
    if (services_.agent != nullptr && services_.config.report_logins) {
        locked = co_await services_.agent->tell(std::move(login));
    }
    co_return locked;
}

SeenLogin SmtpdConnection::seen_login(const std::string& user, const std::vector<std::string>& also,
                                      bool success) const {
    return {.client = remote_,
            .user = user,
            .also = also,
            .mechanism = mechanism_,
            .tls = stream_.tls() != nullptr,
            .success = success};
}

}  // namespace sekisho
