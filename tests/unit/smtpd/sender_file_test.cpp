// SPDX-License-Identifier: Apache-2.0
// The file of senders while it changes.
#include "smtpd/sender_file.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

using testing::HasSubstr;

class SenderFileTest : public testing::Test {
protected:
    SenderFileTest() {
        config_.own_senders = true;
        config_.sender_file = directory_.path() / "senders";
    }
    void write(std::string_view text) const {
        std::ofstream(config_.sender_file.string() + ".new", std::ios::binary) << text;
        std::filesystem::rename(config_.sender_file.string() + ".new", config_.sender_file);
    }

    tests::Directory directory_;
    SubmissionConfig config_;
};

TEST_F(SenderFileTest, IsReadAgainWhenItChanges) {
    write("anna: anna@example.net\n");
    auto file = SenderFile::open(config_);
    ASSERT_TRUE(file) << file.error().what;
    EXPECT_TRUE(file->rights()->may("anna", "anna@example.net"));
    write("anna: a@example.net\n");
    EXPECT_FALSE(file->rights()->may("anna", "anna@example.net"));
    EXPECT_TRUE(file->rights()->may("anna", "a@example.net"));
}

TEST_F(SenderFileTest, ABrokenOneChangesNothing) {
    write("anna: anna@example.net\n");
    auto file = SenderFile::open(config_);
    ASSERT_TRUE(file) << file.error().what;
    write("nonsense\n");
    EXPECT_TRUE(file->rights()->may("anna", "anna@example.net"));
    std::filesystem::remove(config_.sender_file);
    EXPECT_TRUE(file->rights()->may("anna", "anna@example.net"));
    EXPECT_FALSE(file->rights()->may("anna", "b@example.net"));
}

TEST_F(SenderFileTest, WithABrokenOneNothingBegins) {
    EXPECT_THAT(SenderFile::open(config_).error().what, HasSubstr("senders"));
    write("nonsense\n");
    EXPECT_THAT(SenderFile::open(config_).error().what, HasSubstr("senders, line 1"));
}

TEST_F(SenderFileTest, WithoutOneUsersAreThemselves) {
    config_.sender_file.clear();
    auto file = SenderFile::open(config_);
    ASSERT_TRUE(file) << file.error().what;
    EXPECT_TRUE(file->rights()->may("anna@example.net", "anna@example.net"));
    EXPECT_FALSE(file->rights()->may("anna@example.net", "b@example.net"));
    config_.own_senders = false;
    auto open = SenderFile::open(config_);
    ASSERT_TRUE(open);
    EXPECT_EQ(open->rights(), nullptr);
}

}  // namespace
}  // namespace sekisho
