// SPDX-License-Identifier: Apache-2.0
// Syslog over UDP (RFC 5426): one datagram, one message.
#include <utility>

#include "agent/base/datagrams.h"
#include "agent/logins/log_line.h"
#include "agent/logins/syslog_source.h"

namespace sekisho::logins {

namespace {

class SyslogDatagrams final : public SyslogSource {
public:
    SyslogDatagrams(const SyslogConfig& config, LogPatterns patterns, OnLogin on_login)
        : SyslogSource(config, std::move(patterns), std::move(on_login)) {}

    Result<void> listen(const boost::asio::any_io_executor& executor, const SyslogConfig& config) {
        auto socket =
            Datagrams::listen(executor, {.address = config.listen, .port = config.port}, longest_line,
                              {.take =
                                   [this](std::string_view message, const DatagramPath& path) {
                                       if (admits(path.remote.address)) {
                                           take(message);
                                       }
                                   },
                               .taken = {},
                               .lost = [this](std::uint64_t count) { add_lost(count); }});
        if (!socket) {
            return std::unexpected(socket.error());
        }
        socket_ = std::move(*socket);
        return {};
    }

    [[nodiscard]] std::uint16_t port() const override { return socket_->port(); }

private:
    std::unique_ptr<Datagrams> socket_;
};

}  // namespace

Result<std::unique_ptr<SyslogSource>> listen_for_datagrams(const boost::asio::any_io_executor& executor,
                                                           const SyslogConfig& config, LogPatterns patterns,
                                                           OnLogin on_login) {
    auto source = std::make_unique<SyslogDatagrams>(config, std::move(patterns), std::move(on_login));
    if (auto listening = source->listen(executor, config); !listening) {
        return std::unexpected(listening.error());
    }
    return source;
}

}  // namespace sekisho::logins
