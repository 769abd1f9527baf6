// SPDX-License-Identifier: Apache-2.0
// Who shares a commit, who is told when, and where.
#include "smtpd/spool/writer.h"

#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "tests/unit/spool/messages.h"

namespace sekisho::spool {
namespace {

TEST(Writer, WhatCanWaitSharesTheNextCommit) {
    const Directory directory;
    Writer writer(Spool::open(directory / "mail.db").value(), post_here);
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    bool shared = false;
    // Another round where this thread was kept from running for longer than anybody waits.
    for (int round = 0; round < 20 && !shared; round++) {
        std::atomic<bool> first_is_done = false;
        std::uint64_t seen = 0;
        const std::uint64_t before = reader.count().value();
        writer.submit(
            keeping(envelope(name(2 * round)), "patient"),
            [&](const Result<void>& result) { first_is_done = result.has_value(); },
            Writer::When::in_company);
        ASSERT_TRUE(wait_for(writer, [&](Spool& spool) {
            seen = reader.count().value();  // what is committed
            return spool.add(envelope(name((2 * round) + 1)), 4, body_of("soon"));
        }));
        EXPECT_TRUE(first_is_done) << "what is submitted first is done first";
        shared = seen == before;
    }
    EXPECT_TRUE(shared);
}

TEST(Writer, WhatCanWaitIsNotForgotten) {
    const Directory directory;
    Writer writer(Spool::open(directory / "mail.db").value(), post_here);
    for (int i = 0; i < 2; i++) {
        std::promise<Result<void>> alone;
        writer.submit(
            keeping(envelope(name(i)), "patient"),
            [&](Result<void> result) { alone.set_value(std::move(result)); }, Writer::When::in_company);
        EXPECT_TRUE(alone.get_future().get());
    }
}

TEST(Writer, ManyThreadsShareIt) {
    const Directory directory;
    std::atomic<int> good = 0;
    std::atomic<int> bad = 0;
    {
        Writer writer(Spool::open(directory / "mail.db").value(), post_here);
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (int thread = 0; thread < 4; thread++) {
            threads.emplace_back([&, thread] {
                for (int i = 0; i < 100; i++) {
                    // Each id twice: the second is refused, and takes nobody with it.
                    writer.submit(keeping(envelope(name(thread / 2 * 100 + i)), "body"),
                                  [&](const Result<void>& result) { (result ? good : bad)++; });
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
    EXPECT_EQ(good, 200) << "what was queued is written before the writer goes";
    EXPECT_EQ(bad, 200);
    const auto spool = Spool::open(directory / "mail.db");
    EXPECT_EQ(SpoolReader::open(directory / "mail.db")->count().value(), 200U);
}

// What it has changed is undone, and the others are kept all the same; its file isn't.
TEST(Writer, OneThatFailsHalfwayTakesNobodyWithIt) {
    const Directory directory;
    std::vector<bool> results;
    std::promise<void> go;
    const std::shared_future<void> all_are_there = go.get_future().share();
    {
        Writer writer(Spool::open(directory / "mail.db").value(), post_here);
        writer.submit([&](Spool&) -> Result<void> { return all_are_there.get(), Result<void>(); },
                      [](const Result<void>&) {});
        for (int i = 0; i < 5; i++) {
            writer.submit(
                [i](Spool& spool) -> Result<void> {
                    const std::string body = octets(100'000);
                    auto done = spool.add(envelope(name(i)), body.size(), body_of(body));
                    return i == 2 ? fail(Failure::invalid, "a second thought") : std::move(done);
                },
                [&](const Result<void>& result) { results.push_back(result.has_value()); });
        }
        go.set_value();
    }
    EXPECT_THAT(results, testing::ElementsAre(true, true, false, true, true));
    const auto spool = Spool::open(directory / "mail.db");
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    EXPECT_EQ(reader.count().value(), 4U);
    EXPECT_EQ(whole_body(reader, name(4)), octets(100'000));
    EXPECT_EQ(files_in(directory / "mail.db-bodies"), 4U);
}

// Whoever runs on its thread is told there, when the commit is on the disk, and needs no other thread for it.
TEST(Writer, WhoRunsOnItsThreadIsToldThere) {
    const Directory directory;
    Writer writer(Spool::open(directory / "mail.db").value(), [](const std::function<void()>& work) {
        ADD_FAILURE() << "it was posted elsewhere";
        work();
    });
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    std::promise<std::uint64_t> seen;
    std::thread::id asked;
    std::thread::id told;
    boost::asio::post(writer.executor(), [&] {
        asked = std::this_thread::get_id();
        writer.submit_here(keeping(envelope(name(1)), "body"), [&](const Result<void>& result) {
            told = std::this_thread::get_id();
            seen.set_value(result ? reader.count().value() : 0);
        });
    });
    EXPECT_EQ(seen.get_future().get(), 1U);
    EXPECT_EQ(asked, told);
}

// Those who came first don't wait for all the octets that came behind them, and nobody is overtaken.
TEST(Writer, NoCommitIsTooLarge) {
    const Directory directory;
    std::vector<std::uint64_t> seen;
    Spool spool = Spool::open(directory / "mail.db").value();
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    {
        Writer writer(std::move(spool), post_here);
        std::promise<void> go;
        writer.submit([&](Spool&) -> Result<void> { return go.get_future().get(), Result<void>(); },
                      [](const Result<void>&) {});
        for (int i = 0; i < 12; i++) {
            writer.submit(keeping(envelope(name(i)), std::string(4'000'000, 'x')),
                          [&, i](const Result<void>& result) {
                              EXPECT_TRUE(result);
                              EXPECT_TRUE(reader.message(name(i)));
                              seen.push_back(reader.count().value());
                          });
        }
        go.set_value();
    }
    ASSERT_EQ(seen.size(), 12U) << "and all of them come";
    EXPECT_LE(seen.front(), 6U);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    EXPECT_EQ(seen.back(), 12U);
}

}  // namespace
}  // namespace sekisho::spool
