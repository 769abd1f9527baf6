// SPDX-License-Identifier: Apache-2.0
// Waiting for one's turn, and for the write.
#include "agent/store/group_commit.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

namespace sekisho::store {

GroupCommit::GroupCommit(boost::asio::io_context& context, std::function<void()> write,
                         std::chrono::milliseconds pause)
    : context_(context),
      write_(std::move(write)),
      signal_(context, boost::asio::steady_timer::time_point::max()),
      pause_(pause),
      pause_timer_(context) {}

// What is posted stands behind all that is ready by then.
void GroupCommit::ask() {
    asked_ = true;
    if (posted_) {
        return;
    }
    posted_ = true;
    const auto next = last_ + pause_;
    if (next <= std::chrono::steady_clock::now()) {
        boost::asio::post(context_, [this] { take_turn(); });
        return;
    }
    pause_timer_.expires_at(next);
    pause_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            take_turn();
        }
    });
}

void GroupCommit::take_turn() {
    posted_ = false;
    hurry();
}

void GroupCommit::hurry() {
    if (asked_) {
        write_();
        written();
    }
}

void GroupCommit::written() {
    asked_ = false;
    last_ = std::chrono::steady_clock::now();
    signal_.cancel();
}

boost::asio::awaitable<void> GroupCommit::settled() {
    if (asked_) {
        boost::system::error_code cancelled;
        co_await signal_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    }
}

}  // namespace sekisho::store
