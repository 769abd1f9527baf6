// SPDX-License-Identifier: Apache-2.0
// Waiting for one's turn, and for the write.
#include "agent/store/group_commit.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <utility>

namespace sekisho::store {

GroupCommit::GroupCommit(boost::asio::io_context& context, std::function<void()> write)
    : context_(context),
      write_(std::move(write)),
      signal_(context, boost::asio::steady_timer::time_point::max()) {}

// What is posted stands behind all that is ready by then.
void GroupCommit::ask() {
    asked_ = true;
    if (posted_) {
        return;
    }
    posted_ = true;
    boost::asio::post(context_, [this] {
        posted_ = false;
        hurry();
    });
}

void GroupCommit::hurry() {
    if (asked_) {
        write_();
        written();
    }
}

void GroupCommit::written() {
    asked_ = false;
    signal_.cancel();
}

boost::asio::awaitable<void> GroupCommit::settled() {
    if (asked_) {
        boost::system::error_code cancelled;
        co_await signal_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    }
}

}  // namespace sekisho::store
