// SPDX-License-Identifier: Apache-2.0
// What users have sent, and what becomes of the mail of those who are stopped.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "smtpd/spool/schema.h"
#include "tests/unit/spool/messages.h"

namespace sekisho::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Recipients = std::vector<message::Recipient>;

class SendersTest : public testing::Test {
protected:
    static Envelope of(std::string user, Recipients recipients, std::string client = "192.0.2.10") {
        Envelope theirs = envelope("a000000000000000", std::move(recipients));
        theirs.user = std::move(user);
        theirs.client = std::move(client);
        return theirs;
    }
    void count(const Envelope& theirs, WallTime when) {
        ASSERT_TRUE(commit(spool, [&](Spool& in) -> Result<void> {
            const auto fresh = in.senders().novelty(theirs, when);
            return fresh ? in.senders().count(theirs, fresh->recipients, when)
                         : std::unexpected(fresh.error());
        }));
    }
    void count(std::string user, Recipients recipients, WallTime when) {
        count(of(std::move(user), std::move(recipients)), when);
    }
    void resume(std::string_view user, WallTime when, Senders::HeldMail held = Senders::HeldMail::sent) {
        ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.senders().resume(user, held, when); }));
    }
    void forget(WallTime when) {
        ASSERT_TRUE(commit(spool, [&](Spool& in) { return in.senders().forget(when); }));
    }
    [[nodiscard]] Sent sent(std::string_view user, WallTime when) const {
        return reader.senders().sent(user, when).value();
    }
    [[nodiscard]] std::vector<std::string> due(WallTime when) const {
        return addresses(reader.due(when, 100).value());
    }
    [[nodiscard]] std::int64_t rows(const char* table) const {
        return Database::open(file, 1000)->integer(std::string("SELECT count(*) FROM ") + table).value();
    }

    Directory directory;
    std::filesystem::path file = directory / "mail.db";
    Spool spool = Spool::open(file).value();
    SpoolReader reader = SpoolReader::open(file).value();
};

TEST_F(SendersTest, RecipientsAreCountedForAnHourAndADay) {
    count("Anna", {"x@example.com", "y@example.com"}, noon);
    count("anna", {"x@example.com", "z@example.com"}, noon + 30min);
    Sent now = sent("ANNA", noon + 30min);
    EXPECT_EQ(now.hour, 4U);
    EXPECT_EQ(now.day, 4U);
    EXPECT_EQ(now.new_hour, 3U) << "x was known";
    EXPECT_EQ(now.new_day, 3U);
    now = sent("anna", noon + 61min);
    EXPECT_EQ(now.hour, 2U);
    EXPECT_EQ(now.new_hour, 1U);
    EXPECT_EQ(now.day, 4U);
    EXPECT_EQ(sent("anna", noon + 23h + 49min).day, 4U);
    now = sent("anna", noon + 24h + 31min);
    EXPECT_EQ(now.day, 0U);
    EXPECT_EQ(now.new_day, 0U);
    EXPECT_EQ(sent("bob", noon).day, 0U);
}

TEST_F(SendersTest, WhoIsKnownIsKnownToOneUser) {
    count("anna", {"X@Example.com"}, noon);
    const auto strangers = [this](std::string_view user, const Recipients& recipients) {
        return reader.senders().novelty(of(std::string(user), recipients), noon).value().recipients;
    };
    EXPECT_EQ(strangers("anna", {"x@example.COM"}), 0U);
    EXPECT_EQ(strangers("bob", {"x@example.com"}), 1U);
    EXPECT_EQ(strangers("anna", {"y@example.com", "Y@example.com", "x@example.com"}), 1U) << "twice the same";
    count("anna", {"y@example.com", "Y@example.com"}, noon);
    EXPECT_EQ(sent("anna", noon).day, 3U) << "and sent to twice";
    EXPECT_EQ(sent("anna", noon).new_day, 2U);
}

// For a day, a minute's part each time; who is written to again stays known.
TEST_F(SendersTest, WhatIsOldIsForgotten) {
    count("anna", {"x@example.com", "y@example.com"}, noon);
    count("anna", {"y@example.com"}, noon + 24h * 60);
    const WallTime later = noon + 24h * 91;
    for (int minute = 0; minute < 1024; minute++) {
        forget(later + std::chrono::minutes(minute));
    }
    EXPECT_EQ(rows("known"), 1);
    EXPECT_EQ(rows("sent"), 0);
    EXPECT_EQ(
        reader.senders().novelty(of("anna", {"x@example.com", "y@example.com"}), later).value().recipients,
        1U);
    forget(noon - 24h * 365);  // a clock may be set back
    EXPECT_EQ(rows("known"), 1);
}

TEST_F(SendersTest, AStoppedUsersMailIsHeldUntilTheyGoOn) {
    Envelope theirs = envelope("a000000000000000", {"x@example.com", "y@example.com"});
    theirs.user = "Anna";
    Envelope others = envelope("b000000000000000", {"z@example.com"});
    others.user = "bob";
    ASSERT_TRUE(keep(spool, theirs, "body"));
    ASSERT_TRUE(keep(spool, others, "body"));
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "uid 0", .reason = "stolen"});
    }));
    EXPECT_THAT(due(noon), ElementsAre("z@example.com"));
    EXPECT_TRUE(reader.message("a000000000000000")->user_stopped);
    EXPECT_FALSE(reader.message("a000000000000000")->held);
    EXPECT_EQ(reader.senders().held("ANNA").value(), 1U);
    EXPECT_EQ(reader.senders().held("bob").value(), 0U);
    EXPECT_EQ(reader.senders().stopped().value(), 1U);
    const auto stop = reader.senders().stop_of("Anna").value();
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->since, noon);
    EXPECT_EQ(stop->who, "uid 0");
    EXPECT_EQ(stop->reason, "stolen");
    // What an operator lets go by itself stays as long as its user is stopped.
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.release("a000000000000000", noon); }));
    EXPECT_THAT(due(noon), ElementsAre("z@example.com"));
    resume("ANNA", noon + 1s);
    EXPECT_THAT(due(noon + 1s), ElementsAre("z@example.com", "x@example.com", "y@example.com"));
    EXPECT_EQ(reader.senders().stop_of("anna").value(), std::nullopt);
    EXPECT_EQ(reader.message("a000000000000000")->since, noon + 1s) << "it has its time from now on";
    EXPECT_EQ(reader.message("b000000000000000")->since, noon);
    EXPECT_EQ(
        commit(spool, [](Spool& in) { return in.senders().resume("anna", Senders::HeldMail::sent, noon); })
            .error()
            .kind,
        Failure::not_found);
}

TEST_F(SendersTest, WhatAnOperatorHoldsStaysHeldWhenItsUserGoesOn) {
    ASSERT_TRUE(keep(spool, envelope("a000000000000000"), "body"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hold("a000000000000000"); }));
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "uid 0", .reason = ""});
    }));
    resume("anna", noon);
    EXPECT_TRUE(reader.message("a000000000000000")->held);
    EXPECT_THAT(due(noon), IsEmpty());
}

TEST_F(SendersTest, TheStoppedStandFirstThenTheBusiest) {
    count("anna", {"x@example.com"}, noon);
    count("bob", {"x@example.com", "y@example.com"}, noon);
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "carol", .since = noon, .who = "uid 0", .reason = ""});
    }));
    const auto names = [this](WallTime when, std::size_t limit) {
        std::vector<std::string> all;
        const auto senders = reader.senders().list(when, limit).value();
        for (const Sender& each : senders) {
            all.push_back(each.user);
        }
        return all;
    };
    EXPECT_THAT(names(noon, 10), ElementsAre("carol", "bob", "anna"));
    EXPECT_THAT(names(noon, 2), ElementsAre("carol", "bob"));
    EXPECT_THAT(names(noon + 25h, 10), ElementsAre("carol"));
    const auto all = reader.senders().list(noon, 10).value();
    EXPECT_EQ(all[1].sent.day, 2U);
    EXPECT_EQ(all[1].sent.new_hour, 2U);
    EXPECT_EQ(all[1].sent.addresses_day, 1U);
    EXPECT_FALSE(all[1].stop);
    EXPECT_TRUE(all[0].stop);
}

// The customer may send again; what the thief has left must not go out.
TEST_F(SendersTest, WhatWasHeldCanBeThrownAway) {
    ASSERT_TRUE(keep(spool, of("anna", {"x@example.com"}), "body"));
    Envelope other = of("anna", {"y@example.com"});
    other.id = "b000000000000000";
    ASSERT_TRUE(keep(spool, other, "body"));
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.hold("b000000000000000"); }));
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "uid 0", .reason = ""});
    }));
    resume("anna", noon, Senders::HeldMail::discarded);
    EXPECT_EQ(reader.message("a000000000000000").error().kind, Failure::not_found);
    EXPECT_TRUE(reader.message("b000000000000000")->held) << "an operator wanted to look at it";
}

TEST_F(SendersTest, WhoGoesOnIsCountedAnew) {
    count("anna", {"x@example.com"}, noon);
    count("bob", {"x@example.com"}, noon);
    ASSERT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "uid 0", .reason = ""});
    }));
    resume("anna", noon);
    EXPECT_EQ(sent("anna", noon).day, 0U);
    EXPECT_EQ(sent("anna", noon).addresses_day, 0U);
    EXPECT_EQ(sent("bob", noon).day, 1U);
    EXPECT_EQ(reader.senders().novelty(of("anna", {"x@example.com"}), noon).value().recipients, 0U);
}

TEST_F(SendersTest, FromWhereAndToHowManyWhoAreNotThere) {
    count(of("anna", {"x@example.com"}, "192.0.2.10"), noon);
    count(of("anna", {"x@example.com"}, "192.0.2.11"), noon);
    count(of("anna", {"x@example.com"}, "2001:db8:1::1"), noon + 1h);
    EXPECT_EQ(sent("anna", noon + 1h).addresses_day, 3U);
    EXPECT_EQ(sent("anna", noon + 1h).networks_day, 2U);
    const Novelty near =
        reader.senders().novelty(of("anna", {"x@example.com"}, "192.0.99.1"), noon + 1h).value();
    EXPECT_EQ(near.addresses, 1U);
    EXPECT_EQ(near.networks, 0U) << "of the same /16";
    EXPECT_EQ(reader.senders().novelty(of("bob", {"x@example.com"}, "192.0.2.10"), noon).value().networks,
              1U);
    EXPECT_EQ(sent("anna", noon + 24h + 30min).addresses_day, 1U);
    ASSERT_TRUE(commit(spool, [](Spool& in) { return in.senders().count_failed("Anna", 3, noon); }));
    EXPECT_EQ(sent("anna", noon).failed_day, 3U);
    EXPECT_EQ(sent("anna", noon).day, 2U);
    forget(noon + 48h);
    EXPECT_EQ(rows("origins"), 0);
}

// A clock that was years ahead for a minute must not shut anybody up until then.
TEST_F(SendersTest, WhatWasCountedInTheFutureDoesNotCount) {
    count("anna", {"x@example.com"}, noon + 24h * 3000);
    EXPECT_EQ(sent("anna", noon).hour, 0U);
    EXPECT_EQ(sent("anna", noon).addresses_day, 0U);
    EXPECT_THAT(reader.senders().list(noon, 10).value(), IsEmpty());
    forget(noon);
    EXPECT_EQ(rows("sent"), 0);
    count("anna", {"x@example.com"}, noon + 3h);
    forget(noon);
    EXPECT_EQ(rows("sent"), 1) << "that far a clock may be behind";
}

// The file of a spool may be copied, and shall not tell who writes to whom once the mail has gone.
TEST_F(SendersTest, NoRecipientStandsInTheFile) {
    count("anna", {"very-private@example.com"}, noon);
    spool.shrink();
    std::ifstream in(file, std::ios::binary);
    const std::string octets((std::istreambuf_iterator<char>(in)), {});
    EXPECT_NE(octets.find("anna"), std::string::npos);
    EXPECT_EQ(octets.find("private"), std::string::npos);
}

}  // namespace
}  // namespace sekisho::spool
