// SPDX-License-Identifier: Apache-2.0
// Who is locked after which tries, for how long, and who never is.
#include "agent/logins/failed_tries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sekisho::logins {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;
using Verdict = Judgement::Verdict;

const Address home = parse_address("192.0.2.7").value();
const Address stranger = parse_address("203.0.113.9").value();

class FailedTriesTest : public testing::Test {
protected:
    FailedTriesTest() {
        config_.window = 600s;
        config_.lock = 300s;
        config_.per_address = 5;
        config_.per_network = 12;
        config_.per_user = 8;
    }

    FailedTries& tries() {
        if (!tries_) {
            tries_.emplace(config_, most_);
        }
        return *tries_;
    }

    std::vector<Lockout> fail_times(int times, const Address& address, const std::string& user) {
        std::vector<Lockout> begun;
        for (int i = 0; i < times; i++) {
            for (Lockout& each : tries().failed(address, user, now_)) {
                begun.push_back(std::move(each));
            }
        }
        return begun;
    }

    Verdict verdict(const Address& address, const std::string& user) {
        return tries().judge(address, user, now_).verdict;
    }

    TriesConfig config_;
    std::size_t most_ = FailedTries::most_entries;
    std::optional<FailedTries> tries_;
    Moment now_ = Moment(1h);
};

TEST_F(FailedTriesTest, AnAddressIsLockedByItsThresholdAndForItsTime) {
    EXPECT_TRUE(fail_times(4, stranger, "alice").empty());
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::pass);
    const auto begun = fail_times(1, stranger, "bob");
    ASSERT_EQ(begun.size(), 1U);
    EXPECT_EQ(begun[0].kind, Counted::address);
    EXPECT_EQ(begun[0].lock.who, "203.0.113.9");
    EXPECT_EQ(begun[0].lock.tries, 5U);
    const Judgement judgement = tries().judge(stranger, "carol", now_);
    EXPECT_EQ(judgement.verdict, Verdict::refuse);
    ASSERT_TRUE(judgement.lockout);
    EXPECT_EQ(judgement.lockout->lock.until, now_ + 300s);
    EXPECT_EQ(verdict(parse_address("203.0.113.10").value(), "carol"), Verdict::pass) << "its neighbour";
    now_ += 299s;
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::refuse);
    now_ += 1s;
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::pass);
    EXPECT_TRUE(fail_times(4, stranger, "dave").empty()) << "and it begins from nothing";
}

TEST_F(FailedTriesTest, WhatIsTriedDuringALockDoesNotProlongIt) {
    fail_times(5, stranger, "alice");
    now_ += 200s;
    EXPECT_TRUE(fail_times(100, stranger, "alice").empty());
    EXPECT_EQ(verdict(parse_address("203.0.113.10").value(), "alice"), Verdict::pass)
        << "nor is it counted for the network or the user";
    now_ += 100s;
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::pass);
}

TEST_F(FailedTriesTest, OldTriesAreForgotten) {
    fail_times(4, stranger, "alice");
    now_ += 600s;
    EXPECT_FALSE(fail_times(1, stranger, "alice").empty()) << "the window is counted whole";
    tries_.reset();
    fail_times(4, stranger, "alice");
    now_ += 676s;  // an eighth more
    EXPECT_TRUE(fail_times(4, stranger, "alice").empty());
    EXPECT_FALSE(fail_times(1, stranger, "alice").empty());
}

TEST_F(FailedTriesTest, TriesThatComeSlowlyNeverLock) {
    for (int i = 0; i < 1000; i++) {
        EXPECT_TRUE(fail_times(1, stranger, "alice").empty()) << i;
        now_ += 170s;  // at most four in a window and an eighth
    }
}

TEST_F(FailedTriesTest, HostsOfOneIpv6LinkCountAsOne) {
    for (int i = 1; i <= 5; i++) {
        fail_times(1, parse_address("2001:db8:1:2::" + std::to_string(i)).value(), "alice");
    }
    const Judgement judgement = tries().judge(parse_address("2001:db8:1:2:ffff::9").value(), "bob", now_);
    EXPECT_EQ(judgement.verdict, Verdict::refuse);
    EXPECT_EQ(judgement.lockout->lock.who, "2001:db8:1:2::/64");
    EXPECT_EQ(verdict(parse_address("2001:db8:1:3::1").value(), "bob"), Verdict::pass);
}

TEST_F(FailedTriesTest, ANetworkIsLockedWithAllItsAddresses) {
    for (int i = 1; i <= 3; i++) {
        fail_times(4, parse_address("203.0.113." + std::to_string(i)).value(), "u" + std::to_string(i));
    }
    const Judgement judgement = tries().judge(parse_address("203.0.113.200").value(), "bob", now_);
    EXPECT_EQ(judgement.verdict, Verdict::refuse);
    EXPECT_EQ(judgement.lockout->kind, Counted::network);
    EXPECT_EQ(judgement.lockout->lock.who, "203.0.113.0/24");
    EXPECT_EQ(verdict(parse_address("203.0.114.1").value(), "bob"), Verdict::pass);
    for (int i = 1; i <= 12; i++) {
        fail_times(1, parse_address("2001:db8:5:" + std::to_string(i) + "::1").value(),
                   "v" + std::to_string(i));
    }
    EXPECT_EQ(tries().judge(parse_address("2001:db8:5:ffff::1").value(), "bob", now_).lockout->lock.who,
              "2001:db8:5::/48");
}

TEST_F(FailedTriesTest, LengthsOfNetworksAreThoseOfTheConfiguration) {
    config_.per_network = 6;
    config_.network_ipv4 = 16;
    config_.network_ipv6 = 32;
    for (int i = 1; i <= 6; i++) {
        fail_times(1, parse_address("203.0." + std::to_string(i) + ".1").value(), "");
        fail_times(1, parse_address("2001:db8:" + std::to_string(i) + "::1").value(), "");
    }
    EXPECT_EQ(verdict(parse_address("203.0.200.1").value(), ""), Verdict::refuse);
    EXPECT_EQ(verdict(parse_address("2001:db8:ffff::1").value(), ""), Verdict::refuse);
}

// From so many addresses that none of them is locked.
void guess_from_everywhere(FailedTries& tries, const std::string& user, int times, Moment now) {
    for (int i = 0; i < times; i++) {
        tries.failed(parse_address("198.18." + std::to_string(i) + ".1").value(), user, now);
    }
}

TEST_F(FailedTriesTest, AUserIsLockedForStrangersAndNotAtHome) {
    tries().succeeded(home, "alice", now_);
    guess_from_everywhere(tries(), "alice", 8, now_);
    const Judgement judgement = tries().judge(stranger, "alice", now_);
    EXPECT_EQ(judgement.verdict, Verdict::refuse);
    EXPECT_EQ(judgement.lockout->kind, Counted::user);
    EXPECT_EQ(judgement.lockout->lock.who, "alice");
    EXPECT_EQ(verdict(home, "alice"), Verdict::pass);
    EXPECT_EQ(verdict(parse_address("192.0.2.99").value(), "alice"), Verdict::pass) << "its network is home";
    EXPECT_EQ(verdict(stranger, "bob"), Verdict::pass);
}

TEST_F(FailedTriesTest, AHomeIsForgottenAfterThirtyDays) {
    tries().succeeded(home, "alice", now_);
    now_ += 30 * 24h;
    guess_from_everywhere(tries(), "alice", 8, now_);
    EXPECT_EQ(verdict(home, "alice"), Verdict::pass);
    now_ += 301s;
    guess_from_everywhere(tries(), "alice", 8, now_);
    EXPECT_EQ(verdict(home, "alice"), Verdict::refuse);
}

TEST_F(FailedTriesTest, AHomeProtectsFromNothingElse) {
    tries().succeeded(home, "alice", now_);
    fail_times(5, home, "alice");
    EXPECT_EQ(verdict(home, "alice"), Verdict::refuse) << "who guesses at home is locked like others";
}

TEST_F(FailedTriesTest, LettersOfAUsersNameAreCountedAsOne) {
    for (const char* name : {"alice", "Alice", "ALICE", "aLICE"}) {
        guess_from_everywhere(tries(), name, 2, now_);
    }
    EXPECT_EQ(verdict(stranger, "AlIcE"), Verdict::refuse);
}

TEST_F(FailedTriesTest, ASuccessTakesBackTheUsersOwnTriesOnly) {
    config_.per_network = 0;
    config_.per_user = 0;
    fail_times(4, stranger, "alice");
    tries().succeeded(stranger, "Alice", now_);
    EXPECT_TRUE(fail_times(4, stranger, "alice").empty()) << "who has mistyped may do it again";
    tries().succeeded(stranger, "alice", now_);
    // An attacker who has an account, mallory's, and guesses at others.
    for (int i = 0; i < 4; i++) {
        EXPECT_TRUE(fail_times(1, stranger, "victim" + std::to_string(i)).empty());
        tries().succeeded(stranger, "mallory", now_);
    }
    EXPECT_FALSE(fail_times(1, stranger, "victim9").empty());
}

TEST_F(FailedTriesTest, OwnTriesDoNotPayForThoseAtOthers) {
    config_.per_network = 0;
    // Mallory's own tries during the lock aren't counted, so a success has nothing to take back afterwards.
    fail_times(5, stranger, "mallory");
    fail_times(50, stranger, "mallory");
    now_ += 300s;
    fail_times(4, stranger, "alice");
    tries().succeeded(stranger, "mallory", now_);
    EXPECT_FALSE(fail_times(1, stranger, "alice").empty());
}

// As a server tells it that knows them by other names than clients do.
TEST_F(FailedTriesTest, AUserOfSeveralNamesIsLockedByEachOfThem) {
    config_.per_address = 3;
    config_.per_network = 0;
    const std::vector<std::string> alias = {"Sales@example.net", "ANNA", ""};
    const auto from = [](int i) { return parse_address("203.0.113." + std::to_string(i)).value(); };
    for (int i = 1; i <= 7; i++) {
        EXPECT_TRUE(tries().failed(from(i), "anna", now_, alias).empty()) << "each name counts once";
    }
    EXPECT_EQ(tries().failed(from(8), "anna", now_, alias).size(), 2U);
    EXPECT_EQ(verdict(home, "anna"), Verdict::refuse);
    EXPECT_EQ(verdict(home, "sales@EXAMPLE.net"), Verdict::refuse);
    EXPECT_EQ(verdict(home, "bert"), Verdict::pass);
    const std::vector<std::string> boss = {"sales@example.net"};
    EXPECT_EQ(tries().judge(home, "bert", now_, boss).verdict, Verdict::refuse);
    EXPECT_EQ(tries().judge(home, "bert", now_, boss).lockout->lock.who, "sales@example.net");
    EXPECT_EQ(tries().judge(home, "", now_, boss).verdict, Verdict::refuse);
}

TEST_F(FailedTriesTest, NamesAloneCountForNothingElse) {
    config_.per_address = 1;
    config_.per_network = 1;
    const std::vector<std::string> alias = {"sales"};
    for (int i = 0; i < 7; i++) {
        EXPECT_TRUE(tries().failed_as(stranger, alias, now_).empty());
    }
    EXPECT_EQ(tries().failed_as(stranger, alias, now_).size(), 1U);
    EXPECT_EQ(verdict(stranger, "anna"), Verdict::pass);
    EXPECT_EQ(verdict(stranger, "sales"), Verdict::refuse);
    fail_times(1, stranger, "anna");
    EXPECT_TRUE(tries().failed_as(stranger, std::vector<std::string>(9, "bert"), now_).empty());
    EXPECT_EQ(verdict(home, "bert"), Verdict::pass) << "an address that is locked isn't counted";
}

TEST_F(FailedTriesTest, AnAliasIsAtHomeWhereItsUserIs) {
    config_.per_address = 0;
    config_.per_network = 0;
    const std::vector<std::string> alias = {"sales"};
    tries().succeeded(home, "anna", now_, alias);
    guess_from_everywhere(tries(), "sales", 8, now_);
    EXPECT_EQ(tries().judge(home, "anna", now_, alias).verdict, Verdict::pass);
    EXPECT_EQ(tries().judge(stranger, "anna", now_, alias).verdict, Verdict::refuse);
    EXPECT_EQ(verdict(home, "sales"), Verdict::refuse) << "names that clients think of aren't kept";
}

TEST_F(FailedTriesTest, WhoHasMistypedByAnAliasMayDoItAgain) {
    config_.per_network = 0;
    config_.per_user = 0;
    const std::vector<std::string> alias = {"sales"};
    for (int round = 0; round < 3; round++) {
        EXPECT_TRUE(fail_times(4, stranger, "sales").empty())
            << "the server knows the name after a login only";
        tries().succeeded(stranger, "anna", now_, alias);
    }
    tries().succeeded(stranger, "mallory", now_, std::vector<std::string>{"mallory@example.net"});
    fail_times(4, stranger, "sales");
    tries().succeeded(stranger, "mallory", now_, std::vector<std::string>{"mallory@example.net"});
    EXPECT_FALSE(fail_times(1, stranger, "sales").empty());
}

TEST_F(FailedTriesTest, TriesOfMoreUsersThanAreRememberedStayCounted) {
    config_.per_address = 20;
    config_.per_network = 0;
    for (int i = 0; i < 10; i++) {
        fail_times(1, stranger, "u" + std::to_string(i));
    }
    for (int i = 0; i < 10; i++) {
        tries().succeeded(stranger, "u" + std::to_string(i), now_);
    }
    EXPECT_TRUE(fail_times(13, stranger, "").empty());
    EXPECT_FALSE(fail_times(1, stranger, "").empty()) << "four of ten were taken back";
}

TEST_F(FailedTriesTest, TheOperatorsOwnNetworksAreNeverCountedNorRefused) {
    config_.never = {parse_prefix("192.0.2.0/24").value(), parse_prefix("2001:db8:100::/40").value()};
    EXPECT_TRUE(fail_times(1000, home, "alice").empty());
    EXPECT_TRUE(fail_times(1000, parse_address("2001:db8:100::1").value(), "alice").empty());
    EXPECT_EQ(verdict(home, "alice"), Verdict::pass);
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::pass) << "nor for the user";
    guess_from_everywhere(tries(), "alice", 8, now_);
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::refuse);
    EXPECT_EQ(verdict(home, "alice"), Verdict::pass) << "a user who is locked elsewhere gets in from there";
}

TEST_F(FailedTriesTest, WhoeverFailsLongAfterHisLockBeganWasNotRefused) {
    fail_times(5, stranger, "alice");
    EXPECT_FALSE(tries().has_long_refused(stranger, now_ + 10s)) << "it may have been on its way";
    EXPECT_TRUE(tries().has_long_refused(stranger, now_ + 11s));
    EXPECT_FALSE(tries().has_long_refused(stranger, now_ + 300s));
    EXPECT_FALSE(tries().has_long_refused(home, now_ + 11s));
    config_.answer = TriesAnswer::tarpit;
    tries_.reset();
    fail_times(5, stranger, "alice");
    EXPECT_FALSE(tries().has_long_refused(stranger, now_ + 11s)) << "who waits may fail again";
}

TEST_F(FailedTriesTest, ATarpitWaits) {
    config_.answer = TriesAnswer::tarpit;
    config_.tarpit = 7s;
    fail_times(5, stranger, "alice");
    const Judgement judgement = tries().judge(stranger, "alice", now_);
    EXPECT_EQ(judgement.verdict, Verdict::wait);
    EXPECT_EQ(judgement.wait, 7s);
}

TEST_F(FailedTriesTest, AThresholdOfNothingIsOff) {
    config_.per_address = 0;
    config_.per_user = 0;
    EXPECT_TRUE(fail_times(11, stranger, "alice").empty());
    EXPECT_EQ(fail_times(1, stranger, "alice").at(0).kind, Counted::network);
    config_ = {.per_address = 0, .per_network = 0, .per_user = 3, .never = {}};
    tries_.reset();
    EXPECT_EQ(fail_times(3, stranger, "alice").at(0).kind, Counted::user);
    EXPECT_EQ(verdict(stranger, "bob"), Verdict::pass);
}

TEST_F(FailedTriesTest, AFloodNeitherGrowsTheTablesNorOpensALock) {
    most_ = 100;
    config_.per_network = 0;
    config_.per_user = 0;
    fail_times(5, stranger, "alice");
    for (std::uint32_t i = 0; i < 20'000; i++) {
        const std::string text = "10." + std::to_string(i >> 16U) + "." + std::to_string(i >> 8U & 255U) +
                                 "." + std::to_string(i & 255U);
        EXPECT_TRUE(fail_times(1, parse_address(text).value(), "alice").empty());
    }
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::refuse);
    EXPECT_EQ(tries().lockouts(now_).size(), 1U);
}

TEST_F(FailedTriesTest, MoreLocksThanThereIsRoomForEndTheOldest) {
    most_ = 3;
    config_.per_network = 0;
    config_.per_user = 0;
    for (int i = 1; i <= 4; i++) {
        fail_times(5, parse_address("203.0.113." + std::to_string(i)).value(), "alice");
        now_ += 1s;
    }
    const auto locked = tries().lockouts(now_);
    ASSERT_EQ(locked.size(), 3U);
    EXPECT_EQ(locked[0].lock.who, "203.0.113.2");
    EXPECT_EQ(locked[2].lock.who, "203.0.113.4");
}

TEST_F(FailedTriesTest, LockoutsAreListedWithWhoAndUntilWhen) {
    fail_times(5, stranger, "alice");
    now_ += 10s;
    guess_from_everywhere(tries(), "alice", 8, now_);
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::refuse);
    const auto locked = tries().lockouts(now_);
    ASSERT_EQ(locked.size(), 2U);
    EXPECT_EQ(locked[0].kind, Counted::address);
    EXPECT_EQ(locked[0].lock.held, 1U);
    EXPECT_EQ(locked[0].lock.until, now_ + 290s);
    EXPECT_EQ(locked[1].kind, Counted::user);
    EXPECT_EQ(locked[1].lock.tries, 8U);
    EXPECT_EQ(tries().locked_count(Counted::address, now_), 1U);
    EXPECT_EQ(tries().locked_count(Counted::network, now_), 0U);
    EXPECT_EQ(tries().locked_count(Counted::user, now_), 1U);
    EXPECT_EQ(tries().locked_count(Counted::address, now_ + 290s), 0U);
    EXPECT_EQ(tries().lockouts(now_ + 290s).size(), 1U);
}

TEST_F(FailedTriesTest, AnOperatorEndsALock) {
    fail_times(5, stranger, "alice");
    fail_times(5, parse_address("2001:db8:1:2::1").value(), "bob");
    guess_from_everywhere(tries(), "carol", 8, now_);
    EXPECT_TRUE(tries().remove("203.0.113.9", now_));
    EXPECT_EQ(verdict(stranger, "alice"), Verdict::pass);
    EXPECT_TRUE(fail_times(4, stranger, "dave").empty()) << "the tries are forgotten, too";
    EXPECT_TRUE(tries().remove("2001:db8:1:2::77", now_)) << "any address of its link";
    EXPECT_TRUE(tries().remove("CAROL", now_));
    EXPECT_TRUE(tries().lockouts(now_).empty());
    const auto again = tries().remove("carol", now_);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, Failure::not_found);
    EXPECT_THAT(again.error().remedy, HasSubstr("sekisho lockout list"));
}

TEST_F(FailedTriesTest, RemovingAnAddressOfALockedNetworkSaysWhatIsLocked) {
    for (int i = 1; i <= 3; i++) {
        fail_times(4, parse_address("203.0.113." + std::to_string(i)).value(), "u" + std::to_string(i));
    }
    const auto refused = tries().remove("203.0.113.1", now_);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().remedy, HasSubstr("sekisho lockout remove 203.0.113.0/24"));
    EXPECT_TRUE(tries().remove("203.0.113.0/24", now_));
    EXPECT_EQ(verdict(parse_address("203.0.113.1").value(), "alice"), Verdict::pass);
}

TEST_F(FailedTriesTest, AUserMayHaveTheNameOfAnAddress) {
    config_.per_address = 0;
    config_.per_network = 0;
    guess_from_everywhere(tries(), "203.0.113.9", 8, now_);
    EXPECT_TRUE(tries().remove("203.0.113.9", now_));
    EXPECT_TRUE(tries().lockouts(now_).empty());
}

TEST(HomesTest, OneWithManyNetworksKeepsHisNewestAndLeavesOthersTheirs) {
    Homes homes;
    const Moment now = Moment(1h);
    homes.remember("alice", "192.0.2.0/24", now);
    for (int i = 0; i < 100'000; i++) {
        homes.remember("mallory", std::to_string(i), now + std::chrono::seconds(i));
    }
    EXPECT_TRUE(homes.knows("alice", "192.0.2.0/24", now));
    EXPECT_TRUE(homes.knows("mallory", "99999", now + 100'000s));
    EXPECT_FALSE(homes.knows("mallory", "1", now + 100'000s));
    EXPECT_FALSE(homes.knows("bob", "192.0.2.0/24", now));
    EXPECT_FALSE(homes.knows("alice", "192.0.3.0/24", now));
}

}  // namespace
}  // namespace sekisho::logins
