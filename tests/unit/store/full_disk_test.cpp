// SPDX-License-Identifier: Apache-2.0
// A disk without room, a file held by somebody else: errors, nothing lost, and all written when it is over.
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/unit/store/files.h"

namespace sekisho::store {
namespace {

using testing::HasSubstr;

grants::Actions many(int first, int count) {
    grants::Actions actions;
    for (int i = first; i < first + count; ++i) {
        const std::string key = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "/32";
        actions.emplace_back(save(grant(key, std::string(200, 'u'))));
    }
    return actions;
}

// Files can't grow beyond what they are while it lives.
class NoGrowth {
public:
    explicit NoGrowth(rlim_t limit) {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &was_);
        const rlimit now{.rlim_cur = limit, .rlim_max = was_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &now);
    }
    NoGrowth(const NoGrowth&) = delete;
    NoGrowth& operator=(const NoGrowth&) = delete;
    ~NoGrowth() { ::setrlimit(RLIMIT_FSIZE, &was_); }

private:
    rlimit was_{};
};

TEST(FullDisk, WritesThatFailAreOwedAndWrittenLater) {
    const Directory directory;
    auto store = Store::open(directory / "agent.db");
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->apply({grants::SaveExemption{exemption("192.0.2.1/32")}, many(0, 1).front()}));
    {
        const NoGrowth limit(std::uint64_t{64} * 1024);
        const auto failed = store->apply(many(1, 1000));
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().kind, Failure::unavailable);
        EXPECT_THAT(failed.error().remedy, HasSubstr("disk"));
        EXPECT_EQ(store->owed(), 1000U);
        EXPECT_EQ(grants_in(*store).size(), 1U) << "all or nothing";
        ASSERT_FALSE(store->apply({forget("10.0.0.0/32"), forget("10.0.0.1/32")}));
        EXPECT_EQ(store->owed(), 1001U);
        EXPECT_TRUE(store->apply({})) << "no hurry to fail again";
        store->note(many(1001, 1));
        EXPECT_FALSE(store->apply({})) << "what was noted since is news";
        EXPECT_TRUE(store->apply({}));
    }
    ASSERT_TRUE(store->apply({grants::SaveExemption{exemption("192.0.2.2/32")}}));
    EXPECT_EQ(store->owed(), 0U);
    EXPECT_EQ(grants_in(*store).size(), 1000U);
    EXPECT_EQ(store->load().value().exemptions.size(), 2U);
}

TEST(FullDisk, WhatCameAndWentMeanwhileIsNotOwed) {
    const Directory directory;
    auto store = Store::open(directory / "agent.db");
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->apply({save(grant("10.0.0.1/32"))}));
    {
        const NoGrowth limit(0);
        grants::SaveGrant renewed = save(grant("10.0.0.1/32"));
        ASSERT_FALSE(store->apply({renewed}));
        EXPECT_TRUE(store->failing());
        grants::SaveGrant fresh = save(grant("10.0.0.2/32"));
        fresh.fresh = true;
        store->note({fresh});
        renewed = save(grant("10.0.0.2/32"));
        store->note({renewed, forget("10.0.0.1/32"), forget("10.0.0.2/32")});
        EXPECT_EQ(store->owed(), 1U) << "the file has that one";
    }
    ASSERT_TRUE(store->flush());
    EXPECT_FALSE(store->failing());
    EXPECT_TRUE(grants_in(*store).empty());
}

TEST(FullDisk, ARealOneToo) {
    const Directory directory;
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=512k") != 0) {
        GTEST_SKIP() << "needs root, to mount a small file system";
    }
    {
        auto store = Store::open(directory / "agent.db");
        ASSERT_TRUE(store) << store.error().what;
        ASSERT_TRUE(store->apply({grants::SaveExemption{exemption("192.0.2.1/32")}}));
        std::ofstream ballast(directory / "ballast");
        ballast << std::string(std::size_t{1024} * 1024, 'b') << std::flush;
        ASSERT_FALSE(ballast) << "the disk is not full";
        int accepted = 0;
        while (accepted < 100 && store->apply(many(accepted, 1))) {
            accepted++;
        }
        ASSERT_LT(accepted, 100);
        const auto failed = store->apply({grants::SaveExemption{exemption("192.0.2.2/32")}});
        ASSERT_FALSE(failed);
        EXPECT_THAT(failed.error().remedy, HasSubstr("space"));
        EXPECT_EQ(store->load().value().exemptions.size(), 1U);
        std::filesystem::remove(directory / "ballast");
        ballast.close();
        ASSERT_TRUE(store->apply(many(accepted + 1, 1)));
        EXPECT_EQ(store->owed(), 0U);
        EXPECT_EQ(grants_in(*store).size(), static_cast<std::size_t>(accepted) + 2);
        EXPECT_EQ(store->load().value().exemptions.size(), 2U);
    }
    EXPECT_EQ(Store::open(directory / "agent.db").value().load().value().exemptions.size(), 2U);
    ASSERT_EQ(::umount(directory.path().c_str()), 0);
}

TEST(FullDisk, OpeningOnOneIsAnError) {
    const Directory directory;
    const NoGrowth limit(1000);
    const auto store = Store::open(directory / "agent.db");
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().kind, Failure::unavailable);
    EXPECT_THAT(store.error().what, HasSubstr("agent.db"));
}

TEST(Locked, AShellThatHoldsTheFileDelaysNothingForLong) {
    const Directory directory;
    auto store = Store::open(directory / "agent.db");
    ASSERT_TRUE(store);
    const auto shell = Database::open(directory / "agent.db", 0);
    ASSERT_TRUE(shell);
    {
        const auto held = Transaction::begin(*shell);
        ASSERT_TRUE(held);
        const auto began = std::chrono::steady_clock::now();
        const auto failed = store->apply(many(0, 1));
        EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
        ASSERT_FALSE(failed);
        EXPECT_THAT(failed.error().remedy, HasSubstr("another program"));
        EXPECT_EQ(store->owed(), 1U);
    }
    ASSERT_TRUE(store->apply(many(1, 1)));
    EXPECT_EQ(grants_in(*store).size(), 2U);
}

}  // namespace
}  // namespace sekisho::store
