// SPDX-License-Identifier: Apache-2.0
// What an operator is told of the rules.
#include "smtpd/submission_api.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace sekisho {
namespace {

using testing::HasSubstr;

class SubmissionApiTest : public testing::Test {
protected:
    SubmissionApiTest() {
        submission_.listeners.resize(2);
        submission_.listeners[0].relay = {parse_prefix("192.0.2.0/24").value()};
        submission_.listeners[1].relay_grants = true;
        submission_.listeners[1].port = 465;
        submission_.listeners[1].tls = TlsMode::implicit;
    }

    api::Response ask(std::string path, std::string query = {}, std::string method = "GET",
                      std::optional<uid_t> user = ::geteuid()) {
        api::Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        request.query = std::move(query);
        request.peer.user = user;
        auto answer = boost::asio::co_spawn(context_, api_.answer(request), boost::asio::use_future);
        context_.restart();
        context_.run();
        return answer.get();
    }
    // The answer's text at a path of it, such as "/listener/port".
    std::string told(const std::string& query, std::string_view pointer) {
        const api::Response response = ask("/v1/why-relay", query);
        EXPECT_EQ(response.status, 200) << response.body;
        const boost::json::value answer = boost::json::parse(response.body);
        const boost::json::value& at = answer.at_pointer(pointer);
        return at.is_string() ? std::string(at.get_string()) : boost::json::serialize(at);
    }

    Config config_;
    SubmissionConfig& submission_ = config_.submission;
    SenderFile senders_ = SenderFile::open(submission_).value();
    boost::asio::io_context context_;
    handoff::HandoffClient relay_{context_.get_executor(), "/nonexistent/relay.sock"};
    SubmissionApi api_{config_, submission_, senders_,
                       nullptr, relay_,      [] { return std::string("metrics\n"); }};
};

TEST_F(SubmissionApiTest, SaysWhatEachRuleSays) {
    const std::string trusted = "client=192.0.2.1&from=a%40x.net&to=b%40y.net";
    EXPECT_EQ(told(trusted, "/verdict"), "accept");
    EXPECT_EQ(told(trusted, "/rule"), "network");
    EXPECT_EQ(told(trusted, "/rules/0/rule"), "access");
    EXPECT_EQ(told(trusted, "/rules/0/opinion"), "none");
    EXPECT_EQ(told(trusted, "/rules/3/opinion"), "accept");
    EXPECT_EQ(told(trusted, "/from"), "a@x.net");
    EXPECT_EQ(told(trusted, "/to"), "b@y.net");
    EXPECT_EQ(told(trusted, "/listener/number"), "1");
    EXPECT_EQ(told("client=203.0.113.1", "/reply"), "530 5.7.0 Authentication required");
    EXPECT_EQ(told(trusted, "/direction"), "Internet to Internet");
    submission_.listeners[0].local = true;
    config_.relay.local = {{.domains = {"y.net"}, .path = "/run/lmtp", .host = {}}};
    EXPECT_EQ(told("client=203.0.113.1&from=a%40x.net&to=b%40y.net", "/rule"), "local");
    EXPECT_EQ(told("client=203.0.113.1&from=a%40x.net&to=b%40y.net", "/direction"), "Internet to local");
    EXPECT_EQ(told("client=203.0.113.1&from=a%40y.net&to=b%40x.net", "/verdict"), "refuse");
}

TEST_F(SubmissionApiTest, TheInterfaceCounts) {
    submission_.listeners[0].relay_interfaces = {"lan0"};
    EXPECT_EQ(told("client=203.0.113.1", "/verdict"), "refuse");
    EXPECT_EQ(told("client=203.0.113.1&interface=wan0", "/verdict"), "refuse");
    EXPECT_EQ(told("client=203.0.113.1&interface=lan0", "/verdict"), "accept");
    EXPECT_EQ(told("client=203.0.113.1&interface=lan0", "/interface"), "lan0");
}

TEST_F(SubmissionApiTest, TheAgentIsAskedWhereItMatters) {
    const std::string second = "client=192.0.2.1&listener=2";
    EXPECT_EQ(told(second, "/listener/port"), "465");
    EXPECT_EQ(told(second, "/listener/tls"), "implicit");
    EXPECT_EQ(told(second, "/rule"), "grant");
    EXPECT_EQ(told(second, "/verdict"), "refuse");
    EXPECT_THAT(told(second, "/reply"), HasSubstr("451 4.3.0"));
    EXPECT_THAT(told(second, "/rules/4/detail"), HasSubstr("there is none to ask"));
}

TEST_F(SubmissionApiTest, TheRelayIsAskedForUsers) {
    const std::string anna = "client=203.0.113.1&user=anna";
    EXPECT_EQ(told(anna, "/rule"), "login");
    EXPECT_EQ(told(anna, "/verdict"), "refuse") << "nobody is there to say that she may";
    EXPECT_THAT(told(anna, "/reply"), HasSubstr("451 4.3.0"));
    EXPECT_THAT(told(anna, "/rules/2/detail"), HasSubstr("the relay doesn't say"));
}

TEST_F(SubmissionApiTest, WhatCanNotBeAsked) {
    for (const char* query : {"", "client=", "client=192.0.2.0/24", "client=192.0.2.1&listener=0",
                              "client=192.0.2.1&listener=3", "client=192.0.2.1&listener=x"}) {
        EXPECT_EQ(ask("/v1/why-relay", query).status, 400) << query;
    }
    EXPECT_EQ(ask("/v1/why-relay", "client=192.0.2.1&from=" + std::string(513, 'a')).status, 400);
    EXPECT_EQ(ask("/v1/why-relay", "client=192.0.2.1", "POST").status, 405);
    EXPECT_EQ(ask("/v1/users").status, 404);
}

TEST_F(SubmissionApiTest, IsForThoseWhoMayLook) {
    constexpr uid_t stranger = 54'321;
    EXPECT_EQ(ask("/v1/why-relay", "client=192.0.2.1", "GET", stranger).status, 403);
    EXPECT_EQ(ask("/metrics", "", "GET", std::nullopt).status, 403);
    EXPECT_EQ(ask("/metrics").body, "metrics\n");
}

}  // namespace
}  // namespace sekisho
