// SPDX-License-Identifier: Apache-2.0
// Whether a login may go on: the access list and the failed tries, for all listeners together.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "agent/base/told_lately.h"
#include "agent/logins/access_list.h"
#include "agent/logins/failed_tries.h"
#include "agent/logins/told_twice.h"

namespace sekisho::logins {

// What logs, counters and grants call sekisho-smtpd.
inline constexpr std::string_view submission_reporter = "submission";

// Whether the password has been looked at when somebody asks.
enum class Password : std::uint8_t { unknown, right };

class Gate {
public:
    // What is told to Dovecot: -1 refuses, 0 lets it go on, n lets it wait for n seconds and go on.
    struct Answer {
        int status = 0;
        std::string message;  // which Dovecot shows to the client where it refuses
        [[nodiscard]] bool refuses() const { return status < 0; }
    };

    struct Counts {
        std::uint64_t failed = 0;   // tries
        std::uint64_t denied = 0;   // by the access list
        std::uint64_t refused = 0;  // for failed tries
        std::uint64_t delayed = 0;
    };

    // Called for the audit log: the name, what was decided, about whom, and who asked. For each lockout that
    // begins; for those who are turned away once a minute each, and for some of many at once.
    using OnDecision = std::function<void(std::string_view name, const std::string& text,
                                          const Attempt& attempt, std::string_view reporter)>;

    // Without `tries` nothing is counted. `asks_dovecot`: the submission server asks a Dovecot, which may
    // tell of its tries, too.
    Gate(const std::optional<TriesConfig>& tries, const std::vector<AccessConfig>& access, bool asks_dovecot,
         OnDecision on_decision = {});

    // Judges a login that `reporter` asks about. Once the password is known to be right there is nothing to
    // wait for, and a refusal says nothing: else its words would tell a guesser that he has guessed right.
    [[nodiscard]] Answer ask(const Attempt& attempt, Password password, std::string_view reporter);
    // Whether whoever tells of a try of its own client, a right or a wrong one, has to refuse it for what has
    // failed before. Denials of the access list are Dovecot's; whom it exempts from locks is exempt here,
    // too.
    [[nodiscard]] bool locks(const Attempt& attempt, std::string_view reporter);
    // Whether a try of which it is told now should have been refused long before: who tells it did not ask.
    [[nodiscard]] bool was_not_asked(const Attempt& attempt);
    // A try that failed, and a login that didn't. Without an address nothing is counted, and once what both
    // the submission server and its Dovecot tell of, but for names that only one of them tells.
    void failed(const Attempt& attempt, std::string_view reporter);
    void succeeded(const Attempt& attempt);

    [[nodiscard]] const Counts& counts() const { return counts_; }
    // Those of FailedTries, as of now.
    [[nodiscard]] std::vector<Lockout> lockouts() const;
    [[nodiscard]] std::size_t locked_count(Counted kind) const;
    Result<void> remove(const std::string& who);

private:
    void tell(std::string_view name, const std::string& text, const Attempt& attempt,
              std::string_view reporter);
    void tell_of_one_turned_away(std::string_view name, const std::string& text, const Attempt& attempt,
                                 std::string_view reporter);
    [[nodiscard]] Answer answer_to(const Attempt& attempt, Judgement judgement, std::string_view reporter);

    AccessList access_;
    std::optional<FailedTries> tries_;
    std::optional<ToldTwice> told_twice_;
    Counts counts_;
    OnDecision on_decision_;
    log::Quiet quiet_{"logins"};
    ToldLately turned_away_{std::chrono::minutes(1), 1'000};
};

}  // namespace sekisho::logins
