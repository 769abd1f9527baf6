// SPDX-License-Identifier: Apache-2.0
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include "smtpd/delivery/conversation.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <tuple>
#include <utility>

#include "agent/base/quietly.h"

namespace sekisho::delivery {

namespace {

namespace asio = boost::asio;
constexpr std::chrono::seconds handshake_limit{60};
constexpr std::chrono::seconds write_limit{180};  // of a block: RFC 5321, 4.5.3.2.5
constexpr std::size_t most_carried = 100;         // messages
constexpr std::chrono::minutes most_age{5};

}  // namespace

Conversation::Conversation(const asio::any_io_executor& executor) : socket_(executor), timer_(executor) {}

Conversation::~Conversation() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void Conversation::limit_to(std::chrono::seconds time) {
    *late_ = false;
    timer_.expires_after(time);
    timer_.async_wait([this, late = std::weak_ptr(late_)](const boost::system::error_code& error) {
        const auto alive = late.lock();
        if (error || !alive || timer_.expiry() > asio::steady_timer::clock_type::now()) {
            return;
        }
        *alive = true;
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    });
}

Error Conversation::trouble(std::string_view doing, const boost::system::error_code& error) const {
    return {.kind = Failure::unavailable,
            .what = std::string(doing) + ": " + (*late_ ? "no answer in time" : error.message()),
            .remedy = {}};
}

asio::awaitable<Result<void>> Conversation::connect(Place to, std::chrono::seconds limit) {
    using asio::generic::stream_protocol;
    stream_protocol::endpoint endpoint;
    if (const auto* path = std::get_if<std::filesystem::path>(&to)) {
        endpoint = asio::local::stream_protocol::endpoint(path->string());
    } else {
        const SocketAddress address = socket_address(std::get<Endpoint>(to));
        endpoint = stream_protocol::endpoint(&address.storage, address.size);
    }
    limit_to(limit);
    const auto [error] = co_await socket_.async_connect(endpoint, quietly);
    timer_.cancel();
    if (error) {
        co_return std::unexpected(trouble("connect", error));
    }
    boost::system::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // a Unix socket has no such thing
    co_return Result<void>();
}

bool Conversation::silent() {
    char octet = 0;
    const ssize_t size = ::recv(socket_.native_handle(), &octet, sizeof octet, MSG_PEEK | MSG_DONTWAIT);
    // What has come and isn't decrypted yet stands between the socket and OpenSSL, or in it.
    SSL* const tls = tls_ ? tls_->native_handle() : nullptr;
    const bool waiting = tls != nullptr && (SSL_has_pending(tls) != 0 || BIO_pending(SSL_get_rbio(tls)) > 0);
    return size < 0 && errno == EAGAIN && !waiting && reader_.empty();
}

bool Conversation::worn() const {
    return carried_ >= most_carried || std::chrono::steady_clock::now() - begun_ > most_age;
}

bool Conversation::with_ourselves() const {
    const int socket = const_cast<Socket&>(socket_).native_handle();
    const auto local = local_endpoint(socket);
    const auto remote = remote_endpoint(socket);
    if (!local || !remote || local->address != remote->address) {
        return false;
    }
    const Address& address = local->address;
    const bool loopback = Prefix{address.masked(8), 8} == parse_prefix("127.0.0.0/8").value() ||
                          address == parse_address("::1").value();
    return !loopback;
}

asio::awaitable<Result<void>> Conversation::start_tls(asio::ssl::context& context, std::string host) {
    tls_.emplace(socket_, context);
    const bool name = !host.starts_with('[') && !parse_address(host);  // RFC 6066, 3: never an address
    if (name) {
        SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
    }
    limit_to(handshake_limit);
    const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, quietly);
    timer_.cancel();
    if (error) {
        co_return std::unexpected(trouble("TLS", error));
    }
    reader_ = {};  // nothing said before the handshake counts (RFC 3207, 5)
    co_return Result<void>();
}

asio::awaitable<Result<Reply>> Conversation::reply(std::chrono::seconds limit) {
    limit_to(limit);
    std::string_view octets;
    while (true) {
        auto complete = reader_.feed(octets);
        if (!complete) {
            co_return std::unexpected(complete.error());
        }
        if (std::optional<Reply>& whole = *complete; whole) {
            timer_.cancel();
            co_return std::move(*whole);
        }
        boost::system::error_code error;
        std::size_t size = 0;
        if (tls_) {
            std::tie(error, size) = co_await tls_->async_read_some(asio::buffer(input_), quietly);
        } else {
            std::tie(error, size) = co_await socket_.async_read_some(asio::buffer(input_), quietly);
        }
        if (error) {
            timer_.cancel();
            co_return std::unexpected(trouble("waiting for a reply", error));
        }
        octets = {input_.data(), size};
    }
}

asio::awaitable<Result<Reply>> Conversation::ask(std::string command, std::chrono::seconds limit) {
    auto written = co_await write(std::move(command) + "\r\n");
    if (!written) {
        co_return std::unexpected(written.error());
    }
    auto said = co_await reply(limit);
    co_return said;
}

asio::awaitable<Result<void>> Conversation::write(std::string octets) {
    limit_to(write_limit);
    boost::system::error_code error;
    std::size_t size = 0;
    if (tls_) {
        std::tie(error, size) = co_await asio::async_write(*tls_, asio::buffer(octets), quietly);
    } else {
        std::tie(error, size) = co_await asio::async_write(socket_, asio::buffer(octets), quietly);
    }
    timer_.cancel();
    if (error) {
        co_return std::unexpected(trouble("sending", error));
    }
    co_return Result<void>();
}

std::string Conversation::tls_text() const {
    if (!tls_) {
        return {};
    }
    // OpenSSL's functions that only read take a pointer to const here.
    const SSL* connection = const_cast<Tls&>(*tls_).native_handle();
    return std::string(SSL_get_version(connection)) + " with cipher " + SSL_get_cipher_name(connection);
}

}  // namespace sekisho::delivery
