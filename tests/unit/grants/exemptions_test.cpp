// SPDX-License-Identifier: Apache-2.0
// Exemptions, alone and together with grants of the same key.
#include <gmock/gmock.h>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ExemptionsTest : public testing::Test {
protected:
    void exempt(std::string_view text) {
        const auto actions = grants_.exempt(contract(text));
        ASSERT_TRUE(actions) << actions.error().what;
        outside_.apply(*actions);
    }

    void remove(std::string_view text) {
        const auto actions = grants_.remove_exemption(prefix(text));
        ASSERT_TRUE(actions) << actions.error().what;
        outside_.apply(*actions);
    }

    Grant open(std::string_view text, std::chrono::seconds lifetime, const Now& at) {
        Grant granted;
        const auto actions = open_in(grants_, request(text, lifetime), at, granted);
        EXPECT_TRUE(actions);
        outside_.apply(*actions);
        return granted;
    }

    Error refusal(std::string_view text) {
        const auto actions = grants_.exempt(contract(text));
        EXPECT_FALSE(actions);
        EXPECT_TRUE(grants_.exemptions().empty());
        return actions ? Error{} : actions.error();
    }

    const KernelEntry& entry(std::string_view text) { return outside_.kernel.at(prefix(text)); }

    Config config_ = example_config();
    Grants grants_{config_};
    Outside outside_;
    Now now_ = example_now();
};

TEST_F(ExemptionsTest, OfAKeyIsAnEntryAndTheDiskComesFirst) {
    const auto actions = grants_.exempt(contract("192.0.2.7/32"));
    ASSERT_TRUE(actions);
    ASSERT_EQ(actions->size(), 2U);
    EXPECT_EQ(std::get<SaveExemption>(actions->front()).exemption.note, "contract");
    const auto& put = std::get<PutEntry>(actions->back()).entry;
    EXPECT_EQ(put.key, prefix("192.0.2.7/32"));
    EXPECT_TRUE(put.exempt);
    EXPECT_FALSE(put.granted);
}

TEST_F(ExemptionsTest, WiderOnesAreAlwaysToldAsAWhole) {
    exempt("192.0.2.16/28");
    EXPECT_THAT(outside_.wide, ElementsAre(prefix("192.0.2.16/28")));
    exempt("2001:db8:100::/48");
    exempt("192.0.2.0/29");
    EXPECT_THAT(outside_.wide,
                ElementsAre(prefix("192.0.2.0/29"), prefix("192.0.2.16/28"), prefix("2001:db8:100::/48")));
    remove("192.0.2.16/28");
    EXPECT_THAT(outside_.wide, ElementsAre(prefix("192.0.2.0/29"), prefix("2001:db8:100::/48")));
    EXPECT_TRUE(outside_.kernel.empty());
    EXPECT_EQ(outside_.exemptions.size(), 2U);
}

TEST_F(ExemptionsTest, AGrantAndAnExemptionShareTheEntry) {
    const Grant grant = open("192.0.2.7", 60s, now_);
    exempt("192.0.2.7/32");
    EXPECT_TRUE(entry("192.0.2.7/32").exempt);
    EXPECT_TRUE(entry("192.0.2.7/32").granted);
    EXPECT_EQ(entry("192.0.2.7/32").expires, grant.expires);
    remove("192.0.2.7/32");
    EXPECT_FALSE(entry("192.0.2.7/32").exempt);
    EXPECT_TRUE(entry("192.0.2.7/32").granted);
    EXPECT_EQ(entry("192.0.2.7/32").generation, grant.generation);
}

TEST_F(ExemptionsTest, TheEndOfTheGrantLeavesTheExemption) {
    exempt("2001:db8:100::/56");
    const Grant grant = open("2001:db8:100::1", 60s, now_);
    EXPECT_TRUE(entry("2001:db8:100::/56").exempt);
    outside_.apply(grants_.sweep(later(now_, 60s)));
    EXPECT_TRUE(entry("2001:db8:100::/56").exempt);
    EXPECT_FALSE(entry("2001:db8:100::/56").granted);
    EXPECT_EQ(entry("2001:db8:100::/56").expires, 0ns);
    EXPECT_EQ(entry("2001:db8:100::/56").generation, grant.generation)
        << "a flow recorded under the grant still belongs to the same holder";
    remove("2001:db8:100::/56");
    EXPECT_TRUE(outside_.kernel.empty());
}

TEST_F(ExemptionsTest, RevokingTheGrantLeavesTheExemption) {
    exempt("192.0.2.7/32");
    open("192.0.2.7", 60s, now_);
    outside_.apply(grants_.revoke(address("192.0.2.7"), now_).value());
    EXPECT_TRUE(entry("192.0.2.7/32").exempt);
    EXPECT_FALSE(entry("192.0.2.7/32").granted);
    EXPECT_TRUE(outside_.grants.empty());
}

TEST_F(ExemptionsTest, InNoPoolItWouldChangeNothing) {
    const Error error = refusal("192.0.3.0/24");
    EXPECT_EQ(error.kind, Failure::refused);
    EXPECT_THAT(error.what, HasSubstr("no pool"));
}

TEST_F(ExemptionsTest, WiderThanThePoolNamesThePoolsPrefix) {
    for (const auto* text : {"192.0.2.0/23", "192.0.0.0/16", "0.0.0.0/0"}) {
        const Error error = refusal(text);
        EXPECT_EQ(error.kind, Failure::refused);
        EXPECT_THAT(error.what, HasSubstr("wider"));
        EXPECT_THAT(error.remedy, HasSubstr("192.0.2.0/24"));
    }
}

TEST_F(ExemptionsTest, NarrowerThanAKeyNamesTheKey) {
    const Error error = refusal("2001:db8:100:12ff::25/128");
    EXPECT_EQ(error.kind, Failure::refused);
    EXPECT_THAT(error.remedy, HasSubstr("2001:db8:100:1200::/56"));
}

TEST_F(ExemptionsTest, BitsBehindTheLengthAreInvalid) {
    const auto actions = grants_.exempt(contract(Prefix{.address = address("192.0.2.7"), .length = 24}));
    ASSERT_FALSE(actions);
    EXPECT_EQ(actions.error().kind, Failure::invalid);
    EXPECT_THAT(actions.error().remedy, HasSubstr("192.0.2.0/24"));
}

TEST_F(ExemptionsTest, TwiceIsAConflict) {
    exempt("192.0.2.7/32");
    exempt("192.0.2.0/28");
    for (const auto* text : {"192.0.2.7/32", "192.0.2.0/28"}) {
        const auto again = grants_.exempt(contract(text));
        ASSERT_FALSE(again);
        EXPECT_EQ(again.error().kind, Failure::conflict);
        EXPECT_THAT(again.error().remedy, HasSubstr(std::string("sekisho exempt remove ") + text));
    }
}

TEST_F(ExemptionsTest, RemovingWhatIsNotThereNamesWhatCovers) {
    exempt("192.0.2.0/28");
    const auto removed = grants_.remove_exemption(prefix("192.0.2.7/32"));
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().kind, Failure::not_found);
    EXPECT_THAT(removed.error().remedy, HasSubstr("192.0.2.0/28"));
    EXPECT_EQ(grants_.remove_exemption(prefix("192.0.2.99/32")).error().remedy,
              "name it as it stands in `sekisho exempt list`");
}

TEST_F(ExemptionsTest, TheNarrowestCovers) {
    exempt("192.0.2.0/24");
    exempt("192.0.2.0/28");
    exempt("192.0.2.7/32");
    exempt("2001:db8:100::/48");
    const auto covering = [this](std::string_view text) {
        const auto found = grants_.exemption_of(address(text));
        return found ? found->prefix.text() : "none";
    };
    EXPECT_EQ(covering("192.0.2.7"), "192.0.2.7/32");
    EXPECT_EQ(covering("192.0.2.8"), "192.0.2.0/28");
    EXPECT_EQ(covering("192.0.2.16"), "192.0.2.0/24");
    EXPECT_EQ(covering("192.0.3.0"), "none");
    EXPECT_EQ(covering("2001:db8:100:ffff::"), "2001:db8:100::/48");
    EXPECT_EQ(covering("2001:db8:101::"), "none");
    remove("192.0.2.0/28");
    EXPECT_EQ(covering("192.0.2.8"), "192.0.2.0/24");
}

TEST_F(ExemptionsTest, ASharedPoolMayHoldOne) {
    exempt("198.51.100.7/32");
    EXPECT_TRUE(entry("198.51.100.7/32").exempt);
}

}  // namespace
}  // namespace sekisho::grants
