// SPDX-License-Identifier: Apache-2.0
// Many ask, one writes, and nobody goes on before.
#include "agent/store/group_commit.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string>

namespace sekisho::store {
namespace {

class GroupCommitTest : public testing::Test {
protected:
    // What one request does: its change, then the wait, then the answer.
    void request() {
        boost::asio::post(context_, [this] {
            happened_ += 'c';
            commit_.ask();
            answer();
        });
    }

    void answer() {
        boost::asio::co_spawn(
            context_,
            [this]() -> boost::asio::awaitable<void> {
                co_await commit_.settled();
                happened_ += 'a';
            },
            boost::asio::detached);
    }

    boost::asio::io_context context_{1};
    std::string happened_;  // in this order
    GroupCommit commit_{context_, [this] { happened_ += 'w'; }};
};

TEST_F(GroupCommitTest, WhatIsReadyTogetherIsWrittenTogetherAndThenAnswered) {
    for (int i = 0; i < 3; i++) {
        request();
    }
    context_.run();
    EXPECT_EQ(happened_, "cccwaaa");
}

TEST_F(GroupCommitTest, TheNextTurnHasAWriteOfItsOwn) {
    request();
    context_.run();
    context_.restart();
    request();
    context_.run();
    EXPECT_EQ(happened_, "cwacwa");
}

TEST(GroupCommitPauseTest, WhatComesDuringThePauseSharesTheNextWrite) {
    boost::asio::io_context context{1};
    int written = 0;
    GroupCommit commit{context, [&written] { written++; }, std::chrono::minutes(10)};
    commit.ask();
    context.poll();
    EXPECT_EQ(written, 1) << "nobody has to wait after a long time";
    for (int i = 0; i < 3; i++) {
        commit.ask();
        context.restart();
        context.poll();
    }
    EXPECT_EQ(written, 1);
    EXPECT_TRUE(commit.asked());
    commit.hurry();
    EXPECT_EQ(written, 2);
}

TEST(GroupCommitPauseTest, IsWrittenWhenThePauseIsOver) {
    boost::asio::io_context context{1};
    int written = 0;
    GroupCommit commit{context, [&written] { written++; }, std::chrono::milliseconds(20)};
    for (int i = 0; i < 2; i++) {
        commit.ask();
        context.restart();
        context.run();
    }
    EXPECT_EQ(written, 2);
}

TEST_F(GroupCommitTest, NobodyWaitsForNothing) {
    answer();
    context_.run();
    EXPECT_EQ(happened_, "a");
}

TEST_F(GroupCommitTest, InAHurryItIsWrittenAtOnceAndNotAgain) {
    commit_.hurry();
    EXPECT_EQ(happened_, "") << "nobody asked";
    commit_.ask();
    answer();
    commit_.hurry();
    EXPECT_EQ(happened_, "w");
    EXPECT_FALSE(commit_.asked());
    context_.run();
    EXPECT_EQ(happened_, "wa");
}

TEST_F(GroupCommitTest, WhatAnotherHasWrittenIsNotWrittenAgain) {
    commit_.ask();
    answer();
    EXPECT_TRUE(commit_.asked());
    commit_.written();
    context_.run();
    EXPECT_EQ(happened_, "a");
}

TEST_F(GroupCommitTest, WhoAsksAfterAHurryIsWrittenInTheSameTurn) {
    commit_.ask();
    commit_.hurry();
    commit_.ask();
    context_.run();
    EXPECT_EQ(happened_, "ww");
}

}  // namespace
}  // namespace sekisho::store
