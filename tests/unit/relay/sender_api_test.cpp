// SPDX-License-Identifier: Apache-2.0
// What users send, asked over HTTP.
#include "smtpd/sender_api.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/spool/messages.h"

namespace sekisho {
namespace {

class SenderApiTest : public testing::Test {
protected:
    api::Response ask(std::string method, std::string path, std::string body = {}) {
        api::Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        request.body = std::move(body);
        request.peer.user = 0;
        std::optional<api::Response> response;
        boost::asio::co_spawn(context_, api_.answer(request),
                              [&response](const std::exception_ptr& error, api::Response answer) {
                                  EXPECT_FALSE(error);
                                  response = std::move(answer);
                              });
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!response && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(std::chrono::milliseconds(100));
        }
        return response.value_or(api::Response{.status = 0, .body = {}, .headers = {}});
    }
    boost::json::value json(std::string method, std::string path, std::string body = {}) {
        const api::Response response = ask(std::move(method), std::move(path), std::move(body));
        EXPECT_EQ(response.status, 200) << response.body;
        return boost::json::parse(response.body);
    }

    spool::Directory directory_;
    boost::asio::io_context context_;
    std::vector<QuotaConfig> quotas_{QuotaConfig{}};
    spool::Spool spool_ = spool::Spool::open(directory_ / "mail.db").value();
    spool::SpoolReader reader_ = spool::SpoolReader::open(directory_ / "mail.db").value();
    spool::Writer writer_{std::move(spool_), [this](std::function<void()> done) {
                              boost::asio::post(context_, std::move(done));
                          }};
    SpoolWork work_{context_.get_executor(), writer_};
    int changed_ = 0;
    SenderApi api_{quotas_, reader_, work_, [this] { changed_++; }};
};

TEST_F(SenderApiTest, AUserIsStoppedAndGoesOn) {
    quotas_[0].day = 100;
    EXPECT_EQ(json("GET", "/v1/senders").at("senders").as_array().size(), 0U);
    const auto stopped = json("POST", "/v1/senders/anna%40example.net/stop", R"({"reason":"ticket 1"})");
    EXPECT_EQ(stopped.at("user"), "anna@example.net");
    EXPECT_EQ(stopped.at("held"), 0);
    EXPECT_EQ(stopped.at("limits").at("day"), 100);
    const auto listed = json("GET", "/v1/senders");
    EXPECT_EQ(listed.at_pointer("/senders/0/stopped/reason"), "ticket 1");
    EXPECT_EQ(listed.at_pointer("/senders/0/stopped/by"), "uid 0");
    EXPECT_EQ(listed.at("more"), false);
    EXPECT_EQ(changed_, 0);
    EXPECT_EQ(ask("POST", "/v1/senders/anna%40example.net/resume").status, 204);
    EXPECT_EQ(changed_, 1);
    EXPECT_TRUE(json("GET", "/v1/senders/anna%40example.net").at("stopped").is_null());
    EXPECT_EQ(ask("POST", "/v1/senders/anna%40example.net/resume").status, 404);
}

TEST_F(SenderApiTest, UsersMayHaveAnyName) {
    for (const char* name : {"stop", "resume", "a%2Fstop", "%E9%96%A2%E6%89%80"}) {
        const std::string path = std::string("/v1/senders/") + name;
        EXPECT_EQ(ask("GET", path).status, 200) << name;
        EXPECT_EQ(ask("POST", path + "/stop").status, 200) << name;
        EXPECT_EQ(ask("POST", path + "/resume", R"({"discard":true})").status, 204) << name;
    }
    EXPECT_EQ(ask("GET", "/v1/senders/").status, 400);
    EXPECT_EQ(ask("GET", "/v1/senders//stop").status, 400);
    EXPECT_EQ(ask("GET", "/v1/senders/%zz").status, 400);
    EXPECT_EQ(ask("GET", "/v1/senders/" + std::string(501, 'a')).status, 400);
}

TEST_F(SenderApiTest, WhatIsWrongIsSaid) {
    EXPECT_EQ(ask("POST", "/v1/senders").status, 405);
    EXPECT_EQ(ask("DELETE", "/v1/senders/anna").status, 405);
    EXPECT_EQ(ask("GET", "/v1/senders/anna/stop").status, 405);
    EXPECT_EQ(ask("POST", "/v1/senders/anna/stop", "[]").status, 400);
    EXPECT_EQ(ask("POST", "/v1/senders/anna/stop", R"({"reason":7})").status, 400);
    EXPECT_EQ(ask("POST", "/v1/senders/anna/stop", R"({"because":"x"})").status, 400);
    EXPECT_EQ(ask("POST", "/v1/senders/anna/resume", R"({"discard":1})").status, 400);
    EXPECT_TRUE(json("GET", "/v1/senders/anna").at("stopped").is_null());
}

}  // namespace
}  // namespace sekisho
