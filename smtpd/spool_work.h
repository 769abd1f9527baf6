// SPDX-License-Identifier: Apache-2.0
// Work for the spool's writer, awaited on a daemon's own thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <utility>

#include "smtpd/spool/writer.h"

namespace sekisho {

class SpoolWork {
public:
    // `executor` is that of the thread on which the writer's results arrive. The writer outlives it.
    SpoolWork(boost::asio::any_io_executor executor, spool::Writer& writer)
        : executor_(std::move(executor)), writer_(writer) {}

    // Ends when it is on the disk, or can't be.
    [[nodiscard]] boost::asio::awaitable<Result<void>> run(
        spool::Writer::Work work, spool::Writer::When when = spool::Writer::When::at_once);

private:
    boost::asio::any_io_executor executor_;
    spool::Writer& writer_;
};

}  // namespace sekisho
