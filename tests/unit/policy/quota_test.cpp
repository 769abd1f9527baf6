// SPDX-License-Identifier: Apache-2.0
// Which limit a message meets.
#include "smtpd/policy/quota.h"

#include <gmock/gmock.h>

#include <vector>

namespace sekisho::policy {
namespace {

using Verdict = QuotaRuling::Kind;
using testing::HasSubstr;
using testing::StartsWith;

// 100 an hour, 200 a day; 10 new ones an hour, 50 a day.
constexpr std::uint64_t none = 0;
QuotaConfig quota() {
    QuotaConfig config;
    config.hour = 100;
    config.day = 200;
    config.new_hour = 10;
    config.new_day = 50;
    return config;
}

Verdict kind(const SentCounts& sent, std::uint64_t recipients, std::uint64_t fresh) {
    return judge_quota(quota(), sent, {.recipients = recipients, .fresh = fresh}).kind;
}

TEST(Quota, EachLimitIsReachedAndNotPassed) {
    EXPECT_EQ(kind({.hour = 99}, 1, none), Verdict::within) << "the warning came at 80";
    EXPECT_EQ(kind({.hour = 100}, 1, none), Verdict::over);
    EXPECT_EQ(kind({.day = 199}, 1, none), Verdict::within);
    EXPECT_EQ(kind({.day = 199}, 2, none), Verdict::over);
    EXPECT_EQ(kind({.new_hour = 9}, 5, 1), Verdict::within);
    EXPECT_EQ(kind({.new_hour = 9}, 5, 2), Verdict::over);
    EXPECT_EQ(kind({.new_hour = 10}, 5, none), Verdict::within) << "they are known";
    EXPECT_EQ(kind({.new_day = 50}, 5, 1), Verdict::over);
}

TEST(Quota, TheWarningComesOnce) {
    EXPECT_EQ(kind({.hour = 78}, 1, none), Verdict::within);
    EXPECT_EQ(kind({.hour = 79}, 1, none), Verdict::near);
    EXPECT_EQ(kind({.hour = 10}, 85, none), Verdict::near);
    EXPECT_EQ(kind({.hour = 80}, 1, none), Verdict::within);
    const QuotaRuling ruling = judge_quota(quota(), {.hour = 79, .day = 199}, {.recipients = 1});
    EXPECT_EQ(ruling.use.name, "hour");
    EXPECT_EQ(ruling.use.limit, 100U);
    EXPECT_EQ(ruling.use.used, 80U);
    EXPECT_EQ(ruling.reply, "");
}

TEST(Quota, TheWorstDecidesAndSaysWhy) {
    const QuotaRuling over =
        judge_quota(quota(), {.hour = 79, .new_hour = 10}, {.recipients = 1, .fresh = 1});
    EXPECT_EQ(over.kind, Verdict::over);
    EXPECT_EQ(over.use.name, "new_hour");
    EXPECT_THAT(over.reply, StartsWith("452 4.7.1 "));
    EXPECT_THAT(over.reply, HasSubstr("10 new recipients within one hour"));
    const QuotaRuling never = judge_quota(quota(), {.day = 200}, {.recipients = 101, .fresh = 1});
    EXPECT_EQ(never.kind, Verdict::never);
    EXPECT_THAT(never.reply, StartsWith("550 5.7.1 ")) << "waiting wouldn't help";
    EXPECT_THAT(never.reply, HasSubstr("101 recipients"));
}

TEST(Quota, SignsOfAStolenAccount) {
    QuotaConfig config;
    config.addresses_day = 5;
    config.networks_day = 2;
    config.failed_day = 10;
    const auto verdict = [&config](const SentCounts& sent, const SentMore& more) {
        return judge_quota(config, sent, more);
    };
    EXPECT_EQ(verdict({.addresses_day = 5}, {.addresses = 0}).kind, Verdict::within)
        << "from one of the five";
    EXPECT_EQ(verdict({.addresses_day = 5}, {.addresses = 1}).use.name, "addresses_day");
    EXPECT_EQ(verdict({.networks_day = 2}, {.addresses = 1, .networks = 1}).kind, Verdict::over);
    EXPECT_EQ(verdict({.failed_day = 9}, {}).kind, Verdict::within);
    const QuotaRuling failed = verdict({.failed_day = 10}, {});
    EXPECT_EQ(failed.kind, Verdict::over);
    EXPECT_THAT(failed.reply, HasSubstr("10 recipients who could not be reached within one day"));
    EXPECT_EQ(uses_of(config, {.failed_day = 3}).back().used, 3U);
}

TEST(Quota, WhatIsNotLimitedIsNot) {
    EXPECT_EQ(
        judge_quota({}, {.hour = 1'000'000, .day = 1'000'000}, {.recipients = 1000, .fresh = 1000}).kind,
        Verdict::within);
    QuotaConfig day;
    day.day = 5;
    EXPECT_EQ(judge_quota(day, {.hour = 1'000'000, .day = 1}, {.recipients = 3, .fresh = 3}).kind,
              Verdict::near);
    const auto uses = uses_of(day, {.hour = 7, .day = 4});
    ASSERT_EQ(uses.size(), 1U);
    EXPECT_EQ(uses[0].name, "day");
    EXPECT_EQ(uses[0].used, 4U);
    EXPECT_EQ(uses_of(quota(), {}).size(), 4U);
}

TEST(Quota, TheFirstEntryThatFitsIsTheUsers) {
    std::vector<QuotaConfig> quotas(3);
    quotas[0].users = {"*@bulk.example.net"};
    quotas[1].users = {"anna", "bob"};
    EXPECT_EQ(quota_for(quotas, "News@Bulk.example.net"), quotas.data());
    EXPECT_EQ(quota_for(quotas, "bob"), &quotas[1]);
    EXPECT_EQ(quota_for(quotas, "carol"), &quotas[2]);
    quotas.pop_back();
    EXPECT_EQ(quota_for(quotas, "carol"), nullptr);
}

}  // namespace
}  // namespace sekisho::policy
