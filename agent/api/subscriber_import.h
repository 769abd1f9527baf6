// SPDX-License-Identifier: Apache-2.0
// Lists of subscribers, checked: the same rules for the API and for the files that `sekisho subscriber
// import` reads. For .cpp files: it brings Boost.JSON with it.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/api/routes.h"
#include "agent/base/address.h"
#include "agent/base/result.h"

namespace sekisho::api {

// Of one subscriber's prefixes, classes and filters each.
inline constexpr std::size_t most_of_a_subscriber = 16;
// As much as an attribute of RADIUS can hold, and what can hold it.
inline constexpr std::size_t longest_subscriber_text = 253;

// One subscriber: {"id","user"?,"prefixes":[...],"classes"?:[...],"filters"?:[...]} and nothing else. Its
// form only: what its values may be says SubscriberRules.
[[nodiscard]] Result<ImportedSubscriber> subscriber_in(const boost::json::value& value);

// "3 (c-17)", to name an entry of a list by its number and its id, as far as it has one.
[[nodiscard]] std::string entry_name(std::size_t number, const boost::json::value& entry);

// What the values of a list must be like, one subscriber after the other.
class SubscriberRules {
public:
    // `noun` is what the list consists of, for words like "is that of line 7, too".
    explicit SubscriberRules(std::string noun) : noun_(std::move(noun)) {}

    // What is wrong with the next one, the first thing; nothing if it may stand in the list. Only what may is
    // remembered. `number` names it to those that come after it.
    [[nodiscard]] std::optional<Error> broken_by(const ImportedSubscriber& one, std::size_t number);

private:
    struct Hash {
        std::size_t operator()(const Prefix& prefix) const noexcept;
    };

    std::string noun_;
    std::unordered_map<std::string, std::size_t> ids_;
    std::unordered_map<Prefix, std::size_t, Hash> prefixes_;
};

// The subscribers of {"subscribers":[...]}. Failure::invalid for the first that is wrong; the words name it
// by its number in the list, from 1 on, and its id.
[[nodiscard]] Result<std::vector<ImportedSubscriber>> subscribers_in(const boost::json::object& body);

}  // namespace sekisho::api
