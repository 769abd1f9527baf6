// SPDX-License-Identifier: Apache-2.0
// How coroutines wait here: what went wrong comes back as a value.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sekisho {

// `co_await socket.async_...(..., quietly)` gives a tuple, the error code first, and never throws.
inline constexpr auto quietly = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace sekisho
