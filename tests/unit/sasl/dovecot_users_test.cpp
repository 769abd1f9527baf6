// SPDX-License-Identifier: Apache-2.0
// The users as Dovecot's files have them: their lines, and the directory that follows them.
#include "smtpd/sasl/dovecot_users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/sasl/dovecot_export.h"
#include "smtpd/sasl/password_hash.h"
#include "tests/unit/directory.h"
#include "tests/unit/written_log.h"

namespace sekisho::sasl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string hash_a = "$6$abcdefgh$" + std::string(86, 'a');
const std::string hash_b = "$6$abcdefgh$" + std::string(86, 'b');

std::string keys_text(ScramHash hash) {
    const std::size_t size = hash == ScramHash::sha256 ? 32 : 20;
    return print(hash, {.iterations = 4096,
                        .salt = std::string(16, 's'),
                        .stored_key = std::string(size, 't'),
                        .server_key = std::string(size, 'v')});
}

std::string content(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

AccessConfig access(AccessAction action, std::vector<Prefix> clients, std::vector<std::string> users) {
    return {.priority = 0,
            .action = action,
            .clients = std::move(clients),
            .users = std::move(users),
            .protocols = {}};
}

class DovecotUsersTest : public ::testing::Test {
protected:
    RecoverablePasswords open() {
        return RecoverablePasswords::open(directory_ / "recoverable", directory_ / "key").value();
    }

    tests::Directory directory_;
};

TEST_F(DovecotUsersTest, OneFileForEachKindOfSecret) {
    auto recoverable = open();
    ASSERT_TRUE(recoverable.keep("copier", hash_b, SecretText("paper: jam")));
    const auto users = UserList::parse(
        "anna@example.net:" + hash_a + ":" + keys_text(ScramHash::sha256) + ":" + keys_text(ScramHash::sha1) +
        "\ncopier:" + hash_b + "\ndora:" + hash_a + ":" + keys_text(ScramHash::sha256) + "\nbad line\n");
    LoginNetworks networks({});
    const auto files = dovecot_users(users, recoverable, networks);
    EXPECT_EQ(files.hashes, "anna@example.net:{CRYPT}" + hash_a + "::::::\ncopier:{CRYPT}" + hash_b +
                                "::::::\ndora:{CRYPT}" + hash_a + "::::::\n");
    EXPECT_EQ(files.scram_sha_256, "anna@example.net:" + keys_text(ScramHash::sha256) +
                                       "::::::\ndora:" + keys_text(ScramHash::sha256) + "::::::\n");
    EXPECT_EQ(files.scram_sha_1, "anna@example.net:" + keys_text(ScramHash::sha1) + "::::::\n");
    EXPECT_EQ(files.recoverable, "copier:{PLAIN.b64}cGFwZXI6IGphbQ==::::::\n");
    EXPECT_EQ(files.users, 3U);
    EXPECT_EQ(files.left_out, 0U);
}

TEST_F(DovecotUsersTest, APasswordThatBelongsToAnotherHashIsNone) {
    auto recoverable = open();
    ASSERT_TRUE(recoverable.keep("copier", hash_b, SecretText("paper jam")));
    LoginNetworks networks({});
    EXPECT_EQ(dovecot_users(UserList::parse("copier:" + hash_a + "\n"), recoverable, networks).recoverable,
              "");
}

TEST_F(DovecotUsersTest, NamesThatDovecotTakes) {
    for (const char* const name : {"anna", "anna.b-c_d@example.net", "@", "0"}) {
        EXPECT_TRUE(is_dovecot_name(name)) << name;
    }
    for (const char* const name :
         {"", ".", "..", ".anna", "a/b", "a%u", "a b", "a\tb", "\xe9\x96\xa2", "a+b"}) {
        EXPECT_FALSE(is_dovecot_name(name)) << name;
    }
    auto recoverable = open();
    LoginNetworks networks({});
    const auto files = dovecot_users(UserList::parse("../anna:" + hash_a + "\nbert:" + hash_a + "\n"),
                                     recoverable, networks);
    EXPECT_EQ(files.hashes, "bert:{CRYPT}" + hash_a + "::::::\n");
    EXPECT_EQ(files.left_out, 1U);
}

TEST_F(DovecotUsersTest, NetworksStandInEveryLine) {
    auto recoverable = open();
    ASSERT_TRUE(recoverable.keep("anna", hash_a, SecretText("correct horse")));
    LoginNetworks networks(
        {access(AccessAction::allow,
                {parse_prefix("192.0.2.0/24").value(), parse_prefix("2001:db8::/32").value()}, {}),
         access(AccessAction::deny, {}, {"anna"}), access(AccessAction::deny, {}, {"none"})});
    LoginNetworks nowhere_at_all({access(AccessAction::deny, {}, {})});
    const auto users = UserList::parse("anna:" + hash_a + ":" + keys_text(ScramHash::sha256) + ":" +
                                       keys_text(ScramHash::sha1) + "\nbert:" + hash_a + "\n");
    const auto files = dovecot_users(users, recoverable, networks);
    constexpr const char* line_end = "::::::allow_nets=192.0.2.0/24,2001:db8::/32\n";
    EXPECT_EQ(files.hashes, "anna:{CRYPT}" + hash_a + line_end + "bert:{CRYPT}" + hash_a + "::::::\n");
    EXPECT_THAT(files.scram_sha_256, HasSubstr(line_end));
    EXPECT_THAT(files.scram_sha_1, HasSubstr(line_end));
    EXPECT_THAT(files.recoverable, HasSubstr(line_end));
    EXPECT_THAT(dovecot_users(users, recoverable, nowhere_at_all).hashes,
                HasSubstr("bert:{CRYPT}" + hash_a + "::::::allow_nets=0.0.0.0/32\n"));
}

// A directory on a tmpfs.
class DovecotExportTest : public DovecotUsersTest {
protected:
    void SetUp() override {
        struct statfs system{};
        if (::statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC) {
            GTEST_SKIP() << "needs a tmpfs in /dev/shm";
        }
        std::string name = "/dev/shm/sekisho-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        place_ = name;
        ASSERT_EQ(::chmod(place_.c_str(), 02750), 0);
        std::ofstream(directory_ / "users") << "anna:" << hash_a << "\n";
        users_ = UserFile::open(directory_ / "users").value();
        recoverable_ = open();
    }
    void TearDown() override {
        if (!place_.empty()) {
            std::filesystem::remove_all(place_);
        }
    }
    DovecotExport exporting(const std::filesystem::path& place) {
        return {place, {}, *users_, *recoverable_};
    }
    [[nodiscard]] std::string hashes() const { return content(place_ / "hashes"); }

    std::filesystem::path place_;
    std::optional<UserFile> users_;
    std::optional<RecoverablePasswords> recoverable_;
};

TEST_F(DovecotExportTest, FollowsTheUsers) {
    auto files = exporting(place_);
    EXPECT_FALSE(files.current());
    files.follow();
    EXPECT_TRUE(files.current());
    EXPECT_EQ(hashes(), "anna:{CRYPT}" + hash_a + "::::::\n");
    for (const char* const name : {"hashes", "scram-sha-256", "scram-sha-1", "recoverable"}) {
        struct stat status{};
        ASSERT_EQ(::stat((place_ / name).c_str(), &status), 0) << name;
        EXPECT_EQ(status.st_mode & 07777U, 0640U) << name;
    }
    ASSERT_TRUE(users_->change([](UserList& users) { return users.add("bert", hash_b); }));
    files.follow();
    EXPECT_THAT(hashes(), HasSubstr("bert:"));
    ASSERT_TRUE(recoverable_->keep("bert", hash_b, SecretText("paper jam")));
    files.follow();
    EXPECT_EQ(content(place_ / "recoverable"), "bert:{PLAIN.b64}cGFwZXIgamFt::::::\n");
    std::ofstream(directory_ / "users", std::ios::app) << "edited:" << hash_a << "\n";
    files.follow();
    EXPECT_THAT(hashes(), HasSubstr("edited:"));
    std::filesystem::remove(place_ / "hashes");
    files.follow();
    EXPECT_THAT(hashes(), HasSubstr("edited:")) << "what somebody has removed is written again";
}

// Dovecot looks at seconds and sizes.
TEST_F(DovecotExportTest, EachChangeHasASecondOfItsOwn) {
    auto files = exporting(place_);
    files.follow();
    auto last = std::filesystem::last_write_time(place_ / "hashes");
    for (const std::string& hash : {hash_b, hash_a, hash_b}) {
        ASSERT_TRUE(users_->change([&hash](UserList& users) { return users.change("anna", hash); }));
        files.follow();
        const auto now = std::filesystem::last_write_time(place_ / "hashes");
        EXPECT_GE(now - last, std::chrono::seconds(1));
        last = now;
    }
    files.follow();
    EXPECT_EQ(std::filesystem::last_write_time(place_ / "hashes"), last) << "nothing has changed";
}

TEST_F(DovecotExportTest, WantsAPlaceWhereSecretsMayStand) {
    const auto complaint = [this](const std::filesystem::path& place) {
        const tests::WrittenLog log;
        auto files = exporting(place);
        files.follow();
        files.follow();
        EXPECT_FALSE(files.current());
        const std::string text = log.text();
        EXPECT_EQ(text.find("DOVECOT_USERS_NOT_WRITTEN"), text.rfind("DOVECOT_USERS_NOT_WRITTEN"))
            << "said once";
        return text;
    };
    EXPECT_THAT(complaint(place_ / "missing"), HasSubstr("No such file or directory"));
    for (const unsigned mode : {02751U, 02770U, 0750U}) {
        ASSERT_EQ(::chmod(place_.c_str(), mode), 0);
        EXPECT_THAT(complaint(place_), HasSubstr("open to others")) << mode;
        EXPECT_TRUE(std::filesystem::is_empty(place_));
    }
    struct statfs system{};
    ASSERT_EQ(::statfs(directory_.path().c_str(), &system), 0);
    if (system.f_type != TMPFS_MAGIC) {
        std::filesystem::create_directory(directory_ / "disk");
        ASSERT_EQ(::chmod((directory_ / "disk").c_str(), 02750), 0);
        EXPECT_THAT(complaint(directory_ / "disk"), HasSubstr("is on a disk"));
    }
}

TEST_F(DovecotExportTest, GoesOnWhenThePlaceIsThereAgain) {
    auto files = exporting(place_);
    files.follow();
    std::filesystem::remove_all(place_);
    files.follow();
    EXPECT_FALSE(files.current());
    ASSERT_EQ(::mkdir(place_.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(place_.c_str(), 02750), 0);
    files.follow();
    EXPECT_TRUE(files.current());
    EXPECT_THAT(hashes(), HasSubstr("anna:"));
}

}  // namespace
}  // namespace sekisho::sasl
