// SPDX-License-Identifier: Apache-2.0
// The result wakes whoever waits.
#include "smtpd/spool_work.h"

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "agent/base/quietly.h"

namespace sekisho {

boost::asio::awaitable<Result<void>> SpoolWork::run(spool::Writer::Work work, spool::Writer::When when) {
    struct State {
        explicit State(const boost::asio::any_io_executor& executor) : timer(executor) {}
        boost::asio::steady_timer timer;
        std::optional<Result<void>> result;
    };
    const auto state = std::make_shared<State>(executor_);
    state->timer.expires_at(boost::asio::steady_timer::time_point::max());
    const auto wake = [state](Result<void> result) {
        state->result = std::move(result);
        state->timer.cancel();
    };
    writer_.submit(std::move(work), wake, when);
    if (!state->result) {
        static_cast<void>(co_await state->timer.async_wait(quietly));
    }
    co_return state->result.value_or(fail(Failure::unavailable, "sekisho-relay is ending"));
}

}  // namespace sekisho
