// SPDX-License-Identifier: Apache-2.0
// The table of rules.
#include "smtpd/policy/relay.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/pattern.h"
#include "smtpd/message/domain.h"
#include "smtpd/policy/access.h"
#include "smtpd/policy/connection.h"

namespace sekisho::policy {

namespace {

struct Word {
    Opinion opinion = Opinion::none;
    std::string detail;
};

std::string words_of(const SubmissionAccessConfig& entry, const RelayFacts& facts) {
    std::string words = "an entry of submission.access";
    if (!entry.clients.empty()) {
        words += " for " + std::ranges::find_if(entry.clients, [&facts](const Prefix& each) {
                               return each.contains(facts.client);
                           })->text();
    }
    if (!entry.names.empty()) {
        words += " for hosts called " + facts.name.value_or("");
    }
    return words + (entry.senders.empty() ? "" : " and this sender");
}

Access access_of(const RelayFacts& facts) {
    return judge_access(facts.submission.access,
                        {.client = facts.client, .name = facts.name.value_or(""), .sender = facts.sender});
}

Word by_access(const RelayFacts& facts) {
    const Access access = access_of(facts);
    if (access.entry == nullptr) {
        return {Opinion::none, facts.submission.access.empty() ? "there is no list of submission.access"
                                                               : "no entry of submission.access fits"};
    }
    const std::string entry = words_of(*access.entry, facts);
    switch (access.kind) {
        case Access::Kind::denied:
            return {Opinion::refuse, entry + " denies it"};
        case Access::Kind::login:
            return facts.user.empty() ? Word{Opinion::refuse, entry + " denies it until it has logged in"}
                                      : Word{Opinion::none, entry + " would deny it without a login"};
        case Access::Kind::delayed:
            return {Opinion::none,
                    entry + " delays it by " + std::to_string(access.entry->delay.count()) + " s"};
        case Access::Kind::open:
        case Access::Kind::undecided:
            break;
    }
    return {Opinion::none, entry + " allows it"};
}

std::string sender_of(const RelayFacts& facts) {
    return facts.sender.empty() ? "<>" : facts.sender;
}

// Whoever it is known as; nobody in particular may.
bool may_send_as(const RelayFacts& facts) {
    const std::string user = user_of(facts);
    return user.empty() || facts.rights == nullptr || facts.rights->may(user, facts.sender);
}

Word by_sender(const RelayFacts& facts) {
    if (facts.user.empty()) {
        return {Opinion::none, "nobody has logged in, who could be held to addresses"};
    }
    if (facts.rights == nullptr) {
        return {Opinion::none, "users may send as anybody"};
    }
    return may_send_as(facts) ? Word{Opinion::none, facts.user + " may send as " + sender_of(facts)}
                              : Word{Opinion::refuse, facts.user + " may not send as " + sender_of(facts)};
}

// Whether the user may send to others than local domains.
bool may_relay(const SubmissionConfig& submission, std::string_view user) {
    const std::string name = lowered(user);
    const auto found = std::ranges::find_if(
        submission.accounts, [&name](const AccountConfig& each) { return fits_any(each.users, name); });
    return found == submission.accounts.end() || found->relay;
}

// Whether what a user without the right to relay sends could have a recipient, or has this one.
bool goes_to_local(const RelayFacts& facts) {
    return facts.recipient ? facts.relay.local_for(message::domain_of(*facts.recipient)) != nullptr
                           : !facts.relay.local.empty();
}

// What lets a user's mail in, unless their account or the relay wants none of it.
Word unless_stopped(const RelayFacts& facts, std::string detail) {
    const std::string user = user_of(facts);
    if (!user.empty() && !may_relay(facts.submission, user)) {
        if (!goes_to_local(facts)) {
            return {Opinion::refuse, detail + ", but may send to local domains only: submission.account"};
        }
        // Notices go to the sender: they would be a way out.
        if (!facts.sender.empty() && facts.relay.local_for(message::domain_of(facts.sender)) == nullptr) {
            return {Opinion::refuse, detail + ", but may send as local addresses only: submission.account"};
        }
    }
    if (user.empty() || facts.standing == "") {
        return {Opinion::accept, std::move(detail)};
    }
    if (facts.standing && facts.standing->starts_with("451")) {
        return {Opinion::refuse, "the relay doesn't say whether " + user + " may send now"};
    }
    return facts.standing
               ? Word{Opinion::refuse, detail + ", but may send nothing now: see `sekisho user usage`"}
               : Word{Opinion::ask_relay, "the relay must be asked whether " + user + " may send now"};
}

Word by_login(const RelayFacts& facts) {
    return facts.user.empty() ? Word{Opinion::none, "nobody has logged in on this connection"}
                              : unless_stopped(facts, facts.user + " has logged in");
}

Word by_network(const RelayFacts& facts) {
    if (const Prefix* const network = network_of_trust(facts.listener, facts.client)) {
        return {Opinion::accept, facts.client.text() + " lies in " + network->text() + ", which may relay"};
    }
    if (is_interface_of_trust(facts.listener, facts.interface)) {
        return {Opinion::accept, "its connection came in by " + facts.interface + ", which may relay"};
    }
    if (facts.listener.relay.empty() && facts.listener.relay_interfaces.empty()) {
        return {Opinion::none, "the listener has no networks that may relay"};
    }
    std::string detail = facts.client.text() + " lies in no network that may relay";
    if (!facts.listener.relay_interfaces.empty()) {
        detail += facts.interface.empty() ? ", and by which interface it comes isn't known"
                                          : ", and " + facts.interface + " is no interface that may";
    }
    return {Opinion::none, std::move(detail)};
}

Word by_grant(const RelayFacts& facts) {
    if (!facts.listener.relay_grants) {
        return {Opinion::none, "grants don't count at this listener"};
    }
    if (!facts.grant) {
        return {Opinion::ask_agent, "the agent must be asked"};
    }
    switch (facts.grant->kind) {
        case GrantAnswer::Kind::granted:
            if (!may_send_as(facts)) {
                return {Opinion::refuse, facts.client.text() + " holds a grant for the relay of " +
                                             facts.grant->user + ", who may not send as " + sender_of(facts)};
            }
            return unless_stopped(facts, facts.client.text() + " holds a grant for the relay" +
                                             (facts.grant->user.empty() ? "" : " of " + facts.grant->user));
        case GrantAnswer::Kind::unknown:
            return {facts.listener.local ? Opinion::none : Opinion::refuse,
                    "the agent doesn't say: " + facts.grant->trouble};
        case GrantAnswer::Kind::none:
            break;
    }
    return {Opinion::none, facts.client.text() + " holds no grant for the relay"};
}

Word by_local_domain(const RelayFacts& facts) {
    if (!facts.listener.local) {
        return {Opinion::none, "the listener takes no mail from everybody"};
    }
    if (!facts.recipient) {
        return {Opinion::accept,
                "mail for local domains is taken from everybody; each recipient is looked at"};
    }
    const std::string domain = message::domain_of(*facts.recipient);
    return facts.relay.local_for(domain) != nullptr ? Word{Opinion::accept, domain + " is a local domain"}
                                                    : Word{Opinion::none, domain + " is no local domain"};
}

Word by_nothing(const RelayFacts& /*facts*/) {
    return {Opinion::refuse, "nothing lets it relay"};
}

struct Rule {
    std::string_view name;
    Word (*look)(const RelayFacts& facts);
};

constexpr std::array<Rule, 7> rules = {{
    {"access", by_access},
    {"sender", by_sender},
    {"login", by_login},
    {"network", by_network},
    {"grant", by_grant},
    {"local", by_local_domain},
    {"nobody", by_nothing},
}};

std::string where_to_log_in(const SubmissionConfig& submission) {
    const auto& all = submission.listeners;
    const auto found = std::ranges::find_if(
        all, [](const ListenerConfig& each) { return each.tls != TlsMode::none && !each.local; });
    return found == all.end() ? std::string()
                              : " at " + submission.hostname + ", port " + std::to_string(found->port);
}

// RFC 4954, 6, and RFC 3207, 4: what the client could do about it; RFC 6409, 6.1: a sender that isn't its
// own.
std::string refusal(const RelayFacts& facts, std::string_view rule) {
    if (rule == "access" && access_of(facts).kind == Access::Kind::denied) {
        return "554 5.7.1 Access denied";
    }
    if (facts.standing && !facts.standing->empty() && (rule == "login" || rule == "grant")) {
        return *facts.standing;
    }
    const bool granted = facts.grant && facts.grant->kind == GrantAnswer::Kind::granted;
    const bool of_grant = rule == "grant" && granted;
    if (rule == "login" || (of_grant && may_send_as(facts))) {
        return "550 5.7.1 Your account may not send mail to other domains";
    }
    if (rule == "sender" || of_grant) {
        return "553 5.7.1 This sender address isn't one of yours";
    }
    if (facts.grant && facts.grant->kind == GrantAnswer::Kind::unknown) {
        return "451 4.3.0 Log in, or try again later: who has fetched mail isn't known now";
    }
    if (facts.recipient && facts.listener.local) {
        return "550 5.7.1 Mail for other domains is taken from users only: log in" +
               where_to_log_in(facts.submission);
    }
    if (!facts.tls && facts.listener.tls == TlsMode::starttls) {
        return "530 5.7.0 Must issue a STARTTLS command first";
    }
    return "530 5.7.0 Authentication required";
}

}  // namespace

std::string_view to_string(Opinion opinion) {
    switch (opinion) {
        case Opinion::none:
            return "none";
        case Opinion::accept:
            return "accept";
        case Opinion::refuse:
            return "refuse";
        case Opinion::ask_agent:
            return "ask_agent";
        case Opinion::ask_relay:
            return "ask_relay";
    }
    std::unreachable();
}

std::string user_of(const RelayFacts& facts) {
    const bool granted = facts.grant && facts.grant->kind == GrantAnswer::Kind::granted;
    return facts.user.empty() && granted ? facts.grant->user : facts.user;
}

std::vector<Finding> explain_relay(const RelayFacts& facts) {
    std::vector<Finding> findings;
    for (const Rule& rule : rules) {
        Word word = rule.look(facts);
        findings.push_back({.rule = rule.name, .opinion = word.opinion, .detail = std::move(word.detail)});
        if (word.opinion != Opinion::none) {
            break;
        }
    }
    return findings;
}

Ruling judge_relay(const RelayFacts& facts) {
    const Finding last = explain_relay(facts).back();
    return {.opinion = last.opinion,
            .rule = last.rule,
            .reply = last.opinion == Opinion::refuse ? refusal(facts, last.rule) : std::string()};
}

std::string direction_of(const RelayConfig& relay, std::string_view sender, std::string_view recipient) {
    const auto side = [&relay](std::string_view mailbox) {
        return relay.local_for(message::domain_of(mailbox)) != nullptr ? "local" : "Internet";
    };
    return std::string(side(sender)) + " to " + side(recipient);
}

}  // namespace sekisho::policy
