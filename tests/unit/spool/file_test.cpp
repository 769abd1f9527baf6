// SPDX-License-Identifier: Apache-2.0
// Files that are no spool, a disk without room, and processes killed while they write.
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <optional>
#include <random>
#include <thread>

#include "smtpd/spool/schema.h"
#include "smtpd/spool/writer.h"
#include "tests/unit/spool/messages.h"

namespace sekisho::spool {
namespace {

using testing::HasSubstr;

TEST(SpoolFile, OneOfANewerVersionIsRefused) {
    const Directory directory;
    ASSERT_TRUE(Spool::open(directory / "mail.db"));
    ASSERT_TRUE(Database::open(directory / "mail.db", 0)->run("PRAGMA user_version = 99"));
    const auto spool = Spool::open(directory / "mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::invalid);
    EXPECT_THAT(spool.error().what, HasSubstr("newer version"));
}

// A file as version `version` has left it, with this in it.
void write_earlier(const std::filesystem::path& file, std::size_t version, const char* sql) {
    ASSERT_TRUE(prepare_database_file(file));
    const auto database = Database::open(file, 0);
    Schema earlier = schema();
    earlier.steps = earlier.steps.first(version);
    ASSERT_TRUE(migrate(*database, earlier));
    ASSERT_TRUE(database->run(sql));
}

// Mail that an earlier version has accepted: nobody has said what to tell of it.
TEST(SpoolFile, OneOfTheFirstVersionKeepsItsMail) {
    const Directory directory;
    write_earlier(
        directory / "mail.db", 1,
        "INSERT INTO messages VALUES (1, 'a000000000000000', 'anna@example.net', 'anna', "
        "'192.0.2.10', 1, 1800000000, 4);"
        "INSERT INTO bodies VALUES (1, 0, x'626f6479');"
        "INSERT INTO recipients VALUES (1, 1, 'x@example.com', 'example.com', 2, 1800000300, 'later')");
    auto spool = Spool::open(directory / "mail.db");
    ASSERT_TRUE(spool) << spool.error().what;
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    const auto queued = reader.message("a000000000000000").value();
    EXPECT_EQ(queued.envelope.sender, "anna@example.net");
    EXPECT_EQ(queued.envelope.returned, message::Return::not_given);
    EXPECT_EQ(queued.envelope.envelope_id, "");
    ASSERT_EQ(queued.waiting.size(), 1U);
    EXPECT_EQ(queued.waiting[0].attempts, 2U);
    EXPECT_EQ(queued.waiting[0].last_error, "later");
    EXPECT_EQ(queued.envelope.recipients.at(0), message::Recipient("x@example.com"));
    EXPECT_EQ(whole_body(reader, "a000000000000000"), "body");
    EXPECT_TRUE(keep(*spool, envelope(name(1)), "new")) << "and takes more";
}

// What clients had announced (BODY=8BITMIME) says nothing of the message; nobody was told that it is late.
TEST(SpoolFile, OneOfTheSixthVersionKeepsItsMail) {
    const Directory directory;
    write_earlier(
        directory / "mail.db", 6,
        "INSERT INTO messages (id, sender, user, client, eight_bit, received, size, utf8) "
        "VALUES ('a000000000000000', 'anna@example.net', 'anna', '192.0.2.10', 1, 1800000000, 4, 1);"
        "INSERT INTO recipients (message, address, domain, attempts, next, last_error, notify) "
        "VALUES (1, 'x@example.com', 'example.com', 2, 1800000300, 'later', 'DELAY')");
    {
        auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(spool) << spool.error().what;
        const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
        const auto queued = reader.message("a000000000000000").value();
        EXPECT_FALSE(queued.envelope.eight_bit);
        EXPECT_TRUE(queued.envelope.utf8) << "that was known";
        ASSERT_EQ(queued.waiting.size(), 1U);
        EXPECT_FALSE(queued.waiting[0].warned);
        EXPECT_EQ(queued.waiting[0].attempts, 2U);
        EXPECT_EQ(queued.waiting[0].notify.text(), "DELAY");
        EXPECT_TRUE(commit(*spool, [&queued](Spool& in) {
            return in.defer(queued.waiting[0].recipient, noon, "late", true);
        }));
        EXPECT_TRUE(keep(*spool, envelope(name(1)), "new"));
    }
    ASSERT_TRUE(Spool::open(directory / "mail.db"));
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    EXPECT_TRUE(reader.message(name(1))->envelope.eight_bit) << "what has come since is known";
    EXPECT_TRUE(reader.message("a000000000000000")->waiting.at(0).warned);
}

// Bodies were in the database, however large; recipients had other keys.
TEST(SpoolFile, OneOfTheSeventhVersionKeepsItsMail) {
    const Directory directory;
    write_earlier(
        directory / "mail.db", 7,
        "INSERT INTO messages (number, id, sender, user, client, eight_bit, received, size) VALUES "
        "(3, 'a000000000000000', 'anna@example.net', 'anna', '192.0.2.10', 0, 1800000000, 65540),"
        "(7, 'b000000000000000', 'anna@example.net', 'anna', '192.0.2.10', 0, 1800000000, 4);"
        "INSERT INTO bodies VALUES (3, 0, zeroblob(65536)), (3, 1, x'626f6479'), (7, 0, x'626f6479');"
        "INSERT INTO recipients (number, message, address, domain, attempts, next, last_error, warned) "
        "VALUES "
        "(1, 7, 'x@example.com', 'example.com', 2, 1800000300, 'later', 1),"
        "(2, 3, 'y@example.com', 'example.com', 0, 1800000000, '', 0),"
        "(9, 3, 'z@example.com', 'example.com', 1, 1800000000, 'busy', 0)");
    auto spool = Spool::open(directory / "mail.db");
    ASSERT_TRUE(spool) << spool.error().what;
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    EXPECT_EQ(whole_body(reader, "a000000000000000"), std::string(65'536, '\0') + "body");
    EXPECT_EQ(whole_body(reader, "b000000000000000"), "body");
    EXPECT_EQ(addresses(reader.message("a000000000000000")->waiting),
              (std::vector<std::string>{"y@example.com", "z@example.com"}));
    const Waiting late = reader.message("b000000000000000")->waiting.at(0);
    EXPECT_EQ(late.attempts, 2U);
    EXPECT_EQ(late.last_error, "later");
    EXPECT_TRUE(late.warned);
    EXPECT_TRUE(commit(*spool, [&](Spool& in) { return in.finish(late.recipient); }));
    EXPECT_FALSE(reader.message("b000000000000000"));
    EXPECT_TRUE(commit(*spool, [](Spool& in) { return in.remove("a000000000000000"); }));
    EXPECT_EQ(reader.count(), 0U);
    EXPECT_TRUE(keep(*spool, envelope(name(1)), octets(70'000)));
    EXPECT_GT(reader.message(name(1))->waiting.at(0).recipient, 7 << 20) << "no number is used again";
}

TEST(SpoolFile, OneOfAnotherProgramIsRefused) {
    const Directory directory;
    std::ofstream(directory / "mail.db").flush();
    ASSERT_TRUE(Database::open(directory / "mail.db", 0)->run("CREATE TABLE theirs (a INTEGER)"));
    const auto spool = Spool::open(directory / "mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::conflict);
    EXPECT_THAT(spool.error().what, HasSubstr("another program"));
}

TEST(SpoolFile, WhatIsNoDatabaseIsRefused) {
    const Directory directory;
    std::ofstream(directory / "mail.db") << std::string(10'000, 'x');
    const auto spool = Spool::open(directory / "mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::invalid);
}

TEST(SpoolFile, ADamagedOneIsRefused) {
    const Directory directory;
    {
        auto spool = Spool::open(directory / "mail.db");
        for (int i = 0; i < 200; i++) {
            ASSERT_TRUE(keep(*spool, envelope(name(i)), octets(3000)));
        }
    }
    const auto size = std::filesystem::file_size(directory / "mail.db");
    std::fstream file(directory / "mail.db", std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t page = 1; page < size / 4096; page += 3) {
        file.seekp(static_cast<std::streamoff>(page * 4096));
        file << std::string(100, '\x55');
    }
    file.close();
    const auto spool = Spool::open(directory / "mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::invalid);
    EXPECT_FALSE(spool.error().remedy.empty());
}

TEST(SpoolFile, NoDirectoryIsAnError) {
    const auto spool = Spool::open("/nonexistent/spool/mail.db");
    ASSERT_FALSE(spool);
    EXPECT_EQ(spool.error().kind, Failure::unavailable);
    EXPECT_THAT(spool.error().what, HasSubstr("mail.db"));
}

TEST(SpoolFile, WhatWasCommittedIsThereAfterARestart) {
    const Directory directory;
    const std::string body = octets(300'000);
    {
        auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(keep(*spool, envelope(name(1)), body));
    }
    auto spool = Spool::open(directory / "mail.db");
    ASSERT_TRUE(spool) << spool.error().what;
    EXPECT_EQ(whole_body(SpoolReader::open(directory / "mail.db").value(), name(1)), body);
}

// A small disk at a directory, for this process alone.
class SmallDisk {
public:
    explicit SmallDisk(std::filesystem::path place) : place_(std::move(place)) {
        mounted_ = ::unshare(CLONE_NEWNS) == 0 &&
                   ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=20m") == 0;
    }
    ~SmallDisk() {
        if (mounted_) {
            ::umount2(place_.c_str(), MNT_DETACH);
        }
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    [[nodiscard]] bool mounted() const { return mounted_; }

    // Somebody else takes all that is left.
    void fill() const {
        std::ofstream filler(place_ / "filler", std::ios::app);
        const std::string block(4096, 'x');
        while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void empty() const { std::filesystem::remove(place_ / "filler"); }

private:
    std::filesystem::path place_;
    bool mounted_ = false;
};

// It fills up: what doesn't fit is refused, the rest is kept, and there is room again as soon as there is
// room.
TEST(SpoolFile, AFullDisk) {
    const Directory directory;
    const SmallDisk disk(directory.path());
    if (!disk.mounted()) {
        GTEST_SKIP() << "needs root, to mount a small file system";
    }
    Writer writer(Spool::open(directory / "mail.db").value(), post_here);
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    ASSERT_TRUE(wait_for(writer, keeping(envelope(name(0)), octets(100'000))));
    int kept = 0;
    Result<void> last;
    for (; kept < 100 && last; kept++) {
        last = wait_for(writer, keeping(envelope(name(100 + kept)), octets(1'000'000)));
    }
    ASSERT_FALSE(last) << "the disk is not full";
    EXPECT_GT(kept, 2);
    EXPECT_EQ(last.error().kind, Failure::unavailable);
    EXPECT_THAT(last.error().what, HasSubstr("MiB are left on the disk"));
    EXPECT_THAT(last.error().remedy, HasSubstr("space"));
    // What leaves finds room, all of it, and what was deferred, too.
    for (int i = 0; i < kept - 1; i++) {
        EXPECT_TRUE(wait_for(writer, [i](Spool& spool) { return spool.remove(name(100 + i)); })) << i;
        EXPECT_TRUE(wait_for(writer, [](Spool& spool) {
            return spool.hurry(WallTime{std::chrono::seconds(1)}, std::nullopt, std::nullopt);
        })) << i;
    }
    EXPECT_TRUE(wait_for(writer, keeping(envelope(name(99)), octets(1'000'000))));
    EXPECT_EQ(whole_body(reader, name(0)), octets(100'000));
}

// Others fill it in the middle of a batch: each piece of work is answered with the truth.
TEST(SpoolFile, ADiskThatOthersFill) {
    const Directory directory;
    const SmallDisk disk(directory.path());
    if (!disk.mounted()) {
        GTEST_SKIP() << "needs root, to mount a small file system";
    }
    Writer writer(Spool::open(directory / "mail.db").value(), post_here);
    const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
    // In one batch: the writer is busy with the first while the others queue up.
    std::promise<void> go;
    std::vector<std::promise<Result<void>>> results(6);
    const auto gate = std::make_shared<std::shared_future<void>>(go.get_future().share());
    for (std::size_t i = 0; i < results.size(); i++) {
        const std::string body = octets(i == 3 ? 3'000'000 : 5'000);
        const auto reading = [&disk, i, body](std::uint64_t offset, char* to, std::size_t size) {
            if (i == 3) {
                disk.fill();
            }
            return body_of(body)(offset, to, size);
        };
        writer.submit(
            [gate, i, size = body.size(), reading](Spool& spool) {
                gate->wait();
                return spool.add(envelope(name(static_cast<int>(i) + 1)), size, reading);
            },
            [&results, i, &disk](Result<void> result) {
                disk.empty();
                results[i].set_value(std::move(result));
            });
    }
    go.set_value();
    for (std::size_t i = 0; i < results.size(); i++) {
        const auto result = results[i].get_future().get();
        EXPECT_TRUE(i != 3 || !result);
        EXPECT_EQ(reader.message(name(static_cast<int>(i) + 1)).has_value(), result.has_value())
            << i << ": the answer is the truth";
    }
    EXPECT_TRUE(wait_for(writer, keeping(envelope(name(99)), octets(5'000)))) << "there is room again";
}

// Writes until it is killed, and tells each number that was committed.
[[noreturn]] void write_for_ever(const std::filesystem::path& file, int first, int tell) {
    Writer writer(Spool::open(file).value(), post_here);
    for (int i = first;; i++) {
        while (i - first > 2'000'000) {
            ::pause();
        }
        static std::atomic<int> under_way = 0;
        while (under_way > 20) {
            std::this_thread::yield();
        }
        under_way++;
        // Every seventh is large, so that the end comes in the middle of one, too.
        writer.submit(keeping(envelope(name(i)), octets(i % 7 == 0 ? 200'000 : 2'000)),
                      [i, tell](const Result<void>& result) {
                          under_way--;
                          if (result && ::write(tell, &i, sizeof i) != sizeof i) {
                              ::_exit(1);
                          }
                      });
    }
}

TEST(SpoolFile, KilledAtAnyMomentItLosesNothing) {
    const Directory directory;
    std::mt19937 random(20261124);
    int first = 0;
    std::size_t kept = 0;
    for (int round = 0; round < 12; round++) {
        std::array<int, 2> pipe{};
        ASSERT_EQ(::pipe(pipe.data()), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            write_for_ever(directory / "mail.db", first, pipe[1]);
        }
        ::close(pipe[1]);
        if (round % 2 != 0) {  // not before it has kept something, however slow the machine is
            pollfd said{.fd = pipe[0], .events = POLLIN, .revents = 0};
            ASSERT_EQ(::poll(&said, 1, 30'000), 1);
        }
        std::this_thread::sleep_for(
            std::chrono::milliseconds(std::uniform_int_distribution(20, 150)(random)));
        ::kill(child, SIGKILL);
        std::vector<int> told;
        for (int number = 0; ::read(pipe[0], &number, sizeof number) == sizeof number;) {
            told.push_back(number);
        }
        ::close(pipe[0]);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
        const auto spool = Spool::open(directory / "mail.db");
        ASSERT_TRUE(spool) << spool.error().what;
        const SpoolReader reader = SpoolReader::open(directory / "mail.db").value();
        for (const int number : told) {
            const auto queued = reader.message(name(number));
            ASSERT_TRUE(queued) << number << " was acknowledged";
            ASSERT_EQ(whole_body(reader, name(number)), octets(number % 7 == 0 ? 200'000 : 2'000));
        }
        kept += told.size();
        const auto all = reader.list(1'000'000).value();
        EXPECT_EQ(files_in(directory / "mail.db-bodies"),
                  static_cast<std::size_t>(std::ranges::count_if(
                      all, [](const Queued& queued) { return queued.size == 200'000; })))
            << "those of messages that never came to be are gone";
        for (const Queued& queued : all) {
            first = std::max(first, std::stoi(queued.envelope.id.substr(10)) - 100'000 + 1);
        }
    }
    EXPECT_GE(kept, 6U) << "hardly anything was written";
}

}  // namespace
}  // namespace sekisho::spool
