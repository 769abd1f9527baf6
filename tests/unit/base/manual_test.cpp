// SPDX-License-Identifier: Apache-2.0
// Whoever meets a line of the agent's log must be able to look its name up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace sekisho {
namespace {

using ::testing::HasSubstr;

std::string contents(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::set<std::string> names_in(const std::string& source) {
    static const std::regex call(
        R"re((?:log::\w+|warn|complain|reject)\(\s*(?:\d+,\s*)?"([A-Z]+(?:_[A-Z]+)*)")re");
    std::set<std::string> names;
    for (std::sregex_iterator each(source.begin(), source.end(), call), end; each != end; ++each) {
        names.insert((*each)[1]);
    }
    return names;
}

// What a pattern's first group finds in a source.
std::set<std::string> found_in(const std::filesystem::path& source, const char* pattern) {
    const std::string text = contents(std::filesystem::path(SEKISHO_SOURCE_DIR) / source);
    const std::regex wanted(pattern);
    std::set<std::string> names;
    for (std::sregex_iterator each(text.begin(), text.end(), wanted), end; each != end; ++each) {
        names.insert((*each)[1]);
    }
    return names;
}

// As a word of its own.
void expect_all(const std::set<std::string>& names, std::size_t least) {
    const std::string manual = contents(std::filesystem::path(SEKISHO_SOURCE_DIR) / "images/man/sekishod.8");
    EXPECT_GE(names.size(), least);
    for (const std::string& name : names) {
        EXPECT_TRUE(std::regex_search(manual, std::regex(R"((^|[ \n]))" + name + R"(($|[ \n]))"))) << name;
    }
}

TEST(Manual, HasEveryReason) {
    std::set<std::string> names =
        found_in("agent/dataplane/reasons.cpp", R"re("([a-z0-9]+(?:_[a-z0-9]+)*)")re");
    for (const char* verdict :
         {"pass", "monitor", "drop", "reset", "prohibit", "explain", "forward", "unknown"}) {
        EXPECT_EQ(names.erase(verdict), 1U) << verdict;
    }
    expect_all(names, 33);
}

TEST(Manual, HasEveryMetric) {
    expect_all(found_in("agent/metrics_text.cpp", R"re("(sekisho_[a-z_]+)")re"), 27);
}

TEST(Manual, HasEveryNameOfTheAgentsLog) {
    const std::filesystem::path top = SEKISHO_SOURCE_DIR;
    const std::string manual = contents(top / "images/man/sekishod.8");
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top / "agent")) {
        if (entry.path().extension() == ".cpp") {
            names.merge(names_in(contents(entry.path())));
        }
    }
    EXPECT_GE(names.size(), 25U);
    for (const std::string& name : names) {
        EXPECT_THAT(manual, HasSubstr(name));
    }
}

}  // namespace
}  // namespace sekisho
