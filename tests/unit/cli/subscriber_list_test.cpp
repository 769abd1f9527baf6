// SPDX-License-Identifier: Apache-2.0
// Lists of subscribers as CSV and JSON: what they say, and what is said of those that are wrong.
#include "agent/cli/subscriber_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sekisho::cli {

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// "id|user|prefixes|classes|filters" of each, or "LINE: what" of each mistake.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    const auto list = parse_subscriber_list(text);
    if (!list) {
        for (const ListMistake& mistake : list.error()) {
            lines.push_back(std::to_string(mistake.line) + ": " + mistake.what);
        }
        return lines;
    }
    for (const api::ImportedSubscriber& one : *list) {
        std::string line = one.id + "|" + one.user + "|";
        for (const Prefix& prefix : one.prefixes) {
            line += prefix.text() + ";";
        }
        for (const auto& labels : {one.classes, one.filters}) {
            line += "|";
            for (const std::string& label : labels) {
                line += label + ";";
            }
        }
        lines.push_back(line);
    }
    return lines;
}

std::string remedy_for(std::string_view text) {
    const auto list = parse_subscriber_list(text);
    return list ? std::string() : list.error().front().remedy;
}

TEST(SubscriberCsv, ColumnsStandInAnyOrder) {
    EXPECT_THAT(lines_of("id,user,prefixes,class,filter_id\n"
                         "c-1,anna,192.0.2.1 2001:db8:100:a00::/56,residential dsl,dynamic\n"
                         "c-2,,192.0.2.2/32,,\n"),
                ElementsAre("c-1|anna|192.0.2.1/32;2001:db8:100:a00::/56;|residential;dsl;|dynamic;",
                            "c-2||192.0.2.2/32;||"));
    EXPECT_THAT(lines_of("prefixes,id\n192.0.2.1,c-1"), ElementsAre("c-1||192.0.2.1/32;||"));
    EXPECT_THAT(lines_of("filter_id,prefixes,id\na b,192.0.2.1,c-1\n"),
                ElementsAre("c-1||192.0.2.1/32;||a;b;"));
    EXPECT_THAT(lines_of("id,prefixes\n"), ElementsAre());
}

TEST(SubscriberCsv, QuotesAndLineEnds) {
    EXPECT_THAT(lines_of("\xef\xbb\xbfid,user,prefixes\r\n"
                         "\"c,1\",\"anna \"\"a\"\" b\",\"192.0.2.1\r\n192.0.2.2\"\r\n"
                         "c-2,\"\",192.0.2.3\r\n"),
                ElementsAre("c,1|anna \"a\" b|192.0.2.1/32;192.0.2.2/32;||", "c-2||192.0.2.3/32;||"));
    EXPECT_THAT(lines_of(" id , prefixes \n  c 1\t, \" 192.0.2.1 \" \n\" c-2 \",192.0.2.2"),
                ElementsAre("c 1||192.0.2.1/32;||", " c-2 ||192.0.2.2/32;||"));
}

TEST(SubscriberCsv, CommentsAndEmptyLines) {
    EXPECT_THAT(lines_of("# of today\n\nid,prefixes\n  \t\n # more\nc-1,192.0.2.1\n\r\n#\nc#2,192.0.2.2\n\n"),
                ElementsAre("c-1||192.0.2.1/32;||", "c#2||192.0.2.2/32;||"));
    EXPECT_THAT(lines_of("id,prefixes\n\"#1\",192.0.2.1\n"), ElementsAre("#1||192.0.2.1/32;||"));
}

TEST(SubscriberCsv, HeadersThatAreWrong) {
    EXPECT_THAT(lines_of(""), ElementsAre("1: there is no header line"));
    EXPECT_THAT(lines_of("# nothing\n\n"), ElementsAre("1: there is no header line"));
    EXPECT_THAT(lines_of("\nc-1,192.0.2.1\n"),
                ElementsAre("2: there is no column \"c-1\"", "2: there is no column \"192.0.2.1\"",
                            "2: the column id is missing", "2: the column prefixes is missing"));
    EXPECT_THAT(lines_of("id,prefixes,id\nx\n"), ElementsAre("1: the column id stands there twice"));
    EXPECT_THAT(remedy_for("id,prefix\n"), HasSubstr("did you mean prefixes?"));
    EXPECT_THAT(remedy_for("id;prefixes\n"), HasSubstr("commas"));
    EXPECT_THAT(lines_of("id,prefixes,\n"), ElementsAre("1: there is no column \"\""));
    EXPECT_THAT(lines_of("\"id,prefixes\n"), ElementsAre("1: a quote begins here that doesn't end"));
    EXPECT_THAT(lines_of("id,prefixes,\x1b[2J\n"), ElementsAre("1: there is no column \"\\x1b[2J\""));
}

TEST(SubscriberCsv, RowsThatAreWrongAreAllTold) {
    EXPECT_THAT(lines_of("id,user,prefixes\n"
                         "c-1,anna\n"
                         "c-2,bob,192.0.2.2,x\n"
                         "c-3,cleo,192.0.2.300 192.0.2.3/24\n"
                         ",dora,192.0.2.4\n"
                         "c-5,emil,\n"
                         "c-6,fay,192.0.2.6\n"
                         "c-6,gus,192.0.2.7\n"
                         "c-8,hal,\"192.0.2.6\n\"\n"
                         "c-9,\"i\"j,192.0.2.9\n"
                         "c-10,k\"l,192.0.2.10\n"
                         "c-11,m\xff,192.0.2.11\n"
                         "c-12,n,192.0.2.12\n"
                         "c-13,\"o,192.0.2.13\n"),
                ElementsAre("2: cells: 2, columns: 3", "3: cells: 4, columns: 3",
                            "4: \"192.0.2.300\" is not an IP prefix",
                            "4: 192.0.2.3/24 has bits set behind its length", "5: an empty id names nobody",
                            "6: no prefix", "8: the id \"c-6\" is that of line 7, too",
                            "9: 192.0.2.6/32 is named in line 7, too",
                            "11: text behind a cell's closing quote", "12: a quote in the middle of a cell",
                            "13: this is not UTF-8", "15: a quote begins here that doesn't end"));
    EXPECT_THAT(remedy_for("id,prefixes\nc-1,192.0.2.3/24\n"), HasSubstr("write 192.0.2.0/24"));
}

TEST(SubscriberCsv, LimitsOfALine) {
    std::string row = "c-1,";
    for (int each = 0; each < 17; ++each) {
        row += "192.0.2." + std::to_string(each) + " ";
    }
    EXPECT_THAT(lines_of("id,prefixes\n" + row), ElementsAre("2: 17 prefixes, more than 16"));
    EXPECT_THAT(lines_of("id,prefixes,class\nc-1,192.0.2.1," + std::string(254, 'x')),
                ElementsAre("2: a class has more than 253 octets"));
    EXPECT_THAT(lines_of("id,prefixes\n" + std::string(254, 'x') + ",192.0.2.1"),
                ElementsAre("2: the id has more than 253 octets"));
    EXPECT_EQ(lines_of("id,prefixes\n" + std::string(253, 'x') + ",192.0.2.1").front().size(), 253U + 17U);
}

TEST(SubscriberCsv, TwentyMistakesAreEnough) {
    std::string text = "id,prefixes\n";
    for (int each = 0; each < 30; ++each) {
        text += "c,x y z\n";
    }
    const auto lines = lines_of(text);
    ASSERT_EQ(lines.size(), most_mistakes);
    EXPECT_EQ(lines.back(), "8: \"y\" is not an IP prefix");
    std::string list = "[";
    for (int each = 0; each < 30; ++each) {
        list += each == 0 ? "1" : ",1";
    }
    EXPECT_EQ(lines_of(list + "]").size(), most_mistakes);
}

TEST(SubscriberJson, IsTheArrayOrTheApisObject) {
    const std::string array =
        R"([{"id":"c-1","user":"anna","prefixes":["192.0.2.1","2001:db8:100:a00::/56"],)"
        R"("classes":["residential","x y"],"filters":["f"]},{"prefixes":["192.0.2.2/32"],"id":"c-2"}])";
    for (const std::string& text :
         {array, "\xef\xbb\xbf\r\n " + array, R"({"subscribers":)" + array + "}\n"}) {
        EXPECT_THAT(lines_of(text),
                    ElementsAre("c-1|anna|192.0.2.1/32;2001:db8:100:a00::/56;|residential;x y;|f;",
                                "c-2||192.0.2.2/32;||"))
            << text;
    }
    EXPECT_THAT(lines_of("[]"), ElementsAre());
    EXPECT_THAT(lines_of(R"({"subscribers":[]})"), ElementsAre());
}

TEST(SubscriberJson, WhatIsWrongIsTold) {
    EXPECT_THAT(lines_of("[\n{\"id\":\"c-1\"\n\"prefixes\":[]}]"),
                ElementsAre(AllOf(HasSubstr("3: "), HasSubstr("not JSON"))));
    EXPECT_THAT(lines_of("[\n\n"), ElementsAre(HasSubstr("3: this is not JSON")));
    EXPECT_THAT(lines_of("[]\n\nx"), ElementsAre(HasSubstr("3: this is not JSON")));
    EXPECT_THAT(lines_of("[[[[[]]]]]"), ElementsAre(HasSubstr("1: this is not JSON")));
    EXPECT_THAT(lines_of("[\"\xff\"]"), ElementsAre(HasSubstr("1: this is not JSON")));
    for (const char* object : {"{}", R"({"subscribers":[],"more":1})", R"({"grants":[]})"}) {
        EXPECT_THAT(lines_of(object), ElementsAre(HasSubstr("0: the object"))) << object;
    }
    EXPECT_THAT(lines_of(R"({"subscribers":7})"), ElementsAre(HasSubstr("no array")));
    EXPECT_THAT(lines_of(R"([{"id":"c-1","prefixes":["192.0.2.1"]},7,{"id":"c-1","prefixes":["192.0.2.2"]},)"
                         R"({"id":"c-4","prefixes":["192.0.2.4/24"]},{"id":"c-5","prefix":"x"}])"),
                ElementsAre("0: entry 2: a subscriber is no object",
                            "0: entry 3 (c-1): the id \"c-1\" is that of entry 1, too",
                            "0: entry 4 (c-4): 192.0.2.4/24 has bits set behind its length",
                            "0: entry 5 (c-5): unknown member \"prefix\""));
}

}  // namespace

}  // namespace sekisho::cli
