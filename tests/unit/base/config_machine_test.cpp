// SPDX-License-Identifier: Apache-2.0
// Files and users that a configuration names, on this machine.
#include "agent/base/config_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

using ::testing::HasSubstr;

constexpr const char* complete =
    "[[interface]]\nname = \"sub-*\"\n[[pool]]\nname = \"dsl\"\nprefixes = [\"192.0.2.0/24\"]\n";

MachineFindings check_text(const std::string& text) {
    return check_machine(parse_config(text, "/etc/sekisho/sekisho.toml").value());
}

TEST(ConfigMachine, NothingToSay) {
    const auto findings = check_text(complete + std::string("[api]\noperators = [\"root\"]\n"));
    EXPECT_TRUE(findings.complaints.empty());
    EXPECT_TRUE(findings.warnings.empty());
}

TEST(ConfigMachine, UsersThatDoNotExistAreWarnedOf) {
    const auto findings = check_text(
        complete +
        std::string("[api]\noperators = [\"root\", \"no-such-one\"]\nviewers = [\"no-such-two\"]\n"));
    EXPECT_TRUE(findings.complaints.empty());
    ASSERT_EQ(findings.warnings.size(), 2U);
    EXPECT_EQ(findings.warnings[0].what, "api.operators: there is no user \"no-such-one\"");
    EXPECT_EQ(findings.warnings[1].what, "api.viewers: there is no user \"no-such-two\"");
    EXPECT_THAT(warning_text("/a.toml", findings.warnings),
                HasSubstr("/a.toml: warning: api.viewers: there is no user \"no-such-two\"\n  compare"));
}

TEST(ConfigMachine, AConfigurationThatEnforcesNothingIsWarnedOf) {
    const auto empty = check_text("");
    ASSERT_EQ(empty.warnings.size(), 2U);
    EXPECT_THAT(empty.warnings[0].what, HasSubstr("nothing is enforced: no [[interface]]"));
    EXPECT_THAT(empty.warnings[1].what, HasSubstr("no [[pool]]"));
    const auto uplink = check_text(
        "[[interface]]\nname = \"up0\"\nside = \"uplink\"\n[[pool]]\nname = "
        "\"dsl\"\nprefixes = [\"192.0.2.0/24\"]\n");
    ASSERT_EQ(uplink.warnings.size(), 1U);
    EXPECT_THAT(uplink.warnings[0].what, HasSubstr("[[interface]]"));
}

TEST(ConfigMachine, RootIsToldOfKeyFiles) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "others may not read key files";
    }
    for (const std::string section : {"login.dovecot", "login.stalwart"}) {
        const tests::Directory directory;
        const auto key = directory / "listener.key";
        const std::string with_key = complete +
                                     ("[[" + section + "]]\nname = \"mail1\"\nlisten = \"192.0.2.1\"\n") +
                                     "reporters = [\"192.0.2.2\"]\nkey_file = \"" + key.string() + "\"\n";
        const auto missing = check_text(with_key);
        ASSERT_EQ(missing.complaints.size(), 1U);
        EXPECT_THAT(missing.complaints[0].what,
                    HasSubstr(section + " \"mail1\": can't open " + key.string()));
        EXPECT_THAT(missing.complaints[0].remedy, HasSubstr("create it"));
        std::ofstream(key) << "secret\n";
        std::filesystem::permissions(key, std::filesystem::perms(0644));
        const auto open_to_all = check_text(with_key);
        ASSERT_EQ(open_to_all.complaints.size(), 1U);
        EXPECT_THAT(open_to_all.complaints[0].what, HasSubstr("everybody"));
        std::filesystem::permissions(key, std::filesystem::perms(0600));
        EXPECT_TRUE(check_text(with_key).complaints.empty());
    }
}

TEST(ConfigMachine, RootIsToldOfSecretsOfRadius) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "others may not read key files";
    }
    const tests::Directory directory;
    const auto secret = directory / "bng1.secret";
    const std::string with_radius =
        complete + std::string("[radius]\nlisten = [\"192.0.2.1\"]\n[[radius.client]]\nname = \"bng1\"\n") +
        "prefixes = [\"192.0.2.2\"]\nsecret_file = \"" + secret.string() + "\"\n";
    const auto missing = check_text(with_radius);
    ASSERT_EQ(missing.complaints.size(), 1U);
    EXPECT_EQ(missing.complaints[0].what,
              "radius.client \"bng1\": can't open " + secret.string() + ": No such file or directory");
    std::ofstream(secret) << "secret\n";
    std::filesystem::permissions(secret, std::filesystem::perms(0644));
    const auto open_to_all = check_text(with_radius);
    ASSERT_EQ(open_to_all.complaints.size(), 1U);
    EXPECT_THAT(open_to_all.complaints[0].what, HasSubstr("everybody"));
    std::filesystem::permissions(secret, std::filesystem::perms(0600));
    EXPECT_TRUE(check_text(with_radius).complaints.empty());
}

TEST(ConfigMachine, RootIsToldOfUsersOfContracts) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root's right to read counts";
    }
    const tests::Directory directory;
    const auto with_users = [](const std::filesystem::path& users) {
        return check_text(complete + std::string("[[contract]]\nname = \"static\"\nusers = \"") +
                          users.string() + "\"\n");
    };
    const auto users = directory / "static.users";
    const auto missing = with_users(users);
    ASSERT_EQ(missing.complaints.size(), 1U);
    EXPECT_EQ(missing.complaints[0].what,
              "contract \"static\" users: " + users.string() + ": No such file or directory");
    EXPECT_THAT(missing.complaints[0].remedy, HasSubstr("create it"));
    const auto no_file = with_users(directory.path());
    ASSERT_EQ(no_file.complaints.size(), 1U);
    EXPECT_THAT(no_file.complaints[0].what, HasSubstr("no regular file"));
    std::ofstream(users) << "alice@example.net\n";
    EXPECT_TRUE(with_users(users).complaints.empty());
    EXPECT_TRUE(check_text(complete + std::string("[[contract]]\nname = \"a\"\nclass = [\"a\"]\n"))
                    .complaints.empty());
}

TEST(ConfigMachine, RootIsToldOfTheMailSide) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "others may not read key files";
    }
    const tests::Directory directory;
    const auto certificate = directory / "fullchain.pem";
    const auto key = directory / "privkey.pem";
    const std::string with_mail = complete +
                                  std::string("[submission]\nuser = \"nobody\"\ncertificate = \"") +
                                  certificate.string() + "\"\nkey = \"" + key.string() +
                                  "\"\n[[submission.listener]]\naddress = \"192.0.2.1\"\nport = 587\n"
                                  "[relay]\nuser = \"root\"\n[auth]\nuser = ";
    const auto missing = check_text(with_mail + "\"no-such-one\"\n");
    ASSERT_EQ(missing.complaints.size(), 3U);
    EXPECT_EQ(missing.complaints[0].what,
              "submission.certificate: " + certificate.string() + ": No such file or directory");
    EXPECT_THAT(missing.complaints[1].what, HasSubstr("submission.key: " + key.string()));
    EXPECT_EQ(missing.complaints[2].what, "auth.user: there is no user \"no-such-one\"");
    std::ofstream{certificate} << "x";
    std::ofstream{key} << "x";
    std::filesystem::permissions(key, std::filesystem::perms(0644));
    const auto open_to_all = check_text(with_mail + "\"root\"\n");
    ASSERT_EQ(open_to_all.complaints.size(), 1U);
    EXPECT_EQ(open_to_all.complaints[0].what,
              "submission.key: " + key.string() + " can be used by everybody");
    EXPECT_EQ(open_to_all.complaints[0].remedy, "chmod 0640 " + key.string());
    std::filesystem::permissions(key, std::filesystem::perms(0640));
    EXPECT_TRUE(check_text(with_mail + "\"root\"\n").complaints.empty());
}

}  // namespace
}  // namespace sekisho
