// SPDX-License-Identifier: Apache-2.0
// A timer for each.
#include "smtpd/delivery/open_connections.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <iterator>
#include <utility>

namespace sekisho::delivery {

namespace {

constexpr std::chrono::seconds longest_wait{2};

boost::asio::awaitable<void> quit(std::unique_ptr<Conversation> conversation) {
    std::string leave = "QUIT\r\n";
    static_cast<void>(co_await conversation->write(std::move(leave)));
}

}  // namespace

OpenConnections::OpenConnections(boost::asio::any_io_executor executor, std::size_t most)
    : executor_(std::move(executor)), most_(most) {}

std::unique_ptr<Conversation> OpenConnections::take(const Way& way) {
    // The last that came is the one that is likeliest to be alive.
    for (auto each = kept_.begin(); each != kept_.end();) {
        const auto next = std::next(each);
        if ((*each)->way == way) {
            std::unique_ptr<Conversation> conversation = std::move((*each)->conversation);
            kept_.erase(each);
            if (conversation->silent()) {
                return conversation;
            }
        }
        each = next;
    }
    return nullptr;
}

void OpenConnections::keep(Way way, std::unique_ptr<Conversation> conversation) {
    const auto kept = std::make_shared<Kept>(Kept{.way = std::move(way),
                                                  .conversation = std::move(conversation),
                                                  .timer = boost::asio::steady_timer(executor_)});
    kept_.push_front(kept);
    kept->timer.expires_after(longest_wait);
    // Whoever takes it, or ends this object, lets go of it, and the handler finds nothing.
    kept->timer.async_wait([this, weak = std::weak_ptr(kept)](const boost::system::error_code& error) {
        const auto still = weak.lock();
        if (!error && still) {
            end(still);
        }
    });
}

bool OpenConnections::has(const Way& way) const {
    return std::ranges::any_of(kept_, [&way](const auto& each) { return each->way == way; });
}

void OpenConnections::end(const std::shared_ptr<Kept>& kept) {
    kept_.remove(kept);
    boost::asio::co_spawn(executor_, quit(std::move(kept->conversation)), boost::asio::detached);
}

}  // namespace sekisho::delivery
