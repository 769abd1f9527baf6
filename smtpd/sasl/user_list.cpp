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

}  // namespace

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
    lines_.push_back({.name = {}, .rest = std::string(line)});
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
    std::string name = user_key(line.substr(0, colon));
    std::string hash(line.substr(colon + 1));
    if (!scheme_of(hash)) {
        complain("behind the colon there is no whole hash of yescrypt ($y$) or SHA-512-crypt ($6$)");
        return;
    }
    if (places_.contains(name)) {
        complain("a user of this name stands above");
        return;
    }
    places_.emplace(name, lines_.size() - 1);
    users_.push_back(lines_.size() - 1);
    lines_.back() = {.name = std::move(name), .rest = std::move(hash)};
}

std::string UserList::text() const {
    std::string text;
    for (const Line& line : lines_) {
        if (!line.name.empty()) {
            text.append(line.name).append(":");
        }
        text.append(line.rest).append("\n");
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

std::vector<std::string> UserList::names() const {
    std::vector<std::string> names;
    names.reserve(places_.size());
    for (const auto& [name, place] : places_) {
        names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

Result<void> UserList::add(const std::string& name, const std::string& hash) {
    if (const auto why = unfit_name(name)) {
        return fail(Failure::invalid, *why, "write it like alice or alice@example.net");
    }
    if (hash_of(name) != nullptr) {
        return fail(Failure::conflict, "there is a user " + name + " already",
                    "sekisho user passwd " + name + " sets another password");
    }
    read(name + ":" + hash);
    return {};
}

Result<void> UserList::change(const std::string& name, std::string hash) {
    const auto place = places_.find(name);
    if (place == places_.end()) {
        return nobody(name);
    }
    lines_[place->second].rest = std::move(hash);
    return {};
}

Result<void> UserList::remove(const std::string& name) {
    if (hash_of(name) == nullptr) {
        return nobody(name);
    }
    std::string left;
    for (const Line& line : lines_) {
        const std::string whole = line.name.empty() ? line.rest : line.name + ":" + line.rest;
        if (whole.starts_with('#') || user_key(whole.substr(0, whole.find(':'))) != name) {
            left += whole + "\n";
        }
    }
    *this = parse(left);
    return {};
}

}  // namespace sekisho::sasl
