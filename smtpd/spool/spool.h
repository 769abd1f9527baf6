// SPDX-License-Identifier: Apache-2.0
// Messages accepted and not yet delivered, in one SQLite database (WAL, synchronous=FULL), large bodies in
// files beside it: what is committed is on the disk. Blocking. One Spool writes, on one thread (writer.h lets
// many messages share a commit); SpoolReaders look on from others.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/database.h"
#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "smtpd/message/envelope.h"
#include "smtpd/spool/body_files.h"
#include "smtpd/spool/disk.h"
#include "smtpd/spool/senders.h"

namespace sekisho::spool {

using message::Envelope;
using message::WallTime;

// One recipient of one message, on the way.
struct Waiting {
    std::int64_t recipient = 0;  // its number in the spool
    std::string id;              // of the message
    std::string address;
    std::string domain;  // behind its @, in small letters
    std::size_t attempts = 0;
    WallTime next{};  // not before
    std::string last_error;
    message::Notify notify;
    std::string original;  // as in message::Recipient
    bool warned = false;   // its sender has been told that it is late

    // As it stands in an envelope.
    [[nodiscard]] message::Recipient as_recipient() const;
};

// A message that waits.
struct Queued {
    Envelope envelope;  // recipients: those who still wait
    std::uint64_t size = 0;
    bool held = false;          // by an operator: nobody is tried before it is released
    bool user_stopped = false;  // nor before its user may send again
    // Since when it has been tried: when it was accepted, or let go after it was held.
    WallTime since{};
    std::vector<Waiting> waiting;
};

// Reads `size` octets of a body from `offset` into `to`, all of them or an error.
using BodyReader = std::function<Result<void>(std::uint64_t offset, char* to, std::size_t size)>;

class Spool {
public:
    // Opens or creates it, mode 0600. Failure::conflict if another process writes to it, or if it is another
    // program's; Failure::invalid for a file of a newer version or a damaged one; Failure::unavailable for a
    // lack of rights or space.
    [[nodiscard]] static Result<Spool> open(const std::filesystem::path& file);

    // Everything between these is one commit.
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> commit();
    // Nothing where there is nothing to undo.
    void roll_back();
    // After a failure for lack of room: gives back what the log had taken.
    void shrink();
    // Octets of messages, since begin().
    [[nodiscard]] std::uint64_t taken() const { return taken_; }
    // A full disk may end a transaction by itself; then nothing of it is there.
    [[nodiscard]] bool in_transaction() const { return !database_.idle(); }
    // Runs one of many pieces of work inside. If it fails and has changed nothing, the others don't feel it;
    // if it has, the transaction ends, and nothing of it is there. (A savepoint would spare the others that,
    // but copies every page that a piece of work touches.)
    [[nodiscard]] Result<void> one(const std::function<Result<void>(Spool&)>& work);
    // How often something was done to messages that wait other than trying to deliver them: they were held or
    // removed, or their user was stopped. To be read on any thread, as long as anybody has it.
    using Interventions = std::shared_ptr<const std::atomic<std::uint64_t>>;
    [[nodiscard]] Interventions interventions() const { return interventions_; }

    // Keeps a message of `size` octets, due at once. Failure::unavailable where the disk is full, or so
    // nearly that what leaves the spool could not be written down any more.
    [[nodiscard]] Result<void> add(const Envelope& envelope, std::uint64_t size, const BodyReader& body);
    // The recipient's message has arrived, or was given up: a message without recipients is removed.
    [[nodiscard]] Result<void> finish(std::int64_t recipient);
    // Another attempt was made, and failed for now. `warned`: the sender is told of it, in the same commit.
    [[nodiscard]] Result<void> defer(std::int64_t recipient, WallTime next, std::string_view error,
                                     bool warned = false);
    // Removes a whole message. Failure::not_found.
    [[nodiscard]] Result<void> remove(std::string_view id);
    // Whatever is under way to its recipients arrives; then nobody is tried until it is released.
    // Failure::not_found.
    [[nodiscard]] Result<void> hold(std::string_view id);
    // Makes its recipients due at `now`, unless its user has been stopped. Nothing where it isn't held.
    // Failure::not_found.
    [[nodiscard]] Result<void> release(std::string_view id, WallTime now);
    // What users have sent, and who may not, written down in the same commit as their mail.
    [[nodiscard]] Senders senders() { return Senders(database_, interventions_.get()); }
    // Makes recipients due at `now`: all, those of one domain, or of one message; but nobody's who is held.
    [[nodiscard]] Result<void> hurry(WallTime now, const std::optional<std::string>& domain,
                                     const std::optional<std::string>& id);

private:
    Spool(std::filesystem::path file, Descriptor lock, BodyFiles files, Database database,
          std::int64_t page_size);
    [[nodiscard]] Result<std::vector<std::string>> take_gone() const;
    void remove_written(std::size_t from);
    void keep_log();
    [[nodiscard]] Result<void> room_for(std::uint64_t size);
    [[nodiscard]] Result<void> add_recipients(const Envelope& envelope, std::int64_t message) const;
    [[nodiscard]] Result<void> remove_if_done(std::int64_t message);

    std::filesystem::path file_;
    Descriptor lock_;
    BodyFiles files_;
    Database database_;
    std::int64_t page_size_;
    std::uint64_t added_ = 0;           // octets of bodies in the database, since begin()
    std::uint64_t taken_ = 0;           // octets of all bodies, since begin()
    std::vector<std::string> written_;  // messages with files, since begin()
    std::optional<Room> room_;          // for what is added, since begin() and the last file
    std::shared_ptr<std::atomic<std::uint64_t>> interventions_ =
        std::make_shared<std::atomic<std::uint64_t>>(0);
};

class SpoolReader {
public:
    // Of a file that a Spool has opened before.
    [[nodiscard]] static Result<SpoolReader> open(const std::filesystem::path& file);

    // Recipients that are due, the longest waiting first, those of one second by domain (so the index has
    // them); all but those of some domains, or those of some domains only.
    enum class Pick : std::uint8_t { without, only };
    [[nodiscard]] Result<std::vector<Waiting>> due(WallTime now, std::size_t limit,
                                                   const std::vector<std::string>& domains = {},
                                                   Pick pick = Pick::without) const;
    // When the next will be due, after `now`, if any waits.
    [[nodiscard]] Result<std::optional<WallTime>> next_due(WallTime now) const;
    // Failure::not_found if it is gone.
    [[nodiscard]] Result<Queued> message(std::string_view id) const;
    // The oldest first.
    [[nodiscard]] Result<std::vector<Queued>> list(std::size_t limit) const;
    [[nodiscard]] Result<std::uint64_t> count() const;
    // To be read only.
    [[nodiscard]] Senders senders() const { return Senders(database_); }
    // A part of a body; less than `size` at its end. Failure::not_found if the message is gone.
    [[nodiscard]] Result<std::string> body(std::string_view id, std::uint64_t offset, std::size_t size) const;

private:
    [[nodiscard]] Result<std::string> pieces(std::int64_t message, std::uint64_t offset,
                                             std::size_t size) const;
    SpoolReader(Database database, BodyFiles files)
        : database_(std::move(database)), files_(std::move(files)) {}
    Database database_;
    BodyFiles files_;
};

}  // namespace sekisho::spool
