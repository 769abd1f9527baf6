// SPDX-License-Identifier: Apache-2.0
// SCRAM's keys and exchanges, against a client that knows nothing of GNU SASL, and keys that others have
// made.
#include "smtpd/sasl/scram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smtpd/sasl/stand_in_key.h"
#include "tests/unit/directory.h"
#include "tests/unit/sasl/scram_client.h"

namespace sekisho::sasl {
namespace {

using namespace std::string_literals;
using tests::ScramClient;

// `doveadm pw -s SCRAM-SHA-256 -p "correct horse"`, and the like.
constexpr const char* by_dovecot =
    "{SCRAM-SHA-256}4096,E3looeb74g7Yk857UezCsA==,4tcp3SXPXCNHDJtwaEJ7m4/vRRWO0GeyA2tdMeHZ7/k=,"
    "U2W3uOSDm6y+7YwsQX1lpRy1Yd4hkFel57StLRZOOXA=";
constexpr const char* by_dovecot_sha1 =
    "{SCRAM-SHA-1}4096,mnjGrP/6xiXgvdT+2S0o5Q==,vo1FchiY9hbMoVRam7Ft0lYDcSQ=,KtSetPEMBhmwPgm81i3l9lx1x4M=";

TEST(ScramKeysTest, AreWrittenAsDovecotDoes) {
    for (const std::string& text : {std::string(by_dovecot), std::string(by_dovecot_sha1)}) {
        const auto keys = parse_scram_keys(text);
        ASSERT_TRUE(keys) << text;
        EXPECT_EQ(keys->second.iterations, 4096U);
        EXPECT_EQ(keys->second.salt.size(), 16U);
        EXPECT_EQ(print(keys->first, keys->second), text);
    }
}

TEST(ScramKeysTest, OthersAreNone) {
    const std::string good = by_dovecot;
    const std::string keys = good.substr(good.find(','));
    for (const std::string& text :
         {""s, "{SCRAM-SHA-256}"s, "{SCRAM-SHA-512}4096" + keys, "{scram-sha-256}4096" + keys,
          "{SCRAM-SHA-1}4096" + keys, "{SCRAM-SHA-256}4095" + keys, "{SCRAM-SHA-256}1000001" + keys,
          "{SCRAM-SHA-256}+4096" + keys, "{SCRAM-SHA-256}" + keys, "{SCRAM-SHA-256}99999999999" + keys,
          good + ",", good + ",eA==", good + " ", good.substr(0, good.size() - 4),
          "{SCRAM-SHA-256}4096,," + keys.substr(26),
          "{SCRAM-SHA-256}4096," + to_base64(std::string(65, 's')) + keys.substr(keys.find(',', 1))}) {
        EXPECT_FALSE(parse_scram_keys(text)) << text;
    }
}

// A password for each user, or none, and how an exchange about it ends.
class ScramTest : public ::testing::TestWithParam<ScramHash> {
protected:
    ScramExchange begin() {
        auto exchange =
            scram_.begin(GetParam(), plus_, binding_, [this](ScramHash hash, const std::string& name) {
                EXPECT_EQ(hash, GetParam());
                asked_.push_back(name);
                return user_;
            });
        return std::move(*exchange);
    }
    static ScramUser user_of(std::string_view password) {
        return {.keys = make_scram_keys(GetParam(), SecretText(password)).value()};
    }
    static std::string prompt(const MechanismStep& step) {
        const auto* const text = std::get_if<Prompt>(&step);
        return text == nullptr ? "(no prompt)" : text->text;
    }
    // "proven anna", "refuted anna: wrong password", "malformed".
    static std::string end(const MechanismStep& step) {
        if (const auto* const proven = std::get_if<Proven>(&step)) {
            return "proven " + proven->user;
        }
        if (const auto* const refuted = std::get_if<Refuted>(&step)) {
            return "refuted " + refuted->user + ": " + refuted->why;
        }
        return std::holds_alternative<Malformed>(step) ? "malformed" : "goes on";
    }
    std::string log_in(const std::string& name, const std::string& password,
                       const std::string& header = "n,,") {
        ScramClient client(GetParam(), name, password);
        client.bind(bound_to_);
        ScramExchange exchange = begin();
        const auto challenge = exchange.step(SecretText(client.first(header)));
        if (!std::holds_alternative<Prompt>(challenge)) {
            return end(challenge);
        }
        const auto last = exchange.step(SecretText(client.proof(prompt(challenge))));
        if (!std::holds_alternative<Prompt>(last)) {
            return end(last);
        }
        EXPECT_EQ(prompt(last), client.server_final()) << "the server proves itself, too";
        return end(exchange.step(SecretText("")));
    }
    // What comes of a first message.
    std::string first(const std::string& message) { return end(begin().step(SecretText(message))); }

    Scram scram_ = Scram::make().value();
    ScramUser user_ = user_of("correct horse");
    std::vector<std::string> asked_;
    bool plus_ = false;
    ChannelBinding binding_;  // the server's
    std::string bound_to_;    // the client's, not base64
};

INSTANTIATE_TEST_SUITE_P(Hashes, ScramTest, ::testing::ValuesIn(scram_hashes), [](const auto& each) {
    return each.param == ScramHash::sha256 ? "Sha256" : "Sha1";
});

TEST_P(ScramTest, RightAndWrong) {
    EXPECT_EQ(log_in("Anna", "correct horse"), "proven anna");
    EXPECT_EQ(log_in("anna", "correct horsf"), "refuted anna: wrong password");
    EXPECT_EQ(log_in("anna", ""), "refuted anna: wrong password");
    EXPECT_EQ(asked_, std::vector<std::string>(3, "anna"));
}

TEST_P(ScramTest, WithTheKeysThatDovecotMakes) {
    user_.keys =
        parse_scram_keys(GetParam() == ScramHash::sha256 ? by_dovecot : by_dovecot_sha1).value().second;
    EXPECT_EQ(log_in("anna", "correct horse"), "proven anna");
    EXPECT_EQ(log_in("anna", "correct horsf"), "refuted anna: wrong password");
}

TEST_P(ScramTest, PasswordsAreNormalizedWhereTheyCanBe) {
    user_ = user_of("I\xc2\xadX \xc2\xaa secret");  // RFC 4013, 3: soft hyphen goes, feminine ordinal is "a"
    EXPECT_EQ(log_in("anna", "IX a secret"), "proven anna");
    user_ = user_of("\xf0\x9f\x94\x91 of the house");
    EXPECT_EQ(log_in("anna", "\xf0\x9f\x94\x91 of the house"), "proven anna");
    user_ = user_of("\xc2\xad\xc2\xad\xc2\xad\xc2\xad\xc2\xad\xc2\xad\xc2\xad\xc2\xad");
    EXPECT_EQ(log_in("anna", ""), "refuted anna: wrong password")
        << "nothing is left of it, but it isn't nothing";
}

TEST_P(ScramTest, NamesAsTheyTravel) {
    EXPECT_EQ(log_in("an=2Cna=3D@example.net", "correct horse"), "proven an,na=@example.net");
    for (const char* name :
         {"", "an na", "an:na", "#anna", "an=na", "anna=", "anna=2", "anna=2c", "\xff", "a\x01"}) {
        EXPECT_EQ(first("n,,n="s + name + ",r=abc"), "malformed") << name;
    }
    EXPECT_EQ(first("n,,n=" + std::string(256, 'n') + ",r=abc"), "malformed");
    EXPECT_EQ(first("n,a=anna=,n=anna,r=abc"), "malformed");
    EXPECT_EQ(asked_.size(), 1U) << "nobody looks for what is no name";
}

TEST_P(ScramTest, NobodyActsAsSomebodyElse) {
    EXPECT_EQ(log_in("anna", "correct horse", "n,a=ANNA,"), "proven anna");
    EXPECT_EQ(log_in("anna", "correct horse", "n,a=root,"), "malformed");
}

TEST_P(ScramTest, ChannelBindingIsForThoseWhoAreOfferedIt) {
    EXPECT_EQ(log_in("anna", "correct horse", "y,,"), "proven anna");
    for (const char* header : {"p=tls-exporter,,", "p=tls-unique,,", "p=tls-server-end-point,,", "p,,"}) {
        EXPECT_EQ(log_in("anna", "correct horse", header), "malformed") << header;
    }
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_P(ScramTest, ABoundChannel) {
    plus_ = true;
    binding_ = {.exporter = to_base64("the exporter"), .unique = to_base64("the first Finished")};
    bound_to_ = "the exporter";
    EXPECT_EQ(log_in("anna", "correct horse", "p=tls-exporter,,"), "proven anna");
    EXPECT_EQ(log_in("anna", "correct horsf", "p=tls-exporter,,"), "refuted anna: wrong password");
    bound_to_ = "the first Finished";
    EXPECT_EQ(log_in("anna", "correct horse", "p=tls-unique,,"), "proven anna");
    EXPECT_EQ(log_in("anna", "correct horse", "p=tls-exporter,,"), "refuted anna: wrong password")
        << "somebody sits between the two";
    bound_to_ = "";
    EXPECT_EQ(log_in("anna", "correct horse", "p=tls-exporter,,"), "refuted anna: wrong password");
    for (const char* header : {"n,,", "y,,", "p=tls-server-end-point,,", "p=,,", "p,,"}) {
        EXPECT_EQ(log_in("anna", "correct horse", header), "malformed") << header;
    }
    binding_ = {};
    EXPECT_EQ(log_in("anna", "correct horse", "p=tls-exporter,,"), "malformed") << "nothing binds it";
}

TEST_P(ScramTest, WhoWouldHaveBoundItsChannelHasBeenKeptFromIt) {
    binding_ = {.exporter = to_base64("the exporter")};
    EXPECT_EQ(log_in("anna", "correct horse", "y,,"), "malformed");
    EXPECT_EQ(log_in("anna", "correct horse", "n,,"), "proven anna");
    binding_ = {.offered = true};
    EXPECT_EQ(log_in("anna", "correct horse", "y,,"), "malformed")
        << "a connection that can't be bound is what somebody between the two would take";
    EXPECT_EQ(log_in("anna", "correct horse", "n,,"), "proven anna");
}

TEST_P(ScramTest, WhatIsNoFirstMessage) {
    for (const std::string& message :
         {""s, "n"s, "n,,"s, "n,,n=anna"s, "n,,r=abc"s, "x,,n=anna,r=abc"s, "n,,m=x,n=anna,r=abc"s,
          "n,,n=,r=abc"s, "n,,n=\xc2\xad,r=abc"s, "n,,n=anna,r="s, "n,,n=anna,r=a\0c"s,
          "\0anna\0correct horse"s, "N,,n=anna,r=abc"s, "n,,n=anna,r=" + std::string(2048, 'x')}) {
        EXPECT_EQ(first(message), "malformed") << testing::PrintToString(message);
    }
}

TEST_P(ScramTest, WhatIsNoProof) {
    const auto after_first = [this](auto change) {
        ScramClient client(GetParam(), "anna", "correct horse");
        ScramExchange exchange = begin();
        const std::string challenge = prompt(exchange.step(SecretText(client.first())));
        return end(exchange.step(SecretText(change(client.proof(challenge)))));
    };
    const auto edited = [&](const std::string& from, const std::string& to) {
        return after_first(
            [&](std::string proof) { return proof.replace(proof.find(from), from.size(), to); });
    };
    EXPECT_EQ(edited(",r=", ",r=x"), "refuted anna: wrong password");
    EXPECT_EQ(edited("c=biws", "c=eSws"), "refuted anna: wrong password");
    EXPECT_EQ(edited("c=biws", "c=biwsYQ=="), "refuted anna: wrong password");
    EXPECT_EQ(edited(",p=", ",x="), "malformed");
    EXPECT_EQ(edited(",p=", ",p=\0"s), "malformed");
    EXPECT_EQ(after_first([](const std::string&) { return ""s; }), "malformed");
    EXPECT_EQ(after_first([](const std::string& proof) { return proof + std::string(2048, 'x'); }),
              "malformed");
    EXPECT_NE(after_first([](const std::string& proof) { return proof.substr(0, proof.size() - 4); }),
              "goes on");
}

TEST_P(ScramTest, BeginsWithAnEmptyPromptAndEndsWithAnEmptyResponse) {
    ScramClient client(GetParam(), "anna", "correct horse");
    ScramExchange exchange = begin();
    EXPECT_EQ(prompt(exchange.step(std::nullopt)), "");
    const std::string challenge = prompt(exchange.step(SecretText(client.first())));
    EXPECT_EQ(prompt(exchange.step(SecretText(client.proof(challenge)))), client.server_final());
    EXPECT_EQ(end(exchange.step(SecretText("x"))), "malformed");
}

TEST_P(ScramTest, StandInsAreNobodysAndStayTheSame) {
    const std::string secret(32, 's');
    const ScramKeys stand_ins = stand_in_scram_keys(GetParam(), secret, "nobody");
    EXPECT_EQ(stand_ins, stand_in_scram_keys(GetParam(), secret, "nobody"));
    EXPECT_NE(stand_ins.salt, stand_in_scram_keys(GetParam(), secret, "nobody2").salt);
    EXPECT_NE(stand_ins.salt, stand_in_scram_keys(GetParam(), std::string(32, 't'), "nobody").salt);
    const ScramKeys real = user_of("correct horse").keys;
    EXPECT_EQ(stand_ins.iterations, real.iterations);
    EXPECT_EQ(stand_ins.salt.size(), real.salt.size());
    EXPECT_EQ(stand_ins.stored_key.size(), real.stored_key.size());
    user_ = {.keys = stand_ins, .missing = "no such user"};
    EXPECT_EQ(log_in("nobody", "correct horse"), "refuted nobody: no such user");
    // Not even by keys that would be right.
    user_ = user_of("correct horse");
    user_.missing = "no such user";
    EXPECT_EQ(log_in("nobody", "correct horse"), "refuted nobody: no such user");
}

TEST(StandInKeyTest, LastsAsLongAsItsFile) {
    const sekisho::tests::Directory directory;
    const auto file = directory / "key";
    const std::string key = stand_in_key(file).value();
    EXPECT_EQ(key.size(), 32U);
    EXPECT_EQ(stand_in_key(file).value(), key);
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::resize_file(file, 31);
    const std::string other = stand_in_key(file).value();
    EXPECT_NE(other, key) << "by halves it is none";
    EXPECT_EQ(stand_in_key(file).value(), other);
    EXPECT_EQ(stand_in_key(directory / "none/key").value().size(), 32U) << "for this time";
}

}  // namespace
}  // namespace sekisho::sasl
