// SPDX-License-Identifier: Apache-2.0
// Metrics as Prometheus reads them.
#include "agent/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace sekisho {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, CountsAndShows) {
    Metrics metrics;
    metrics.declare("sekisho_logins_total", Metrics::Kind::counter, "Logins seen.");
    metrics.add("sekisho_logins_total", {{"reporter", "mail1"}});
    metrics.add("sekisho_logins_total", {{"reporter", "mail1"}}, 2);
    metrics.add("sekisho_logins_total", {{"reporter", "mail2"}});
    const std::string text = metrics.text();
    EXPECT_THAT(text, HasSubstr("# HELP sekisho_logins_total Logins seen.\n"));
    EXPECT_THAT(text, HasSubstr("# TYPE sekisho_logins_total counter\n"));
    EXPECT_THAT(text, HasSubstr("sekisho_logins_total{reporter=\"mail1\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("sekisho_logins_total{reporter=\"mail2\"} 1\n"));
}

TEST(Metrics, GaugesAreSetAndCleared) {
    Metrics metrics;
    metrics.declare("sekisho_grants", Metrics::Kind::gauge, "Grants alive.");
    metrics.set("sekisho_grants", {}, 7);
    metrics.set("sekisho_grants", {}, 5);
    EXPECT_THAT(metrics.text(), HasSubstr("\nsekisho_grants 5\n"));
    metrics.clear("sekisho_grants");
    EXPECT_THAT(metrics.text(), Not(HasSubstr("\nsekisho_grants ")));
}

TEST(Metrics, IsRefreshedBeforeEachText) {
    Metrics metrics;
    metrics.declare("sekisho_packets_total", Metrics::Kind::counter, "From the kernel.");
    double kernel = 10;
    metrics.before_text([&kernel](Metrics& all) { all.set("sekisho_packets_total", {}, kernel); });
    EXPECT_THAT(metrics.text(), HasSubstr("sekisho_packets_total 10\n"));
    kernel = 11;
    EXPECT_THAT(metrics.text(), HasSubstr("sekisho_packets_total 11\n"));
}

TEST(Metrics, LargeCountersStayExact) {
    Metrics metrics;
    metrics.declare("sekisho_bytes_total", Metrics::Kind::counter, "Bytes.");
    metrics.set("sekisho_bytes_total", {}, 9'007'199'254'740'991.0);
    EXPECT_THAT(metrics.text(), HasSubstr("sekisho_bytes_total 9007199254740991\n"));
}

TEST(Metrics, LabelsFromStrangersForgeNoLine) {
    Metrics metrics;
    metrics.declare("sekisho_x", Metrics::Kind::gauge, "X.");
    metrics.set("sekisho_x", {{"user", "a\"} 1\nsekisho_forged 1\n\\"}}, 1);
    EXPECT_THAT(metrics.text(), HasSubstr(R"(sekisho_x{user="a\"} 1\nsekisho_forged 1\n\\"} 1)"));
    EXPECT_THAT(metrics.text(), Not(HasSubstr("\nsekisho_forged")));
}

TEST(Metrics, UndeclaredNamesAreBugs) {
    Metrics metrics;
    EXPECT_THROW(metrics.add("sekisho_nothing"), std::logic_error);
    metrics.declare("sekisho_x", Metrics::Kind::gauge, "X.");
    EXPECT_THROW(metrics.declare("sekisho_x", Metrics::Kind::gauge, "X."), std::logic_error);
}

}  // namespace
}  // namespace sekisho
