// SPDX-License-Identifier: Apache-2.0
// The commands that look at the machine and its files: doctor and config check.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fstream>
#include <sstream>

#include "agent/base/config.h"
#include "agent/cli/cli.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::answer;
using tests::Asked;
using tests::StandIn;

const std::filesystem::path default_file = std::filesystem::path(SEKISHO_SOURCE_DIR) / "images/sekisho.toml";

class LocalTest : public testing::Test {
protected:
    [[nodiscard]] std::string socket() const { return (directory_.path() / "agent.sock").string(); }

    [[nodiscard]] std::string file(const std::string& text) const {
        const std::filesystem::path path = directory_.path() / "sekisho.toml";
        std::ofstream(path) << text;
        return path.string();
    }

    int perform(const std::vector<std::string>& arguments) {
        std::ostringstream out;
        std::ostringstream err;
        const int code = run(arguments, out, err);
        out_ = out.str();
        err_ = err.str();
        return code;
    }

    // The check of this name in the JSON that was printed, or null.
    [[nodiscard]] boost::json::value check(std::string_view name) const {
        const boost::json::value all = boost::json::parse(out_);
        for (const boost::json::value& one : all.at("checks").as_array()) {
            if (one.at("name").as_string() == name) {
                return one;
            }
        }
        return nullptr;
    }

    [[nodiscard]] const std::string& out() const { return out_; }
    [[nodiscard]] const std::string& err() const { return err_; }

private:
    tests::Directory directory_;
    std::string out_;
    std::string err_;
};

constexpr const char* broken = "[dataplane]\nports = [0]\n\n[grants]\nlifetme = \"10m\"\n";

TEST_F(LocalTest, TheDefaultConfigurationIsFineAndOnlyMonitors) {
    EXPECT_EQ(perform({"config", "check", default_file.string()}), 0) << err();
    EXPECT_EQ(out(), default_file.string() + " is fine\n");
    EXPECT_EQ(perform({"config", "check", "--config", default_file.string(), "--json"}), 0);
    EXPECT_EQ(out(), "{\"ok\":true,\"errors\":[]}\n");
    const auto config = load_config(default_file);
    ASSERT_TRUE(config);
    for (const PoolConfig& pool : config->pools) {
        EXPECT_EQ(pool.action, Action::monitor) << pool.name;
    }
}

// The example sections are comments; without the comment signs they must be right, too.
TEST_F(LocalTest, TheExamplesOfTheDefaultConfigurationAreFine) {
    std::ifstream in(default_file);
    std::string all;
    std::size_t examples = 0;
    for (std::string line; std::getline(in, line);) {
        // An example is "#key = ..." or "#[[section]]"; prose has a blank behind the sign.
        const bool example = line.size() > 1 && line[0] == '#' && line[1] != ' ';
        all += (example ? line.substr(1) : line) + "\n";
        examples += example ? 1 : 0;
    }
    EXPECT_GT(examples, 10U);
    EXPECT_EQ(perform({"config", "check", file(all)}), 0) << err();
    const auto config = load_config(file(all));
    ASSERT_TRUE(config);
    EXPECT_FALSE(config->pools.empty());
    EXPECT_FALSE(config->interfaces.empty());
    EXPECT_FALSE(config->designated.empty());
    EXPECT_FALSE(config->dovecot.empty());
    EXPECT_TRUE(config->radius);
    EXPECT_FALSE(config->contracts.empty());
}

TEST_F(LocalTest, ConfigCheckSaysEveryMistake) {
    const std::string path = file(broken);
    EXPECT_EQ(perform({"config", "check", path}), 2);
    EXPECT_EQ(out(), "");
    EXPECT_THAT(err(), AllOf(HasSubstr(path + ":2:"), HasSubstr(path + ":5:"), HasSubstr("lifetme")));
    EXPECT_EQ(perform({"config", "check", path, "--json"}), 2);
    const boost::json::value said = boost::json::parse(out());
    EXPECT_EQ(said.at("ok"), false);
    ASSERT_EQ(said.at("errors").as_array().size(), 2U);
    EXPECT_EQ(said.at("errors").as_array()[1].at("line"), 5);
    EXPECT_FALSE(said.at("errors").as_array()[1].at("what").as_string().empty());
    EXPECT_EQ(perform({"config", "check", "/nonexistent/sekisho.toml"}), 2);
    EXPECT_THAT(err(), HasSubstr("/nonexistent/sekisho.toml"));
}

TEST_F(LocalTest, DoctorWorksWithoutAnAgent) {
    EXPECT_EQ(perform({"doctor", "--config", file(broken), "--socket", socket(), "--json"}), 1);
    EXPECT_EQ(boost::json::parse(out()).at("ok"), false);
    EXPECT_EQ(check("configuration").at("ok"), false);
    EXPECT_THAT(std::string(check("configuration").at("detail").as_string()), HasSubstr(":2: "));
    EXPECT_THAT(std::string(check("configuration").at("detail").as_string()), HasSubstr(", and 1 more"));
    EXPECT_EQ(check("agent").at("ok"), false);
    EXPECT_THAT(std::string(check("agent").at("remedy").as_string()), HasSubstr("--socket"));
    EXPECT_EQ(check("kernel-btf").at("ok"), true);
    EXPECT_TRUE(check("kernel-version").is_object());
    EXPECT_EQ(perform({"doctor", "--config", file(broken), "--socket", socket()}), 1);
    EXPECT_THAT(out(), AllOf(HasSubstr("BAD  agent"), HasSubstr("remedy: "), HasSubstr("failed\n")));
}

TEST_F(LocalTest, DoctorLooksForABpfFileSystemAboveThePins) {
    const std::string pins = (std::filesystem::path(socket()).parent_path() / "pins").string();
    EXPECT_EQ(perform({"doctor", "--config", file("[dataplane]\npin_path = \"" + pins + "\"\n"), "--socket",
                       socket(), "--json"}),
              1);
    EXPECT_EQ(check("configuration").at("ok"), true) << out();
    EXPECT_EQ(check("bpf-file-system").at("ok"), false);
    EXPECT_THAT(std::string(check("bpf-file-system").at("detail").as_string()),
                HasSubstr(std::filesystem::path(pins).parent_path().string()));
}

TEST_F(LocalTest, DoctorMergesWhatTheAgentSays) {
    const std::string agents =
        R"({"checks":[{"name":"kernel-version","ok":true,"detail":"said by the agent","remedy":""},)"
        R"({"name":"bpf-file-system","ok":true,"detail":"there","remedy":""},)"
        R"({"name":"lro-sub-a","ok":OK,"detail":"it is on","remedy":"ethtool -K sub-a lro off"}]})";
    for (const bool well : {true, false}) {
        std::string body = agents;
        body.replace(body.find("OK"), 2, well ? "true" : "false");
        const StandIn agent(socket(), [&](const Asked& asked) {
            return asked.line == "GET /v1/doctor" ? answer(200, body) : answer(404, "{}");
        });
        // The configuration names the socket; the command line doesn't.
        const std::string config = file("[api]\nsocket = \"" + socket() + "\"\n");
        EXPECT_EQ(perform({"doctor", "--config", config, "--json"}), well ? 0 : 1) << out();
        EXPECT_EQ(boost::json::parse(out()).at("ok"), well);
        EXPECT_EQ(check("agent").at("ok"), true);
        EXPECT_EQ(check("kernel-version").at("detail"), "said by the agent");
        EXPECT_EQ(check("lro-sub-a").at("ok"), well);
        EXPECT_EQ(boost::json::parse(out()).at("checks").as_array().size(), 6U) << out();
        EXPECT_EQ(perform({"doctor", "--config", config}), well ? 0 : 1);
        EXPECT_THAT(out(), HasSubstr(well ? "all is well\n" : "1 check failed\n"));
        EXPECT_EQ(out().find("remedy: ethtool") == std::string::npos, well);
    }
}

TEST_F(LocalTest, DoctorCountsAnAgentThatRefusesAsBad) {
    const StandIn agent(socket(), [](const Asked&) {
        return answer(
            403,
            R"({"error":{"kind":"refused","what":"uid 1000 may not use this socket","remedy":"run as root"}})");
    });
    EXPECT_EQ(perform({"doctor", "--config", file(""), "--socket", socket(), "--json"}), 1);
    EXPECT_EQ(check("agent").at("detail"), "uid 1000 may not use this socket");
}

}  // namespace

}  // namespace sekisho::cli
