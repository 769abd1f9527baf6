// SPDX-License-Identifier: Apache-2.0
// A client inside TLS that does more than a mail program does.
#include "smtpd/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/descriptor.h"
#include "tests/unit/delivery/certificate.h"

namespace sekisho {
namespace {

// New keys for its own direction, so many times, then a word. Ends when the server has closed.
void change_keys(int socket, int times, std::atomic<bool>& done) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL* const client = SSL_new(context);
    SSL_set_fd(client, socket);
    EXPECT_EQ(SSL_connect(client), 1);
    for (int i = 0; i < times; i++) {
        if (SSL_key_update(client, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(client) != 1) {
            break;
        }
    }
    SSL_write(client, "word", 4);
    done = true;
    std::array<char, 1> octet{};
    SSL_read(client, octet.data(), 1);
    SSL_free(client);
    SSL_CTX_free(context);
}

class StreamTest : public testing::Test {
protected:
    struct Result {
        boost::system::error_code error;
        std::string octets;
        std::size_t turns = 0;  // of others, meanwhile
    };

    // What is read from a client that does this first.
    Result read_behind(int key_updates) {
        static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // as the daemon does
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        const Descriptor theirs(ends[1]);
        boost::asio::io_context context{1};
        std::optional<Stream> stream(std::in_place,
                                     Stream::Socket(context, boost::asio::ip::tcp::v4(), ends[0]));
        const std::jthread client([&] { change_keys(theirs.get(), key_updates, sent_); });
        Result result;
        bool done = false;
        boost::asio::co_spawn(context, serve(*stream, result), [&done](const std::exception_ptr& bug) {
            EXPECT_FALSE(bug);
            done = true;
        });
        const std::function<void()> turn = [&] {
            if (!done) {
                result.turns++;
                boost::asio::post(context, turn);
            }
        };
        boost::asio::post(context, turn);
        context.run_for(std::chrono::seconds(30));
        EXPECT_TRUE(done);
        stream.reset();
        return result;
    }

    bool wait_ = false;

private:
    boost::asio::awaitable<void> serve(Stream& stream, Result& result) {
        auto context =
            std::make_shared<boost::asio::ssl::context>(delivery::tests::server_context().release());
        result.error = co_await stream.start_tls(std::move(context));
        std::array<char, 100> octets{};
        const auto executor = co_await boost::asio::this_coro::executor;
        while (wait_ && !sent_) {
            co_await boost::asio::post(executor, boost::asio::use_awaitable);
        }
        result.turns = 0;
        if (!result.error) {
            const auto [error, size] = co_await stream.read(octets);
            result.error = error;
            result.octets.assign(octets.data(), size);
        }
    }

    std::atomic<bool> sent_ = false;
};

TEST_F(StreamTest, NewKeysAreNothingUnusualAndLetOthersHaveTheirTurn) {
    wait_ = true;  // until all of it is there to be read
    const Result result = read_behind(200);
    EXPECT_FALSE(result.error) << result.error.message();
    EXPECT_EQ(result.octets, "word");
    EXPECT_GT(result.turns, 150U);
}

TEST_F(StreamTest, WhoChangesThemForEverIsSentAway) {
    EXPECT_TRUE(read_behind(100'000).error);
}

// Two clients in the clear share the room into which both are read, as they do in the daemon.
class ClearStreamTest : public testing::Test {
protected:
    struct Client {
        explicit Client(boost::asio::io_context& context) {
            std::array<int, 2> ends{};
            EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
            socket = Descriptor(ends[1]);
            stream.emplace(Stream::Socket(context, boost::asio::ip::tcp::v4(), ends[0]));
        }
        void say(std::string_view octets) const {
            EXPECT_EQ(::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
                      static_cast<ssize_t>(octets.size()));
        }
        Descriptor socket;
        std::optional<Stream> stream;
        std::string heard;
        boost::system::error_code error;
    };

    // Hears all that a client says, to the end.
    boost::asio::awaitable<void> hear(Client& client) {
        while (!client.error) {
            const auto [error, size] = co_await client.stream->read(shared_);
            client.heard.append(shared_.data(), size);
            client.error = error;
        }
    }
    void serve(Client& client) { boost::asio::co_spawn(context_, hear(client), boost::asio::detached); }
    template <class Condition>
    void run_until(const Condition& holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!holds() && std::chrono::steady_clock::now() < end) {
            context_.run_one_for(std::chrono::milliseconds(10));
        }
        EXPECT_TRUE(holds());
    }

    static std::string octets(std::size_t size, char first) {
        std::string all;
        for (std::size_t i = 0; i < size; i++) {
            all += static_cast<char>(first + static_cast<char>(i % 26));
        }
        return all;
    }

    boost::asio::io_context context_{1};
    std::array<char, 2000> shared_{};
};

TEST_F(ClearStreamTest, AllThatComesIsHeardHoweverItIsCut) {
    Client one(context_);
    Client other(context_);
    serve(one);
    serve(other);
    std::string said;
    std::string also_said;
    for (const std::size_t size :
         std::vector<std::size_t>{1, 511, 512, 513, 1999, 2000, 2001, 2512, 9000, 5}) {
        one.say(octets(size, 'a'));
        other.say(octets(size + 1, 'A'));
        said += octets(size, 'a');
        also_said += octets(size + 1, 'A');
        run_until([&] { return one.heard == said && other.heard == also_said; });
    }
    one.socket = Descriptor();
    other.stream->cancel();
    run_until([&] { return one.error && other.error; });
    EXPECT_EQ(one.error, boost::asio::error::eof);
    EXPECT_EQ(other.error, boost::asio::error::operation_aborted);
}

}  // namespace
}  // namespace sekisho
