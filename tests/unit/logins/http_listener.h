// SPDX-License-Identifier: Apache-2.0
// What tests of listeners that are spoken to by HTTP stand on.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"
#include "agent/logins/source.h"
#include "tests/unit/directory.h"
#include "tests/unit/written_log.h"

namespace sekisho::tests {

// A thread of events, a key file, and what was reported and logged.
class HttpListenerTest : public testing::Test {
protected:
    static constexpr std::string_view key = "for-the-test-only";

    HttpListenerTest() {
        std::ofstream(key_file_) << key << "\n";
        ::chmod(key_file_.c_str(), 0600);
    }

    // A section whose only reporter is this host.
    void fill(ReportersConfig& config) const {
        config.name = "mail1";
        config.listen = parse_address("127.0.0.1").value();
        config.port = 0;
        config.key_file = key_file_;
        config.reporters = {parse_prefix("127.0.0.1/32").value()};
    }

    logins::OnLogin on_login() {
        return [this](const grants::LoginEvent& event) -> Result<void> {
            events_.push_back(event);
            return verdict_;
        };
    }

    // The disk, which takes its time: two turns.
    logins::Settled settled() {
        return [this]() -> boost::asio::awaitable<void> {
            const auto executor = co_await boost::asio::this_coro::executor;
            co_await boost::asio::post(executor, boost::asio::use_awaitable);
            co_await boost::asio::post(executor, boost::asio::use_awaitable);
            settled_events_ = events_.size();
        };
    }

    // Sends these bytes and reads until the other side closes; everything that came back.
    std::string talk(std::uint16_t port, const std::string& bytes) {
        using boost::asio::ip::tcp;
        std::string answer;
        std::thread client([&] {
            boost::asio::io_context mine;
            tcp::socket socket(mine);
            boost::system::error_code error;
            socket.connect({boost::asio::ip::address_v4::loopback(), port}, error);
            boost::asio::write(socket, boost::asio::buffer(bytes), error);
            socket.shutdown(tcp::socket::shutdown_send, error);
            boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
            boost::asio::post(context_, [this] { context_.stop(); });
        });
        context_.restart();
        const auto guard = boost::asio::make_work_guard(context_);
        context_.run_for(std::chrono::seconds(20));
        client.join();
        return answer;
    }

    [[nodiscard]] std::string logged() const { return log_.text(); }

    WrittenLog log_;
    Directory directory_;
    std::filesystem::path key_file_ = directory_ / "listener.key";
    boost::asio::io_context context_{1};
    std::vector<grants::LoginEvent> events_;
    std::size_t settled_events_ = 0;  // when it was last waited for the disk
    Result<void> verdict_;
};

}  // namespace sekisho::tests
