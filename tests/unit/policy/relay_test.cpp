// SPDX-License-Identifier: Apache-2.0
// Who may relay, under each way of being known.
#include "smtpd/policy/relay.h"

#include <gmock/gmock.h>

namespace sekisho::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class RelayTest : public testing::Test {
protected:
    RelayTest() { listener_.relay = {parse_prefix("192.0.2.0/25").value(), parse_prefix("::/0").value()}; }

    [[nodiscard]] RelayFacts facts(std::string_view client) const {
        return {.submission = submission_,
                .listener = listener_,
                .relay = relay_,
                .client = parse_address(client).value(),
                .sender = "anna@example.net",
                .recipient = std::nullopt,
                .tls = true,
                .user = {},
                .rights = nullptr,
                .grant = std::nullopt,
                .standing = ""};
    }
    static GrantAnswer answer(GrantAnswer::Kind kind) {
        return {.kind = kind, .user = "alice", .trouble = "nobody listens"};
    }
    static std::vector<std::string> rules(const std::vector<Finding>& findings) {
        std::vector<std::string> all;
        for (const Finding& each : findings) {
            all.push_back(std::string(each.rule) + " " + std::string(to_string(each.opinion)));
        }
        return all;
    }

    SubmissionConfig submission_;
    ListenerConfig listener_;
    RelayConfig relay_;
};

TEST_F(RelayTest, WhoHasLoggedInMay) {
    RelayFacts known = facts("198.51.100.1");
    known.user = "alice";
    EXPECT_THAT(rules(explain_relay(known)), ElementsAre("access none", "sender none", "login accept"));
    EXPECT_EQ(explain_relay(known).back().detail, "alice has logged in");
    EXPECT_EQ(judge_relay(known).reply, "");
}

TEST_F(RelayTest, WhoIsStoppedMayNotHoweverKnown) {
    constexpr const char* reply = "450 4.7.1 Sending has been stopped";
    listener_.relay.clear();
    listener_.relay_grants = true;
    RelayFacts user = facts("198.51.100.1");
    user.user = "bob";
    RelayFacts holder = facts("198.51.100.1");
    holder.grant = answer(GrantAnswer::Kind::granted);
    for (RelayFacts* each : {&user, &holder}) {
        each->standing = std::nullopt;
        EXPECT_EQ(judge_relay(*each).opinion, Opinion::ask_relay);
        each->standing = reply;
        EXPECT_EQ(judge_relay(*each).opinion, Opinion::refuse);
        EXPECT_EQ(judge_relay(*each).reply, reply);
        EXPECT_THAT(explain_relay(*each).back().detail, HasSubstr("may send nothing now"));
        each->standing = "";
        EXPECT_EQ(judge_relay(*each).opinion, Opinion::accept);
    }
    user.standing = "451 4.3.0 Mail can't be taken now";
    EXPECT_EQ(judge_relay(user).reply, user.standing);
    EXPECT_THAT(explain_relay(user).back().detail, HasSubstr("the relay doesn't say"));
    EXPECT_EQ(user_of(user), "bob");
    EXPECT_EQ(user_of(holder), "alice");
    holder.grant->user.clear();
    holder.standing = std::nullopt;
    EXPECT_EQ(judge_relay(holder).opinion, Opinion::accept) << "it is nobody's";
}

TEST_F(RelayTest, WhoHasFetchedMailSendsAsThemselvesToo) {
    const auto rights = SenderRights::parse("alice: anna@example.net").value();
    listener_.relay.clear();
    listener_.relay_grants = true;
    RelayFacts holder = facts("198.51.100.1");
    holder.rights = &rights;
    holder.grant = answer(GrantAnswer::Kind::granted);
    EXPECT_EQ(judge_relay(holder).opinion, Opinion::accept);
    holder.sender = "bob@example.net";
    EXPECT_EQ(judge_relay(holder).reply, "553 5.7.1 This sender address isn't one of yours");
    EXPECT_THAT(explain_relay(holder).back().detail, HasSubstr("of alice, who may not send as bob@example"));
    holder.grant->user.clear();
    EXPECT_EQ(judge_relay(holder).opinion, Opinion::accept) << "it is nobody's";
}

TEST_F(RelayTest, AnAccountWithoutTheRightToRelaySendsToLocalDomainsOnly) {
    submission_.accounts = {{.users = {"*@free.example.net"}, .relay = false}};
    RelayFacts user = facts("198.51.100.1");
    user.user = "Bob@Free.example.net";
    user.standing = std::nullopt;
    EXPECT_EQ(judge_relay(user).opinion, Opinion::refuse) << "there is nobody to send to";
    EXPECT_EQ(judge_relay(user).reply, "550 5.7.1 Your account may not send mail to other domains");
    relay_.local = {{.domains = {"example.net"}, .path = "/run/lmtp", .host = {}}};
    EXPECT_EQ(judge_relay(user).opinion, Opinion::ask_relay);
    user.standing = "";
    EXPECT_EQ(judge_relay(user).opinion, Opinion::accept);
    user.sender = "victim@example.com";
    EXPECT_EQ(judge_relay(user).opinion, Opinion::refuse) << "notices would go there";
    user.sender.clear();
    EXPECT_EQ(judge_relay(user).opinion, Opinion::accept);
    user.sender = "anna@example.net";
    user.recipient = "anna@example.net";
    EXPECT_EQ(judge_relay(user).opinion, Opinion::accept);
    user.recipient = "anna@example.com";
    EXPECT_EQ(judge_relay(user).rule, "login");
    EXPECT_EQ(judge_relay(user).reply, "550 5.7.1 Your account may not send mail to other domains");
    EXPECT_THAT(explain_relay(user).back().detail, HasSubstr("submission.account"));
    RelayFacts holder = facts("198.51.100.1");
    listener_.relay.clear();
    listener_.relay_grants = true;
    holder.grant = answer(GrantAnswer::Kind::granted);
    holder.recipient = "anna@example.com";
    EXPECT_EQ(judge_relay(holder).opinion, Opinion::accept) << "alice may";
    holder.grant->user = "bob@free.example.net";
    EXPECT_EQ(judge_relay(holder).opinion, Opinion::refuse) << "a grant is no way round";
    EXPECT_EQ(judge_relay(holder).rule, "grant");
    user.user = "carol";
    EXPECT_EQ(judge_relay(user).opinion, Opinion::accept);
}

TEST_F(RelayTest, WhoComesFromANetworkOfTrustMay) {
    EXPECT_THAT(rules(explain_relay(facts("192.0.2.127"))),
                ElementsAre("access none", "sender none", "login none", "network accept"));
    EXPECT_EQ(judge_relay(facts("2001:db8::1")).rule, "network");
    EXPECT_EQ(judge_relay(facts("::ffff:192.0.2.1")).opinion, Opinion::accept);
    EXPECT_EQ(judge_relay(facts("192.0.2.128")).opinion, Opinion::refuse) << "::/0 is of the other family";
}

TEST_F(RelayTest, WhoComesByAnInterfaceOfTrustMay) {
    listener_.relay_interfaces = {"lan*"};
    RelayFacts known = facts("198.51.100.1");
    EXPECT_EQ(judge_relay(known).opinion, Opinion::refuse);
    known.interface = "lan0";
    EXPECT_EQ(judge_relay(known).rule, "network");
    EXPECT_EQ(judge_relay(known).opinion, Opinion::accept);
    EXPECT_THAT(explain_relay(known).back().detail, HasSubstr("by lan0"));
    known.interface = "wan0";
    EXPECT_EQ(judge_relay(known).opinion, Opinion::refuse);
    EXPECT_THAT(explain_relay(known)[3].detail, HasSubstr("wan0 is no interface that may"));
}

TEST_F(RelayTest, NobodyElseMay) {
    const RelayFacts stranger = facts("198.51.100.1");
    EXPECT_THAT(rules(explain_relay(stranger)),
                ElementsAre("access none", "sender none", "login none", "network none", "grant none",
                            "local none", "nobody refuse"));
    EXPECT_EQ(judge_relay(stranger).reply, "530 5.7.0 Authentication required");
    RelayFacts in_clear = stranger;
    in_clear.tls = false;
    EXPECT_EQ(judge_relay(in_clear).reply, "530 5.7.0 Must issue a STARTTLS command first");
    listener_.tls = TlsMode::none;
    EXPECT_EQ(judge_relay(in_clear).reply, "530 5.7.0 Authentication required") << "it has no TLS";
}

TEST_F(RelayTest, WhoIsDeniedMayNotWhateverElseSpeaksForHim) {
    submission_.access = {{.clients = {parse_prefix("192.0.2.0/28").value()}, .names = {}, .senders = {}}};
    RelayFacts denied = facts("192.0.2.1");
    denied.user = "alice";
    EXPECT_THAT(rules(explain_relay(denied)), ElementsAre("access refuse"));
    EXPECT_EQ(explain_relay(denied)[0].detail, "an entry of submission.access for 192.0.2.0/28 denies it");
    EXPECT_EQ(judge_relay(denied).reply, "554 5.7.1 Access denied");
    EXPECT_EQ(judge_relay(facts("192.0.2.16")).rule, "network");
}

TEST_F(RelayTest, AHostIsKnownByItsName) {
    submission_.access = {
        {.action = SubmissionAction::deny, .clients = {}, .names = {"*.dyn.example"}, .senders = {}}};
    RelayFacts named = facts("192.0.2.1");
    EXPECT_EQ(judge_relay(named).rule, "network") << "it has none";
    named.name = "host.dyn.example";
    EXPECT_EQ(judge_relay(named).reply, "554 5.7.1 Access denied");
    EXPECT_THAT(explain_relay(named)[0].detail, HasSubstr("hosts called host.dyn.example"));
}

TEST_F(RelayTest, UsersSendAsWhatTheyWereGiven) {
    const auto rights = SenderRights::parse("alice: anna@example.net").value();
    RelayFacts known = facts("192.0.2.1");
    known.rights = &rights;
    EXPECT_EQ(judge_relay(known).rule, "network") << "nobody is held to anything without a login";
    known.user = "alice";
    EXPECT_EQ(judge_relay(known).rule, "login");
    known.sender = "bob@example.net";
    EXPECT_THAT(rules(explain_relay(known)), ElementsAre("access none", "sender refuse"));
    EXPECT_EQ(explain_relay(known).back().detail, "alice may not send as bob@example.net");
    EXPECT_THAT(judge_relay(known).reply, StartsWith("553 5.7.1 "));
    known.rights = nullptr;
    EXPECT_EQ(judge_relay(known).rule, "login");
}

TEST_F(RelayTest, ADenialMayBeLiftedByALogin) {
    submission_.access = {{.clients = {}, .senders = {"*@example.net"}, .unless_login = true}};
    RelayFacts known = facts("192.0.2.1");
    EXPECT_THAT(rules(explain_relay(known)), ElementsAre("access refuse")) << "the network doesn't lift it";
    EXPECT_EQ(judge_relay(known).reply, "530 5.7.0 Authentication required");
    known.user = "alice";
    EXPECT_EQ(judge_relay(known).rule, "login");
    known.user.clear();
    known.sender = "anna@example.org";
    EXPECT_EQ(judge_relay(known).rule, "network");
}

TEST_F(RelayTest, WhoIsAllowedOrDelayedStillNeedsMore) {
    for (const SubmissionAction action : {SubmissionAction::allow, SubmissionAction::delay}) {
        submission_.access = {{.action = action, .clients = {}, .senders = {}},
                              {.clients = {}, .senders = {}}};
        EXPECT_EQ(judge_relay(facts("198.51.100.1")).rule, "nobody") << to_string(action);
        EXPECT_EQ(judge_relay(facts("192.0.2.1")).rule, "network") << to_string(action);
    }
}

TEST_F(RelayTest, TheAgentIsAskedOnlyIfItMatters) {
    const RelayFacts stranger = facts("198.51.100.1");
    EXPECT_NE(judge_relay(stranger).opinion, Opinion::ask_agent);
    listener_.relay_grants = true;
    EXPECT_EQ(judge_relay(stranger).opinion, Opinion::ask_agent);
    EXPECT_EQ(judge_relay(facts("192.0.2.1")).opinion, Opinion::accept);
    RelayFacts known = stranger;
    known.user = "bob";
    EXPECT_EQ(judge_relay(known).opinion, Opinion::accept);
}

TEST_F(RelayTest, AGrantCountsWhereTheListenerSaysSo) {
    RelayFacts granted = facts("198.51.100.1");
    granted.grant = answer(GrantAnswer::Kind::granted);
    EXPECT_EQ(judge_relay(granted).opinion, Opinion::refuse);
    listener_.relay_grants = true;
    EXPECT_EQ(judge_relay(granted).rule, "grant");
    EXPECT_EQ(judge_relay(granted).opinion, Opinion::accept);
    EXPECT_THAT(explain_relay(granted).back().detail, HasSubstr("of alice"));
    granted.tls = false;
    EXPECT_EQ(judge_relay(granted).opinion, Opinion::accept) << "as from a network of trust";
    granted.grant = answer(GrantAnswer::Kind::none);
    EXPECT_EQ(judge_relay(granted).opinion, Opinion::refuse);
    EXPECT_THAT(judge_relay(granted).reply, StartsWith("530 5.7.0 "));
}

TEST_F(RelayTest, WhereTheAgentDoesNotSayTheClientComesAgain) {
    listener_.relay_grants = true;
    RelayFacts unknown = facts("198.51.100.1");
    unknown.grant = answer(GrantAnswer::Kind::unknown);
    EXPECT_EQ(judge_relay(unknown).opinion, Opinion::refuse);
    EXPECT_THAT(judge_relay(unknown).reply, StartsWith("451 4.3.0 "));
    EXPECT_THAT(explain_relay(unknown).back().detail, HasSubstr("nobody listens"));
}

class LocalDomainsTest : public RelayTest {
protected:
    LocalDomainsTest() {
        listener_.local = true;
        relay_.local = {{.domains = {"example.net", "example.org"}, .path = "/run/lmtp", .host = {}}};
        submission_.hostname = "mail.example.net";
    }
    // What becomes of RCPT.
    [[nodiscard]] Ruling to(std::string_view recipient, std::string_view client = "198.51.100.1") const {
        RelayFacts known = facts(client);
        known.recipient = recipient;
        return judge_relay(known);
    }
};

TEST_F(LocalDomainsTest, EverybodyMaySendToThem) {
    EXPECT_EQ(judge_relay(facts("198.51.100.1")).rule, "local");
    EXPECT_EQ(judge_relay(facts("198.51.100.1")).opinion, Opinion::accept);
    EXPECT_EQ(to("bob@Example.ORG").rule, "local");
    EXPECT_EQ(to("bob@Example.ORG").opinion, Opinion::accept);
    listener_.local = false;
    EXPECT_EQ(judge_relay(facts("198.51.100.1")).opinion, Opinion::refuse);
    EXPECT_EQ(to("bob@example.org").opinion, Opinion::refuse);
}

TEST_F(LocalDomainsTest, NotToOthersAndIsToldHow) {
    for (const char* recipient : {"bob@example.com", "bob@sub.example.net", "bob@example.net.example.com",
                                  "\"bob@example.net\"@example.com", "bob@[192.0.2.1]", "bob"}) {
        EXPECT_EQ(to(recipient).rule, "nobody") << recipient;
        EXPECT_EQ(to(recipient).reply, "550 5.7.1 Mail for other domains is taken from users only: log in");
        EXPECT_EQ(to(recipient, "192.0.2.1").rule, "network") << recipient;
    }
    submission_.listeners.resize(3);
    submission_.listeners[0].local = true;
    submission_.listeners[1].tls = TlsMode::none;
    submission_.listeners[2].port = 465;
    EXPECT_THAT(to("bob@example.com").reply, testing::EndsWith("log in at mail.example.net, port 465"));
}

TEST_F(LocalDomainsTest, WithoutTheAgentTheyStillGetTheirMail) {
    listener_.relay_grants = true;
    RelayFacts unknown = facts("198.51.100.1");
    EXPECT_EQ(judge_relay(unknown).opinion, Opinion::ask_agent);
    unknown.grant = answer(GrantAnswer::Kind::unknown);
    EXPECT_EQ(judge_relay(unknown).rule, "local");
    unknown.recipient = "bob@example.net";
    EXPECT_EQ(judge_relay(unknown).opinion, Opinion::accept);
    unknown.recipient = "bob@example.com";
    EXPECT_THAT(judge_relay(unknown).reply, StartsWith("451 4.3.0 "));
}

TEST_F(LocalDomainsTest, WhoIsDeniedMayNot) {
    submission_.access = {{.clients = {parse_prefix("198.51.100.0/28").value()}, .senders = {}}};
    EXPECT_EQ(to("bob@example.net").rule, "access");
    EXPECT_EQ(to("bob@example.net").opinion, Opinion::refuse);
}

TEST_F(LocalDomainsTest, Directions) {
    EXPECT_EQ(direction_of(relay_, "a@example.net", "b@example.org"), "local to local");
    EXPECT_EQ(direction_of(relay_, "a@example.com", "b@EXAMPLE.org"), "Internet to local");
    EXPECT_EQ(direction_of(relay_, "a@example.net", "b@example.com"), "local to Internet");
    EXPECT_EQ(direction_of(relay_, "", "b@example.com"), "Internet to Internet");
}

}  // namespace
}  // namespace sekisho::policy
