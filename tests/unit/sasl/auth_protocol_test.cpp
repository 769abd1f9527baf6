// SPDX-License-Identifier: Apache-2.0
// Dovecot's authentication protocol: lines to messages and back, and what is refused.
#include "smtpd/sasl/auth_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace sekisho::sasl {
namespace {

using namespace std::string_literals;

template <class Message>
Message from_client(std::string_view line) {
    auto message = parse_client_line(line);
    EXPECT_TRUE(message) << line;
    return message && std::holds_alternative<Message>(*message) ? std::get<Message>(*message) : Message();
}

template <class Message>
Message from_server(std::string_view line) {
    auto message = parse_server_line(line);
    EXPECT_TRUE(message) << line;
    return message && std::holds_alternative<Message>(*message) ? std::get<Message>(*message) : Message();
}

TEST(AuthProtocol, ReadsWhatPostfixSends) {
    const auto auth = from_client<Auth>(
        "AUTH\t7\tPLAIN\tservice=smtp\tnologin\tlip=198.51.100.25\trip=192.0.2.1\tsecured\tresp=AGEAYg==");
    EXPECT_EQ(auth.id, 7U);
    EXPECT_EQ(auth.mechanism, "PLAIN");
    EXPECT_EQ(auth.service, "smtp");
    EXPECT_EQ(auth.local, "198.51.100.25");
    EXPECT_EQ(auth.remote, "192.0.2.1");
    EXPECT_TRUE(auth.secured);
    EXPECT_TRUE(auth.no_login);
    EXPECT_EQ(auth.response, "AGEAYg==");
    EXPECT_EQ(from_client<Version>("VERSION\t1\t1"), Version());
    EXPECT_EQ(from_client<ClientProcess>("CPID\t4711").pid, 4711U);
    EXPECT_EQ(from_client<Cancel>("CANCEL\t7").id, 7U);
}

TEST(AuthProtocol, AnInitialResponseMayBeMissingOrEmpty) {
    EXPECT_FALSE(from_client<Auth>("AUTH\t1\tLOGIN\tservice=smtp").response);
    EXPECT_EQ(from_client<Auth>("AUTH\t1\tLOGIN\tresp=").response, "");
    EXPECT_EQ(from_client<Continue>("CONT\t4294967295\t"), (Continue{4294967295U, ""}));
}

TEST(AuthProtocol, NothingBehindTheResponseCounts) {
    const auto auth =
        from_client<Auth>("AUTH\t1\tPLAIN\trip=192.0.2.1\tresp=eA==\trip=198.51.100.1\tsecured");
    EXPECT_EQ(auth.remote, "192.0.2.1");
    EXPECT_FALSE(auth.secured);
    EXPECT_EQ(auth.response, "eA==");
}

// As captured from Dovecot 2.3.
TEST(AuthProtocol, ReadsWhatDovecotSays) {
    EXPECT_EQ(from_server<Version>("VERSION\t1\t2"), (Version{1, 2}));
    EXPECT_EQ(from_server<Offer>("MECH\tPLAIN\tplaintext"), (Offer{"PLAIN", {"plaintext"}}));
    EXPECT_EQ(from_server<ServerProcess>("SPID\t99").pid, 99U);
    EXPECT_EQ(from_server<ConnectionNumber>("CUID\t1").number, 1U);
    EXPECT_EQ(from_server<Cookie>("COOKIE\t0011aabb").hex, "0011aabb");
    EXPECT_EQ(from_server<Done>("DONE"), Done());
    EXPECT_EQ(from_server<Ok>("OK\t3\tuser=anna@example.net\tgroup=x"), (Ok{3, "anna@example.net"}));
    EXPECT_EQ(from_server<Continue>("CONT\t3\tVXNlcm5hbWU6"), (Continue{3, "VXNlcm5hbWU6"}));
}

TEST(AuthProtocol, FailuresHaveTheirKind) {
    const auto wrong = from_server<Fail>("FAIL\t1\tuser=anna\treason=a\001tb");
    EXPECT_FALSE(wrong.temporary);
    EXPECT_EQ(wrong.reason, "a\tb");
    EXPECT_EQ(wrong.user, "anna");
    EXPECT_TRUE(from_server<Fail>("FAIL\t1\tuser=anna\ttemp").temporary);
    EXPECT_TRUE(from_server<Fail>("FAIL\t1\tcode=temp_fail").temporary);
    for (const char* line : {"FAIL\t1\tauthz", "FAIL\t1\tcode=authz_fail"}) {
        EXPECT_FALSE(from_server<Fail>(line).temporary);
        EXPECT_EQ(from_server<Fail>(line).code, "authz_fail");
    }
    EXPECT_EQ(from_server<Fail>("FAIL\t1\tuser_disabled").code, "user_disabled");
    EXPECT_EQ(from_server<Fail>("FAIL\t1\tpass_expired").code, "pass_expired");
}

// As captured from Dovecot 2.3, with auth_username_format, an alias and a master user.
TEST(AuthProtocol, NamesThatTheServerChanges) {
    const auto ok = from_server<Ok>("OK\t7\tuser=anna\t\toriginal_user=Boss@X\tauth_user=boss");
    EXPECT_EQ(ok.user, "anna");
    EXPECT_EQ(ok.original_user, "Boss@X");
    EXPECT_EQ(ok.auth_user, "boss");
    const auto failed =
        from_server<Fail>("FAIL\t19\tuser=nobody\tcode=authz_fail\toriginal_user=bo\001tss\tauth_user=boss");
    EXPECT_EQ(failed.original_user, "bo\tss");
    EXPECT_EQ(failed.auth_user, "boss");
    EXPECT_EQ(failed.code, "authz_fail");
    EXPECT_EQ(from_server<Fail>("FAIL\t1\tuser=anna").original_user, "");
    EXPECT_EQ(print(ServerMessage(ok)), "OK\t7\tuser=anna\toriginal_user=Boss@X\tauth_user=boss\n");
    EXPECT_EQ(from_server<Fail>("FAIL\t1\tmy_original_user=eve\tuser=anna"),
              (Fail{.id = 1, .user = "anna", .reason = {}, .code = {}}));
}

TEST(AuthProtocol, UnknownCommandsAndParametersArePassedOver) {
    EXPECT_EQ(from_client<Unknown>("FROBNICATE\t1").command, "FROBNICATE");
    EXPECT_EQ(from_server<Unknown>("CANCELLED\t1").command, "CANCELLED");
    EXPECT_EQ(from_client<Unknown>("").command, "");
    EXPECT_EQ(from_client<Auth>("AUTH\t1\tPLAIN\tfuture=1\t\tservice=smtp").service, "smtp");
    EXPECT_EQ(from_client<Version>("VERSION\t1\t99\tmore"), (Version{1, 99}));
}

TEST(AuthProtocol, MalformedLinesAreErrorsWithoutTheirContent) {
    for (const std::string& line : {"AUTH"s,
                                    "AUTH\t"s,
                                    "AUTH\t1"s,
                                    "AUTH\t1\t"s,
                                    "AUTH\tx\tPLAIN"s,
                                    "AUTH\t-1\tPLAIN"s,
                                    "AUTH\t4294967296\tPLAIN"s,
                                    "AUTH\t1 \tPLAIN"s,
                                    "AUTH\t1\tPLAIN\trport=65536"s,
                                    "AUTH\t1\tPLAIN\trport="s,
                                    "VERSION\t1"s,
                                    "VERSION\tone\t1"s,
                                    "CPID"s,
                                    "CPID\t+1"s,
                                    "CONT\t1"s,
                                    "CONT\tx\tc2VjcmV0"s,
                                    "CONT\t1\tc2VjcmV0\tx"s,
                                    "CANCEL"s,
                                    "AUTH\t1\tPLAIN\0"s,
                                    "A\nB"s,
                                    "AUTH\t1\tPLAIN\tresp="s + std::string(longest_line, 'A')}) {
        const auto message = parse_client_line(line);
        ASSERT_FALSE(message) << line;
        EXPECT_EQ(message.error().kind, Failure::invalid);
        EXPECT_EQ(message.error().what.find("c2VjcmV0"), std::string::npos);
    }
    for (const char* line :
         {"OK", "OK\tx", "OK\t1\tuser=a\tresp=\x01n", "FAIL", "FAIL\t\ttemp", "CONT\t1", "CONT\t1\tx y",
          "CONT\t1\t\x01n", "MECH", "MECH\t", "SPID", "CUID\tx", "VERSION"}) {
        EXPECT_FALSE(parse_server_line(line)) << line;
    }
}

TEST(AuthProtocol, EscapesAsDovecotDoes) {
    const std::string plain = "a\001b\tc\rd\ne\0f"s;
    EXPECT_EQ(escaped(plain), "a\0011b\001tc\001rd\001ne\0010f");
    EXPECT_EQ(unescaped(escaped(plain)), plain);
    EXPECT_EQ(unescaped("\001x\001"), "x") << "an unknown escape is the letter, one without a letter nothing";
}

TEST(AuthProtocol, PrintsWhatItReads) {
    const Auth auth{.id = 9,
                    .mechanism = "PLAIN",
                    .service = "smtp",
                    .local = "2001:db8::25",
                    .remote = "2001:db8::1",
                    .remote_port = 40000,
                    .secured = true,
                    .session = "x\ty\n",
                    .no_login = true,
                    .response = "eA=="};
    const std::string line = print(ClientMessage(auth));
    EXPECT_EQ(
        line,
        "AUTH\t9\tPLAIN\tservice=smtp\tsecured\tnologin\tlip=2001:db8::25\trip=2001:db8::1\trport=40000\t"
        "session=x\001ty\001n\tresp=eA==\n");
    EXPECT_EQ(from_client<Auth>(line.substr(0, line.size() - 1)), auth);
    const Fail failure{.id = 2, .user = "a b", .reason = "later", .code = "temp_fail", .temporary = true};
    EXPECT_EQ(print(ServerMessage(failure)), "FAIL\t2\tuser=a b\ttemp\tcode=temp_fail\treason=later\n");
    EXPECT_EQ(print(ServerMessage(Continue{3, ""})), "CONT\t3\t\n");
    EXPECT_EQ(print(ServerMessage(Offer{"PLAIN", {"plaintext"}})), "MECH\tPLAIN\tplaintext\n");
    EXPECT_EQ(print(ServerMessage(Done())), "DONE\n");
}

// Feeds the buffer in pieces of this size; the lines that come out.
std::vector<std::string> lines_of(LineBuffer& buffer, std::string_view input, std::size_t piece) {
    std::vector<std::string> lines;
    while (!input.empty()) {
        const auto space = buffer.space();
        const std::size_t size = std::min({piece, input.size(), space.size()});
        if (size == 0) {
            break;
        }
        std::copy_n(input.begin(), size, space.begin());
        buffer.filled(size);
        input.remove_prefix(size);
        while (const auto line = buffer.next()) {
            lines.emplace_back(*line);
        }
    }
    return lines;
}

TEST(LineBufferTest, CutsLinesWhereverTheOctetsAreCut) {
    const std::string long_line(longest_line - 1, 'x');
    const std::string input = "one\n\ntwo\t2\n" + long_line + "\nlast\nrest";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, input.size()}) {
        LineBuffer buffer;
        EXPECT_THAT(lines_of(buffer, input, piece),
                    ::testing::ElementsAre("one", "", "two\t2", long_line, "last"))
            << piece;
    }
}

TEST(LineBufferTest, HasNoSpaceForALineThatIsTooLong) {
    LineBuffer buffer;
    EXPECT_TRUE(lines_of(buffer, std::string(longest_line, 'x') + "\n", 4096).empty());
    EXPECT_TRUE(buffer.space().empty());
}

TEST(LineBufferTest, WipesWhatWasRead) {
    LineBuffer buffer;
    lines_of(buffer, "secret\nx", 100);
    const auto space = buffer.space();
    EXPECT_TRUE(std::ranges::all_of(space, [](char c) { return c == '\0'; }));
}

}  // namespace
}  // namespace sekisho::sasl
