// SPDX-License-Identifier: Apache-2.0
// How long failures are held back.
#include "smtpd/sasl/failure_delays.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;

Address address(const char* text) {
    return parse_address(text).value();
}

TEST(FailureDelaysTest, GrowForEachAddressOnItsOwn) {
    FailureDelays delays;
    const FailureDelays::Moment now{};
    for (const auto expected : {200ms, 400ms, 800ms, 1600ms, 3200ms, 4000ms, 4000ms}) {
        EXPECT_EQ(delays.failed(address("192.0.2.1"), "", now), expected);
    }
    EXPECT_EQ(delays.failed(address("192.0.2.2"), "", now), 200ms);
    EXPECT_EQ(delays.failed(std::nullopt, "", now), 200ms);
    EXPECT_EQ(delays.failed(std::nullopt, "", now), 400ms);
}

TEST(FailureDelaysTest, Ipv6CountsByTheSubscribersNetwork) {
    FailureDelays delays;
    EXPECT_EQ(delays.failed(address("2001:db8:0:1::1"), "", {}), 200ms);
    EXPECT_EQ(delays.failed(address("2001:db8:0:1:ffff::2"), "", {}), 400ms);
    EXPECT_EQ(delays.failed(address("2001:db8:0:2::1"), "", {}), 200ms);
}

TEST(FailureDelaysTest, AreForgottenInTime) {
    FailureDelays delays;
    const FailureDelays::Moment now{};
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", now), 200ms);
    EXPECT_EQ(delays.failed(address("192.0.2.2"), "", now + 9min), 200ms);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", now + 10min), 400ms);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", now + 20min), 800ms);
    EXPECT_EQ(delays.size(), 1U);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", now + 30min + 1s), 200ms);
}

TEST(FailureDelaysTest, TheTableHasALimit) {
    FailureDelays delays(2);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", {}), 200ms);
    EXPECT_EQ(delays.failed(address("192.0.2.2"), "", {}), 200ms);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", {}), 400ms);
    EXPECT_EQ(delays.failed(address("192.0.2.3"), "", {}), 200ms);
    EXPECT_EQ(delays.size(), 2U);
    EXPECT_EQ(delays.failed(address("192.0.2.1"), "", {}), 800ms) << "the one good longest went";
    EXPECT_EQ(delays.failed(address("192.0.2.2"), "", {}), 200ms);
}

TEST(FailureDelaysTest, AUserIsGuessedAtFromManyPlaces) {
    FailureDelays delays;
    auto guess = [&delays, turn = 0](const char* user) mutable {
        const std::string from = "198." + std::to_string(++turn) + ".2.1";
        return delays.failed(address(from.c_str()), user, {});
    };
    for (unsigned i = 0; i <= FailureDelays::free_of_user; i++) {
        EXPECT_EQ(guess("anna"), 200ms) << i;
    }
    EXPECT_EQ(guess("ANNA"), 400ms);
    EXPECT_EQ(guess("anna"), 800ms);
    EXPECT_EQ(guess("bert"), 200ms);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(guess(""), 200ms) << "nobody in particular";
    }
}

TEST(FailureDelaysTest, ANetworkGuessesByManyAddresses) {
    FailureDelays delays;
    auto guess = [&delays, turn = 0](const std::string& network) mutable {
        return delays.failed(address((network + std::to_string(++turn)).c_str()), "", {});
    };
    for (unsigned i = 0; i <= FailureDelays::free_of_network; i++) {
        EXPECT_EQ(guess("192.0.2."), 200ms) << i;
    }
    EXPECT_EQ(guess("192.0.2."), 400ms);
    EXPECT_EQ(guess("198.51.100."), 200ms);
    auto guess6 = [&delays, turn = 0]() mutable {
        return delays.failed(address(("2001:db8:1:" + std::to_string(++turn) + "::1").c_str()), "", {});
    };
    for (unsigned i = 0; i <= FailureDelays::free_of_network; i++) {
        EXPECT_EQ(guess6(), 200ms) << i;
    }
    EXPECT_EQ(guess6(), 400ms);
}

}  // namespace
}  // namespace sekisho::sasl
