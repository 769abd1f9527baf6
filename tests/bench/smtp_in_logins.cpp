// SPDX-License-Identifier: Apache-2.0
// A crowd of mail programs: each message a connection of its own, with STARTTLS, AUTH PLAIN, MAIL, RCPT and
// DATA. Prints how many seconds they took; whatever isn't answered as it should be ends it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* connection) const { SSL_free(connection); }
};

class Client {
public:
    explicit Client(std::uint16_t port) {
        sockaddr_in server{};
        server.sin_family = AF_INET;
        server.sin_port = htons(port);
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
            throw std::runtime_error("no connection");
        }
        const int yes = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { ::close(socket_); }

    void start_tls(SSL_CTX* context) {
        tls_.reset(SSL_new(context));
        SSL_set_fd(tls_.get(), socket_);
        if (SSL_connect(tls_.get()) != 1) {
            throw std::runtime_error("no TLS");
        }
    }
    // Sends it, and reads the whole reply, which must begin so.
    void ask(std::string_view octets, std::string_view expected) {
        if (!octets.empty()) {
            const auto size = static_cast<int>(octets.size());
            const ssize_t sent = tls_ ? SSL_write(tls_.get(), octets.data(), size)
                                      : ::send(socket_, octets.data(), octets.size(), 0);
            if (sent != size) {
                throw std::runtime_error("not sent");
            }
        }
        std::string line;
        do {
            line = read_line();
        } while (line.size() > 3 && line[3] == '-');
        if (!line.starts_with(expected)) {
            throw std::runtime_error(line);
        }
    }

private:
    std::string read_line() {
        std::size_t end = 0;
        while ((end = input_.find("\r\n")) == std::string::npos) {
            std::array<char, 4096> piece{};
            const ssize_t size = tls_ ? SSL_read(tls_.get(), piece.data(), static_cast<int>(piece.size()))
                                      : ::recv(socket_, piece.data(), piece.size(), 0);
            if (size <= 0) {
                throw std::runtime_error("the server has gone");
            }
            input_.append(piece.data(), static_cast<std::size_t>(size));
        }
        std::string line = input_.substr(0, end);
        input_.erase(0, end + 2);
        return line;
    }

    int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::unique_ptr<SSL, Free> tls_;
    std::string input_;
};

std::string base64(std::string_view octets) {
    std::string text(4 * ((octets.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(octets.data()),
                                     static_cast<int>(octets.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::string message_of(std::size_t size) {
    std::string text = "Subject: a message\r\n\r\n";
    while (text.size() < size) {
        text += "The quick brown fox jumps over the lazy dog, as it does each day.\r\n";
    }
    return text + ".\r\n";
}

void send_one(std::uint16_t port, SSL_CTX* context, const std::string& login, const std::string& message) {
    Client client(port);
    client.ask("", "220");
    client.ask("EHLO client.example.net\r\n", "250");
    client.ask("STARTTLS\r\n", "220");
    client.start_tls(context);
    client.ask("EHLO client.example.net\r\n", "250");
    client.ask("AUTH PLAIN " + login + "\r\n", "235");
    client.ask("MAIL FROM:<alice@example.net>\r\n", "250");
    client.ask("RCPT TO:<bob@example.com>\r\n", "250");
    client.ask("DATA\r\n", "354");
    client.ask(message, "250");
    client.ask("QUIT\r\n", "221");
}

}  // namespace

int main(int count, char** values) {
    const std::span<char*> arguments(values, static_cast<std::size_t>(count));
    if (count != 7) {
        std::fputs("usage: bench_smtp_in_logins PORT SESSIONS MESSAGES OCTETS USER PASSWORD\n", stderr);
        return 2;
    }
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    const auto port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
    const int messages = std::atoi(arguments[3]);
    const std::string message = message_of(static_cast<std::size_t>(std::atol(arguments[4])));
    const std::string login = base64(std::string(1, '\0') + arguments[5] + '\0' + arguments[6]);
    const std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
    std::atomic<int> begun = 0;
    std::atomic<bool> failed = false;
    const auto start = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> sessions;
        for (int i = 0; i < std::atoi(arguments[2]); i++) {
            sessions.emplace_back([&] {
                while (begun++ < messages && !failed) {
                    try {
                        send_one(port, context.get(), login, message);
                    } catch (const std::exception& error) {
                        failed = true;
                        std::fprintf(stderr, "%s\n", error.what());
                    }
                }
            });
        }
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::printf("%.6f\n", taken.count());
    return failed ? 1 : 0;
}
