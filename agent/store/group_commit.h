// SPDX-License-Identifier: Apache-2.0
// One write for all that one turn of the event loop led to, as databases commit in groups: a transaction
// costs the same for one row and for a hundred.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>

namespace sekisho::store {

// Not thread-safe; it must outlive what runs on the context.
class GroupCommit {
public:
    // `write` writes all that is owed by then, and tells others if it can't. Not more often than every
    // `pause`.
    GroupCommit(boost::asio::io_context& context, std::function<void()> write,
                std::chrono::milliseconds pause = usual_pause);
    static constexpr std::chrono::milliseconds usual_pause{2};

    // Has it written when all that is ready now has had its turn, and a pause since the last time is over.
    void ask();

    // Has it written now, if it was asked for.
    void hurry();

    // Somebody has written all that was owed, or has tried to.
    void written();

    [[nodiscard]] bool asked() const { return asked_; }

    // Returns when what was asked for until now has been written, or could not be; at once if nothing was.
    [[nodiscard]] boost::asio::awaitable<void> settled();

private:
    void take_turn();

    boost::asio::io_context& context_;
    std::function<void()> write_;
    boost::asio::steady_timer signal_;  // cancelled when it has been written
    bool asked_ = false;
    bool posted_ = false;  // a turn is on its way
    std::chrono::milliseconds pause_;
    boost::asio::steady_timer pause_timer_;
    std::chrono::steady_clock::time_point last_{};  // when it was last written
};

}  // namespace sekisho::store
