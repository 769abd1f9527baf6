// SPDX-License-Identifier: Apache-2.0
// The files for the next boot.
#include "agent/guard/boot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/directory.h"

namespace sekisho::guard {
namespace {

using ::testing::HasSubstr;

std::string contents(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST(BootFile, StandsBesideTheStore) {
    const BootFiles files = boot_files("/var/lib/sekisho/agent.db");
    EXPECT_EQ(files.inet, "/var/lib/sekisho/guard.nft");
    EXPECT_EQ(files.bridge, "/var/lib/sekisho/guard-bridge.nft");
}

TEST(BootFile, IsReplacedAndItsOwnersAlone) {
    const tests::Directory directory;
    const auto file = directory / "guard.nft";
    ASSERT_TRUE(write_boot_file(file, "one\n"));
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
    const auto before = std::filesystem::last_write_time(file);
    ASSERT_TRUE(write_boot_file(file, "one\n"));
    EXPECT_EQ(std::filesystem::last_write_time(file), before) << "it says so already";
    ASSERT_TRUE(write_boot_file(file, "another\n"));
    EXPECT_EQ(contents(file), "another\n");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(BootFile, WhatCannotBeWrittenLeavesTheOldOne) {
    const tests::Directory directory;
    const auto file = directory / "guard.nft";
    ASSERT_TRUE(write_boot_file(file, "one\n"));
    std::filesystem::create_directory(directory / "guard.nft.new");  // where the new one would be made
    const auto written = write_boot_file(file, "another\n");
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().what, HasSubstr("can't write " + file.string()));
    EXPECT_EQ(contents(file), "one\n");
}

TEST(BootFile, IsRemovedIfItIsThere) {
    const tests::Directory directory;
    const BootFiles files = boot_files(directory / "agent.db");
    EXPECT_FALSE(files.exist());
    ASSERT_TRUE(write_boot_file(files.bridge, "one\n"));
    EXPECT_TRUE(files.exist());
    EXPECT_TRUE(remove_boot_files(files));
    EXPECT_FALSE(files.exist());
    EXPECT_TRUE(remove_boot_files(files));
}

}  // namespace
}  // namespace sekisho::guard
