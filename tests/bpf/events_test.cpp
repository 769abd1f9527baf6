// SPDX-License-Identifier: Apache-2.0
// Events that find no room on their way to the agent are counted: none is lost without a trace.
#include "agent/dataplane/entries.h"
#include "tests/bpf/connections.h"

namespace sekisho::bpftest {
namespace {

class EventsAreFew : public Connections {};
INSTANTIATE_TEST_SUITE_P(, EventsAreFew, testing::Values(lines().front()), line_name);

TEST_P(EventsAreFew, WhatFindsNoRoomIsCounted) {
    constexpr std::size_t more_than_fit = 9000;  // 32 octets each, in a ring of 256 KiB
    const int limiters = Programs::get().map("sekisho_limiters");
    ASSERT_EQ(dataplane::unsent_events(limiters), 0U);
    for (std::size_t i = 0; i < more_than_fit; i++) {
        grant(600, 0);
        ASSERT_EQ(open(1000), SEKISHO_REASON_BUDGET_EXHAUSTED);
    }
    const auto unsent = dataplane::unsent_events(limiters);
    ASSERT_TRUE(unsent);
    EXPECT_GT(*unsent, 0U);
    EXPECT_EQ(events().size() + *unsent, more_than_fit);
    grant(600, 0);
    ASSERT_EQ(open(1000), SEKISHO_REASON_BUDGET_EXHAUSTED);
    EXPECT_EQ(events().size(), 1U) << "there is room again";
    EXPECT_EQ(dataplane::unsent_events(limiters), unsent);
}

}  // namespace
}  // namespace sekisho::bpftest
