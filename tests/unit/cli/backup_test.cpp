// SPDX-License-Identifier: Apache-2.0
// `sekisho backup` and `restore`: what the program beside is told. What it does is tests/image's to show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "agent/cli/arguments.h"
#include "agent/cli/backup_command.h"
#include "agent/cli/cli.h"

namespace sekisho::cli {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> told_backup(const std::vector<std::string>& typed) {
    const auto read = read_arguments(typed);
    const auto* const arguments = std::get_if<Arguments>(&read);
    return arguments == nullptr ? std::vector<std::string>() : backup_words(*arguments);
}

int typed_backup(const std::vector<std::string>& typed, std::string& said) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run(typed, out, err);
    said = err.str();
    return code;
}

TEST(BackupWords, AreThoseOfTheCommand) {
    EXPECT_THAT(told_backup({"backup", "x.tar.gz"}), ElementsAre("save", "x.tar.gz"));
    EXPECT_THAT(told_backup({"backup", "-"}), ElementsAre("save", "-"));
    EXPECT_THAT(told_backup({"backup", "x.tar.gz", "--json"}), ElementsAre("--json", "save", "x.tar.gz"));
    EXPECT_THAT(told_backup({"restore", "x.tar.gz", "--yes"}), ElementsAre("restore", "x.tar.gz"));
}

TEST(BackupCommand, TakesNothingsPlaceThatWasNotSaidTwice) {
    std::string said;
    EXPECT_EQ(typed_backup({"restore", "x.tar.gz"}, said), exit_wrong_usage);
    EXPECT_THAT(said, HasSubstr("--yes"));
}

TEST(BackupCommand, WantsAFile) {
    std::string said;
    for (const char* const verb : {"backup", "restore"}) {
        EXPECT_EQ(typed_backup({verb}, said), exit_wrong_usage);
        EXPECT_EQ(typed_backup({verb, ""}, said), exit_wrong_usage);
        EXPECT_THAT(said, HasSubstr("name a file"));
    }
}

TEST(BackupCommand, DoesNotMixABackupWithJson) {
    std::string said;
    EXPECT_EQ(typed_backup({"backup", "-", "--json"}, said), exit_wrong_usage);
}

TEST(BackupCommand, SaysWhatIsMissing) {
    std::ostringstream out;
    std::ostringstream err;
    Arguments arguments;
    arguments.command = Command::backup;
    arguments.name = "x";
    EXPECT_EQ(backup_command(arguments, out, err, "/nonexistent/backup"), exit_failed);
    EXPECT_THAT(err.str(), HasSubstr("/nonexistent/backup is missing"));
}

}  // namespace

}  // namespace sekisho::cli
