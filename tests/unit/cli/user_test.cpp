// SPDX-License-Identifier: Apache-2.0
// `sekisho user` against a stand-in for sekisho-auth and sekisho-relay; passwords from pipes and from a real
// pseudo-terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::answer;
using tests::Asked;
using tests::StandIn;

std::string reply_of_users(const Asked& asked) {
    if (asked.line == "GET /v1/users") {
        return answer(
            200,
            R"({"users":[{"name":"anna@example.net","scheme":"yescrypt","scram":true,"recoverable":true},)"
            R"({"name":"b\u001b","scheme":"SHA-512-crypt","scram":false,"recoverable":false}],)"
            R"("bad_lines":[{"line":7,"what":"there is no colon"}]})");
    }
    if (asked.line == "POST /v1/users") {
        return answer(201, R"({"name":"anna@example.net"})");
    }
    if (asked.line == "PUT /v1/users/anna%40example.net" ||
        asked.line == "DELETE /v1/users/anna%40example.net") {
        return answer(204, "");
    }
    constexpr const char* sender =
        R"("user":"anna","hour":7,"day":90,"new_hour":0,"new_day":3,"limits":{"day":100},)"
        R"("stopped":{"since":"2026-11-24T01:02:03Z","by":"uid 0","reason":"ticket\u001b 1"})";
    if (asked.line == "GET /v1/senders") {
        return answer(200, R"({"senders":[{)" + std::string(sender) +
                               R"(},{"user":"bob","hour":1,"day":1,"new_hour":1,"new_day":1,)"
                               R"("limits":null,"stopped":null}]})");
    }
    if (asked.line == "GET /v1/senders/anna") {
        return answer(200, "{" + std::string(sender) + R"(,"held":4})");
    }
    if (asked.line == "POST /v1/senders/anna/stop") {
        return answer(200, "{" + std::string(sender) + R"(,"held":4})");
    }
    if (asked.line == "POST /v1/senders/anan/stop") {
        return answer(200, R"({"user":"anan","hour":0,"day":0,"held":0})");
    }
    if (asked.line == "POST /v1/senders/anna/resume") {
        return answer(204, "");
    }
    return answer(404, R"({"error":{"kind":"not_found","what":"there is no user","remedy":"see"}})");
}

struct UserOutcome {
    int code = -1;
    std::string out;
    std::string err;
};

class UserTest : public testing::Test {
protected:
    [[nodiscard]] std::string socket() const { return (directory_.path() / "auth.sock").string(); }

    // Runs with this as standard input.
    UserOutcome with_input(std::vector<std::string> arguments, const std::string& input) {
        const StandIn server(socket(), reply_of_users);
        arguments.insert(arguments.end(), {"--socket", socket()});
        std::array<int, 2> pipe{};
        if (::pipe(pipe.data()) != 0) {
            throw std::runtime_error("pipe");
        }
        const int before = ::dup(STDIN_FILENO);
        ::dup2(pipe[0], STDIN_FILENO);
        ::close(pipe[0]);
        EXPECT_EQ(::write(pipe[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
        ::close(pipe[1]);
        std::ostringstream out;
        std::ostringstream err;
        const int code = run(arguments, out, err);
        ::dup2(before, STDIN_FILENO);
        ::close(before);
        asked_ = server.asked();
        return {.code = code, .out = out.str(), .err = err.str()};
    }

    // Runs in a process of its own at a terminal, and types one line at each prompt.
    UserOutcome at_terminal(std::vector<std::string> arguments, const std::vector<std::string>& typed) {
        const StandIn server(socket(), reply_of_users);
        arguments.insert(arguments.end(), {"--socket", socket()});
        int terminal = -1;
        const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
        if (child == 0) {
            std::ostringstream out;
            std::ostringstream err;
            const int code = run(arguments, out, err);
            termios now{};
            ::tcgetattr(STDIN_FILENO, &now);
            const std::string said =
                ((now.c_lflag & ECHO) != 0 ? "[echo]" : "[silent]") + out.str() + err.str();
            const bool whole = ::write(STDOUT_FILENO, said.data(), said.size()) == std::ssize(said);
            ::_exit(whole ? code : 99);
        }
        UserOutcome outcome;
        std::size_t next = 0;
        for (std::string since;;) {
            pollfd one{terminal, POLLIN, 0};
            std::array<char, 1024> piece{};
            const ssize_t got =
                ::poll(&one, 1, 10'000) == 1 ? ::read(terminal, piece.data(), piece.size()) : 0;
            if (got <= 0) {
                break;
            }
            since.append(piece.data(), static_cast<std::size_t>(got));
            outcome.out.append(piece.data(), static_cast<std::size_t>(got));
            if (since.ends_with(": ") && next < typed.size()) {
                since.clear();
                EXPECT_GT(::write(terminal, typed[next].data(), typed[next].size()), 0);
                next++;
            }
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        ::close(terminal);
        outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        asked_ = server.asked();
        return outcome;
    }

    [[nodiscard]] const std::vector<Asked>& asked() const { return asked_; }

private:
    sekisho::tests::Directory directory_;
    std::vector<Asked> asked_;
};

TEST_F(UserTest, AddSendsOneLine) {
    const UserOutcome outcome =
        with_input({"user", "add", "anna@example.net"}, "correct \"horse\"\nanother line\n");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "anna@example.net may log in\n");
    ASSERT_EQ(asked().size(), 1U);
    EXPECT_EQ(asked()[0].line, "POST /v1/users");
    EXPECT_EQ(asked()[0].body, R"({"password":"correct \"horse\"","name":"anna@example.net"})");
}

TEST_F(UserTest, ALineMayEndInManyWays) {
    for (const char* const input : {"secret00", "secret00\n", "secret00\r\n"}) {
        EXPECT_EQ(with_input({"user", "passwd", "anna@example.net"}, input).out,
                  "anna@example.net has another password\n");
        ASSERT_EQ(asked().size(), 1U);
        EXPECT_EQ(asked()[0].line, "PUT /v1/users/anna%40example.net");
        EXPECT_EQ(asked()[0].body, R"({"password":"secret00"})");
    }
}

TEST_F(UserTest, NoPasswordAsksNobody) {
    for (const std::string& input :
         {std::string(), std::string("\n"), std::string("\r\nx"), std::string(2000, 'x')}) {
        const UserOutcome outcome = with_input({"user", "add", "anna", "--json"}, input);
        EXPECT_EQ(outcome.code, 1);
        EXPECT_THAT(outcome.out, HasSubstr(R"("kind":"invalid")"));
        EXPECT_TRUE(asked().empty());
    }
}

TEST_F(UserTest, ListAndRemove) {
    EXPECT_EQ(with_input({"user", "list"}, "").out,
              "NAME              HASH           SCRAM  RECOVERABLE\n"
              "anna@example.net  yescrypt       yes    yes\n"
              "b\\x1b             SHA-512-crypt  no     no\n"
              "line 7 of the user file names nobody: there is no colon\n");
    EXPECT_THAT(with_input({"user", "list", "--json"}, "").out, HasSubstr(R"("scheme":"yescrypt")"));
    EXPECT_EQ(with_input({"user", "remove", "anna@example.net"}, "").out,
              "anna@example.net may no longer log in\n");
    EXPECT_EQ(with_input({"user", "remove", "anna@example.net", "--json"}, "").out, "{\"ok\":true}\n");
    const UserOutcome missing = with_input({"user", "remove", "bert"}, "");
    EXPECT_EQ(missing.code, 1);
    EXPECT_EQ(missing.err, "sekisho: there is no user\n  see\n");
}

TEST_F(UserTest, TheTerminalShowsNoPassword) {
    const UserOutcome outcome =
        at_terminal({"user", "add", "anna@example.net"}, {"correct horse\n", "correct horse\n"});
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("Password for anna@example.net: "), HasSubstr("The same again: "),
                      HasSubstr("[echo]anna@example.net may log in"), Not(HasSubstr("horse"))));
    ASSERT_EQ(asked().size(), 1U);
    EXPECT_THAT(asked()[0].body, HasSubstr(R"("password":"correct horse")"));
}

TEST_F(UserTest, TwoThatDifferAskNobody) {
    const UserOutcome outcome =
        at_terminal({"user", "passwd", "anna"}, {"correct horse\n", "correct hors\n"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("[echo]"), HasSubstr("the two passwords differ")));
    EXPECT_TRUE(asked().empty());
}

TEST_F(UserTest, AnInterruptionLeavesTheTerminalAsItWas) {
    for (const char* const key : {"\x03", "secret\x03", "\x1c"}) {
        const UserOutcome outcome = at_terminal({"user", "add", "anna"}, {key});
        EXPECT_EQ(outcome.code, 1);
        EXPECT_THAT(outcome.out,
                    AllOf(HasSubstr("[echo]"), HasSubstr("interrupted"), Not(HasSubstr("secret"))));
        EXPECT_TRUE(asked().empty());
    }
}

TEST_F(UserTest, UsageTellsWhatWasSentAndWhatMay) {
    const UserOutcome all = with_input({"user", "usage"}, "");
    EXPECT_EQ(all.code, 0) << all.err;
    EXPECT_THAT(all.out,
                AllOf(HasSubstr("90 of 100"), HasSubstr("2026-11-24 01:02:03 UTC"), HasSubstr("bob")));
    const UserOutcome one = with_input({"user", "usage", "anna"}, "");
    EXPECT_THAT(one.out, AllOf(HasSubstr("90 of 100"), HasSubstr("uid 0"), HasSubstr("ticket\\x1b 1"),
                               HasSubstr("messages held"), HasSubstr("4")));
    EXPECT_EQ(with_input({"user", "usage", "nobody"}, "").code, 1);
}

TEST_F(UserTest, StopSendsTheReasonAndResumeNothing) {
    const UserOutcome stop = with_input({"user", "stop", "anna", "--reason", "ticket 1"}, "");
    EXPECT_EQ(stop.code, 0) << stop.err;
    ASSERT_EQ(asked().size(), 1U);
    EXPECT_EQ(asked()[0].body, R"({"reason":"ticket 1"})");
    EXPECT_THAT(stop.out, AllOf(HasSubstr("anna may send nothing any more; messages held: 4"),
                                HasSubstr("sekisho grant list --user anna")));
    EXPECT_EQ(with_input({"user", "resume", "anna"}, "").out,
              "anna may send again, and what was held goes on its way\n");
    EXPECT_EQ(asked()[0].body, R"({"discard":false})");
    EXPECT_EQ(with_input({"user", "resume", "anna", "--discard"}, "").out,
              "anna may send again; what was held is thrown away\n");
    EXPECT_EQ(asked()[0].body, R"({"discard":true})");
}

TEST_F(UserTest, StopSaysWhereNobodyHasThatName) {
    EXPECT_THAT(with_input({"user", "stop", "anan"}, "").out,
                HasSubstr("Nobody of this name has sent anything in the last 24 hours"));
}

TEST_F(UserTest, ErrorsNameTheRightDaemon) {
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(run(std::vector<std::string>{"user", "list", "--socket", socket()}, out, err), 1);
    EXPECT_THAT(err.str(), AllOf(HasSubstr("can't reach the authentication server at " + socket()),
                                 HasSubstr("systemctl status sekisho-auth")));
}

TEST_F(UserTest, WrongUsage) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{"user"},
                                                    {"user", "add"},
                                                    {"user", "add", ""},
                                                    {"user", "add", "anna", "secret00"},
                                                    {"user", "add", "anna", "--password", "secret00"},
                                                    {"user", "list", "anna"},
                                                    {"user", "passwd"},
                                                    {"user", "remove"},
                                                    {"user", "stop"},
                                                    {"user", "stop", ""},
                                                    {"user", "resume", ""},
                                                    {"user", "usage", "anna", "bob"}}) {
        EXPECT_EQ(with_input(command, "secret00\n").code, 2) << testing::PrintToString(command);
        EXPECT_TRUE(asked().empty());
    }
    for (const char* const command : {"add", "list", "passwd", "remove", "usage", "stop", "resume"}) {
        const UserOutcome help = with_input({"user", command, "--help"}, "");
        EXPECT_EQ(help.code, 0);
        EXPECT_THAT(help.out,
                    AllOf(HasSubstr("Examples:\n"), HasSubstr(std::string("sekisho user ") + command)));
    }
}

}  // namespace

}  // namespace sekisho::cli
