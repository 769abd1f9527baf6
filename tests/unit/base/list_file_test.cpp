// SPDX-License-Identifier: Apache-2.0
// A list that changes, breaks, goes and comes back.
#include "agent/base/list_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ListFileTest : public testing::Test {
protected:
    // In the way of scripts: the new one takes the old one's place as a whole.
    void write(std::string_view text) const {
        std::ofstream(path_.string() + ".new", std::ios::binary) << text;
        std::filesystem::rename(path_.string() + ".new", path_);
    }

    tests::Directory directory_;
    std::filesystem::path path_ = directory_.path() / "list";
    ListFile file_{path_};
};

TEST_F(ListFileTest, ReadOnceUntilItChanges) {
    write("192.0.2.1\n");
    const auto first = file_.changed();
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->size(), 1U);
    const auto again = file_.changed();
    ASSERT_TRUE(again);
    EXPECT_FALSE(*again);
    write("192.0.2.2\n");
    const auto other = file_.changed();
    ASSERT_TRUE(other && *other);
    EXPECT_EQ((*other)->front().text(), "192.0.2.2/32");
}

TEST_F(ListFileTest, WrittenInPlace) {
    write("192.0.2.1\n");
    ASSERT_TRUE(file_.changed());
    std::ofstream(path_, std::ios::app) << "192.0.2.2\n";
    const auto longer = file_.changed();
    ASSERT_TRUE(longer && *longer);
    EXPECT_EQ((*longer)->size(), 2U);
}

TEST_F(ListFileTest, ABrokenOneIsToldOfOnce) {
    write("192.0.2.1\nnonsense\n");
    const auto broken = file_.changed();
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().kind, Failure::invalid);
    EXPECT_THAT(broken.error().what, AllOf(HasSubstr(path_.string()), HasSubstr("line 2")));
    const auto again = file_.changed();
    ASSERT_TRUE(again);
    EXPECT_FALSE(*again);
    write("192.0.2.1\n");
    EXPECT_TRUE(file_.changed().value());
}

TEST_F(ListFileTest, AMissingOneIsToldOfOnceAndReadWhenItComes) {
    const auto missing = file_.changed();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, Failure::unavailable);
    EXPECT_FALSE(file_.changed().value());
    write("192.0.2.1\n");
    EXPECT_TRUE(file_.changed().value());
    std::filesystem::remove(path_);
    EXPECT_FALSE(file_.changed());
    write("192.0.2.1\n");
    EXPECT_TRUE(file_.changed().value()) << "it may be another one";
}

TEST_F(ListFileTest, AFolderIsNone) {
    std::filesystem::create_directory(path_);
    const auto folder = file_.changed();
    ASSERT_FALSE(folder);
    EXPECT_THAT(folder.error().what, HasSubstr("it is no file"));
}

TEST_F(ListFileTest, TooLargeIsNotRead) {
    write("");
    std::filesystem::resize_file(path_, (std::uintmax_t{64} << 20) + 1);
    const auto large = file_.changed();
    ASSERT_FALSE(large);
    EXPECT_THAT(large.error().what, HasSubstr("64 MiB"));
}

}  // namespace
}  // namespace sekisho
