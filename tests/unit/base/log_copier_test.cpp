// SPDX-License-Identifier: Apache-2.0
// The log gets into the file without those who commit, begins anew, and nothing is lost on the way.
#include "agent/base/log_copier.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "agent/base/database.h"
#include "agent/base/log.h"
#include "tests/unit/directory.h"
#include "tests/unit/written_log.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;

constexpr int copied_together = 64;
constexpr std::uintmax_t page = 4096;

class LogCopierTest : public testing::Test {
protected:
    [[nodiscard]] Database open_file() const {
        auto database = Database::open(file_, 100);
        EXPECT_TRUE(database) << database.error().what;
        EXPECT_TRUE(
            database->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                          "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, octets BLOB)"));
        return std::move(*database);
    }
    [[nodiscard]] Database open_copied() const {
        Database database = open_file();
        EXPECT_TRUE(database.copy_log_beside(copied_together));
        return database;
    }
    // A row fills a page, so that a commit grows the log by one or two.
    static void insert(const Database& database, int count) {
        auto statement = database.prepare("INSERT INTO t (octets) VALUES (zeroblob(3900))");
        ASSERT_TRUE(statement);
        for (int i = 0; i < count; i++) {
            ASSERT_TRUE(statement->run());
        }
    }
    [[nodiscard]] std::uintmax_t octets_in_file() const { return std::filesystem::file_size(file_); }
    [[nodiscard]] std::uintmax_t octets_in_log() const {
        return std::filesystem::file_size(file_.string() + "-wal");
    }
    // Until it is so or long after it should be.
    template <class Condition>
    static bool becomes(Condition condition) {
        for (int i = 0; i < 1000; i++) {
            if (condition()) {
                return true;
            }
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }
    static void expect_rows(const Database& database, std::int64_t count) {
        EXPECT_EQ(database.integer("SELECT count(*) FROM t").value(), count);
        EXPECT_EQ(database.text("PRAGMA integrity_check").value(), "ok");
    }

    tests::Directory directory_;
    std::filesystem::path file_ = [this] {
        auto file = directory_ / "some.db";
        EXPECT_TRUE(prepare_database_file(file));
        return file;
    }();
};

TEST_F(LogCopierTest, SmallLogIsLeftAlone) {
    const Database database = open_copied();
    insert(database, 10);
    std::this_thread::sleep_for(50ms);
    EXPECT_LE(octets_in_file(), page);
    expect_rows(database, 10);
}

TEST_F(LogCopierTest, GrownLogIsCopiedWithoutAFurtherCommit) {
    const Database database = open_copied();
    insert(database, copied_together + 10);
    EXPECT_TRUE(becomes([this] { return octets_in_file() >= copied_together * page; })) << octets_in_file();
    expect_rows(database, copied_together + 10);
}

TEST_F(LogCopierTest, LogBeginsAnewThoughCommitsNeverPause) {
    const Database database = open_copied();
    int rows = 0;
    for (; rows < 200 * copied_together; rows += copied_together) {
        insert(database, copied_together);
    }
    // Who commits copies at 4 times as much, whatever the disk does; one that never began anew would have
    // some pages for each row.
    EXPECT_LT(octets_in_log(), 6 * page * copied_together);
    expect_rows(database, rows);
}

TEST_F(LogCopierTest, ReaderHoldsItUpAndLosesNothing) {
    const Database database = open_copied();
    insert(database, 1);
    std::optional<Database> other = open_file();
    ASSERT_TRUE(other->run("BEGIN"));
    expect_rows(*other, 1);
    insert(database, 3 * copied_together);
    std::this_thread::sleep_for(50ms);
    EXPECT_LT(octets_in_file(), copied_together * page) << "what the reader must not see yet";
    EXPECT_EQ(other->integer("SELECT count(*) FROM t").value(), 1);
    ASSERT_TRUE(other->run("ROLLBACK"));
    EXPECT_TRUE(becomes([&] {
        insert(database, 1);
        return octets_in_file() >= 3 * page * copied_together;
    }));
    EXPECT_EQ(database.text("PRAGMA integrity_check").value(), "ok");
}

TEST_F(LogCopierTest, ReaderWhoStaysDoesNotMakeItTryAllTheTime) {
    const Database database = open_copied();
    insert(database, 1);
    const Database other = open_file();
    ASSERT_TRUE(other.run("BEGIN"));
    expect_rows(other, 1);
    insert(database, 2 * copied_together);
    const auto used = [] {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return std::chrono::seconds(usage.ru_utime.tv_sec) +
               std::chrono::microseconds(usage.ru_utime.tv_usec) +
               std::chrono::seconds(usage.ru_stime.tv_sec) +
               std::chrono::microseconds(usage.ru_stime.tv_usec);
    };
    std::this_thread::sleep_for(50ms);
    const auto before = used();
    std::this_thread::sleep_for(500ms);
    EXPECT_LT(used() - before, 50ms);
}

TEST_F(LogCopierTest, EndsWithTheDatabaseWhileItCopies) {
    for (int i = 0; i < 20; i++) {
        const Database database = open_copied();
        insert(database, copied_together + i);
    }
    const Database database = open_file();
    expect_rows(database, 20 * copied_together + 190);
}

TEST_F(LogCopierTest, DatabaseCanBeMoved) {
    Database first = open_copied();
    insert(first, 10);
    const Database second = std::move(first);
    insert(second, copied_together);
    EXPECT_TRUE(becomes([this] { return octets_in_file() >= copied_together * page; }));
    expect_rows(second, copied_together + 10);
}

TEST_F(LogCopierTest, FullDiskIsToldOnceAndTriedAgain) {
    const tests::WrittenLog written;
    const Database database = open_copied();
    EXPECT_FALSE(database.copy_trouble());
    insert(database, 20 * copied_together);
    ASSERT_TRUE(
        becomes([&] { return database.run("PRAGMA wal_checkpoint(TRUNCATE)") && octets_in_log() == 0; }));
    // The log has room, since it begins anew; the file can't grow.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit was{};
    ::getrlimit(RLIMIT_FSIZE, &was);
    const rlimit now{.rlim_cur = octets_in_file(), .rlim_max = was.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
    insert(database, copied_together);
    EXPECT_TRUE(becomes([&] { return written.text().find("LOG_NOT_COPIED") != std::string::npos; }));
    EXPECT_TRUE(becomes([&] { return database.copy_trouble().has_value(); }));
    insert(database, 3 * copied_together);
    std::this_thread::sleep_for(50ms);
    ::setrlimit(RLIMIT_FSIZE, &was);
    EXPECT_TRUE(becomes([&] {
        insert(database, 1);
        return octets_in_file() >= now.rlim_cur + 4 * page * copied_together;
    }));
    EXPECT_TRUE(becomes([&] { return !database.copy_trouble(); })) << "without a further commit";
    const std::string text = written.text();
    EXPECT_EQ(text.find("LOG_NOT_COPIED"), text.rfind("LOG_NOT_COPIED")) << text;
    EXPECT_EQ(database.text("PRAGMA integrity_check").value(), "ok");
}

TEST_F(LogCopierTest, FileThatIsNotThereIsRefused) {
    EXPECT_FALSE(LogCopier::start(directory_ / "missing.db", copied_together));
}

}  // namespace
}  // namespace sekisho
