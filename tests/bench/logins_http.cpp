// SPDX-License-Identifier: Apache-2.0
// A Dovecot in a hurry: bench_logins_http ADDRESS PORT KEY COUNT RATE SECONDS CONNECTIONS DEPTH reports up to
// COUNT logins, each from an address of its own of 10.0.0.0/11, in the words of Dovecot 2.3's auth policy
// client. RATE of them are due in a second, whether earlier ones have been answered or not; 0: as many as are
// answered. No connection has more than DEPTH requests waiting (Dovecot: 100 connections, 1), what is due
// besides waits here. After SECONDS nothing more is sent. Prints one JSON object:
//   answered, failed, unsent       of those: with another answer than yes; due, but without a turn
//   seconds                        until the last answer
//   p50_ms, p99_ms, slowest_ms     from the moment that a request was ready to be sent until its answer was
//                                  read; of those unsent, until the end
//   late_p99_ms                    how much later than it was due that moment was
//   sender_us                      what a login takes of the sender's own core
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/descriptor.h"
#include "agent/base/socket_address.h"

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::uint32_t addresses = 1U << 21U;
constexpr std::chrono::seconds patience{5};  // for one more answer

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(1);
}

// Every address once before one comes again, neighbours far apart.
std::string subscriber(std::uint32_t number) {
    const std::uint32_t place = number * 2'654'435'761U % addresses;
    return "10." + std::to_string(place >> 16U) + "." + std::to_string(place >> 8U & 255U) + "." +
           std::to_string(place & 255U);
}

std::string request(std::string_view key, std::uint32_t number) {
    const std::string body = R"({"authed":"ok","device_id":"","login":"user)" + std::to_string(number) +
                             R"(","mech":"PLAIN","protocol":"pop3","pwhash":"05b4","remote":")" +
                             subscriber(number) + R"(","session":"NWaH8PtgeJPAAAIK","tls":true})";
    return "POST /?command=allow HTTP/1.1\r\nHost: 127.0.0.1:4001\r\nDate: Fri, 27 Nov 2026 12:00:00 GMT\r\n"
           "User-Agent: dovecot/auth-policy-client\r\nConnection: Keep-Alive\r\n"
           "Content-Type: application/json\r\nX-API-Key: " +
           std::string(key) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// One connection that is kept; its answers come in the order of its requests.
class Keeper {
public:
    explicit Keeper(const sekisho::SocketAddress& server)
        : socket_(::socket(server.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int on = 1;
        ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(socket_.get(), server.get(), server.size) != 0) {
            give_up("connect");
        }
    }

    [[nodiscard]] int socket() const { return socket_.get(); }

    void send(const std::string& request, Clock::time_point ready) {
        const ssize_t sent = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(request.size())) {
            give_up("send");
        }
        waiting_.push_back(ready);
    }

    // Tells `answered(ready, fine)` of each answer that is there.
    template <typename Answered>
    void receive(const Answered& answered) {
        std::array<char, 16'384> piece{};
        const ssize_t size = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
        if (size <= 0) {
            give_up("recv: the connection was not kept");
        }
        unread_.append(piece.data(), static_cast<std::size_t>(size));
        while (const std::size_t whole = answer_size()) {
            const std::string_view answer = std::string_view(unread_).substr(0, whole);
            const bool fine =
                answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(R"({"status":0,"msg":""})");
            answered(waiting_.front(), fine);
            waiting_.pop_front();
            unread_.erase(0, whole);
        }
    }

private:
    // 0 as long as it isn't whole.
    [[nodiscard]] std::size_t answer_size() const {
        constexpr std::string_view name = "Content-Length: ";
        const std::size_t head = unread_.find("\r\n\r\n");
        const std::size_t field = unread_.find(name);
        if (head == std::string::npos || field > head) {
            return 0;
        }
        std::size_t body = 0;
        std::from_chars(unread_.data() + field + name.size(), unread_.data() + head, body);
        const std::size_t whole = head + 4 + body;
        return whole <= unread_.size() ? whole : 0;
    }

    sekisho::Descriptor socket_;
    std::string unread_;
    std::deque<Clock::time_point> waiting_;  // since when
};

double percentile(std::vector<double>& values, double part) {
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

struct Order {
    std::string key;
    std::uint32_t count = 0;
    double rate = 0;  // a second; 0: as many as are answered
    std::chrono::duration<double> time{};
    std::uint32_t connections = 0;
    std::uint32_t depth = 0;
};

// All requests of a run, and what became of them.
class Run {
public:
    Run(const sekisho::SocketAddress& server, const Order& order)
        : order_(order), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        for (std::uint32_t i = 0; i < order.connections; i++) {
            keepers_.emplace_back(server);
            epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, keepers_.back().socket(), &event);
        }
        for (std::uint32_t i = 0; i < order.connections * order.depth; i++) {
            free_.push_back(i % order.connections);
        }
        for (std::uint32_t i = 0; i < order.count; i++) {
            requests_.push_back(request(order.key, i));  // before the clock runs
        }
    }

    void go() {
        const std::clock_t core = std::clock();
        const auto begin = heard_ = Clock::now();
        while (took_.size() < sent_ || sending_) {
            const auto now = Clock::now();
            sending_ = sent_ < order_.count && now - begin < order_.time;
            if (sending_) {
                note_what_is_due(begin, now);
                send();
            }
            receive();
            if (took_.size() < sent_ && Clock::now() - heard_ > patience) {
                errno = ETIMEDOUT;
                give_up("no answer");
            }
        }
        end_ = Clock::now();
        seconds_ = std::chrono::duration<double>(end_ - begin).count();
        core_ = static_cast<double>(std::clock() - core) / CLOCKS_PER_SEC;
    }

    void print() {
        const std::size_t answered = took_.size();
        for (std::size_t i = sent_; i < ready_.size(); i++) {
            took_.push_back(Milliseconds(end_ - ready_[i]).count());
        }
        const double p50 = percentile(took_, 0.5);
        const double p99 = percentile(took_, 0.99);
        std::printf(R"({"answered":%zu,"seconds":%.3f,"failed":%zu,"unsent":%zu,"p50_ms":%.3f,"p99_ms":%.3f,)"
                    R"("slowest_ms":%.3f,"late_p99_ms":%.3f,"sender_us":%.2f})"
                    "\n",
                    answered, seconds_, failed_, took_.size() - answered, p50, p99,
                    *std::ranges::max_element(took_), late_.empty() ? 0 : percentile(late_, 0.99),
                    1e6 * core_ / static_cast<double>(answered));
    }

private:
    void note_what_is_due(Clock::time_point begin, Clock::time_point now) {
        if (order_.rate == 0) {
            return;
        }
        while (ready_.size() < order_.count) {
            const auto due =
                begin + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double>(static_cast<double>(ready_.size()) / order_.rate));
            if (due > now) {
                return;
            }
            late_.push_back(Milliseconds(now - due).count());
            ready_.push_back(now);
        }
    }

    void send() {
        const std::size_t end = order_.rate == 0 ? order_.count : ready_.size();
        for (; sent_ < end && !free_.empty(); sent_++) {
            keepers_[free_.front()].send(requests_[sent_], order_.rate == 0 ? Clock::now() : ready_[sent_]);
            free_.pop_front();
        }
    }

    // Waits where nothing can become due meanwhile.
    void receive() {
        std::array<epoll_event, 128> events{};
        const int wait = order_.rate == 0 || !sending_ ? 100 : 0;
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait);
        for (int i = 0; i < count; i++) {
            const std::uint32_t which = events.at(static_cast<std::size_t>(i)).data.u32;
            keepers_[which].receive([&](Clock::time_point ready, bool fine) {
                heard_ = Clock::now();
                took_.push_back(Milliseconds(heard_ - ready).count());
                failed_ += fine ? 0 : 1;
                free_.push_back(which);
            });
        }
    }

    Order order_;
    sekisho::Descriptor epoll_;
    std::deque<Keeper> keepers_;
    std::deque<std::uint32_t> free_;  // a keeper stands here once for each request that it may still take
    std::vector<std::string> requests_;
    std::vector<Clock::time_point> ready_;
    std::size_t sent_ = 0;
    std::vector<double> took_;
    std::vector<double> late_;
    std::size_t failed_ = 0;
    bool sending_ = true;
    double seconds_ = 0;
    double core_ = 0;  // seconds
    Clock::time_point end_;
    Clock::time_point heard_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv, argv + argc);
    if (arguments.size() != 9) {
        std::fputs("usage: bench_logins_http ADDRESS PORT KEY COUNT RATE SECONDS CONNECTIONS DEPTH\n",
                   stderr);
        return 2;
    }
    const auto number = [&](std::size_t at) {
        return static_cast<std::uint32_t>(std::stoul(arguments.at(at)));
    };
    const auto server = sekisho::socket_address({.address = sekisho::parse_address(arguments[1]).value(),
                                                 .port = static_cast<std::uint16_t>(number(2))});
    Run run(server, {.key = arguments[3],
                     .count = number(4),
                     .rate = std::stod(arguments[5]),
                     .time = std::chrono::duration<double>(std::stod(arguments[6])),
                     .connections = number(7),
                     .depth = number(8)});
    run.go();
    run.print();
    return 0;
}
