// SPDX-License-Identifier: Apache-2.0
// Tries, and waits where there is nothing to do: OpenSSL on the socket itself, with no buffers of Asio's
// between them.
//
// No co_await stands in a condition with && or ||, in a ?: or in an argument: GCC 12 makes wrong code of
// that.
#include "smtpd/stream.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "agent/base/quietly.h"

namespace sekisho {

namespace {

namespace asio = boost::asio;
// Who sends without a pause lets others have their turn after so many reads.
constexpr std::size_t most_in_a_row = 8;
// So many steps of reading may bring nothing: parts of a record, new keys. More of them are an attack.
constexpr std::size_t most_in_vain = 1000;

boost::system::error_code of_system(int number) {
    return {number, boost::system::system_category()};
}

}  // namespace

Stream::Stream(Socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.native_non_blocking(true, ignored);
}

void Stream::cancel() {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Stream::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<Stream::ErrorCode> Stream::wait(Turn turn) {
    const auto what = turn == Turn::wait_to_read ? Socket::wait_read : Socket::wait_write;
    const auto [error] = co_await socket_.async_wait(what, quietly);
    co_return error;
}

// What a call of OpenSSL means.
Stream::Step Stream::after(int result, std::size_t size) const {
    if (result == 1) {
        return {.turn = Turn::done, .size = size};
    }
    switch (SSL_get_error(tls_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return {.turn = Turn::wait_to_read};
        case SSL_ERROR_WANT_WRITE:
            return {.turn = Turn::wait_to_write};
        case SSL_ERROR_ZERO_RETURN:
            return {.turn = Turn::failed, .error = asio::error::eof};
        case SSL_ERROR_SSL:
            return {.turn = Turn::failed,
                    .error = {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()}};
        default:
            return {.turn = Turn::failed,
                    .error = errno == 0 ? ErrorCode(asio::error::eof) : of_system(errno)};
    }
}

Stream::Step Stream::read_now(std::span<char> to) {
    if (tls_) {
        std::size_t size = 0;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_read_ex(tls_.get(), to.data(), to.size(), &size);
        return after(result, size);
    }
    const ssize_t size = ::recv(socket_.native_handle(), to.data(), to.size(), 0);
    if (size > 0) {
        return {.turn = Turn::done, .size = static_cast<std::size_t>(size)};
    }
    if (size == 0) {
        return {.turn = Turn::failed, .error = asio::error::eof};
    }
    return errno == EAGAIN || errno == EINTR ? Step{.turn = Turn::wait_to_read}
                                             : Step{.turn = Turn::failed, .error = of_system(errno)};
}

bool Stream::has_input() {
    if (tls_ && SSL_has_pending(tls_.get()) == 1) {
        return true;
    }
    char octet = 0;
    return ::recv(socket_.native_handle(), &octet, sizeof octet, MSG_PEEK) > 0;
}

Stream::Step Stream::write_now(std::string_view octets) {
    if (tls_) {
        std::size_t size = 0;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_write_ex(tls_.get(), octets.data(), octets.size(), &size);
        return after(result, size);
    }
    const ssize_t size = ::send(socket_.native_handle(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (size >= 0) {
        return {.turn = Turn::done, .size = static_cast<std::size_t>(size)};
    }
    return errno == EAGAIN || errno == EINTR ? Step{.turn = Turn::wait_to_write}
                                             : Step{.turn = Turn::failed, .error = of_system(errno)};
}

asio::awaitable<Stream::ErrorCode> Stream::start_tls(std::shared_ptr<asio::ssl::context> context) {
    context_ = std::move(context);
    tls_.reset(SSL_new(context_->native_handle()));
    if (!tls_ || SSL_set_fd(tls_.get(), socket_.native_handle()) != 1) {
        co_return asio::error::no_memory;
    }
    // One record a step: else a client that changes its keys again and again would never let go of the
    // thread.
    SSL_clear_mode(tls_.get(), SSL_MODE_AUTO_RETRY);
    while (true) {
        ERR_clear_error();
        errno = 0;
        const Step step = after(SSL_accept(tls_.get()), 0);
        if (step.turn == Turn::done || step.turn == Turn::failed) {
            co_return step.error;
        }
        const ErrorCode error = co_await wait(step.turn);
        if (error) {
            co_return error;
        }
    }
}

asio::awaitable<std::pair<Stream::ErrorCode, std::size_t>> Stream::read(std::span<char> to) {
    if (++in_a_row_ > most_in_a_row) {
        in_a_row_ = 0;
        co_await asio::post(socket_.get_executor(), asio::use_awaitable);
    }
    if (tls_) {
        const auto come = co_await read_tls(to);
        co_return come;
    }
    const auto come = co_await read_clear(to);
    co_return come;
}

asio::awaitable<std::pair<Stream::ErrorCode, std::size_t>> Stream::read_tls(std::span<char> to) {
    while (true) {
        const Step step = read_now(to);
        if (step.turn == Turn::done || step.turn == Turn::failed) {
            in_vain_ = 0;
            co_return std::pair(step.error, step.size);
        }
        if (++in_vain_ > most_in_vain) {
            co_return std::pair(ErrorCode(asio::error::connection_aborted), std::size_t{0});
        }
        in_a_row_ = 0;
        const ErrorCode error = co_await wait(step.turn);
        if (error) {
            co_return std::pair(error, std::size_t{0});
        }
    }
}

// `to` may be everybody's: nothing may stand in it that waits for its turn. Who sends faster than we read is
// read at once.
asio::awaitable<std::pair<Stream::ErrorCode, std::size_t>> Stream::read_clear(std::span<char> to) {
    const Step step = std::exchange(flows_, false) ? read_now(to) : Step{.turn = Turn::wait_to_read};
    if (step.turn != Turn::wait_to_read) {
        flows_ = step.size == to.size();
        co_return std::pair(step.error, step.size);
    }
    in_a_row_ = 0;
    const auto room = asio::buffer(first_.data(), std::min(first_.size(), to.size()));
    const auto [error, size] = co_await socket_.async_receive(room, quietly);
    std::ranges::copy_n(first_.begin(), static_cast<std::ptrdiff_t>(size), to.begin());
    // An error behind it is found by the next one.
    const Step more = size == first_.size() ? read_now(to.subspan(size)) : Step();
    flows_ = size + more.size == to.size();
    co_return std::pair(error, size + more.size);
}

asio::awaitable<Stream::ErrorCode> Stream::write(std::string_view octets) {
    while (!octets.empty()) {
        const Step step = write_now(octets);
        if (step.turn == Turn::failed) {
            co_return step.error;
        }
        octets.remove_prefix(step.size);
        if (step.turn != Turn::done) {
            const ErrorCode error = co_await wait(step.turn);
            if (error) {
                co_return error;
            }
        }
    }
    co_return ErrorCode();
}

asio::awaitable<void> Stream::see_off(std::span<char> scratch) {
    if (tls_) {
        ERR_clear_error();
        SSL_shutdown(tls_.get());  // what the client says to that is read below, whatever it is
    }
    boost::system::error_code error;
    socket_.shutdown(Socket::shutdown_send, error);
    while (!error) {
        const auto [failed, size] = co_await socket_.async_receive(asio::buffer(scratch), quietly);
        error = failed;
    }
}

}  // namespace sekisho
