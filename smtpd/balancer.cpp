// SPDX-License-Identifier: Apache-2.0
// The PROXY header, read from a socket.
#include "smtpd/balancer.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>

#include "agent/base/quietly.h"

namespace sekisho {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds header_timeout{10};

}  // namespace

asio::awaitable<Result<session::ProxiedEnds>> ends_behind(std::shared_ptr<asio::ip::tcp::socket> socket) {
    asio::steady_timer timer(socket->get_executor(), header_timeout);
    // The timer may have gone off just before the header came: then nobody reads any more.
    const std::weak_ptr<asio::ip::tcp::socket> weak = socket;
    timer.async_wait([weak](const boost::system::error_code& error) {
        const auto waiting = weak.lock();
        if (!error && waiting) {
            boost::system::error_code ignored;
            waiting->cancel(ignored);
        }
    });
    std::string octets;
    session::ProxyHeader header = session::read_proxy_header(octets);
    while (header.wanted > 0) {
        const std::size_t known = octets.size();
        octets.resize(known + header.wanted);
        const auto rest = asio::buffer(octets.data() + known, header.wanted);
        const auto [error, size] = co_await asio::async_read(*socket, rest, quietly);
        if (error) {
            co_return fail(Failure::unavailable, "a balancer sent " + std::to_string(known + size) +
                                                     " octets of a PROXY header: " + error.message());
        }
        header = session::read_proxy_header(octets);
    }
    if (!header.wrong.empty()) {
        co_return fail(Failure::invalid, "a balancer's connection begins wrong: " + std::string(header.wrong),
                       "it must send a PROXY header (v1 or v2), or must not be named in proxy");
    }
    co_return header.ends.value_or(
        session::ProxiedEnds{.client = remote_endpoint(socket->native_handle()).value_or(Endpoint{}),
                             .server = local_endpoint(socket->native_handle()).value_or(Endpoint{})});
}

}  // namespace sekisho
