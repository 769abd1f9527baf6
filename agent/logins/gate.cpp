// SPDX-License-Identifier: Apache-2.0
// Asks the list, then the counts, and tells the log.
#include "agent/logins/gate.h"

#include <chrono>
#include <utility>

#include "agent/base/time_text.h"

namespace sekisho::logins {

namespace {

Moment this_moment() {
    return std::chrono::steady_clock::now();
}

// Whom it is about, for the log.
std::string described(const Attempt& attempt) {
    return (attempt.user.empty() ? "nobody" : attempt.user) + " from " +
           (attempt.address ? attempt.address->text() : "an unknown address") + " by " +
           (attempt.protocol.empty() ? "an unknown protocol" : attempt.protocol);
}

std::string described(const Lockout& lockout) {
    return std::string(to_string(lockout.kind)) + " " + lockout.lock.who;
}

std::chrono::seconds left_of(const Lockout& lockout) {
    return std::chrono::ceil<std::chrono::seconds>(lockout.lock.until - this_moment());
}

}  // namespace

Gate::Gate(const std::optional<TriesConfig>& tries, const std::vector<AccessConfig>& access,
           bool asks_dovecot, OnDecision on_decision)
    : access_(access),
      told_twice_(asks_dovecot ? std::optional<ToldTwice>(std::in_place) : std::nullopt),
      on_decision_(std::move(on_decision)) {
    if (tries) {
        tries_.emplace(*tries);
    }
}

void Gate::tell(std::string_view name, const std::string& text, const Attempt& attempt,
                std::string_view reporter) {
    quiet_.warning(name, text, described(attempt));
    if (on_decision_) {
        on_decision_(name, text, attempt, reporter);
    }
}

// Who is turned away tries again and again, and an attack comes from everywhere.
void Gate::tell_of_one_turned_away(std::string_view name, const std::string& text, const Attempt& attempt,
                                   std::string_view reporter) {
    const std::string who = described(attempt);
    if (!turned_away_.is_new(std::string(name) + who, this_moment())) {
        quiet_.warning(name, text, who);
        return;
    }
    tell(name, text, attempt, reporter);
}

Gate::Answer Gate::ask(const Attempt& attempt, Password password, std::string_view reporter) {
    Answer answer;
    const Access access = access_.judge(attempt);
    if (access == Access::denied) {
        counts_.denied++;
        tell_of_one_turned_away("LOGIN_DENIED", "the access list denies a login at " + std::string(reporter),
                                attempt, reporter);
        answer = {.status = -1, .message = "Logins of this kind are not allowed here"};
    } else if (access == Access::open && tries_ && attempt.address) {
        answer = answer_to(attempt, tries_->judge(*attempt.address, attempt.user, this_moment()), reporter);
    }
    if (password == Password::right) {
        if (answer.refuses() && told_twice_) {
            // Dovecot has no other word for it than for a wrong one, and the submission server passes it on.
            static_cast<void>(told_twice_->is_repeated(attempt, false, this_moment()));
        }
        return {.status = answer.refuses() ? -1 : 0, .message = {}};
    }
    return answer;
}

Gate::Answer Gate::answer_to(const Attempt& attempt, Judgement judgement, std::string_view reporter) {
    if (judgement.verdict == Judgement::Verdict::pass) {
        return {};
    }
    const bool refused = judgement.verdict == Judgement::Verdict::refuse;
    (refused ? counts_.refused : counts_.delayed)++;
    const std::string until = duration_text(left_of(*judgement.lockout));
    tell_of_one_turned_away("LOGIN_LOCKED",
                            std::string(refused ? "refused" : "delayed") + " a login at " +
                                std::string(reporter) + ": " + described(*judgement.lockout) +
                                " is locked for another " + until,
                            attempt, reporter);
    if (refused) {
        return {.status = -1, .message = "Too many logins have failed; try again in " + until};
    }
    return {.status = static_cast<int>(judgement.wait.count()), .message = "Too many logins have failed"};
}

bool Gate::locks(const Attempt& attempt, std::string_view reporter) {
    if (!tries_ || !attempt.address || access_.judge(attempt) == Access::allowed) {
        return false;
    }
    Judgement judgement = tries_->judge(*attempt.address, attempt.user, this_moment(), attempt.also);
    // A tarpit lets the right password in, and the wrong one has had its delay.
    return judgement.verdict == Judgement::Verdict::refuse &&
           answer_to(attempt, std::move(judgement), reporter).refuses();
}

bool Gate::was_not_asked(const Attempt& attempt) {
    return tries_ && attempt.address && access_.judge(attempt) == Access::open &&
           tries_->has_long_refused(*attempt.address, this_moment());
}

void Gate::failed(const Attempt& attempt, std::string_view reporter) {
    if (!tries_ || !attempt.address) {
        return;
    }
    const Moment now = this_moment();
    const bool repeated =
        told_twice_ && told_twice_->is_repeated(attempt, reporter == submission_reporter, now);
    counts_.failed += repeated ? 0U : 1U;
    for (const Lockout& begun : repeated
                                    ? tries_->failed_as(*attempt.address, attempt.also, now)
                                    : tries_->failed(*attempt.address, attempt.user, now, attempt.also)) {
        tell("LOCKOUT_BEGAN",
             described(begun) + " has failed " + std::to_string(begun.lock.tries) +
                 " times and is locked for " + duration_text(left_of(begun)) + "; last at " +
                 std::string(reporter),
             attempt, reporter);
    }
}

void Gate::succeeded(const Attempt& attempt) {
    if (tries_ && attempt.address) {
        tries_->succeeded(*attempt.address, attempt.user, this_moment(), attempt.also);
    }
}

std::vector<Lockout> Gate::lockouts() const {
    return tries_ ? tries_->lockouts(this_moment()) : std::vector<Lockout>();
}

std::size_t Gate::locked_count(Counted kind) const {
    return tries_ ? tries_->locked_count(kind, this_moment()) : 0;
}

Result<void> Gate::remove(const std::string& who) {
    if (!tries_) {
        return fail(Failure::not_found, "nobody is ever locked here: failed tries are not counted",
                    "see [login.tries] in sekisho.toml(5)");
    }
    return tries_->remove(who, this_moment());
}

}  // namespace sekisho::logins
