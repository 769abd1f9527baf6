// SPDX-License-Identifier: Apache-2.0
// A client's octets, in the clear or inside TLS. While nothing comes it holds room for a command and
// no other buffers: thousands of clients are connected and silent. Internal to sekisho-smtpd.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace sekisho {

class Stream {
public:
    using Socket = boost::asio::ip::tcp::socket;
    using ErrorCode = boost::system::error_code;

    explicit Stream(Socket socket);

    // The server's side of a handshake. After an error the connection is good for nothing.
    [[nodiscard]] boost::asio::awaitable<ErrorCode> start_tls(
        std::shared_ptr<boost::asio::ssl::context> context);
    // How much has come, at least one octet; an error at the end, too (asio::error::eof).
    [[nodiscard]] boost::asio::awaitable<std::pair<ErrorCode, std::size_t>> read(std::span<char> to);
    // Whether something has come that wasn't read yet; of TLS, records.
    [[nodiscard]] bool has_input();
    // All of it.
    [[nodiscard]] boost::asio::awaitable<ErrorCode> write(std::string_view octets);

    // Says that no more will come, and reads on until the client has heard it, or cancel(): what is closed
    // with octets unread is reset, and the last reply lost with what wasn't sent yet (RFC 1122, 4.2.2.13).
    [[nodiscard]] boost::asio::awaitable<void> see_off(std::span<char> scratch);

    // Whoever reads or writes gets asio::error::operation_aborted.
    void cancel();
    void close();

    [[nodiscard]] boost::asio::any_io_executor executor() { return socket_.get_executor(); }
    // Null: in the clear.
    [[nodiscard]] SSL* tls() const { return tls_.get(); }

private:
    struct Free {
        void operator()(SSL* connection) const { SSL_free(connection); }
    };
    enum class Turn : std::uint8_t { done, wait_to_read, wait_to_write, failed };
    // What has come of a step without waiting, and how much.
    struct Step {
        Turn turn = Turn::failed;
        std::size_t size = 0;
        ErrorCode error{};
    };

    [[nodiscard]] boost::asio::awaitable<std::pair<ErrorCode, std::size_t>> read_clear(std::span<char> to);
    [[nodiscard]] boost::asio::awaitable<std::pair<ErrorCode, std::size_t>> read_tls(std::span<char> to);
    [[nodiscard]] Step read_now(std::span<char> to);
    [[nodiscard]] Step write_now(std::string_view octets);
    [[nodiscard]] Step after(int result, std::size_t size) const;
    [[nodiscard]] boost::asio::awaitable<ErrorCode> wait(Turn turn);

    Socket socket_;
    std::shared_ptr<boost::asio::ssl::context> context_;  // whose certificates were shown
    std::unique_ptr<SSL, Free> tls_;
    std::size_t in_a_row_ = 0;  // reads that had not to wait
    std::size_t in_vain_ = 0;   // steps of reading since the last octet
    bool flows_ = false;        // the last read has filled all the room there was
    // What comes first in the clear. Commands have room here, and one call reads them: to look whether
    // something has come, and to have the kernel tell of it, would be two more.
    std::array<char, 512> first_{};
};

}  // namespace sekisho
