// SPDX-License-Identifier: Apache-2.0
// One connection for all logins: requests are told apart by their ids.
#include "smtpd/sasl/auth_client.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <map>
#include <span>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/printable.h"
#include "agent/base/quietly.h"
#include "smtpd/sasl/auth_protocol.h"
#include "smtpd/sasl/offered_mechanisms.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds answer_time{30};
constexpr std::chrono::seconds handshake_time{5};
// After a handshake that came to nothing: a server that hangs must not make every client wait.
constexpr std::chrono::seconds pause_after_silence{5};
// Octets of base64. What else stands in a line needs less than what is left: RFC 4954, 4.5, has clients send
// 12,288.
constexpr std::size_t longest_response = longest_line - std::size_t{2048};
constexpr std::size_t most_unsent = std::size_t{4} << 20;  // octets that the server doesn't read

AuthFail for_now(std::string reason) {
    return {.why = AuthFail::Why::unavailable, .reason = std::move(reason)};
}

// What can be told to others and written into one line of a log, a trace or a queue.
bool is_name(std::string_view text) {
    return !text.empty() && is_utf8(text) &&
           std::ranges::none_of(text, [](unsigned char octet) { return octet < ' ' || octet == 0x7f; });
}

// Of an Ok or a Fail, each name once.
template <class Message>
std::vector<std::string> other_names(const Message& message) {
    std::vector<std::string> names;
    for (const std::string& name : {message.original_user, message.auth_user}) {
        if (is_name(name) && name != message.user && std::ranges::find(names, name) == names.end()) {
            names.push_back(name);
        }
    }
    return names;
}

// A wrong password is answered by no more than the name. Where the server gives a code or a reason, it has
// found a user who is disabled or whose password has expired, somebody who may not act as somebody else, or
// the client breaks a rule of its policy, and mostly the password wasn't even looked at.
AuthFail failure_of(const Fail& failed) {
    using enum AuthFail::Why;
    return {.why = failed.temporary                               ? unavailable
                   : failed.code.empty() && failed.reason.empty() ? wrong
                                                                  : not_allowed,
            .reason = failed.reason.empty() ? failed.code : failed.reason,
            .user = is_name(failed.user) ? failed.user : std::string(),
            .also = other_names(failed)};
}

// Wipes what the client has said.
void forget_secret(ClientMessage& message) {
    if (auto* const auth = std::get_if<Auth>(&message); auth != nullptr && auth->response) {
        wipe(*auth->response);
    } else if (auto* const response = std::get_if<Continue>(&message)) {
        wipe(response->data);
    }
}

// One connection, from connect() to its end.
struct Link {
    explicit Link(const asio::any_io_executor& executor) : socket(executor), deadline(executor) {}

    void close() {
        closed = true;
        boost::system::error_code ignored;
        socket.close(ignored);
        deadline.cancel();
    }

    Protocol::socket socket;
    asio::steady_timer deadline;  // of the handshake
    LineBuffer input;
    std::string output;
    std::vector<Offer> offers;
    bool versioned = false;
    bool complete = false;  // the handshake is
    bool writing = false;
    bool closed = false;
};

// A request that somebody waits for, or that waits for its client.
struct Waiting {
    explicit Waiting(const asio::any_io_executor& executor) : timer(executor) {}

    asio::steady_timer timer;
    std::optional<AuthStep> step;
    // What comes once the client has taken in the server's last word.
    std::optional<AuthOk> success;
};

}  // namespace

struct AuthClient::Connection : std::enable_shared_from_this<Connection> {
    Connection(const asio::any_io_executor& on, std::filesystem::path path)
        : executor(on), socket(std::move(path)), changed(on, Clock::time_point::max()) {}

    bool begin_link();
    asio::awaitable<bool> ready();
    asio::awaitable<void> connect(std::shared_ptr<Link> fresh);
    asio::awaitable<void> read_all(std::shared_ptr<Link> from);
    asio::awaitable<void> write_all(std::shared_ptr<Link> to);
    [[nodiscard]] Result<void> take(Link& from, std::string_view line);
    void greeted(Link& from, const ServerMessage& message);
    void send(const ClientMessage& message);
    void lost(const std::shared_ptr<Link>& which, const std::string& why);
    void shut();
    asio::awaitable<AuthStep> ask(std::uint32_t id, ClientMessage message);
    void answer(std::uint32_t id, AuthStep step);
    void succeed(const Ok& ok);
    std::uint32_t new_id();

    asio::any_io_executor executor;
    std::filesystem::path socket;
    asio::steady_timer changed;  // never expires: cancelled when the link has come up or gone
    std::shared_ptr<Link> link;
    std::map<std::uint32_t, std::shared_ptr<Waiting>> requests;
    std::uint32_t last_id = 0;
    std::vector<std::string> mechanisms;  // as mechanisms() says
    bool heard = false;
    Clock::time_point not_before;
    std::string trouble;  // why there is no connection
    bool warned = false;
    bool gone = false;  // the client is
};

// Whether there is a connection, or may be one soon.
bool AuthClient::Connection::begin_link() {
    if (gone || (!link && Clock::now() < not_before)) {
        return false;
    }
    if (!link) {
        link = std::make_shared<Link>(executor);
        asio::co_spawn(executor, connect(link), asio::detached);
    }
    return true;
}

// Whether there is a connection; makes one if there is none.
asio::awaitable<bool> AuthClient::Connection::ready() {
    const auto self = shared_from_this();
    if (!begin_link()) {
        co_return false;
    }
    const auto awaited = link;
    while (link == awaited && !awaited->complete) {
        co_await changed.async_wait(quietly);
    }
    co_return link == awaited && !gone;
}

asio::awaitable<void> AuthClient::Connection::connect(std::shared_ptr<Link> fresh) {
    const auto self = shared_from_this();
    // In time: an executor may run this before its caller waits.
    co_await asio::post(executor, asio::use_awaitable);
    if (fresh->closed) {
        co_return;
    }
    boost::system::error_code error;
    const std::string path = socket.string();
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
        error = asio::error::name_too_long;
    } else {
        std::tie(error) = co_await fresh->socket.async_connect(Protocol::endpoint(path), quietly);
    }
    if (error) {
        lost(fresh, error.message());
        co_return;
    }
    if (fresh->closed) {
        co_return;
    }
    fresh->deadline.expires_after(handshake_time);
    fresh->deadline.async_wait([self, fresh](const boost::system::error_code& ended) {
        if (!ended && !fresh->complete) {
            self->not_before = Clock::now() + pause_after_silence;
            self->lost(fresh, "it says nothing");
        }
    });
    send(Version());
    send(ClientProcess{.pid = static_cast<std::uint32_t>(::getpid())});
    co_await read_all(fresh);
}

asio::awaitable<void> AuthClient::Connection::read_all(std::shared_ptr<Link> from) {
    while (!from->closed) {
        const std::span<char> space = from->input.space();
        if (space.empty()) {
            lost(from, "it sent a line of over 16 KiB");
            co_return;
        }
        const auto [error, size] =
            co_await from->socket.async_read_some(asio::buffer(space.data(), space.size()), quietly);
        if (error) {
            lost(from, error == asio::error::eof ? "it has closed the connection" : error.message());
            co_return;
        }
        from->input.filled(size);
        for (auto line = from->input.next(); line && !from->closed; line = from->input.next()) {
            if (const auto taken = take(*from, *line); !taken) {
                lost(from, taken.error().what);
                co_return;
            }
        }
    }
}

Result<void> AuthClient::Connection::take(Link& from, std::string_view line) {
    const auto message = parse_server_line(line);
    if (!message) {
        return std::unexpected(message.error());
    }
    if (const auto* const version = std::get_if<Version>(&*message)) {
        if (version->major != protocol_major) {
            return fail(Failure::invalid, "it speaks version " + std::to_string(version->major) +
                                              " of Dovecot's authentication protocol, not 1");
        }
        from.versioned = true;
    } else if (!from.versioned) {
        return fail(Failure::invalid, "it doesn't speak Dovecot's authentication protocol");
    } else if (!from.complete) {
        greeted(from, *message);
    } else if (const auto* const ok = std::get_if<Ok>(&*message)) {
        succeed(*ok);
    } else if (const auto* const failed = std::get_if<Fail>(&*message)) {
        answer(failed->id, failure_of(*failed));
    } else if (const auto* const challenge = std::get_if<Continue>(&*message)) {
        answer(challenge->id, AuthContinue{.id = challenge->id, .challenge = challenge->data});
    }
    return {};
}

// The rest of the handshake. SPID, CUID and COOKIE are for Dovecot's own masters.
void AuthClient::Connection::greeted(Link& from, const ServerMessage& message) {
    if (const auto* const offer = std::get_if<Offer>(&message)) {
        from.offers.push_back(*offer);
    } else if (std::holds_alternative<Done>(message)) {
        from.complete = true;
        mechanisms = offered_to_clients(from.offers);
        heard = true;
        from.deadline.cancel();
        if (std::exchange(warned, false)) {
            log::info("AUTH_SERVER_BACK", "the authentication server answers again",
                      {{"socket", socket.string()}});
        }
        changed.cancel();
    }
}

void AuthClient::Connection::send(const ClientMessage& message) {
    if (!link || link->closed) {
        return;
    }
    std::string line = print(message);
    link->output += line;
    wipe(line);
    if (link->output.size() > most_unsent) {
        lost(link, "it doesn't read what it is sent");
    } else if (!link->writing) {
        link->writing = true;
        asio::co_spawn(executor, write_all(link), asio::detached);
    }
}

asio::awaitable<void> AuthClient::Connection::write_all(std::shared_ptr<Link> to) {
    const auto self = shared_from_this();
    while (!to->output.empty() && !to->closed) {
        std::string sending = std::exchange(to->output, {});
        const auto [error, size] = co_await asio::async_write(to->socket, asio::buffer(sending), quietly);
        wipe(sending);
        if (error) {
            lost(to, error.message());
        }
    }
    to->writing = false;
}

// A connection has ended, or was none: whoever waits learns it at once.
void AuthClient::Connection::lost(const std::shared_ptr<Link>& which, const std::string& why) {
    if (which->closed) {
        return;
    }
    which->close();
    if (link != which) {
        return;
    }
    link.reset();
    trouble = "the authentication server at " + socket.string() + ": " + why;
    if (!std::exchange(warned, true)) {
        log::warning("AUTH_SERVER_LOST", trouble,
                     {{"remedy", "is it running, and may this user connect to its socket?"},
                      {"requests", requests.size()}});
    }
    for (const auto& [id, waiting] : std::exchange(requests, {})) {
        waiting->step = for_now(trouble);
        waiting->timer.cancel();
    }
    changed.cancel();
}

void AuthClient::Connection::shut() {
    gone = true;
    warned = true;  // nothing to warn of
    if (link) {
        lost(link, "this client ends");
    }
}

std::uint32_t AuthClient::Connection::new_id() {
    do {
        last_id++;
    } while (last_id == 0 || requests.contains(last_id));
    return last_id;
}

// Sends what concerns a request, and awaits what the server has to say to it.
asio::awaitable<AuthStep> AuthClient::Connection::ask(std::uint32_t id, ClientMessage message) {
    const auto self = shared_from_this();
    const auto waiting = std::make_shared<Waiting>(executor);
    requests[id] = waiting;
    send(message);
    forget_secret(message);
    if (!waiting->step) {
        waiting->timer.expires_after(answer_time);
        co_await waiting->timer.async_wait(quietly);
    }
    if (std::optional<AuthStep> step = std::move(waiting->step)) {
        co_return std::move(*step);
    }
    requests.erase(id);
    send(Cancel{.id = id});
    co_return for_now("the authentication server doesn't answer in time");
}

void AuthClient::Connection::answer(std::uint32_t id, AuthStep step) {
    const auto found = requests.find(id);
    // An answer to what nobody waits for any more, or a second one.
    if (found == requests.end() || found->second->step) {
        return;
    }
    const auto waiting = found->second;
    if (!std::holds_alternative<AuthContinue>(step)) {
        requests.erase(found);
    }
    waiting->step = std::move(step);
    waiting->timer.cancel();
}

// "OK Does Not Mean Access Granted" (Dovecot's auth protocol 1.3): with nologin or proxy it is a FAIL, though
// not one for a wrong password.
//
// In SMTP nothing can come with the success: what the server has to say to the client is one more challenge
// (RFC 4954, 4), answered by nothing.
void AuthClient::Connection::succeed(const Ok& ok) {
    if (!is_name(ok.user)) {
        answer(ok.id, for_now("the authentication server says OK, and no name that could be a user's"));
        return;
    }
    if (ok.denied) {
        answer(ok.id, AuthFail{.why = AuthFail::Why::not_allowed,
                               .reason = ok.reason.empty() ? "the user may not log in here" : ok.reason,
                               .user = ok.user,
                               .also = other_names(ok)});
        return;
    }
    const auto found = requests.find(ok.id);
    if (ok.response.empty() || found == requests.end()) {
        answer(ok.id, AuthOk{.user = ok.user, .also = other_names(ok)});
        return;
    }
    found->second->success = AuthOk{.user = ok.user, .also = other_names(ok)};
    answer(ok.id,
           AuthContinue{.id = ok.id, .challenge = ok.response, .proven = ok.user, .also = other_names(ok)});
}

AuthClient::AuthClient(const asio::any_io_executor& executor, std::filesystem::path socket)
    : connection_(std::make_shared<Connection>(executor, std::move(socket))) {}

AuthClient::~AuthClient() {
    connection_->shut();
}

void AuthClient::connect() {
    static_cast<void>(connection_->begin_link());
}

const std::vector<std::string>& AuthClient::mechanisms() const {
    return connection_->mechanisms;
}

bool AuthClient::heard() const {
    return connection_->heard;
}

asio::awaitable<AuthStep> AuthClient::begin(AuthRequest request) {
    const auto connection = connection_;
    if (request.initial && (!is_base64(*request.initial) || request.initial->size() > longest_response)) {
        co_return AuthFail{.reason = "the initial response is no base64, or too long"};
    }
    const bool connected = co_await connection->ready();
    if (!connected) {
        co_return for_now(connection->trouble);
    }
    if (std::ranges::find(connection->link->offers, request.mechanism, &Offer::mechanism) ==
        connection->link->offers.end()) {
        co_return for_now("the authentication server doesn't offer " + request.mechanism);
    }
    const std::uint32_t id = connection->new_id();
    ClientMessage message = Auth{.id = id,
                                 .mechanism = std::move(request.mechanism),
                                 .service = "smtp",
                                 .local = std::move(request.local),
                                 .remote = std::move(request.remote),
                                 .remote_port = request.remote_port,
                                 .secured = request.secured,
                                 .session = std::move(request.session),
                                 .certificate_user = std::move(request.certificate_user),
                                 .tls_bindable = request.tls_bindable,
                                 .tls_exporter = std::move(request.tls_exporter),
                                 .tls_unique = std::move(request.tls_unique),
                                 .final_response_ok = true,
                                 .no_login = true,
                                 .response = std::move(request.initial)};
    auto step = co_await connection->ask(id, std::move(message));
    co_return step;
}

asio::awaitable<AuthStep> AuthClient::respond(std::uint32_t id, std::string response) {
    const auto connection = connection_;
    const auto found = connection->requests.find(id);
    if (found == connection->requests.end() || !found->second->step) {
        co_return for_now(connection->trouble.empty() ? "no such request" : connection->trouble);
    }
    if (const auto success = std::move(found->second->success)) {
        connection->requests.erase(found);
        co_return response.empty() ? AuthStep(*success)
                                   : AuthFail{.why = AuthFail::Why::not_allowed,
                                              .reason = "the server's last word was answered",
                                              .user = success->user,
                                              .also = success->also};
    }
    if (!is_base64(response) || response.size() > longest_response) {
        connection->requests.erase(found);
        connection->send(Cancel{.id = id});
        co_return AuthFail{.reason = "the response is no base64, or too long"};
    }
    ClientMessage message = Continue{.id = id, .data = std::move(response)};
    auto step = co_await connection->ask(id, std::move(message));
    co_return step;
}

void AuthClient::cancel(std::uint32_t id) {
    const auto found = connection_->requests.find(id);
    if (found == connection_->requests.end()) {
        return;
    }
    const auto waiting = found->second;
    connection_->requests.erase(found);
    connection_->send(Cancel{.id = id});
    waiting->step = for_now("the client has gone");
    waiting->timer.cancel();
}

}  // namespace sekisho::sasl
