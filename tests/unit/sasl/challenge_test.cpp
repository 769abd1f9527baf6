// SPDX-License-Identifier: Apache-2.0
// CRAM-MD5 and DIGEST-MD5 against clients that know nothing of GNU SASL.
#include "smtpd/sasl/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/sasl/challenge_client.h"

namespace sekisho::sasl {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using tests::cram;
using tests::DigestClient;

class ChallengeTest : public ::testing::Test {
protected:
    ChallengeExchange begin(ChallengeMechanism mechanism) {
        auto exchange = challenges_.begin(mechanism, "smtp", [this](const std::string& name) {
            asked_.push_back(name);
            return ChallengeUser{.password = SecretText(password_), .missing = missing_};
        });
        return std::move(*exchange);
    }
    static std::string prompt(const MechanismStep& step) {
        const auto* const text = std::get_if<Prompt>(&step);
        return text == nullptr ? "(no prompt)" : text->text;
    }
    static std::string end(const MechanismStep& step) {
        if (const auto* const proven = std::get_if<Proven>(&step)) {
            return "proven " + proven->user;
        }
        if (const auto* const refuted = std::get_if<Refuted>(&step)) {
            return "refuted " + refuted->user + ": " + refuted->why;
        }
        return std::holds_alternative<Malformed>(step) ? "malformed" : "goes on";
    }
    std::string by_cram(const std::string& user, const std::string& password) {
        auto exchange = begin(ChallengeMechanism::cram_md5);
        const std::string challenge = prompt(exchange.step(std::nullopt));
        return end(exchange.step(SecretText(cram(challenge, user, password))));
    }
    std::string by_digest(const DigestClient& client) {
        auto exchange = begin(ChallengeMechanism::digest_md5);
        const std::string challenge = prompt(exchange.step(std::nullopt));
        const auto last = exchange.step(SecretText(client.answer(challenge)));
        if (!std::holds_alternative<Prompt>(last)) {
            return end(last);
        }
        EXPECT_EQ(prompt(last), client.server_final(challenge)) << "the server proves itself, too";
        return end(exchange.step(SecretText("")));
    }

    Challenges challenges_ = Challenges::make().value();
    std::string password_ = "correct horse";
    std::string missing_;
    std::vector<std::string> asked_;
};

TEST_F(ChallengeTest, Cram) {
    EXPECT_EQ(by_cram("Anna", "correct horse"), "proven anna");
    EXPECT_EQ(by_cram("anna", "correct horsf"), "refuted anna: wrong password");
    EXPECT_THAT(asked_, ElementsAre("anna", "anna"));
    missing_ = "no such user";
    EXPECT_EQ(by_cram("anna", "correct horse"), "refuted anna: no such user") << "not even by the right one";
}

TEST_F(ChallengeTest, Digest) {
    EXPECT_EQ(by_digest({.user = "Anna"}), "proven anna");
    EXPECT_EQ(by_digest({.password = "correct horsf"}), "refuted anna: wrong password");
    missing_ = "no such user";
    EXPECT_EQ(by_digest({}), "refuted anna: no such user");
}

TEST_F(ChallengeTest, EachChallengeIsAnotherAndGoodForOneAnswer) {
    for (const ChallengeMechanism each : challenge_mechanisms) {
        auto one = begin(each);
        auto two = begin(each);
        EXPECT_NE(prompt(one.step(std::nullopt)), prompt(two.step(std::nullopt)));
    }
    auto one = begin(ChallengeMechanism::cram_md5);
    const std::string answer = cram(prompt(one.step(std::nullopt)), "anna", "correct horse");
    auto two = begin(ChallengeMechanism::cram_md5);
    static_cast<void>(two.step(std::nullopt));
    EXPECT_EQ(end(two.step(SecretText(answer))), "refuted anna: wrong password");
    EXPECT_EQ(end(one.step(SecretText(answer))), "proven anna");
}

TEST_F(ChallengeTest, TheServerSpeaksFirst) {
    for (const ChallengeMechanism each : challenge_mechanisms) {
        EXPECT_EQ(end(begin(each).step(SecretText("anna 0123456789abcdef0123456789abcdef"))), "malformed");
        EXPECT_EQ(end(begin(each).step(SecretText(""))), "goes on");
        auto exchange = begin(each);
        static_cast<void>(exchange.step(std::nullopt));
        EXPECT_EQ(end(exchange.step(SecretText(""))), "malformed");
    }
}

TEST_F(ChallengeTest, ForAnotherServiceOrAsSomebodyElse) {
    EXPECT_EQ(by_digest({.uri = "imap/mail.example.net"}), "malformed");
    EXPECT_EQ(by_digest({.uri = "SMTP/whatever"}), "proven anna");
    EXPECT_EQ(by_digest({.authzid = "anna"}), "proven anna");
    EXPECT_EQ(by_digest({.authzid = "root"}), "malformed");
    EXPECT_EQ(by_digest({.count = "00000002"}), "malformed") << "it has been used before";
    EXPECT_EQ(by_digest({.count = "\"00000001\""}), "refuted anna: wrong password")
        << "its proof is of the quotes, too";
    EXPECT_EQ(by_digest({.count = "\"00000001,authzid\""}), "malformed")
        << "a directive in another one's quotes";
}

// GNU SASL ends the process for it.
TEST_F(ChallengeTest, WithoutCharsetAndRealm) {
    EXPECT_EQ(by_digest({.charset = ""}), "proven anna");
    EXPECT_EQ(by_digest({.password = "correct horsf", .charset = ""}), "refuted anna: wrong password");
    EXPECT_EQ(by_digest({.charset = "charset=iso-8859-1,"}), "malformed");
}

TEST_F(ChallengeTest, DirectivesAreReadInOneWayOnly) {
    for (const char* more : {R"(,digest-uri="smtp/x")", R"(,DIGEST-URI="smtp/x")", R"(,username="root")",
                             ",nonce=x", ",realm", ",username", R"(,x=")", R"(,x="a"b)", R"(,x="a\"b")",
                             R"(,x=a"b)", ",x=", ",=x", ",x y=z", ",qop=auth-int", R"(,realm=" x")"}) {
        EXPECT_EQ(by_digest({.more = more}), "malformed") << more;
    }
    // An answer to another service, with our own in front of it where only the unwary look.
    EXPECT_EQ(by_digest({.uri = "imap/evil", .charset = "x digest-uri=\"smtp/\","}), "malformed");
    EXPECT_EQ(by_digest({.uri = "imap/evil", .charset = "y=\"digest-uri=smtp/\","}), "malformed");
    for (const char* more : {",", ",,", " , ", ",unheard-of=\"a, b\"", ",maxbuf=65536", ",cipher=\"rc4\""}) {
        EXPECT_EQ(by_digest({.more = more}), "proven anna") << more;
    }
}

TEST_F(ChallengeTest, WhatIsNoAnswer) {
    const auto cram_answer = [this](auto change) {
        auto exchange = begin(ChallengeMechanism::cram_md5);
        const std::string challenge = prompt(exchange.step(std::nullopt));
        return end(exchange.step(SecretText(change(cram(challenge, "anna", "correct horse")))));
    };
    EXPECT_EQ(cram_answer([](const std::string& good) { return good.substr(1); }), "proven nna")
        << "another name with the same password";
    EXPECT_EQ(cram_answer([](const std::string& good) { return good.substr(5); }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return " "s + good.substr(5); }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return good + "0"; }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return "a\0b"s + good; }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return "an na:" + good; }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return std::string(300, 'a') + good; }), "malformed");
    EXPECT_EQ(cram_answer([](const std::string& good) { return std::string(5000, 'a') + good; }),
              "malformed");
    for (const std::string& answer :
         {""s, "x"s, R"(digest-uri="smtp/x")"s, R"(username="anna",digest-uri="smtp/x")"s,
          "\0digest-uri=\"smtp/x\""s, std::string(5000, ',') + R"(digest-uri="smtp/x")"}) {
        auto exchange = begin(ChallengeMechanism::digest_md5);
        static_cast<void>(exchange.step(std::nullopt));
        EXPECT_EQ(end(exchange.step(SecretText(answer))), "malformed") << testing::PrintToString(answer);
    }
}

TEST_F(ChallengeTest, NothingIsAddedToTheServersProof) {
    auto exchange = begin(ChallengeMechanism::digest_md5);
    const std::string challenge = prompt(exchange.step(std::nullopt));
    EXPECT_THAT(challenge, HasSubstr("charset=utf-8"));
    static_cast<void>(exchange.step(SecretText(DigestClient().answer(challenge))));
    EXPECT_EQ(end(exchange.step(SecretText("x"))), "malformed");
}

}  // namespace
}  // namespace sekisho::sasl
