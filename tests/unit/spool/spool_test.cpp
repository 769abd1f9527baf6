// SPDX-License-Identifier: Apache-2.0
// What is kept, due, put off, and gone.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/spool/messages.h"

namespace sekisho::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SpoolTest : public testing::Test {
protected:
    [[nodiscard]] std::vector<std::string> due(WallTime now, const std::vector<std::string>& without = {},
                                               std::size_t limit = 100) const {
        return addresses(reader.due(now, limit, without).value());
    }
    [[nodiscard]] std::int64_t number_of(const std::string& address) const {
        const auto all = reader.list(100).value();
        for (const Queued& queued : all) {
            for (const Waiting& each : queued.waiting) {
                if (each.address == address) {
                    return each.recipient;
                }
            }
        }
        return 0;
    }

    Directory directory;
    std::filesystem::path file = directory / "mail.db";
    Spool spool = Spool::open(file).value();
    SpoolReader reader = SpoolReader::open(file).value();
};

TEST_F(SpoolTest, AMessageComesBackAsItWas) {
    Envelope kept = envelope("a000000000000000", {"x@example.com", "Y@Example.ORG"});
    kept.returned = message::Return::full;
    kept.envelope_id = "QQ+2B314";
    kept.utf8 = true;
    kept.recipients[1].notify = {.success = true, .delay = true};
    kept.recipients[1].original = "rfc822;y@example.net";
    const std::string body("one\r\n\0two\xff\r\n", 12);
    ASSERT_TRUE(keep(spool, kept, body));
    const auto queued = reader.message(kept.id);
    ASSERT_TRUE(queued);
    EXPECT_EQ(queued->envelope.sender, kept.sender);
    EXPECT_EQ(queued->envelope.user, kept.user);
    EXPECT_EQ(queued->envelope.client, kept.client);
    EXPECT_EQ(queued->envelope.received, kept.received);
    EXPECT_TRUE(queued->envelope.eight_bit);
    EXPECT_TRUE(queued->envelope.utf8);
    EXPECT_EQ(queued->envelope.recipients, kept.recipients);
    EXPECT_EQ(queued->envelope.returned, kept.returned);
    EXPECT_EQ(queued->envelope.envelope_id, kept.envelope_id);
    EXPECT_EQ(queued->size, body.size());
    EXPECT_EQ(queued->waiting.at(1).domain, "example.org") << "domains are compared in small letters";
    EXPECT_EQ(queued->waiting.at(1).attempts, 0U);
    EXPECT_EQ(whole_body(reader, kept.id), body);
}

TEST_F(SpoolTest, LargeBodiesAreReadFromAnywhere) {
    const std::string body = octets(5'000'003);
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), body));
    EXPECT_EQ(whole_body(reader, "a000000000000000", 65'536), body);
    EXPECT_EQ(reader.body("a000000000000000", 4'000'001, 7).value(), body.substr(4'000'001, 7));
    EXPECT_EQ(reader.body("a000000000000000", 5'000'002, 100).value(), body.substr(5'000'002));
    EXPECT_EQ(reader.body("a000000000000000", 6'000'000, 100).value(), "");
    EXPECT_EQ(reader.body("b000000000000000", 0, 1).error().kind, Failure::not_found);
}

TEST_F(SpoolTest, AnEmptyBodyIsOne) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), ""));
    EXPECT_EQ(whole_body(reader, "a000000000000000"), "");
}

TEST_F(SpoolTest, ABodyThatCantBeReadIsNotKept) {
    const Envelope refused = envelope("a000000000000000");
    for (const std::uint64_t size : {std::uint64_t{10}, std::uint64_t{200'000}}) {
        const auto done = commit(spool, [&](Spool& in) { return in.add(refused, size, body_of("short")); });
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().what, "too short");
    }
    EXPECT_EQ(reader.count().value(), 0U);
    EXPECT_THAT(due(noon), IsEmpty());
}

TEST_F(SpoolTest, AnIdIsTakenOnce) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), "first"));
    ASSERT_FALSE(keep(spool, envelope("a000000000000000"), "second"));
    EXPECT_EQ(whole_body(reader, "a000000000000000"), "first");
}

TEST_F(SpoolTest, TheLastRecipientTakesTheMessageAlong) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000", {"x@example.com", "y@example.com"}), "body"));
    const std::int64_t x = number_of("x@example.com");
    const std::int64_t y = number_of("y@example.com");
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.finish(x); }));
    EXPECT_THAT(reader.message("a000000000000000")->envelope.recipients, ElementsAre("y@example.com"));
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.finish(y); }));
    EXPECT_EQ(reader.message("a000000000000000").error().kind, Failure::not_found);
    EXPECT_EQ(reader.count().value(), 0U);
    EXPECT_TRUE(commit(spool, [&](Spool& in) { return in.finish(y); })) << "it is finished";
}

// An operator deletes what is just being delivered: its result must not hit what came afterwards.
TEST_F(SpoolTest, TheNumberOfARecipientIsNeverAnothers) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000", {"x@example.com"}), "old"));
    const std::int64_t old = number_of("x@example.com");
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.remove("a000000000000000"); }));
    ASSERT_TRUE(keep(spool, envelope("b000000000000000", {"y@example.com"}), "new"));
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.finish(old); }));
    EXPECT_THAT(due(noon), ElementsAre("y@example.com"));
}

TEST_F(SpoolTest, WhatIsPutOffIsDueLater) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000", {"x@example.com", "y@example.com"}), "body"));
    const std::int64_t x = number_of("x@example.com");
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.defer(x, noon + 300s, "451 later"); }));
    EXPECT_THAT(due(noon), ElementsAre("y@example.com"));
    EXPECT_THAT(due(noon - 1s), IsEmpty());
    EXPECT_EQ(reader.next_due(noon).value(), noon + 300s);
    EXPECT_EQ(reader.next_due(noon + 300s).value(), std::nullopt);
    EXPECT_THAT(due(noon + 300s), ElementsAre("y@example.com", "x@example.com"))
        << "the longest waiting first";
    const auto queued = reader.message("a000000000000000");
    EXPECT_EQ(queued->waiting.at(0).attempts, 1U);
    EXPECT_EQ(queued->waiting.at(0).last_error, "451 later");
}

// Whoever looks at it decides when it goes on; nothing else does.
TEST_F(SpoolTest, WhatIsHeldIsNeverDue) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000", {"x@example.com", "y@example.com"}), "body"));
    ASSERT_TRUE(keep(spool, envelope("b000000000000000", {"z@example.com"}), "body"));
    const std::int64_t x = number_of("x@example.com");
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hold("a000000000000000"); }));
    EXPECT_TRUE(reader.message("a000000000000000")->held);
    EXPECT_FALSE(reader.message("a000000000000000")->user_stopped);
    EXPECT_THAT(due(noon), ElementsAre("z@example.com"));
    EXPECT_EQ(reader.next_due(noon).value(), std::nullopt);
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hurry(noon, std::nullopt, "a000000000000000"); }));
    EXPECT_THAT(due(noon), ElementsAre("z@example.com"));
    // One was under way and failed for now.
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.defer(x, noon + 300s, "451 later"); }));
    EXPECT_THAT(due(noon + 300s), ElementsAre("z@example.com"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.release("a000000000000000", noon + 1s); }));
    EXPECT_FALSE(reader.message("a000000000000000")->held);
    EXPECT_THAT(due(noon + 1s), ElementsAre("z@example.com", "x@example.com", "y@example.com"));
    EXPECT_EQ(reader.message("a000000000000000")->waiting.at(0).attempts, 1U);
}

TEST_F(SpoolTest, ReleaseHurriesNothingThatIsNotHeld) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), "body"));
    const std::int64_t x = number_of("x@example.com");
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.defer(x, noon + 300s, "451 later"); }));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.release("a000000000000000", noon); }));
    EXPECT_THAT(due(noon), IsEmpty());
    EXPECT_EQ(commit(spool, [](Spool& in) { return in.hold("b000000000000000"); }).error().kind,
              Failure::not_found);
    EXPECT_EQ(commit(spool, [](Spool& in) { return in.release("b000000000000000", noon); }).error().kind,
              Failure::not_found);
}

TEST_F(SpoolTest, DomainsThatHaveEnoughAreLeftOut) {
    ASSERT_TRUE(keep(
        spool,
        envelope("a000000000000000", {"a@example.com", "b@example.org", "c@EXAMPLE.com", "d@[192.0.2.1]"}),
        "body"));
    EXPECT_THAT(due(noon, {"example.com"}), ElementsAre("d@[192.0.2.1]", "b@example.org"));
    EXPECT_THAT(addresses(reader.due(noon, 100, {"example.org"}, SpoolReader::Pick::only).value()),
                ElementsAre("b@example.org"));
    EXPECT_THAT(reader.due(noon, 100, {}, SpoolReader::Pick::only).value(), IsEmpty());
    EXPECT_THAT(due(noon, {"example.com", "x' OR '1'='1", "example.org"}), ElementsAre("d@[192.0.2.1]"));
    EXPECT_THAT(due(noon, {}, 1), ElementsAre("d@[192.0.2.1]"));
    EXPECT_THAT(due(noon, {"[192.0.2.1]", "example.com"}, 1), ElementsAre("b@example.org"))
        << "the limit counts what is left";
}

TEST_F(SpoolTest, Hurrying) {
    for (const auto& [id, address] : {std::pair{"a000000000000000", "x@example.com"},
                                      {"b000000000000000", "x@example.org"},
                                      {"c000000000000000", "x@example.net"}}) {
        ASSERT_TRUE(keep(spool, envelope(id, {address}), "body"));
        const std::int64_t number = number_of(address);
        ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.defer(number, noon + 300s, ""); }));
    }
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hurry(noon, "Example.ORG", {}); }));
    EXPECT_THAT(due(noon), ElementsAre("x@example.org"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hurry(noon, {}, "c000000000000000"); }));
    EXPECT_THAT(due(noon), ElementsAre("x@example.net", "x@example.org"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hurry(noon, "nowhere.test", {}); }));
    EXPECT_EQ(due(noon).size(), 2U);
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hurry(noon, {}, {}); }));
    EXPECT_EQ(due(noon).size(), 3U);
}

TEST_F(SpoolTest, RemovingTakesTheRecipientsAlong) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000", {"x@example.com", "y@example.com"}), "body"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.remove("a000000000000000"); }));
    EXPECT_THAT(due(noon), IsEmpty());
    const auto again = commit(spool, [](Spool& in) { return in.remove("a000000000000000"); });
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, Failure::not_found);
}

TEST_F(SpoolTest, WhatIsNotCommittedIsNotThere) {
    ASSERT_TRUE(spool.begin());
    ASSERT_TRUE(spool.add(envelope("a000000000000000"), 4, body_of("body")));
    EXPECT_EQ(reader.count().value(), 0U);
    spool.roll_back();
    EXPECT_FALSE(spool.in_transaction());
    EXPECT_EQ(reader.count().value(), 0U);
}

TEST_F(SpoolTest, OnePieceOfWorkThatHasChangedNothingFailsAlone) {
    ASSERT_TRUE(spool.begin());
    ASSERT_TRUE(spool.one([](Spool& in) { return in.add(envelope("a000000000000000"), 1, body_of("a")); }));
    EXPECT_FALSE(spool.one([](Spool& in) { return in.add(envelope("c000000000000000"), 9, body_of("c")); }));
    EXPECT_FALSE(spool.one([](Spool& in) { return in.add(envelope("a000000000000000"), 1, body_of("a")); }));
    EXPECT_FALSE(spool.one([](Spool& in) { return in.hold("e000000000000000"); }));
    ASSERT_TRUE(spool.one([](Spool& in) { return in.add(envelope("d000000000000000"), 1, body_of("d")); }));
    ASSERT_TRUE(spool.commit());
    std::vector<std::string> ids;
    const auto all = reader.list(10).value();
    for (const Queued& each : all) {
        ids.push_back(each.envelope.id);
    }
    EXPECT_THAT(ids, ElementsAre("a000000000000000", "d000000000000000"));
}

TEST_F(SpoolTest, OneThatHasChangedSomethingTakesAllWithIt) {
    ASSERT_TRUE(spool.begin());
    ASSERT_TRUE(spool.one([](Spool& in) { return in.add(envelope("a000000000000000"), 1, body_of("a")); }));
    EXPECT_FALSE(spool.one([](Spool& in) -> Result<void> {
        static_cast<void>(in.add(envelope("b000000000000000"), 1, body_of("b")));
        return in.add(envelope("c000000000000000"), 9, body_of("c"));
    }));
    EXPECT_FALSE(spool.in_transaction());
    EXPECT_EQ(reader.count().value(), 0U);
}

// Whoever delivers from memory looks at this.
TEST_F(SpoolTest, InterventionsAreCounted) {
    const auto interventions = spool.interventions();
    auto more = [&, last = std::uint64_t{0}]() mutable {
        const std::uint64_t before = std::exchange(last, interventions->load());
        return last != before;
    };
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), "a"));
    ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.hurry(noon, std::nullopt, std::nullopt); }));
    EXPECT_FALSE(more());
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hold("a000000000000000"); }));
    EXPECT_TRUE(more());
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "uid 0", .reason = ""});
    }));
    EXPECT_TRUE(more());
    ASSERT_TRUE(
        commit(spool, [](Spool& in) { return in.senders().resume("anna", Senders::HeldMail::sent, noon); }));
    EXPECT_TRUE(more());
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.remove("a000000000000000"); }));
    EXPECT_TRUE(more());
}

TEST_F(SpoolTest, OnlyItsOwnerReadsIt) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), "secret"));
    for (const char* end : {"", "-wal", "-shm", ".lock"}) {
        struct stat facts{};
        ASSERT_EQ(::stat((file.string() + end).c_str(), &facts), 0) << end;
        EXPECT_EQ(facts.st_mode & 0777U, 0600U) << end;
    }
}

TEST_F(SpoolTest, ASecondWriterIsRefused) {
    const auto second = Spool::open(file);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, Failure::conflict);
    EXPECT_THAT(second.error().remedy, HasSubstr("systemctl stop"));
}

TEST_F(SpoolTest, TenThousandMessages) {
    ASSERT_TRUE(commit(spool, [](Spool& in) -> Result<void> {
        for (int i = 0; i < 10'000; i++) {
            const std::string number = std::to_string(100'000 + i);
            const std::string domain = "d" + std::to_string(i % 100) + ".test";
            if (auto done = in.add(envelope("m000000000" + number, {"x@" + domain}), 5, body_of("body\n"));
                !done) {
                return done;
            }
        }
        return {};
    }));
    EXPECT_EQ(reader.count().value(), 10'000U);
    EXPECT_EQ(reader.list(20'000)->size(), 10'000U);
    std::vector<std::string> without;
    for (int i = 0; i < 99; i++) {
        without.push_back("d" + std::to_string(i) + ".test");
    }
    const auto rest = reader.due(noon, 1000, without);
    ASSERT_EQ(rest->size(), 100U);
    EXPECT_EQ(rest->front().address, "x@d99.test");
    ASSERT_TRUE(commit(spool, [&](Spool& in) -> Result<void> {
        const auto all = reader.due(noon, 20'000).value();
        for (const Waiting& each : all) {
            if (auto done = in.finish(each.recipient); !done) {
                return done;
            }
        }
        return {};
    }));
    EXPECT_EQ(reader.count().value(), 0U);
}

}  // namespace
}  // namespace sekisho::spool
