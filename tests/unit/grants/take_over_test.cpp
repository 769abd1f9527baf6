// SPDX-License-Identifier: Apache-2.0
// Restarts and reboots: nothing forgotten, nothing lengthened, nothing written twice.
#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TakeOverTest : public testing::Test {
protected:
    TakeOverTest() {
        for (const auto* text : {"192.0.2.1", "2001:db8:100::1"}) {
            Grant granted;
            outside_.apply(open_in(before_, request(text), now_, granted).value());
        }
        for (const auto* text : {"192.0.2.1/32", "192.0.2.9/32", "192.0.2.128/25"}) {
            outside_.apply(before_.exempt(contract(text)).value());
        }
    }

    // A new agent; what it does is also carried out.
    Actions start(const Now& at) {
        after_ = Grants(config_);
        return outside_.take_over_by(after_, at);
    }

    void lose_kernel() {
        outside_.kernel.clear();
        outside_.wide.clear();
    }

    Config config_ = example_config();
    Grants before_{config_};
    Grants after_{config_};
    Outside outside_;
    Now now_ = example_now();
    Now then_ = later(now_, 100s);
    const Prefix four_ = prefix("192.0.2.1/32");
    const Prefix six_ = prefix("2001:db8:100::/56");
};

TEST_F(TakeOverTest, ARestartWritesNothing) {
    const Outside was = outside_;
    const Actions actions = start(then_);
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_THAT(std::get<SetWideExemptions>(actions.front()).prefixes, ElementsAre(prefix("192.0.2.128/25")));
    EXPECT_EQ(after_.list(then_).size(), 2U);
    EXPECT_EQ(after_.exemptions().size(), 3U);
    const Grant grant = after_.find(address("192.0.2.1"), then_).value();
    EXPECT_EQ(grant.user, "alice");
    EXPECT_EQ(grant.since, now_.wall);
    EXPECT_EQ(grant.expires, was.grants.at(four_).expires);
    EXPECT_EQ(grant.generation, was.grants.at(four_).generation);
}

TEST_F(TakeOverTest, AfterItEverythingGoesOn) {
    start(then_);
    outside_.apply(after_.remove_exemption(prefix("192.0.2.1/32")).value());
    EXPECT_TRUE(outside_.kernel.at(four_).granted);
    outside_.apply(after_.remove_exemption(prefix("192.0.2.128/25")).value());
    EXPECT_THAT(outside_.wide, IsEmpty());
    outside_.apply(after_.sweep(later(now_, 600s)));
    EXPECT_EQ(outside_.kernel.size(), 1U);
    Grant granted;
    ASSERT_TRUE(open_in(after_, request("192.0.2.1"), then_, granted));
    EXPECT_GT(granted.generation, outside_.kernel.at(prefix("192.0.2.9/32")).generation);
}

TEST_F(TakeOverTest, ALostMapIsFilledWithTheOldEnds) {
    const Outside was = outside_;
    lose_kernel();
    start(then_);
    ASSERT_EQ(outside_.kernel.size(), 3U);
    EXPECT_EQ(outside_.kernel.at(four_).expires, was.kernel.at(four_).expires);
    EXPECT_EQ(outside_.kernel.at(four_).generation, was.kernel.at(four_).generation);
    EXPECT_TRUE(outside_.kernel.at(four_).exempt);
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.9/32")).exempt);
    EXPECT_THAT(outside_.wide, ElementsAre(prefix("192.0.2.128/25")));
}

TEST_F(TakeOverTest, WhatOnlyTheKernelKnowsIsAdopted) {
    const Grant old = outside_.grants.at(six_);
    outside_.grants.erase(six_);
    const Actions actions = start(then_);
    EXPECT_EQ(count<PutEntry>(actions), 0U);
    const Grant adopted = outside_.grants.at(six_);
    EXPECT_EQ(adopted.source, "kernel");
    EXPECT_EQ(adopted.user, "");
    EXPECT_EQ(adopted.pool, "dsl");
    EXPECT_EQ(adopted.expires, old.expires);
    EXPECT_EQ(adopted.expires_wall, old.expires_wall);
    EXPECT_EQ(adopted.generation, old.generation);
    EXPECT_EQ(adopted.since, then_.wall);
    EXPECT_EQ(count<SaveGrant>(start(later(then_, 1s))), 0U) << "adopted once";
}

TEST_F(TakeOverTest, AnotherGenerationInTheKernelIsAnotherGrant) {
    outside_.kernel.at(six_).generation += 1;
    const Actions actions = start(then_);
    EXPECT_EQ(count<PutEntry>(actions), 0U);
    EXPECT_EQ(outside_.grants.at(six_).source, "kernel") << "the stored user is not the one who holds it now";
    EXPECT_EQ(outside_.grants.at(six_).generation, outside_.kernel.at(six_).generation);
}

TEST_F(TakeOverTest, ARenewalTheStoreMissedCounts) {
    outside_.kernel.at(six_).expires += 50s;
    const Actions actions = start(then_);
    EXPECT_EQ(count<PutEntry>(actions), 0U);
    const Grant& grant = outside_.grants.at(six_);
    EXPECT_EQ(grant.expires, now_.boottime + 650s);
    EXPECT_EQ(grant.expires_wall, now_.wall + 650s);
    EXPECT_EQ(grant.renewed, then_.wall);
    EXPECT_EQ(grant.user, "alice");
}

TEST_F(TakeOverTest, AKernelThatEndsSoonerIsBelieved) {
    outside_.kernel.at(six_).expires -= 300s;
    start(then_);
    EXPECT_EQ(outside_.grants.at(six_).expires, now_.boottime + 300s);
    EXPECT_EQ(outside_.grants.at(six_).expires_wall, now_.wall + 300s);
    EXPECT_EQ(outside_.kernel.at(six_).expires, now_.boottime + 300s);
}

TEST_F(TakeOverTest, WhatEndedMeanwhileIsForgotten) {
    const std::uint32_t generation = outside_.kernel.at(four_).generation;
    start(later(now_, 600s));
    EXPECT_EQ(outside_.kernel.at(four_).generation, generation) << "its holder is still the same";
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_FALSE(outside_.kernel.contains(six_));
    EXPECT_TRUE(outside_.kernel.at(four_).exempt);
    EXPECT_FALSE(outside_.kernel.at(four_).granted);
}

TEST_F(TakeOverTest, WhatEndedAndOnlyTheKernelKnowsIsRemoved) {
    outside_.grants.clear();
    start(later(now_, 600s));
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_FALSE(outside_.kernel.contains(six_));
}

TEST_F(TakeOverTest, AfterARebootItEndsWhenItWouldHaveEnded) {
    lose_kernel();
    const Now at = rebooted(now_, 200s);
    start(at);
    const Grant& grant = outside_.grants.at(six_);
    EXPECT_EQ(grant.expires, at.boottime + 400s);
    EXPECT_EQ(grant.expires_wall, now_.wall + 600s);
    EXPECT_EQ(grant.boot, "second");
    EXPECT_EQ(grant.since, now_.wall);
    EXPECT_EQ(outside_.kernel.at(six_).expires, at.boottime + 400s);
    EXPECT_EQ(start(later(at, 1s)).size(), 1U) << "and it is taken over as any other afterwards";
}

TEST_F(TakeOverTest, AfterARebootBehindItsEndItIsGone) {
    lose_kernel();
    start(rebooted(now_, 600s));
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_EQ(outside_.kernel.size(), 2U) << "the exemptions";
}

TEST_F(TakeOverTest, AClockThatWentBackEndsItRatherThanLengthenIt) {
    lose_kernel();
    start(rebooted(now_, -1ns));
    EXPECT_TRUE(outside_.grants.empty());
}

TEST_F(TakeOverTest, AClockThatWentBackBehindTheRenewalEndsItToo) {
    Grant granted;
    outside_.apply(open_in(before_, request("2001:db8:100::1"), later(now_, 500s), granted).value());
    lose_kernel();
    start(rebooted(now_, 499s));  // after `since`, and yet 601 s before an end that was 600 s away
    EXPECT_FALSE(outside_.grants.contains(six_));
}

// The clock was right when it was last looked at, or the reboot before would be another story.
TEST_F(TakeOverTest, AClockThatIsBehindWhatWasSeenEndsIt) {
    outside_.seen = later(now_, 500s);
    lose_kernel();
    start(rebooted(now_, 499s));
    EXPECT_TRUE(outside_.grants.empty()) << "nobody knows how much of it is left";
}

TEST_F(TakeOverTest, HowTheClockWasSetBeforePlaysNoPart) {
    for (const auto step : {-300s, 300s}) {
        SCOPED_TRACE(step.count());
        outside_ = Outside();
        before_ = Grants(config_);
        Grant granted;
        outside_.apply(open_in(before_, request("2001:db8:100::1"), now_, granted).value());
        Now set = later(now_, 400s);
        set.wall += step;
        outside_.seen = set;
        lose_kernel();
        const Now at = rebooted(set, 50s);
        start(at);
        ASSERT_TRUE(outside_.grants.contains(six_));
        EXPECT_EQ(outside_.grants.at(six_).expires, at.boottime + 150s);
        EXPECT_EQ(outside_.grants.at(six_).expires_wall, at.wall + 150s);
        lose_kernel();
        outside_.seen = set;
        start(rebooted(set, 200s, "third"));
        EXPECT_TRUE(outside_.grants.empty());
    }
}

TEST_F(TakeOverTest, NoBootIdProvesNothing) {
    Now blind = now_;
    blind.boot.clear();
    outside_.grants.at(six_).boot.clear();
    outside_.grants.at(six_).expires = 1h;  // of whatever boot
    lose_kernel();
    const Now at = later(blind, 100s);
    start(at);
    EXPECT_EQ(outside_.kernel.at(six_).expires, at.boottime + 500s);
}

TEST_F(TakeOverTest, ADamagedRowLastsNoLongerThanAnyGrant) {
    lose_kernel();
    outside_.grants.at(six_).expires_wall = WallTime::max();
    outside_.grants.at(four_).expires_wall = WallTime::min();
    const Now at = rebooted(now_, 200s);
    start(at);
    EXPECT_EQ(outside_.kernel.at(six_).expires, at.boottime + config_.grants.longest);
    EXPECT_FALSE(outside_.kernel.at(four_).granted);
}

TEST_F(TakeOverTest, AGrantOfThisBootCountsMoreThanARowOfTheLast) {
    const Now at = rebooted(now_, 200s);
    KernelEntry& entry = outside_.kernel.at(six_);
    entry.expires = at.boottime + 10s;
    entry.generation += 7;
    start(at);
    EXPECT_EQ(outside_.grants.at(six_).expires, at.boottime + 10s);
    EXPECT_EQ(outside_.grants.at(six_).source, "kernel");
}

TEST_F(TakeOverTest, WhatLiesInNoPoolAnyMoreIsRemovedButContractsAreKept) {
    config_.pools.at(0).prefixes = {prefix("2001:db8:100::/40")};
    start(then_);
    EXPECT_EQ(outside_.kernel.size(), 1U);
    EXPECT_TRUE(outside_.kernel.contains(six_));
    EXPECT_EQ(outside_.grants.size(), 1U);
    EXPECT_THAT(outside_.wide, IsEmpty());
    EXPECT_EQ(outside_.exemptions.size(), 3U);
    EXPECT_EQ(after_.exemptions().size(), 3U);
    EXPECT_EQ(after_.dormant_exemptions().size(), 3U);
    EXPECT_FALSE(after_.exemption_of(address("192.0.2.9")));
    outside_.apply(after_.exempt(contract("203.0.113.9/32")).value());
    EXPECT_FALSE(after_.exemption_of(address("192.0.2.9"))) << "another of its length is in force";

    config_ = example_config();
    start(then_);
    EXPECT_THAT(after_.dormant_exemptions(), IsEmpty());
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.9/32")).exempt);
    EXPECT_THAT(outside_.wide, ElementsAre(prefix("192.0.2.128/25")));
}

TEST_F(TakeOverTest, ALowerLongestShortensWhatLives) {
    config_.grants.longest = 20s;
    start(now_);
    EXPECT_LE(outside_.kernel.at(four_).expires, now_.boottime + 20s);
    EXPECT_LE(outside_.grants.at(four_).expires_wall, now_.wall + 20s);
}

TEST_F(TakeOverTest, AKeyOfAnotherLengthAtTheSameAddressIsNotTakenAwayWithTheOld) {
    // The kernel's key is the address alone, so the removal of the old entry would hit the new one.
    const Prefix wide = prefix("2001:db8:100:7700::/56");
    outside_.apply(before_.exempt(contract("2001:db8:100:7700::/56")).value());
    for (PoolConfig& pool : config_.pools) {
        pool.key_length_ipv6 = 64;
    }
    after_ = Grants(config_);
    Outside outside;
    outside.exemptions = {
        {prefix("2001:db8:100:7700::/64"), contract("2001:db8:100:7700::/64")},
    };
    outside.kernel = {{wide, {.key = wide, .exempt = true}}};
    for (const Action& action : outside.take_over_by(after_, then_)) {
        if (const auto* removed = std::get_if<RetireEntry>(&action)) {
            EXPECT_NE(removed->key.address, wide.address);
        }
    }
}

TEST_F(TakeOverTest, ADormantContractCanBeRemoved) {
    config_.pools.at(0).prefixes = {prefix("2001:db8:100::/40")};
    start(then_);
    const auto actions = after_.remove_exemption(prefix("192.0.2.9/32"));
    ASSERT_TRUE(actions);
    ASSERT_EQ(actions->size(), 1U);
    EXPECT_TRUE(std::holds_alternative<ForgetExemption>(actions->front()));
}

TEST_F(TakeOverTest, AnotherKeyLengthEndsTheGrant) {
    outside_.apply(before_.exempt(contract("2001:db8:100:4200::/56")).value());
    config_.pools.at(0).key_length_ipv6 = 64;
    const Actions actions = start(then_);
    EXPECT_FALSE(outside_.kernel.contains(six_));
    EXPECT_FALSE(outside_.grants.contains(six_));
    // What was a key is several now, and lives in the table before the entry goes.
    EXPECT_THAT(outside_.wide, ElementsAre(prefix("192.0.2.128/25"), prefix("2001:db8:100:4200::/56")));
    std::size_t table = actions.size();
    std::size_t removal = 0;
    for (std::size_t i = 0; i < actions.size(); ++i) {
        if (std::holds_alternative<SetWideExemptions>(actions[i])) {
            table = i;
        }
        const auto* gone = std::get_if<RetireEntry>(&actions[i]);
        removal = gone != nullptr && gone->key == prefix("2001:db8:100:4200::/56") ? i : removal;
    }
    EXPECT_LT(table, removal);
}

TEST_F(TakeOverTest, APoolThatBecameSharedHasNoGrants) {
    config_.pools.at(0).shared = true;
    start(then_);
    EXPECT_TRUE(outside_.grants.empty());
    EXPECT_FALSE(outside_.kernel.contains(six_));
    EXPECT_TRUE(outside_.kernel.at(four_).exempt);
    EXPECT_FALSE(outside_.kernel.at(four_).granted);
}

TEST_F(TakeOverTest, ARenamedPoolIsNoted) {
    config_.pools.at(0).name = "adsl";
    const Actions actions = start(then_);
    EXPECT_EQ(count<PutEntry>(actions), 0U);
    EXPECT_EQ(outside_.grants.at(six_).pool, "adsl");
}

TEST_F(TakeOverTest, AnExemptionTheStoreLacksWasRemoved) {
    outside_.exemptions.clear();
    start(then_);
    EXPECT_FALSE(outside_.kernel.contains(prefix("192.0.2.9/32")));
    EXPECT_FALSE(outside_.kernel.at(four_).exempt);
    EXPECT_TRUE(outside_.kernel.at(four_).granted);
    EXPECT_THAT(outside_.wide, IsEmpty());
}

TEST_F(TakeOverTest, AStoreThatCannotBeReadIsAnError) {
    const auto unreadable = [](const std::function<void(const Grant&)>&) -> Result<void> {
        return fail(Failure::unavailable, "the disk is gone");
    };
    const auto failed = after_.take_over({}, unreadable, KernelEntries({}), then_);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, "the disk is gone");
}

TEST_F(TakeOverTest, ItBeginsAnew) {
    Grants grants(config_);
    Grant granted;
    ASSERT_TRUE(open_in(grants, request("203.0.113.5"), now_, granted));
    ASSERT_TRUE(grants.exempt(contract("203.0.113.6/32")));
    const Actions actions = Outside().take_over_by(grants, then_);
    EXPECT_EQ(actions.size(), 1U);
    EXPECT_THAT(grants.list(then_), IsEmpty());
    EXPECT_THAT(grants.exemptions(), IsEmpty());
    EXPECT_FALSE(grants.exemption_of(address("203.0.113.6")));
    EXPECT_THAT(grants.sweep(later(then_, 1h)), IsEmpty());
}

// Its file was of no use, and another one was begun.
TEST_F(TakeOverTest, WithoutAStoreWhatTheKernelHoldsOfAKeyGoesOn) {
    outside_.apply(before_.quarantine(address("192.0.2.20"), "ticket", now_).value());
    const std::map<Prefix, KernelEntry> was = outside_.kernel;
    outside_.grants.clear();
    outside_.exemptions.clear();
    outside_.quarantines.clear();
    after_ = Grants(config_);
    outside_.take_over_by(after_, then_, true);
    EXPECT_EQ(outside_.kernel.size(), was.size());
    for (const auto& [key, entry] : was) {
        ASSERT_TRUE(outside_.kernel.contains(key)) << key.text();
        EXPECT_EQ(outside_.kernel.at(key).exempt, entry.exempt) << key.text();
        EXPECT_EQ(outside_.kernel.at(key).granted, entry.granted) << key.text();
        EXPECT_EQ(outside_.kernel.at(key).quarantined, entry.quarantined) << key.text();
        EXPECT_EQ(outside_.kernel.at(key).expires, entry.expires) << key.text();
    }
    EXPECT_EQ(outside_.exemptions.size(), 2U) << "and they are written down";
    EXPECT_EQ(outside_.quarantines.size(), 1U);
    EXPECT_EQ(outside_.grants.size(), 2U);
    EXPECT_EQ(after_.exemption_of(address("192.0.2.9"))->note, "found in the kernel when the store was lost");
    EXPECT_TRUE(after_.quarantine_of(address("192.0.2.20")));
    EXPECT_THAT(outside_.wide, IsEmpty()) << "of wide ones nothing is left";
    const Actions again = start(later(then_, 1s));
    EXPECT_EQ(count<PutEntry>(again) + count<SaveExemption>(again) + count<SaveQuarantine>(again), 0U);
}

TEST_F(TakeOverTest, WithoutAStoreAContractIsNoExemption) {
    Actions actions;
    ASSERT_TRUE(before_.set_contract(prefix("192.0.2.30/32"), true, actions));
    ASSERT_TRUE(
        before_.set_contract(prefix("192.0.2.9/32"), true, actions));  // which is exempt by order, too
    outside_.apply(actions);
    outside_.exemptions.clear();
    after_ = Grants(config_);
    outside_.take_over_by(after_, then_, true);
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.30/32")).exempt);
    EXPECT_TRUE(after_.has_contract(address("192.0.2.30")));
    EXPECT_FALSE(after_.exemption_of(address("192.0.2.30"))) << "it goes with whoever has it";
    EXPECT_TRUE(after_.exemption_of(address("192.0.2.9")));
    actions.clear();
    ASSERT_TRUE(after_.set_contract(prefix("192.0.2.30/32"), false, actions));
    outside_.apply(actions);
    EXPECT_FALSE(outside_.kernel.contains(prefix("192.0.2.30/32")));
}

TEST_F(TakeOverTest, AStoreThatIsThereIsBelievedThatAContractHasEnded) {
    outside_.exemptions.clear();
    start(then_);
    EXPECT_FALSE(outside_.kernel.contains(prefix("192.0.2.9/32")));
    EXPECT_FALSE(outside_.kernel.at(four_).exempt);
}

}  // namespace
}  // namespace sekisho::grants
