// SPDX-License-Identifier: Apache-2.0
// A connection to another mail server: commands out, replies in, each with a time limit. Internal to this
// room.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/result.h"
#include "agent/base/socket_address.h"
#include "smtpd/delivery/host.h"
#include "smtpd/delivery/reply.h"

namespace sekisho::delivery {

class Conversation {
public:
    explicit Conversation(const boost::asio::any_io_executor& executor);
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    ~Conversation();

    // Failure::unavailable where the host can't be reached in time.
    [[nodiscard]] boost::asio::awaitable<Result<void>> connect(Place to, std::chrono::seconds limit);
    // Whether both ends are one address, other than the loopback's.
    [[nodiscard]] bool with_ourselves() const;
    // Failure::unavailable if the handshake fails; the connection is good for nothing then.
    [[nodiscard]] boost::asio::awaitable<Result<void>> start_tls(boost::asio::ssl::context& context,
                                                                 std::string host);
    // Failure::unavailable where no reply comes in time, or what comes is none.
    [[nodiscard]] boost::asio::awaitable<Result<Reply>> reply(std::chrono::seconds limit);
    // A command (without its line end), and its reply.
    [[nodiscard]] boost::asio::awaitable<Result<Reply>> ask(std::string command, std::chrono::seconds limit);
    [[nodiscard]] boost::asio::awaitable<Result<void>> write(std::string octets);

    // What the server has said of itself to EHLO; null before that.
    [[nodiscard]] const Reply* extensions() const { return extensions_ ? &*extensions_ : nullptr; }
    void introduced(Reply extensions) { extensions_ = std::move(extensions); }
    // One message has been answered to its end, and the server awaits the next.
    void carried_one() { carried_++; }
    [[nodiscard]] bool used() const { return carried_ > 0; }
    // Nothing has come that wasn't asked for, nor the end: what comes next answers what is said next.
    [[nodiscard]] bool silent();
    // It has carried so many, or is so old, that another one would be fairer to the server.
    [[nodiscard]] bool worn() const;
    // "TLSv1.3 with cipher ...", or "".
    [[nodiscard]] std::string tls_text() const;

private:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Tls = boost::asio::ssl::stream<Socket&>;

    // Ends whatever the socket is doing when the time is over.
    void limit_to(std::chrono::seconds time);
    [[nodiscard]] Error trouble(std::string_view doing, const boost::system::error_code& error) const;

    Socket socket_;
    std::optional<Tls> tls_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<bool> late_ = std::make_shared<bool>(false);
    ReplyReader reader_;
    std::optional<Reply> extensions_;
    std::size_t carried_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    std::array<char, 8192> input_{};
};

}  // namespace sekisho::delivery
