// SPDX-License-Identifier: Apache-2.0
// What follows for grants and contracts when addresses pass on.
#include "agent/subscribers/consequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Config pools() {
    Config config;
    config.pools = {{.name = "dsl", .prefixes = {prefix("192.0.2.0/24"), prefix("2001:db8:100::/40")}},
                    {.name = "cgn", .prefixes = {prefix("198.51.100.128/25")}, .shared = true}};
    return config;
}

Report labelled(Report report, std::vector<std::string> classes, std::vector<std::string> filters = {},
                std::string user = {}) {
    report.request.classes = std::move(classes);
    report.request.filters = std::move(filters);
    report.request.user = std::move(user);
    return report;
}

class ConsequencesTest : public testing::Test {
protected:
    void open(std::string_view of, std::chrono::seconds when) {
        const grants::GrantRequest request{.address = address(of),
                                           .lifetime = 24h,
                                           .budget = {},
                                           .source = "mail1",
                                           .user = "alice",
                                           .reason = "pop3 login"};
        grants::Actions actions;
        ASSERT_TRUE(grants_.open(request, at(when), actions));
    }

    // Comes the moment it was made, or later.
    Consequences apply(const Report& report, std::chrono::seconds by = {}) {
        now_ = std::max(now_, report.request.event_time.value_or(midnight) - midnight + by);
        const Changes changes = sessions_.apply(report, at(now_));
        return follow(changes, sessions_, contracts_, grants_, at(now_));
    }

    // The keys whose connections end with the packet, if these have some and no grant any more.
    std::vector<Prefix> former(const Report& report, const std::vector<Prefix>& resting,
                               std::chrono::seconds by = {}) {
        now_ = std::max(now_, report.request.event_time.value_or(midnight) - midnight + by);
        const Changes changes = sessions_.apply(report, at(now_));
        const auto within = [&resting](const Prefix& prefix) {
            std::vector<Prefix> keys;
            std::ranges::copy_if(resting, std::back_inserter(keys),
                                 [&prefix](const Prefix& key) { return key.overlaps(prefix); });
            return keys;
        };
        return keys_of_former_holders(changes, sessions_, within, at(now_));
    }

    [[nodiscard]] bool granted(std::string_view of) const {
        return grants_.find(address(of), at(now_)).has_value();
    }
    [[nodiscard]] bool has_contract(std::string_view of) const { return grants_.has_contract(address(of)); }

    Config config_ = pools();
    grants::Grants grants_{config_};
    Sessions sessions_{100};
    Contracts contracts_{{{.name = "business", .classes = {"static-*"}, .filters = {"open25"}, .users = {}},
                          {.name = "list", .classes = {}, .filters = {}, .users = {"bob"}}}};
    std::chrono::seconds now_{};
};

TEST_F(ConsequencesTest, AStopEndsTheGrantAndItsConnections) {
    apply(start("a", 100s, {"192.0.2.7"}));
    open("192.0.2.7", 110s);
    open("192.0.2.8", 110s);
    const Consequences stopped = apply(stop("a", 200s));
    ASSERT_EQ(stopped.ended.size(), 1U);
    EXPECT_NE(stopped.ended[0].session, 0U);
    EXPECT_EQ(stopped.ended[0].why, "the session that had the address has ended");
    ASSERT_EQ(stopped.actions.size(), 2U);
    EXPECT_EQ(std::get<grants::RemoveEntry>(stopped.actions[0]).key, prefix("192.0.2.7"));
    EXPECT_FALSE(granted("192.0.2.7"));
    EXPECT_TRUE(granted("192.0.2.8"));
}

TEST_F(ConsequencesTest, ANewHolderInheritsNothing) {
    apply(start("a", 100s, {"192.0.2.7"}));
    open("192.0.2.7", 110s);
    EXPECT_EQ(apply(start("b", 200s, {"192.0.2.7"})).ended.size(), 1U);
}

TEST_F(ConsequencesTest, ALoginMayOvertakeTheStart) {
    apply(start("a", 100s, {"192.0.2.7"}));
    open("192.0.2.7", 205s);
    EXPECT_EQ(apply(start("b", 200s, {"192.0.2.7"}), 10s).ended.size(), 0U);
    EXPECT_TRUE(granted("192.0.2.7"));
    EXPECT_EQ(apply(stop("a", 199s), 20s).ended.size(), 0U) << "late, and of the one before";
    EXPECT_TRUE(granted("192.0.2.7"));
    EXPECT_EQ(apply(start("b", 200s, {"192.0.2.7"}), 30s).ended.size(), 0U) << "once more";
    EXPECT_EQ(apply(stop("b", 300s)).ended.size(), 1U);
}

TEST_F(ConsequencesTest, ALoginThatIsToldLateIsNotTheNewHolders) {
    apply(start("a", 100s, {"192.0.2.7"}));
    apply(start("b", 200s, {"192.0.2.7"}));
    const auto of_another = [this](std::chrono::seconds when, std::chrono::seconds now) {
        return was_of_another(sessions_, address("192.0.2.7"), at(when).wall, at(now));
    };
    EXPECT_TRUE(of_another(197s, 260s));
    EXPECT_FALSE(of_another(198s, 260s)) << "stamps are whole seconds, of two clocks";
    EXPECT_FALSE(of_another(250s, 260s));
    EXPECT_FALSE(was_of_another(sessions_, address("192.0.2.7"), at(197s).wall + 1ms, at(198s)))
        << "that was a moment ago: one of the clocks is wrong";
    EXPECT_FALSE(was_of_another(sessions_, address("192.0.2.8"), at(0s).wall, at(260s))) << "nobody's";
}

TEST_F(ConsequencesTest, NorIsOneThatWasToldBeforeTheStart) {
    grants::GrantRequest late{.address = address("192.0.2.7"),
                              .lifetime = 24h,
                              .budget = {},
                              .source = "mail.log",
                              .user = "alice",
                              .reason = "pop3 login",
                              .from = at(100s).wall};
    grants::Actions actions;
    ASSERT_TRUE(grants_.open(late, at(205s), actions));
    late.address = address("192.0.2.8");
    late.from = at(201s).wall;
    ASSERT_TRUE(grants_.open(late, at(205s), actions));
    const Consequences first = apply(start("b", 200s, {"192.0.2.7"}), 10s);
    ASSERT_EQ(first.ended.size(), 1U);
    EXPECT_EQ(first.ended[0].grant.user, "alice");
    EXPECT_EQ(first.ended[0].why, "another session has the address");
    EXPECT_EQ(apply(start("c", 200s, {"192.0.2.8"}), 10s).ended.size(), 0U) << "his own";
}

TEST_F(ConsequencesTest, TheStopOfASessionThatIsNotKnownEndsWhatWasOpenedBefore) {
    open("192.0.2.7", 110s);
    open("192.0.2.8", 200s);
    open("192.0.2.9", 110s);
    apply(start("b", 105s, {"192.0.2.9"}));
    Report unknown = stop("a", 200s);
    unknown.request.prefixes = {prefix("192.0.2.7"), prefix("192.0.2.8"), prefix("192.0.2.9")};
    const Consequences stopped = apply(unknown);
    ASSERT_EQ(stopped.ended.size(), 2U);
    EXPECT_EQ(stopped.ended[0].session, 0U);
    EXPECT_THAT(stopped.ended[0].why, testing::HasSubstr("not known"));
    EXPECT_FALSE(granted("192.0.2.7"));
    EXPECT_FALSE(granted("192.0.2.8")) << "of the same second";
    EXPECT_TRUE(granted("192.0.2.9")) << "another's";
    open("192.0.2.7", 300s);
    EXPECT_EQ(apply(unknown, 150s).ended.size(), 0U) << "once more, and late";
    EXPECT_TRUE(granted("192.0.2.7"));
}

TEST_F(ConsequencesTest, ConnectionsThatOutlivedTheGrantEndWithTheSession) {
    const std::vector<Prefix> resting = {prefix("192.0.2.7"), prefix("192.0.2.8")};
    apply(start("a", 100s, {"192.0.2.7"}));
    EXPECT_THAT(former(stop("a", 200s), resting), ElementsAre(prefix("192.0.2.7")));
    EXPECT_THAT(former(stop("a", 200s), resting), IsEmpty()) << "once more";
}

TEST_F(ConsequencesTest, AndWithTheStartOfAnother) {
    apply(start("a", 100s, {"192.0.2.7"}));
    EXPECT_THAT(former(start("b", 200s, {"192.0.2.7"}), {prefix("192.0.2.7")}),
                ElementsAre(prefix("192.0.2.7")));
}

TEST_F(ConsequencesTest, ButNotOfWhoIsFirstHeardOf) {
    EXPECT_THAT(former(start("a", 100s, {"192.0.2.7"}), {prefix("192.0.2.7")}), IsEmpty());
    EXPECT_THAT(former(interim("b", 100s, {"192.0.2.8"}), {prefix("192.0.2.8")}), IsEmpty());
}

TEST_F(ConsequencesTest, NorOfWhoHasANarrowerPrefixStill) {
    const Prefix narrow = prefix("2001:db8:100:1200::/56");
    apply(start("narrow", 100s, {"2001:db8:100:1200::/56"}));
    apply(start("wide", 90s, {"2001:db8:100::/48"}));
    EXPECT_THAT(former(stop("wide", 200s), {narrow, prefix("2001:db8:100:1300::/56")}),
                ElementsAre(prefix("2001:db8:100:1300::/56")));
}

TEST_F(ConsequencesTest, AKeyAroundThePrefixEndsToo) {
    apply(start("a", 100s, {"2001:db8:100:1201::/64"}));
    EXPECT_THAT(former(stop("a", 200s), {prefix("2001:db8:100:1200::/56")}),
                ElementsAre(prefix("2001:db8:100:1200::/56")));
}

TEST_F(ConsequencesTest, ConnectionsEndWithASessionThatIsNotKnownIfItIsToldInTime) {
    const std::vector<Prefix> resting = {prefix("192.0.2.7"), prefix("192.0.2.9")};
    apply(start("b", 105s, {"192.0.2.9"}));
    Report unknown = stop("a", 200s);
    unknown.request.prefixes = {prefix("192.0.2.7"), prefix("192.0.2.9")};
    EXPECT_THAT(former(unknown, resting), ElementsAre(prefix("192.0.2.7"))) << "the other one is another's";
    unknown.request.session_id = "c";
    EXPECT_THAT(former(unknown, resting, 301s), IsEmpty()) << "may be who came after's";
}

TEST_F(ConsequencesTest, WhoIsFirstHeardOfByAnInterimHasHadTheAddressAllAlong) {
    open("192.0.2.7", 100s);
    open("192.0.2.8", 100s);
    Report lasts = interim("a", 400s, {"192.0.2.7"});
    lasts.request.session_time = 350s;
    EXPECT_EQ(apply(lasts).ended.size(), 0U);
    EXPECT_EQ(sessions_.find(address("192.0.2.7"))->since, midnight + 50s);
    lasts = interim("b", 400s, {"192.0.2.8"});
    lasts.request.session_time = 200s;
    EXPECT_EQ(apply(lasts).ended.size(), 1U);
    lasts = interim("a", 410s, {"192.0.2.9"});  // it has lasted, but not with this address
    lasts.request.session_time = 360s;
    open("192.0.2.9", 405s);
    EXPECT_EQ(apply(lasts).ended.size(), 2U);  // of the address it has left, too
}

TEST_F(ConsequencesTest, AnInterimThatLastsLongerThanTheNasDoesNot) {
    apply(report(Status::on, "", 300s));
    Report lasts = interim("a", 400s, {"192.0.2.7"});
    lasts.request.session_time = 350s;
    open("192.0.2.7", 200s);
    EXPECT_EQ(apply(lasts).ended.size(), 1U);
    EXPECT_EQ(sessions_.find(address("192.0.2.7"))->since, midnight + 300s);
}

TEST_F(ConsequencesTest, WhoHasANarrowerPrefixKeepsItsGrant) {
    apply(start("a", 100s, {"2001:db8:100:1200::/56"}));
    apply(start("b", 110s, {"2001:db8:100:1234::/64"}));
    open("2001:db8:100:1201::1", 120s);
    open("2001:db8:100:1234::1", 120s);
    EXPECT_EQ(apply(stop("a", 200s)).ended.size(), 1U);
    EXPECT_FALSE(granted("2001:db8:100:1201::1"));
    EXPECT_TRUE(granted("2001:db8:100:1234::1"));
}

TEST_F(ConsequencesTest, WhoHasAWiderPrefixDoesNotInheritIt) {
    apply(start("a", 100s, {"2001:db8:100:1200::/56"}));
    for (const char* end : {"a Stop", "another address", "silence"}) {
        SCOPED_TRACE(end);
        const std::chrono::seconds begins = now_ + 10s;
        Report narrow = start("b", begins, {"2001:db8:100:1234::/64"});
        narrow.interim_interval = 60s;
        apply(narrow);
        open("2001:db8:100:1234::1", begins + 10s);
        open("2001:db8:100:1201::1", begins + 10s);
        if (end == std::string("a Stop")) {
            EXPECT_EQ(apply(stop("b", begins + 10s)).ended.size(), 1U) << "in the same second";
        } else if (end == std::string("silence")) {
            now_ += 1h;
            const Changes changes = sessions_.sweep(at(now_));
            EXPECT_EQ(follow(changes, sessions_, contracts_, grants_, at(now_)).ended.size(), 1U);
        } else {
            EXPECT_EQ(apply(interim("b", begins + 20s, {"2001:db8:100:1235::/64"})).ended.size(), 1U);
        }
        EXPECT_FALSE(granted("2001:db8:100:1234::1"));
        EXPECT_TRUE(granted("2001:db8:100:1201::1"));
        EXPECT_TRUE(
            was_of_another(sessions_, address("2001:db8:100:1234::1"), at(begins + 5s).wall, at(now_ + 1min)))
            << "nor what is told of it late";
        apply(stop("b", now_ + 1s));
    }
    open("2001:db8:100:1234::1", now_ + 10s);
    apply(interim("a", now_ + 20s, {"2001:db8:100:1200::/56"}));
    EXPECT_TRUE(granted("2001:db8:100:1234::1")) << "whoever has it now may";
}

TEST_F(ConsequencesTest, SilenceEndsGrantsToo) {
    Report begins = start("a", 100s, {"192.0.2.7"});
    begins.interim_interval = 60s;
    apply(begins);
    open("192.0.2.7", 110s);
    const Changes changes = sessions_.sweep(at(1h));
    EXPECT_EQ(follow(changes, sessions_, contracts_, grants_, at(1h)).ended.size(), 1U);
}

TEST_F(ConsequencesTest, AContractComesAndGoesWithTheSession) {
    EXPECT_EQ(apply(labelled(start("a", 100s, {"192.0.2.7"}), {"static-7"})).actions.size(), 1U);
    EXPECT_TRUE(has_contract("192.0.2.7"));
    apply(labelled(start("b", 100s, {"192.0.2.8"}), {"gold"}, {"quiet", "open25"}));
    EXPECT_TRUE(has_contract("192.0.2.8"));
    apply(labelled(start("c", 100s, {"192.0.2.9"}), {}, {}, "bob"));
    EXPECT_TRUE(has_contract("192.0.2.9"));
    apply(labelled(start("d", 100s, {"192.0.2.10"}), {"nonstatic-7"}, {"OPEN25"}, "bobby"));
    EXPECT_FALSE(has_contract("192.0.2.10"));
    apply(stop("a", 200s));
    EXPECT_FALSE(has_contract("192.0.2.7"));
    apply(start("e", 300s, {"192.0.2.8"}));  // b has lost a Stop
    EXPECT_FALSE(has_contract("192.0.2.8"));
}

TEST_F(ConsequencesTest, AContractThatWasFoundInTheKernelGoesWithItsSession) {
    for (const char* of : {"192.0.2.7/32", "192.0.2.8/32", "192.0.2.9/32"}) {
        grants::Actions actions;
        grants_.set_contract(prefix(of), true, actions);
    }
    Report unknown = stop("a", 100s);
    unknown.request.prefixes = {prefix("192.0.2.7")};
    apply(unknown);
    EXPECT_FALSE(has_contract("192.0.2.7"));
    apply(interim("b", 100s, {"192.0.2.8"}));
    EXPECT_FALSE(has_contract("192.0.2.8")) << "it has none";
    apply(labelled(interim("c", 100s, {"192.0.2.9"}), {"static-1"}));
    EXPECT_TRUE(has_contract("192.0.2.9"));
    apply(stop("c", 200s));
    EXPECT_FALSE(has_contract("192.0.2.9"));
}

TEST_F(ConsequencesTest, EachContractThatComesOrGoesIsTold) {
    const auto began = apply(labelled(start("a", 100s, {"192.0.2.7"}), {"static-7"}, {}, "alice")).contracts;
    ASSERT_EQ(began.size(), 1U);
    EXPECT_EQ(began[0].key, prefix("192.0.2.7"));
    EXPECT_TRUE(began[0].begins);
    EXPECT_EQ(began[0].name, "business");
    EXPECT_EQ(began[0].session, sessions_.find(address("192.0.2.7"))->number);
    EXPECT_EQ(began[0].user, "alice");
    EXPECT_THAT(apply(labelled(interim("a", 150s), {"static-7"})).contracts, IsEmpty())
        << "it has it already";
    const auto ended = apply(start("b", 200s, {"192.0.2.7"})).contracts;
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_FALSE(ended[0].begins);
    EXPECT_EQ(ended[0].name, "");
    EXPECT_EQ(ended[0].session, began[0].session) << "whose it was";
    EXPECT_EQ(ended[0].user, "alice") << "not the next one's name";
    EXPECT_THAT(apply(stop("b", 300s)).contracts, IsEmpty());
    apply(labelled(start("c", 400s, {"192.0.2.7"}), {}, {}, "bob"));
    const auto lost = apply(labelled(interim("c", 500s), {}, {}, "carol")).contracts;
    ASSERT_EQ(lost.size(), 1U) << "the same session, and no contract any more";
    EXPECT_EQ(lost[0].session, sessions_.find(address("192.0.2.7"))->number);
    EXPECT_EQ(lost[0].user, "carol");
}

TEST_F(ConsequencesTest, AContractIsWhosItIs) {
    const auto first = apply(labelled(start("a", 100s, {"192.0.2.7"}), {"static-7"}, {}, "alice")).contracts;
    const auto next = apply(labelled(start("b", 200s, {"192.0.2.7"}), {}, {"open25"}, "carol")).contracts;
    ASSERT_EQ(next.size(), 2U) << "the port was never closed, but it is another's";
    EXPECT_FALSE(next[0].begins);
    EXPECT_EQ(next[0].session, first[0].session);
    EXPECT_EQ(next[0].user, "alice");
    EXPECT_TRUE(next[1].begins);
    EXPECT_EQ(next[1].user, "carol");
    const auto stopped = apply(stop("b", 300s)).contracts;
    ASSERT_EQ(stopped.size(), 1U);
    EXPECT_EQ(stopped[0].session, next[1].session);
    EXPECT_EQ(stopped[0].user, "carol") << "who has gone";
}

TEST_F(ConsequencesTest, TheEndOfAWideHolderTellsNothingOfWhoKeepsAPart) {
    apply(start("a", 100s, {"2001:db8:100:1200::/56"}));
    apply(labelled(start("n", 110s, {"2001:db8:100:1234::/64"}), {"static-1"}));
    EXPECT_THAT(apply(stop("a", 200s)).contracts, IsEmpty()) << "it had none, and who has one keeps it";
    EXPECT_TRUE(has_contract("2001:db8:100:1234::1"));
}

TEST_F(ConsequencesTest, TwoPrefixesInOneKeyAreOneContract) {
    apply(labelled(start("a", 100s, {"2001:db8:100:1200::/64", "2001:db8:100:1200::7/128"}), {"static-1"}));
    const auto next = apply(labelled(start("b", 200s, {"2001:db8:100:1200::/64", "2001:db8:100:1200::7/128"}),
                                     {"static-1"}))
                          .contracts;
    ASSERT_EQ(next.size(), 2U);
    EXPECT_FALSE(next[0].begins);
    EXPECT_TRUE(next[1].begins);
}

TEST_F(ConsequencesTest, APrefixOfManyKeysIsToldOfOnce) {
    const auto began = apply(labelled(start("a", 100s, {"2001:db8:100:1200::/56"}), {"static-1"}));
    EXPECT_EQ(began.actions.size(), 256U);
    ASSERT_EQ(began.contracts.size(), 1U);
    EXPECT_EQ(began.contracts[0].key, prefix("2001:db8:100:1200::/56"));
    const auto narrower = apply(start("b", 110s, {"2001:db8:100:1234::/64"})).contracts;
    ASSERT_EQ(narrower.size(), 1U);
    EXPECT_EQ(narrower[0].key, prefix("2001:db8:100:1234::/64"));
    EXPECT_FALSE(narrower[0].begins);
    EXPECT_EQ(narrower[0].session, began.contracts[0].session);
}

TEST_F(ConsequencesTest, AGrantThatIsOverAndNotSweptLeavesNoConnections) {
    apply(start("a", 100s, {"192.0.2.7"}));
    grants::Actions actions;
    ASSERT_TRUE(grants_.open({.address = address("192.0.2.7"),
                              .lifetime = 10s,
                              .budget = {},
                              .source = "mail1",
                              .user = "alice",
                              .reason = "pop3 login"},
                             at(110s), actions));
    const Consequences handed_over = apply(start("b", 121s, {"192.0.2.7"}));
    EXPECT_EQ(handed_over.ended.size(), 0U) << "it had ended by itself";
    ASSERT_FALSE(handed_over.actions.empty());
    EXPECT_EQ(std::get<grants::RemoveEntry>(handed_over.actions[0]).key, prefix("192.0.2.7"));
}

TEST_F(ConsequencesTest, AContractMayComeWithAnInterim) {
    apply(labelled(start("a", 100s, {"192.0.2.7", "2001:db8:100:12::/64"}), {"gold"}));
    EXPECT_FALSE(has_contract("192.0.2.7"));
    apply(labelled(interim("a", 200s), {"static-1"}));
    EXPECT_TRUE(has_contract("192.0.2.7"));
    EXPECT_TRUE(has_contract("2001:db8:100:12::1"));
    apply(
        labelled(interim("a", 300s, {"192.0.2.8"}), {"gold"}));  // another address, and no contract any more
    EXPECT_FALSE(has_contract("192.0.2.7"));
    EXPECT_FALSE(has_contract("192.0.2.8"));
    EXPECT_FALSE(has_contract("2001:db8:100:12::1"));
}

TEST_F(ConsequencesTest, ANarrowerHolderHasNoPartInAContract) {
    apply(labelled(start("a", 100s, {"2001:db8:100:1200::/56"}), {"static-1"}));
    EXPECT_TRUE(has_contract("2001:db8:100:1234::1"));
    apply(start("b", 110s, {"2001:db8:100:1234::/64"}));
    EXPECT_FALSE(has_contract("2001:db8:100:1234::1"));
    EXPECT_TRUE(has_contract("2001:db8:100:1235::1"));
    apply(labelled(interim("a", 200s), {"static-2"}));
    EXPECT_FALSE(has_contract("2001:db8:100:1234::1"));
    apply(stop("b", 300s));
    EXPECT_TRUE(has_contract("2001:db8:100:1234::1"));
}

TEST_F(ConsequencesTest, AContractThatCantBeIsTold) {
    const Consequences consequences = apply(labelled(start("a", 100s, {"198.51.100.200"}), {"static-1"}));
    EXPECT_THAT(consequences.actions, IsEmpty());
    ASSERT_EQ(consequences.impossible.size(), 1U) << "once, though both holder and session have changed";
    const ImpossibleContract& told = consequences.impossible.front();
    EXPECT_EQ(told.prefix, prefix("198.51.100.200"));
    EXPECT_EQ(told.session, sessions_.holder_of(told.prefix));
    EXPECT_EQ(told.name, "business");
    EXPECT_THAT(told.error.what, HasSubstr("shared"));
    EXPECT_THAT(apply(start("b", 100s, {"198.51.100.201"})).impossible, IsEmpty()) << "it has none";
}

TEST_F(ConsequencesTest, ContractsAreThereAfterAStart) {
    const Session stored{.number = 7,
                         .nas = "bras1",
                         .session_id = "a",
                         .user = "bob",
                         .calling_station = {},
                         .classes = {},
                         .filters = {},
                         .prefixes = {prefix("192.0.2.7")},
                         .since = midnight,
                         .last_event = midnight,
                         .last_heard = midnight,
                         .interim_interval = {}};
    ASSERT_TRUE(sessions_.restore(stored, at(10s)));
    Consequences consequences;
    begin_contracts(stored, sessions_, contracts_, grants_, consequences);
    EXPECT_EQ(consequences.actions.size(), 1U);
    EXPECT_TRUE(has_contract("192.0.2.7"));
}

TEST(Names, AreOneOnEachLine) {
    EXPECT_THAT(names_of("alice\n  bob@example.net \r\n\n# nobody\ncarol # gold\n\t\ndave"),
                ElementsAre("alice", "bob@example.net", "carol", "dave"));
    EXPECT_THAT(names_of(""), IsEmpty());
}

TEST(Contracts, ABinaryLabelFitsNothing) {
    const Contracts contracts({{.name = "all", .classes = {"*"}, .filters = {}, .users = {}}});
    Session session;
    session.classes = {std::string("a\0b", 3)};
    EXPECT_EQ(contracts.of(session), "");
    session.classes.emplace_back("x");
    EXPECT_EQ(contracts.of(session), "all");
}

}  // namespace
}  // namespace sekisho::subscribers
