// SPDX-License-Identifier: Apache-2.0
// `sekisho image`: what the image's program is told. What it does is tests/image's to show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "agent/cli/arguments.h"
#include "agent/cli/cli.h"
#include "agent/cli/image_command.h"

namespace sekisho::cli {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> told(std::vector<std::string> typed) {
    typed.insert(typed.begin(), "image");
    const auto read = read_arguments(typed);
    const auto* const arguments = std::get_if<Arguments>(&read);
    return arguments == nullptr ? std::vector<std::string>() : image_words(*arguments);
}

TEST(ImageWords, AreThoseOfTheCommand) {
    EXPECT_THAT(told({"status"}), ElementsAre("status"));
    EXPECT_THAT(told({"status", "--json"}), ElementsAre("--json", "status"));
    EXPECT_THAT(told({"update", "/media/x.update"}), ElementsAre("update", "/media/x.update", "", ""));
    EXPECT_THAT(told({"update", "--reboot", "https://mirror.example.net/x.update", "--allow-older"}),
                ElementsAre("update", "https://mirror.example.net/x.update", "--allow-older", "--reboot"));
    EXPECT_THAT(told({"rollback"}), ElementsAre("rollback"));
    EXPECT_THAT(told({"confirm"}), ElementsAre("confirm"));
    EXPECT_THAT(told({"factory-reset", "--yes"}), ElementsAre("factory-reset"));
    EXPECT_THAT(told({"install"}), ElementsAre("install", "", ""));
    EXPECT_THAT(told({"install", "/dev/sda", "--yes"}), ElementsAre("install", "/dev/sda", "--yes"));
}

TEST(ImageCommand, TakesNothingAwayThatWasNotSaidTwice) {
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(run(std::vector<std::string>{"image", "factory-reset"}, out, err), exit_wrong_usage);
    EXPECT_THAT(err.str(), HasSubstr("--yes"));
}

TEST(ImageCommand, WantsAnUpdate) {
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(run(std::vector<std::string>{"image", "update"}, out, err), exit_wrong_usage);
    EXPECT_EQ(run(std::vector<std::string>{"image", "update", ""}, out, err), exit_wrong_usage);
}

TEST(ImageCommand, SaysWhereThereIsNoImage) {
    std::ostringstream out;
    std::ostringstream err;
    Arguments arguments;
    arguments.command = Command::image_status;
    EXPECT_EQ(image_command(arguments, out, err, "/nonexistent/image"), exit_failed);
    EXPECT_THAT(err.str(), HasSubstr("not made from the appliance's image"));
    EXPECT_THAT(err.str(), HasSubstr("apt-get"));
}

TEST(ImageCommand, SaysWhatMustNotBeStarted) {
    std::ostringstream out;
    std::ostringstream err;
    Arguments arguments;
    arguments.command = Command::image_rollback;
    arguments.json = true;
    EXPECT_EQ(image_command(arguments, out, err, "/etc/passwd"), exit_failed);
    EXPECT_THAT(out.str(), HasSubstr(R"("remedy":"run this as root")"));
}

}  // namespace

}  // namespace sekisho::cli
