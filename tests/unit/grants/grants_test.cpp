// SPDX-License-Identifier: Apache-2.0
// Opening, renewing, ending of grants.
#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::HasSubstr;

class GrantsTest : public testing::Test {
protected:
    // Opens and carries out; the grant as it stands.
    Grant open(const GrantRequest& wish, const Now& at) {
        Grant granted;
        const auto actions = open_in(grants_, wish, at, granted);
        EXPECT_TRUE(actions) << actions.error().what;
        outside_.apply(*actions);
        return granted;
    }

    Error refusal(const GrantRequest& wish) {
        Grant granted;
        const auto actions = open_in(grants_, wish, now_, granted);
        EXPECT_FALSE(actions);
        EXPECT_EQ(granted.generation, 0U) << "a refusal must not touch the result";
        EXPECT_TRUE(grants_.list(now_).empty());
        return actions ? Error{} : actions.error();
    }

    Config config_ = example_config();
    Grants grants_{config_};
    Outside outside_;
    Now now_ = example_now();
};

TEST_F(GrantsTest, OpensTheKernelFirstAndThenTheStore) {
    Grant granted;
    const auto actions = open_in(grants_, request("192.0.2.7"), now_, granted);
    ASSERT_TRUE(actions);
    ASSERT_EQ(actions->size(), 2U);
    const auto& entry = std::get<PutEntry>(actions->front()).entry;
    EXPECT_EQ(entry.key, prefix("192.0.2.7/32"));
    EXPECT_TRUE(entry.granted);
    EXPECT_FALSE(entry.exempt);
    EXPECT_EQ(entry.expires, now_.boottime + 600s);
    EXPECT_GT(entry.generation, 0U);
    const auto& saved = *std::get<SaveGrant>(actions->back()).grant;
    EXPECT_EQ(saved.key, entry.key);
    EXPECT_EQ(saved.pool, "dsl");
    EXPECT_EQ(saved.source, "mail1");
    EXPECT_EQ(saved.user, "alice");
    EXPECT_EQ(saved.reason, "pop3 login");
    EXPECT_EQ(saved.since, now_.wall);
    EXPECT_EQ(saved.renewed, now_.wall);
    EXPECT_EQ(saved.expires, entry.expires);
    EXPECT_EQ(saved.expires_wall, now_.wall + 600s);
    EXPECT_EQ(saved.boot, "first");
    EXPECT_EQ(saved.generation, entry.generation);
}

// What a log tells of was some time ago.
TEST_F(GrantsTest, ALifetimeCanHaveBegunBefore) {
    GrantRequest wish = request("192.0.2.7");
    wish.from = now_.wall - 100s;
    const Grant granted = open(wish, now_);
    EXPECT_EQ(granted.expires, now_.boottime + 500s);
    EXPECT_EQ(granted.expires_wall, now_.wall + 500s);
    EXPECT_EQ(granted.renewed, now_.wall);
    EXPECT_EQ(granted.since, now_.wall - 98s) << "as the latest of two clocks has it";
}

TEST_F(GrantsTest, AStampsFractionAndTheFutureAreNow) {
    for (const std::chrono::nanoseconds age :
         {std::chrono::nanoseconds(999ms), std::chrono::nanoseconds(-1h)}) {
        GrantRequest wish = request("192.0.2.7");
        wish.from = now_.wall - age;
        EXPECT_EQ(open(wish, now_).expires, now_.boottime + 600s);
    }
}

TEST_F(GrantsTest, ALoginOfLongAgoOrTomorrowIsRefused) {
    GrantRequest wish = request("192.0.2.7");
    wish.from = now_.wall + 24h + 1s;
    EXPECT_THAT(refusal(wish).what, HasSubstr("in the future"));
    wish.from = now_.wall - 600s;
    EXPECT_THAT(refusal(wish).what, HasSubstr("longer ago than a grant lasts"));
}

TEST_F(GrantsTest, AnIPv6GrantCoversTheDelegatedPrefixAndNoMore) {
    EXPECT_EQ(open(request("2001:db8:100:12ff::5"), now_).key, prefix("2001:db8:100:1200::/56"));
    EXPECT_TRUE(grants_.find(address("2001:db8:100:1234:5678::"), now_));
    EXPECT_FALSE(grants_.find(address("2001:db8:100:1300::"), now_));
    EXPECT_FALSE(grants_.find(address("2001:db8:100:11ff:ffff::"), now_));
}

TEST_F(GrantsTest, NoPoolIsRefused) {
    const Error error = refusal(request("192.0.3.1"));
    EXPECT_EQ(error.kind, Failure::refused);
    EXPECT_THAT(error.what, HasSubstr("192.0.3.1 lies in no pool"));
    EXPECT_THAT(error.remedy, HasSubstr("[[pool]]"));
}

TEST_F(GrantsTest, ASharedAddressIsRefused) {
    for (const auto* text : {"198.51.100.9", "2001:db8:300::9"}) {
        const Error error = refusal(request(text));
        EXPECT_EQ(error.kind, Failure::refused);
        EXPECT_THAT(error.what, HasSubstr("shared"));
        EXPECT_THAT(error.what, HasSubstr("cgn"));
        EXPECT_THAT(error.remedy, HasSubstr("587"));
    }
}

TEST_F(GrantsTest, ALifetimeOfNothingOrTooMuchIsInvalid) {
    for (const auto wrong : {0s, -1s, std::chrono::seconds(86'401), std::chrono::seconds::max()}) {
        EXPECT_EQ(refusal(request("192.0.2.7", wrong)).kind, Failure::invalid) << wrong.count();
    }
    const Error long_one = refusal(request("192.0.2.7", std::chrono::days(36'500)));
    EXPECT_EQ(long_one.what, "a grant of 36500d is longer than the longest allowed, 1d");
    EXPECT_THAT(long_one.remedy, HasSubstr("ask for less"));
    EXPECT_EQ(open(request("192.0.2.7", 86'400s), now_).expires, now_.boottime + 86'400s);
    EXPECT_EQ(open(request("192.0.2.8", 1s), now_).expires, now_.boottime + 1s);
}

TEST_F(GrantsTest, ItEndsAtItsEndExactly) {
    open(request("192.0.2.7", 3s), now_);
    EXPECT_TRUE(grants_.find(address("192.0.2.7"), later(now_, 3s - 1ns)));
    EXPECT_FALSE(grants_.find(address("192.0.2.7"), later(now_, 3s)));
    EXPECT_EQ(grants_.list(later(now_, 3s - 1ns)).size(), 1U);
    EXPECT_TRUE(grants_.list(later(now_, 3s)).empty());
}

TEST_F(GrantsTest, RenewalMovesTheEndAndKeepsTheGeneration) {
    const Grant first = open(request("192.0.2.7"), now_);
    GrantRequest again = request("192.0.2.7");
    again.user = "bob";
    again.source = "mail2";
    const Now then = later(now_, 100s);
    const Grant second = open(again, then);
    EXPECT_EQ(second.generation, first.generation);
    EXPECT_EQ(second.since, first.since);
    EXPECT_EQ(second.renewed, then.wall);
    EXPECT_EQ(second.expires, then.boottime + 600s);
    EXPECT_EQ(second.expires_wall, then.wall + 600s);
    EXPECT_EQ(second.user, "bob");
    EXPECT_EQ(second.source, "mail2");
    EXPECT_EQ(outside_.kernel.at(first.key).expires, second.expires);
    EXPECT_EQ(grants_.list(then).size(), 1U);
}

TEST_F(GrantsTest, ARunningGrantIsNeverShortened) {
    GrantRequest order = request("192.0.2.7", 3600s);
    order.source = "operator";
    const Grant longer = open(order, now_);
    Grant granted;
    const auto actions = open_in(grants_, request("192.0.2.7", 10s), later(now_, 1s), granted);
    ASSERT_TRUE(actions);
    EXPECT_TRUE(actions->empty());
    EXPECT_EQ(granted.expires, longer.expires);
    EXPECT_EQ(granted.source, "operator") << "who opened it until then still holds it open";
}

TEST_F(GrantsTest, ANewHolderGetsANewGeneration) {
    const Grant first = open(request("192.0.2.7", 3s), now_);
    const Now then = later(now_, 3s);  // ended, not swept yet
    const Grant second = open(request("192.0.2.7", 3s), then);
    EXPECT_GT(second.generation, first.generation);
    EXPECT_EQ(second.since, then.wall);
    outside_.apply(grants_.revoke(address("192.0.2.7"), then).value());
    const Grant third = open(request("192.0.2.7", 3s), then);
    EXPECT_GT(third.generation, second.generation);
    EXPECT_GT(open(request("192.0.2.8", 3s), then).generation, third.generation);
}

TEST_F(GrantsTest, ARestartThatFindsNothingRepeatsNoGeneration) {
    const Grant first = open(request("192.0.2.7", 1s), now_);
    Grants next(config_);
    const Now then = later(now_, 2s);
    Outside().take_over_by(next, then);
    Grant second;
    ASSERT_TRUE(open_in(next, request("192.0.2.7"), then, second));
    EXPECT_GT(second.generation, first.generation);
}

TEST_F(GrantsTest, RevokeEndsAtOnce) {
    open(request("192.0.2.7"), now_);
    const auto actions = grants_.revoke(address("192.0.2.7"), now_);
    ASSERT_TRUE(actions);
    ASSERT_EQ(actions->size(), 2U);
    EXPECT_EQ(std::get<RetireEntry>(actions->front()).key, prefix("192.0.2.7/32"));
    EXPECT_EQ(std::get<ForgetGrant>(actions->back()).key, prefix("192.0.2.7/32"));
    EXPECT_FALSE(grants_.find(address("192.0.2.7"), now_));
    EXPECT_TRUE(grants_.sweep(later(now_, 600s)).empty());
}

TEST_F(GrantsTest, OnlyALivingGrantCanBeRevoked) {
    EXPECT_EQ(grants_.revoke(address("192.0.2.7"), now_).error().kind, Failure::not_found);
    EXPECT_THAT(grants_.revoke(address("192.0.2.7"), now_).error().remedy,
                HasSubstr("sekisho why 192.0.2.7"));
    const auto nowhere = grants_.revoke(address("192.0.3.7"), now_);
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().kind, Failure::not_found);
    EXPECT_THAT(nowhere.error().what, HasSubstr("no pool"));
    open(request("192.0.2.7", 3s), now_);
    EXPECT_EQ(grants_.revoke(address("192.0.2.7"), later(now_, 3s)).error().kind, Failure::not_found);
}

TEST_F(GrantsTest, ConnectionsThatOutlivedTheirGrantCanBeEnded) {
    const auto end = [this](std::string_view of, const Now& now) {
        return grants_.end_connections(address(of), now, After::logins);
    };
    EXPECT_TRUE(end("192.0.3.7", now_).empty()) << "in no pool";
    open(request("192.0.2.7", 3s), now_);
    outside_.apply(grants_.sweep(later(now_, 3s)));
    Actions actions = end("192.0.2.7", later(now_, 4s));
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_EQ(std::get<RemoveEntry>(actions[0]).key, prefix("192.0.2.7/32"));
    open(request("192.0.2.8", 3s), now_);  // over, and not swept yet
    actions = end("192.0.2.8", later(now_, 4s));
    EXPECT_EQ(count<RemoveEntry>(actions), 1U);
    EXPECT_EQ(count<ForgetGrant>(actions), 1U);
    outside_.apply(
        grants_.exempt({.prefix = prefix("192.0.2.9/32"), .note = {}, .since = now_.wall}).value());
    const std::uint32_t before = outside_.kernel.at(prefix("192.0.2.9/32")).generation;
    actions = end("192.0.2.9", now_);
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_NE(std::get<PutEntry>(actions[0]).entry.generation, before);
    EXPECT_TRUE(std::get<PutEntry>(actions[0]).entry.exempt);
    EXPECT_FALSE(grants_.cool_down_of(address("192.0.2.9"), now_));
    actions = grants_.end_connections(address("192.0.2.10"), now_);
    EXPECT_EQ(std::get<RemoveEntry>(actions[0]).key, prefix("192.0.2.10/32"));
    EXPECT_TRUE(grants_.cool_down_of(address("192.0.2.10"), now_)) << "the next login opens nothing";
}

TEST_F(GrantsTest, SweepForgetsWhatHasEndedAndNothingElse) {
    open(request("192.0.2.1", 10s), now_);
    open(request("192.0.2.2", 20s), now_);
    open(request("2001:db8:100::1", 30s), now_);
    EXPECT_TRUE(grants_.sweep(later(now_, 10s - 1ns)).empty());
    outside_.apply(grants_.sweep(later(now_, 20s)));
    EXPECT_EQ(outside_.kernel.size(), 1U);
    EXPECT_EQ(outside_.grants.size(), 1U);
    EXPECT_TRUE(outside_.kernel.contains(prefix("2001:db8:100::/56")));
    outside_.apply(grants_.sweep(later(now_, 30s)));
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_TRUE(outside_.grants.empty());
}

TEST_F(GrantsTest, SweepLooksAtTheRenewedEnd) {
    open(request("192.0.2.1", 10s), now_);
    open(request("192.0.2.1", 10s), later(now_, 5s));
    EXPECT_TRUE(grants_.sweep(later(now_, 14s)).empty());
    EXPECT_EQ(count<RetireEntry>(grants_.sweep(later(now_, 15s))), 1U);
}

TEST_F(GrantsTest, TheListIsInTheOrderOfKeys) {
    for (const auto* text : {"2001:db8:200::1", "192.0.2.200", "192.0.2.3", "2001:db8:100::1"}) {
        open(request(text), now_);
    }
    std::vector<std::string> keys;
    for (const Grant& grant : grants_.list(now_)) {
        keys.push_back(grant.key.text());
    }
    EXPECT_THAT(keys, testing::ElementsAre("192.0.2.3/32", "192.0.2.200/32", "2001:db8:100::/56",
                                           "2001:db8:200::/64"));
}

TEST_F(GrantsTest, TheWallClockMayJumpMeanwhile) {
    open(request("192.0.2.7", 10s), now_);
    Now jumped = later(now_, 5s);
    jumped.wall += 24h;
    EXPECT_TRUE(grants_.find(address("192.0.2.7"), jumped));
    EXPECT_TRUE(grants_.sweep(jumped).empty());
}

TEST_F(GrantsTest, MassesAreSweptAsTheyEnd) {
    Config large = example_config();
    large.pools = {{.name = "large", .prefixes = {prefix("10.0.0.0/8")}}};
    Grants grants(large);
    Grant granted;
    Address each = address("10.0.0.0");
    constexpr std::uint32_t total = 200'000;
    for (std::uint32_t i = 0; i < total; ++i) {
        each.bytes[1] = static_cast<std::uint8_t>(i >> 16U);
        each.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
        each.bytes[3] = static_cast<std::uint8_t>(i);
        const GrantRequest wish = request(each, std::chrono::seconds(1 + i % 1000));
        ASSERT_TRUE(open_in(grants, wish, now_, granted));
    }
    std::size_t swept = 0;
    for (int second = 0; second <= 1000; ++second) {
        swept += count<RetireEntry>(grants.sweep(later(now_, std::chrono::seconds(second))));
    }
    EXPECT_EQ(swept, total);
}

// Who polls each minute makes one change of the kernel in five.
TEST_F(GrantsTest, ALoginRenewsOnlyAfterHalfTheTime) {
    GrantRequest login = request("192.0.2.7");
    login.by_login = true;
    open(login, now_);
    std::size_t changes = 0;
    for (int minute = 1; minute <= 60; minute++) {
        Grant granted;
        const Now then = later(now_, std::chrono::minutes(minute));
        const auto actions = open_in(grants_, login, then, granted);
        ASSERT_TRUE(actions);
        outside_.apply(*actions);
        changes += actions->empty() ? 0 : 1;
        EXPECT_TRUE(actions->empty() || count<PutEntry>(*actions) == 1);
        EXPECT_GE(granted.expires - then.boottime, 301s) << "minute " << minute;
    }
    EXPECT_EQ(changes, 12U);
}

TEST_F(GrantsTest, HalfOfTheLifetimeThatIsAskedFor) {
    GrantRequest login = request("192.0.2.7", 100s);
    login.by_login = true;
    open(login, now_);
    EXPECT_EQ(open(login, later(now_, 50s - 1ns)).expires, now_.boottime + 100s);
    EXPECT_EQ(open(login, later(now_, 50s)).expires, now_.boottime + 150s);
    login.lifetime = 1000s;
    EXPECT_EQ(open(login, later(now_, 51s)).expires, now_.boottime + 1051s)
        << "another reporter's are longer";
    EXPECT_EQ(open(request("192.0.2.7", 1001s), later(now_, 51s)).expires, now_.boottime + 1052s)
        << "an operator means what he says";
}

class PagesTest : public GrantsTest {
protected:
    // The last octets of the IPv4 keys of a page, and of its "next" behind a minus.
    [[nodiscard]] std::vector<int> page(const GrantFilter& filter, std::size_t count) const {
        std::vector<int> octets;
        const GrantPage page = grants_.page(filter, count, now_);
        for (const Grant& grant : page.grants) {
            octets.push_back(grant.key.address.bytes[3]);
        }
        if (page.next) {
            octets.push_back(-static_cast<int>(page.next->address.bytes[3]));
        }
        return octets;
    }
};

TEST_F(PagesTest, PageByPage) {
    for (const char* text : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9", "203.0.113.5"}) {
        open(request(text), now_);
    }
    outside_.apply(grants_.exempt(contract("192.0.2.4/32")).value());  // no grant
    EXPECT_THAT(page({}, 2), testing::ElementsAre(1, 2, -2));
    EXPECT_THAT(page({.after = prefix("192.0.2.2/32")}, 2), testing::ElementsAre(3, 9, -9));
    EXPECT_THAT(page({.after = prefix("192.0.2.9/32")}, 2), testing::ElementsAre(5));
    EXPECT_THAT(page({.after = prefix("203.0.113.5/32")}, 2), testing::IsEmpty());
    EXPECT_THAT(page({}, 9), testing::ElementsAre(1, 2, 3, 9, 5));
}

TEST_F(PagesTest, OnlySome) {
    for (const char* text : {"192.0.2.1", "192.0.2.2", "192.0.2.9", "203.0.113.5"}) {
        GrantRequest wish = request(text);
        wish.user = std::string(text).ends_with("2") ? "bob" : "alice";
        wish.source = std::string(text).ends_with("9") ? "mail2" : "mail1";
        open(wish, now_);
    }
    EXPECT_THAT(page({.user = "bob"}, 9), testing::ElementsAre(2));
    EXPECT_THAT(page({.source = "mail2"}, 9), testing::ElementsAre(9));
    EXPECT_THAT(page({.user = "alice", .source = "mail1"}, 9), testing::ElementsAre(1, 5));
    EXPECT_THAT(page({.within = prefix("192.0.2.0/24")}, 9), testing::ElementsAre(1, 2, 9));
    EXPECT_THAT(page({.within = prefix("192.0.2.0/24")}, 1), testing::ElementsAre(1, -1));
    EXPECT_THAT(page({.after = prefix("192.0.2.1/32"), .within = prefix("192.0.2.0/24")}, 9),
                testing::ElementsAre(2, 9));
    EXPECT_THAT(page({.within = prefix("198.51.100.0/24")}, 9), testing::IsEmpty());
}

TEST_F(PagesTest, AnAddressIsItsSubscribers) {
    open(request("2001:db8:100:a00::1"), now_);
    open(request("2001:db8:100:b00::1"), now_);
    const GrantPage page = grants_.page({.within = prefix("2001:db8:100:aff::7")}, 9, now_);
    ASSERT_EQ(page.grants.size(), 1U);
    EXPECT_EQ(page.grants[0].key, prefix("2001:db8:100:a00::/56"));
}

class UsersKeysTest : public GrantsTest {
protected:
    static GrantRequest login(std::string_view of, const std::string& user, std::uint32_t most) {
        GrantRequest wish = request(of);
        wish.user = user;
        wish.by_login = true;
        wish.addresses_per_user = most;
        return wish;
    }

    [[nodiscard]] std::string refused(const GrantRequest& wish, const Now& at) {
        Grant granted;
        const auto actions = open_in(grants_, wish, at, granted);
        return actions ? "" : actions.error().what;
    }
};

TEST_F(UsersKeysTest, AUserHasOnlySoManyAtOnce) {
    open(login("192.0.2.1", "alice", 2), now_);
    open(login("192.0.2.2", "bob", 2), now_);
    open(login("2001:db8:100::1", "alice", 2), now_);
    EXPECT_EQ(refused(login("192.0.2.3", "alice", 2), now_),
              "user \"alice\" has 2 addresses open already, as many as one user may");
    EXPECT_NE(refused(login("192.0.2.3", "ALICE", 2), now_), "") << "the same user";
    EXPECT_EQ(refused(login("192.0.2.1", "Alice", 2), now_), "") << "and the same address";
    EXPECT_EQ(refused(login("192.0.2.3", "alice", 1), now_),
              "user \"alice\" has 1 address open already, as many as one user may");
    EXPECT_EQ(outside_.kernel.size(), 3U);
    EXPECT_EQ(refused(login("192.0.2.3", "bob", 2), now_), "");
    EXPECT_EQ(refused(login("192.0.2.4", "alice", 3), now_), "") << "another rule";
    EXPECT_EQ(refused(login("192.0.2.5", "alice", 0), now_), "") << "any number";
    EXPECT_EQ(refused(login("192.0.2.1", "alice", 2), later(now_, 400s)), "")
        << "what is open may be renewed";
    EXPECT_EQ(grants_.keys_of("alice", 10, now_), 4U);
    EXPECT_EQ(grants_.keys_of("alice", 3, now_), 3U) << "counted no further";
}

TEST_F(UsersKeysTest, WhatHasEndedDoesNotCount) {
    open(login("192.0.2.1", "alice", 1), now_);
    EXPECT_NE(refused(login("192.0.2.2", "alice", 1), later(now_, 600s - 1ns)), "");
    open(login("192.0.2.2", "alice", 1), later(now_, 600s));  // the first isn't swept yet
    outside_.apply(grants_.revoke(address("192.0.2.2"), later(now_, 601s)).value());
    open(login("192.0.2.3", "alice", 1), later(now_, 602s));
    outside_.apply(grants_.sweep(later(now_, 2000s)));
    EXPECT_EQ(grants_.keys_of("alice", 10, now_), 0U);
}

TEST_F(UsersKeysTest, AKeyIsItsLastUsers) {
    open(login("192.0.2.1", "alice", 1), now_);
    open(login("192.0.2.1", "bob", 1), later(now_, 300s));
    EXPECT_EQ(grants_.keys_of("alice", 10, later(now_, 300s)), 0U);
    EXPECT_EQ(grants_.keys_of("bob", 10, later(now_, 300s)), 1U);
    GrantRequest order = request("192.0.2.1", 3600s);
    order.user.clear();
    open(order, later(now_, 301s));
    EXPECT_EQ(grants_.keys_of("bob", 10, later(now_, 301s)), 0U) << "an operator's is nobody's";
    EXPECT_EQ(grants_.keys_of("", 10, later(now_, 301s)), 0U);
}

TEST_F(UsersKeysTest, AnExemptKeyKeepsItsPlace) {
    outside_.apply(grants_.exempt(contract("192.0.2.1/32")).value());
    open(login("192.0.2.1", "alice", 1), now_);
    EXPECT_EQ(grants_.keys_of("alice", 10, now_), 1U);
    outside_.apply(grants_.sweep(later(now_, 600s)));
    EXPECT_EQ(grants_.keys_of("alice", 10, later(now_, 600s)), 0U);
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.1/32")).exempt);
}

TEST_F(UsersKeysTest, ARestartKnowsThem) {
    open(login("192.0.2.1", "alice", 1), now_);
    Grants next(config_);
    outside_.take_over_by(next, later(now_, 5s));
    EXPECT_EQ(next.keys_of("alice", 10, later(now_, 5s)), 1U);
}

}  // namespace
}  // namespace sekisho::grants
