// SPDX-License-Identifier: Apache-2.0
// PLAIN, LOGIN and EXTERNAL from the server's side, base64, and what may be a name.
#include "smtpd/sasl/mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sekisho::sasl {
namespace {

using namespace std::string_literals;

MechanismStep plain(const std::string& message) {
    return Mechanism::named("PLAIN")->step(SecretText(message));
}

bool accepted(const MechanismStep& step, std::string_view user, std::string_view password) {
    const auto* const credentials = std::get_if<Credentials>(&step);
    return credentials != nullptr && credentials->user == user && credentials->password.view() == password;
}

bool malformed(const MechanismStep& step) {
    return std::holds_alternative<Malformed>(step) && !std::get<Malformed>(step).why.empty();
}

TEST(MechanismTest, PlainTakesNameAndPassword) {
    EXPECT_TRUE(accepted(plain("\0anna\0tanstaaf"s), "anna", "tanstaaf"));
    EXPECT_TRUE(accepted(plain("anna\0anna\0tanstaaf"s), "anna", "tanstaaf"));
    EXPECT_TRUE(
        accepted(plain("Anna@Example.net\0anna@example.NET\0x y:\x01"s), "anna@example.net", "x y:\x01"));
    EXPECT_TRUE(accepted(plain("\0j\xc3\xb6rg\0\xe2\x82\xac"s), "j\xc3\xb6rg", "\xe2\x82\xac"));
    EXPECT_TRUE(accepted(plain("\0"s + std::string(255, 'n') + "\0"s + std::string(511, 'p')),
                         std::string(255, 'n'), std::string(511, 'p')));
}

TEST(MechanismTest, PlainIsStrict) {
    for (const std::string& message :
         {""s, "\0"s, "\0\0"s, "anna"s, "anna\0secret00"s, "\0anna\0"s, "\0\0secret00"s,
          "root\0anna\0secret00"s, "\0anna\0secret\0more"s, "\0an na\0secret00"s, "\0an:na\0secret00"s,
          "\0#anna\0secret00"s, "\0an\nna\0secret00"s, "\0\xff\0secret00"s, "\0anna\0\xc0\x80secret"s,
          "\0anna\0\xed\xa0\x80"s, "\0"s + std::string(256, 'n') + "\0secret00"s,
          "\0anna\0"s + std::string(512, 'p')}) {
        EXPECT_TRUE(malformed(plain(message))) << testing::PrintToString(message);
    }
}

TEST(MechanismTest, PlainWithoutAnInitialResponseIsAskedByAnEmptyPrompt) {
    auto mechanism = *Mechanism::named("PLAIN");
    const auto step = mechanism.step(std::nullopt);
    ASSERT_TRUE(std::holds_alternative<Prompt>(step));
    EXPECT_EQ(std::get<Prompt>(step).text, "");
    EXPECT_TRUE(accepted(mechanism.step(SecretText("\0anna\0secret00"s)), "anna", "secret00"));
}

TEST(MechanismTest, LoginAsksTwiceOrOnce) {
    auto twice = *Mechanism::named("LOGIN");
    EXPECT_EQ(std::get<Prompt>(twice.step(std::nullopt)).text, "Username:");
    EXPECT_EQ(std::get<Prompt>(twice.step(SecretText("Anna"))).text, "Password:");
    EXPECT_TRUE(accepted(twice.step(SecretText("secret00")), "anna", "secret00"));
    auto once = *Mechanism::named("LOGIN");
    EXPECT_EQ(std::get<Prompt>(once.step(SecretText("anna"))).text, "Password:");
    EXPECT_TRUE(accepted(once.step(SecretText("secret00")), "anna", "secret00"));
    auto nobody = *Mechanism::named("LOGIN");
    EXPECT_TRUE(std::holds_alternative<Prompt>(nobody.step(SecretText(""))));
    EXPECT_TRUE(malformed(nobody.step(SecretText("secret00"))));
    auto silent = *Mechanism::named("LOGIN");
    EXPECT_TRUE(std::holds_alternative<Prompt>(silent.step(SecretText("anna"))));
    EXPECT_TRUE(malformed(silent.step(SecretText(""))));
}

TEST(MechanismTest, OthersAreNotOffered) {
    for (const char* name : {"", "plain", "ANONYMOUS", "CRAM-MD5", "PLAIN "}) {
        EXPECT_FALSE(Mechanism::named(name)) << name;
    }
}

TEST(Base64, ReadsAndWrites) {
    for (const std::string& text :
         {""s, "f"s, "fo"s, "foo"s, "foob"s, "\0\xff\x80"s, std::string(3000, '\xfe')}) {
        const auto back = from_base64(to_base64(text));
        ASSERT_TRUE(back);
        EXPECT_EQ(back->view(), text);
    }
    EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
    for (const char* text :
         {"Zg", "Zg=", "Z===", "====", "=Zg=", "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zm9*", "Zm-_"}) {
        EXPECT_FALSE(from_base64(text)) << text;
    }
}

TEST(Text, CharactersAndControls) {
    EXPECT_EQ(characters_in("a\xc3\xb6\xe2\x82\xac\xf0\x9f\x94\x91"), 4);
    for (const char* text :
         {"\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5"}) {
        EXPECT_EQ(characters_in(text), -1) << testing::PrintToString(text);
    }
    EXPECT_TRUE(has_controls("a\tb") && has_controls("\x7f") && has_controls("\xc2\x85"));
    EXPECT_FALSE(has_controls("plain \xc2\xa0 \xc3\xb6"));
}

TEST(MechanismTest, ACertificateNamesItsUser) {
    const CertificateLogin login("anna@example.net", true);
    ASSERT_TRUE(std::holds_alternative<Prompt>(login.step(std::nullopt)));
    for (const char* acting_as : {"", "anna@example.net", "Anna@Example.NET"}) {
        const auto step = login.step(SecretText(acting_as));
        ASSERT_TRUE(std::holds_alternative<Proven>(step)) << acting_as;
        EXPECT_EQ(std::get<Proven>(step).user, "anna@example.net");
    }
    for (const std::string& acting_as : {"root"s, "anna"s, "anna@example.net\0"s, " "s}) {
        const auto step = login.step(SecretText(acting_as));
        ASSERT_TRUE(std::holds_alternative<Refuted>(step)) << acting_as;
        EXPECT_EQ(std::get<Refuted>(step).user, "anna@example.net");
    }
    EXPECT_TRUE(std::holds_alternative<Refuted>(CertificateLogin("gone", false).step(SecretText(""))));
    EXPECT_TRUE(malformed(CertificateLogin("", false).step(SecretText(""))));
    EXPECT_TRUE(malformed(CertificateLogin("", true).step(SecretText("anna"))));
}

}  // namespace
}  // namespace sekisho::sasl
