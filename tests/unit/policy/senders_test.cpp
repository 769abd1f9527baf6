// SPDX-License-Identifier: Apache-2.0
// Who may send as whom.
#include "smtpd/policy/senders.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace sekisho::policy {
namespace {

using testing::HasSubstr;

constexpr const char* file = R"(# users and their addresses
anna: anna@example.net *@Anna.Example   # and a domain
BOB@example.net:bob.b@example.net

anna: info@example.net
list: *
nothing:
)"
                             "ben@b\u00fccher.test: *@xn--gr-yka.test *@b\u00e4ume.test\n";

TEST(Senders, AUserHasWhatTheLinesSay) {
    const auto rights = SenderRights::parse(file);
    ASSERT_TRUE(rights) << rights.error().what;
    EXPECT_EQ(rights->size(), 5U);
    for (const auto& [user, sender] : std::vector<std::pair<const char*, const char*>>{
             {"anna", "anna@example.net"},
             {"Anna", "ANNA@Example.Net"},
             {"anna", "x@anna.example"},
             {"anna", "info@example.net"},
             {"anna", "\"anna\"@example.net"},
             {"anna", ""},
             {"bob@example.net", "bob@example.net"},
             {"bob@example.net", "Bob.B@example.net"},
             {"list", "whoever@example.org"},
             {"nothing", ""},
             {"carol@example.net", "carol@example.net"},
             {"carol@example.net", ""},
             {"ben@b\u00fccher.test", "ben@xn--bcher-kva.test"},
             {"ben@b\u00fccher.test", "x@gr\u00fc.test"},
             {"ben@b\u00fccher.test", "x@xn--bume-loa.test"},
         }) {
        EXPECT_TRUE(rights->may(user, sender)) << user << " " << sender;
    }
    for (const auto& [user, sender] : std::vector<std::pair<const char*, const char*>>{
             {"anna", "bob@example.net"},
             {"anna", "anna@example.net.example.org"},
             {"anna", "x@sub.anna.example.org"},
             {"anna", "\"x@anna.example\"@example.org"},
             {"bob@example.net", "anna@example.net"},
             {"bob", "bob.b@example.net"},
             {"nothing", "nothing@example.net"},
             {"carol@example.net", "anna@example.net"},
         }) {
        EXPECT_FALSE(rights->may(user, sender)) << user << " " << sender;
    }
}

TEST(Senders, AWrongLineIsNamed) {
    for (const auto& [text, what] : std::vector<std::pair<const char*, const char*>>{
             {"anna anna@example.net", "line 1"},
             {"\n: anna@example.net", "line 2"},
             {"anna b: anna@example.net", "line 1"},
             {"anna: anna@example.net\nbob: example.net\n", "line 2: \"example.net\" is no address"},
             {"anna: \x1b[2J", "\\x1b[2J"},
         }) {
        const auto rights = SenderRights::parse(text);
        ASSERT_FALSE(rights) << text;
        EXPECT_THAT(rights.error().what, HasSubstr(what));
        EXPECT_THAT(rights.error().remedy, HasSubstr("anna: anna@example.net"));
    }
}

TEST(Senders, AnEmptyFileGivesNobodyAnything) {
    const auto rights = SenderRights::parse("");
    ASSERT_TRUE(rights);
    EXPECT_TRUE(rights->may("anna@example.net", "anna@example.net"));
    EXPECT_FALSE(rights->may("anna", "anna@example.net"));
}

}  // namespace
}  // namespace sekisho::policy
