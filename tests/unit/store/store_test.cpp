// SPDX-License-Identifier: Apache-2.0
// What goes in comes out, also in the next process.
#include "agent/store/store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/store/files.h"

namespace sekisho::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StoreTest : public testing::Test {
protected:
    [[nodiscard]] Store open() const {
        auto store = Store::open(file_);
        EXPECT_TRUE(store) << store.error().what;
        return std::move(store).value();
    }

    Directory directory_;
    std::filesystem::path file_ = directory_ / "agent.db";
};

void expect_same(const grants::Grant& one, const grants::Grant& other) {
    EXPECT_EQ(one.key, other.key);
    EXPECT_EQ(one.pool, other.pool);
    EXPECT_EQ(one.source, other.source);
    EXPECT_EQ(one.user, other.user);
    EXPECT_EQ(one.reason, other.reason);
    EXPECT_EQ(one.since, other.since);
    EXPECT_EQ(one.renewed, other.renewed);
    EXPECT_EQ(one.expires, other.expires);
    EXPECT_EQ(one.expires_wall, other.expires_wall);
    EXPECT_EQ(one.boot, other.boot);
    EXPECT_EQ(one.generation, other.generation);
    EXPECT_EQ(one.budget, other.budget);
    EXPECT_EQ(one.edge_before, other.edge_before);
    EXPECT_EQ(one.relay_before, other.relay_before);
}

std::vector<std::string> keys(const Store& store) {
    std::vector<std::string> all;
    const auto grants = grants_in(store);
    for (const grants::Grant& one : grants) {
        all.push_back(one.key.text());
    }
    return all;
}

std::vector<std::string> prefixes(const Store& store) {
    std::vector<std::string> all;
    const auto exemptions = store.load().value().exemptions;
    for (const grants::Exemption& one : exemptions) {
        all.push_back(one.prefix.text());
    }
    return all;
}

TEST_F(StoreTest, TheClocksLastLookIsKept) {
    EXPECT_FALSE(open().load().value().seen);
    for (const int minute : {1, 2}) {
        const grants::Now now{.boottime = std::chrono::minutes(minute),
                              .wall = grants::WallTime(std::chrono::hours(500'000 + minute)),
                              .boot = "boot " + std::to_string(minute)};
        ASSERT_TRUE(open().save_clocks(now));
        const auto seen = open().load().value().seen;
        ASSERT_TRUE(seen);
        EXPECT_EQ(seen->boottime, now.boottime);
        EXPECT_EQ(seen->wall, now.wall);
        EXPECT_EQ(seen->boot, now.boot);
    }
}

TEST_F(StoreTest, WhatIsNotedIsWrittenWithWhateverIsWrittenNext) {
    Store store = open();
    store.note({save(grant("192.0.2.1/32"))});
    store.note({save(grant("192.0.2.2/32"))});
    EXPECT_EQ(store.owed(), 2U);
    EXPECT_THAT(grants_in(store), IsEmpty());
    ASSERT_TRUE(store.apply({}));
    EXPECT_EQ(store.owed(), 0U);
    EXPECT_EQ(grants_in(store).size(), 2U);
    store.note({forget("192.0.2.1/32")});
    ASSERT_TRUE(store.flush());
    EXPECT_EQ(grants_in(store).size(), 1U);
}

TEST_F(StoreTest, ANewFileIsEmptyAndItsOwners) {
    const Store store = open();
    EXPECT_THAT(keys(store), IsEmpty());
    EXPECT_THAT(prefixes(store), IsEmpty());
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
        struct stat status{};
        ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U) << entry.path();
    }
}

TEST_F(StoreTest, AFileThatOthersCouldReadIsClosed) {
    static_cast<void>(open());
    ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
    static_cast<void>(open());
    struct stat status{};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(StoreTest, EveryFieldSurvives) {
    const grants::Grant four = grant("192.0.2.7/32");
    const grants::Grant six = grant("2001:db8:100::/56", "");
    ASSERT_TRUE(open().apply({save(four), save(six), grants::SaveExemption{exemption("192.0.2.0/28")}}));
    const Store store = open();
    const auto grants = grants_in(store);
    ASSERT_EQ(grants.size(), 2U);
    expect_same(grants[0], four);
    expect_same(grants[1], six);
    const auto exemptions = store.load().value().exemptions;
    ASSERT_EQ(exemptions.size(), 1U);
    EXPECT_EQ(exemptions[0].prefix, exemption("192.0.2.0/28").prefix);
    EXPECT_EQ(exemptions[0].note, "contract 17");
    EXPECT_EQ(exemptions[0].since, exemption("192.0.2.0/28").since);
}

TEST_F(StoreTest, TextOfStrangersIsOnlyText) {
    const std::string nasty = "'); DROP TABLE grants; --\n\"\xff\xfe" + std::string(1, '\0') + "after";
    ASSERT_TRUE(open().apply(
        {save(grant("192.0.2.7/32", nasty)), grants::SaveExemption{exemption("192.0.2.8/32", nasty)}}));
    const Store store = open();
    EXPECT_EQ(grants_in(store).at(0).user, nasty);
    EXPECT_EQ(store.load().value().exemptions.at(0).note, nasty);
}

TEST_F(StoreTest, TheLastWordOfAKeyCounts) {
    Store store = open();
    ASSERT_TRUE(store.apply({save(grant("192.0.2.1/32", "old")), save(grant("192.0.2.2/32")),
                             forget("192.0.2.2/32"), save(grant("192.0.2.1/32", "new"))}));
    EXPECT_THAT(keys(store), ElementsAre("192.0.2.1/32"));
    EXPECT_EQ(grants_in(store).at(0).user, "new");
    ASSERT_TRUE(store.apply({forget("192.0.2.1/32"), forget("192.0.2.99/32")}));
    EXPECT_THAT(keys(store), IsEmpty());
}

TEST_F(StoreTest, TheGrantAfterwardsIsAnother) {
    Store store = open();
    grants::Grant second = grant("192.0.2.1/32", "second");
    second.generation++;
    ASSERT_TRUE(store.apply({save(grant("192.0.2.1/32"))}));
    ASSERT_TRUE(store.apply({forget("192.0.2.1/32"), save(second)}));
    ASSERT_EQ(grants_in(store).size(), 1U);
    EXPECT_EQ(grants_in(store).at(0).user, "second");
    ASSERT_TRUE(store.apply({forget("192.0.2.1/32")}));
    EXPECT_EQ(grants_in(store).size(), 1U) << "that one is long gone";
}

TEST_F(StoreTest, AContractAndAGrantOfOneKeyAreApart) {
    Store store = open();
    ASSERT_TRUE(store.apply({save(grant("192.0.2.1/32")), grants::SaveExemption{exemption("192.0.2.1/32")}}));
    ASSERT_TRUE(store.apply({forget("192.0.2.1/32")}));
    EXPECT_THAT(prefixes(store), ElementsAre("192.0.2.1/32"));
    ASSERT_TRUE(store.apply({grants::ForgetExemption{parse_prefix("192.0.2.1/32").value()}}));
    EXPECT_THAT(prefixes(store), IsEmpty());
}

TEST_F(StoreTest, PositionsInLogsAreKept) {
    FilePosition position{.device = 1, .inode = 2, .offset = 3, .head_size = 4, .head = ~0ULL, .written = 6};
    {
        Store store = open();
        EXPECT_FALSE(store.position_of("/var/log/mail.log").value());
        ASSERT_TRUE(store.save_position("/var/log/mail.log", position));
        position.offset = 5;
        ASSERT_TRUE(store.save_position("/var/log/mail.log", position));
    }
    const Store store = open();
    EXPECT_EQ(store.position_of("/var/log/mail.log").value(), position);
    EXPECT_FALSE(store.position_of("/var/log/maillog").value());
}

TEST_F(StoreTest, CursorsOfJournalsAreKept) {
    {
        Store store = open();
        EXPECT_FALSE(store.cursor_of("journal").value());
        ASSERT_TRUE(store.save_cursor("journal", "s=1;i=2"));
        ASSERT_TRUE(store.save_cursor("journal", "s=1;i=3"));
        ASSERT_TRUE(store.save_cursor("other", "s=4"));
    }
    const Store store = open();
    EXPECT_EQ(store.cursor_of("journal").value(), "s=1;i=3");
    EXPECT_EQ(store.cursor_of("other").value(), "s=4");
    EXPECT_FALSE(store.cursor_of("third").value());
}

TEST_F(StoreTest, CoolDownsAreKeptUntilTheyAreOver) {
    const grants::CoolDown saved = cool_down("192.0.2.1/32");
    {
        Store store = open();
        ASSERT_TRUE(
            store.apply({grants::SaveCoolDown{saved}, grants::SaveCoolDown{cool_down("192.0.2.2/32")}}));
        ASSERT_TRUE(store.apply({grants::ForgetCoolDown{parse_prefix("192.0.2.2/32").value()}}));
    }
    const auto kept = open().load().value().cool_downs;
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(kept[0].key, saved.key);
    EXPECT_EQ(kept[0].user, saved.user);
    EXPECT_EQ(kept[0].until, saved.until);
    EXPECT_EQ(kept[0].until_wall, saved.until_wall);
    EXPECT_EQ(kept[0].since, saved.since);
    EXPECT_EQ(kept[0].boot, saved.boot);
}

TEST_F(StoreTest, QuarantinesAreKeptUntilTheyEnd) {
    const grants::Quarantine saved = quarantine("2001:db8:100::/56", "it's \"ill\"");
    {
        Store store = open();
        ASSERT_TRUE(
            store.apply({grants::SaveQuarantine{saved}, grants::SaveQuarantine{quarantine("192.0.2.2/32")}}));
        ASSERT_TRUE(store.apply({grants::ForgetQuarantine{parse_prefix("192.0.2.2/32").value()}}));
    }
    const auto kept = open().load().value().quarantines;
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(kept[0].key, saved.key);
    EXPECT_EQ(kept[0].note, saved.note);
    EXPECT_EQ(kept[0].since, saved.since);
}

TEST_F(StoreTest, WhatIsTheKernelsIsIgnored) {
    Store store = open();
    ASSERT_TRUE(store.apply(
        {grants::PutEntry{}, grants::RetireEntry{}, grants::RemoveEntry{}, grants::SetWideExemptions{}}));
    ASSERT_TRUE(store.apply({}));
    EXPECT_THAT(keys(store), IsEmpty());
}

TEST_F(StoreTest, ItIsOnTheDiskBeforeTheCallReturns) {
    Store writer = open();
    const Store reader = open();
    ASSERT_TRUE(writer.apply({grants::SaveExemption{exemption("192.0.2.1/32")}}));
    EXPECT_THAT(prefixes(reader), ElementsAre("192.0.2.1/32"));
}

TEST_F(StoreTest, AMissingDirectoryIsMadeButNotAWholePath) {
    const auto store = Store::open(directory_ / "new/agent.db");
    ASSERT_TRUE(store) << store.error().what;
    struct stat status{};
    ASSERT_EQ(::stat((directory_ / "new").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    const auto nowhere = Store::open(directory_ / "a/b/agent.db");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().kind, Failure::unavailable);
    EXPECT_THAT(nowhere.error().what, testing::HasSubstr("a/b/agent.db"));
}

TEST_F(StoreTest, ItCanBeMoved) {
    Store first = open();
    Store second = std::move(first);
    ASSERT_TRUE(second.apply({save(grant("192.0.2.1/32"))}));
    second = open();
    ASSERT_TRUE(second.apply({save(grant("192.0.2.2/32"))}));
    EXPECT_THAT(keys(second), ElementsAre("192.0.2.1/32", "192.0.2.2/32"));
}

}  // namespace
}  // namespace sekisho::store
