// SPDX-License-Identifier: Apache-2.0
// Files that are not ours, not today's, or not whole.
#include "agent/store/schema.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <utility>

#include "tests/unit/store/files.h"

namespace sekisho::store {
namespace {

using testing::HasSubstr;

class SchemaTest : public testing::Test {
protected:
    // Why the file is refused; it must not be changed by that.
    Error refusal() {
        const std::string before = content(file_);
        const auto store = Store::open(file_);
        EXPECT_FALSE(store);
        EXPECT_EQ(content(file_), before);
        return store ? Error{} : store.error();
    }

    // A file with one contract, all of it in the main file.
    void make() {
        {
            auto store = Store::open(file_);
            ASSERT_TRUE(store);
            ASSERT_TRUE(store->apply({grants::SaveExemption{exemption("192.0.2.1/32")}}));
        }
        run("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    void run(const std::string& sql) {
        overwrite(file_, content(file_));  // creates it if need be
        const auto database = Database::open(file_, 0);
        ASSERT_TRUE(database);
        const auto done = database->run(sql.c_str());
        ASSERT_TRUE(done) << done.error().what;
    }

    Directory directory_;
    std::filesystem::path file_ = directory_ / "agent.db";
};

TEST_F(SchemaTest, TheVersionStandsInTheFile) {
    make();
    const auto database = Database::open(file_, 0);
    EXPECT_EQ(database->integer("PRAGMA user_version"), schema().version());
    EXPECT_EQ(database->integer("PRAGMA application_id"), schema().application_id);
    EXPECT_EQ(database->text("PRAGMA journal_mode"), "wal");
}

TEST_F(SchemaTest, AnEmptyFileIsFilled) {
    overwrite(file_, "");
    EXPECT_TRUE(Store::open(file_));
}

TEST_F(SchemaTest, OpeningTwiceChangesNothing) {
    make();
    auto store = Store::open(file_);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->load().value().exemptions.size(), 1U);
}

// What the first version wrote is taken over, its grants without a budget.
TEST_F(SchemaTest, AFileOfTheFirstVersionIsBroughtUpToDate) {
    run(schema().steps.front());
    run("INSERT INTO grants VALUES ('192.0.2.1/32', 'dsl', 'mail1', 'alice', 'pop3 login', 1, 2, 3, 4, "
        "'boot', 5)");
    run("INSERT INTO exemptions VALUES ('192.0.2.8/29', 'contract 7', 0)");
    run("PRAGMA user_version = 1");
    run("PRAGMA application_id = 1399550831");
    const auto store = Store::open(file_);
    ASSERT_TRUE(store) << store.error().what;
    const auto kept = store->load();
    ASSERT_TRUE(kept) << kept.error().what;
    const auto grants = grants_in(*store);
    ASSERT_EQ(grants.size(), 1U);
    EXPECT_EQ(grants[0].generation, 5U);
    EXPECT_EQ(grants[0].budget, 0U);
    EXPECT_EQ(grants[0].boot, "boot");
    EXPECT_EQ(kept->exemptions.size(), 1U);
    EXPECT_TRUE(kept->cool_downs.empty());
    EXPECT_TRUE(kept->quarantines.empty());
}

// Whatever version wrote the file: a row in each table that it had is there afterwards.
class EveryVersionTest : public SchemaTest, public testing::WithParamInterface<int> {
protected:
    void write_file() {
        const int version = GetParam();
        for (int step = 0; step < version; step++) {
            run(schema().steps[static_cast<std::size_t>(step)]);
        }
        if (version >= 3) {
            run("INSERT INTO boots (number, id) VALUES (7, 'boot')");
        }
        const std::string boot = version >= 3 ? "7" : "'boot'";
        run(version >= 8
                ? "INSERT INTO grants VALUES (5, '192.0.2.1/32', 'dsl', 'mail1', 'alice', 'pop3 login', "
                  "1, 2, 3, 4, 7, 6" +
                      std::string(version >= 9 ? ", 7, 0)" : ")")
                : "INSERT INTO grants VALUES ('192.0.2.1/32', 'dsl', 'mail1', 'alice', 'pop3 login', 1, "
                  "2, 3, 4, " +
                      boot + ", 5" + (version >= 2 ? ", 6)" : ")"));
        run("INSERT INTO exemptions VALUES ('192.0.2.8/29', 'contract 7', 8)");
        if (version >= 2) {
            run("INSERT INTO cool_downs (key, user, since, until_boot, until_wall, boot) VALUES "
                "('192.0.2.2/32', "
                "'bob', 1, 2, 3, 'boot')");
            run("INSERT INTO quarantines VALUES ('192.0.2.3/32', 'ticket 1', 9)");
        }
        if (version >= 4) {
            run("INSERT INTO log_positions VALUES ('/var/log/mail.log', 1, 2, 3, 4, 5" +
                std::string(version >= 11 ? ", 6)" : ")"));
        }
        if (version >= 5) {
            run("INSERT INTO journal_positions VALUES ('journal', 's=1')");
        }
        if (version >= 6) {
            run("INSERT INTO sessions VALUES (1, 'bras1', 'a', 'carol', '', x'', x'', '192.0.2.4/32', 1, 2, "
                "3, 0)");
        }
        if (version >= 10) {
            run("INSERT INTO clocks VALUES (1, 11, 12, 'boot')");
        }
        run("PRAGMA user_version = " + std::to_string(version));
        run("PRAGMA application_id = 1399550831");
    }
};

TEST_P(EveryVersionTest, IsCarriedOver) {
    const int version = GetParam();
    write_file();
    const auto store = Store::open(file_);
    ASSERT_TRUE(store) << store.error().what;
    const auto grants = grants_in(*store);
    ASSERT_EQ(grants.size(), 1U);
    const grants::Grant& grant = grants.front();
    EXPECT_EQ(grant.key.text() + " " + grant.pool + " " + grant.source + " " + grant.user + " " +
                  grant.reason + " " + grant.boot,
              "192.0.2.1/32 dsl mail1 alice pop3 login boot");
    EXPECT_EQ(grant.since.time_since_epoch().count(), 1);
    EXPECT_EQ(grant.renewed.time_since_epoch().count(), 2);
    EXPECT_EQ(grant.expires.count(), 3);
    EXPECT_EQ(grant.expires_wall.time_since_epoch().count(), 4);
    EXPECT_EQ(grant.generation, 5U);
    EXPECT_EQ(grant.budget, version >= 2 ? 6U : 0U);
    EXPECT_EQ(grant.edge_before.value(), std::chrono::nanoseconds(version >= 9 ? 7 : 0));
    EXPECT_EQ(grant.relay_before.has_value(), version >= 9);
    const auto kept = store->load();
    ASSERT_TRUE(kept) << kept.error().what;
    ASSERT_EQ(kept->exemptions.size(), 1U);
    EXPECT_EQ(kept->exemptions.front().note, "contract 7");
    ASSERT_EQ(kept->cool_downs.size(), version >= 2 ? 1U : 0U);
    ASSERT_EQ(kept->quarantines.size(), version >= 2 ? 1U : 0U);
    if (version >= 2) {
        EXPECT_EQ(kept->cool_downs.front().user, "bob");
        EXPECT_EQ(kept->cool_downs.front().cause, grants::CoolDownCause::overrun);
        EXPECT_EQ(kept->quarantines.front().note, "ticket 1");
    }
    const auto position = store->position_of("/var/log/mail.log").value();
    ASSERT_EQ(position.has_value(), version >= 4);
    if (position) {
        EXPECT_EQ(position->written, version >= 11 ? 6U : 0U);
    }
    EXPECT_EQ(store->cursor_of("journal").value(),
              version >= 5 ? std::optional<std::string>("s=1") : std::nullopt);
    const auto sessions = sessions_in(*store);
    ASSERT_EQ(sessions.size(), version >= 6 ? 1U : 0U);
    if (version >= 6) {
        EXPECT_EQ(sessions.front().user, "carol");
        EXPECT_EQ(sessions.front().prefixes.size(), 1U);
    }
    ASSERT_EQ(kept->seen.has_value(), version >= 10);
    if (version >= 10) {
        EXPECT_EQ(kept->seen.value().boottime.count(), 11);
        EXPECT_EQ(kept->seen.value().wall.time_since_epoch().count(), 12);
        EXPECT_EQ(kept->seen.value().boot, "boot");
    }
    EXPECT_FALSE(store->left_out());
}

INSTANTIATE_TEST_SUITE_P(Versions, EveryVersionTest,
                         testing::Range(1, static_cast<int>(schema().steps.size()) + 1));

// Each grant has the boot in which its time runs, of several.
TEST_F(SchemaTest, BootsAreNumbered) {
    run(schema().steps[0]);
    run(schema().steps[1]);
    for (const auto& [last, boot] : {std::pair{"1", "one"}, {"2", "other"}, {"3", "one"}}) {
        run("INSERT INTO grants VALUES ('192.0.2." + std::string(last) +
            "/32', 'dsl', 'mail1', 'alice', '', 1, 2, 3, 4, '" + boot + "', 5, 6)");
    }
    run("PRAGMA user_version = 2");
    run("PRAGMA application_id = 1399550831");
    auto store = Store::open(file_);
    ASSERT_TRUE(store) << store.error().what;
    grants::Grant fourth = grants_in(*store).front();
    fourth.key = parse_prefix("192.0.2.4/32").value();
    fourth.boot = "third";
    ASSERT_TRUE(store->apply({grants::SaveGrant{std::make_shared<const grants::Grant>(fourth)}}));
    std::map<std::string, std::string> boots;
    for (const grants::Grant& grant : grants_in(*store)) {
        EXPECT_EQ(grant.budget, 6U);
        boots[grant.key.text()] = grant.boot;
    }
    EXPECT_EQ(boots, (std::map<std::string, std::string>{{"192.0.2.1/32", "one"},
                                                         {"192.0.2.2/32", "other"},
                                                         {"192.0.2.3/32", "one"},
                                                         {"192.0.2.4/32", "third"}}));
    run("DELETE FROM boots WHERE id = 'other'");
    EXPECT_EQ(grants_in(*Store::open(file_)).at(1).boot, "") << "known of no boot that still runs";
}

TEST_F(SchemaTest, ANewerVersionIsRefusedWithARemedy) {
    make();
    run("PRAGMA user_version = 99");
    const Error error = refusal();
    EXPECT_EQ(error.kind, Failure::invalid);
    EXPECT_THAT(error.what, HasSubstr(file_.string()));
    EXPECT_THAT(error.what, HasSubstr("schema 99"));
    EXPECT_THAT(error.remedy, HasSubstr("install that version"));
}

TEST_F(SchemaTest, AnotherProgramsDatabaseIsRefused) {
    run("CREATE TABLE cookies (name TEXT)");
    const Error error = refusal();
    EXPECT_EQ(error.kind, Failure::conflict);
    EXPECT_THAT(error.what, HasSubstr("another program"));
}

TEST_F(SchemaTest, TextIsNoDatabase) {
    overwrite(file_, std::string(5000, 'x'));
    const Error error = refusal();
    EXPECT_EQ(error.kind, Failure::invalid);
    EXPECT_THAT(error.what, HasSubstr(file_.string()));
    EXPECT_THAT(error.remedy, HasSubstr("move " + file_.string()));
}

// A byte here and there: it is either noticed when the file is opened, or all that is in it can be read.
TEST_F(SchemaTest, DamageAnywhereIsAnErrorAndNeverACrash) {
    make();
    const std::string good = content(file_);
    std::size_t refused = 0;
    for (std::size_t at = 0; at < good.size(); at += 61) {
        std::string bad = good;
        for (std::size_t i = at; i < std::min(at + 40, bad.size()); ++i) {
            bad[i] = static_cast<char>(~bad[i]);
        }
        for (const auto* suffix : {"-wal", "-shm"}) {
            std::filesystem::remove(file_.string() + suffix);
        }
        overwrite(file_, bad);
        const auto store = Store::open(file_);
        if (!store) {
            refused++;
            EXPECT_FALSE(store.error().what.empty());
            continue;
        }
        const auto exemptions = store->load();
        EXPECT_TRUE(exemptions || !exemptions.error().what.empty());
    }
    EXPECT_GT(refused, 5U);
}

TEST_F(SchemaTest, ATruncatedFileIsRefused) {
    make();
    std::filesystem::resize_file(file_, content(file_).size() / 2);
    const Error error = refusal();
    EXPECT_EQ(error.kind, Failure::invalid);
    EXPECT_THAT(error.remedy, HasSubstr(file_.string()));
}

TEST_F(SchemaTest, ARowThatIsNoPrefixIsLeftOutAndNamed) {
    make();
    run("INSERT INTO exemptions VALUES ('192.0.2.1/24', 'by hand', 0)");
    const auto store = Store::open(file_);
    ASSERT_TRUE(store);
    EXPECT_FALSE(store->left_out());
    run("INSERT INTO exemptions VALUES ('nonsense', 'by hand', 0)");
    const auto loaded = store->load();
    ASSERT_TRUE(loaded) << loaded.error().what;
    EXPECT_EQ(loaded->exemptions.size(), 1U) << "the others are there";
    ASSERT_TRUE(store->left_out());
    EXPECT_EQ(store->left_out()->kind, Failure::invalid);
    EXPECT_THAT(store->left_out()->what, HasSubstr("192.0.2.1/24")) << "the first of them";
    EXPECT_THAT(store->left_out()->what, HasSubstr(file_.string()));
}

TEST_F(SchemaTest, SoIsAGrantThatIsNone) {
    make();
    run("INSERT INTO grants VALUES (1, '192.0.2.1', 'dsl', '', '', '', 0, 0, 0, 0, 1, 0, 0, -1)");
    run("INSERT INTO grants VALUES (1, '192.0.2.300', 'dsl', '', '', '', 0, 0, 0, 0, 1, 0, 0, -1)");
    const auto store = Store::open(file_);
    ASSERT_TRUE(store);
    int taken = 0;
    ASSERT_TRUE(store->each_grant([&taken](const grants::Grant&) { taken++; }));
    EXPECT_EQ(taken, 1);
    ASSERT_TRUE(store->left_out());
    EXPECT_THAT(store->left_out()->what, HasSubstr("192.0.2.300"));
}

TEST_F(SchemaTest, OneThatIsGoodForNothingOpensNothing) {
    make();
    run("INSERT INTO grants VALUES (1, '192.0.2.1', 'dsl', '', '', '', 0, 0, 0, 0, 1, 0, -1, -1)");
    const auto store = Store::open(file_);
    ASSERT_TRUE(store);
    EXPECT_TRUE(grants_in(*store).empty());
    ASSERT_TRUE(store->left_out());
    EXPECT_THAT(store->left_out()->what, HasSubstr("good for nothing"));
}

TEST_F(SchemaTest, ADirectoryOrADeviceIsRefused) {
    EXPECT_EQ(Store::open(directory_.path()).error().kind, Failure::unavailable);
    EXPECT_EQ(Store::open("/dev/null").error().kind, Failure::unavailable);
}

}  // namespace
}  // namespace sekisho::store
