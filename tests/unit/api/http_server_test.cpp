// SPDX-License-Identifier: Apache-2.0
// The HTTP server: what it answers, and what clients can't do to it.
#include "agent/api/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/unit/api/echo_server.h"

namespace sekisho::api {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::EchoServer;
using tests::get;
using tests::post;
using tests::Wire;

TEST(HttpServer, AnswersAndKeepsTheConnection) {
    EchoServer server;
    Wire client = server.client();
    for (int i = 0; i < 3; i++) {
        const auto reply = client.ask(post("/a/b?c=d&e", "body" + std::to_string(i)));
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->status(), 200);
        EXPECT_EQ(reply->body, "POST /a/b?c=d&e body" + std::to_string(i));
        EXPECT_THAT(reply->head, HasSubstr("Content-Type: text/plain\r\n"));
        EXPECT_THAT(reply->head, HasSubstr("Cache-Control: no-store\r\n"));
    }
    EXPECT_EQ(server.counts().connections, 1U);
    EXPECT_EQ(server.counts().requests, 3U);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    const EchoServer server;
    Wire client = server.client();
    std::string all;
    for (int i = 0; i < 50; i++) {
        all += i % 2 == 0 ? get("/" + std::to_string(i)) : post("/" + std::to_string(i), "x");
    }
    ASSERT_TRUE(client.send(all));
    for (int i = 0; i < 50; i++) {
        const auto reply = client.reply();
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->body,
                  (i % 2 == 0 ? "GET /" : "POST /") + std::to_string(i) + "? " + (i % 2 == 0 ? "" : "x"));
    }
}

TEST(HttpServer, TakesRequestsByteByByte) {
    const EchoServer server;
    Wire client = server.client();
    for (const char byte : post("/slow", "abc") + get("/next")) {
        ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
    }
    EXPECT_EQ(client.reply().value().body, "POST /slow? abc");
    EXPECT_EQ(client.reply().value().body, "GET /next? ");
}

TEST(HttpServer, TakesChunkedBodies) {
    const EchoServer server;
    Wire client = server.client();
    const auto reply = client.ask(
        "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    EXPECT_EQ(reply.value().body, "POST /c? abcde");
}

// What stands behind the body was not there when a proxy in front looked at the headers.
TEST(HttpServer, ATrailerIsNoHeader) {
    const EchoServer server;
    Wire client = server.client();
    const std::string chunked = "POST /key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    EXPECT_EQ(
        client.ask(chunked + "Trailer: X-API-Key\r\n\r\n1\r\nx\r\n0\r\nX-API-Key: 1\r\n\r\n").value().body,
        "key missing");
    EXPECT_EQ(client.ask(chunked + "X-API-Key: 2\r\n\r\n0\r\nX-API-Key: 3\r\n\r\n").value().body, "key 2");
}

TEST(HttpServer, SaysContinueToThoseWhoWait) {
    const EchoServer server;
    Wire client = server.client();
    const auto go_on =
        client.ask("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(go_on.value().status(), 100);
    EXPECT_EQ(client.ask("abc").value().body, "POST /e? abc");
}

TEST(HttpServer, ClosesWhenTheClientOrTheHandlerWantsIt) {
    const EchoServer server;
    Wire old = server.client();
    EXPECT_EQ(old.ask("GET / HTTP/1.0\r\n\r\n").value().status(), 200);
    EXPECT_TRUE(old.closes());
    Wire polite = server.client();
    const auto reply = polite.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(reply.value().head, HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(polite.closes());
    Wire closed = server.client();
    EXPECT_EQ(closed.ask(get("/close")).value().status(), 200);
    EXPECT_TRUE(closed.closes());
}

TEST(HttpServer, AnswersWithoutABody) {
    const EchoServer server;
    Wire client = server.client();
    const auto gone = client.ask(get("/gone"));
    EXPECT_EQ(gone.value().status(), 204);
    EXPECT_THAT(gone.value().head, Not(HasSubstr("Content-")));
    ASSERT_TRUE(client.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n"));
    const auto head = client.reply(true);
    EXPECT_THAT(head.value().head, HasSubstr("Content-Length: 9\r\n"));
    EXPECT_EQ(client.ask(get("/after")).value().body, "GET /after? ") << "no byte of the body was sent";
}

TEST(HttpServer, AFailingHandlerIsAnsweredWith500) {
    const EchoServer server;
    Wire client = server.client();
    const auto reply = client.ask(get("/throw"));
    EXPECT_EQ(reply.value().status(), 500);
    EXPECT_THAT(reply.value().body, Not(HasSubstr("on purpose")));
    EXPECT_EQ(client.ask(get("/x")).value().status(), 200);
}

TEST(HttpServer, OneThatIsWaitedForHoldsUpNobody) {
    EchoServer server;
    Wire slow = server.client();
    ASSERT_TRUE(slow.send(get("/wait") + get("/second")));
    server.await_waiting(1);
    Wire other = server.client();
    EXPECT_EQ(other.ask(get("/other")).value().status(), 200);
    EXPECT_TRUE(slow.silent());
    server.open_gate();
    EXPECT_EQ(slow.reply().value().body, "GET /wait? ");
    EXPECT_EQ(slow.reply().value().body, "GET /second? ");
}

TEST(HttpServer, TellsWhoAsks) {
    std::optional<Peer> seen;
    const EchoServer server({}, [&seen](const Peer& peer) {
        seen = peer;
        return true;
    });
    EXPECT_EQ(server.client().ask(get("/")).value().status(), 200);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->user, ::getuid());
    EXPECT_FALSE(seen->address);
    EXPECT_EQ(seen->text(), "uid " + std::to_string(::getuid()));
}

TEST(HttpServer, StrangersAreNotHeard) {
    EchoServer server({}, [](const Peer&) { return false; });
    Wire client = server.client();
    EXPECT_TRUE(client.closes());
    EXPECT_EQ(server.counts().turned_away, 1U);
}

// --- limits ---

TEST(HttpLimits, ABodyAtTheLimitIsFineOneBeyondIsNot) {
    EchoServer server({.body = 1000});
    Wire fine = server.client();
    EXPECT_EQ(fine.ask(post("/", std::string(1000, 'x'))).value().status(), 200);
    Wire huge = server.client();
    EXPECT_EQ(huge.ask(post("/", std::string(1001, 'x'))).value().status(), 413);
    EXPECT_TRUE(huge.closes());
    Wire announced = server.client();
    EXPECT_EQ(
        announced.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n").value().status(),
        413);
    Wire chunked = server.client();
    const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
    EXPECT_EQ(chunked
                  .ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk +
                       "1\r\nx\r\n")
                  .value()
                  .status(),
              413);
    EXPECT_EQ(server.counts().malformed, 3U);
    EXPECT_EQ(server.counts().requests, 1U);
}

TEST(HttpLimits, SomeRequestsMayBringMore) {
    EchoServer server({.body = 1000}, {}, [](const Request& request) -> std::size_t {
        return request.path == "/w" ? 200'000 : 10;
    });
    Wire wide = server.client();
    EXPECT_EQ(wide.ask(post("/w", std::string(200'000, 'x'))).value().body.size(), 200'000 + 9U);
    EXPECT_EQ(wide.ask(post("/w?a", std::string(100'000, 'x'))).value().status(), 200) << "and again";
    EXPECT_EQ(wide.ask(post("/", std::string(11, 'x'))).value().status(), 413);
    Wire too_wide = server.client();
    EXPECT_EQ(too_wide.ask(post("/w", std::string(200'001, 'x'))).value().status(), 413);
    EXPECT_EQ(server.client().ask(post("/", std::string(10, 'x'))).value().status(), 200);
    const std::string chunk = "186a0\r\n" + std::string(100'000, 'x') + "\r\n";
    const std::string chunked = "POST /w HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(server.client().ask(chunked + chunk + chunk + "0\r\n\r\n").value().status(), 200);
    EXPECT_EQ(server.client().ask(chunked + chunk + chunk + "1\r\nx\r\n").value().status(), 413);
    EXPECT_EQ(server.counts().malformed, 3U);
}

TEST(HttpLimits, TheAnswerReachesAClientThatIsStillSending) {
    const EchoServer server({.body = 1000});
    Wire client = server.client();
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"));
    ASSERT_TRUE(client.send(std::string(500'000, 'x')));
    EXPECT_EQ(client.reply().value().status(), 413);
}

TEST(HttpLimits, HeadersBeyondTheLimit) {
    const EchoServer server;
    Wire fine = server.client();
    EXPECT_EQ(fine.ask("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(7900, 'x') + "\r\n\r\n")
                  .value()
                  .status(),
              200);
    Wire one = server.client();
    EXPECT_EQ(one.ask("GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + std::string(8192, 'x') + "\r\n\r\n")
                  .value()
                  .status(),
              431);
    Wire many = server.client();
    std::string lines = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 1000; i++) {
        lines += "X-" + std::to_string(i) + ": y\r\n";
    }
    EXPECT_EQ(many.ask(lines + "\r\n").value().status(), 431);
    Wire target = server.client();
    EXPECT_EQ(target.ask("GET /" + std::string(20'000, 'x')).value().status(), 431);
}

TEST(HttpLimits, WhatIsNotHttp) {
    EchoServer server;
    for (const std::string_view text :
         {"EHLO client.example.org\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n",
          "\x16\x03\x01\x02\r\n\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        Wire client = server.client();
        EXPECT_EQ(client.ask(text).value_or(tests::Reply{}).status(), 400) << text;
        EXPECT_TRUE(client.closes());
    }
    EXPECT_EQ(server.counts().requests, 0U);
}

// Two readings of where a body ends are how requests are smuggled past a proxy.
TEST(HttpLimits, BodiesWhoseEndIsUnclear) {
    EchoServer server;
    for (const std::string_view fields :
         {"Transfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked, chunked\r\n",
          "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
          "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
          "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"}) {
        Wire client = server.client();
        const auto reply = client.ask("POST / HTTP/1.1\r\nHost: x\r\n" + std::string(fields) +
                                      "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_EQ(reply.value_or(tests::Reply{}).status(), 400) << fields;
        EXPECT_TRUE(client.closes()) << fields;
    }
    Wire old = server.client();
    EXPECT_EQ(old.ask("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").value().status(),
              400);
    EXPECT_EQ(server.counts().requests, 0U);
    EXPECT_EQ(server.counts().malformed, 11U);
    EXPECT_EQ(server.client()
                  .ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n")
                  .value()
                  .status(),
              200);
}

TEST(HttpLimits, NoiseHurtsNobody) {
    EchoServer server({.request = 300ms});
    std::mt19937 random(25);
    for (int i = 0; i < 200; i++) {
        const Wire client = server.client();
        std::string noise = i % 2 == 0 ? "" : post("/n", "x").substr(0, random() % 60);
        for (auto left = random() % 300; left > 0; left--) {
            noise += static_cast<char>(random());
        }
        static_cast<void>(client.send(noise));  // the server may close in the middle of it
        client.end_of_sending();
    }
    EXPECT_EQ(server.client().ask(get("/")).value().status(), 200);
    EXPECT_TRUE(server.await_connections(0));
}

TEST(HttpLimits, ASlowRequestIsEndedHoweverItTrickles) {
    EchoServer server({.request = 400ms});
    Wire client = server.client();
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nX: "));
    while (client.send("x") && client.silent()) {
        ASSERT_LT(std::chrono::steady_clock::now() - begin, 30s);
        EXPECT_EQ(server.client().ask(get("/other")).value().status(), 200);
    }
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 400ms);
    EXPECT_EQ(client.reply().value().status(), 408);
    EXPECT_EQ(server.counts().slow, 1U);
}

TEST(HttpLimits, TheTimeOfARequestBeginsAnewWithEach) {
    const EchoServer server({.request = 1000ms});
    Wire client = server.client();
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 1500ms) {
        ASSERT_EQ(client.ask(get("/")).value_or(tests::Reply{}).status(), 200);
    }
}

TEST(HttpLimits, TheHandlersTimeIsNotTheClients) {
    EchoServer server({.request = 100ms, .idle = 100ms});
    Wire client = server.client();
    ASSERT_TRUE(client.send(get("/wait")));
    server.await_waiting(1);
    std::this_thread::sleep_for(300ms);
    server.open_gate();
    EXPECT_EQ(client.reply().value().status(), 200);
}

TEST(HttpLimits, AnIdleClientIsClosed) {
    EchoServer server({.idle = 100ms});
    Wire fresh = server.client();
    EXPECT_TRUE(fresh.closes());
    Wire used = server.client();
    EXPECT_EQ(used.ask(get("/")).value().status(), 200);
    EXPECT_TRUE(used.closes());
    EXPECT_EQ(server.counts().slow, 0U) << "nobody was kept waiting";
}

TEST(HttpLimits, AClientThatDoesNotReadIsClosed) {
    EchoServer server({.request = 200ms});
    const Wire client = server.client();
    ASSERT_TRUE(client.send(get("/large")));
    EXPECT_EQ(server.client().ask(get("/other")).value().status(), 200);
    EXPECT_TRUE(server.await_connections(0));
    EXPECT_EQ(server.counts().slow, 1U);
}

TEST(HttpLimits, LargeAnswersArriveWhole) {
    const EchoServer server;
    Wire client = server.client();
    EXPECT_EQ(client.ask(get("/large")).value().body.size(), std::size_t{16} * 1024 * 1024);
}

TEST(HttpLimits, TheLongestSilentMakesRoom) {
    EchoServer server({.connections = 3});
    Wire working = server.client();
    ASSERT_TRUE(working.send(get("/wait")));
    server.await_waiting(1);
    Wire older = server.client();
    ASSERT_TRUE(older.ask(get("/")));
    Wire newer = server.client();
    ASSERT_TRUE(newer.ask(get("/")));
    ASSERT_TRUE(older.ask(get("/again")));  // now the other has been silent longer
    EXPECT_EQ(server.client().ask(get("/one-more")).value_or(tests::Reply{}).status(), 200);
    EXPECT_TRUE(newer.closes());
    EXPECT_EQ(older.ask(get("/")).value_or(tests::Reply{}).status(), 200);
    EXPECT_EQ(server.counts().crowded_out, 1U);
    server.open_gate();
    EXPECT_EQ(working.reply().value_or(tests::Reply{}).status(), 200);
}

TEST(HttpLimits, ThoseAtWorkAreNotDisturbed) {
    EchoServer server({.connections = 2});
    std::vector<Wire> working;
    for (int i = 0; i < 2; i++) {
        working.push_back(server.client());
        ASSERT_TRUE(working.back().send(get("/wait")));
    }
    server.await_waiting(2);
    Wire late = server.client();
    EXPECT_TRUE(late.closes());
    EXPECT_EQ(server.counts().turned_away, 1U);
    server.open_gate();
    for (Wire& client : working) {
        EXPECT_EQ(client.reply().value_or(tests::Reply{}).status(), 200);
    }
}

TEST(HttpLimits, AFloodOfSilentClientsLocksNobodyOut) {
    EchoServer server({.connections = 16});
    std::vector<Wire> silent;
    for (int i = 0; i < 200; i++) {
        silent.push_back(server.client());
        if (i % 2 == 0) {
            static_cast<void>(silent.back().send("GET / HT"));
        }
        if (i % 20 == 0) {
            EXPECT_EQ(server.client().ask(get("/")).value_or(tests::Reply{}).status(), 200) << i;
        }
    }
    EXPECT_LE(server.connections(), 17U);
}

}  // namespace
}  // namespace sekisho::api
