// SPDX-License-Identifier: Apache-2.0
// Static contracts: which sessions are always exempt. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/subscribers/sessions.h"

namespace sekisho::subscribers {

// One rule: a session to which anything of it fits has the contract.
struct Contract {
    std::string name;
    std::vector<std::string> classes;  // fnmatch(3) patterns of Class
    std::vector<std::string> filters;  // and of Filter-Id
    std::set<std::string, std::less<>> users;
};

class Contracts {
public:
    Contracts() = default;
    explicit Contracts(std::vector<Contract> all) : all_(std::move(all)) {}

    [[nodiscard]] bool empty() const { return all_.empty(); }
    // The name of the first contract that the session has; empty if it has none.
    [[nodiscard]] std::string_view of(const Session& session) const;

private:
    std::vector<Contract> all_;
};

// The names of a list: one on each line, blanks around it and what follows a # taken away, empty lines
// skipped.
[[nodiscard]] std::set<std::string, std::less<>> names_of(std::string_view list);

}  // namespace sekisho::subscribers
