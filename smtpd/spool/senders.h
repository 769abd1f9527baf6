// SPDX-License-Identifier: Apache-2.0
// What users have sent, and who may send nothing: tables beside the mail, so that what is counted and what is
// kept are one commit. Names of users are compared without regard to the case of ASCII letters.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/database.h"
#include "agent/base/result.h"
#include "smtpd/message/envelope.h"

namespace sekisho::spool {

// Recipients to whom a user has sent, counted as often as they were sent to, in the last hour and the last
// day, which begin with a slot of ten minutes: what is older than 50 minutes, or than 23 hours and 50
// minutes, may be counted no more. New ones are those whom the user had not sent to in the 90 days before.
struct Sent {
    std::uint64_t hour = 0;
    std::uint64_t day = 0;
    std::uint64_t new_hour = 0;
    std::uint64_t new_day = 0;
    std::uint64_t addresses_day = 0;  // from which the user has sent
    std::uint64_t networks_day = 0;   // that these lie in: /16 of IPv4, /32 of IPv6
    std::uint64_t failed_day = 0;     // recipients who were refused for good, or given up
};

// What is new in a message.
struct Novelty {
    std::uint64_t recipients = 0;
    std::uint64_t addresses = 0;  // 1 where the user hasn't sent from this one in the last day
    std::uint64_t networks = 0;
};

// Who may send nothing.
struct Stop {
    std::string user;
    message::WallTime since{};
    std::string who;  // has said so
    std::string reason;
};

// A user who has sent something in the last day, or has been stopped.
struct Sender {
    std::string user;
    Sent sent;
    std::optional<Stop> stop;
};

class Senders {
public:
    // A Spool's, for all of it; a SpoolReader's only reads. The database outlives it. `interventions` are
    // counted where mail that waits is held or thrown away.
    explicit Senders(const Database& database, std::atomic<std::uint64_t>* interventions = nullptr)
        : database_(database), interventions_(interventions) {}

    [[nodiscard]] Result<Sent> sent(std::string_view user, message::WallTime now) const;
    // To how many of its recipients its user hasn't sent yet, who stand there twice counted once; and whether
    // it comes from somewhere else.
    [[nodiscard]] Result<Novelty> novelty(const message::Envelope& envelope, message::WallTime now) const;
    [[nodiscard]] Result<std::optional<Stop>> stop_of(std::string_view user) const;
    // Who has been stopped stands first, then who has sent to the most in the last day.
    [[nodiscard]] Result<std::vector<Sender>> list(message::WallTime now, std::size_t limit) const;
    // Messages that are held because their user has been stopped.
    [[nodiscard]] Result<std::uint64_t> held(std::string_view user) const;
    [[nodiscard]] Result<std::uint64_t> stopped() const;  // users

    // The user has sent it, to `fresh` new recipients.
    [[nodiscard]] Result<void> count(const message::Envelope& envelope, std::uint64_t fresh,
                                     message::WallTime now) const;
    // So many of the user's recipients were refused for good, or given up.
    [[nodiscard]] Result<void> count_failed(std::string_view user, std::uint64_t recipients,
                                            message::WallTime now) const;
    // The user may send nothing, and what waits of theirs is held.
    [[nodiscard]] Result<void> stop(const Stop& stop) const;
    // The user may send again, and is counted anew; what was held is due, or thrown away, except for what an
    // operator holds. Failure::not_found.
    enum class HeldMail : std::uint8_t { sent, discarded };
    [[nodiscard]] Result<void> resume(std::string_view user, HeldMail held, message::WallTime now) const;
    // Removes what is too old to be counted: a part of it each time, all of it where it is called each minute
    // for a day.
    [[nodiscard]] Result<void> forget(message::WallTime now) const;

private:
    [[nodiscard]] Result<std::uint64_t> strangers(std::string_view user,
                                                  const std::vector<message::Recipient>& recipients) const;
    [[nodiscard]] Result<void> count_anew(const std::string& name) const;
    [[nodiscard]] Result<void> add_origins(Sent& sent, std::string_view user, message::WallTime now) const;

    void intervene() const;

    const Database& database_;
    std::atomic<std::uint64_t>* interventions_;
};

}  // namespace sekisho::spool
