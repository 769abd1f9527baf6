// SPDX-License-Identifier: Apache-2.0
// The user file's text, its place on the disk, and the hashes in it.
#include "smtpd/sasl/user_list.h"

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <iterator>

#include "smtpd/sasl/password_hash.h"
#include "smtpd/sasl/user_file.h"
#include "tests/unit/directory.h"

namespace sekisho::sasl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Made by mkpasswd -m sha512crypt and -m yescrypt: the password is "correct horse".
const std::string sha512 =
    "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0";
const std::string yescrypt = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79";

TEST(PasswordHash, KnowsWhatOthersHaveMade) {
    for (const std::string& hash : {sha512, yescrypt}) {
        EXPECT_TRUE(matches(SecretText("correct horse"), hash).value()) << hash;
        EXPECT_FALSE(matches(SecretText("correct horse "), hash).value());
        EXPECT_FALSE(matches(SecretText(""), hash).value());
    }
    EXPECT_EQ(scheme_of(sha512), "SHA-512-crypt");
    EXPECT_EQ(scheme_of(yescrypt), "yescrypt");
}

TEST(PasswordHash, MakesYescryptWithASaltOfItsOwn) {
    const SecretText password("pa\xc3\x9fwort!");
    const auto one = hash_password(password);
    const auto other = hash_password(password);
    ASSERT_TRUE(one && other);
    EXPECT_NE(*one, *other);
    EXPECT_EQ(scheme_of(*one), "yescrypt");
    EXPECT_TRUE(matches(password, *one).value());
    std::string changed = *one;
    changed.back() = changed.back() == '.' ? '/' : '.';
    EXPECT_FALSE(matches(password, changed).value());
}

TEST(PasswordHash, OthersAreNone) {
    for (const std::string& text :
         {std::string(), std::string("secret00"), std::string("$6$"), std::string("$6$salt$short"),
          sha512.substr(0, sha512.size() - 1), sha512 + "x", yescrypt + ":", yescrypt + " ", "x" + yescrypt,
          std::string("$1$abc$") + std::string(22, 'x'), std::string("!") + sha512, std::string(500, '$')}) {
        EXPECT_FALSE(scheme_of(text)) << text;
    }
}

TEST(PasswordHash, QualityOfNewPasswords) {
    for (const char* password :
         {"12345678", "\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6",
          "with blanks in it"}) {
        EXPECT_FALSE(unfit_password(password)) << password;
    }
    EXPECT_THAT(unfit_password("1234567").value(), HasSubstr("8"));
    EXPECT_THAT(unfit_password("\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6").value(), HasSubstr("8"));
    EXPECT_THAT(unfit_password("tab\tinside").value(), HasSubstr("control"));
    EXPECT_THAT(unfit_password("\xff\xff\xff\xff\xff\xff\xff\xff").value(), HasSubstr("UTF-8"));
    EXPECT_FALSE(unfit_password(std::string(511, 'x')));
    EXPECT_TRUE(unfit_password(std::string(512, 'x')));
}

TEST(UserListTest, ReadsUsersAndKeepsTheRest) {
    const std::string text = "# users\n\nAnna@Example.net:" + sha512 + "\nbert:" + yescrypt + "\n";
    const UserList list = UserList::parse(text);
    EXPECT_THAT(list.names(), ElementsAre("anna@example.net", "bert"));
    ASSERT_NE(list.hash_of("bert"), nullptr);
    EXPECT_EQ(*list.hash_of("bert"), yescrypt);
    EXPECT_EQ(list.hash_of("carol"), nullptr);
    EXPECT_TRUE(list.bad_lines().empty());
    EXPECT_EQ(list.text(), "# users\n\nanna@example.net:" + sha512 + "\nbert:" + yescrypt + "\n");
}

TEST(UserListTest, BadLinesAreCountedAndLockNobodyOut) {
    const std::string text = "anna:" + sha512 + "\nno colon\ncarol:secret00\n:" + sha512 + "\na b:" + sha512 +
                             "\nANNA:" + yescrypt + "\nbert:" + yescrypt;
    UserList list = UserList::parse(text);
    EXPECT_THAT(list.names(), ElementsAre("anna", "bert"));
    EXPECT_EQ(*list.hash_of("anna"), sha512) << "the first counts";
    std::vector<std::size_t> numbers;
    for (const BadLine& line : list.bad_lines()) {
        numbers.push_back(line.number);
        EXPECT_EQ(line.what.find("secret00"), std::string::npos);
    }
    EXPECT_THAT(numbers, ElementsAre(2, 3, 4, 5, 6));
    ASSERT_TRUE(list.change("bert", sha512));
    EXPECT_EQ(list.text(), "anna:" + sha512 + "\nno colon\ncarol:secret00\n:" + sha512 + "\na b:" + sha512 +
                               "\nANNA:" + yescrypt + "\nbert:" + sha512 + "\n");
}

TEST(UserListTest, ARemovedUserStaysRemoved) {
    UserList list = UserList::parse("anna:" + sha512 + "\nANNA:" + yescrypt + "\n#anna:x\nbert:" + sha512 +
                                    "\nanna:secret00\nanna\n");
    ASSERT_TRUE(list.remove("anna"));
    EXPECT_EQ(list.text(), "#anna:x\nbert:" + sha512 + "\n");
    EXPECT_EQ(list.hash_of("anna"), nullptr);
    EXPECT_EQ(list.remove("anna").error().kind, Failure::not_found);
    EXPECT_EQ(list.change("anna", sha512).error().kind, Failure::not_found);
}

TEST(UserListTest, AddsOnceAndOnlyNames) {
    UserList list;
    ASSERT_TRUE(list.add("anna", sha512));
    EXPECT_EQ(list.add("anna", yescrypt).error().kind, Failure::conflict);
    EXPECT_EQ(*list.hash_of("anna"), sha512);
    for (const char* name : {"", "a:b", "a b", "a\nb:c", "#a", "\xff"}) {
        EXPECT_EQ(list.add(name, sha512).error().kind, Failure::invalid) << name;
    }
    EXPECT_EQ(list.size(), 1U);
}

TEST(UserListTest, StandInsAreSomebodysHash) {
    EXPECT_EQ(UserList().any_hash(7), nullptr);
    const UserList list = UserList::parse("x\nanna:" + sha512 + "\nbert:" + yescrypt + "\n");
    EXPECT_EQ(*list.any_hash(0), sha512);
    EXPECT_EQ(*list.any_hash(5), yescrypt);
}

TEST(UserListTest, KeysOfScramStandBehindTheHash) {
    const std::string sha256_keys =
        ":{SCRAM-SHA-256}4096,E3looeb74g7Yk857UezCsA==,4tcp3SXPXCNHDJtwaEJ7m4/vRRWO0GeyA2tdMeHZ7/k=,"
        "U2W3uOSDm6y+7YwsQX1lpRy1Yd4hkFel57StLRZOOXA=";
    const std::string sha1_keys =
        ":{SCRAM-SHA-1}4096,mnjGrP/"
        "6xiXgvdT+2S0o5Q==,vo1FchiY9hbMoVRam7Ft0lYDcSQ=,KtSetPEMBhmwPgm81i3l9lx1x4M=";
    const std::string text =
        "anna:" + sha512 + sha256_keys + sha1_keys + "\nbert:" + yescrypt + sha256_keys + "\n";
    UserList list = UserList::parse(text);
    EXPECT_TRUE(list.bad_lines().empty());
    EXPECT_EQ(*list.hash_of("anna"), sha512);
    EXPECT_EQ(":" + print(ScramHash::sha256, list.keys_of("bert", ScramHash::sha256).value()), sha256_keys);
    EXPECT_EQ(":" + print(ScramHash::sha1, list.keys_of("anna", ScramHash::sha1).value()), sha1_keys);
    EXPECT_FALSE(list.keys_of("bert", ScramHash::sha1));
    EXPECT_FALSE(list.keys_of("carol", ScramHash::sha256));
    EXPECT_TRUE(list.all_have_keys(ScramHash::sha256));
    EXPECT_FALSE(list.all_have_keys(ScramHash::sha1));
    EXPECT_EQ(list.text(), text);
    ASSERT_TRUE(list.change("anna", yescrypt));
    EXPECT_FALSE(list.keys_of("anna", ScramHash::sha256)) << "the old password's keys are worth nothing";
    ASSERT_TRUE(list.remove("anna"));
    ASSERT_TRUE(list.add("dora", sha512 + sha1_keys));
    EXPECT_EQ(list.text(), "bert:" + yescrypt + sha256_keys + "\ndora:" + sha512 + sha1_keys + "\n");
    for (const std::string& keys : {std::string(":"), sha1_keys + ":", sha1_keys + sha1_keys,
                                    ":x" + sha1_keys, sha1_keys.substr(0, 70)}) {
        EXPECT_EQ(UserList::parse("anna:" + sha512 + keys).bad_lines().size(), 1U) << keys;
    }
}

class UserFileTest : public ::testing::Test {
protected:
    void write(const std::string& text) const { std::ofstream(path()) << text; }
    [[nodiscard]] std::filesystem::path path() const { return directory_ / "users"; }
    [[nodiscard]] std::string content() const {
        std::ifstream in(path());
        return {std::istreambuf_iterator<char>(in), {}};
    }
    tests::Directory directory_;
};

TEST_F(UserFileTest, BeginsEmptyAndIsWrittenForItsOwnerOnly) {
    auto file = UserFile::open(path());
    ASSERT_TRUE(file);
    EXPECT_EQ(file->users().size(), 0U);
    ASSERT_TRUE(file->change([](UserList& users) { return users.add("anna", sha512); }));
    EXPECT_EQ(content(), "anna:" + sha512 + "\n");
    struct stat status{};
    ASSERT_EQ(::stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1) << "no remains";
    EXPECT_NE(file->users().hash_of("anna"), nullptr);
    EXPECT_EQ(UserFile::open(path())->users().size(), 1U);
}

TEST_F(UserFileTest, SeesWhatOthersWrite) {
    write("anna:" + sha512 + "\n");
    auto file = UserFile::open(path());
    ASSERT_TRUE(file);
    EXPECT_EQ(file->users().size(), 1U);
    write("anna:" + sha512 + "\nbert:" + sha512 + "\n");
    EXPECT_EQ(file->users().size(), 2U);
    // A change of ours is made to what stands there, not to what was read before.
    write("carol:" + sha512 + "\n");
    ASSERT_TRUE(file->change([](UserList& users) { return users.add("dora", sha512); }));
    EXPECT_EQ(content(), "carol:" + sha512 + "\ndora:" + sha512 + "\n");
}

TEST_F(UserFileTest, AFileThatGoesLocksNobodyOut) {
    write("anna:" + sha512 + "\n");
    auto file = UserFile::open(path());
    ASSERT_TRUE(file);
    std::filesystem::remove(path());
    EXPECT_EQ(file->users().size(), 1U);
    ASSERT_TRUE(file->change([](UserList& users) { return users.add("bert", sha512); }));
    EXPECT_EQ(content(), "anna:" + sha512 + "\nbert:" + sha512 + "\n");
    std::filesystem::remove(path());
    std::filesystem::create_directory(path());
    EXPECT_EQ(file->users().size(), 2U);
    EXPECT_FALSE(UserFile::open(path()));
}

TEST_F(UserFileTest, AChangeThatFailsChangesNothing) {
    write("anna:" + sha512 + "\n");
    auto file = UserFile::open(path());
    ASSERT_TRUE(file);
    EXPECT_EQ(file->change([](UserList& users) { return users.add("anna", yescrypt); }).error().kind,
              Failure::conflict);
    std::filesystem::create_directories(directory_ / "users.new/x");
    const auto failed = file->change([](UserList& users) { return users.add("bert", sha512); });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, Failure::unavailable);
    EXPECT_EQ(content(), "anna:" + sha512 + "\n");
    EXPECT_EQ(file->users().hash_of("bert"), nullptr);
}

TEST_F(UserFileTest, ADirectoryThatIsMissingHasARemedy) {
    auto file = UserFile::open(directory_ / "none/users");
    ASSERT_TRUE(file);
    const auto failed = file->change([](UserList& users) { return users.add("bert", sha512); });
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().remedy, HasSubstr("install -d"));
}

}  // namespace
}  // namespace sekisho::sasl
