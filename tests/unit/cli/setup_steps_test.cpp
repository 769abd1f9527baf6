// SPDX-License-Identifier: Apache-2.0
// What `sekisho setup` does once it may: certificate, daemons, first user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "tests/unit/cli/setup_fixture.h"
#include "tests/unit/cli/stand_in.h"

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using tests::answer;
using tests::Asked;
using tests::StandIn;

std::string reply_of_auth(const Asked& asked) {
    if (asked.line == "GET /v1/users") {
        return answer(200, R"({"users":[],"bad_lines":[]})");
    }
    if (asked.body.find("\"short\"") != std::string::npos) {
        return answer(400, R"({"error":{"kind":"invalid","what":"the password has fewer than 8 characters",)"
                           R"("remedy":"take at least 8"}})");
    }
    if (asked.body.find("\"taken\"") != std::string::npos) {
        return answer(409,
                      R"({"error":{"kind":"conflict","what":"there is a user taken already","remedy":"x"}})");
    }
    return answer(201, R"({"name":"anna"})");
}

// Up to the last question, with a first user.
Lines with_user(const std::string& name, const std::string& password) {
    return {"sub-a", "", "192.0.2.0/24", "", "", "", "example.net", "", name, password, ""};
}

TEST_F(SetupTest, DaemonsAreStartedAndTheUserIsAdded) {
    run_systemd();
    const StandIn auth(directory_ / "auth.sock", reply_of_auth);
    ASSERT_EQ(give(with_user("anna@example.net", " secret \"00\"")), 0) << talk_ << err_;
    EXPECT_EQ(told(),
              "restart sekisho-agent\nenable sekisho-auth sekisho-relay sekisho-smtpd\n"
              "restart sekisho-auth sekisho-relay sekisho-smtpd\n");
    ASSERT_THAT(auth.asked(), SizeIs(1));
    EXPECT_EQ(auth.asked()[0].line, "POST /v1/users");
    EXPECT_EQ(auth.asked()[0].body, R"({"password":" secret \"00\"","name":"anna@example.net"})");
    EXPECT_THAT(out_, AllOf(HasSubstr("anna@example.net may log in"), Not(HasSubstr("To do:"))));
    EXPECT_THAT(talk_ + out_ + read_file(arguments_.config), Not(HasSubstr("secret")));
}

TEST_F(SetupTest, WithoutAStartTheUserIsAddedWhereSomebodyTakesIt) {
    run_systemd();
    arguments_.no_start = true;
    {
        const StandIn auth(directory_ / "auth.sock", reply_of_auth);
        ASSERT_EQ(give(with_user("anna", "secret00")), 0) << err_;
        EXPECT_THAT(out_, HasSubstr("anna may log in"));
    }
    EXPECT_EQ(told(), "");
    EXPECT_THAT(out_, AllOf(HasSubstr("  systemctl restart sekisho-agent\n"),
                            HasSubstr("  systemctl enable sekisho-auth sekisho-relay sekisho-smtpd\n")));
    arguments_.replace = true;
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_THAT(talk_, HasSubstr("Once it does:\n  sekisho user add NAME\n"));
    EXPECT_EQ(left_, "");
}

TEST_F(SetupTest, WhatSekishoAuthRefusesIsAskedForAgain) {
    run_systemd();
    const StandIn auth(directory_ / "auth.sock", reply_of_auth);
    Lines lines = with_user("anna", "short");
    lines.insert(lines.end(), {"", "", "long-enough"});
    ASSERT_EQ(give(lines), 0) << talk_ << err_;
    EXPECT_THAT(talk_, AllOf(HasSubstr("No: the password has fewer than 8 characters"),
                             HasSubstr("Name [anna]: "), HasSubstr("No: no password was given")));
    ASSERT_THAT(auth.asked(), SizeIs(2));
    EXPECT_THAT(auth.asked()[1].body, HasSubstr("long-enough"));
    EXPECT_THAT(out_, HasSubstr("anna may log in"));
}

TEST_F(SetupTest, AUserWhoCantBeAddedIsToldOf) {
    run_systemd();
    const StandIn auth(directory_ / "auth.sock", reply_of_auth);
    EXPECT_EQ(give(with_user("taken", "secret00")), 1);
    EXPECT_THAT(err_, HasSubstr("there is a user taken already"));
    EXPECT_THAT(out_, AllOf(HasSubstr("is written"), HasSubstr("  sekisho user add taken\n")));
    EXPECT_TRUE(written());
}

TEST_F(SetupTest, AFirstUserIsNoMust) {
    run_systemd();
    ASSERT_EQ(give({"sub-a", "", "192.0.2.0/24", "", "", "", "example.net", "", "two words", "none", ""}), 0)
        << err_;
    EXPECT_THAT(talk_, HasSubstr("a name has no blanks"));
    EXPECT_THAT(out_, HasSubstr("  sekisho user add NAME\n"));
}

TEST_F(SetupTest, WhatDoesntStartIsToldOf) {
    run_systemd("enable", 3);
    const StandIn auth(directory_ / "auth.sock", reply_of_auth);
    EXPECT_EQ(give(with_user("anna", "secret00")), 1);
    EXPECT_TRUE(written());
    EXPECT_THAT(err_,
                AllOf(HasSubstr("systemctl enable sekisho-auth sekisho-relay sekisho-smtpd: exit code 3"),
                      HasSubstr("journalctl")));
    EXPECT_THAT(out_, AllOf(HasSubstr("Done: systemctl restart sekisho-agent\n"),
                            HasSubstr("  systemctl restart sekisho-auth sekisho-relay sekisho-smtpd\n"),
                            HasSubstr("  sekisho user add anna\n")));
    EXPECT_TRUE(auth.asked().empty());
    std::filesystem::remove(places_.systemctl);
    arguments_.replace = true;
    EXPECT_EQ(give(with_user("anna", "secret00")), 1);
    EXPECT_THAT(err_, HasSubstr("No such file"));
}

TEST_F(SetupTest, AServerThatIsNoLongerWantedIsToldOf) {
    ASSERT_EQ(give(plain_answers), 0) << err_;
    arguments_.replace = true;
    ASSERT_EQ(give({"sub-a", "", "192.0.2.0/24", "", "", "no", ""}), 0) << err_;
    EXPECT_THAT(out_, HasSubstr("Note: there is no submission server any more"));
    ASSERT_EQ(give({"sub-a", "", "192.0.2.0/24", "", "", "no", ""}), 0) << err_;
    EXPECT_THAT(out_, Not(HasSubstr("any more")));
}

TEST_F(SetupTest, AnotherFileIsWrittenAndNothingStarted) {
    run_systemd();
    arguments_.config = directory_ / "other/new.toml";
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_EQ(config().submission.hostname, "smtp.example.net");
    EXPECT_EQ(told(), "");
    EXPECT_THAT(out_, HasSubstr("the units read " + places_.units_read.string()));
}

TEST_F(SetupTest, JsonIsTheResultAlone) {
    run_systemd("relay", 1);
    arguments_.json = true;
    write_file(arguments_.config, read_file(places_.example));
    EXPECT_EQ(give(with_user("none", "")), 1);
    const boost::json::value result = boost::json::parse(out_);
    EXPECT_EQ(result.at("written").as_string(), arguments_.config.string());
    EXPECT_THAT(std::string(result.at("kept").as_string()), StartsWith(arguments_.config.string() + "."));
    EXPECT_TRUE(result.at("submission").as_bool());
    EXPECT_TRUE(result.at("certificate_made").as_bool());
    EXPECT_EQ(boost::json::serialize(result.at("done")), R"(["systemctl restart sekisho-agent"])");
    EXPECT_EQ(result.at("left").as_array().size(), 3U);
    EXPECT_TRUE(result.at("user").is_null());
    EXPECT_EQ(result.at("error").at("kind").as_string(), "unavailable");
    EXPECT_THAT(err_, StartsWith("sekisho: systemctl enable"));

    EXPECT_EQ(give({}), 1);
    EXPECT_EQ(boost::json::parse(out_).at("error").at("kind").as_string(), "conflict");
}

TEST_F(SetupTest, ACertificateIsMadeOnceAndNeverReplaced) {
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_THAT(read_file(places_.certificate), StartsWith("-----BEGIN CERTIFICATE-----\n"));
    EXPECT_EQ(mode_of(places_.certificate), 0644U);
    EXPECT_EQ(mode_of(places_.key) & 0137U, 0U) << "nobody changes it, others don't read it";
    EXPECT_EQ(mode_of(places_.key.parent_path()), 0755U);
    EXPECT_THAT(out_, HasSubstr("A certificate that nobody has signed"));
    const std::string first = read_file(places_.certificate) + read_file(places_.key);
    arguments_.replace = true;
    ASSERT_EQ(give(plain_answers), 0) << err_;
    EXPECT_EQ(read_file(places_.certificate) + read_file(places_.key), first);
    EXPECT_THAT(talk_, HasSubstr("certificate is there already"));
    EXPECT_THAT(out_, Not(HasSubstr("nobody has signed")));
    for (const auto& gone : {places_.key, places_.certificate}) {
        const std::string kept = read_file(gone);
        std::filesystem::remove(gone);
        EXPECT_EQ(give(plain_answers), 1);
        EXPECT_EQ(left_, "sub-a") << "no question was asked";
        EXPECT_THAT(err_, HasSubstr(gone.string() + " isn't"));
        EXPECT_FALSE(std::filesystem::exists(gone));
        write_file(gone, kept);
    }
}

}  // namespace

}  // namespace sekisho::cli
