// SPDX-License-Identifier: Apache-2.0
// What becomes of recipients after an attempt, in a real spool: nobody is told twice, nothing is sent twice,
// and nothing waits forever.
#include "smtpd/settlement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/spool/messages.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;
using delivery::Fate;
using delivery::Outcome;
using message::WallTime;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr WallTime noon = spool::noon;
constexpr const char* id = "a000000000000000";
constexpr const char* notice_id = "z000000000000000";
const std::string body = "Subject: x\r\n\r\nHello\r\n";

Outcome delivered() {
    return {.fate = Fate::delivered,
            .host = "mx.example.com[192.0.2.25]:25",
            .text = "250 2.0.0 kept",
            .status = "2.0.0",
            .tls = {}};
}
Outcome deferred() {
    return {.fate = Fate::deferred,
            .host = "mx.example.com[192.0.2.25]:25",
            .text = "451 4.7.1 later",
            .status = "4.7.1",
            .tls = {}};
}
Outcome failed() {
    return {.fate = Fate::failed,
            .host = "mx.example.com[192.0.2.25]:25",
            .text = "550 5.1.1 unknown",
            .status = "5.1.1",
            .tls = {}};
}

class SettlementTest : public testing::Test {
protected:
    void keep(const std::vector<message::Recipient>& recipients,
              const std::string& sender = "anna@example.net") {
        auto envelope = spool::envelope(id, recipients);
        envelope.sender = sender;
        ASSERT_TRUE(spool::keep(spool_, envelope, body));
    }

    // An attempt to deliver all that is due of one message.
    Settlement attempt(const std::vector<Outcome>& outcomes, WallTime now, const char* message = id) {
        const auto queued = reader_.message(message).value();
        auto due = reader_.due(now, 100).value();
        std::erase_if(due, [message](const spool::Waiting& each) { return each.id != message; });
        EXPECT_EQ(due.size(), outcomes.size());
        Settlement settlement = settle(config_, queued.envelope.user, queued.envelope.received, due, outcomes,
                                       now, [] { return 0.0; });
        notice_ =
            notice_of(queued.envelope, settlement, {.octets = body}, "mail.example.net", notice_id, now);
        EXPECT_TRUE(
            spool::commit(spool_, [&](spool::Spool& in) { return write_down(in, settlement, notice_); }));
        return settlement;
    }

    [[nodiscard]] std::vector<std::string> due(WallTime now) const {
        return spool::addresses(reader_.due(now, 100).value());
    }

    RelayConfig config_;
    spool::Directory directory_;
    spool::Spool spool_ = spool::Spool::open(directory_ / "mail.db").value();
    spool::SpoolReader reader_ = spool::SpoolReader::open(directory_ / "mail.db").value();
    std::optional<Notice> notice_;
};

TEST_F(SettlementTest, WhatHasArrivedLeavesTheSpool) {
    keep({"x@example.com", "y@example.com"});
    const Settlement settlement = attempt({delivered(), delivered()}, noon);
    EXPECT_THAT(settlement.fates, ElementsAre(Fate::delivered, Fate::delivered));
    EXPECT_FALSE(notice_);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, WhatHasArrivedIsNotSentAgain) {
    keep({"x@example.com", "y@example.com"});
    attempt({delivered(), deferred()}, noon);
    EXPECT_THAT(due(noon + 300s), ElementsAre("y@example.com"));
    EXPECT_THAT(reader_.message(id)->envelope.recipients, ElementsAre("y@example.com"));
    attempt({delivered()}, noon + 300s);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, OneNoticeNamesAllWhoFailed) {
    keep({"x@example.com", "y@example.com", "z@example.com"});
    const Settlement settlement = attempt({failed(), delivered(), failed()}, noon);
    EXPECT_THAT(settlement.fates, ElementsAre(Fate::failed, Fate::delivered, Fate::failed));
    ASSERT_TRUE(notice_);
    EXPECT_EQ(notice_->envelope.sender, "");
    EXPECT_THAT(notice_->envelope.recipients, ElementsAre("anna@example.net"));
    EXPECT_EQ(notice_->envelope.id, notice_id);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Final-Recipient: rfc822; x@example.com\r\n"),
                                     HasSubstr("Final-Recipient: rfc822; z@example.com\r\n"),
                                     Not(HasSubstr("y@example.com")), HasSubstr("Status: 5.1.1\r\n"),
                                     HasSubstr("Remote-MTA: dns; mx.example.com\r\n"),
                                     HasSubstr("Diagnostic-Code: smtp; 550 5.1.1 unknown\r\n"),
                                     HasSubstr("\r\n\r\nSubject: x\r\n")));
    EXPECT_THAT(due(noon), ElementsAre("anna@example.net")) << "the notice goes out at once";
    EXPECT_EQ(reader_.body(notice_id, 0, 100'000).value(), notice_->text);
    EXPECT_FALSE(reader_.message(id));
}

TEST_F(SettlementTest, ADelayIsToldOnceToThoseWhoWantToKnow) {
    config_.warn_after = 1h;
    config_.give_up = 48h;
    const auto with = [](const char* address, std::string_view notify) {
        message::Recipient recipient(address);
        recipient.notify = message::parse_notify(notify).value();
        return recipient;
    };
    keep({with("w@example.com", "NEVER"), message::Recipient("x@example.com"), with("y@example.com", "DELAY"),
          with("z@example.com", "SUCCESS,FAILURE")});
    const std::vector<Outcome> later(4, deferred());
    attempt(later, noon + 1h - 1s);
    EXPECT_FALSE(notice_) << "not yet";
    attempt(later, noon + 4h);
    ASSERT_TRUE(notice_);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Subject: Delayed mail"), HasSubstr("x@example.com"),
                                     HasSubstr("Final-Recipient: rfc822; y@example.com\r\nAction: delayed\r\n"
                                               "Status: 4.7.1\r\n"),
                                     HasSubstr("Will-Retry-Until: "), Not(HasSubstr("w@example.com")),
                                     Not(HasSubstr("z@example.com"))));
    EXPECT_THAT(reader_.message(id)->envelope.recipients, testing::SizeIs(4)) << "all are tried on";
    ASSERT_TRUE(spool::commit(spool_, [](spool::Spool& in) { return in.remove(notice_id); }));
    attempt(later, noon + 9h);
    EXPECT_FALSE(notice_) << "once";
    attempt({failed(), failed(), failed(), failed()}, noon + 14h);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Action: failed"), HasSubstr("x@example.com"),
                                     Not(HasSubstr("y@example.com")), HasSubstr("z@example.com")));
}

// Who may never have sent it.
TEST_F(SettlementTest, StrangersAreToldOfADelayOnlyWhereTheyWantIt) {
    config_.warn_after = 1h;
    message::Recipient wanting("y@example.com");
    wanting.notify.delay = true;
    auto envelope = spool::envelope(id, {message::Recipient("x@example.com"), wanting});
    envelope.user.clear();
    ASSERT_TRUE(spool::keep(spool_, envelope, body));
    attempt({deferred(), deferred()}, noon + 4h);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("y@example.com"), Not(HasSubstr("x@example.com"))));
}

TEST_F(SettlementTest, NoDelayIsToldWhereItIsSwitchedOff) {
    config_.give_up = 48h;
    config_.warn_after = 48h;
    keep({"x@example.com"});
    attempt({deferred()}, noon + 47h);
    EXPECT_FALSE(notice_);
    attempt({deferred()}, noon + 48h);
    EXPECT_THAT(notice_->text, HasSubstr("Action: failed"));
}

TEST_F(SettlementTest, ANoticeThatFailsMakesNoOther) {
    keep({"x@example.com"}, "");
    const Settlement settlement = attempt({failed()}, noon);
    EXPECT_EQ(settlement.reported.size(), 1U);
    EXPECT_FALSE(notice_);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, ANoticeOfANoticeIsNeverMade) {
    keep({"x@example.com"});
    attempt({failed()}, noon);
    attempt({failed()}, noon, notice_id);
    EXPECT_FALSE(notice_);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, WhatIsPutOffWaitsLongerEachTime) {
    keep({"x@example.com"});
    WallTime now = noon;
    std::chrono::seconds last = 0s;
    for (std::size_t attempts = 1; attempts <= 8; attempts++) {
        const Settlement settlement = attempt({deferred()}, now);
        EXPECT_THAT(settlement.finished, IsEmpty());
        EXPECT_FALSE(notice_);
        const auto queued = reader_.message(id).value();
        const spool::Waiting& waiting = queued.waiting.at(0);
        EXPECT_EQ(waiting.attempts, attempts);
        EXPECT_EQ(waiting.last_error, "mx.example.com[192.0.2.25]:25: 451 4.7.1 later");
        EXPECT_GT(waiting.next - now, last);
        EXPECT_THAT(due(waiting.next - 1s), IsEmpty());
        last = waiting.next - now;
        now = waiting.next;
    }
}

TEST_F(SettlementTest, ItIsTriedUntilItIsTooOldAndThenTheSenderIsTold) {
    config_.warn_after = config_.give_up;
    keep({"x@example.com"});
    WallTime now = noon;
    std::size_t attempts = 0;
    while (!notice_ && attempts < 1000) {
        attempt({deferred()}, now);
        attempts++;
        const auto next = reader_.due(noon + 1000h, 1).value();
        now = next.at(0).next;
    }
    EXPECT_EQ(now, noon + config_.give_up) << "one attempt is made at the very end";
    EXPECT_LT(attempts, 60U);
    ASSERT_TRUE(notice_);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Status: 5.4.7\r\n"),
                                     HasSubstr("Diagnostic-Code: smtp; 451 4.7.1 later\r\n")));
    EXPECT_FALSE(reader_.message(id));
}

TEST_F(SettlementTest, TooOldAndFailedInOneNotice) {
    keep({"x@example.com", "y@example.com"});
    const Settlement settlement = attempt({deferred(), failed()}, noon + config_.give_up);
    EXPECT_THAT(settlement.fates, ElementsAre(Fate::failed, Fate::failed));
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Status: 5.4.7\r\n"), HasSubstr("Status: 5.1.1\r\n")));
}

TEST_F(SettlementTest, WhatNobodyHasRepliedIsNoReply) {
    keep({"x@example.com"});
    attempt({{.fate = Fate::failed,
              .host = "",
              .text = "example.com takes no mail (null MX)",
              .status = "5.1.10",
              .tls = {}}},
            noon);
    EXPECT_THAT(notice_->text,
                HasSubstr("Diagnostic-Code: x-sekisho; example.com takes no mail (null MX)\r\n"));
    EXPECT_THAT(notice_->text, Not(HasSubstr("Remote-MTA")));
}

// A header may have octets over 127 whatever the client has said of the body.
TEST_F(SettlementTest, ANoticeWithEightBitsSaysSo) {
    auto original = spool::envelope(id);
    original.eight_bit = false;
    Settlement settlement;
    settlement.reported = {
        {.address = "x@example.com", .status = "5.1.1", .diagnostic = "550 x", .host = {}}};
    EXPECT_TRUE(notice_of(original, settlement, {.octets = "Subject: \xc3\xa9\r\n\r\n"}, "mail.example.net",
                          notice_id, noon)
                    ->envelope.eight_bit);
    original.eight_bit = true;
    EXPECT_FALSE(notice_of(original, settlement, {.octets = "Subject: e\r\n\r\n\xc3\xa9"}, "mail.example.net",
                           notice_id, noon)
                     ->envelope.eight_bit);
}

message::Recipient with_notify(const char* address, message::Notify notify) {
    message::Recipient recipient(address);
    recipient.notify = notify;
    return recipient;
}

TEST_F(SettlementTest, AFailureIsToldToThoseWhoWantIt) {
    auto original = with_notify("z@example.com", {.failure = true, .delay = true});
    original.original = "rfc822;zoe@example.org";
    keep({with_notify("w@example.com", {.never = true}), with_notify("x@example.com", {.success = true}),
          original});
    const Settlement settlement = attempt({failed(), failed(), failed()}, noon);
    EXPECT_EQ(settlement.finished.size(), 3U);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Final-Recipient: rfc822; z@example.com\r\n"),
                                     HasSubstr("Original-Recipient: rfc822; zoe@example.org\r\n"),
                                     Not(HasSubstr("w@example.com")), Not(HasSubstr("x@example.com"))));
    EXPECT_FALSE(reader_.message(id));
}

TEST_F(SettlementTest, WhoWantsNoNoticeGetsNone) {
    keep({with_notify("x@example.com", {.never = true})});
    attempt({failed()}, noon);
    EXPECT_FALSE(notice_);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, ASuccessIsToldWhereTheNextHostDoesntDoIt) {
    const auto all = {with_notify("x@example.com", {.success = true}), message::Recipient("y@example.com"),
                      with_notify("z@example.com", {.failure = true})};
    keep(all);
    attempt({delivered(), delivered(), delivered()}, noon);
    ASSERT_TRUE(notice_);
    EXPECT_THAT(notice_->text,
                AllOf(HasSubstr("Final-Recipient: rfc822; x@example.com\r\nAction: relayed\r\n"),
                      Not(HasSubstr("y@example.com")), Not(HasSubstr("z@example.com"))));
}

TEST_F(SettlementTest, ASuccessIsNotToldTwice) {
    keep({with_notify("x@example.com", {.success = true})});
    Outcome outcome = delivered();
    outcome.dsn = true;
    attempt({outcome}, noon);
    EXPECT_FALSE(notice_);
    EXPECT_EQ(reader_.count().value(), 0U);
}

TEST_F(SettlementTest, OnlyFailuresBringTheMessageBack) {
    auto original = spool::envelope(id);
    Settlement settlement;
    settlement.reported = {
        {.address = "x@example.com", .status = "5.1.1", .diagnostic = "550 x", .host = {}}};
    EXPECT_FALSE(returns_whole(original, settlement, 1000));
    original.returned = message::Return::headers;
    EXPECT_FALSE(returns_whole(original, settlement, 1000));
    original.returned = message::Return::full;
    EXPECT_TRUE(returns_whole(original, settlement, 1000));
    EXPECT_TRUE(returns_whole(original, settlement, 1U << 20U));
    EXPECT_FALSE(returns_whole(original, settlement, (1U << 20U) + 1)) << "too large";
    settlement.reported[0].action = message::ReportedRecipient::Action::relayed;
    EXPECT_FALSE(returns_whole(original, settlement, 1000));
}

// An operator has deleted the message while it was on its way.
TEST_F(SettlementTest, WhatWasDeletedMeanwhileStaysSo) {
    keep({"x@example.com"});
    const auto group = reader_.due(noon, 10).value();
    ASSERT_TRUE(spool::commit(spool_, [](spool::Spool& in) { return in.remove(id); }));
    for (const Outcome& outcome : {deferred(), delivered()}) {
        const Settlement settlement =
            settle(config_, "anna", noon, group, {outcome}, noon, [] { return 0.5; });
        EXPECT_TRUE(spool::commit(
            spool_, [&](spool::Spool& in) { return write_down(in, settlement, std::nullopt); }));
        EXPECT_EQ(reader_.count().value(), 0U);
    }
}

// RFC 3461, 6.2, for what an LMTP server has taken; where it listens is nobody's business.
TEST_F(SettlementTest, WhatIsInTheMailboxIsDeliveredAndNotPassedOn) {
    message::Recipient wants("x@example.com");
    wants.notify = message::parse_notify("SUCCESS").value();
    keep({wants});
    Outcome there = delivered();
    there.mailbox = true;
    there.host = "/run/dovecot/lmtp";
    attempt({there}, noon);
    ASSERT_TRUE(notice_);
    EXPECT_THAT(notice_->text, AllOf(HasSubstr("Action: delivered\r\n"), Not(HasSubstr("/run/dovecot"))));
}

}  // namespace
}  // namespace sekisho
