// SPDX-License-Identifier: Apache-2.0
// The spool's tables. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/database.h"
#include "agent/base/result.h"
#include "agent/base/schema.h"
#include "smtpd/message/envelope.h"

namespace sekisho::spool {

// A body of up to so many octets stands in the database, a larger one in a file. Earlier versions had them
// all in the database, in pieces of this size, the last one shorter; readers rely on it.
constexpr std::size_t piece_size = std::size_t{64} * 1024;

// The keys of recipients and of pieces begin with the number of their message: they lie side by side, are
// found without an index, and aren't used again, since that number isn't.
constexpr int bits_within = 20;
constexpr std::int64_t most_within = std::int64_t{1} << bits_within;
[[nodiscard]] constexpr std::int64_t key_of(std::int64_t message, std::int64_t within) {
    return (message << bits_within) | within;
}

// The log is copied into the database, beside those who commit, when it has so many octets. The larger, the
// more of what it has is gone again, and need not be copied at all.
constexpr std::int64_t large_log = std::int64_t{32} << 20;
// The log's file is cut to this when it begins anew; while it is copied it grows.
constexpr std::int64_t largest_log_file = std::int64_t{64} << 20;
// And on a disk with little room the log is folded by who commits when its file has so many.
constexpr std::int64_t small_log = std::int64_t{4} << 20;

// When what is held is due: at the end of the year 9999.
constexpr std::int64_t never = 253'402'300'799;

// Why a message is held: a bit each.
enum class Hold : std::uint8_t {
    message = 1U << 0U,  // an operator holds it
    user = 1U << 1U,     // its user has been stopped
};

[[nodiscard]] constexpr std::int64_t bit(Hold hold) {
    return static_cast<std::int64_t>(hold);
}

// How a time stands in the tables: whole seconds since 1970.
[[nodiscard]] constexpr std::int64_t number(message::WallTime time) {
    return time.time_since_epoch().count();
}

[[nodiscard]] const Schema& schema();

// SQL: a list, in parentheses, of the keys of the recipients of those messages that fulfil a condition.
[[nodiscard]] std::string recipients_where(std::string_view condition);

// What every connection to the file sets for itself. Only a Spool writes.
[[nodiscard]] Result<void> set_pragmas(const Database& database);

}  // namespace sekisho::spool
