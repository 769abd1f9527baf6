// SPDX-License-Identifier: Apache-2.0
// The program nft, which changes nftables' rulesets.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/descriptor.h"
#include "agent/base/result.h"

namespace sekisho::guard {

using Words = std::vector<std::string>;

// Runs it with these words and this input, and waits for its end, ten seconds at most. What it printed; or
// Failure::not_found if there is no such table, Failure::refused if nft says no for another reason,
// Failure::unavailable if it can't be run or doesn't end.
[[nodiscard]] Result<std::string> run_nft(const Words& words, const std::string& input = {});

// The same beside the event loop, one run at a time.
class Nft {
public:
    using Done = std::function<void(const Result<std::string>&)>;

    explicit Nft(const boost::asio::any_io_executor& executor);

    // Not before `done` of the last run, which is called later, never from here.
    void run(const Words& words, const std::string& input, Done done);

private:
    struct Child {
        pid_t pid = 0;
        Descriptor said;  // what it prints
    };
    void ended(const Done& done);

    boost::asio::any_io_executor executor_;
    boost::asio::posix::stream_descriptor end_;  // readable when it has ended
    boost::asio::steady_timer limit_;
    std::optional<Child> child_;
};

}  // namespace sekisho::guard
