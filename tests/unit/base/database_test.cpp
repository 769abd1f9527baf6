// SPDX-License-Identifier: Apache-2.0
// Statements are kept for whoever asks for the same text next, who must not notice.
#include "agent/base/database.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/directory.h"

namespace sekisho {
namespace {

constexpr std::string_view above = "SELECT id, name FROM t WHERE id > ? ORDER BY id";

class DatabaseTest : public testing::Test {
protected:
    [[nodiscard]] Database open_file() const {
        auto database = Database::open(file_, 100);
        EXPECT_TRUE(database) << database.error().what;
        EXPECT_TRUE(
            database->run("PRAGMA journal_mode = WAL;"
                          "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, name TEXT)"));
        return std::move(*database);
    }
    [[nodiscard]] Statement prepare(std::string_view sql) const {
        auto statement = database_.prepare(sql);
        EXPECT_TRUE(statement) << statement.error().what;
        return std::move(*statement);
    }
    // "1a 2b ...": what is left of its rows.
    static std::string rows(Statement& statement) {
        std::string all;
        while (statement.step().value()) {
            all += std::to_string(statement.integer(0)) + statement.text(1) + ' ';
        }
        return all;
    }

    tests::Directory directory_;
    std::filesystem::path file_ = [this] {
        auto file = directory_ / "some.db";
        EXPECT_TRUE(prepare_database_file(file));
        return file;
    }();
    Database database_ = open_file();
};

class StatementTest : public DatabaseTest {
protected:
    StatementTest() {
        EXPECT_TRUE(database_.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')"));
    }
};

TEST_F(StatementTest, TheSameTextTwiceAtOnce) {
    for (int round = 0; round < 3; round++) {  // the first time they are new, then both are kept ones
        Statement one = prepare(above);
        Statement other = prepare(above);
        one.bind(1, 0);
        other.bind(1, 2);
        ASSERT_TRUE(one.step().value());
        ASSERT_TRUE(other.step().value());
        EXPECT_EQ(one.text(1), "a");
        EXPECT_EQ(other.text(1), "c");
        EXPECT_EQ(rows(one), "2b 3c 4d ") << round;
        EXPECT_EQ(rows(other), "4d ") << round;
    }
}

TEST_F(StatementTest, OneThatWasLeftInTheMiddleBeginsAnew) {
    {
        Statement left = prepare(above);
        left.bind(1, 1);
        ASSERT_TRUE(left.step().value());
        ASSERT_TRUE(left.step().value());
        EXPECT_EQ(left.text(1), "c");
    }
    Statement again = prepare(above);
    EXPECT_EQ(rows(again), "") << "nothing is bound: no row is above NULL";
    again.bind(1, 0);
    EXPECT_EQ(rows(again), "1a 2b 3c 4d ");
}

TEST_F(StatementTest, OneThatWasBoundWronglyIsGoodAgain) {
    {
        Statement wrong = prepare(above);
        wrong.bind(2, 1);  // there is no second
        EXPECT_FALSE(wrong.step());
    }
    {
        const Statement never_run = std::move(prepare(above).bind(2, 1));
    }
    Statement again = prepare(above);
    again.bind(1, 3);
    EXPECT_EQ(rows(again), "4d ");
}

// Its rows are those of the moment it began: the log couldn't be copied as long as it reads them.
TEST_F(StatementTest, OneThatWasLeftInTheMiddleHoldsUpNobody) {
    const Database writer = open_file();
    {
        Statement left = prepare(above);
        left.bind(1, 0);
        ASSERT_TRUE(left.step().value());
        ASSERT_TRUE(writer.run("INSERT INTO t VALUES (5, 'e')"));
        const auto log = writer.copy_log().value();
        EXPECT_LT(log.copied, log.pages);
    }
    const auto log = writer.copy_log().value();
    EXPECT_EQ(log.copied, log.pages);
    ASSERT_TRUE(database_.run("DROP TABLE t"));
}

TEST_F(StatementTest, MoreTextsThanAreKept) {
    constexpr int many = 200;
    const auto text = [](int number) {
        return "SELECT id + " + std::to_string(number) + ", name FROM t WHERE id = ?";
    };
    for (int round = 0; round < 3; round++) {
        std::vector<Statement> all;  // all at once, then all are given back
        all.reserve(many);
        for (int i = 0; i < many; i++) {
            all.push_back(prepare(text(i)));
            all.back().bind(1, 1 + i % 4);
        }
        for (int i = 0; i < many; i++) {
            EXPECT_EQ(rows(all[static_cast<std::size_t>(i)]),
                      std::to_string(1 + i % 4 + i) + "abcd"[i % 4] + ' ');
        }
    }
}

// What was kept was prepared for the tables as they were.
TEST_F(StatementTest, TablesThatChange) {
    const std::string_view sql = "SELECT * FROM t WHERE id = 1";
    {
        Statement before = prepare(sql);
        EXPECT_EQ(rows(before), "1a ");
    }
    ASSERT_TRUE(
        database_.run("DROP TABLE t; CREATE TABLE t (id INTEGER, other TEXT, name TEXT);"
                      "INSERT INTO t VALUES (1, 'x', 'y')"));
    Statement after = prepare(sql);
    ASSERT_TRUE(after.step().value());
    EXPECT_EQ(after.text(1) + after.text(2), "xy");
}

TEST_F(StatementTest, OneThatOutlivesItsDatabase) {
    std::optional<Statement> statement;
    {
        const Database short_lived = open_file();
        statement = std::move(*short_lived.prepare(above));
        statement->bind(1, 3);
    }
    EXPECT_EQ(rows(*statement), "4d ");
}

}  // namespace
}  // namespace sekisho
