// SPDX-License-Identifier: Apache-2.0
// Paths and parameters.
#include <gtest/gtest.h>

#include <limits>

#include "smtpd/message/domain.h"
#include "smtpd/session/parameters.h"
#include "smtpd/session/path.h"

namespace sekisho::session {
namespace {

// The mailbox, and what stands behind the path; or the fault's name.
std::string read(std::string_view text) {
    const auto path = take_path(text);
    if (path) {
        EXPECT_EQ(path->ascii, message::is_ascii(path->mailbox));
        return path->mailbox + '|' + std::string(text);
    }
    switch (path.error()) {
        case PathFault::syntax:
            return "syntax";
        case PathFault::too_long:
            return "too long";
    }
    return "?";
}

TEST(Path, AsItIsWritten) {
    EXPECT_EQ(read("<alice@example.com> SIZE=1"), "alice@example.com| SIZE=1");
    EXPECT_EQ(read("<>"), "|");
    EXPECT_EQ(read("<postmaster>"), "postmaster|");
    EXPECT_EQ(read("<Alice.B@Example.COM>"), "Alice.B@Example.COM|");
    EXPECT_EQ(read("<a!#$%&'*+-/=?^_`{|}~z@example.com>"), "a!#$%&'*+-/=?^_`{|}~z@example.com|");
    EXPECT_EQ(read("<a@localhost>"), "a@localhost|");
    EXPECT_EQ(read("<a@my_host.example>"), "a@my_host.example|");
    EXPECT_EQ(read("<a@xn--bcher-kva.example>"), "a@xn--bcher-kva.example|");
}

TEST(Path, QuotedLocalParts) {
    EXPECT_EQ(read(R"(<"a b>"@example.com>x)"), R"("a b>"@example.com|x)");
    EXPECT_EQ(read(R"(<"a\"\\b"@example.com>)"), R"("a\"\\b"@example.com|)");
    EXPECT_EQ(read(R"(<""@example.com>)"), R"(""@example.com|)");
    EXPECT_EQ(read(R"(<"a@example.com>)"), "syntax");
    EXPECT_EQ(read(R"(<"a"b@example.com>)"), "syntax");
    EXPECT_EQ(read(R"(<"a\)"), "syntax");
    EXPECT_EQ(read("<\"a\tb\"@example.com>"), "syntax");
    EXPECT_EQ(read("<\"a\\\x7f\"@example.com>"), "syntax");
    EXPECT_EQ(read("<\"a\\\xc3\xa9\"@example.com>"), "\"a\\\xc3\xa9\"@example.com|");
}

TEST(Path, AnAtInQuotesIsNoDomain) {
    std::string_view text = R"(<"a@b">)";
    const auto path = take_path(text);
    ASSERT_TRUE(path);
    EXPECT_EQ(path->mailbox, R"("a@b")");
    EXPECT_FALSE(path->has_domain);
}

TEST(Path, DomainLiterals) {
    EXPECT_EQ(read("<a@[192.0.2.1]>"), "a@[192.0.2.1]|");
    EXPECT_EQ(read("<a@[IPv6:2001:db8::1]>"), "a@[IPv6:2001:db8::1]|");
    EXPECT_EQ(read("<a@[ipv6:2001:db8::1]>"), "a@[ipv6:2001:db8::1]|");
    for (const char* literal : {"[192.0.2.256]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]", "[192.0.2.1",
                                "[x:y]", "[192.0.2.1]x", "[IPv6:2001:db8::1%eth0]"}) {
        EXPECT_EQ(read("<a@" + std::string(literal) + ">"), "syntax") << literal;
    }
}

TEST(Path, SourceRoutesAreIgnored) {
    EXPECT_EQ(read("<@one.example:a@example.com>"), "a@example.com|");
    EXPECT_EQ(read("<@one.example,@two.example:a@example.com>"), "a@example.com|");
    EXPECT_EQ(read("<@one.example,two.example:a@example.com>"), "syntax");
    EXPECT_EQ(read("<@one.example>"), "syntax");
    EXPECT_EQ(read("<@one.example:>"), "syntax");
}

TEST(Path, ThatIsNone) {
    for (const char* text : {"",
                             "<",
                             ">",
                             "a@example.com",
                             "<a@example.com",
                             "< a@example.com>",
                             "<a@example.com >",
                             "<a b@example.com>",
                             "<.a@example.com>",
                             "<a.@example.com>",
                             "<a..b@example.com>",
                             "<@>",
                             "<a@>",
                             "<a@.example>",
                             "<a@example.>",
                             "<a@-a.example>",
                             "<a@a-.example>",
                             "<a@b@example.com>",
                             "<a(c)@example.com>",
                             "<a@exa mple.com>",
                             "<a\x01@example.com>",
                             "<a@example.com\x7f>"}) {
        EXPECT_EQ(read(text), "syntax") << text;
    }
}

// RFC 6531, 3.3.
TEST(Path, InLettersOfAnyLanguage) {
    EXPECT_EQ(read("<j\u00f6rg@b\u00fccher.example> x"), "j\u00f6rg@b\u00fccher.example| x");
    EXPECT_EQ(read("<\u95a2\u6240@\u4f8b\u3048.\u30c6\u30b9\u30c8>"),
              "\u95a2\u6240@\u4f8b\u3048.\u30c6\u30b9\u30c8|");
    for (const char* text :
         {"<\xc3@example.com>", "<\xff@example.com>", "<a@\xc3.example>", "<a@\xed\xa0\x80.example>",
          "<a@-\u00fc.example>", "<a@\u200b.example>", "<\u00fc@[192.0.2.\u00fc]>"}) {
        EXPECT_EQ(read(text), "syntax") << text;
    }
    EXPECT_EQ(read("<" + std::string(62, 'a') + "\u00fc@example.com>"),
              std::string(62, 'a') + "\u00fc@example.com|");
    EXPECT_EQ(read("<" + std::string(63, 'a') + "\u00fc@example.com>"), "too long") << "octets count";
}

std::string domain_of(std::size_t size) {
    std::string domain = "e.example";
    while (domain.size() + 64 <= size) {
        domain.insert(0, std::string(63, 'd') + '.');
    }
    return domain.size() == size ? domain : std::string(size - domain.size() - 1, 'd') + '.' + domain;
}

TEST(Path, HasLimits) {
    EXPECT_EQ(read("<" + std::string(64, 'a') + "@example.com>"), std::string(64, 'a') + "@example.com|");
    EXPECT_EQ(read("<" + std::string(65, 'a') + "@example.com>"), "too long");
    EXPECT_EQ(read("<a@" + std::string(63, 'a') + ".example>"), "a@" + std::string(63, 'a') + ".example|");
    EXPECT_EQ(read("<a@" + std::string(64, 'a') + ".example>"), "syntax");
    EXPECT_EQ(read("<a@" + domain_of(252) + ">"), "a@" + domain_of(252) + "|");
    EXPECT_EQ(read("<a@" + domain_of(253) + ">"), "too long");
    EXPECT_EQ(read("<a@" + domain_of(256) + ">"), "too long");
}

TEST(Parameters, AreRead) {
    const auto all = read_mail_parameters(" SIZE=123 body=8bitmime AUTH=e+3Dmc2@example.com");
    ASSERT_TRUE(all);
    EXPECT_EQ(all->size, 123U);
    EXPECT_TRUE(all->eight_bit);
    EXPECT_FALSE(read_mail_parameters(" BODY=7BIT")->eight_bit);
    EXPECT_FALSE(all->utf8);
    EXPECT_TRUE(read_mail_parameters(" SMTPUTF8")->utf8);
    EXPECT_TRUE(read_mail_parameters(" smtputf8 SIZE=1")->utf8);
    EXPECT_TRUE(read_mail_parameters(""));
    EXPECT_TRUE(read_mail_parameters(" AUTH=<>"));
    EXPECT_EQ(read_mail_parameters(" SIZE=18446744073709551616")->size,
              std::numeric_limits<std::uint64_t>::max());
}

TEST(Parameters, MustBeWellFormed) {
    for (const char* text : {"x",
                             "SIZE=1",
                             " SIZE",
                             " SIZE=",
                             " SIZE=-1",
                             " SIZE=1x",
                             " SIZE=123456789012345678901",
                             " SIZE=1 SIZE=1",
                             " BODY",
                             " BODY=8BIT",
                             " AUTH",
                             " AUTH=",
                             " AUTH=a+b",
                             " AUTH=a+3d",
                             " AUTH=a=b",
                             " =1",
                             " -X=1",
                             " X_Y=1",
                             " SIZE=1\t",
                             " X=\xc3\xa9"}) {
        const auto parameters = read_mail_parameters(text);
        ASSERT_FALSE(parameters) << text;
        EXPECT_EQ(parameters.error(), ParameterFault::syntax) << text;
    }
}

TEST(Parameters, MustBeKnown) {
    for (const char* text : {" NOTIFY=NEVER", " SIZE=1 ORCPT=rfc822;x", " X-Y"}) {
        const auto parameters = read_mail_parameters(text);
        ASSERT_FALSE(parameters) << text;
        EXPECT_EQ(parameters.error(), ParameterFault::unknown) << text;
    }
    for (const char* text : {" SIZE=1", " RET=FULL", " ENVID=x", " BODY=7BIT"}) {
        const auto parameters = read_recipient_parameters(text, false);
        ASSERT_FALSE(parameters) << text;
        EXPECT_EQ(parameters.error(), ParameterFault::unknown) << text;
    }
}

TEST(Parameters, OfNotification) {
    const auto mail = read_mail_parameters(" RET=full ENVID=a+2Bb");
    ASSERT_TRUE(mail);
    EXPECT_EQ(mail->returned, message::Return::full);
    EXPECT_EQ(mail->envelope_id, "a+2Bb");
    EXPECT_EQ(read_mail_parameters(" SIZE=1")->returned, message::Return::not_given);
    const auto rcpt = read_recipient_parameters(" ORCPT=rfc822;x NOTIFY=NEVER", false);
    ASSERT_TRUE(rcpt);
    EXPECT_EQ(rcpt->notify, message::Notify{.never = true});
    EXPECT_EQ(rcpt->original, "rfc822;x");
    EXPECT_FALSE(read_recipient_parameters("", false)->notify.given());
}

TEST(Parameters, OfNotificationMustBeWellFormed) {
    for (const char* text : {" RET", " RET=", " RET=HEAD", " RET=FULL RET=FULL", " ENVID", " ENVID=a=b",
                             " ENVID=a+2b", " ENVID=+00", " ENVID=a ENVID=a"}) {
        const auto parameters = read_mail_parameters(text);
        ASSERT_FALSE(parameters) << text;
        EXPECT_EQ(parameters.error(), ParameterFault::syntax) << text;
    }
    for (const char* text : {"x", "NOTIFY=NEVER", " NOTIFY", " NOTIFY=SUCCESS NOTIFY=DELAY", " ORCPT",
                             " ORCPT=rfc822", " ORCPT=rfc822;x ORCPT=rfc822;x"}) {
        const auto parameters = read_recipient_parameters(text, false);
        ASSERT_FALSE(parameters) << text;
        EXPECT_EQ(parameters.error(), ParameterFault::syntax) << text;
    }
}

// What comes of ORCPT behind a MAIL with SMTPUTF8; empty for what is none.
std::string original(const std::string& value) {
    const auto parameters = read_recipient_parameters(" ORCPT=" + value, true);
    return parameters ? parameters->original : std::string();
}

// RFC 6533, 3.
TEST(Parameters, OfNotificationInLettersOfAnyLanguage) {
    EXPECT_EQ(original("rfc822;a+2Bb"), "rfc822;a+2Bb");
    EXPECT_EQ(original("utf-8;j\u00f6rg@b\u00fccher.example"), R"(utf-8;j\x{F6}rg@b\x{FC}cher.example)");
    EXPECT_EQ(original("UTF-8;\u95a2\\x{2B}\U0001f4ee"), R"(UTF-8;\x{95A2}\x{2B}\x{1F4EE})");
    for (const char* value : {"rfc822;j\u00f6rg", "\u00fc;a", "utf-8;\xff", "utf-8;\xc3", "utf-8;j\u00f6rg=x",
                              "utf-8;j\u00f6rg+2B", "utf-8;\u00f6\\x{0A}", "j\u00f6rg@example.com"}) {
        EXPECT_EQ(original(value), "") << value;
    }
    std::string letters;
    for (int i = 0; i < 82; i++) {
        letters += "\u00fc";
    }
    EXPECT_EQ(original("utf-8;xx" + letters).size(), 500U);
    EXPECT_EQ(original("utf-8;xxx" + letters), "") << "there is no room for it at hosts without SMTPUTF8";
    EXPECT_FALSE(read_recipient_parameters(" ORCPT=utf-8;\u00fc", false));
    EXPECT_FALSE(read_recipient_parameters(" NOTIFY=N\u00c9VER", true));
    EXPECT_FALSE(read_mail_parameters(" SMTPUTF8 ENVID=\u00fc"));
}

}  // namespace
}  // namespace sekisho::session
