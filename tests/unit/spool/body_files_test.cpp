// SPDX-License-Identifier: Apache-2.0
// Large bodies beside the database: there as long as their messages are.
#include "smtpd/spool/body_files.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/unit/spool/messages.h"
#include "tests/unit/written_log.h"

namespace sekisho::spool {
namespace {

using testing::HasSubstr;

std::string id_of(int number) {
    return "f000000000" + std::to_string(100'000 + number);
}

TEST(BodyFiles, ALargeBodyIsAFileAsLongAsItsMessageWaits) {
    const Directory directory;
    auto spool = Spool::open(directory / "mail.db").value();
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    const auto bodies = directory / "mail.db-bodies";
    EXPECT_EQ(std::filesystem::status(bodies).permissions(), std::filesystem::perms::owner_all);
    ASSERT_TRUE(keep(spool, envelope(id_of(1), {"x@example.com", "y@example.com"}), octets(3'000'000)));
    ASSERT_TRUE(keep(spool, envelope(id_of(2)), octets(std::size_t{64} * 1024))) << "this one is small";
    ASSERT_EQ(files_in(bodies), 1U);
    const auto file = std::filesystem::directory_iterator(bodies)->path();
    EXPECT_EQ(std::filesystem::file_size(file), 3'000'000U);
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(whole_body(reader, id_of(1)), octets(3'000'000));
    EXPECT_EQ(whole_body(reader, id_of(2)), octets(std::size_t{64} * 1024));
    const auto waiting = reader.message(id_of(1))->waiting;
    for (const Waiting& each : waiting) {
        EXPECT_EQ(files_in(bodies), 1U);
        EXPECT_TRUE(commit(spool, [&](Spool& in) { return in.finish(each.recipient); }));
    }
    EXPECT_EQ(files_in(bodies), 0U);
    EXPECT_EQ(reader.body(id_of(1), 0, 10).error().kind, Failure::not_found);
}

// Whichever way a message is removed; but not where that is taken back.
TEST(BodyFiles, AFileGoesWithTheCommitThatRemovesItsMessage) {
    const Directory directory;
    auto spool = Spool::open(directory / "mail.db").value();
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    const auto bodies = directory / "mail.db-bodies";
    ASSERT_TRUE(keep(spool, envelope(id_of(1)), octets(100'000)));
    ASSERT_TRUE(keep(spool, envelope(id_of(2)), octets(100'000)));
    EXPECT_FALSE(commit(spool, [](Spool& in) -> Result<void> {
        EXPECT_TRUE(in.remove(id_of(1)));
        return fail(Failure::invalid, "a second thought");
    }));
    EXPECT_FALSE(commit(spool, [](Spool& in) {
        return in.one([](Spool& one) -> Result<void> {
            EXPECT_TRUE(one.remove(id_of(1)));
            return fail(Failure::invalid, "one thing of several");
        });
    }));
    EXPECT_EQ(whole_body(reader, id_of(1)), octets(100'000));
    EXPECT_TRUE(commit(spool, [](Spool& in) { return in.remove(id_of(1)); }));
    EXPECT_EQ(files_in(bodies), 1U);
    EXPECT_TRUE(commit(spool, [](Spool& in) {
        return in.senders().stop({.user = "anna", .since = noon, .who = "root", .reason = "spam"});
    }));
    EXPECT_TRUE(commit(
        spool, [](Spool& in) { return in.senders().resume("anna", Senders::HeldMail::discarded, noon); }));
    EXPECT_EQ(files_in(bodies), 0U);
}

TEST(BodyFiles, AMessageThatIsNotKeptLeavesNoFile) {
    const Directory directory;
    auto spool = Spool::open(directory / "mail.db").value();
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    const auto bodies = directory / "mail.db-bodies";
    const auto add = [](Spool& in, int number, const std::string& body, std::uint64_t size) {
        return in.add(envelope(id_of(number)), size, body_of(body));
    };
    EXPECT_FALSE(commit(spool, [&](Spool& in) { return add(in, 1, octets(1'500'000), 2'000'000); }));
    EXPECT_EQ(files_in(bodies), 0U) << "its end couldn't be read";
    EXPECT_FALSE(commit(spool, [&](Spool& in) {
        return in.one([&](Spool& one) -> Result<void> {
            EXPECT_TRUE(add(one, 1, octets(100'000), 100'000));
            return fail(Failure::invalid, "one thing of several");
        });
    }));
    EXPECT_TRUE(commit(spool, [&](Spool& in) { return add(in, 2, octets(200'000), 200'000); }));
    EXPECT_FALSE(commit(spool, [&](Spool& in) {
        return in.one([&](Spool& one) { return add(one, 2, octets(100'000), 100'000); });
    }));
    EXPECT_EQ(whole_body(reader, id_of(2)), octets(200'000)) << "another one's, by its name";
    EXPECT_EQ(files_in(bodies), 1U);
    EXPECT_EQ(whole_body(reader, id_of(2)), octets(200'000));
    EXPECT_FALSE(commit(spool, [&](Spool& in) -> Result<void> {
        EXPECT_TRUE(add(in, 3, octets(100'000), 100'000));
        return fail(Failure::invalid, "all of it");
    }));
    EXPECT_EQ(files_in(bodies), 1U);
}

// What a sudden end has left, and what isn't ours.
TEST(BodyFiles, FilesThatNobodyKnowsAreRemovedAtTheStart) {
    const Directory directory;
    const auto bodies = directory / "mail.db-bodies";
    {
        auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(keep(*spool, envelope(id_of(1)), octets(100'000)));
        ASSERT_TRUE(keep(*spool, envelope(id_of(2)), octets(100)));
    }
    for (const std::string& left : {id_of(2), id_of(3)}) {
        std::ofstream(bodies / left) << "half of it";
    }
    std::ofstream(bodies / "README") << "an operator's";
    ASSERT_TRUE(Spool::open(directory / "mail.db"));
    EXPECT_EQ(files_in(bodies), 2U);
    EXPECT_TRUE(std::filesystem::exists(bodies / "README"));
    EXPECT_EQ(whole_body(SpoolReader::open(directory / "mail.db").value(), id_of(1)), octets(100'000));
}

// The database was moved away without them: they are somebody's mail.
TEST(BodyFiles, ThoseOfAnotherSpoolAreLeftAlone) {
    const Directory directory;
    {
        auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(keep(*spool, envelope(id_of(1)), octets(100'000)));
    }
    std::filesystem::rename(directory / "mail.db", directory / "damaged.db");
    for (int i = 0; i < 2; i++) {
        const auto spool = Spool::open(directory / "mail.db");
        ASSERT_FALSE(spool) << "at each attempt";
        EXPECT_EQ(spool.error().kind, Failure::conflict);
        EXPECT_THAT(spool.error().what, HasSubstr("mail.db-bodies holds mail of another spool"));
        EXPECT_THAT(spool.error().remedy, HasSubstr("keep both"));
    }
    EXPECT_EQ(files_in(directory / "mail.db-bodies"), 1U);
    std::filesystem::rename(directory / "damaged.db", directory / "mail.db");
    ASSERT_TRUE(Spool::open(directory / "mail.db"));
    EXPECT_EQ(whole_body(SpoolReader::open(directory / "mail.db").value(), id_of(1)), octets(100'000));
}

TEST(BodyFiles, MissingOnesAreToldOfAtTheStart) {
    const Directory directory;
    {
        auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(keep(*spool, envelope(id_of(1)), octets(100'000)));
        ASSERT_TRUE(keep(*spool, envelope(id_of(2)), octets(100'000)));
    }
    std::filesystem::remove(directory / "mail.db-bodies" / id_of(2));
    const tests::WrittenLog said;
    auto spool = Spool::open(directory / "mail.db");
    ASSERT_TRUE(spool);
    EXPECT_THAT(said.text(), HasSubstr("BODIES_MISSING"));
    EXPECT_THAT(said.text(), HasSubstr("first=" + id_of(2)));
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    EXPECT_EQ(reader.body(id_of(2), 0, 10).error().kind, Failure::not_found);
    EXPECT_EQ(whole_body(reader, id_of(1)), octets(100'000));
    EXPECT_TRUE(commit(*spool, [](Spool& in) { return in.remove(id_of(2)); })) << "as the remedy says";
}

// It comes from the process that strangers talk to.
TEST(BodyFiles, AnIdThatIsNoneNamesNoFile) {
    const Directory directory;
    auto spool = Spool::open(directory / "mail.db").value();
    std::ofstream(directory / "neighbour") << "an innocent one";
    EXPECT_FALSE(keep(spool, envelope("../neighbour"), octets(100'000)));
    EXPECT_TRUE(std::filesystem::exists(directory / "neighbour")) << "nor removes one";
    for (const char* const id :
         {"../../aaaaaaaaaa", "../etc/passwd", "", ".", "aaaaaaaaaaaaaaaA", "aaaaaaaaaaaaaaaaa"}) {
        EXPECT_FALSE(keep(spool, envelope(id), octets(100'000))) << id;
    }
    EXPECT_EQ(files_in(directory / "mail.db-bodies"), 0U);
    EXPECT_EQ(SpoolReader::open(directory / "mail.db")->count(), 0U);
}

TEST(BodyFiles, NoPlaceForLargeBodiesIsAnError) {
    const Directory directory;
    std::ofstream(directory / "mail.db-bodies") << "in the way";
    const auto spool = Spool::open(directory / "mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::unavailable);
    EXPECT_THAT(spool.error().what, HasSubstr("mail.db-bodies"));
    EXPECT_FALSE(spool.error().remedy.empty());
}

}  // namespace
}  // namespace sekisho::spool
