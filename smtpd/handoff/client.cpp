// SPDX-License-Identifier: Apache-2.0
// Requests by number, and one coroutine that reads the answers.
#include "smtpd/handoff/client.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "agent/base/log.h"
#include "agent/base/quietly.h"
#include "smtpd/handoff/packet.h"

namespace sekisho::handoff {

namespace {

namespace asio = boost::asio;
using Stream = asio::posix::stream_descriptor;

constexpr const char* unreachable_now = "451 4.3.0 Mail can't be taken now, try again later";

Descriptor connect_to(const std::filesystem::path& path) {
    Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    if (!socket || name.size() >= sizeof address.sun_path) {
        return {};
    }
    std::ranges::copy(name, std::begin(address.sun_path));
    // A Unix socket is connected at once or not at all.
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return {};
    }
    return socket;
}

bool write_at(int file, std::string_view octets, std::uint64_t offset) {
    while (!octets.empty()) {
        const ssize_t size = ::pwrite(file, octets.data(), octets.size(), static_cast<off_t>(offset));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return false;
        }
        octets.remove_prefix(static_cast<std::size_t>(size));
        offset += static_cast<std::uint64_t>(size);
    }
    return true;
}

// What is too large for a packet; false where there is no room for it.
bool put_in_file(Request& request, int file) {
    const std::string envelope = encode(request.envelope);
    request.envelope_size = envelope.size();
    const bool done = envelope.size() <= longest_envelope && write_at(file, request.octets, 0) &&
                      write_at(file, envelope, request.size);
    request.octets.clear();
    return done;
}

// Somebody who waits for an answer; the timer is cancelled when it has come.
struct Waiter {
    explicit Waiter(const asio::any_io_executor& executor) : timer(executor) {}
    asio::steady_timer timer;
    std::optional<Answer> answer;
};

}  // namespace

struct HandoffClient::State : std::enable_shared_from_this<State> {
    State(asio::any_io_executor where, std::filesystem::path path, std::chrono::seconds patience)
        : executor(std::move(where)), socket(std::move(path)), limit(patience) {}

    bool connect();
    void disconnect();
    asio::awaitable<void> read(std::shared_ptr<Stream> from);
    asio::awaitable<bool> write(std::string packet, int file);
    // `file` is -1 where there is none.
    asio::awaitable<Answer> exchange(std::uint64_t number, std::string packet, int file);
    asio::awaitable<Answer> ask(Question question);
    asio::awaitable<Answer> send(Request request, int file);

    asio::any_io_executor executor;
    std::filesystem::path socket;
    std::chrono::seconds limit;
    std::shared_ptr<Stream> stream;
    std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters;
    std::uint64_t last_number = 0;
    bool complained = false;  // that it can't be reached: said once
};

bool HandoffClient::State::connect() {
    if (stream) {
        return true;
    }
    Descriptor made = connect_to(socket);
    if (!made) {
        if (!std::exchange(complained, true)) {
            log::error("RELAY_UNREACHABLE",
                       "sekisho-relay can't be reached: mail is refused until it is back",
                       {{"socket", socket.string()}, {"error", std::string(std::strerror(errno))}});
        }
        return false;
    }
    complained = false;
    stream = std::make_shared<Stream>(executor, made.release());
    asio::co_spawn(
        executor,
        [](std::shared_ptr<State> self, std::shared_ptr<Stream> from) -> asio::awaitable<void> {
            co_await self->read(std::move(from));
        }(shared_from_this(), stream),
        asio::detached);
    return stream != nullptr;  // a relay that has just died is noticed at once by who begins to read
}

void HandoffClient::State::disconnect() {
    if (!stream) {
        return;
    }
    boost::system::error_code ignored;
    stream->close(ignored);
    stream.reset();
    for (const auto& [number, waiter] : std::exchange(waiters, {})) {
        waiter->answer = Answer{.number = number, .refused = unreachable_now};
        waiter->timer.cancel();
    }
}

asio::awaitable<void> HandoffClient::State::read(std::shared_ptr<Stream> from) {
    Packet packet;
    while (from->is_open()) {
        const Moved moved = receive_packet(from->native_handle(), packet);
        if (moved == Moved::would_block) {
            const auto [error] = co_await from->async_wait(Stream::wait_read, quietly);
            if (error) {
                break;
            }
            continue;
        }
        const auto answer = moved == Moved::done ? decode_answer(packet.text)
                                                 : Result<Answer>(fail(Failure::unavailable, "closed"));
        if (!answer) {
            break;
        }
        if (const auto waiting = waiters.find(answer->number); waiting != waiters.end()) {
            waiting->second->answer = *answer;
            waiting->second->timer.cancel();
            waiters.erase(waiting);
        }
    }
    if (stream == from) {
        log::warning("RELAY_GONE", "sekisho-relay has closed the connection",
                     {{"unanswered", waiters.size()}});
        disconnect();
    }
}

asio::awaitable<bool> HandoffClient::State::write(std::string packet, int file) {
    const auto to = stream;
    while (to->is_open()) {
        const Moved moved = send_packet(to->native_handle(), packet, file);
        if (moved == Moved::done) {
            co_return true;
        }
        if (moved == Moved::closed) {
            break;
        }
        const auto [error] = co_await to->async_wait(Stream::wait_write, quietly);
        if (error) {
            break;
        }
    }
    if (stream == to) {
        disconnect();
    }
    co_return false;
}

asio::awaitable<Answer> HandoffClient::State::exchange(std::uint64_t number, std::string packet, int file) {
    const auto self = shared_from_this();
    const auto waiter = std::make_shared<Waiter>(executor);
    // Twice: a relay that was started anew is noticed by the first attempt.
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!connect()) {
            break;
        }
        waiters[number] = waiter;
        waiter->answer.reset();
        std::string copy = packet;
        const bool written = co_await write(std::move(copy), file);
        if (written) {
            if (!waiter->answer) {
                waiter->timer.expires_after(limit);
                static_cast<void>(co_await waiter->timer.async_wait(quietly));
            }
            break;
        }
    }
    waiters.erase(number);
    co_return waiter->answer.value_or(Answer{.number = number, .refused = unreachable_now});
}

asio::awaitable<Answer> HandoffClient::State::ask(Question question) {
    std::string packet = encode(question);
    auto answer = co_await exchange(question.number, std::move(packet), -1);
    co_return answer;
}

asio::awaitable<Answer> HandoffClient::State::send(Request request, int file) {
    std::string packet = encode(request);
    const std::size_t behind = request.octets.empty() ? 0 : request.octets.size() + 1;
    Descriptor own;
    if (packet.size() - behind > longest_object) {
        if (!request.octets.empty()) {
            own = Descriptor(::memfd_create("sekisho message", MFD_CLOEXEC));
            file = own.get();
        }
        if (!put_in_file(request, file)) {
            co_return Answer{.number = request.number, .refused = "452 4.3.1 Insufficient system storage"};
        }
        packet = encode(request);
    }
    auto answer = co_await exchange(request.number, std::move(packet), file);
    co_return answer;
}

HandoffClient::HandoffClient(const asio::any_io_executor& executor, std::filesystem::path socket,
                             std::chrono::seconds limit)
    : state_(std::make_shared<State>(executor, std::move(socket), limit)) {}

HandoffClient::~HandoffClient() {
    state_->disconnect();
}

asio::awaitable<Answer> HandoffClient::send(message::Envelope envelope, std::uint64_t size,
                                            const Descriptor& file) {
    Request request{.number = ++state_->last_number, .size = size, .envelope = std::move(envelope)};
    auto answer = co_await state_->send(std::move(request), file.get());
    co_return answer;
}

asio::awaitable<Answer> HandoffClient::send(message::Envelope envelope, std::string octets) {
    const std::uint64_t size = octets.size();
    Request request{.number = ++state_->last_number,
                    .size = size,
                    .envelope = std::move(envelope),
                    .octets = std::move(octets)};
    auto answer = co_await state_->send(std::move(request), -1);
    co_return answer;
}

// What a co_await is given has a name: GCC 12 destroys a temporary twice that is made there.
asio::awaitable<Answer> HandoffClient::ask(std::string recipient, message::Needs needs) {
    Question question{.number = ++state_->last_number, .subject = std::move(recipient), .needs = needs};
    auto answer = co_await state_->ask(std::move(question));
    co_return answer;
}

asio::awaitable<Answer> HandoffClient::ask_about(std::string user) {
    Question question{
        .number = ++state_->last_number, .about = Question::About::user, .subject = std::move(user)};
    auto answer = co_await state_->ask(std::move(question));
    co_return answer;
}

asio::awaitable<std::string> HandoffClient::name_of(Address client) {
    Question question{
        .number = ++state_->last_number, .about = Question::About::client, .subject = client.text()};
    Answer answer = co_await state_->ask(std::move(question));
    co_return std::move(answer.name);
}

}  // namespace sekisho::handoff
