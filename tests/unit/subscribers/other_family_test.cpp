// SPDX-License-Identifier: Apache-2.0
// What a login over one family may open of the other.
#include "agent/subscribers/other_family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config two_families() {
    Config config;
    config.pools = {{.name = "dsl",
                     .prefixes = {prefix("192.0.2.0/24"), prefix("2001:db8:100::/40")},
                     .key_length_ipv6 = 56},
                    {.name = "cgn", .prefixes = {prefix("198.51.100.128/25")}, .shared = true}};
    return config;
}

class OtherFamilyTest : public testing::Test {
protected:
    // What a login from there may open besides.
    std::vector<std::string> others(std::string_view from) {
        std::vector<std::string> found;
        const auto session = sessions_.find(address(from));
        if (!session) {
            ADD_FAILURE() << "no session has " << from;
            return found;
        }
        for (const Address& each : other_family(*session, address(from), sessions_, grants_)) {
            found.push_back(each.text());
        }
        return found;
    }

    void begin(const Report& report) { static_cast<void>(sessions_.apply(report, at(100s))); }

    Config config_ = two_families();
    grants::Grants grants_{config_};
    Sessions sessions_{100};
};

TEST_F(OtherFamilyTest, EachOpensTheOther) {
    begin(start("a", 100s, {"192.0.2.7", "2001:db8:100:a00::/56"}));
    EXPECT_THAT(others("192.0.2.7"), ElementsAre("2001:db8:100:a00::"));
    EXPECT_THAT(others("2001:db8:100:aff::5"), ElementsAre("192.0.2.7"));
}

TEST_F(OtherFamilyTest, ASessionWithOneFamilyHasNoOther) {
    begin(start("a", 100s, {"192.0.2.7"}));
    EXPECT_THAT(others("192.0.2.7"), IsEmpty());
}

TEST_F(OtherFamilyTest, ALinkAndADelegatedPrefixAreTwo) {
    begin(start("a", 100s, {"192.0.2.7", "2001:db8:100:a00::/56", "2001:db8:110:5::/64"}));
    EXPECT_THAT(others("192.0.2.7"), ElementsAre("2001:db8:100:a00::", "2001:db8:110:5::"));
}

TEST_F(OtherFamilyTest, NotWhatIsSharedOrOutsideOrMoreThanOneKey) {
    begin(start("a", 100s, {"198.51.100.200", "2001:db8:100:a00::/56"}));
    EXPECT_THAT(others("2001:db8:100:a00::1"), IsEmpty()) << "shared";
    begin(start("b", 100s, {"192.0.2.8", "2001:db8:ff00::/56", "2001:db8:120::/48"}));
    EXPECT_THAT(others("192.0.2.8"), IsEmpty()) << "in no pool, and 256 keys";
}

TEST_F(OtherFamilyTest, NotWhatAnotherSessionHasTaken) {
    begin(start("a", 100s, {"192.0.2.7", "2001:db8:100:a00::/56"}));
    begin(start("b", 101s, {"192.0.2.8", "2001:db8:100:a00::/56"}));
    EXPECT_THAT(others("192.0.2.7"), IsEmpty());
    EXPECT_THAT(others("192.0.2.8"), ElementsAre("2001:db8:100:a00::"));
}

}  // namespace
}  // namespace sekisho::subscribers
