// SPDX-License-Identifier: Apache-2.0
// JSON in and out.
#include "agent/api/json_answer.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/pct_string_view.hpp>
#include <cstddef>
#include <utility>

#include "agent/base/printable.h"

namespace sekisho::api {

namespace json = boost::json;

namespace {

constexpr int no_content = 204;
constexpr int method_not_allowed = 405;

// Longest note, reason or name that is kept.
constexpr std::size_t longest_text = 500;

int status_of(Failure kind) {
    switch (kind) {
        case Failure::invalid:
            return 400;
        case Failure::refused:
            return 403;
        case Failure::not_found:
            return 404;
        case Failure::conflict:
            return 409;
        case Failure::unavailable:
            return 503;
    }
    std::unreachable();
}

}  // namespace

Response error_response(const Error& error, int status) {
    const json::object body = {
        {"error", {{"kind", failure_name(error.kind)}, {"what", error.what}, {"remedy", error.remedy}}}};
    return {.status = status, .body = json::serialize(body), .headers = {}};
}

Response error_response(const Error& error) {
    return error_response(error, status_of(error.kind));
}

Response json_response(const json::value& body, int status) {
    return {.status = status, .body = json::serialize(body), .headers = {}};
}

Response done_response(const Result<void>& result) {
    return result ? Response{.status = no_content, .body = {}, .headers = {}}
                  : error_response(result.error());
}

Response unknown_path(const Request& request) {
    return error_response(
        {.kind = Failure::not_found, .what = "there is nothing at " + printable(request.path), .remedy = {}});
}

Response unknown_method(const Request& request, const std::string& allowed) {
    Response response = error_response({.kind = Failure::invalid,
                                        .what = request.method + " is not possible here",
                                        .remedy = "use " + allowed},
                                       method_not_allowed);
    response.headers.emplace_back("Allow", allowed);
    return response;
}

std::optional<std::string> decoded(std::string_view text) {
    const auto view = boost::urls::make_pct_string_view(text);
    if (!view) {
        return std::nullopt;
    }
    std::string result;
    view->decode({}, boost::urls::string_token::assign_to(result));
    return result;
}

Result<json::object> body_of(const Request& request, std::initializer_list<std::string_view> known) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 4;
    json::value value = json::parse(request.body, error, {}, options);
    if (error || !value.is_object()) {
        return fail(Failure::invalid,
                    "the body is not a JSON object" + (error ? ": " + error.message() : std::string()));
    }
    for (const auto& member : value.get_object()) {
        if (std::ranges::find(known, std::string_view(member.key())) == known.end()) {
            return fail(Failure::invalid, "unknown member \"" + std::string(member.key()) + "\"");
        }
    }
    return std::move(value.get_object());
}

Result<std::string> text_of(const json::object& body, std::string_view name, bool needed) {
    const json::value* const value = body.if_contains(name);
    if (value == nullptr) {
        return needed
                   ? Result<std::string>(fail(Failure::invalid, "\"" + std::string(name) + "\" is missing"))
                   : Result<std::string>(std::string());
    }
    if (!value->is_string() || value->get_string().size() > longest_text) {
        return fail(Failure::invalid, "\"" + std::string(name) + "\" is not a string of at most " +
                                          std::to_string(longest_text) + " bytes");
    }
    return std::string(value->get_string());
}

}  // namespace sekisho::api
