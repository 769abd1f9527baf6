// SPDX-License-Identifier: Apache-2.0
// Queries by RFC 3986, read by Boost.URL.
#include "agent/api/parameters.h"

#include <boost/url/parse_query.hpp>
#include <charconv>
#include <system_error>

namespace sekisho::api {

std::vector<std::string> parameters(const Request& request, std::string_view name) {
    std::vector<std::string> values;
    const auto query = boost::urls::parse_query(request.query);
    if (!query) {
        return values;
    }
    for (const auto& entry : boost::urls::params_view(*query)) {
        if (entry.key == name && entry.has_value) {
            values.push_back(entry.value);
        }
    }
    return values;
}

std::optional<std::string> parameter(const Request& request, std::string_view name) {
    const auto values = parameters(request, name);
    return values.empty() ? std::nullopt : std::optional(values.front());
}

Result<std::string> required(const Request& request, std::string_view name) {
    if (auto value = parameter(request, name)) {
        return *value;
    }
    return fail(Failure::invalid, "the parameter " + std::string(name) + " is missing");
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

Result<std::optional<std::uint64_t>> number_in(const Request& request, std::string_view name) {
    const auto text = parameter(request, name);
    if (!text) {
        return std::nullopt;
    }
    const auto number = number_of(*text);
    if (!number) {
        return fail(Failure::invalid, "\"" + std::string(name) + "\" is no whole number", "write it like 60");
    }
    return number;
}

Result<std::optional<Prefix>> prefix_in(const Request& request, std::string_view name) {
    const auto text = parameter(request, name);
    if (!text) {
        return std::nullopt;
    }
    const auto prefix = parse_prefix(*text);
    if (!prefix) {
        return std::unexpected(prefix.error());
    }
    return *prefix;
}

Result<std::size_t> count_in(const Request& request, std::size_t otherwise) {
    constexpr std::size_t most = 10'000;
    const auto text = parameter(request, "count");
    if (!text) {
        return otherwise;
    }
    const auto count = number_of(*text);
    if (!count || *count == 0 || *count > most) {
        return fail(Failure::invalid, "\"count\" is not a number from 1 to " + std::to_string(most),
                    "write it like 20");
    }
    return *count;
}

}  // namespace sekisho::api
