// SPDX-License-Identifier: Apache-2.0
// Which entry decides.
#include "agent/logins/access_list.h"

#include <gtest/gtest.h>

#include <string>

namespace sekisho::logins {
namespace {

constexpr auto allow = AccessAction::allow;
constexpr auto deny = AccessAction::deny;

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
    std::vector<Prefix> list;
    for (const char* text : texts) {
        list.push_back(parse_prefix(text).value());
    }
    return list;
}

Access judge(const AccessList& list, const char* address, const char* user, const char* protocol) {
    const auto parsed = parse_address(address);
    return list.judge(
        {.address = parsed ? std::optional(*parsed) : std::nullopt, .user = user, .protocol = protocol});
}

TEST(AccessListTest, WithoutEntriesEverythingIsOpen) {
    EXPECT_EQ(judge(AccessList({}), "192.0.2.1", "alice", "pop3"), Access::open);
}

TEST(AccessListTest, AnEntryFitsByClientUserAndProtocolTogether) {
    const AccessList list({{.priority = 0,
                            .action = deny,
                            .clients = prefixes({"198.51.100.0/24", "2001:db8::/32"}),
                            .users = {"alice", "*@example.net"},
                            .protocols = {"pop3"}}});
    EXPECT_EQ(judge(list, "198.51.100.9", "alice", "pop3"), Access::denied);
    EXPECT_EQ(judge(list, "2001:db8::1", "bob@example.net", "pop3"), Access::denied);
    EXPECT_EQ(judge(list, "198.51.100.9", "alice", "imap"), Access::open);
    EXPECT_EQ(judge(list, "198.51.101.9", "alice", "pop3"), Access::open);
    EXPECT_EQ(judge(list, "198.51.100.9", "bob", "pop3"), Access::open);
    EXPECT_EQ(judge(list, "198.51.100.9", "alice2", "pop3"), Access::open);
    EXPECT_EQ(judge(list, "198.51.100.9", "bob@example.net.test", "pop3"), Access::open);
}

TEST(AccessListTest, LettersAreNoWayAroundIt) {
    const AccessList list({{.priority = 0,
                            .action = deny,
                            .clients = {},
                            .users = {"Alice@Example.net"},
                            .protocols = {"imap"}}});
    EXPECT_EQ(judge(list, "192.0.2.1", "aLICE@eXAMPLE.NET", "IMAP"), Access::denied);
}

TEST(AccessListTest, TheFirstThatFitsDecides) {
    const AccessList list({
        {.priority = 20, .action = deny, .clients = {}, .users = {}, .protocols = {}},
        {.priority = 10,
         .action = allow,
         .clients = prefixes({"192.0.2.0/24"}),
         .users = {},
         .protocols = {}},
        {.priority = 5, .action = deny, .clients = prefixes({"192.0.2.66"}), .users = {}, .protocols = {}},
    });
    EXPECT_EQ(judge(list, "192.0.2.1", "alice", "pop3"), Access::allowed);
    EXPECT_EQ(judge(list, "192.0.2.66", "alice", "pop3"), Access::denied);
    EXPECT_EQ(judge(list, "203.0.113.1", "alice", "pop3"), Access::denied);
}

TEST(AccessListTest, OfTheSamePriorityTheOneAboveCounts) {
    const AccessConfig yes{
        .priority = 7, .action = allow, .clients = prefixes({"192.0.2.0/24"}), .users = {}, .protocols = {}};
    const AccessConfig no{
        .priority = 7, .action = deny, .clients = prefixes({"192.0.2.0/24"}), .users = {}, .protocols = {}};
    EXPECT_EQ(judge(AccessList({yes, no}), "192.0.2.1", "alice", "pop3"), Access::allowed);
    EXPECT_EQ(judge(AccessList({no, yes}), "192.0.2.1", "alice", "pop3"), Access::denied);
}

// "Only IMAP" must not switch off the locks for IMAP.
TEST(AccessListTest, OnlyAnEntryThatNamesClientsLiftsLocks) {
    const AccessList list({
        {.priority = 1, .action = allow, .clients = {}, .users = {}, .protocols = {"imap"}},
        {.priority = 2, .action = allow, .clients = {}, .users = {"postmaster"}, .protocols = {}},
        {.priority = 3, .action = deny, .clients = {}, .users = {}, .protocols = {}},
    });
    EXPECT_EQ(judge(list, "192.0.2.1", "alice", "imap"), Access::open);
    EXPECT_EQ(judge(list, "192.0.2.1", "postmaster", "pop3"), Access::open);
    EXPECT_EQ(judge(list, "192.0.2.1", "alice", "pop3"), Access::denied);
}

TEST(AccessListTest, AnUnknownAddressIsNoClientThatIsNamed) {
    const AccessList list({
        {.priority = 1,
         .action = allow,
         .clients = prefixes({"0.0.0.0/0", "::/0"}),
         .users = {},
         .protocols = {}},
        {.priority = 2, .action = deny, .clients = {}, .users = {}, .protocols = {}},
    });
    EXPECT_EQ(judge(list, "", "alice", "pop3"), Access::denied);
    EXPECT_EQ(judge(list, "192.0.2.1", "alice", "pop3"), Access::allowed);
}

TEST(AccessListTest, ANulEndsNoName) {
    const AccessList list({{.priority = 0,
                            .action = allow,
                            .clients = prefixes({"192.0.2.0/24"}),
                            .users = {"alice"},
                            .protocols = {}}});
    EXPECT_EQ(list.judge({.address = parse_address("192.0.2.1").value(),
                          .user = std::string("alice\0x", 7),
                          .protocol = "pop3"}),
              Access::open);
}

}  // namespace
}  // namespace sekisho::logins
