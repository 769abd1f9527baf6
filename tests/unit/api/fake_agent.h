// SPDX-License-Identifier: Apache-2.0
// An agent for the routes, and questions to it.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "agent/api/routes.h"

namespace sekisho::api {

using namespace std::chrono_literals;

inline const WallTime noon = WallTime(1'769'860'800s);  // 2026-01-31T12:00:00Z

inline GrantStatus grant_for(const Prefix& key) {
    return {.key = key,
            .pool = "dsl",
            .source = "mail1",
            .user = "a\"b\n",
            .reason = "pop3 login",
            .since = noon,
            .expires = noon + 600s,
            .left = 599s,
            .budget = 50,
            .connections_left = {},
            .flows = {},
            .session = 7};
}

// Who has 192.0.2.1.
inline SubscriberStatus subscriber_for(std::uint64_t id) {
    return {.id = id,
            .nas = "bng1",
            .session = "5f\xff",
            .user = "a\"b\n",
            .calling_station = "00:11:22:33:44:55",
            .classes = {"residential"},
            .filters = {"dynamic", "fast"},
            .prefixes = {parse_prefix("192.0.2.1").value(), parse_prefix("2001:db8:100:a00::/56").value()},
            .since = noon,
            .last_heard = noon + 90s,
            .interim_interval = 300s,
            .contract = "business"};
}

// " (a) (b)".
inline std::string in_brackets(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& each : names) {
        text += " (" + each + ")";
    }
    return text;
}

// An agent that knows 192.0.2.1, and notes what it is told.
class FakeAgent : public Agent {
public:
    [[nodiscard]] Version version() const override { return {.version = "1.2.3", .abi = 7}; }
    [[nodiscard]] Result<Status> status() const override {
        if (broken) {
            return fail(Failure::unavailable, "the kernel's maps are gone", "restart");
        }
        return Status{.state = "enforcing",
                      .since = noon,
                      .uptime = 90s,
                      .pid = 42,
                      .interfaces = 2,
                      .grants = 3,
                      .exemptions = 4,
                      .cool_downs = 5,
                      .quarantines = 8,
                      .flows = 6,
                      .foreign_prefixes = 9,
                      .overruns = 7,
                      .pools = {{"dsl", "reset", {parse_prefix("192.0.2.0/24").value()}}},
                      .counts = {{"not_granted", "reset", 5, 370}},
                      .logins = {{"mail1", 1, 2, 3}}};
    }
    [[nodiscard]] std::vector<Check> doctor() const override {
        return {{"btf", false, "missing", "a newer kernel"}};
    }
    [[nodiscard]] std::vector<InterfaceStatus> interfaces() const override {
        return {{"sub-1", 3, "subscriber", "veth", "xdp", "the driver has it", 17, "on", true, false, 12,
                 std::chrono::microseconds(340), std::vector<Count>{{"not_granted", "reset", 5, 370}}}};
    }
    [[nodiscard]] GrantListing grants(const GrantQuestion& question) const override {
        asked_for = std::to_string(question.count) + " " + (question.after ? question.after->text() : "-") +
                    " " + (question.within ? question.within->text() : "-") + " " + question.user + "/" +
                    question.source + (question.session == 0 ? "" : " " + std::to_string(question.session));
        return {
            .grants = {grant_for(parse_prefix("192.0.2.1/32").value())},
            .next = question.count == 1 ? std::optional(parse_prefix("192.0.2.1/32").value()) : std::nullopt};
    }
    [[nodiscard]] std::optional<Prefix> key_of(const Address& address) const override {
        const int length = address.family == Family::ipv4 ? 32 : 56;
        return parse_prefix("2001:db8:ffff::/48")->contains(address)
                   ? std::nullopt
                   : std::optional(Prefix{.address = address.masked(length), .length = length});
    }
    [[nodiscard]] Result<GrantStatus> grant(const Address& address) const override {
        if (address != parse_address("192.0.2.1").value()) {
            return fail(Failure::not_found, address.text() + " has no grant");
        }
        GrantStatus found = grant_for({address, 32});
        found.connections_left = 49;
        found.flows = 1;
        return found;
    }
    [[nodiscard]] std::optional<RelayRight> relay_right(const Address& address) const override {
        return address == parse_address("192.0.2.1").value()
                   ? std::optional(RelayRight{.user = "a\"b\n", .until = noon + 600s})
                   : std::nullopt;
    }
    [[nodiscard]] std::vector<CoolDownStatus> cool_downs() const override {
        return {{.key = parse_prefix("192.0.2.9/32").value(),
                 .cause = "revoked",
                 .user = "bob",
                 .since = noon,
                 .until = noon + 900s,
                 .left = 899s}};
    }
    [[nodiscard]] Result<GrantStatus> add_grant(const GrantOrder& order) override {
        calls.push_back("grant " + order.address.text() + " " +
                        (order.lifetime ? std::to_string(order.lifetime->count()) : "-") + " " +
                        (order.budget ? std::to_string(*order.budget) + " " : "") +
                        (order.scope == Scope() ? "" : "for " + to_string(order.scope) + " ") + order.reason);
        last_by = order.by;
        if (order.address.family == Family::ipv6) {
            return fail(Failure::refused, "in no pool", "see config");
        }
        return grant_for({order.address, 32});
    }
    [[nodiscard]] Result<ImportOutcome> import_grants(const ImportOrder& order) override {
        calls.push_back("import " + std::to_string(order.addresses.size()) + " from " +
                        order.addresses.front().text() + " " +
                        (order.lifetime ? std::to_string(order.lifetime->count()) : "-") + " " +
                        (order.budget ? std::to_string(*order.budget) + " " : "") +
                        (order.scope == Scope() ? "" : "for " + to_string(order.scope) + " ") + order.reason);
        last_by = order.by;
        return ImportOutcome{.opened = order.addresses.size() - 1,
                             .kept = 0,
                             .refused = {{order.addresses.back(), "in no pool"}}};
    }
    [[nodiscard]] Result<void> revoke_grant(const RevokeOrder& order) override {
        calls.push_back((order.kill ? "kill " : "revoke ") + order.address.text() +
                        (order.cool_down ? "" : " no cool-down"));
        last_by = order.by;
        return order.address.family == Family::ipv4 ? Result<void>() : fail(Failure::not_found, "none");
    }
    [[nodiscard]] Result<std::vector<BlockedStatus>> blocked(std::size_t count) const override {
        const BlockedStatus one{.key = parse_prefix("192.0.2.66/32").value(),
                                .pool = "dsl",
                                .packets = 1200,
                                .per_second = 2.5,
                                .first = noon,
                                .last = noon + 480s,
                                .destinations = 40,
                                .quarantined = true};
        return std::vector<BlockedStatus>(count < 3 ? count : 3, one);
    }
    [[nodiscard]] std::vector<QuarantineStatus> quarantines() const override {
        return {{parse_prefix("192.0.2.66/32").value(), "ticket 4712", noon}};
    }
    [[nodiscard]] Result<QuarantineStatus> add_quarantine(const QuarantineOrder& order) override {
        calls.push_back("quarantine " + order.address.text() + " " + order.note);
        last_by = order.by;
        return order.address.family == Family::ipv4
                   ? Result<QuarantineStatus>(QuarantineStatus{{order.address, 32}, order.note, noon})
                   : fail(Failure::conflict, "there already");
    }
    [[nodiscard]] Result<void> remove_quarantine(const QuarantineOrder& order) override {
        calls.push_back("release " + order.address.text());
        last_by = order.by;
        return order.address.family == Family::ipv4 ? Result<void>() : fail(Failure::not_found, "none");
    }
    [[nodiscard]] std::vector<LockoutStatus> lockouts() const override {
        return {{.kind = "user",
                 .who = "a\"b\n",
                 .tries = 50,
                 .held = 3,
                 .since = noon,
                 .until = noon + 600s,
                 .left = 599s}};
    }
    [[nodiscard]] Result<void> remove_lockout(const std::string& who, const std::string& by) override {
        last_by = by;
        calls.push_back("unlock " + who);
        return who == "nobody" ? fail(Failure::not_found, "nobody is not locked") : Result<void>();
    }
    [[nodiscard]] std::vector<ExemptionStatus> exemptions() const override {
        return {{parse_prefix("192.0.2.8/29").value(), "contract 7", noon}};
    }
    [[nodiscard]] Result<ExemptionStatus> add_exemption(const ExemptionOrder& order) override {
        calls.push_back("exempt " + order.prefix.text() + " " + order.note);
        last_by = order.by;
        return order.prefix.length == 32
                   ? Result<ExemptionStatus>(ExemptionStatus{order.prefix, order.note, noon})
                   : fail(Failure::conflict, "there already");
    }
    [[nodiscard]] Result<void> remove_exemption(const ExemptionOrder& order) override {
        calls.push_back("unexempt " + order.prefix.text());
        last_by = order.by;
        return {};
    }
    [[nodiscard]] Result<Why> why(const Address& address,
                                  const std::optional<Address>& destination) const override {
        return Why{.address = address,
                   .destination = destination,
                   .verdict = exempt ? "pass" : "reset",
                   .reason = exempt ? "exempt" : "not_granted",
                   .steps = {{"designated", false, "no"}, {"not_granted", true, "everything else"}}};
    }
    [[nodiscard]] Result<LoginOutcome> report_login(const LoginReport& report) override {
        calls.push_back("login " + report.address.text() +
                        (report.port ? ":" + std::to_string(*report.port) : "") + " " + report.user +
                        in_brackets(report.also) + " " + report.protocol + " " +
                        (report.mechanism.empty() ? "" : report.mechanism + " ") +
                        (report.tls ? "tls " : "") + (report.success ? "yes" : "no"));
        if (broken) {
            return fail(Failure::refused, "no such section", "add [login.submission]");
        }
        if (report.user == "locked") {
            return LoginOutcome{
                .granted = false, .key = {}, .expires = {}, .reason = "too many", .locked = true};
        }
        if (report.address.family == Family::ipv6) {
            return LoginOutcome{.granted = false, .key = {}, .expires = {}, .reason = "in no pool"};
        }
        return LoginOutcome{
            .granted = true, .key = {report.address, 32}, .expires = noon + 600s, .reason = {}};
    }
    [[nodiscard]] bool locks_login(const Address& address, const std::string& user,
                                   const std::vector<std::string>& also) override {
        calls.push_back("locked " + address.text() + " " + user + in_brackets(also));
        return user == "locked";
    }
    // There are 7 and 9.
    [[nodiscard]] SubscriberPage subscribers(const SubscriberQuestion& question) const override {
        const auto& [count, from, within, user, nas] = question;
        SubscriberPage page{.subscribers = {}, .in_all = 2, .next = 0};
        for (const std::uint64_t id : {7U, 9U}) {
            if (id >= from && page.subscribers.size() == count) {
                page.next = id;
                break;
            }
            if (id >= from) {
                page.subscribers.push_back(subscriber_for(id));
            }
        }
        asked_for = std::to_string(from) + " " + std::to_string(count) + " " +
                    (within ? within->text() : "-") + " " + user + "/" + nas;
        return page;
    }
    [[nodiscard]] Result<SubscriberStatus> subscriber(std::uint64_t id) const override {
        return id == 7 ? Result<SubscriberStatus>(subscriber_for(id)) : fail(Failure::not_found, "nobody");
    }
    [[nodiscard]] Result<SubscriberStatus> subscriber_of(const Address& address) const override {
        asked_for = address.text();
        return address.family == Family::ipv4 ? Result<SubscriberStatus>(subscriber_for(7))
                                              : fail(Failure::not_found, "nobody");
    }
    [[nodiscard]] Result<SubscriberImport> import_subscribers(const std::vector<ImportedSubscriber>& list,
                                                              const std::string& by) override {
        last_by = by;
        std::string call = "subscribers";
        for (const ImportedSubscriber& one : list) {
            call += list.size() > 3 ? "." : " " + one.id + "/" + one.user;
            for (const Prefix& prefix : one.prefixes) {
                call += list.size() > 3 ? "" : " " + prefix.text();
            }
        }
        imported = list;
        calls.push_back(call.substr(0, 200));
        if (broken) {
            return fail(Failure::unavailable, "the table is full", "import less");
        }
        return SubscriberImport{.began = list.size(), .ended = 1, .kept = 2, .revoked = 3};
    }
    [[nodiscard]] std::vector<ReporterStatus> reporters() const override {
        return {{.name = "mail1",
                 .kind = "dovecot",
                 .where = "192.0.2.1:4001",
                 .granted = 3,
                 .refused = 2,
                 .rejected = 1,
                 .lines = {},
                 .trouble = {}},
                {.name = "mail.log",
                 .kind = "log",
                 .where = "/var/log/mail.log",
                 .granted = 0,
                 .refused = 0,
                 .rejected = 0,
                 .lines = 7,
                 .trouble = "no such file"}};
    }
    [[nodiscard]] Result<EventPage> events(const EventQuestion& question) override {
        asked_for = (question.after ? "after " + std::to_string(*question.after) : "last") + " " +
                    std::to_string(question.count) + " " + (question.within ? question.within->text() : "-") +
                    " " + question.name + "/" + question.user + "/" + question.reporter + " " +
                    (question.since ? std::to_string(question.since->count()) : "-") +
                    (question.session == 0 ? "" : " session " + std::to_string(question.session)) +
                    (question.before ? " before " + std::to_string(*question.before) : "");
        if (broken) {
            return fail(Failure::unavailable, "the disk is full", "make room");
        }
        EventStatus decided{.id = 41,
                            .when = noon,
                            .name = "LOGIN_REFUSED",
                            .text = "no",
                            .key = parse_prefix("192.0.2.1/32").value(),
                            .user = "a\"b\n",
                            .reporter = "mail1",
                            .protocol = "pop3",
                            .rule = "webmail",
                            .session = 7,
                            .by = {},
                            .lasts = {}};
        EventStatus ordered{.id = 43,
                            .when = noon + 1s,
                            .name = "GRANTS_IMPORTED",
                            .text = "2 opened",
                            .key = {},
                            .user = {},
                            .reporter = {},
                            .protocol = {},
                            .rule = {},
                            .session = 0,
                            .by = "uid 0",
                            .lasts = 600s};
        return EventPage{.events = {decided, ordered}, .last = 43};
    }
    [[nodiscard]] boost::asio::awaitable<void> settled() override {
        settles++;
        co_return;
    }
    [[nodiscard]] boost::asio::awaitable<void> wait_for_event(std::uint64_t after,
                                                              std::chrono::seconds time) override {
        waited_for = std::to_string(after) + " " + std::to_string(time.count());
        co_return;
    }
    [[nodiscard]] std::string metrics() const override { return "sekisho_grants 3\n"; }

    bool broken = false;
    bool exempt = false;
    std::vector<std::string> calls;
    std::vector<ImportedSubscriber> imported;
    mutable std::string asked_for;
    std::string last_by;  // who ordered
    int settles = 0;
    std::string waited_for;  // of wait_for_event
};

class Routes : public ::testing::Test {
protected:
    Response ask(const std::string& method, const std::string& target, const std::string& body = {},
                 Role role = Role::operator_) {
        Request request;
        request.method = method;
        const auto question = target.find('?');
        request.path = target.substr(0, question);
        request.query = question == std::string::npos ? "" : target.substr(question + 1);
        request.body = body;
        request.peer.user = user_;
        return answer(agent_, request, role);
    }
    static boost::json::value parsed(const Response& response) { return boost::json::parse(response.body); }
    // "KIND" of an answer that must be an error with words in it.
    static std::string error_kind(const Response& response) {
        const boost::json::value body = parsed(response);
        EXPECT_FALSE(body.at("error").at("what").as_string().empty());
        EXPECT_TRUE(body.at("error").at("remedy").is_string());
        return std::string(body.at("error").at("kind").as_string());
    }
    FakeAgent agent_;
    uid_t user_ = 1000;
};

}  // namespace sekisho::api
