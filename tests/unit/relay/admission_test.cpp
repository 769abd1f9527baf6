// SPDX-License-Identifier: Apache-2.0
// Quotas and stops at a real spool.
#include "smtpd/admission.h"

#include <gmock/gmock.h>

#include "tests/unit/spool/messages.h"

namespace sekisho {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = policy::QuotaRuling::Kind;

class AdmissionTest : public testing::Test {
protected:
    // A message of anna's to so many recipients who have names that begin with `who`.
    Admission send(int recipients, const std::string& who = "r", message::WallTime when = spool::noon) {
        message::Envelope envelope = spool::envelope("a000000000000000", {});
        for (int i = 0; i < recipients; i++) {
            envelope.recipients.emplace_back(who + std::to_string(i) + "@example.com");
        }
        Admission admission;
        EXPECT_TRUE(spool::commit(spool_, [&](spool::Spool& in) -> Result<void> {
            auto admitted = admit(in.senders(), quotas_, envelope, when);
            if (!admitted) {
                return std::unexpected(admitted.error());
            }
            admission = std::move(*admitted);
            return {};
        }));
        return admission;
    }
    std::string refusal(message::WallTime when = spool::noon) {
        return judge_user(spool_.senders(), quotas_, "anna", when).value().refused;
    }

    spool::Directory directory_;
    spool::Spool spool_ = spool::Spool::open(directory_ / "mail.db").value();
    std::vector<QuotaConfig> quotas_{QuotaConfig{}};
};

TEST_F(AdmissionTest, WithoutQuotasAllIsCountedAndNothingRefused) {
    quotas_.clear();
    EXPECT_EQ(send(1000).refused, "");
    EXPECT_EQ(spool_.senders().sent("anna", spool::noon).value().day, 1000U);
    EXPECT_EQ(refusal(), "");
}

TEST_F(AdmissionTest, WhatIsRefusedIsNotCounted) {
    quotas_[0].hour = 10;
    EXPECT_EQ(send(7).refused, "");
    EXPECT_EQ(send(4).quota.kind, Kind::over);
    EXPECT_EQ(refusal(), "") << "three more would do";
    EXPECT_EQ(send(3).quota.kind, Kind::near);
    EXPECT_THAT(refusal(), StartsWith("452 4.7.1"));
    EXPECT_EQ(spool_.senders().sent("anna", spool::noon).value().day, 10U);
    EXPECT_EQ(refusal(spool::noon + 61min), "") << "the hour has gone";
    EXPECT_THAT(send(11, "r", spool::noon + 61min).refused, StartsWith("550 5.7.1"));
}

TEST_F(AdmissionTest, NewRecipientsAreCountedApart) {
    quotas_[0].new_day = 5;
    EXPECT_EQ(send(5).refused, "");
    EXPECT_EQ(send(5).refused, "") << "they are known";
    EXPECT_EQ(refusal(), "");
    EXPECT_THAT(send(1, "stranger").refused, HasSubstr("new recipients within one day"));
    EXPECT_EQ(send(1, "stranger", spool::noon + 25h).refused, "");
}

TEST_F(AdmissionTest, WhoGoesTooFarIsStoppedWhereTheQuotaSaysSo) {
    quotas_[0].hour = 10;
    quotas_[0].stop = true;
    EXPECT_FALSE(send(10).stops);
    EXPECT_EQ(refusal(), "") << "the message that goes too far must come";
    const Admission too_far = send(1);
    EXPECT_TRUE(too_far.stops);
    EXPECT_THAT(too_far.refused, StartsWith("450 4.7.1 Sending has been stopped"));
    const auto stop = spool_.senders().stop_of("anna").value();
    ASSERT_TRUE(stop);
    EXPECT_THAT(stop->reason, HasSubstr("hour = 10"));
    EXPECT_THAT(refusal(spool::noon + 48h), StartsWith("450 4.7.1")) << "time doesn't help";
    EXPECT_FALSE(send(1, "r", spool::noon + 48h).stops) << "not again";
    ASSERT_TRUE(spool::commit(spool_, [](spool::Spool& in) {
        return in.senders().resume("anna", spool::Senders::HeldMail::sent, spool::noon);
    }));
    EXPECT_EQ(refusal(), "");
    EXPECT_EQ(send(10).refused, "") << "counted anew, at once";
}

// Whoever tries to send to thousands at once has not sent to any of them.
TEST_F(AdmissionTest, AMessageThatNeverFitsStopsNobody) {
    quotas_[0].hour = 10;
    quotas_[0].stop = true;
    EXPECT_THAT(send(11).refused, StartsWith("550 5.7.1"));
    EXPECT_EQ(refusal(), "");
}

TEST_F(AdmissionTest, AQuotaIsOfThoseItNames) {
    quotas_[0].users = {"*@bulk.example.net"};
    quotas_[0].hour = 1;
    EXPECT_EQ(send(50).refused, "");
}

}  // namespace
}  // namespace sekisho
