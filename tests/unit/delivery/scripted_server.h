// SPDX-License-Identifier: Apache-2.0
// A mail server on loopback that says what a test has written down.
#pragma once

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/listener.h"
#include "tests/unit/delivery/certificate.h"

namespace sekisho::delivery::tests {

// Instead of an answer: the connection is closed.
constexpr std::string_view vanishes = "(vanishes)";

// One connection. An answer is found by the longest beginning of what the client says; "." is the end of its
// message, "(TLS)" stands in front of what it says inside TLS (where the plain answers count, too).
struct Script {
    std::string greeting = "220 mx.example.com ESMTP";
    std::map<std::string, std::string> answers{};
    std::string injected{};            // in the same piece as the answer to STARTTLS
    std::string instead_of_tls{};      // in place of the server's part of the handshake; then it vanishes
    bool vanishes_inside_tls = false;  // when its part of the handshake is done
    std::size_t messages = 1000;       // so many it takes; when the next is complete, it vanishes
    std::string behind_message{};  // in the same piece as the answer to a message, a TLS record of its own
};

// What a client has done.
struct Visit {
    std::vector<std::string> commands;
    std::size_t at_once = 0;  // of them, that had come before the one in front of them was answered
    std::string message;      // the last, as it was sent, with the dots in it
    bool tls = false;
    std::string server_name;  // that it has asked for (SNI)
};

class Caller;

class ScriptedServer {
public:
    // The first client gets the first script, and so on; all others get the last.
    explicit ScriptedServer(std::vector<Script> scripts = {Script()}, std::string_view address = "127.0.0.1",
                            std::uint16_t port = 0)
        : ScriptedServer(listen_tcp({.address = parse_address(address).value(), .port = port}),
                         std::move(scripts)) {}
    ScriptedServer(Result<Descriptor> listener, std::vector<Script> scripts) : scripts_(std::move(scripts)) {
        static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
        if (!listener) {
            throw std::runtime_error(listener.error().what);
        }
        listener_ = std::move(*listener);
        thread_ = std::jthread([this] { serve(); });
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer() { stop(); }

    [[nodiscard]] std::uint16_t port() const { return local_endpoint(listener_.get())->port; }

    // How many clients have been served to their end.
    [[nodiscard]] std::size_t served() const { return served_; }
    // Of all clients that have come. Nobody is served any more then.
    [[nodiscard]] const std::vector<Visit>& visits() {
        stop();
        return visits_;
    }

private:
    void stop() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        if (thread_.joinable()) {
            thread_.join();
        }
        for (std::future<Visit>& each : callers_) {
            visits_.push_back(each.get());
        }
        callers_.clear();
    }
    void serve();

    std::vector<Script> scripts_;
    ServerContext tls_ = server_context();
    Descriptor listener_;
    std::vector<Visit> visits_;
    std::vector<std::future<Visit>> callers_;  // a thread for each; `thread_`'s, until that is joined
    std::atomic<std::size_t> served_ = 0;
    std::jthread thread_;
};

// One client's connection, as the server sees it.
class Caller {
public:
    Caller(Descriptor socket, const Script& script, SSL_CTX* context)
        : socket_(std::move(socket)), script_(script), context_(context) {}

    Visit serve() {
        say(script_.greeting);
        while (!gone_) {
            const auto line = read_line();
            if (!line) {
                break;
            }
            visit_.commands.push_back(*line);
            visit_.at_once += input_.empty() ? 0U : 1U;
            take(*line);
        }
        return std::move(visit_);
    }

private:
    struct FreeConnection {
        void operator()(SSL* connection) const { SSL_free(connection); }
    };

    void take(const std::string& line) {
        const std::string answer = answer_to(line);
        if (line == "STARTTLS") {
            say(answer, script_.injected);
            if (answer.starts_with("220")) {
                start_tls();
            }
            return;
        }
        say(answer);
        if (line == "DATA" && answer.starts_with("354")) {
            read_message();
            cork(true);
            say(messages_++ < script_.messages ? answer_to(".") : std::string(vanishes));
            if (!script_.behind_message.empty()) {
                say(script_.behind_message);
            }
            cork(false);
        }
        gone_ = gone_ || line == "QUIT";
    }

    [[nodiscard]] std::string answer_to(std::string_view line) const {
        for (const std::string& said :
             {(tls_ ? "(TLS)" : "(clear)") + std::string(line), std::string(line)}) {
            const std::string* best = nullptr;
            for (const auto& [beginning, answer] : script_.answers) {  // in order: the longest comes last
                best = said.starts_with(beginning) ? &answer : best;
            }
            if (best != nullptr) {
                return *best;
            }
        }
        static const std::map<std::string, std::string, std::less<>> usual = {
            {"DATA", "354 go on"}, {"QUIT", "221 bye"}, {"STARTTLS", "220 ready"}};
        const auto found = usual.find(line);
        return found == usual.end() ? "250 2.0.0 fine" : found->second;
    }

    void say(std::string_view answer, const std::string& behind = {}) {
        if (answer == vanishes) {
            gone_ = true;
            return;
        }
        const std::string text = std::string(answer) + "\r\n" + behind;
        if (tls_) {
            SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()));
        } else {
            ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
        }
    }

    // What is said in between goes out together.
    void cork(bool in) {
        const int on = in ? 1 : 0;
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    }

    void start_tls() {
        if (!script_.instead_of_tls.empty()) {
            say(script_.instead_of_tls);
            gone_ = true;
            return;
        }
        tls_.reset(SSL_new(context_));
        SSL_set_fd(tls_.get(), socket_.get());
        visit_.tls = SSL_accept(tls_.get()) == 1;
        gone_ = !visit_.tls || script_.vanishes_inside_tls;
        if (const char* name = SSL_get_servername(tls_.get(), TLSEXT_NAMETYPE_host_name)) {
            visit_.server_name = name;
        }
    }

    // False at the end.
    bool read_some() {
        std::array<char, 65536> piece{};
        const bool waiting = tls_ && SSL_pending(tls_.get()) > 0;
        pollfd one{socket_.get(), POLLIN, 0};
        if (!waiting && ::poll(&one, 1, 10'000) != 1) {
            return false;
        }
        const ssize_t got = tls_ ? SSL_read(tls_.get(), piece.data(), static_cast<int>(piece.size()))
                                 : ::recv(socket_.get(), piece.data(), piece.size(), 0);
        input_.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return got > 0;
    }

    std::optional<std::string> take_until(std::string_view end) {
        std::size_t at = 0;
        while ((at = input_.find(end)) == std::string::npos) {
            if (!read_some()) {
                return std::nullopt;
            }
        }
        std::string text = input_.substr(0, at);
        input_.erase(0, at + end.size());
        return text;
    }
    std::optional<std::string> read_line() { return take_until("\r\n"); }

    void read_message() {
        input_.insert(0, "\r\n");  // a message may have no line
        auto text = take_until("\r\n.\r\n");
        gone_ = !text;
        visit_.message = (text ? *text + "\r\n" : input_).substr(2);
    }

    Descriptor socket_;
    const Script& script_;
    SSL_CTX* context_;
    std::unique_ptr<SSL, FreeConnection> tls_;
    std::string input_;
    Visit visit_;
    std::size_t messages_ = 0;
    bool gone_ = false;
};

inline void ScriptedServer::serve() {
    while (true) {
        Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) {
            if (errno == EAGAIN) {  // the listener doesn't wait
                pollfd one{listener_.get(), POLLIN, 0};
                ::poll(&one, 1, -1);
                if ((one.revents & POLLHUP) != 0) {  // a Unix socket that was shut down
                    return;
                }
                continue;
            }
            return;
        }
        const Script& script = scripts_.at(std::min(callers_.size(), scripts_.size() - 1));
        const auto serve_one = [this, &script](Descriptor socket) {
            Visit visit = Caller(std::move(socket), script, tls_.get()).serve();
            served_++;
            return visit;
        };
        callers_.push_back(std::async(std::launch::async, serve_one, std::move(client)));
    }
}

}  // namespace sekisho::delivery::tests
