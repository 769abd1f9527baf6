// SPDX-License-Identifier: Apache-2.0
// Logs that grow, are renamed, copied and cut, and agents that come and go meanwhile.
#include "agent/logins/followed_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/directory.h"

namespace sekisho::logins {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

class FollowedFileTest : public testing::Test {
protected:
    void append(const std::string& text, const std::string& name = "mail.log") const {
        std::ofstream(directory_ / name, std::ios::app | std::ios::binary) << text;
    }
    void rename(const std::string& to) const { std::filesystem::rename(log_, directory_ / to); }
    void cut() const { std::filesystem::resize_file(log_, 0); }

    // All lines that have come.
    std::vector<std::string> read(FollowedFile& file, std::size_t most = 1 << 20) {
        std::vector<std::string> lines;
        for (Result<bool> more = true; more && *more;) {
            more = file.read_on(most, now_, [&](std::string_view line) { lines.emplace_back(line); });
        }
        return lines;
    }

    // The same by agents that are killed after each look: one goes on where the one before it stood.
    std::vector<std::string> read_by_many(std::optional<FilePosition> position, std::size_t most = 8) {
        constexpr int most_agents = 100;
        std::vector<std::string> lines;
        bool more = true;
        for (int agent = 0; more && agent < most_agents; agent++) {
            FollowedFile file(log_, position);
            const auto read =
                file.read_on(most, now_, [&](std::string_view line) { lines.emplace_back(line); });
            more = read && *read;
            position = file.position();
        }
        EXPECT_FALSE(more) << "they read the same again and again";
        return lines;
    }

    // `hours` after behind_one()'s.
    void rotated(const std::string& name, const std::string& text, int hours) const {
        append(text, name);
        written(name, hours);
    }
    void written(const std::string& name, int hours) const {
        std::filesystem::last_write_time(directory_ / name, std::filesystem::file_time_type::clock::now() +
                                                                std::chrono::hours(hours - 100));
    }

    // Of an agent that has read the first line of this log.
    FilePosition behind_one() {
        FollowedFile file(log_, std::nullopt);
        append("one\n");
        written("mail.log", 0);
        EXPECT_THAT(read(file), ElementsAre("one"));
        return file.position().value();
    }

    tests::Directory directory_;
    std::filesystem::path log_ = directory_ / "mail.log";
    FollowedFile::Clock now_ = FollowedFile::Clock(1h);
};

TEST_F(FollowedFileTest, WhatWasThereBeforeIsLeftOut) {
    append("old\n");
    FollowedFile file(log_, std::nullopt);
    EXPECT_THAT(read(file), IsEmpty());
    append("one\ntwo\n");
    EXPECT_THAT(read(file), ElementsAre("one", "two"));
    EXPECT_THAT(read(file), IsEmpty());
}

TEST_F(FollowedFileTest, AFileThatComesLaterIsReadFromItsBeginning) {
    FollowedFile file(log_, std::nullopt);
    EXPECT_FALSE(file.read_on(1000, now_, [](std::string_view) {}));
    append("one\n");
    EXPECT_THAT(read(file), ElementsAre("one"));
}

TEST_F(FollowedFileTest, ALineIsTakenWhenItsEndHasCome) {
    FollowedFile file(log_, std::nullopt);
    append("on");
    EXPECT_THAT(read(file), IsEmpty());
    append("e\ntw");
    EXPECT_THAT(read(file), ElementsAre("one"));
    append("o\n\n");
    EXPECT_THAT(read(file), ElementsAre("two", ""));
}

TEST_F(FollowedFileTest, TheEndOfALineIsNoLine) {
    append("user=<");
    FollowedFile file(log_, std::nullopt);
    EXPECT_THAT(read(file), IsEmpty());
    append("x Login: y\nwhole\n");
    EXPECT_THAT(read(file), ElementsAre("whole"));
}

TEST_F(FollowedFileTest, NorIsItOneOfALongOne) {
    FollowedFile file(log_, std::nullopt);
    append(std::string(8192, 'a') + "\n" + std::string(8193, 'b') + "\nnext\n" + std::string(20'000, 'c'));
    EXPECT_THAT(read(file, 100), ElementsAre(std::string(8192, 'a'), "next"));
    FollowedFile another(log_, file.position());
    append("tail\nlast\n");
    EXPECT_THAT(read(another, 100), ElementsAre("last"));
    EXPECT_THAT(read(file, 100), ElementsAre("last"));
}

TEST_F(FollowedFileTest, ARenamedOneIsReadToItsEndAndBeyond) {
    append("old\n");
    FollowedFile file(log_, std::nullopt);
    EXPECT_THAT(read(file), IsEmpty());
    append("one\n");
    rename("mail.log.1");
    append("two\n", "mail.log.1");
    append("three\n");
    EXPECT_THAT(read(file), ElementsAre("one", "two", "three"));
    append("late\n", "mail.log.1");
    append("four\n");
    EXPECT_THAT(read(file), ElementsAre("late", "four"));
    now_ += FollowedFile::renamed_for + 1s;
    EXPECT_THAT(read(file), IsEmpty());
    append("too late\n", "mail.log.1");
    EXPECT_THAT(read(file), IsEmpty());
}

TEST_F(FollowedFileTest, ItIsReadOnWhileThereIsNoOther) {
    append("old\n");
    FollowedFile file(log_, std::nullopt);
    EXPECT_THAT(read(file), IsEmpty());
    rename("mail.log.1");
    append("one\n", "mail.log.1");
    EXPECT_THAT(read(file), ElementsAre("one"));
    append("two\n");
    EXPECT_THAT(read(file), ElementsAre("two"));
}

TEST_F(FollowedFileTest, OneThatWasCutIsReadFromItsBeginning) {
    FollowedFile file(log_, std::nullopt);
    append("one\ntwo\nthr");
    EXPECT_THAT(read(file), ElementsAre("one", "two"));
    cut();
    append("four\n");
    EXPECT_THAT(read(file), ElementsAre("four"));
}

TEST_F(FollowedFileTest, EvenIfItIsAsLongAsBeforeAgain) {
    FollowedFile file(log_, std::nullopt);
    append("one\ntwo\n");
    EXPECT_THAT(read(file), ElementsAre("one", "two"));
    cut();
    append("1st\n2nd\n3rd\n");
    EXPECT_THAT(read(file), ElementsAre("1st", "2nd", "3rd"));
}

TEST_F(FollowedFileTest, AnotherAgentGoesOn) {
    FilePosition position;
    {
        FollowedFile file(log_, std::nullopt);
        append("one\nhalf");
        EXPECT_THAT(read(file), ElementsAre("one"));
        position = file.position().value();
    }
    append(" of two\n");
    FollowedFile file(log_, position);
    EXPECT_THAT(read(file), ElementsAre("half of two"));
    EXPECT_THAT(read(file), IsEmpty());
}

TEST_F(FollowedFileTest, AnotherAgentFindsTheRenamedOne) {
    FilePosition position;
    {
        FollowedFile file(log_, std::nullopt);
        append("one\n");
        EXPECT_THAT(read(file), ElementsAre("one"));
        position = file.position().value();
    }
    append("two\n");
    rename("mail.log-20261127");
    append("three\n");
    FollowedFile file(log_, position);
    EXPECT_THAT(read(file), ElementsAre("two", "three"));
}

TEST_F(FollowedFileTest, AnotherAgentSeesThatItWasCut) {
    FilePosition position;
    {
        FollowedFile file(log_, std::nullopt);
        append("one\ntwo\n");
        EXPECT_THAT(read(file), ElementsAre("one", "two"));
        position = file.position().value();
    }
    cut();
    append("three\nfour\nfive\n");
    FollowedFile file(log_, position);
    EXPECT_THAT(read(file), ElementsAre("three", "four", "five"));
}

TEST_F(FollowedFileTest, WithoutTheOldFileTheNewOneIsReadWhole) {
    FilePosition position;
    {
        FollowedFile file(log_, std::nullopt);
        append("one\n");
        EXPECT_THAT(read(file), ElementsAre("one"));
        position = file.position().value();
    }
    append("keeps the inode from being given again", "other");
    std::filesystem::rename(directory_ / "other", log_);
    append("\ntwo\n");
    FollowedFile file(log_, position);
    EXPECT_THAT(read(file), ElementsAre("keeps the inode from being given again", "two"));
}

TEST_F(FollowedFileTest, ManyAgentsReadTheRenamedOne) {
    const FilePosition position = behind_one();
    append("two\nthree\nfour\nfive\nsix\n");
    rename("mail.log.1");
    append("seven\neight\nnine\n");
    EXPECT_THAT(read_by_many(position),
                ElementsAre("two", "three", "four", "five", "six", "seven", "eight", "nine"));
}

TEST_F(FollowedFileTest, OneThatIsKilledBehindARenameLosesNothing) {
    FollowedFile file(log_, std::nullopt);
    append("one\n");
    EXPECT_THAT(read(file), ElementsAre("one"));
    append("two\nthree\nfour\nfive\n");
    rename("mail.log.1");
    append("six\n");
    std::vector<std::string> lines;
    const auto more = file.read_on(4, now_, [&](std::string_view line) { lines.emplace_back(line); });
    EXPECT_TRUE(more && *more);
    EXPECT_THAT(lines, ElementsAre("two"));
    EXPECT_THAT(read_by_many(file.position()), ElementsAre("three", "four", "five", "six"));
    EXPECT_THAT(read(file), ElementsAre("three", "four", "five", "six"));
    EXPECT_THAT(read_by_many(file.position()), IsEmpty());
}

TEST_F(FollowedFileTest, NorDoesOneThatIsKilledBeforeTheNextFileIsThere) {
    const FilePosition position = behind_one();
    append("two\nthree\nfour\n");
    rename("mail.log.1");
    FollowedFile file(log_, position);
    std::vector<std::string> lines;
    const auto more = file.read_on(4, now_, [&](std::string_view line) { lines.emplace_back(line); });
    EXPECT_TRUE(more && *more);
    EXPECT_THAT(lines, ElementsAre("two"));
    EXPECT_THAT(read_by_many(file.position()), ElementsAre("three", "four"));
    EXPECT_THAT(read(file), ElementsAre("three", "four"));
    append("five\n");
    EXPECT_THAT(read_by_many(file.position()), ElementsAre("five"));
    EXPECT_THAT(read(file), ElementsAre("five"));
}

TEST_F(FollowedFileTest, ARenamedOneDoesNotHideTheNext) {
    FollowedFile file(log_, std::nullopt);
    append("one\n");
    EXPECT_THAT(read(file), ElementsAre("one"));
    append("two\nthree\n");
    rename("mail.log.2");
    append("four\n");
    EXPECT_TRUE(file.read_on(4, now_, [](std::string_view) {}).value()) << "two";
    rename("mail.log.1");
    append("five\n");
    EXPECT_THAT(read(file), ElementsAre("three", "four", "five"));
}

TEST_F(FollowedFileTest, ManyRotationsWhileNobodyRead) {
    rotated("mail.log.4", "older\n", -2);
    const FilePosition position = behind_one();
    append("two\n");
    written("mail.log", 1);
    rename("mail.log.3");
    rotated("mail.log.2", "three\nfour\n", 2);
    rotated("mail.log.1", "five\n", 3);
    append("six\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("two", "three", "four", "five", "six"));
    FollowedFile file(log_, position);
    EXPECT_THAT(read(file), ElementsAre("two", "three", "four", "five", "six"));
}

TEST_F(FollowedFileTest, OnesThatHaveADateForAName) {
    const FilePosition position = behind_one();
    rename("mail.log-20261125");
    rotated("mail.log-20261126", "two\n", 1);
    rotated("mail.log.20261127-03", "three\n", 2);
    append("four\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("two", "three", "four"));
}

TEST_F(FollowedFileTest, TheOneThatWasReadIsCompressedByNow) {
    const FilePosition position = behind_one();
    rename("gone");
    rotated("mail.log.1", "two\n", 1);
    append("three\n");
    rotated("mail.log.2.gz", "compressed\n", 0);
    EXPECT_THAT(read_by_many(position), ElementsAre("two", "three"));
}

TEST_F(FollowedFileTest, WhatOnlyLooksLikeARotatedOneIsLeftOut) {
    const FilePosition position = behind_one();
    rename("mail.log.2");
    for (const char* name : {"mail.log.1.gz", "mail.log.old", "mail.log1", "mail.log.", "mail.log-1a",
                             "mail.1", "mail.login.1", "a.mail.log.1"}) {
        rotated(name, "no\n", 1);
    }
    std::filesystem::create_directory(directory_ / "mail.log.3");
    std::filesystem::create_symlink(directory_ / "mail.log.old", directory_ / "mail.log.4");
    append("two\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("two"));
}

// Who wrote into it until it was told may have done so behind the next one's beginning.
TEST_F(FollowedFileTest, WhatWasReadOfThemIsNotReadAgain) {
    FollowedFile file(log_, std::nullopt);
    append("one\n");
    EXPECT_THAT(read(file), ElementsAre("one"));
    rename("mail.log.1");
    append("two\n");
    written("mail.log", 1);
    append("late\n", "mail.log.1");
    written("mail.log.1", 2);
    EXPECT_THAT(read(file), ElementsAre("late", "two"));
    const auto position = file.position();
    std::filesystem::rename(directory_ / "mail.log.1", directory_ / "mail.log.2");
    rename("mail.log.1");
    append("three\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("three"));
}

// logrotate's copytruncate.
TEST_F(FollowedFileTest, OneThatWasCopiedAndCutWhileNobodyRead) {
    const FilePosition position = behind_one();
    append("two\nthree\n");
    std::filesystem::copy_file(log_, directory_ / "mail.log.1");
    cut();
    append("four\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("two", "three", "four"));
}

TEST_F(FollowedFileTest, ACopyOfARenamedOneIsNotReadToo) {
    const FilePosition position = behind_one();
    append("two\nthree\n");
    std::filesystem::copy_file(log_, directory_ / "mail.log.9");
    rename("mail.log.1");
    append("four\n");
    EXPECT_THAT(read_by_many(position), ElementsAre("two", "three", "four"));
}

TEST_F(FollowedFileTest, ALittleAtATime) {
    FollowedFile file(log_, std::nullopt);
    append("one\ntwo\nthree\n");
    std::vector<std::string> lines;
    const auto more = file.read_on(5, now_, [&](std::string_view line) { lines.emplace_back(line); });
    EXPECT_TRUE(more && *more);
    EXPECT_THAT(lines, ElementsAre("one"));
    EXPECT_THAT(read(file, 5), ElementsAre("two", "three"));
}

TEST_F(FollowedFileTest, WhatIsNoFile) {
    ASSERT_EQ(::mkfifo(log_.c_str(), 0600), 0);
    FollowedFile file(log_, std::nullopt);
    const auto read_on = file.read_on(1000, now_, [](std::string_view) {});
    ASSERT_FALSE(read_on);
    EXPECT_THAT(read_on.error().what, testing::HasSubstr("is no file"));
    EXPECT_FALSE(file.position());
}

}  // namespace
}  // namespace sekisho::logins
