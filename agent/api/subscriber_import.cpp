// SPDX-License-Identifier: Apache-2.0
// Lists of subscribers, read strictly.
#include "agent/api/subscriber_import.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <functional>
#include <string_view>

#include "agent/base/printable.h"

namespace sekisho::api {

namespace json = boost::json;

namespace {

constexpr std::size_t shown_of_an_id = 64;

std::string in_quotes(std::string_view text) {
    return "\"" + printable(text.substr(0, shown_of_an_id)) + "\"";
}

Result<void> read_text(const json::object& from, std::string_view name, std::string& to) {
    const json::value* const value = from.if_contains(name);
    if (value == nullptr) {
        return {};
    }
    if (!value->is_string()) {
        return fail(Failure::invalid, in_quotes(name) + " is no string");
    }
    to = value->get_string();
    return {};
}

// Hands each text of a list to `use`, which says whether it may go on.
template <class Use>
Result<void> read_texts(const json::object& from, std::string_view name, Use use) {
    const json::value* const value = from.if_contains(name);
    if (value == nullptr) {
        return {};
    }
    if (!value->is_array()) {
        return fail(Failure::invalid, in_quotes(name) + " is no array");
    }
    for (const json::value& each : value->get_array()) {
        if (!each.is_string()) {
            return fail(Failure::invalid, in_quotes(name) + " has something that is no string");
        }
        if (auto used = use(std::string_view(each.get_string())); !used) {
            return used;
        }
    }
    return {};
}

std::optional<Error> unfit_text(std::string_view what, const std::string& text) {
    if (text.size() <= longest_subscriber_text) {
        return std::nullopt;
    }
    return Error{
        .kind = Failure::invalid,
        .what = std::string(what) + " has more than " + std::to_string(longest_subscriber_text) + " octets",
        .remedy = "that is as much as RADIUS can say; shorten it"};
}

std::optional<Error> too_many(std::string_view what, std::size_t count) {
    if (count <= most_of_a_subscriber) {
        return std::nullopt;
    }
    return Error{.kind = Failure::invalid,
                 .what = std::to_string(count) + " " + std::string(what) + ", more than " +
                         std::to_string(most_of_a_subscriber),
                 .remedy = "leave some out"};
}

std::optional<Error> unfit_labels(std::string_view one, std::string_view many,
                                  const std::vector<std::string>& list) {
    if (auto error = too_many(many, list.size())) {
        return error;
    }
    for (const std::string& each : list) {
        if (each.empty()) {
            return Error{.kind = Failure::invalid, .what = "an empty " + std::string(one), .remedy = {}};
        }
        if (auto error = unfit_text("a " + std::string(one), each)) {
            return error;
        }
    }
    return std::nullopt;
}

// What is wrong with it whatever the others are.
std::optional<Error> unfit(const ImportedSubscriber& one) {
    if (one.id.empty()) {
        return Error{.kind = Failure::invalid,
                     .what = "an empty id names nobody",
                     .remedy = "give each subscriber an id that stays the same from import to import"};
    }
    if (one.prefixes.empty()) {
        return Error{.kind = Failure::invalid,
                     .what = "no prefix",
                     .remedy = "name the subscriber's addresses, or leave out who has none"};
    }
    if (auto error = unfit_text("the id", one.id)) {
        return error;
    }
    if (auto error = unfit_text("the user", one.user)) {
        return error;
    }
    if (auto error = too_many("prefixes", one.prefixes.size())) {
        return error;
    }
    if (auto error = unfit_labels("class", "classes", one.classes)) {
        return error;
    }
    return unfit_labels("filter", "filters", one.filters);
}

}  // namespace

Result<ImportedSubscriber> subscriber_in(const json::value& value) {
    constexpr std::array<std::string_view, 5> known = {"id", "user", "prefixes", "classes", "filters"};
    if (!value.is_object()) {
        return fail(Failure::invalid, "a subscriber is no object",
                    R"(write it like {"id":"c-17","prefixes":["192.0.2.17"]})");
    }
    const json::object& from = value.get_object();
    for (const auto& member : from) {
        if (std::ranges::find(known, std::string_view(member.key())) == known.end()) {
            return fail(Failure::invalid, "unknown member " + in_quotes(member.key()));
        }
    }
    ImportedSubscriber one;
    const auto keep_in = [](std::vector<std::string>& list) {
        return [&list](std::string_view text) -> Result<void> {
            list.emplace_back(text);
            return {};
        };
    };
    Result<void> form = read_text(from, "id", one.id);
    form = form ? read_text(from, "user", one.user) : form;
    form = form ? read_texts(from, "classes", keep_in(one.classes)) : form;
    form = form ? read_texts(from, "filters", keep_in(one.filters)) : form;
    form = form ? read_texts(from, "prefixes",
                             [&one](std::string_view text) -> Result<void> {
                                 auto prefix = parse_prefix(text);
                                 if (!prefix) {
                                     return std::unexpected(std::move(prefix.error()));
                                 }
                                 one.prefixes.push_back(*prefix);
                                 return {};
                             })
                : form;
    if (!form) {
        return std::unexpected(std::move(form.error()));
    }
    return one;
}

std::string entry_name(std::size_t number, const json::value& entry) {
    const json::value* const id = entry.is_object() ? entry.get_object().if_contains("id") : nullptr;
    const bool named = id != nullptr && id->is_string() && !id->get_string().empty();
    return std::to_string(number) +
           (named ? " (" + printable(std::string_view(id->get_string()).substr(0, shown_of_an_id)) + ")"
                  : std::string());
}

std::size_t SubscriberRules::Hash::operator()(const Prefix& prefix) const noexcept {
    const auto& bytes = prefix.address.bytes;
    const std::string_view octets(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return std::hash<std::string_view>()(octets) ^ static_cast<std::size_t>(prefix.length);
}

std::optional<Error> SubscriberRules::broken_by(const ImportedSubscriber& one, std::size_t number) {
    if (auto error = unfit(one)) {
        return error;
    }
    if (const auto other = ids_.find(one.id); other != ids_.end()) {
        return Error{.kind = Failure::invalid,
                     .what = "the id " + in_quotes(one.id) + " is that of " + noun_ + " " +
                             std::to_string(other->second) + ", too",
                     .remedy = "put all addresses of a subscriber into one " + noun_};
    }
    for (auto prefix = one.prefixes.begin(); prefix != one.prefixes.end(); ++prefix) {
        const auto other = prefixes_.find(*prefix);
        const bool twice = std::find(one.prefixes.begin(), prefix, *prefix) != prefix;
        if (twice || other != prefixes_.end()) {
            return Error{.kind = Failure::invalid,
                         .what = prefix->text() + (twice ? " stands there twice"
                                                         : " is named in " + noun_ + " " +
                                                               std::to_string(other->second) + ", too"),
                         .remedy = "an address has one holder"};
        }
    }
    ids_.emplace(one.id, number);
    for (const Prefix& prefix : one.prefixes) {
        prefixes_.emplace(prefix, number);
    }
    return std::nullopt;
}

Result<std::vector<ImportedSubscriber>> subscribers_in(const json::object& body) {
    const json::value* const list = body.if_contains("subscribers");
    if (list == nullptr || !list->is_array()) {
        return fail(Failure::invalid, "\"subscribers\" is missing or no array");
    }
    std::vector<ImportedSubscriber> subscribers;
    subscribers.reserve(list->get_array().size());
    SubscriberRules rules("entry");
    std::size_t number = 0;
    for (const json::value& each : list->get_array()) {
        number++;
        auto one = subscriber_in(each);
        const auto error = one ? rules.broken_by(*one, number) : std::optional(one.error());
        if (error) {
            return fail(Failure::invalid, "entry " + entry_name(number, each) + ": " + error->what,
                        error->remedy);
        }
        subscribers.push_back(std::move(*one));
    }
    return subscribers;
}

}  // namespace sekisho::api
