// SPDX-License-Identifier: Apache-2.0
// What is kept of passwords that can be had again, whose it is, and what can be read of it on the disk.
#include "smtpd/sasl/recoverable_passwords.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/directory.h"

namespace sekisho::sasl {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Perms = std::filesystem::perms;

class RecoverablePasswordsTest : public ::testing::Test {
protected:
    RecoverablePasswords open() { return RecoverablePasswords::open(file_, key_).value(); }
    static std::string of(RecoverablePasswords& passwords, const std::string& name, std::string_view hash) {
        const auto found = passwords.of(name, hash);
        return found ? std::string(found->view()) : "(none)";
    }
    [[nodiscard]] static std::string content(const std::filesystem::path& path) {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }
    static void keep(RecoverablePasswords& passwords, const std::string& name, std::string_view hash,
                     std::string_view password) {
        const auto kept = passwords.keep(name, hash, SecretText(password));
        ASSERT_TRUE(kept) << kept.error().what;
    }

    tests::Directory directory_;
    std::filesystem::path file_ = directory_ / "users.recoverable";
    std::filesystem::path key_ = directory_ / "users.key";
};

TEST_F(RecoverablePasswordsTest, KeepsThemOverAStart) {
    {
        auto passwords = open();
        EXPECT_FALSE(std::filesystem::exists(key_)) << "nothing is made before it is needed";
        keep(passwords, "anna", "$y$1", "correct horse");
        EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse");
        EXPECT_TRUE(passwords.has("anna", "$y$1"));
        EXPECT_FALSE(passwords.has("anna", "$y$2"));
        EXPECT_FALSE(passwords.has("bert", "$y$1"));
    }
    auto passwords = open();
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse");
    keep(passwords, "bert", "$y$2", "b\xc3\xbcrger");
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse");
    EXPECT_EQ(of(passwords, "bert", "$y$2"), "b\xc3\xbcrger");
}

TEST_F(RecoverablePasswordsTest, OnTheDiskThereIsNothingToRead) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "correct horse");
    EXPECT_THAT(content(file_), MatchesRegex("anna:\\{AES-256-GCM\\}[A-Za-z0-9+/=]+\n"));
    EXPECT_THAT(content(file_), Not(HasSubstr("horse")));
    EXPECT_THAT(content(key_), MatchesRegex("[A-Za-z0-9+/]{43}=\n"));
    for (const auto& path : {file_, key_}) {
        EXPECT_EQ(std::filesystem::status(path).permissions(), Perms::owner_read | Perms::owner_write)
            << path;
    }
    const std::string first = content(file_);
    ASSERT_TRUE(passwords.settle("anna", ""));
    keep(passwords, "anna", "$y$1", "correct horse");
    EXPECT_NE(content(file_), first) << "nobody sees that it is the same password";
}

TEST_F(RecoverablePasswordsTest, BelongsToOneNameAndOneHash) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "correct horse");
    EXPECT_EQ(of(passwords, "anna", "$y$2"), "(none)") << "somebody has set another password by hand";
    std::string text = content(file_);
    text.replace(0, 4, "root");
    std::ofstream(file_) << text << content(file_);
    EXPECT_EQ(of(passwords, "root", "$y$1"), "(none)") << "a line that was copied";
    EXPECT_EQ(of(passwords, "root", "$y$2"), "(none)");
}

TEST_F(RecoverablePasswordsTest, TheNewOneCountsWhenItsHashDoes) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "old");
    keep(passwords, "anna", "$y$2", "new");
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "old") << "the user file wasn't written yet";
    EXPECT_EQ(of(passwords, "anna", "$y$2"), "new");
    ASSERT_TRUE(passwords.settle("anna", "$y$2"));
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "(none)");
    EXPECT_EQ(of(passwords, "anna", "$y$2"), "new");
    ASSERT_TRUE(passwords.settle("anna", "$y$3"));
    EXPECT_EQ(content(file_), "");
}

TEST_F(RecoverablePasswordsTest, LinesOfOthersStay) {
    std::ofstream(file_) << "# mine\nbroken:{AES-256-GCM}%%\nanna:{AES-256-GCM}AAAA\n";
    std::filesystem::permissions(file_, Perms::owner_read | Perms::owner_write);
    auto passwords = open();
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "(none)") << "too short to be one";
    EXPECT_FALSE(passwords.has("broken", ""));
    keep(passwords, "bert", "$y$2", "secret");
    EXPECT_THAT(content(file_), MatchesRegex("# mine\nbroken:\\{AES-256-GCM\\}%%\n"
                                             "anna:\\{AES-256-GCM\\}AAAA\nbert:\\{AES-256-GCM\\}.+\n"));
}

TEST_F(RecoverablePasswordsTest, WithoutTheKeyNothingIsReadOrLost) {
    {
        auto passwords = open();
        keep(passwords, "anna", "$y$1", "correct horse");
    }
    const std::filesystem::path elsewhere = directory_ / "elsewhere";
    std::filesystem::rename(key_, elsewhere);
    {
        auto passwords = open();
        EXPECT_EQ(of(passwords, "anna", "$y$1"), "(none)");
        const auto refused = passwords.keep("bert", "$y$2", SecretText("secret"));
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().what, HasSubstr("missing"));
        EXPECT_THAT(refused.error().remedy, HasSubstr(key_.string()));
        ASSERT_TRUE(passwords.settle("anna", "$y$1"));
        EXPECT_THAT(content(file_), HasSubstr("anna:"));
        EXPECT_FALSE(std::filesystem::exists(key_)) << "another one would be of no use";
        std::filesystem::rename(elsewhere, key_);
        EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse") << "it is noticed when it comes back";
    }
}

TEST_F(RecoverablePasswordsTest, AKeyThatIsNone) {
    for (const char* text : {"short\n", "AAAA\n", "\n"}) {
        std::ofstream(key_) << text;
        const auto passwords = RecoverablePasswords::open(file_, key_);
        ASSERT_FALSE(passwords) << text;
        EXPECT_THAT(passwords.error().what, HasSubstr("holds no key"));
    }
}

TEST_F(RecoverablePasswordsTest, WhereTheDiskFailsNothingHasChanged) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "correct horse");
    std::filesystem::create_directory(directory_ / "users.recoverable.new");
    std::ofstream(directory_ / "users.recoverable.new/in-the-way") << "x";
    EXPECT_FALSE(passwords.keep("anna", "$y$2", SecretText("new")));
    EXPECT_FALSE(passwords.settle("anna", ""));
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse");
    EXPECT_EQ(of(passwords, "anna", "$y$2"), "(none)");
}

TEST_F(RecoverablePasswordsTest, AFileThatSomebodyHasReplacedIsReadAgain) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "correct horse");
    const std::string text = content(file_);
    std::filesystem::remove(file_);
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "(none)");
    std::ofstream(file_) << text;
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse");
}

TEST_F(RecoverablePasswordsTest, AKeyOfTheOperatorsIsTakenAndNeverReplaced) {
    auto passwords = open();
    const std::string line = to_base64(std::string(32, 'k')) + "\n";
    std::ofstream(key_) << line;
    keep(passwords, "anna", "$y$1", "correct horse");
    EXPECT_EQ(content(key_), line);
    std::filesystem::remove(file_);
    std::ofstream(key_) << "";
    auto other = open();
    EXPECT_FALSE(other.keep("anna", "$y$1", SecretText("correct horse"))) << "an empty file is no key";
    EXPECT_EQ(content(key_), "");
}

TEST_F(RecoverablePasswordsTest, AFileThatCannotBeReadIsNotWrittenOver) {
    auto passwords = open();
    keep(passwords, "anna", "$y$1", "correct horse");
    std::filesystem::remove(file_);
    std::filesystem::create_directory(file_);
    EXPECT_FALSE(passwords.keep("bert", "$y$2", SecretText("secret")));
    EXPECT_FALSE(passwords.settle("anna", ""));
    EXPECT_EQ(of(passwords, "anna", "$y$1"), "correct horse") << "what was known stays known";
    EXPECT_TRUE(std::filesystem::is_directory(file_));
}

TEST_F(RecoverablePasswordsTest, CoversAllUsersOrNot) {
    const std::string one = "$6$saltsalt$" + std::string(86, 'a');
    const std::string two = "$6$saltsalt$" + std::string(86, 'b');
    const UserList users = UserList::parse("anna:" + one + "\nbert:" + two + "\n");
    ASSERT_EQ(users.size(), 2U);
    auto passwords = open();
    keep(passwords, "anna", one, "correct horse");
    EXPECT_FALSE(passwords.covers(users));
    keep(passwords, "bert", one, "correct horse");
    EXPECT_FALSE(passwords.covers(users)) << "bert has another hash";
    keep(passwords, "bert", two, "correct horse");
    EXPECT_TRUE(passwords.covers(users));
    EXPECT_FALSE(passwords.covers(UserList::parse(""))) << "there is nobody";
}

}  // namespace
}  // namespace sekisho::sasl
