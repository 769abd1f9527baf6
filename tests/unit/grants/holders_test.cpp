// SPDX-License-Identifier: Apache-2.0
// What follows from who has an address.
#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HoldersTest : public testing::Test {
protected:
    Grant open(std::string_view of, const Now& at) {
        Grant granted;
        const auto actions = open_in(grants_, request(of), at, granted);
        EXPECT_TRUE(actions);
        outside_.apply(*actions);
        return granted;
    }

    std::size_t hand_over(std::string_view of, WallTime since = WallTime::max()) {
        Actions actions;
        const std::vector<Grant> ended = grants_.hand_over(
            prefix(of), [since](const Prefix&, WallTime opened) { return opened >= since; }, now_, actions);
        outside_.apply(actions);
        return ended.size();
    }

    Actions set_contract(std::string_view of, bool contract) {
        Actions actions;
        const std::vector<Prefix> keys = grants_.contract_keys(prefix(of)).value();
        for (const Prefix& key : keys) {
            grants_.set_contract(key, contract, actions);
        }
        outside_.apply(actions);
        return actions;
    }

    Error refused_contract(std::string_view of) {
        const auto keys = grants_.contract_keys(prefix(of));
        EXPECT_FALSE(keys);
        return keys ? Error{} : keys.error();
    }

    [[nodiscard]] std::vector<std::string> granted() const {
        std::vector<std::string> keys;
        for (const Grant& grant : grants_.list(now_)) {
            keys.push_back(grant.key.text());
        }
        return keys;
    }

    Config config_ = example_config();
    Grants grants_{config_};
    Outside outside_;
    Now now_ = example_now();
};

TEST_F(HoldersTest, AnAddressThatIsHandedOverLosesItsGrantAndItsConnections) {
    open("192.0.2.7", now_);
    open("192.0.2.8", now_);
    Actions actions;
    const auto nothing_stays = [](const Prefix&, WallTime) { return false; };
    const std::vector<Grant> ended = grants_.hand_over(prefix("192.0.2.7/32"), nothing_stays, now_, actions);
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended.front().key, prefix("192.0.2.7/32"));
    EXPECT_EQ(ended.front().user, "alice");
    ASSERT_EQ(actions.size(), 2U);
    EXPECT_EQ(std::get<RemoveEntry>(actions[0]).key, prefix("192.0.2.7/32"));
    EXPECT_EQ(std::get<ForgetGrant>(actions[1]).key, prefix("192.0.2.7/32"));
    outside_.apply(actions);
    EXPECT_THAT(granted(), ElementsAre("192.0.2.8/32"));
    EXPECT_EQ(hand_over("192.0.2.7/32"), 0U);
}

TEST_F(HoldersTest, AGrantOfTheNewHolderStays) {
    open("192.0.2.7", now_);
    open("192.0.2.8", later(now_, 10s));
    EXPECT_EQ(hand_over("192.0.2.7/32", later(now_, 10s).wall), 1U);
    EXPECT_EQ(hand_over("192.0.2.8/32", later(now_, 10s).wall), 0U);
    EXPECT_THAT(granted(), ElementsAre("192.0.2.8/32"));
}

TEST_F(HoldersTest, APrefixTakesAllKeysInIt) {
    for (const char* each :
         {"2001:db8:100::1", "2001:db8:100:ff::1", "2001:db8:100:200::1", "2001:db8:200::1", "192.0.2.1"}) {
        open(each, now_);
    }
    EXPECT_EQ(hand_over("2001:db8:100::/55"), 1U);  // 100::/56, and nobody in the other half
    EXPECT_THAT(granted(), ElementsAre("192.0.2.1/32", "2001:db8:100:200::/56", "2001:db8:200::/64"));
    EXPECT_EQ(hand_over("2001:db8:100::/47"), 1U);
    EXPECT_THAT(granted(), ElementsAre("192.0.2.1/32", "2001:db8:200::/64"));
    EXPECT_EQ(hand_over("::/0"), 1U);
    EXPECT_EQ(hand_over("0.0.0.0/0"), 1U);
}

TEST_F(HoldersTest, APartOfAKeyIsItsSubscribers) {
    open("2001:db8:100:12::1", now_);
    EXPECT_EQ(hand_over("2001:db8:100:34::/64"), 1U) << "the key is a /56";
    open("2001:db8:200:12::1", now_);
    EXPECT_EQ(hand_over("2001:db8:200:12::77/128"), 1U);
    EXPECT_EQ(hand_over("198.18.0.1/32"), 0U) << "in no pool";
}

TEST_F(HoldersTest, WhatIsExemptOrQuarantinedStaysSo) {
    outside_.apply(grants_.exempt(contract("192.0.2.7/32")).value());
    open("192.0.2.7", now_);
    EXPECT_EQ(hand_over("192.0.2.7/32"), 1U);
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.7/32")).exempt);
    EXPECT_FALSE(outside_.kernel.at(prefix("192.0.2.7/32")).granted);
}

TEST_F(HoldersTest, AContractExemptsTheKeyAndIsNotStored) {
    const Actions actions = set_contract("192.0.2.7/32", true);
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_TRUE(std::get<PutEntry>(actions[0]).entry.exempt);
    EXPECT_TRUE(grants_.has_contract(address("192.0.2.7")));
    EXPECT_FALSE(grants_.has_contract(address("192.0.2.8")));
    EXPECT_THAT(grants_.exemptions(), IsEmpty());
    EXPECT_THAT(set_contract("192.0.2.7/32", true), IsEmpty()) << "it has one";
    EXPECT_EQ(count<RemoveEntry>(set_contract("192.0.2.7/32", false)), 1U);
    EXPECT_THAT(set_contract("192.0.2.7/32", false), IsEmpty());
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(HoldersTest, AContractOfAPartIsTheKeysAndOneOfSeveralKeysIsEachs) {
    set_contract("2001:db8:100:12::/64", true);
    EXPECT_TRUE(outside_.kernel.at(prefix("2001:db8:100::/56")).exempt);
    set_contract("2001:db8:2ff:ffff:ffff:ffff:ffff:ffff/128", false);
    set_contract("2001:db8:200:fff0::/60", true);
    EXPECT_EQ(outside_.kernel.size(), 17U);
    EXPECT_TRUE(outside_.kernel.at(prefix("2001:db8:200:ffff::/64")).exempt);
    set_contract("192.0.2.0/29", true);
    EXPECT_EQ(outside_.kernel.size(), 25U);
    set_contract("2001:db8:200:fff0::/60", false);
    set_contract("192.0.2.0/29", false);
    EXPECT_EQ(outside_.kernel.size(), 1U);
    EXPECT_THAT(set_contract("198.18.0.1/32", true), IsEmpty()) << "in no pool port 25 is open anyway";
}

TEST_F(HoldersTest, AContractThatCantBeIsRefused) {
    EXPECT_THAT(refused_contract("198.51.100.7/32").what, HasSubstr("shared"));
    EXPECT_THAT(refused_contract("2001:db8:200::/55").what, HasSubstr("more than 256 keys"));
    EXPECT_THAT(refused_contract("192.0.0.0/16").what, HasSubstr("wider than 192.0.2.0/24"));
}

TEST_F(HoldersTest, AContractAnExemptionAndAGrantShareTheEntry) {
    const Prefix key = prefix("192.0.2.7/32");
    outside_.apply(grants_.exempt(contract("192.0.2.7/32")).value());
    set_contract("192.0.2.7/32", true);
    open("192.0.2.7", now_);
    outside_.apply(grants_.remove_exemption(key).value());
    EXPECT_TRUE(outside_.kernel.at(key).exempt) << "there is the contract";
    EXPECT_EQ(hand_over("192.0.2.7/32"), 1U);
    EXPECT_TRUE(outside_.kernel.at(key).exempt);
    outside_.apply(grants_.exempt(contract("192.0.2.7/32")).value());
    set_contract("192.0.2.7/32", false);
    EXPECT_TRUE(outside_.kernel.at(key).exempt) << "there is the exemption";
    outside_.apply(grants_.remove_exemption(key).value());
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(HoldersTest, AContractOutlivesAQuarantine) {
    set_contract("192.0.2.7/32", true);
    outside_.apply(grants_.quarantine(address("192.0.2.7"), "", now_).value());
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.7/32")).quarantined);
    outside_.apply(grants_.release(address("192.0.2.7")).value());
    EXPECT_TRUE(outside_.kernel.at(prefix("192.0.2.7/32")).exempt);
    EXPECT_FALSE(outside_.kernel.at(prefix("192.0.2.7/32")).quarantined);
    outside_.apply(grants_.quarantine(address("192.0.2.7"), "", now_).value());
    set_contract("192.0.2.7/32", false);
    outside_.apply(grants_.release(address("192.0.2.7")).value());
    EXPECT_THAT(outside_.kernel, IsEmpty());
}

TEST_F(HoldersTest, AtTheEndOfAllAddressesNothingGoesAround) {
    config_.pools.push_back(
        {.name = "end", .prefixes = {prefix("ffff:ffff:ffff:ffff::/64")}, .key_length_ipv6 = 72});
    const Grants grants(config_);
    EXPECT_EQ(grants.contract_keys(prefix("ffff:ffff:ffff:ffff::/64")).value().size(), 256U);
}

}  // namespace
}  // namespace sekisho::grants
