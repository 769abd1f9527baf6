// SPDX-License-Identifier: Apache-2.0
// Subscribers' sessions: pages of them, one of them, and lists that say what they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>
#include <utility>

#include "agent/api/client.h"
#include "agent/api/forms.h"
#include "agent/api/routes.h"
#include "agent/api/server.h"
#include "tests/unit/api/fake_agent.h"
#include "tests/unit/api/wire.h"

namespace sekisho::api {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* seven =
    R"({"id":7,"nas":"bng1","session":"5f\\xff","user":"a\"b\n","calling_station":"00:11:22:33:44:55",
    "classes":["residential"],"filters":["dynamic","fast"],"prefixes":["192.0.2.1/32","2001:db8:100:a00::/56"],
    "since":"2026-01-31T12:00:00Z","last_heard":"2026-01-31T12:01:30Z","interim_seconds":300,
    "contract":"business"})";

TEST_F(Routes, SubscribersInPages) {
    const json::value page = parsed(ask("GET", "/v1/subscribers?count=1"));
    EXPECT_EQ(page.at("subscribers").as_array(), json::array{json::parse(seven)});
    EXPECT_EQ(page.at("in_all"), 2);
    EXPECT_EQ(page.at("next"), 9);
    EXPECT_EQ(agent_.asked_for, "0 1 - /");
    const json::value last = parsed(ask("GET", "/v1/subscribers?from=8&count=10000"));
    EXPECT_EQ(last.at("subscribers").as_array().size(), 1U);
    EXPECT_EQ(last.at("next"), 0);
    EXPECT_EQ(agent_.asked_for, "8 10000 - /");
    EXPECT_EQ(ask("GET", "/v1/subscribers").status, 200);
    EXPECT_EQ(agent_.asked_for, "0 1000 - /");
    EXPECT_EQ(ask("GET", "/v1/subscribers?within=192.0.2.1&user=a%40b&nas=bng1").status, 200);
    EXPECT_EQ(agent_.asked_for, "0 1000 192.0.2.1/32 a@b/bng1");
    EXPECT_EQ(ask("GET", "/v1/subscribers?from=18446744073709551615").status, 200);
    for (const char* wrong :
         {"count=0", "count=10001", "count=x", "count=", "count=-1", "count=1x", "from=-1", "from=", "from=x",
          "from=18446744073709551616", "from=1.5", "within=192.0.2"}) {
        const Response response = ask("GET", std::string("/v1/subscribers?") + wrong);
        EXPECT_EQ(response.status, 400) << wrong;
        EXPECT_EQ(error_kind(response), "invalid");
    }
}

TEST_F(Routes, OneSubscriberByIdOrAddress) {
    EXPECT_EQ(parsed(ask("GET", "/v1/subscribers/7")), json::parse(seven));
    EXPECT_EQ(parsed(ask("GET", "/v1/subscribers/192.0.2.1")), json::parse(seven));
    EXPECT_EQ(ask("GET", "/v1/subscribers/8").status, 404);
    EXPECT_EQ(ask("GET", "/v1/subscribers/99999999999999999999").status, 404);
    EXPECT_EQ(ask("GET", "/v1/subscribers/2001%3Adb8%3A%3A1").status, 404);
    EXPECT_EQ(agent_.asked_for, "2001:db8::1");
    EXPECT_EQ(ask("GET", "/v1/subscribers/2001:db8:100:a00::%2F56").status, 404) << "the key of grants";
    EXPECT_EQ(agent_.asked_for, "2001:db8:100:a00::");
    for (const char* wrong : {"x", "-1", "7x", "192.0.2.0%2F24", "%zz", "import"}) {
        EXPECT_EQ(ask("GET", std::string("/v1/subscribers/") + wrong).status, 400) << wrong;
    }
    EXPECT_EQ(ask("GET", "/v1/subscribers/").status, 404);
    EXPECT_EQ(ask("POST", "/v1/subscribers/7").status, 405);
    EXPECT_EQ(ask("DELETE", "/v1/subscribers").status, 405);
}

TEST_F(Routes, AnUnknownIntervalIsNull) {
    SubscriberStatus imported = subscriber_for(1);
    imported.interim_interval.reset();
    EXPECT_TRUE(json::value_from(imported).at("interim_seconds").is_null());
}

TEST_F(Routes, ImportsSubscribers) {
    const Response done = ask("POST", "/v1/subscribers/import",
                              R"({"subscribers":[{"id":"c-1","user":"anna","prefixes":["192.0.2.1",
        "2001:db8:100:a00::/56"],"classes":["residential","x y"],"filters":["f"]},
        {"id":"c-2","prefixes":["192.0.2.2/32"]}]})");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(parsed(done), json::parse(R"({"began":2,"ended":1,"kept":2,"revoked":3})"));
    EXPECT_THAT(agent_.calls, ElementsAre("subscribers c-1/anna 192.0.2.1/32 2001:db8:100:a00::/56 c-2/ "
                                          "192.0.2.2/32"));
    ASSERT_EQ(agent_.imported.size(), 2U);
    EXPECT_THAT(agent_.imported[0].classes, ElementsAre("residential", "x y"));
    EXPECT_THAT(agent_.imported[0].filters, ElementsAre("f"));
    EXPECT_TRUE(agent_.imported[1].classes.empty());
    EXPECT_EQ(ask("POST", "/v1/subscribers/import", R"({"subscribers":[]})").status, 200);
    EXPECT_EQ(ask("POST", "/v1/subscribers/import", R"({"subscribers":[{"id":"a","prefixes":["192.0.2.0/24"]},
        {"id":"b","prefixes":["192.0.2.7"]}]})")
                  .status,
              200)
        << "one within another is the agent's business";
    agent_.broken = true;
    EXPECT_EQ(ask("POST", "/v1/subscribers/import", R"({"subscribers":[]})").status, 503);
}

// Each with a good entry before it, so that it is the second.
TEST_F(Routes, EntriesThatAreWrongAreNamedAndNothingIsImported) {
    const auto times = [](const std::string& text, int count) {
        std::string all = text;
        for (int more = 1; more < count; ++more) {
            all += "," + text;
        }
        return all;
    };
    std::string prefixes = "\"192.0.2.100\"";
    for (int last = 101; last < 117; ++last) {
        prefixes += ",\"192.0.2." + std::to_string(last) + "\"";
    }
    const std::string address = R"("prefixes":["192.0.2.9"])";
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"7", "entry 2: a subscriber is no object"},
        {"[]", "entry 2: "},
        {"{" + address + "}", "entry 2: an empty id"},
        {R"({"id":"",)" + address + "}", "entry 2: an empty id"},
        {R"({"id":7,)" + address + "}", R"(entry 2: \"id\" is no string)"},
        {R"({"id":null,)" + address + "}", R"(entry 2: \"id\" is no string)"},
        {R"({"id":"c","user":1,)" + address + "}", R"x(entry 2 (c): \"user\" is no string)x"},
        {R"({"id":"c","class":"x",)" + address + "}", R"x(entry 2 (c): unknown member \"class\")x"},
        {R"({"id":"c","classes":"x",)" + address + "}", R"x(entry 2 (c): \"classes\" is no array)x"},
        {R"({"id":"c","filters":[1],)" + address + "}", R"x(entry 2 (c): \"filters\" has something)x"},
        {R"({"id":"c","classes":[""],)" + address + "}", "entry 2 (c): an empty class"},
        {R"({"id":"c"})", "entry 2 (c): no prefix"},
        {R"({"id":"c","prefixes":[]})", "entry 2 (c): no prefix"},
        {R"({"id":"c","prefixes":"192.0.2.9"})", R"x(entry 2 (c): \"prefixes\" is no array)x"},
        {R"({"id":"c","prefixes":["x"]})", R"x(entry 2 (c): \"x\" is not an IP prefix)x"},
        {R"({"id":"c","prefixes":["192.0.2.9/24"]})", "entry 2 (c): 192.0.2.9/24 has bits set"},
        {R"({"id":"c","prefixes":["192.0.2.9","192.0.2.9/32"]})",
         "entry 2 (c): 192.0.2.9/32 stands there twice"},
        {R"({"id":"c","prefixes":["192.0.2.1"]})", "entry 2 (c): 192.0.2.1/32 is named in entry 1, too"},
        {R"({"id":"good",)" + address + "}", R"x(entry 2 (good): the id \"good\" is that of entry 1, too)x"},
        {R"({"id":"c","prefixes":[)" + prefixes + "]}", "entry 2 (c): 17 prefixes, more than 16"},
        {R"({"id":"c","classes":[)" + times("\"x\"", 17) + "]," + address + "}", "17 classes, more than 16"},
        {R"({"id":"c","filters":[)" + times("\"x\"", 17) + "]," + address + "}", "17 filters, more than 16"},
        {R"({"id":")" + std::string(254, 'i') + "\"," + address + "}", "the id has more than 253 octets"},
        {R"({"id":"c","user":")" + std::string(254, 'u') + "\"," + address + "}",
         "the user has more than 253"},
        {R"({"id":"c","classes":[")" + std::string(254, 'k') + "\"]," + address + "}",
         "a class has more than"},
        {R"({"id":"c","filters":[")" + std::string(254, 'f') + "\"]," + address + "}",
         "a filter has more than"},
    };
    for (const auto& [entry, words] : wrong) {
        const Response response =
            ask("POST", "/v1/subscribers/import",
                R"({"subscribers":[{"id":"good","prefixes":["192.0.2.1"]},)" + entry + "]}");
        EXPECT_EQ(response.status, 400) << entry;
        EXPECT_THAT(response.body, AllOf(HasSubstr("\"invalid\""), HasSubstr(words))) << entry;
    }
    for (const char* body : {"", "{}", "[]", R"({"subscribers":{}})", R"({"subscribers":[],"more":1})"}) {
        EXPECT_EQ(ask("POST", "/v1/subscribers/import", body).status, 400) << body;
    }
    EXPECT_TRUE(agent_.calls.empty());
}

TEST_F(Routes, ASubscriberMayHaveAsMuchAsIsAllowed) {
    std::string entry = R"({"id":")" + std::string(253, 'i') + R"(","user":")" + std::string(253, 'u') + "\"";
    for (const char* name : {"classes", "filters", "prefixes"}) {
        entry += std::string(",\"") + name + "\":[";
        for (int each = 0; each < 16; ++each) {
            entry += std::string(each == 0 ? "" : ",") + "\"192.0.2." + std::to_string(each) + "\"";
        }
        entry += "]";
    }
    EXPECT_EQ(ask("POST", "/v1/subscribers/import", R"({"subscribers":[)" + entry + "}]}").status, 200);
}

TEST_F(Routes, WhoMayLookAtAndImportSubscribers) {
    const std::string list = R"({"subscribers":[]})";
    for (const char* target : {"/v1/subscribers", "/v1/subscribers/7", "/v1/subscribers/192.0.2.1"}) {
        EXPECT_EQ(ask("GET", target, "", Role::viewer).status, 200) << target;
        EXPECT_EQ(ask("GET", target, "", Role::none).status, 403) << target;
        EXPECT_EQ(ask("GET", target, "", Role::reporter).status, 403) << target;
    }
    for (const Role role : {Role::none, Role::reporter, Role::viewer}) {
        EXPECT_EQ(ask("POST", "/v1/subscribers/import", list, role).status, 403);
    }
    EXPECT_TRUE(agent_.calls.empty());
    EXPECT_EQ(ask("POST", "/v1/subscribers/import", list, Role::operator_).status, 200);
}

// A hundred thousand of them come as one request; other requests stay as small as they were.
TEST(Serve, TakesALongListOfSubscribers) {
    const tests::Directory directory;
    tests::Runner runner;
    FakeAgent agent;
    const ApiConfig config{.socket = directory / "agent.sock", .operators = {}, .viewers = {}};
    auto server = runner.on_thread([&] { return serve(runner.context().get_executor(), config, agent); });
    ASSERT_TRUE(server) << server.error().what;
    std::string body = R"({"subscribers":[)";
    constexpr unsigned count = 100'000;
    for (unsigned each = 0; each < count; ++each) {
        const std::string low = std::to_string(each / 256 % 256) + "." + std::to_string(each % 256);
        body += std::string(each == 0 ? "" : ",") + R"({"id":"line-)" + std::to_string(each) +
                R"(","user":"user)" + std::to_string(each) + R"(@example.net","prefixes":["10.)" +
                std::to_string(each / 65536) + "." + low + R"("],"classes":["residential"]})";
    }
    body += "]}";
    EXPECT_GT(body.size(), 8'000'000U);
    const Client client(config.socket, std::chrono::seconds(50));
    const auto done = client.request("POST", "/v1/subscribers/import", body);
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_EQ(done->body, R"({"began":100000,"ended":1,"kept":2,"revoked":3})");
    const auto other = client.request("POST", "/v1/grants/import", body);
    ASSERT_TRUE(other) << other.error().what;
    EXPECT_EQ(other->status, 413);
    body.resize(largest_subscriber_import + 1);
    const auto larger = client.request("POST", "/v1/subscribers/import", body);
    ASSERT_TRUE(larger) << larger.error().what;
    EXPECT_EQ(larger->status, 413);
    runner.on_thread([&server] { auto gone = std::move(*server); });
}

}  // namespace
}  // namespace sekisho::api
