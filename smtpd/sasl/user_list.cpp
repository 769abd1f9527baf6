// SPDX-License-Identifier: Apache-2.0
// Reading, changing and writing the text of the user file.
#include "smtpd/sasl/user_list.h"

#include <algorithm>
#include <utility>

#include "smtpd/sasl/mechanism.h"
#include "smtpd/sasl/password_hash.h"

namespace sekisho::sasl {

namespace {

std::unexpected<Error> nobody(const std::string& name) {
    return fail(Failure::not_found, "there is no user " + name, "see `sekisho user list`");
}

// Calls `take` with each of ":keys:keys", until one returns false.
template <class Take>
bool each_key(std::string_view text, Take take) {
    while (!text.empty()) {
        text.remove_prefix(1);
        const std::size_t end = std::min(text.find(':'), text.size());
        if (!take(text.substr(0, end))) {
            return false;
        }
        text.remove_prefix(end);
    }
    return true;
}

bool are_keys(std::string_view text) {
    std::vector<ScramHash> seen;
    return each_key(text, [&seen](std::string_view each) {
        const auto keys = parse_scram_keys(each);
        if (!keys || std::ranges::find(seen, keys->first) != seen.end()) {
            return false;
        }
        seen.push_back(keys->first);
        return true;
    });
}

}  // namespace

UserList::Line UserList::Line::of(std::string name, std::string_view stored) {
    const std::size_t end = std::min(stored.find(':'), stored.size());
    return {.name = std::move(name),
            .rest = std::string(stored.substr(0, end)),
            .keys = std::string(stored.substr(end))};
}

std::string UserList::Line::text() const {
    return name.empty() ? rest : name + ":" + rest + keys;
}

UserList UserList::parse(std::string_view text) {
    UserList list;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        list.read(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return list;
}

void UserList::read(std::string_view line) {
    lines_.push_back({.name = {}, .rest = std::string(line), .keys = {}});
    if (line.empty() || line.starts_with('#')) {
        return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        complain("there is no colon between name and hash");
        return;
    }
    if (const auto why = unfit_name(line.substr(0, colon))) {
        complain(*why);
        return;
    }
    Line user = Line::of(user_key(line.substr(0, colon)), line.substr(colon + 1));
    if (!scheme_of(user.rest)) {
        complain("behind the colon there is no whole hash of yescrypt ($y$) or SHA-512-crypt ($6$)");
        return;
    }
    if (!are_keys(user.keys)) {
        complain("behind the hash there are no keys such as {SCRAM-SHA-256}iterations,salt,stored,server");
        return;
    }
    if (places_.contains(user.name)) {
        complain("a user of this name stands above");
        return;
    }
    places_.emplace(user.name, lines_.size() - 1);
    users_.push_back(lines_.size() - 1);
    lines_.back() = std::move(user);
}

std::string UserList::text() const {
    std::string text;
    for (const Line& line : lines_) {
        text.append(line.text()).append("\n");
    }
    return text;
}

const std::string* UserList::hash_of(const std::string& name) const {
    const auto place = places_.find(name);
    return place == places_.end() ? nullptr : &lines_[place->second].rest;
}

const std::string* UserList::any_hash(std::uint64_t choice) const {
    return users_.empty() ? nullptr : &lines_[users_[choice % users_.size()]].rest;
}

std::optional<ScramKeys> UserList::keys_at(std::size_t line, ScramHash hash) const {
    std::optional<ScramKeys> found;
    each_key(lines_[line].keys, [&found, hash](std::string_view each) {
        auto keys = parse_scram_keys(each);
        if (keys && keys->first == hash) {
            found = std::move(keys->second);
        }
        return !found;
    });
    return found;
}

std::optional<ScramKeys> UserList::any_keys(ScramHash hash, std::uint64_t choice) const {
    return users_.empty() ? std::nullopt : keys_at(users_[choice % users_.size()], hash);
}

std::optional<ScramKeys> UserList::keys_of(const std::string& name, ScramHash hash) const {
    const auto place = places_.find(name);
    const bool known = place != places_.end();
    if (users_.empty()) {
        return std::nullopt;
    }
    auto found = keys_at(known ? place->second : users_.front(), hash);
    return known ? found : std::nullopt;
}

bool UserList::all_have_keys(ScramHash hash) const {
    const std::string mark = ":{" + std::string(mechanism_of(hash)) + "}";
    return std::ranges::all_of(
        users_, [&](std::size_t place) { return lines_[place].keys.find(mark) != std::string::npos; });
}

std::vector<std::string> UserList::names() const {
    std::vector<std::string> names;
    names.reserve(places_.size());
    for (const auto& [name, place] : places_) {
        names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

Result<void> UserList::add(const std::string& name, const std::string& stored) {
    if (const auto why = unfit_name(name)) {
        return fail(Failure::invalid, *why, "write it like alice or alice@example.net");
    }
    if (hash_of(name) != nullptr) {
        return fail(Failure::conflict, "there is a user " + name + " already",
                    "sekisho user passwd " + name + " sets another password");
    }
    read(name + ":" + stored);
    return {};
}

Result<void> UserList::change(const std::string& name, std::string_view stored) {
    const auto place = places_.find(name);
    if (place == places_.end()) {
        return nobody(name);
    }
    lines_[place->second] = Line::of(name, stored);
    return {};
}

Result<void> UserList::remove(const std::string& name) {
    if (hash_of(name) == nullptr) {
        return nobody(name);
    }
    std::string left;
    for (const Line& line : lines_) {
        const std::string whole = line.text();
        if (whole.starts_with('#') || user_key(whole.substr(0, whole.find(':'))) != name) {
            left += whole + "\n";
        }
    }
    *this = parse(left);
    return {};
}

}  // namespace sekisho::sasl
