// SPDX-License-Identifier: Apache-2.0
// By libcurl's easy interface, on threads of its own.
#include "smtpd/sasl/introspection.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "agent/base/ascii.h"
#include "smtpd/sasl/mechanism.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;
namespace json = boost::json;

using Found = std::optional<std::string>;

// So long sekisho-smtpd waits, but for what a wrong token is held back.
constexpr std::chrono::milliseconds patience{26'000};
constexpr std::size_t longest_body = std::size_t{64} * 1024;

std::unexpected<Error> no_answer(std::string what) {
    return fail(Failure::invalid, "the authorization server's answer " + std::move(what));
}

// Whether a word stands in a text of words with blanks between them (RFC 6749, 3.3).
bool has_word(std::string_view text, std::string_view word) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (text.substr(0, end) == word) {
            return true;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

std::optional<std::string_view> text_in(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::optional<std::string_view>(value->get_string())
                                                  : std::nullopt;
}

// RFC 7519, 4.1.3: "aud" is a text, or a list of them.
bool is_for(const json::object& answer, std::string_view audience) {
    if (const auto one = text_in(answer, "aud")) {
        return *one == audience;
    }
    const json::value* const value = answer.if_contains("aud");
    const json::array* const all = value == nullptr ? nullptr : value->if_array();
    return all != nullptr && std::ranges::any_of(*all, [audience](const json::value& each) {
               return each.is_string() && std::string_view(each.get_string()) == audience;
           });
}

std::size_t collect(char* octets, std::size_t /*one*/, std::size_t count, void* body) {
    auto& text = *static_cast<std::string*>(body);
    if (text.size() + count > longest_body) {
        return 0;  // which ends the transfer
    }
    text.append(octets, count);
    return count;
}

struct FreeHandle {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, FreeHandle>;

// Ends a transfer when the daemon ends.
int ended(void* stopping, curl_off_t /*a*/, curl_off_t /*b*/, curl_off_t /*c*/, curl_off_t /*d*/) {
    return static_cast<const std::atomic<bool>*>(stopping)->load() ? 1 : 0;
}

// What a transfer is to be like. All must hold, or there is none.
class Options {
public:
    explicit Options(CURL* handle) : handle_(handle) {}
    template <class Value>
    Options& set(CURLoption option, Value value) {
        fine_ = curl_easy_setopt(handle_, option, value) == CURLE_OK && fine_;
        return *this;
    }
    [[nodiscard]] bool fine() const { return fine_; }

private:
    CURL* handle_;
    bool fine_ = true;
};

bool prepare(CURL* handle, const Introspection::Settings& settings, std::atomic<bool>& stopping,
             std::array<char, CURL_ERROR_SIZE>& trouble, std::string& body) {
    Options options(handle);
    options.set(CURLOPT_ERRORBUFFER, trouble.data())
        .set(CURLOPT_URL, settings.url.c_str())
        .set(CURLOPT_NOSIGNAL, 1L)    // there are other threads
        .set(CURLOPT_QUICK_EXIT, 1L)  // a resolver that hangs is left alone
        .set(CURLOPT_PROTOCOLS_STR, "https,http")
        .set(CURLOPT_FOLLOWLOCATION, 0L)
        .set(CURLOPT_PROXY, "")  // no variable of the environment sends tokens elsewhere
        .set(CURLOPT_TIMEOUT_MS, static_cast<long>(settings.limit.count()))
        .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
        .set(CURLOPT_NOPROGRESS, 0L)
        .set(CURLOPT_XFERINFOFUNCTION, ended)
        .set(CURLOPT_XFERINFODATA, &stopping)
        .set(CURLOPT_WRITEFUNCTION, collect)
        .set(CURLOPT_WRITEDATA, &body);
    if (!settings.authorities.empty()) {
        // And no others: the system's would be believed as well.
        options.set(CURLOPT_CAINFO, settings.authorities.c_str())
            .set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    if (!settings.client.empty()) {
        options.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC))
            .set(CURLOPT_USERNAME, settings.client.c_str())
            .set(CURLOPT_PASSWORD, settings.secret.c_str());
    }
    return options.fine();
}

// RFC 6749, appendix B: tokens have signs that mean something else in a form.
std::string form_of(std::string_view token) {
    constexpr std::string_view begin = "token_type_hint=access_token&token=";
    constexpr std::size_t longest_code = 3;
    std::string form;
    form.reserve(begin.size() + longest_code * token.size());
    form += begin;
    for (const char sign : token) {
        if (sign == '+') {
            form += "%2B";
        } else if (sign == '/') {
            form += "%2F";
        } else if (sign == '=') {
            form += "%3D";
        } else {
            form += sign;
        }
    }
    return form;
}

struct Answer {
    long status = 0;  // of HTTP; 0: there is none
    std::string body{};
    std::string trouble{};
};

// Waits: on a thread of its own.
Answer ask(const Introspection::Settings& settings, std::atomic<bool>& stopping, const SecretText& token) {
    const Handle handle(curl_easy_init());
    Answer answer;
    std::array<char, CURL_ERROR_SIZE> trouble{};
    if (!handle || !prepare(handle.get(), settings, stopping, trouble, answer.body)) {
        answer.trouble = "libcurl can't be used as it must be";
        return answer;
    }
    std::string form = form_of(token.view());
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(form.size()));
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, form.c_str());
    const CURLcode code = curl_easy_perform(handle.get());
    wipe(form);
    if (code != CURLE_OK) {
        answer.trouble = trouble[0] != '\0' ? trouble.data() : curl_easy_strerror(code);
        return answer;
    }
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

// RFC 7662, 2.3: only 200 says anything of the token.
Result<Found> judged(const Answer& answer, const TokenRules& rules) {
    constexpr long fine = 200;
    if (answer.status != fine) {
        const std::string what =
            answer.status == 0 ? answer.trouble : "it answers " + std::to_string(answer.status);
        return fail(Failure::unavailable, "the authorization server can't be asked: " + what,
                    answer.status == 401 ? "compare auth.oauth's client and secret_file with what it knows"
                                         : "is auth.oauth's url right, and does it answer there?");
    }
    auto found = user_in_introspection(answer.body, rules);
    if (!found) {
        return fail(Failure::unavailable, found.error().what,
                    "is auth.oauth's url that of token introspection?");
    }
    return found;
}

}  // namespace

Result<Found> user_in_introspection(std::string_view body, const TokenRules& rules) {
    boost::system::error_code error;
    const json::value value =
        body.size() > longest_body ? json::value() : json::parse({body.data(), body.size()}, error);
    const json::object* const answer = error ? nullptr : value.if_object();
    if (answer == nullptr) {
        return no_answer("is no object of JSON");
    }
    const json::value* const active = answer->if_contains("active");
    if (active == nullptr || !active->is_bool()) {
        return no_answer("has no \"active\"");
    }
    if (!active->get_bool()) {
        return Found();
    }
    if ((!rules.scope.empty() && !has_word(text_in(*answer, "scope").value_or(""), rules.scope)) ||
        (!rules.audience.empty() && !is_for(*answer, rules.audience))) {
        return Found();
    }
    // "token_type" (RFC 7662, 2.2) may be missing; what it is then is not ours to guess.
    const std::string kind = lowered(text_in(*answer, "token_type").value_or("bearer"));
    if (kind != "bearer" && kind != "access_token") {
        return Found();
    }
    const auto user = text_in(*answer, rules.user);
    return user && !unfit_name(*user) ? Found(user_key(*user)) : Found();
}

struct Introspection::State {
    explicit State(Settings what) : settings(std::move(what)) {}
    // On a thread of the pool; what is given belongs to it.
    asio::awaitable<Result<Found>> answer(SecretText token, std::chrono::steady_clock::time_point due);

    Settings settings;
    Counts counts;
    std::size_t waiting = 0;
    std::atomic<bool> stopping = false;
};

asio::awaitable<Result<Found>> Introspection::State::answer(SecretText token,
                                                            std::chrono::steady_clock::time_point due) {
    // Nobody waits for it any more.
    if (std::chrono::steady_clock::now() > due) {
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    co_return judged(ask(settings, stopping, token), settings.rules);
}

Introspection::Introspection(Settings settings)
    : state_(std::make_shared<State>(std::move(settings))), pool_(state_->settings.threads) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    static_cast<void>(ready);
}

Introspection::~Introspection() {
    state_->stopping = true;
    pool_.stop();
    pool_.join();
}

Introspection::Counts Introspection::counts() const {
    return state_->counts;
}

std::size_t Introspection::waiting() const {
    return state_->waiting;
}

asio::awaitable<Result<Found>> Introspection::user_of(SecretText token) {
    const auto state = state_;
    if (state->waiting >= state->settings.most_waiting) {
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    state->waiting++;
    // What is asked later is answered too late.
    const auto due = std::chrono::steady_clock::now() +
                     std::max(std::chrono::milliseconds(1000), patience - state->settings.limit);
    auto found = co_await asio::co_spawn(pool_.get_executor(), state->answer(std::move(token), due),
                                         asio::use_awaitable);
    state->waiting--;
    if (!found) {
        state->counts.unanswered++;
    } else {
        (found->has_value() ? state->counts.active : state->counts.refused)++;
    }
    co_return found;
}

}  // namespace sekisho::sasl
