// SPDX-License-Identifier: Apache-2.0
// Syslog over UDP (RFC 5426): one datagram, one message.
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/socket_address.h"
#include "agent/logins/log_line.h"
#include "agent/logins/syslog_source.h"

namespace sekisho::logins {

namespace {

namespace asio = boost::asio;

// So many are read at once, that a login by another way doesn't wait for a flood.
constexpr int datagrams_at_once = 256;
// Of bursts while the agent is busy; the kernel gives as much as net.core.rmem_max allows without privileges.
constexpr int queue = 8 << 20;

class Datagrams final : public SyslogSource {
public:
    Datagrams(const asio::any_io_executor& executor, const SyslogConfig& config, LogPatterns patterns,
              OnLogin on_login, Descriptor socket)
        : SyslogSource(config, std::move(patterns), std::move(on_login)),
          socket_(executor, config.listen.family == Family::ipv6 ? asio::ip::udp::v6() : asio::ip::udp::v4(),
                  socket.release()) {
        await_datagrams();
    }

    ~Datagrams() override { *alive_ = false; }

    [[nodiscard]] std::uint16_t port() const override {
        boost::system::error_code error;
        return socket_.local_endpoint(error).port();
    }

private:
    void await_datagrams() {
        socket_.async_wait(asio::ip::udp::socket::wait_read,
                           [this, alive = alive_](const boost::system::error_code& error) {
                               if (!error && *alive) {
                                   read_some();
                               }
                           });
    }

    void read_some() {
        for (int i = 0; i < datagrams_at_once; i++) {
            if (!read_one()) {
                await_datagrams();
                return;
            }
        }
        asio::post(socket_.get_executor(), [this, alive = alive_] {
            if (*alive) {
                read_some();
            }
        });
    }

    // False if there is nothing to read.
    bool read_one() {
        std::array<char, longest_line + 1> message;  // a longer one is seen to be longer
        sockaddr_storage from{};
        alignas(cmsghdr) std::array<char, 64> control{};
        iovec place{.iov_base = message.data(), .iov_len = message.size()};
        msghdr header{};
        header.msg_name = &from;
        header.msg_namelen = sizeof from;
        header.msg_iov = &place;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(socket_.native_handle(), &header, MSG_DONTWAIT);
        if (size < 0) {
            return errno == EINTR;
        }
        note_overflow(header);
        if (const auto sender = endpoint_of(from); sender && admits(sender->address)) {
            take(std::string_view(message.data(), static_cast<std::size_t>(size)));
        }
        return true;
    }

    // The kernel tells with a datagram how many it has thrown away before it, in all.
    void note_overflow(msghdr& header) {
        for (auto* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
            if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_RXQ_OVFL) {
                std::uint32_t in_all = 0;
                std::memcpy(&in_all, CMSG_DATA(each), sizeof in_all);
                if (const std::uint32_t more = in_all - std::exchange(overflowed_, in_all); more != 0) {
                    add_lost(more);
                }
            }
        }
    }

    asio::ip::udp::socket socket_;
    std::uint32_t overflowed_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<SyslogSource>> listen_for_datagrams(const asio::any_io_executor& executor,
                                                           const SyslogConfig& config, LogPatterns patterns,
                                                           OnLogin on_login) {
    auto socket = bind_udp({.address = config.listen, .port = config.port}, queue);
    if (!socket) {
        return std::unexpected(socket.error());
    }
    return std::make_unique<Datagrams>(executor, config, std::move(patterns), std::move(on_login),
                                       std::move(*socket));
}

}  // namespace sekisho::logins
