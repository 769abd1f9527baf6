// SPDX-License-Identifier: Apache-2.0
// Which rule is a login's, and what it says.
#include "agent/grants/rules.h"

#include <algorithm>
#include <vector>

#include "agent/base/pattern.h"
#include "agent/base/user_name.h"

namespace sekisho::grants {

namespace {

bool names(const std::vector<std::string>& list, const std::string& one) {
    return list.empty() || std::ranges::find(list, one) != list.end();
}

std::string by_rule(const Terms& terms) {
    return terms.rule.empty() ? " ([grants])" : " (rule \"" + terms.rule + "\")";
}

}  // namespace

Terms terms_of(const GrantConfig& config, const LoginEvent& login) {
    Terms terms{.rule = {},
                .opens = true,
                .tls_required = config.tls_required,
                .other_family = config.other_family,
                .scope = config.scope,
                .lifetime = login.lifetime,
                .budget = {},
                .addresses_per_user = config.addresses_per_user};
    const std::string user = folded(login.user);
    const auto rule = std::ranges::find_if(config.rules, [&](const GrantRuleConfig& each) {
        return names(each.reporters, login.reporter) && names(each.protocols, login.protocol) &&
               (each.users.empty() || fits_any(each.users, user));
    });
    if (rule == config.rules.end()) {
        return terms;
    }
    terms.rule = rule->name;
    terms.opens = rule->opens;
    terms.tls_required = rule->tls_required.value_or(terms.tls_required);
    terms.other_family = rule->other_family.value_or(terms.other_family);
    terms.scope = rule->scope.value_or(terms.scope);
    terms.lifetime = rule->lifetime ? rule->lifetime : terms.lifetime;
    terms.budget = rule->budget;
    terms.addresses_per_user = rule->addresses_per_user.value_or(terms.addresses_per_user);
    return terms;
}

std::string opened_things(const Scope& scope) {
    return scope.edge && scope.relay ? "the port and the relay" : scope.relay ? "the relay" : "the port";
}

Result<GrantRequest> request_of(const Terms& terms, const LoginEvent& login) {
    const std::string what = "a login" + (login.protocol.empty() ? "" : " by " + login.protocol);
    if (!terms.opens) {
        return fail(Failure::refused, what + " opens nothing" + by_rule(terms),
                    "its rule in the configuration says so: see [[grants.rule]] in sekisho.toml(5)");
    }
    if (terms.tls_required && !login.tls) {
        return fail(
            Failure::refused, what + " without TLS opens nothing" + by_rule(terms),
            "let the mail program use TLS; where the reporter can't tell, its rule needs tls = \"any\"");
    }
    return GrantRequest{.address = login.address,
                        .lifetime = terms.lifetime,
                        .budget = terms.budget,
                        .source = login.reporter,
                        .user = login.user,
                        .reason = login.protocol.empty() ? "login" : login.protocol + " login",
                        .from = login.when,
                        .by_login = true,
                        .addresses_per_user = terms.addresses_per_user,
                        .scope = terms.scope};
}

}  // namespace sekisho::grants
