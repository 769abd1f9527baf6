// SPDX-License-Identifier: Apache-2.0
// What stands behind the "?" of a request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::api {

// The parameter's value, decoded; nothing where it is missing or the query is malformed.
[[nodiscard]] std::optional<std::string> parameter(const Request& request, std::string_view name);

// All of this name.
[[nodiscard]] std::vector<std::string> parameters(const Request& request, std::string_view name);

// The value; Failure::invalid where it is missing.
[[nodiscard]] Result<std::string> required(const Request& request, std::string_view name);

// Decimal digits and nothing else.
[[nodiscard]] std::optional<std::uint64_t> number_of(std::string_view text);

// A number that may be missing.
[[nodiscard]] Result<std::optional<std::uint64_t>> number_in(const Request& request, std::string_view name);

// An address or a prefix that may be missing.
[[nodiscard]] Result<std::optional<Prefix>> prefix_in(const Request& request, std::string_view name);

// The parameter "count", from 1 to 10,000, or what counts where it is missing.
[[nodiscard]] Result<std::size_t> count_in(const Request& request, std::size_t otherwise);

}  // namespace sekisho::api
