// SPDX-License-Identifier: Apache-2.0
// Passwords checked by a program, and programs that misbehave.
#include "smtpd/sasl/check_program.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/directory.h"

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// What a user's password means is in the name.
constexpr std::string_view script = R"sh(#!/bin/sh
echo $$ >> "$1"
while read -r user password; do
    case "$user" in
    anna) [ "$password" = 's%20ecr%c3%a9t%25' ] && echo OK || echo ERR ;;
    b%c3%bcrger%0a) echo 'OK user=x' ;;
    slow) sleep 0.2; echo OK ;;
    hangs) sleep 100 ;;
    dies) exit 1 ;;
    twice) echo OK; sleep 0.1; echo OK ;;
    descriptors) ls /proc/$$/fd > "$1.open"; grep -q '^[3-9]$' "$1.open" && echo ERR || echo OK ;;
    much) printf 'OK\nOK\n' ;;
    long) head -c 100000 /dev/zero | tr '\0' a ;;
    broken) echo 'BH message=no' ;;
    odd) echo OKAY ;;
    *) echo ERR ;;
    esac
done
)sh";

class CheckProgramTest : public testing::Test {
protected:
    CheckProgramTest() {
        std::ofstream(file_) << script;
        std::filesystem::permissions(file_, std::filesystem::perms::owner_all);
    }
    void start(std::size_t processes, std::chrono::milliseconds limit = 10s, std::size_t most_waiting = 100) {
        program_ = std::make_unique<CheckProgram>(
            context_.get_executor(), CheckProgram::Settings{.command = {file_.string(), started_.string()},
                                                            .processes = processes,
                                                            .limit = limit,
                                                            .most_waiting = most_waiting,
                                                            .pause = pause_});
    }
    // "right", "wrong", or why it isn't known; of each of them, asked at once.
    std::vector<std::string> ask(const std::vector<std::pair<std::string, std::string>>& all) {
        std::vector<std::string> answers(all.size());
        std::size_t there = 0;
        for (std::size_t i = 0; i < all.size(); i++) {
            boost::asio::co_spawn(
                context_,
                program_->check({.user = all[i].first, .password = SecretText(all[i].second), .remote = {}}),
                [&answers, &there, i](const std::exception_ptr& error, Result<bool> answer) {
                    EXPECT_FALSE(error);
                    answers[i] = !answer ? answer.error().what : *answer ? "right" : "wrong";
                    there++;
                });
        }
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (there < all.size() && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(100ms);
        }
        return answers;
    }
    std::string ask(const std::string& user, const std::string& password = "x") {
        return ask(std::vector<std::pair<std::string, std::string>>{{user, password}}).front();
    }
    // Whether it is gone, at the latest behind some more logins.
    bool goes(pid_t pid) {
        for (int attempt = 0; attempt < 500 && ::kill(pid, 0) == 0; attempt++) {
            std::this_thread::sleep_for(10ms);
            EXPECT_EQ(ask("nobody"), "wrong");
        }
        return ::kill(pid, 0) != 0;
    }
    [[nodiscard]] std::vector<pid_t> started() const {
        std::ifstream in(started_);
        std::vector<pid_t> all;
        for (pid_t pid = 0; in >> pid;) {
            all.push_back(pid);
        }
        return all;
    }

    tests::Directory directory_;
    std::filesystem::path file_ = directory_ / "check";
    std::filesystem::path started_ = directory_ / "started";
    boost::asio::io_context context_;
    std::unique_ptr<CheckProgram> program_;
    std::chrono::milliseconds pause_{0};
};

TEST_F(CheckProgramTest, SaysYesAndNo) {
    start(1);
    EXPECT_EQ(ask("anna", "s ecr\xc3\xa9t%"), "right");
    EXPECT_EQ(ask("anna", "secret"), "wrong");
    EXPECT_EQ(ask("b\xc3\xbcrger\n"), "right")
        << "no name is two lines, and what else is said doesn't matter";
    EXPECT_EQ(ask("nobody", ""), "wrong");
    EXPECT_EQ(started().size(), 1U) << "one process for all of them";
}

TEST_F(CheckProgramTest, SeveralAtOnce) {
    start(3);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(ask({{"slow", ""}, {"slow", ""}, {"slow", ""}, {"slow", ""}, {"slow", ""}, {"slow", ""}}),
                Each("right"));
    EXPECT_EQ(started().size(), 3U);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 400ms) << "three and three";
}

TEST_F(CheckProgramTest, OneThatHangsIsReplaced) {
    start(1, 500ms);
    EXPECT_THAT(ask("hangs"), HasSubstr("in time"));
    EXPECT_EQ(ask("anna", "x"), "wrong");
    const auto pids = started();
    ASSERT_EQ(pids.size(), 2U);
    EXPECT_TRUE(goes(pids[0]));
    EXPECT_EQ(::kill(pids[1], 0), 0);
    program_.reset();
    EXPECT_EQ(::kill(pids[1], 0), -1) << "nor does any stay behind";
}

TEST_F(CheckProgramTest, WhatIsNoAnswerIsNoLogin) {
    start(1);
    EXPECT_THAT(ask("dies"), HasSubstr("has ended"));
    EXPECT_EQ(started().size(), 1U) << "it has never been of use";
    EXPECT_EQ(ask("nobody"), "wrong");
    EXPECT_THAT(ask("dies"), HasSubstr("has ended"));
    EXPECT_EQ(started().size(), 3U) << "tried once more, for it had answered before";
    EXPECT_THAT(ask("much"), HasSubstr("says too much"));
    EXPECT_THAT(ask("long"), HasSubstr("says too much"));
    EXPECT_THAT(ask("broken"), HasSubstr("can't tell"));
    EXPECT_THAT(ask("odd"), HasSubstr("in no way it may"));
    EXPECT_EQ(ask("anna", "s ecr\xc3\xa9t%"), "right");
}

// What is said without being asked must not be taken for the answer to somebody else's password.
TEST_F(CheckProgramTest, AnAnswerTooManyIsNobodys) {
    start(1);
    EXPECT_EQ(ask("twice"), "right");
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(ask("anna", "guessed"), "wrong");
    EXPECT_EQ(started().size(), 2U);
    EXPECT_THAT(ask("odd"), HasSubstr("in no way it may"));
    EXPECT_EQ(ask("anna", "guessed"), "wrong");
    EXPECT_EQ(started().size(), 3U);
}

TEST_F(CheckProgramTest, OneThatIsOfNoUseIsNotStartedForEachLogin) {
    pause_ = 10s;
    start(2);
    EXPECT_THAT(ask("dies"), HasSubstr("has ended"));
    EXPECT_THAT(ask("anna"), HasSubstr("a moment ago"));
    EXPECT_EQ(started().size(), 1U);
}

TEST_F(CheckProgramTest, ItHasNoDescriptorsButItsOwn) {
    const int stranger = ::dup(STDERR_FILENO);  // not closed by itself
    start(1);
    EXPECT_EQ(ask("descriptors"), "right") << "it has standard input, output and error";
    ::close(stranger);
}

// Between two logins it may be killed, or end itself after some time.
TEST_F(CheckProgramTest, OneThatHasEndedIsStartedAgain) {
    start(1);
    EXPECT_EQ(ask("anna", "x"), "wrong");
    ::kill(started().front(), SIGKILL);
    EXPECT_EQ(ask("anna", "s ecr\xc3\xa9t%"), "right");
    EXPECT_EQ(started().size(), 2U);
}

TEST_F(CheckProgramTest, NoMoreWaitThanMay) {
    start(1, 10s, 2);
    EXPECT_THAT(ask({{"slow", ""}, {"anna", "x"}, {"anna", "x"}}),
                ElementsAre("right", "wrong", "too many logins at once"));
}

TEST_F(CheckProgramTest, OneThatCanNotBeStarted) {
    std::filesystem::remove(file_);
    pause_ = 10s;
    start(1);
    EXPECT_THAT(ask("anna"), HasSubstr("can't be started"));
    EXPECT_THAT(ask("anna"), HasSubstr("a moment ago")) << "not for each login anew";
}

}  // namespace
}  // namespace sekisho::sasl
