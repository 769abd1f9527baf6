// SPDX-License-Identifier: Apache-2.0
// A table of sessions, and packets that come to it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/subscribers/sessions.h"
#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {

class SessionsTest : public testing::Test {
protected:
    // Comes the moment it was made.
    Changes apply(const Report& report) {
        const auto made = report.request.event_time.value_or(midnight) - midnight;
        return sessions_.apply(report, at(std::max<std::chrono::seconds>(made, now_)));
    }

    // Begins or changes nothing but what the packet says; the number of its session.
    std::uint64_t apply_new(const Report& report) {
        const Changes changes = apply(report);
        EXPECT_EQ(changes.began.size(), 1U);
        return changes.began.empty() ? 0 : changes.began.front();
    }

    static void expect_nothing(const Changes& changes) {
        EXPECT_THAT(changes.holders, testing::IsEmpty());
        EXPECT_THAT(changes.began, testing::IsEmpty());
        EXPECT_THAT(changes.ended, testing::IsEmpty());
        EXPECT_THAT(changes.to_save, testing::IsEmpty());
        EXPECT_FALSE(changes.refused);
    }

    // The session id of who has it; "" if nobody.
    [[nodiscard]] std::string holder(std::string_view text) const {
        const auto session = sessions_.find(address(text));
        return session ? session->session_id : "";
    }

    Sessions sessions_{100};
    std::chrono::seconds now_{};  // packets that were made earlier come now
};

}  // namespace sekisho::subscribers
