// SPDX-License-Identifier: Apache-2.0
// `sekisho setup`: its questions, and what becomes of the answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "agent/cli/cli.h"
#include "tests/unit/cli/setup_fixture.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
TEST_F(SetupTest, DefaultsAreTaken) {
    ASSERT_EQ(give(plain_answers), 0) << talk_ << err_;
    const Config made = config();
    ASSERT_THAT(made.interfaces, SizeIs(1));
    EXPECT_EQ(made.interfaces[0].name, "sub-a");
    EXPECT_EQ(made.interfaces[0].side, Side::subscriber);
    ASSERT_THAT(made.pools, SizeIs(1));
    EXPECT_EQ(made.pools[0].prefixes, (std::vector<Prefix>{parse_prefix("192.0.2.0/24").value()}));
    EXPECT_EQ(made.pools[0].action, Action::monitor);
    EXPECT_TRUE(made.designated.empty());
    EXPECT_EQ(made.submission.hostname, "smtp.example.net");
    EXPECT_EQ(made.submission.certificate, "/etc/sekisho/tls/fullchain.pem");
    EXPECT_EQ(made.submission.key, "/etc/sekisho/tls/privkey.pem");
    Lines listeners;
    for (const ListenerConfig& each : made.submission.listeners) {
        listeners.push_back(each.address.text() + " " + std::to_string(each.port) + " " +
                            std::string(to_string(each.tls)));
    }
    EXPECT_THAT(listeners, ElementsAre("0.0.0.0 587 starttls", "0.0.0.0 465 implicit", ":: 587 starttls",
                                       ":: 465 implicit"));
    EXPECT_EQ(mode_of(arguments_.config), 0644U);
    EXPECT_THAT(files(), ElementsAre("sekisho.toml")) << "nothing half-written is left";
    EXPECT_THAT(talk_, HasSubstr(read_file(arguments_.config))) << "what is written has been shown";
    EXPECT_THAT(out_,
                AllOf(HasSubstr("systemctl restart sekisho-agent\n"), HasSubstr("sekisho user add NAME\n"),
                      HasSubstr("sekisho doctor"), HasSubstr("sekisho status")));
    EXPECT_EQ(left_, "");
}

TEST_F(SetupTest, TheMachinesInterfacesAreShown) {
    const auto found = interfaces_in(places_.interfaces);
    Lines names;
    for (const SetupInterface& each : found) {
        names.push_back(each.name + (each.up ? " up " : " down ") + each.address);
    }
    EXPECT_THAT(names, ElementsAre("core down 02:00:00:00:00:01", "ppp0 up ", "sub-a up 02:00:00:00:00:0a"));
    ASSERT_EQ(give(plain_answers), 0);
    EXPECT_THAT(talk_, ContainsRegex("sub-a +02:00:00:00:00:0a +up "));
    EXPECT_THAT(talk_, ContainsRegex("core +02:00:00:00:00:01 +down "));
    EXPECT_THAT(talk_, Not(ContainsRegex("\nlo ")));
    EXPECT_TRUE(interfaces_in("/nonexistent").empty());
}

TEST_F(SetupTest, WhatIsntThereYetIsNoted) {
    ASSERT_EQ(give({"sub-a ppp* eth7", "wan9", "192.0.2.0/24", "", "", "no", ""}), 0) << err_;
    EXPECT_THAT(talk_, AllOf(HasSubstr("no interface fits eth7 now"), HasSubstr("no interface fits wan9 now"),
                             Not(HasSubstr("fits ppp* now")), Not(HasSubstr("fits sub-a now"))));
    EXPECT_THAT(config().interfaces, SizeIs(4));
}

// Each wrong answer stands before the right one; why it is wrong comes from the configuration's own reading.
TEST_F(SetupTest, WrongAnswersAreAskedForAgain) {
    ASSERT_EQ(give({"",                         // no interface
                    "eth0/1",                   // none can have such a name
                    "a-name-that-is-too-long",  //
                    "sub-a, sub-b",
                    "sub-a",  // the uplink is a subscribers' interface
                    "core",
                    "",
                    "192.0.2.1/24",  // bits behind the prefix
                    "192.0.2.0/24 192.0.2.128/25",
                    "127.0.0.0/8",
                    "here",
                    "192.0.2.0/24,2001:db8:100::/40",
                    "abc",
                    "200",
                    "/39",
                    "56",
                    "resett",
                    "Reset",
                    "0.0.0.0/0",
                    "198.51.100.25",
                    "perhaps",
                    "y",
                    "",
                    "exa mple.net",
                    "example..net",
                    "example.net",
                    "-mail.example.net",
                    "mail.example.net",
                    "maybe",
                    "yes"}),
              0)
        << talk_ << err_;
    EXPECT_EQ(left_, "");
    for (const char* const complain_answerst :
         {"without one nothing would be filtered", "\"eth0/1\"", "\"a-name-that-is-too-long\"",
          "\"sub-a\" is there already", "without one nobody would be a subscriber", "192.0.2.0/24",
          "overlaps", "127.0.0.0/8 holds addresses that no subscriber can have", "here",
          "\"abc\" is no length", "from 48 to 128", "did you mean \"reset\"?", "0.0.0.0/0 is wider than /8",
          "neither yes nor no", "\"\" is no domain", "\"exa mple.net\" is no domain",
          "\"example..net\" is no domain", "\"-mail.example.net\" is no host name"}) {
        EXPECT_THAT(talk_, HasSubstr(complain_answerst));
    }
    std::size_t refused = 0;
    for (std::size_t at = 0; (at = talk_.find("  No: ", at)) != std::string::npos; at++) {
        refused++;
    }
    EXPECT_EQ(refused, 20U) << talk_;
    const Config made = config();
    EXPECT_THAT(made.interfaces, SizeIs(3));
    EXPECT_EQ(made.pools.at(0).key_length_ipv6, 56);
    EXPECT_EQ(made.pools.at(0).action, Action::reset);
    EXPECT_EQ(made.submission.hostname, "mail.example.net");
}

TEST_F(SetupTest, TheEndOfTheAnswersWritesNothing) {
    run_systemd();
    const Lines all = {"sub-a",
                       "core",
                       "192.0.2.0/24 2001:db8:100::/40",
                       "56",
                       "reset",
                       "none",
                       "yes",
                       "example.net",
                       "",
                       "anna@example.net",
                       "secret00"};
    for (std::size_t count = 0; count <= all.size(); count++) {
        EXPECT_EQ(give({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)}), 1);
        EXPECT_THAT(err_, AllOf(HasSubstr("the answers end"), HasSubstr("\n  run `sekisho setup`")));
        EXPECT_FALSE(written()) << count;
        EXPECT_FALSE(std::filesystem::exists(places_.key));
        EXPECT_EQ(told(), "");
    }
}

TEST_F(SetupTest, NoWritesNothing) {
    Lines lines = plain_answers;
    lines.back() = "no";
    EXPECT_EQ(give(lines), 1);
    EXPECT_THAT(err_, HasSubstr("nothing was written"));
    EXPECT_FALSE(written());
    EXPECT_FALSE(std::filesystem::exists(places_.key));
}

TEST_F(SetupTest, Ipv6Alone) {
    ASSERT_EQ(give({"sub-a", "", "2001:db8:100::/40", "56", "", "2001:db8:25::25", "no", ""}), 0) << err_;
    const Config made = config();
    EXPECT_EQ(made.pools.at(0).prefixes, (std::vector<Prefix>{parse_prefix("2001:db8:100::/40").value()}));
    EXPECT_EQ(made.pools.at(0).key_length_ipv6, 56);
    EXPECT_EQ(made.designated.at(0).prefixes, (std::vector<Prefix>{parse_prefix("2001:db8:25::25").value()}));
}

TEST_F(SetupTest, OneSubscriberHasNoMoreThanThePool) {
    ASSERT_EQ(give({"sub-a", "", "2001:db8:100::/72", "64", "", "", "", "no", ""}), 0) << err_;
    EXPECT_THAT(talk_, AllOf(HasSubstr("one subscriber gets [72]: 64\n"),
                             HasSubstr("narrower than one subscriber's key of /64")));
    EXPECT_EQ(config().pools.at(0).key_length_ipv6, 72);
}

TEST_F(SetupTest, WithoutIpv6NoLengthIsAskedFor) {
    ASSERT_EQ(give(plain_answers), 0);
    EXPECT_THAT(talk_, Not(HasSubstr("Length of the IPv6 prefix")));
    EXPECT_THAT(read_file(arguments_.config), Not(HasSubstr("ipv6_key")));
}

TEST_F(SetupTest, WithoutSubmission) {
    run_systemd();
    ASSERT_EQ(give({"sub-a", "", "192.0.2.0/24", "", "", "n", ""}), 0) << err_;
    EXPECT_EQ(left_, "");
    EXPECT_TRUE(config().submission.listeners.empty());
    EXPECT_THAT(read_file(arguments_.config), Not(HasSubstr("[submission]\n")));
    EXPECT_FALSE(std::filesystem::exists(places_.certificate));
    EXPECT_THAT(talk_, Not(HasSubstr("First user")));
    EXPECT_EQ(told(), "restart sekisho-agent\n");
    EXPECT_THAT(out_, Not(HasSubstr("user add")));
}

TEST_F(SetupTest, WhatIsntInstalledIsntAskedAbout) {
    places_.mail_user = "nobody-of-this-name";
    ASSERT_EQ(give({"sub-a", "", "192.0.2.0/24", "", "", ""}), 0) << err_;
    EXPECT_THAT(talk_, HasSubstr("apt-get install sekisho-smtpd"));
    EXPECT_TRUE(config().submission.listeners.empty());
}

TEST_F(SetupTest, AnUplinkAmongASubscribersPatternIsTheUplink) {
    ASSERT_EQ(give({"eth*", "eth0", "192.0.2.0/24", "", "", "no", ""}), 0) << talk_ << err_;
    const Config made = config();
    ASSERT_THAT(made.interfaces, SizeIs(2));
    EXPECT_EQ(made.interfaces[0].name, "eth0");
    EXPECT_EQ(made.interfaces[0].side, Side::uplink);
    EXPECT_EQ(made.interfaces[1].name, "eth*");
}

TEST_F(SetupTest, AConfigurationIsNotReplacedUnasked) {
    const std::string mine = "# mine\n[grants]\nlifetime = \"7m\"\n";
    write_file(arguments_.config, mine);
    EXPECT_EQ(give(plain_answers), 1);
    EXPECT_EQ(left_, "sub-a") << "no question was asked";
    EXPECT_THAT(err_, AllOf(HasSubstr("is a configuration already"), HasSubstr("--replace")));
    EXPECT_EQ(read_file(arguments_.config), mine);
    EXPECT_THAT(files(), ElementsAre("sekisho.toml"));

    arguments_.replace = true;
    for (std::size_t times = 1; times <= 3; times++) {
        EXPECT_EQ(give(plain_answers), 0) << err_;
        EXPECT_THAT(talk_, StartsWith(arguments_.config.string() + "\nis a configuration already"));
        EXPECT_THAT(files(), SizeIs(times + 1)) << "one more is kept, in the same second, too";
    }
    const Lines all = files();
    ASSERT_THAT(all, SizeIs(4));
    EXPECT_EQ(std::ranges::count_if(all,
                                    [&](const std::string& name) {
                                        return read_file(arguments_.config.parent_path() / name) == mine;
                                    }),
              1);
    EXPECT_THAT(all[1], testing::MatchesRegex("sekisho\\.toml\\.20..-..-..T......Z"));
    EXPECT_THAT(out_,
                HasSubstr("is kept as\n" + (arguments_.config.parent_path() / "sekisho.toml.").string()));
    EXPECT_EQ(config().submission.hostname, "smtp.example.net");
}

TEST_F(SetupTest, TheInstalledExampleIsNobodysWork) {
    write_file(arguments_.config, read_file(places_.example));
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_THAT(files(), SizeIs(2)) << "it is kept all the same";
    std::filesystem::remove(places_.example);
    EXPECT_EQ(give(plain_answers), 1) << "without the example nobody knows";
}

TEST_F(SetupTest, WhatIsWrittenThroughALinkStaysBehindIt) {
    write_file(directory_ / "elsewhere/box.toml", read_file(places_.example));
    std::filesystem::create_directory(arguments_.config.parent_path());
    std::filesystem::create_symlink(directory_ / "elsewhere/box.toml", arguments_.config);
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_TRUE(std::filesystem::is_symlink(arguments_.config));
    EXPECT_EQ(config().submission.hostname, "smtp.example.net");
}

TEST_F(SetupTest, WhatCantBeWrittenIsTold) {
    write_file(directory_ / "etc", "a file where a directory should be");
    EXPECT_EQ(give(plain_answers), 1);
    EXPECT_THAT(err_, HasSubstr("can't write"));
}

TEST(SetupCommand, WrongUsage) {
    for (const Lines& words :
         {Lines{"setup", "now"}, Lines{"setup", "--force"}, Lines{"setup", "--config"}}) {
        std::ostringstream out;
        std::ostringstream err;
        EXPECT_EQ(run(words, out, err), exit_wrong_usage) << testing::PrintToString(words);
    }
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(run(Lines{"setup", "--help"}, out, err), 0);
    EXPECT_THAT(out.str(), AllOf(HasSubstr("Examples:\n"), HasSubstr("--replace"), HasSubstr("--no-start")));
}

}  // namespace

}  // namespace sekisho::cli
