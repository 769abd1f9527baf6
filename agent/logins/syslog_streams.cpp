// SPDX-License-Identifier: Apache-2.0
// Syslog over TCP (RFC 6587) and TLS (RFC 5425).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/quietly.h"
#include "agent/base/socket_address.h"
#include "agent/base/tls.h"
#include "agent/logins/connection_limits.h"
#include "agent/logins/syslog_frames.h"
#include "agent/logins/syslog_source.h"

namespace sekisho::logins {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

// Of senders, and of those who have yet to prove that they are; one more closes the one of its kind that has
// been silent longest. So no stranger can crowd a sender out.
constexpr auto most_of_a_kind = static_cast<std::ptrdiff_t>(most_syslog_connections);
constexpr std::chrono::seconds handshake_time{10};
constexpr std::chrono::milliseconds pause_without_descriptors{100};
// A sender may have nothing to say for days; one that is gone is noticed within two minutes.
constexpr std::array<std::pair<int, int>, 3> keep_alive = {
    {{TCP_KEEPIDLE, 60}, {TCP_KEEPINTVL, 15}, {TCP_KEEPCNT, 4}}};

using TlsStream = asio::ssl::stream<tcp::socket&>;

struct Connection {
    tcp::socket socket;
    std::optional<TlsStream> tls;
    Endpoint peer;
    Clock::time_point heard;
    bool known;  // it has shaken hands, or need not
    SyslogFrames frames;
};

// What all connections share with their coroutines, which may outlive the source by a turn of the executor.
struct Shared {
    bool ended = false;
    std::list<std::shared_ptr<Connection>> connections;
};

void notice_silence(tcp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    for (const auto& [option, value] : keep_alive) {
        static_cast<void>(::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value));
    }
}

Result<asio::ssl::context> tls_of(const SyslogConfig& config) {
    auto context = server_tls(config.certificate, config.key);
    if (!context) {
        return context;
    }
    // Senders come once and stay: nothing is gained by resuming, and a certificate is asked for each time.
    SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_TICKET);
    if (config.client_ca.empty()) {
        return context;
    }
    boost::system::error_code error;
    context->load_verify_file(config.client_ca.string(), error);
    if (error) {
        return fail(Failure::invalid, config.client_ca.string() + ": " + error.message(),
                    "name a PEM file with the certificate of the CA");
    }
    context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    return context;
}

// Whether the certificate that was shown is one for any of these names or addresses (RFC 5425, 5.2), by its
// subjectAltName: a subject may be what its holder liked.
bool is_for(const SSL* connection, const std::vector<std::string>& names) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(connection),
                                                                  &X509_free);
    return names.empty() ||
           (certificate && std::ranges::any_of(names, [&certificate](const std::string& name) {
                return X509_check_host(
                           certificate.get(), name.c_str(), name.size(),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                           nullptr) == 1 ||
                       X509_check_ip_asc(certificate.get(), name.c_str(), 0) == 1;
            }));
}

asio::awaitable<std::tuple<boost::system::error_code, std::size_t>> read_some(Connection& connection,
                                                                              asio::mutable_buffer place) {
    if (connection.tls) {
        co_return co_await connection.tls->async_read_some(place, quietly);
    }
    co_return co_await connection.socket.async_read_some(place, quietly);
}

class Streams final : public SyslogSource {
public:
    Streams(const asio::any_io_executor& executor, const SyslogConfig& config, LogPatterns patterns,
            OnLogin on_login, Descriptor listener, std::optional<asio::ssl::context> tls)
        : SyslogSource(config, std::move(patterns), std::move(on_login)),
          config_(config),
          tls_(std::move(tls)),
          acceptor_(executor, config.listen.family == Family::ipv6 ? tcp::v6() : tcp::v4(),
                    listener.release()) {
        asio::co_spawn(executor, accept_all(shared_), asio::detached);
    }

    ~Streams() override {
        shared_->ended = true;
        for (const auto& connection : shared_->connections) {
            close(*connection);
        }
    }

    [[nodiscard]] std::uint16_t port() const override {
        boost::system::error_code error;
        return acceptor_.local_endpoint(error).port();
    }

private:
    asio::awaitable<void> accept_all(std::shared_ptr<Shared> shared) {
        if (shared->ended) {
            co_return;
        }
        asio::steady_timer pause(acceptor_.get_executor());
        while (!shared->ended) {
            auto [error, socket] = co_await acceptor_.async_accept(quietly);
            if (shared->ended) {
                break;
            }
            if (!error) {
                try_to_welcome(std::move(socket));
            } else if (error != asio::error::connection_aborted) {
                reject("SYSLOG_NOT_ACCEPTED", "a connection could not be accepted: " + error.message(), "");
                pause.expires_after(pause_without_descriptors);
                static_cast<void>(co_await pause.async_wait(quietly));
            }
        }
    }

    // Want of memory must not end the listener.
    void try_to_welcome(tcp::socket socket) {
        try {
            welcome(std::move(socket));
        } catch (const std::exception& error) {
            reject("SYSLOG_NOT_ACCEPTED", std::string("a connection could not be taken: ") + error.what(),
                   "");
        }
    }

    void welcome(tcp::socket socket) {
        const auto peer = remote_endpoint(socket.native_handle());
        if (!peer || !admits(peer->address)) {
            return;
        }
        make_room(!tls_);
        notice_silence(socket);
        auto connection =
            std::make_shared<Connection>(std::move(socket), std::nullopt, *peer, Clock::now(), !tls_);
        if (tls_) {
            connection->tls.emplace(connection->socket, *tls_);
        }
        shared_->connections.push_back(connection);
        asio::co_spawn(acceptor_.get_executor(), serve(shared_, std::move(connection)), asio::detached);
    }

    void make_room(bool known) {
        auto& all = shared_->connections;
        const auto is_like = [known](const auto& connection) { return connection->known == known; };
        if (std::ranges::count_if(all, is_like) < most_of_a_kind) {
            return;
        }
        const auto longest = std::ranges::min_element(all, {}, [&is_like](const auto& connection) {
            return std::pair(!is_like(connection), connection->heard);
        });
        reject("SYSLOG_CROWDED", "too many connections: the one that was silent longest is closed",
               (*longest)->peer.text());
        close(**longest);
        all.erase(longest);
    }

    static void close(Connection& connection) {
        boost::system::error_code ignored;
        connection.socket.close(ignored);
    }

    asio::awaitable<void> serve(std::shared_ptr<Shared> shared, std::shared_ptr<Connection> connection) {
        bool good = !shared->ended;
        if (auto& tls = connection->tls; good && tls) {
            good = co_await shake_hands(shared, connection, *tls);
        }
        if (good && !shared->ended) {
            co_await read_all(shared, connection);
        }
        close(*connection);
        shared->connections.remove(connection);
    }

    asio::awaitable<bool> shake_hands(std::shared_ptr<Shared> shared, std::shared_ptr<Connection> connection,
                                      TlsStream& tls) {
        asio::steady_timer timer(acceptor_.get_executor(), handshake_time);
        timer.async_wait([connection](const boost::system::error_code& error) {
            if (!error) {
                close(*connection);
            }
        });
        const auto [error] = co_await tls.async_handshake(asio::ssl::stream_base::server, quietly);
        timer.cancel();
        if (shared->ended) {
            co_return false;
        }
        if (error) {
            reject("SYSLOG_TLS_FAILED", "no TLS: " + error.message(), connection->peer.text());
            co_return false;
        }
        const bool known = is_for(tls.native_handle(), config_.client_names);
        if (!known) {
            reject("SYSLOG_STRANGER", "a certificate for none of client_names", connection->peer.text());
            co_return false;
        }
        make_room(true);
        connection->known = true;
        connection->heard = Clock::now();
        co_return true;
    }

    asio::awaitable<void> read_all(std::shared_ptr<Shared> shared, std::shared_ptr<Connection> connection) {
        std::array<char, std::size_t{16} << 10> octets;
        for (;;) {
            const auto [error, size] = co_await read_some(*connection, asio::buffer(octets));
            if (error || shared->ended) {
                co_return;
            }
            connection->heard = Clock::now();
            const std::string_view come(octets.data(), size);
            if (!connection->frames.feed(come, [this](std::string_view message) { take(message); })) {
                reject("SYSLOG_BAD_FRAME", "no syslog, or nobody can tell where a message ends",
                       connection->peer.text());
                co_return;
            }
        }
    }

    const SyslogConfig& config_;
    std::optional<asio::ssl::context> tls_;
    tcp::acceptor acceptor_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace

Result<std::unique_ptr<SyslogSource>> listen_for_streams(const asio::any_io_executor& executor,
                                                         const SyslogConfig& config, LogPatterns patterns,
                                                         OnLogin on_login) {
    std::optional<asio::ssl::context> tls;
    if (config.transport == SyslogTransport::tls) {
        auto made = tls_of(config);
        if (!made) {
            return std::unexpected(made.error());
        }
        tls.emplace(std::move(*made));
    }
    auto listener = listen_tcp({.address = config.listen, .port = config.port});
    if (!listener) {
        return std::unexpected(listener.error());
    }
    return std::make_unique<Streams>(executor, config, std::move(patterns), std::move(on_login),
                                     std::move(*listener), std::move(tls));
}

}  // namespace sekisho::logins
