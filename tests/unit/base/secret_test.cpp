// SPDX-License-Identifier: Apache-2.0
// Key files: which are taken, which are refused.
#include "agent/base/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

using ::testing::HasSubstr;

class Secret : public ::testing::Test {
protected:
    Result<std::string> read(const std::string& content, mode_t mode = 0600) {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
        EXPECT_EQ(::chmod(path_.c_str(), mode), 0);
        return read_secret(path_);
    }
    tests::Directory directory_;
    std::filesystem::path path_ = directory_ / "key";
};

TEST_F(Secret, OneLineEndIsCutOff) {
    EXPECT_EQ(read("s3cret\n").value(), "s3cret");
    EXPECT_EQ(read("s3cret\r\n").value(), "s3cret");
    EXPECT_EQ(read("s3cret").value(), "s3cret");
    EXPECT_EQ(read(" s3cret ").value(), " s3cret ");
    EXPECT_EQ(read("s3cret", 0640).value(), "s3cret");
}

TEST_F(Secret, ModesThatLetOthersIn) {
    for (const mode_t mode : {0604U, 0602U, 0644U, 0666U}) {
        const auto secret = read("s3cret\n", mode);
        ASSERT_FALSE(secret) << std::oct << mode;
        EXPECT_EQ(secret.error().kind, Failure::invalid);
        EXPECT_THAT(secret.error().remedy, HasSubstr("chmod 0600"));
    }
}

TEST_F(Secret, ContentsThatAreNoSecret) {
    using namespace std::string_literals;
    for (const auto& content : {""s, "\n"s, "\r\n"s, "two\nlines\n"s, "x\n\n"s, "nul\0l"s, "tab\t"s}) {
        const auto secret = read(content);
        ASSERT_FALSE(secret) << content;
        EXPECT_EQ(secret.error().kind, Failure::invalid);
    }
    EXPECT_EQ(read(std::string(4096, 'x')).value().size(), 4096U);
    EXPECT_FALSE(read(std::string(4097, 'x')));
}

TEST_F(Secret, MissingAndStrangeFiles) {
    const auto missing = read_secret(directory_ / "nothing");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, Failure::unavailable);
    EXPECT_THAT(missing.error().remedy, HasSubstr("create it"));
    EXPECT_FALSE(read_secret(directory_.path()));
    const auto fifo = directory_ / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_FALSE(read_secret(fifo)) << "and doesn't hang";
}

TEST(SameSecret, ComparesTheWhole) {
    using namespace std::string_view_literals;
    EXPECT_TRUE(same_secret("abc", "abc"));
    EXPECT_TRUE(same_secret("", ""));
    EXPECT_FALSE(same_secret("abc", "abd"));
    EXPECT_FALSE(same_secret("abc", "ab"));
    EXPECT_FALSE(same_secret("abc", "abcd"));
    EXPECT_FALSE(same_secret("abc", ""));
    EXPECT_FALSE(same_secret("abc", "abc\0"sv));
}

}  // namespace
}  // namespace sekisho
