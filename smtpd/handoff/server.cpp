// SPDX-License-Identifier: Apache-2.0
// A coroutine for each connection reads; answers are sent at once or queued until there is room.
#include "smtpd/handoff/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <deque>
#include <list>
#include <optional>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/handoff/packet.h"

namespace sekisho::handoff {

namespace {

namespace asio = boost::asio;
using Stream = asio::posix::stream_descriptor;

// Messages of one connection that are not answered yet; no more are read until some are.
constexpr std::size_t most_unanswered = 1000;
constexpr std::chrono::milliseconds pause_without_descriptors{100};

std::optional<uid_t> user_of(int connection) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return std::nullopt;
    }
    return credentials.uid;
}

bool holds(const Descriptor& file, std::uint64_t size) {
    struct stat facts{};
    return file && ::fstat(file.get(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size >= 0 &&
           static_cast<std::uint64_t>(facts.st_size) >= size;
}

// The envelope that stands behind the message in its file.
Result<message::Envelope> envelope_in(const Descriptor& file, const Request& request) {
    std::string text(request.envelope_size, '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t size = ::pread(file.get(), text.data() + done, text.size() - done,
                                     static_cast<off_t>(request.size + done));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return fail(Failure::invalid, "a file ends before its envelope");
        }
        done += static_cast<std::size_t>(size);
    }
    return decode_envelope(text);
}

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(const asio::any_io_executor& executor, int socket, const HandoffServer::Handler& handler,
               const HandoffServer::Asked& asked)
        : stream_(executor, socket), room_(executor), handler_(handler), asked_(asked) {}

    asio::awaitable<void> run();
    void close() {
        boost::system::error_code ignored;
        stream_.close(ignored);
        room_.cancel();
    }

private:
    [[nodiscard]] bool take(Packet& packet);
    [[nodiscard]] HandoffServer::Answering answering(std::uint64_t number);
    void answer(const Answer& answer);
    [[nodiscard]] bool send_unsent();
    asio::awaitable<void> flush();

    Stream stream_;
    asio::steady_timer room_;  // cancelled when fewer are unanswered
    const HandoffServer::Handler& handler_;
    const HandoffServer::Asked& asked_;
    std::deque<std::string> unsent_;
    std::size_t unanswered_ = 0;
    bool flushing_ = false;
};

asio::awaitable<void> Connection::run() {
    Packet packet;
    while (stream_.is_open()) {
        if (unanswered_ >= most_unanswered) {
            room_.expires_at(asio::steady_timer::time_point::max());
            static_cast<void>(co_await room_.async_wait(quietly));
            continue;
        }
        const Moved moved = receive_packet(stream_.native_handle(), packet);
        if (moved == Moved::would_block) {
            const auto [error] = co_await stream_.async_wait(Stream::wait_read, quietly);
            if (error) {
                break;
            }
        } else if (moved == Moved::closed || !take(packet)) {
            break;
        }
    }
    close();
}

HandoffServer::Answering Connection::answering(std::uint64_t number) {
    unanswered_++;
    return [weak = weak_from_this(), number](Answer said) {
        if (const auto self = weak.lock()) {
            said.number = number;
            self->answer(said);
        }
    };
}

bool Connection::take(Packet& packet) {
    if (!packet.file && !packet.text.contains('\n')) {
        if (auto question = decode_question(packet.text)) {
            const std::uint64_t number = question->number;
            asked_(std::move(*question), answering(number));
            return true;
        }
    }
    auto request = decode_request(packet.text);
    if (!request) {
        log::error("HANDOFF_MALFORMED", request.error().what);
        return false;
    }
    const std::uint64_t number = request->number;
    const auto answer = answering(number);
    if (request->octets.empty() && !holds(packet.file, request->size)) {
        log::error("HANDOFF_MALFORMED", "a message came without its file", {{"id", request->envelope.id}});
        answer({.number = number, .refused = "451 4.3.0 The message was lost on the way, try again"});
        return true;
    }
    if (request->envelope_size > 0) {
        auto envelope = envelope_in(packet.file, *request);
        if (!envelope) {
            log::error("HANDOFF_MALFORMED", envelope.error().what);
            answer({.number = number, .refused = "451 4.3.0 The message was lost on the way, try again"});
            return true;
        }
        request->envelope = std::move(*envelope);
    }
    handler_(std::move(*request), std::move(packet.file), answer);
    return true;
}

void Connection::answer(const Answer& answer) {
    unanswered_--;
    room_.cancel();
    if (!stream_.is_open()) {
        return;
    }
    unsent_.push_back(encode(answer));
    if (!flushing_ && !send_unsent()) {
        flushing_ = true;
        asio::co_spawn(
            stream_.get_executor(),
            [](std::shared_ptr<Connection> self) -> asio::awaitable<void> {
                co_await self->flush();
            }(shared_from_this()),
            asio::detached);
    }
}

// Whether nothing is left to be sent.
bool Connection::send_unsent() {
    while (!unsent_.empty() && stream_.is_open()) {
        const Moved moved = send_packet(stream_.native_handle(), unsent_.front(), -1);
        if (moved == Moved::would_block) {
            return false;
        }
        if (moved == Moved::closed) {
            close();
            return true;
        }
        unsent_.pop_front();
    }
    return true;
}

asio::awaitable<void> Connection::flush() {
    while (!send_unsent()) {
        const auto [error] = co_await stream_.async_wait(Stream::wait_write, quietly);
        if (error) {
            break;
        }
    }
    flushing_ = false;
}

}  // namespace

struct HandoffServer::State : std::enable_shared_from_this<State> {
    State(const asio::any_io_executor& executor, int listener, Admit admitting, Handler handling,
          Asked asking)
        : acceptor(executor, listener),
          admit(std::move(admitting)),
          handler(std::move(handling)),
          asked(std::move(asking)) {}

    asio::awaitable<void> accept_all();
    void take(Descriptor socket);

    Stream acceptor;
    Admit admit;
    Handler handler;
    Asked asked;
    std::list<std::weak_ptr<Connection>> connections;
};

asio::awaitable<void> HandoffServer::State::accept_all() {
    asio::steady_timer pause(acceptor.get_executor());
    while (acceptor.is_open()) {
        const auto [error] = co_await acceptor.async_wait(Stream::wait_read, quietly);
        if (error) {
            break;
        }
        Descriptor socket(
            ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            take(std::move(socket));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            log::warning("HANDOFF_ACCEPT_FAILED", "a client could not be accepted; trying again");
            pause.expires_after(pause_without_descriptors);
            static_cast<void>(co_await pause.async_wait(quietly));
        }
    }
}

void HandoffServer::State::take(Descriptor socket) {
    const auto user = user_of(socket.get());
    if (!user || !admit(*user)) {
        log::warning("HANDOFF_STRANGER", "a user who may not hand mail over was turned away",
                     {{"uid", user ? std::to_string(*user) : "unknown"}});
        return;
    }
    std::erase_if(connections, [](const auto& each) { return each.expired(); });
    const auto connection =
        std::make_shared<Connection>(acceptor.get_executor(), socket.release(), handler, asked);
    connections.push_back(connection);
    // The state holds the handler, which must outlive the connection.
    asio::co_spawn(
        acceptor.get_executor(),
        [](std::shared_ptr<State> self, std::shared_ptr<Connection> running) -> asio::awaitable<void> {
            co_await running->run();
            static_cast<void>(self);
        }(shared_from_this(), connection),
        asio::detached);
}

HandoffServer::HandoffServer(const asio::any_io_executor& executor, Descriptor listener, Admit admit,
                             Handler handler, Asked asked)
    : state_(std::make_shared<State>(executor, listener.release(), std::move(admit), std::move(handler),
                                     std::move(asked))) {
    asio::co_spawn(
        executor,
        [](std::shared_ptr<State> self) -> asio::awaitable<void> { co_await self->accept_all(); }(state_),
        asio::detached);
}

HandoffServer::~HandoffServer() {
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    for (const auto& each : state_->connections) {
        if (const auto connection = each.lock()) {
            connection->close();
        }
    }
}

}  // namespace sekisho::handoff
