// SPDX-License-Identifier: Apache-2.0
// Messages accepted and not yet delivered, in one SQLite database (WAL, synchronous=FULL). What is committed
// here is on the disk. Blocking; one thread at a time (writer.h puts it onto one and lets many messages share
// a commit).
#pragma once

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

#include "agent/base/result.h"
#include "smtpd/message/envelope.h"

namespace sekisho::spool {

using message::Envelope;
using message::WallTime;

// One recipient of one message, on the way.
struct Delivery {
    std::int64_t recipient = 0;  // its number in the spool
    std::string id;              // of the message
    std::string address;
    std::string sender;
    std::string user;
    bool eight_bit = false;
    WallTime received{};
    std::size_t attempts = 0;
    WallTime next{};  // not before
    std::string last_error;
};

// What became of an attempt.
struct Delivered {
    std::int64_t recipient = 0;
};
struct Deferred {
    std::int64_t recipient = 0;
    WallTime next{};
    std::string error;  // "connect to mx.example.com[192.0.2.1]:25: Connection refused"
};
// Given up: goes with its message, together with the notice for the sender, if there is one, in one
// transaction.
struct Failed {
    std::int64_t recipient = 0;
    std::string error;
};

// For `sekisho queue`.
struct QueueEntry {
    Envelope envelope;  // recipients: those still waiting
    std::uint64_t size = 0;
    std::vector<Delivery> waiting;
};

// Reads up to `size` octets of a body from `offset` into `to`; the number read, or an error.
using BodyReader = std::function<Result<std::size_t>(std::uint64_t offset, char* to, std::size_t size)>;

class Spool {
public:
    // Opens or creates it, file mode 0600, its directory must exist. Failure::conflict if another process
    // writes to it; Failure::unavailable for a newer schema, a damaged file, a lack of rights or space.
    [[nodiscard]] static Result<Spool> open(const std::filesystem::path& file);
    Spool(Spool&&) noexcept;
    Spool& operator=(Spool&&) noexcept;
    ~Spool();

    // Everything between these is one commit.
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> commit();
    void roll_back();
    // The same inside, for one message among many: what fails after `mark` is undone without the others.
    [[nodiscard]] Result<void> mark();
    void roll_back_to_mark();

    // Keeps a message of `size` octets. Failure::unavailable with remedy where the disk is full;
    // Failure::conflict if the id is taken.
    [[nodiscard]] Result<void> add(const Envelope& envelope, std::uint64_t size, const BodyReader& body);
    [[nodiscard]] Result<void> delivered(const Delivered& result);  // a message without recipients is removed
    [[nodiscard]] Result<void> deferred(const Deferred& result);
    [[nodiscard]] Result<void> failed(const Failed& result);
    // Removes a whole message. Failure::not_found.
    [[nodiscard]] Result<void> remove(std::string_view id);
    // Makes recipients due at `now`: all, those of one domain, or of one message. How many.
    [[nodiscard]] Result<std::size_t> hurry(WallTime now, const std::optional<std::string>& domain,
                                            const std::optional<std::string>& id);

    // Recipients that are due, the longest waiting first, at most `limit` of them; without those in `busy`.
    [[nodiscard]] Result<std::vector<Delivery>> due(WallTime now, std::size_t limit) const;
    // When the next will be due, if any waits.
    [[nodiscard]] Result<std::optional<WallTime>> next_due() const;
    [[nodiscard]] Result<std::uint64_t> body_size(std::string_view id) const;
    [[nodiscard]] Result<std::size_t> read_body(std::string_view id, std::uint64_t offset, char* to,
                                                std::size_t size) const;
    [[nodiscard]] Result<std::vector<QueueEntry>> list(std::size_t limit) const;
    [[nodiscard]] Result<QueueEntry> show(std::string_view id) const;  // Failure::not_found
    struct Size {
        std::uint64_t messages = 0;
        std::uint64_t recipients = 0;
    };
    [[nodiscard]] Result<Size> size() const;

private:
    struct Database;
    explicit Spool(std::unique_ptr<Database> database);
    std::unique_ptr<Database> database_;
};

}  // namespace sekisho::spool
