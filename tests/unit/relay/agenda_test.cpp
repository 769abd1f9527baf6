// SPDX-License-Identifier: Apache-2.0
// Which deliveries begin, over a spool of a few rows.
#include "smtpd/agenda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtpd/message/domain.h"

namespace sekisho {
namespace {

using spool::Waiting;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

class AgendaTest : public testing::Test {
protected:
    // One more who waits, behind all others.
    void wait(std::string_view id, std::string_view address) {
        Waiting one;
        one.recipient = ++last_;
        one.id = id;
        one.address = address;
        one.domain = message::domain_of(address);
        waiting_.push_back(one);
    }
    void crowd(std::size_t size, std::string_view domain) {
        for (std::size_t i = 0; i < size; i++) {
            wait(std::string(domain) + std::to_string(i), "bob@" + std::string(domain));
        }
    }
    // What begins now, as "id: recipients".
    std::vector<std::string> begin() {
        std::vector<std::string> begun;
        for (const Agenda::Delivery& each : agenda_.begin(due_)) {
            std::string text = each.group.front().id + ":";
            for (const Waiting& recipient : each.group) {
                text += " " + recipient.address;
            }
            begun.push_back(text);
            under_way_.push_back(each);
        }
        return begun;
    }
    // The one that has been under way for the longest has ended; its recipients wait no more.
    void end() {
        const Agenda::Delivery first = under_way_.front();
        under_way_.erase(under_way_.begin());
        for (const Waiting& gone : first.group) {
            std::erase_if(waiting_, [&](const Waiting& each) { return each.recipient == gone.recipient; });
        }
        agenda_.leave(first, now_);
        agenda_.end(first);
    }

    RelayConfig config_;
    Agenda agenda_{config_};
    Agenda::Time now_{1000s};
    std::int64_t last_ = 0;
    std::vector<Waiting> waiting_;
    std::vector<Agenda::Delivery> under_way_;
    int looks_ = 0;
    Agenda::Due due_ = [this](std::size_t limit, const std::vector<std::string>& domains,
                              spool::SpoolReader::Pick pick) {
        looks_++;
        std::vector<Waiting> rows;
        for (const Waiting& each : waiting_) {
            const bool named = std::ranges::find(domains, each.domain) != domains.end();
            if (named == (pick == spool::SpoolReader::Pick::only) && rows.size() < limit) {
                rows.push_back(each);
            }
        }
        return rows;
    };
};

TEST_F(AgendaTest, OfOneDomainAsManyAsItMayHave) {
    config_.deliveries_per_host = 2;
    crowd(3, "one.test");
    EXPECT_THAT(begin(), ElementsAre("one.test0: bob@one.test", "one.test1: bob@one.test"));
    EXPECT_EQ(agenda_.under_way(), 2U);
    EXPECT_THAT(begin(), IsEmpty());
    end();
    EXPECT_THAT(begin(), ElementsAre("one.test2: bob@one.test"));
    end();
    end();
    EXPECT_EQ(agenda_.under_way(), 0U);
    EXPECT_THAT(begin(), IsEmpty());
}

TEST_F(AgendaTest, WhatHasBeenFoundIsNotLookedForAgain) {
    config_.deliveries_per_host = 1;
    crowd(90, "one.test");
    EXPECT_THAT(begin(), SizeIs(1));
    waiting_.clear();
    for (int i = 1; i < 90; i++) {
        EXPECT_EQ(agenda_.others_follow("one.test", now_ + 3s), true) << i;
        end();
        looks_ = 0;
        EXPECT_THAT(begin(), ElementsAre("one.test" + std::to_string(i) + ": bob@one.test"));
        EXPECT_LE(looks_, 1) << i;  // at those who have come since
    }
    EXPECT_FALSE(agenda_.others_follow("one.test", now_ + 3s));
}

// A connection is worth keeping for a moment where messages go the same way one after the other.
TEST_F(AgendaTest, WhereOneHasGoneAnotherIsExpected) {
    wait("first", "bob@one.test");
    wait("other", "bob@two.test");
    EXPECT_THAT(begin(), SizeIs(2));
    EXPECT_FALSE(agenda_.others_follow("one.test", now_)) << "it is the first";
    end();
    EXPECT_TRUE(agenda_.others_follow("one.test", now_ + 2s));
    EXPECT_FALSE(agenda_.others_follow("one.test", now_ + 3s)) << "that was long ago";
    EXPECT_FALSE(agenda_.others_follow("two.test", now_)) << "nobody has gone there";
    now_ += 3s;
    end();
    EXPECT_TRUE(agenda_.others_follow("two.test", now_));
    EXPECT_FALSE(agenda_.others_follow("one.test", now_));
}

TEST_F(AgendaTest, ACrowdHidesNobody) {
    config_.deliveries_per_host = 2;
    crowd(500, "one.test");
    wait("behind", "carol@two.test");
    EXPECT_THAT(begin(),
                ElementsAre("one.test0: bob@one.test", "one.test1: bob@one.test", "behind: carol@two.test"));
}

TEST_F(AgendaTest, WhoHasLeftMakesRoomAndIsNotBegunAgainBeforeItIsWrittenDown) {
    config_.deliveries_per_host = 1;
    crowd(2, "one.test");
    EXPECT_THAT(begin(), SizeIs(1));
    agenda_.leave(under_way_.front(), now_);
    EXPECT_EQ(agenda_.under_way(), 0U);
    EXPECT_THAT(begin(), ElementsAre("one.test1: bob@one.test"));
    agenda_.leave(under_way_.back(), now_);
    EXPECT_THAT(begin(), IsEmpty());  // both are due, as far as the spool knows
    agenda_.end(under_way_.front());
    EXPECT_THAT(begin(), ElementsAre("one.test0: bob@one.test"));  // it was deferred, say, and is due again
}

TEST_F(AgendaTest, WhereNothingCanBeWrittenDownNothingMoreLeaves) {
    config_.deliveries_per_host = 1;
    crowd(1100, "one.test");
    std::size_t left = 0;
    while (true) {
        const auto begun = begin();
        if (begun.empty()) {
            break;
        }
        left++;
        agenda_.leave(under_way_.back(), now_);
    }
    EXPECT_EQ(left, 1000U);
    agenda_.end(under_way_.front());
    EXPECT_THAT(begin(), SizeIs(1));
}

TEST_F(AgendaTest, NobodyIsBegunTwice) {
    config_.deliveries_per_host = 1;
    crowd(3, "one.test");
    crowd(3, "two.test");
    std::vector<std::string> all = begin();
    while (!under_way_.empty()) {
        end();
        const auto more = begin();
        all.insert(all.end(), more.begin(), more.end());
    }
    EXPECT_THAT(all, SizeIs(6));
    std::ranges::sort(all);
    EXPECT_TRUE(std::ranges::adjacent_find(all) == all.end());
}

TEST_F(AgendaTest, TheLimitOfAllIsNotTheirsWhoAreLocal) {
    config_.deliveries = 2;
    config_.local = {{.domains = {"here.test"}, .path = "/run/lmtp", .host = {}}};
    crowd(1, "one.test");
    crowd(1, "two.test");
    crowd(1, "three.test");
    crowd(1, "here.test");
    EXPECT_THAT(begin(), ElementsAre("one.test0: bob@one.test", "two.test0: bob@two.test",
                                     "here.test0: bob@here.test"));
    crowd(1, "four.test");
    wait("late", "bob@here.test");
    EXPECT_THAT(begin(), ElementsAre("late: bob@here.test"));
    end();
    EXPECT_THAT(begin(), ElementsAre("three.test0: bob@three.test"));
    end();
    EXPECT_THAT(begin(), ElementsAre("four.test0: bob@four.test"));
}

TEST_F(AgendaTest, RecipientsOfOneMessageTravelTogetherWhereTheyHaveOneWay) {
    wait("first", "a@one.test");
    wait("first", "b@two.test");
    wait("first", "c@one.test");
    wait("second", "d@one.test");
    EXPECT_THAT(begin(),
                ElementsAre("first: a@one.test c@one.test", "first: b@two.test", "second: d@one.test"));
}

TEST_F(AgendaTest, ASmarthostIsTheWayOfAllButLocalDomains) {
    config_.smarthost = {.host = "smart.test", .port = 25};
    config_.local = {{.domains = {"here.test"}, .path = "/run/lmtp", .host = {}}};
    config_.deliveries_per_host = 1;
    wait("first", "a@one.test");
    wait("first", "b@two.test");
    wait("first", "c@here.test");
    wait("second", "d@three.test");
    EXPECT_THAT(begin(), ElementsAre("first: a@one.test b@two.test", "first: c@here.test"));
    EXPECT_TRUE(agenda_.others_follow(under_way_.front().lane, now_ + 3s));
    EXPECT_FALSE(agenda_.others_follow("here.test", now_ + 3s));
    end();
    EXPECT_THAT(begin(), ElementsAre("second: d@three.test"));
}

}  // namespace
}  // namespace sekisho
