// SPDX-License-Identifier: Apache-2.0
// What is remembered, for how long, and who has it forgotten.
#include "smtpd/fresh_mail.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

namespace sekisho {
namespace {

class FreshMailTest : public testing::Test {
protected:
    void put(const std::string& id, const std::string& octets) {
        auto message = std::make_shared<handoff::Request>();
        message->envelope.id = id;
        message->octets = octets;
        message->size = octets.size();
        mail_.put(std::move(message));
    }
    // "" where there is none.
    std::string take(const std::string& id) {
        const FreshMail::Message message = mail_.take(id);
        return message ? message->octets : std::string();
    }

    std::shared_ptr<std::atomic<std::uint64_t>> interventions_ =
        std::make_shared<std::atomic<std::uint64_t>>(7);
    FreshMail mail_{interventions_, 10};
};

TEST_F(FreshMailTest, EachIsTakenOnce) {
    put("a", "one");
    put("b", "two");
    EXPECT_EQ(take("a"), "one");
    EXPECT_EQ(take("a"), "");
    EXPECT_EQ(take("b"), "two");
    EXPECT_EQ(take("c"), "");
}

TEST_F(FreshMailTest, TheLastOfThisNameIsTheOneThatIsKept) {
    put("a", "one");
    put("a", "two");
    EXPECT_EQ(take("a"), "two");
    EXPECT_EQ(take("a"), "");
}

TEST_F(FreshMailTest, TheOldestMakeRoom) {
    put("a", "1234");
    put("b", "1234");
    EXPECT_EQ(take("a"), "1234");  // what is taken needs no room
    put("c", "1234");
    put("d", "12");
    put("e", "1");
    EXPECT_EQ(take("b"), "");
    EXPECT_EQ(take("c"), "1234");
    EXPECT_EQ(take("d"), "12");
    EXPECT_EQ(take("e"), "1");
    put("f", "12345678901");
    EXPECT_EQ(take("f"), "");
}

TEST_F(FreshMailTest, WhatStandsInAFileIsNotRemembered) {
    put("a", "");
    EXPECT_EQ(mail_.take("a"), nullptr);
}

// Whoever was held, removed or stopped may be among them, and what was put in while that was being done.
TEST_F(FreshMailTest, WhoMeddlesHasAllForgotten) {
    put("a", "one");
    ++*interventions_;
    EXPECT_EQ(take("a"), "");
    put("b", "two");
    ++*interventions_;
    put("c", "three");
    EXPECT_EQ(take("b"), "");
    EXPECT_EQ(take("c"), "three");
}

}  // namespace
}  // namespace sekisho
