// SPDX-License-Identifier: Apache-2.0
// A client inside TLS that does more than a mail program does.
#include "smtpd/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <thread>

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

}  // namespace
}  // namespace sekisho
