// SPDX-License-Identifier: Apache-2.0
// `sekisho certificate`: what certificates say, and what lego is told. What an authority makes of it is
// tests/system's to show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "agent/cli/certificate_command.h"
#include "agent/cli/certificate_facts.h"
#include "agent/cli/setup_certificate.h"

namespace sekisho::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const auto moment = std::chrono::sys_days(std::chrono::year(2026) / 11 / 29) + 12h;

TEST(CertificateFacts, OfASelfSignedOne) {
    const auto made = self_signed("smtp.example.net", moment);
    ASSERT_TRUE(made);
    const auto facts = certificate_facts("# a comment\n" + made->certificate);
    ASSERT_TRUE(facts) << facts.error().what;
    EXPECT_THAT(facts->names, ElementsAre("smtp.example.net"));
    EXPECT_EQ(facts->from, moment - std::chrono::days(1));
    EXPECT_EQ(facts->until, moment - std::chrono::days(1) + certificate_life - 1s);
    EXPECT_EQ(facts->issuer, "smtp.example.net");
    EXPECT_TRUE(facts->self_signed);
}

TEST(CertificateFacts, KeysBelongToOne) {
    const auto one = self_signed("smtp.example.net", moment);
    const auto other = self_signed("smtp.example.net", moment);
    ASSERT_TRUE(one && other);
    EXPECT_EQ(belong_together(one->certificate, one->key), true);
    EXPECT_EQ(belong_together(one->certificate, other->key), false);
    EXPECT_FALSE(belong_together(one->certificate, one->certificate));
    EXPECT_FALSE(belong_together(one->key, one->key));
    for (const char* const text :
         {"", "nothing", "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"}) {
        EXPECT_FALSE(certificate_facts(text)) << text;
    }
}

TEST(LegoWords, AreThoseOfTheConfiguration) {
    AcmeConfig acme;
    acme.directory = "https://acme.example.net/dir";
    acme.email = "postmaster@example.net";
    acme.names = {"smtp.example.net", "mail.example.net"};
    EXPECT_THAT(lego_words(acme, "/usr/bin/lego"),
                ElementsAre("/usr/bin/lego", "--accept-tos", "--server", "https://acme.example.net/dir",
                            "--email", "postmaster@example.net", "--path", "/var/lib/sekisho-acme",
                            "--key-type", "ec256", "--domains", "smtp.example.net", "--domains",
                            "mail.example.net", "--http", "--http.port", ":80", "run"));
    acme.names = {"smtp.example.net"};
    acme.challenge = AcmeChallenge::tls_alpn;
    acme.port = 443;
    acme.listen = parse_address("2001:db8::1").value();
    const auto words = lego_words(acme, "lego");
    EXPECT_THAT(std::vector<std::string>(words.end() - 4, words.end()),
                ElementsAre("--tls", "--tls.port", "[2001:db8::1]:443", "run"));
}

}  // namespace
}  // namespace sekisho::cli
