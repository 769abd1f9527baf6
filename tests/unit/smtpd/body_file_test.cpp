// SPDX-License-Identifier: Apache-2.0
// A message on its way in: in memory, on the disk, and where there is no room.
#include "smtpd/body_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

std::string content_of(const BodyFile& body) {
    std::string text(body.size() + 1, '\0');
    const ssize_t size = ::pread(body.file().get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
}

bool in_memory(const BodyFile& body) {
    const std::string link = "/proc/self/fd/" + std::to_string(body.file().get());
    return std::filesystem::read_symlink(link).string().starts_with("/memfd:");
}

class BodyFileTest : public testing::Test {
protected:
    tests::Directory directory_;
};

TEST_F(BodyFileTest, ASmallMessageStaysInMemory) {
    BodyFile body(directory_.path());
    ASSERT_TRUE(body.append("Subject: x\r\n"));
    ASSERT_TRUE(body.append("\r\nHello\r\n"));
    ASSERT_TRUE(body.finish(20));
    EXPECT_EQ(content_of(body), "Subject: x\r\n\r\nHello\r\n");
    EXPECT_EQ(body.size(), 21U);
    EXPECT_TRUE(in_memory(body));
}

TEST_F(BodyFileTest, OneThatIsSmallEnoughNeedsNoFile) {
    BodyFile body(directory_.path());
    ASSERT_TRUE(body.append("Subject: x\r\n"));
    ASSERT_TRUE(body.append("\r\nHello\r\n"));
    ASSERT_TRUE(body.finish(21));
    EXPECT_FALSE(body.file());
    EXPECT_EQ(body.octets(), "Subject: x\r\n\r\nHello\r\n");
    EXPECT_EQ(body.size(), 21U);
}

TEST_F(BodyFileTest, AnEmptyOneIsAFile) {
    BodyFile body(directory_.path());
    ASSERT_TRUE(body.finish(1000));
    EXPECT_TRUE(body.file());
    EXPECT_EQ(body.size(), 0U);
    EXPECT_EQ(content_of(body), "");
}

TEST_F(BodyFileTest, ALargeOneMovesToTheDiskAndLeavesNoName) {
    BodyFile body(directory_.path(), 100'000);
    std::string whole;
    for (int i = 0; i < 3000; i++) {
        const std::string piece = std::to_string(i) + std::string(100, static_cast<char>('a' + i % 26));
        whole += piece;
        ASSERT_TRUE(body.append(piece));
    }
    ASSERT_TRUE(body.finish(1'000'000));
    EXPECT_EQ(content_of(body), whole);
    EXPECT_EQ(body.size(), whole.size());
    EXPECT_FALSE(in_memory(body));
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(BodyFileTest, WithoutADirectoryALargeOneIsRefused) {
    BodyFile body(directory_ / "nothing", 1000);
    ASSERT_TRUE(body.append("small"));
    Result<void> result;
    for (int i = 0; i < 100 && result; i++) {
        result = body.append(std::string(10'000, 'x'));
    }
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, Failure::unavailable);
    EXPECT_FALSE(result.error().remedy.empty());
}

}  // namespace
}  // namespace sekisho
