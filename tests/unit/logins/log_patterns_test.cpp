// SPDX-License-Identifier: Apache-2.0
// Which lines are logins: of each daemon as it writes them, near misses, and names of users that look like
// lines.
#include "agent/logins/log_patterns.h"

#include <gmock/gmock.h>

#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/logins/line_templates.h"

namespace sekisho::logins {
namespace {

using testing::HasSubstr;

LogPatterns all() {
    return std::move(LogPatterns::make({}, {}).value());
}

std::string text_of(const std::optional<SeenLogin>& seen) {
    if (!seen) {
        return "-";
    }
    return seen->pattern + " " + seen->user + " " + seen->address.text() +
           (seen->port ? ":" + std::to_string(*seen->port) : "") + " " + seen->protocol +
           (seen->mechanism.empty() ? "" : " " + seen->mechanism) + (seen->tls ? " tls" : "");
}

struct Sample {
    const char* what;
    const char* message;  // behind the time and the host
    const char* login;    // as text_of() has it
};

std::ostream& operator<<(std::ostream& out, const Sample& sample) {
    return out << sample.what;
}

class Samples : public testing::TestWithParam<Sample> {};

TEST_P(Samples, AreLoginsWhateverStampTheyHave) {
    for (const char* header : {"Nov 27 03:33:25 mail ", "2026-11-27T03:33:25.123456+01:00 mail ", ""}) {
        LogPatterns patterns = all();
        EXPECT_EQ(text_of(patterns.read(header + std::string(GetParam().message))), GetParam().login)
            << header;
    }
}

const Sample samples[] = {
    {"Dovecot23",
     "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=198.51.100.1, mpid=771, "
     "TLS, "
     "session=<aG9sYQ+/AAB>",
     "dovecot alice 192.0.2.2 pop3 PLAIN tls"},
    {"Dovecot23Own",
     "imap-login: Info: Login: user=<alice@example.net>, method=CRAM-MD5, rip=2001:db8::2, lip=2001:db8::1, "
     "mpid=771, "
     "session=<aG9sYQAAB>",
     "dovecot alice@example.net 2001:db8::2 imap CRAM-MD5"},
    {"Dovecot23SessionThatSeemsToSayTls",
     "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=198.51.100.1, mpid=771, "
     "session=<aTlSsSlTLS/AB>",
     "dovecot alice 192.0.2.2 pop3 PLAIN"},
    {"Dovecot23Secured",
     "dovecot: imap-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=192.0.2.2, mpid=1, secured, "
     "session=<x>",
     "dovecot alice 192.0.2.2 imap PLAIN"},
    {"Dovecot24",
     "dovecot[1]: imap-login: Logged in: user=<alice>, method=PLAIN, rip=::ffff:192.0.2.2, lip=198.51.100.1, "
     "mpid=771, TLS, session=<aG9sYQ+/AAB>",
     "dovecot alice 192.0.2.2 imap PLAIN tls"},
    {"Dovecot24Less", "dovecot: pop3-login: Logged in: user=<alice>, rip=192.0.2.2",
     "dovecot alice 192.0.2.2 pop3"},
    {"DovecotSieve",
     "dovecot: managesieve-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=192.0.2.1, mpid=1, "
     "TLS, "
     "session=<x>",
     "dovecot alice 192.0.2.2 sieve PLAIN tls"},
    {"DovecotSubmission",
     "dovecot: submission-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2, lip=192.0.2.1, mpid=1, "
     "TLS, "
     "session=<x>",
     "dovecot alice 192.0.2.2 smtp PLAIN tls"},
    {"DovecotBlankInName",
     "dovecot: pop3-login: Login: user=<a lice>, method=PLAIN, rip=192.0.2.2, lip=192.0.2.1, mpid=1, "
     "session=<x>",
     "dovecot a lice 192.0.2.2 pop3 PLAIN"},
    {"Courier", "pop3d: LOGIN, user=alice, ip=[::ffff:192.0.2.2], port=[1234], protocol=POP3",
     "courier alice 192.0.2.2:1234 pop3"},
    {"CourierTls",
     "imapd-ssl: LOGIN, user=alice@example.net, ip=[2001:db8::2], port=[1234], protocol=IMAP, stls=1",
     "courier alice@example.net 2001:db8::2:1234 imap tls"},
    {"CourierSmap", "imapd: LOGIN, user=alice, ip=[::ffff:192.0.2.2], port=[1234], protocol=SMAP1",
     "courier alice 192.0.2.2:1234 smap1"},
    {"CourierOlder", "courierpop3login: LOGIN, user=alice, ip=[192.0.2.2]", "courier alice 192.0.2.2 pop3"},
    {"Cyrus", "imap[5]: login: host.example.net [192.0.2.2] alice plaintext+TLS User logged in",
     "cyrus alice 192.0.2.2 imap plaintext tls"},
    {"CyrusSession", "cyrus/imaps[5]: login: [192.0.2.2] alice PLAIN User logged in SESSIONID=<mail-5-1>",
     "cyrus alice 192.0.2.2 imap PLAIN"},
    {"CyrusPop", "pop3[5]: login: host.example.net[2001:db8::2] alice CRAM-MD5 User logged in",
     "cyrus alice 2001:db8::2 pop3 CRAM-MD5"},
    {"CyrusLogfmt",
     "imap[5]: event=login.good session_id=mail-5-1 r.clienthost=\"host.example.net [192.0.2.2]\" "
     "u.username=alice "
     "login.mech=PLAIN login.tls=1 login.magic=\"\"",
     "cyrus-logfmt alice 192.0.2.2 imap PLAIN tls"},
    {"CyrusLogfmtBare",
     "pop3[5]: event=login.good r.clienthost=[192.0.2.2] u.username=\"a \\\"lice\" login.mech=plaintext "
     "login.tls=0",
     "cyrus-logfmt a \\\"lice 192.0.2.2 pop3 plaintext"},
    {"Uw", "ipop3d[5]: Login user=alice host=host.example.net [192.0.2.2] nmsgs=0/0",
     "uw alice 192.0.2.2 pop3"},
    {"UwImap", "imapd[5]: Authenticated user=alice host=[192.0.2.2]", "uw alice 192.0.2.2 imap"},
    {"UwApop", "ipop3d[5]: APOP user=alice host=[2001:db8::2] nmsgs=12/13", "uw alice 2001:db8::2 pop3"},
    {"GnuPop3d", "gnu-pop3d[5]: User 'alice' logged in with mailbox '/var/mail/alice' from 192.0.2.2",
     "gnu-pop3d alice 192.0.2.2 pop3"},
    {"Qpopper", "qpopper[5]: (v4.0.9) POP login by user \"alice\" at (host.example.net) 192.0.2.2",
     "qpopper alice 192.0.2.2 pop3"},
    {"QpopperTrace",
     "in.qpopper[5]: (v4.0.9) POP login by user \"alice\" at (192.0.2.2) 192.0.2.2 [pop_log.c:244]",
     "qpopper alice 192.0.2.2 pop3"},
    {"QpopperStats", "popper[5]: Stats: alice 0 0 12 3456 host.example.net 192.0.2.2",
     "qpopper-stats alice 192.0.2.2 pop3"},
    {"Popa3dPatched", "popa3d[5]: Authentication passed for alice -- [192.0.2.2]",
     "popa3d alice 192.0.2.2 pop3"},
    {"Teapop",
     "teapop[5]: Successful login for alice@example.net [198.51.100.1] from host.example.net [192.0.2.2]",
     "teapop alice@example.net 192.0.2.2 pop3"},
    {"VmPop3d", "vm-pop3d[5]: User 'alice' of 'example.net' logged in from 192.0.2.2",
     "vm-pop3d 'alice' of 'example.net' 192.0.2.2 pop3"},
    {"SolidPop3d", "spop3d[5]: user alice authenticated - 192.0.2.2", "solid-pop3d alice 192.0.2.2 pop3"},
    {"SolidPop3dOther", "solid-pop3d[5]: authenticated user alice - 192.0.2.2",
     "solid-pop3d alice 192.0.2.2 pop3"},
    {"Vpopmail", "vpopmail[5]: vchkpw-pop3: (PLAIN) login success alice@example.net:192.0.2.2",
     "vpopmail alice@example.net 192.0.2.2 pop3 PLAIN"},
    {"VpopmailImap", "vpopmail[5]: vchkpw-imap: (CRAM-MD5) login success alice@example.net:2001:db8::2",
     "vpopmail alice@example.net 2001:db8::2 imap CRAM-MD5"},
    {"VpopmailOlder", "vpopmail[5]: vchkpw: login [alice@example.net] from 192.0.2.2",
     "vpopmail-older alice@example.net 192.0.2.2 pop3"},
    {"Perdition",
     R"(perdition[5]: Auth: 192.0.2.2->198.51.100.1 user="alice" server="mail" port="110" status="ok")",
     "perdition alice 192.0.2.2 "},
    {"PerditionNewer",
     "perdition.pop3[5]: Auth: 192.0.2.2:1234->198.51.100.1:110 client-secure=ssl authorisation_id=NONE "
     "authentication_id=\"alice\" server=\"mail:110\" protocol=POP3 server-secure=plaintext status=\"ok\"",
     "perdition alice 192.0.2.2:1234 pop3 tls"},
    {"PerditionIpv6",
     "perdition.pop3[5]: Auth: 2001:db8::2:34567->2001:db8::1:110 client-secure=plaintext "
     "authorisation_id=NONE authentication_id=\"alice\" server=\"mail:110\" protocol=POP3 "
     "server-secure=plaintext status=\"ok\"",
     "perdition alice 2001:db8::2:34567 pop3"},
    {"PerditionIpv4Mapped",
     "perdition.imap4[5]: Auth: ::ffff:192.0.2.2:34567->::ffff:198.51.100.1:143 client-secure=plaintext "
     "authorisation_id=NONE authentication_id=\"alice\" server=\"mail:143\" protocol=IMAP4 "
     "server-secure=plaintext status=\"ok\"",
     "perdition alice 192.0.2.2:34567 imap4"},
    {"Cucipop", "cucipop[5]: alice 192.0.2.2 12345, 0 (0), 12 (3456)", "cucipop alice 192.0.2.2 pop3"},
    {"Postfix",
     "postfix/smtpd[5]: 4A1B2C: client=host.example.net[192.0.2.2], sasl_method=PLAIN, sasl_username=alice",
     "postfix alice 192.0.2.2 smtp PLAIN"},
    {"PostfixSubmission",
     "postfix-out/submission/smtpd[5]: 4A1B2C: client=unknown[2001:db8::2]:1234, sasl_method=LOGIN, "
     "sasl_username=alice@example.net, sasl_sender=a@example.net",
     "postfix alice@example.net 2001:db8::2:1234 smtp LOGIN"},
};
INSTANTIATE_TEST_SUITE_P(Each, Samples, testing::ValuesIn(samples),
                         [](const auto& each) { return std::string(each.param.what); });

TEST(Patterns, XmailsOwnFile) {
    LogPatterns patterns = all();
    const auto seen = patterns.read(
        "\"mail.example.net\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 "
        "03:33:25\"\t\"alice\"\t\"\"\t\"LOGIN\""
        "\t\"12\"\t\"3456\"\n");
    EXPECT_EQ(text_of(seen), "xmail alice 192.0.2.2 pop3");
    EXPECT_EQ(seen->stamp, "2026-11-27 03:33:25");
    EXPECT_FALSE(
        patterns.read("\"mail.example.net\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 "
                      "03:33:25\"\t\"alice\"\t\"\"\t\"ELOGIN\"\n"));
}

TEST(Patterns, TheStampIsTold) {
    LogPatterns patterns = all();
    const auto seen = patterns.read("Nov 27 03:33:25 mail spop3d[5]: user alice authenticated - 192.0.2.2");
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->stamp, "Nov 27 03:33:25");
}

struct Pair {
    const char* what;
    const char* connected;
    const char* named;
    const char* login;
};

std::ostream& operator<<(std::ostream& out, const Pair& pair) {
    return out << pair.what;
}

class InTwoLines : public testing::TestWithParam<Pair> {
protected:
    LogPatterns patterns_ = all();
    static std::string of(int pid, std::string line) {
        return "Nov 27 03:33:25 mail " + line.replace(line.find('%'), 1, "[" + std::to_string(pid) + "]");
    }
};

TEST_P(InTwoLines, AddressAndUserAreOfOneProcess) {
    EXPECT_FALSE(patterns_.read(of(5, GetParam().named))) << "nobody has connected";
    EXPECT_FALSE(patterns_.read(of(5, GetParam().connected)));
    EXPECT_FALSE(patterns_.read(of(6, GetParam().named))) << "another process";
    EXPECT_EQ(text_of(patterns_.read(of(5, GetParam().named))), GetParam().login);
    EXPECT_FALSE(patterns_.read(of(5, GetParam().named))) << "the connection is used up";
}

TEST_P(InTwoLines, TheLatestConnectionCounts) {
    std::string other = GetParam().connected;
    other.replace(other.find("192.0.2.2"), 9, "192.0.2.9");
    std::string later = GetParam().login;
    later.replace(later.find("192.0.2.2"), 9, "192.0.2.9");
    EXPECT_FALSE(patterns_.read(of(5, GetParam().connected)));
    EXPECT_FALSE(patterns_.read(of(5, other)));
    EXPECT_EQ(text_of(patterns_.read(of(5, GetParam().named))), later);
}

TEST_P(InTwoLines, TheOldestAreForgotten) {
    for (int pid = 1; pid <= 10'001; pid++) {
        ASSERT_FALSE(patterns_.read(of(pid, GetParam().connected)));
    }
    EXPECT_FALSE(patterns_.read(of(1, GetParam().named)));
    EXPECT_TRUE(patterns_.read(of(2, GetParam().named)));
    EXPECT_TRUE(patterns_.read(of(10'001, GetParam().named)));
}

const Pair pairs[] = {
    {"Popa3d", "popa3d%: Session from 192.0.2.2", "popa3d%: Authentication passed for alice",
     "popa3d-session alice 192.0.2.2 pop3"},
    {"VmPop3d", "vm-pop3d%: Connect from 192.0.2.2", "vm-pop3d%: User alice logged in",
     "vm-pop3d-session alice 192.0.2.2 pop3"},
    {"SolidPop3d", "spop3d%: connect from 192.0.2.2", "spop3d%: user alice authenticated",
     "solid-pop3d-session alice 192.0.2.2 pop3"},
};
INSTANTIATE_TEST_SUITE_P(Each, InTwoLines, testing::ValuesIn(pairs),
                         [](const auto& each) { return std::string(each.param.what); });

// Two hosts' processes may have the same number.
TEST(LinesOfHosts, AreNoPair) {
    LogPatterns patterns = all();
    EXPECT_FALSE(patterns.read("Nov 27 03:33:25 one popa3d[5]: Session from 192.0.2.2"));
    EXPECT_FALSE(patterns.read("Nov 27 03:33:25 two popa3d[5]: Authentication passed for alice"));
    EXPECT_TRUE(patterns.read("Nov 27 03:33:25 one popa3d[5]: Authentication passed for alice"));
}

struct OfAPattern {
    const char* pattern;
    const char* message;
};

// What fails, what ends, and what another program says.
const OfAPattern misses[] = {
    {"dovecot",
     "dovecot: pop3-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<alice>, "
     "method=PLAIN, "
     "rip=192.0.2.2, lip=192.0.2.1, session=<x>"},
    {"dovecot", "dovecot: pop3-login: Disconnected: Logged in: user=<alice>, rip=192.0.2.2"},
    {"dovecot", "dovecot: imap(alice): Logged in: user=<alice>, method=PLAIN, rip=192.0.2.2"},
    {"dovecot", "dovecot: auth: Login: user=<alice>, method=PLAIN, rip=192.0.2.2"},
    {"dovecot", "dovecot: pop3-login: Login: user=<>, method=PLAIN, rip=192.0.2.2"},
    {"dovecot", "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip="},
    {"dovecot", "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.256, lip=192.0.2.1"},
    {"dovecot", "dovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2 lip=192.0.2.1"},
    {"dovecot", "xdovecot: pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.2"},
    {"courier", "pop3d: LOGIN FAILED, user=alice, ip=[::ffff:192.0.2.2]"},
    {"courier",
     "pop3d: LOGOUT, user=alice, ip=[::ffff:192.0.2.2], port=[1], top=0, retr=0, rcvd=0, sent=0, "
     "time=0"},
    {"cyrus",
     "imap[5]: badlogin: host.example.net [192.0.2.2] plaintext alice SASL(-13): authentication "
     "failure"},
    {"cyrus-logfmt", "imap[5]: event=login.bad r.clienthost=\"host [192.0.2.2]\" u.username=alice"},
    {"uw", "ipop3d[5]: Login failed user=alice auth=alice host=host.example.net [192.0.2.2]"},
    {"uw", "ipop3d[5]: Logout user=alice host=[192.0.2.2] nmsgs=0 ndele=0"},
    {"qpopper", "qpopper[5]: (v4.0.9) Possible probe of account \"alice\" from (host.example.net) 192.0.2.2"},
    {"popa3d", "popa3d[5]: Authentication failed for alice -- [192.0.2.2]"},
    {"teapop", "teapop[5]: Failed login for alice [local] from host.example.net [192.0.2.2]"},
    {"solid-pop3d", "spop3d[5]: user alice authentication failed - 192.0.2.2"},
    {"vpopmail", "vpopmail[5]: vchkpw-pop3: password fail alice@example.net:192.0.2.2"},
    {"vpopmail", "vpopmail[5]: vchkpw-pop3: vpopmail user not found alice@example.net:192.0.2.2"},
    {"perdition",
     "perdition[5]: Auth: 192.0.2.2->198.51.100.1 user=\"alice\" server=\"mail\" port=\"110\" "
     "status=\"failed: Re-Authentication Failure\""},
    {"cucipop", "cucipop[5]: authentication failure alice 192.0.2.2"},
    {"postfix",
     "postfix/smtpd[5]: warning: host.example.net[192.0.2.2]: SASL LOGIN authentication failed: "
     "sasl_username=alice"},
    {"postfix", "postfix/smtpd[5]: 4A1B2C: client=host.example.net[192.0.2.2]"},
    {"postfix",
     "postfix/cleanup[5]: 4A1B2C: message-id=<client=x[192.0.2.2], sasl_method=PLAIN, "
     "sasl_username=alice>"},
    {"courier", "pop3d: LOGIN, user=alice, ip=[::ffff:192.0.2.2], port=[1234], protocol=POP3 and more"},
    {"gnu-pop3d", "gnu-pop3d[5]: Login failed for user 'alice' from 192.0.2.2"},
    {"gnu-pop3d", "gnu-pop3d[5]: User 'alice' logged in with mailbox '/var/mail/alice' from 192.0.2.2 twice"},
    {"gnu-pop3d", "gnu-pop3d[5]: User 'alice' logged out from 192.0.2.2"},
    {"qpopper-stats", "popper[5]: Stats: alice 0 0 12 host.example.net 192.0.2.2"},
    {"qpopper-stats", "popper[5]: Stats: alice 0 0 12 3456 host.example.net"},
    {"qpopper-stats", "popper[5]: Statistics: alice 0 0 12 3456 host.example.net 192.0.2.2"},
    {"vm-pop3d", "vm-pop3d[5]: User alice failed to log in from 192.0.2.2"},
    {"vm-pop3d", "vm-pop3d[5]: User alice logged in from host.example.net"},
    {"vm-pop3d-session", "vm-pop3d[5]: Connect from 192.0.2.2"},
    {"vm-pop3d-session", "vm-pop3d[5]: User alice logged in"},
    {"popa3d-session", "popa3d[5]: Session from 192.0.2.2"},
    {"popa3d-session", "popa3d[5]: Authentication passed for alice"},
    {"popa3d-session", "popa3d[5]: Authentication passed for alice (message store locked)"},
    {"solid-pop3d", "spop3d[5]: user alice authenticated"},
    {"solid-pop3d", "spop3d[5]: user alice authenticated - host.example.net"},
    {"solid-pop3d-session", "spop3d[5]: connect from 192.0.2.2"},
    {"solid-pop3d-session", "spop3d[5]: user alice not authenticated"},
    {"vpopmail-older", "vpopmail[5]: vchkpw: password fail [alice@example.net] from 192.0.2.2"},
    {"vpopmail-older", "vpopmail[5]: vchkpw: login [alice@example.net] from host.example.net"},
    {"perdition", "perdition[5]: Connect: 192.0.2.2->198.51.100.1"},
    {"perdition",
     R"(perdition[5]: Auth: 192.0.2.2->198.51.100.1 user="" server="mail" port="110" status="ok")"},
    {"xmail",
     "\"mail\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 03:33:25\"\t\"alice\"\t\"\"\t\"ELOGIN\""},
    {"xmail", "\"mail\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 03:33:25\"\t\"\"\t\"\"\t\"LOGIN\""},
};

TEST(NearMisses, AreNoLogins) {
    for (const auto& [pattern, message] : misses) {
        LogPatterns patterns = all();
        EXPECT_EQ(text_of(patterns.read(with_header(pattern, message))), "-") << message;
    }
}

// The client is at 192.0.2.2 and wants 203.0.113.66, which is somebody else's, to be opened (or wants a
// failed login to look like one).
const OfAPattern hostile[] = {
    {"dovecot",
     "dovecot: pop3-login: Login: user=<x>, method=PLAIN, rip=203.0.113.66, lip=1.1.1.1>, "
     "method=PLAIN, "
     "rip=192.0.2.2, lip=192.0.2.1, mpid=1, TLS, session=<x>"},
    {"dovecot",
     "dovecot: pop3-login: Login: user=<x>, rip=203.0.113.66, a=<b>, method=PLAIN, rip=192.0.2.2, "
     "lip=1.1.1.1"},
    {"dovecot",
     "dovecot: pop3-login: Login: user=<x>, method=PLAIN, rip=192.0.2.2, lip=1.1.1.1, "
     "local_name=<y>, "
     "method=PLAIN, rip=203.0.113.66>"},
    {"dovecot",
     "dovecot: pop3-login: Aborted login (auth failed): user=<x>, pop3-login: Login: user=<y>, "
     "method=PLAIN, "
     "rip=203.0.113.66, lip=1.1.1.1"},
    {"dovecot",
     "dovecot: pop3-login: Aborted login: user=<\nNov 27 03:33:25 mail dovecot: pop3-login: Login: "
     "user=<x>, "
     "method=PLAIN, rip=203.0.113.66>"},
    {"courier",
     "pop3d: LOGIN, user=x, ip=[203.0.113.66], port=[1], protocol=POP3, ip=[192.0.2.2], port=[1], "
     "protocol=POP3"},
    {"courier", "pop3d: LOGIN FAILED, user=x\nLOGIN, user=y, ip=[203.0.113.66]"},
    {"cyrus", "imap[5]: login: [192.0.2.2] [203.0.113.66] x plaintext User logged in"},
    {"cyrus", "imap[5]: badlogin: [192.0.2.2] plaintext x login: [203.0.113.66] y plaintext User logged in"},
    {"cyrus-logfmt",
     "imap[5]: event=login.bad u.username=\"x event=login.good r.clienthost=[203.0.113.66] "
     "u.username=y\""},
    {"uw", "ipop3d[5]: Login failed user=x Login user=y host=[203.0.113.66]"},
    {"uw", "ipop3d[5]: Login user=x host=[203.0.113.66] host=[192.0.2.2]"},
    {"popa3d", "popa3d[5]: Authentication failed for x -- Authentication passed for y -- [203.0.113.66]"},
    {"vpopmail", "vpopmail[5]: vchkpw-pop3: password fail x vchkpw: login [y] from 203.0.113.66:192.0.2.2"},
    {"cucipop", "cucipop[5]: authentication failure x 203.0.113.66 1, 0 (0), 0 (0) 192.0.2.2"},
    {"postfix", "postfix/smtpd[5]: warning: x client=y[203.0.113.66], sasl_method=PLAIN, sasl_username=z"},
    {"postfix",
     "postfix/smtpd[5]: 4A1B2C: client=a[203.0.113.66], sasl_method=PLAIN, "
     "sasl_username=b[192.0.2.2], "
     "sasl_method=PLAIN, sasl_username=c"},
    {"qpopper-stats", "popper[5]: Stats: x 0 0 0 0 h 203.0.113.66 0 0 12 3456 host.example.net 192.0.2.2"},
    {"qpopper",
     R"x(qpopper[5]: (v4) Possible probe of account "x" (v4) POP login by user "y" at (h) 203.0.113.66)x"},
    {"vm-pop3d-session", "vm-pop3d[5]: User Connect from 203.0.113.66 logged in"},
    {"vm-pop3d", "vm-pop3d[5]: User x failed: User y logged in from 203.0.113.66"},
    {"popa3d-session", "popa3d[5]: Authentication passed for Session from 203.0.113.66"},
    {"gnu-pop3d",
     "gnu-pop3d[5]: User 'x' logged in with mailbox 'y' from 203.0.113.66' logged in with mailbox 'z' from "
     "192.0.2.2"},
    {"vm-pop3d", "vm-pop3d[5]: User x logged in from 203.0.113.66 logged in from 192.0.2.2"},
    {"solid-pop3d", "spop3d[5]: user x authenticated - 203.0.113.66 authenticated - 192.0.2.2"},
    {"solid-pop3d", "spop3d[5]: authentication failed: user y authenticated - 203.0.113.66"},
    {"solid-pop3d-session", "spop3d[5]: user connect from 203.0.113.66 authenticated"},
    {"vpopmail-older", "vpopmail[5]: vchkpw: login [x] from 203.0.113.66] from 192.0.2.2"},
    {"gnu-pop3d", "gnu-pop3d[5]: Login failed: User 'x' logged in with mailbox 'y' from 203.0.113.66"},
    {"teapop", "teapop[5]: Failed login for Successful login for x [y] from h [203.0.113.66]"},
    {"perdition",
     R"x(perdition[5]: Auth: 192.0.2.2->198.51.100.1 user="Auth: 203.0.113.66->198.51.100.1 user="x" server="mail" port="110" status="ok")x"},
    {"perdition",
     R"x(perdition[5]: Auth: 192.0.2.2->198.51.100.1 user="x" server="mail" port="110" status="failed: Auth: 203.0.113.66->198.51.100.1 user="x" server="mail" port="110" status="ok")x"},
    {"xmail",
     "\"mail\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 "
     "03:33:25\"\t\"x\"\t\"\"\t\"LOGIN\"\n\"mail\"\t\"example.net\"\t\"203.0.113.66\"\t\"2026-11-27 "
     "03:33:25\"\t\"y\"\t\"\"\t\"LOGIN\""},
};

TEST(HostileNames, OpenNothingForAnotherAddress) {
    for (const auto& [pattern, message] : hostile) {
        LogPatterns patterns = all();
        const auto seen = patterns.read(with_header(pattern, message));
        EXPECT_NE(seen ? seen->address.text() : "", "203.0.113.66") << message;
    }
}

// Where the address was in an earlier line, a name behind which nothing stands may end in one.
TEST(HostileNames, OpenNothingButForTheConnection) {
    LogPatterns patterns = all();
    EXPECT_FALSE(patterns.read("Nov 27 03:33:25 mail popa3d[5]: Session from 192.0.2.2"));
    EXPECT_FALSE(
        patterns.read("Nov 27 03:33:25 mail popa3d[5]: Authentication passed for x -- [203.0.113.66]"));
    EXPECT_EQ(text_of(patterns.read(
                  "Nov 27 03:33:25 mail popa3d[5]: Authentication passed for alice -- [192.0.2.2]")),
              "popa3d alice 192.0.2.2 pop3");
}

TEST(HostileNames, AreNoPartOfAnAddress) {
    LogPatterns patterns = all();
    const auto read = [&patterns](const std::string& end) {
        return text_of(patterns.read("Nov 27 03:33:25 mail vpopmail[5]: vchkpw-pop3: login success " + end));
    };
    EXPECT_EQ(read("x:2001:db8::192.0.2.2"), "-") << "the user is x:2001:db8:";
    EXPECT_EQ(read("alice:::ffff:192.0.2.2"), "vpopmail alice 192.0.2.2 pop3");
}

std::vector<LineTemplate> failures() {
    std::vector<LineTemplate> all_failures;
    std::ranges::copy_if(line_templates, std::back_inserter(all_failures),
                         [](const LineTemplate& each) { return !each.succeeded; });
    return all_failures;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
    return text;
}

// What looks like a login, as a name, of somebody else's address: each sample with and without what stands
// before its message, whole or from any word on.
std::set<std::string> forged_names() {
    std::vector<std::string> texts;
    for (const Sample& each : samples) {
        texts.emplace_back(each.message);
    }
    for (const Pair& each : pairs) {
        texts.emplace_back(each.named);
        texts.emplace_back(each.connected);
    }
    texts.emplace_back("\t\"203.0.113.66\"\t\"2026-11-27 03:33:25\"\t\"y\"\t\"\"\t\"LOGIN\"");
    std::set<std::string> names;
    for (const std::string& text : texts) {
        const std::string forged = replaced(text, "192.0.2.2", "203.0.113.66");
        for (std::size_t at = 0; at != std::string::npos; at = forged.find_first_of(" \t", at + 1)) {
            names.insert(forged.substr(at));
            names.insert(forged.substr(0, at));
        }
    }
    return names;
}

// A failed login, which must not look like one that didn't fail, whatever quotes the name begins and ends
// with.
TEST(HostileNames, MakeNoLoginOfAnyFailure) {
    LogPatterns patterns = all();
    const auto names = forged_names();
    for (const LineTemplate& failure : failures()) {
        for (const std::string& name : names) {
            for (const char* before : {"", "x\"", "x'", "x>, ", "x]\n"}) {
                for (const char* behind : {"", "\"", "'", "<"}) {
                    const std::string line = line_with_name(failure, before + name + behind);
                    ASSERT_EQ(text_of(patterns.read(line)), "-") << line;
                }
            }
        }
    }
}

// Nor is it that of who has connected, where address and name are of two lines.
TEST(HostileNames, MakeNoLoginOfAFailureBehindAConnection) {
    for (const Pair& pair : pairs) {
        const std::string program =
            std::string(pair.connected).substr(0, std::string_view(pair.connected).find('%'));
        for (const LineTemplate& failure : failures()) {
            if (!std::string_view(failure.message).starts_with(program)) {
                continue;
            }
            LogPatterns patterns = all();
            EXPECT_FALSE(patterns.read(with_header("", replaced(pair.connected, "%", "[5]"))));
            for (const std::string& name : forged_names()) {
                const std::string line = line_with_name(failure, name);
                ASSERT_EQ(text_of(patterns.read(line)), "-") << line;
            }
        }
    }
}

TEST(HostileNames, MakeNoLoginOfAFailure) {
    for (const char* message : {
             "vm-pop3d[5]: User x logged in with mailbox y failed to log in from 192.0.2.2",
             "gnu-pop3d[5]: User 'x' logged in with mailbox 'y' failed to log in from 192.0.2.2",
             "popa3d[5]: Authentication failed for x -- Authentication passed for y -- [192.0.2.2]",
             "spop3d[5]: authentication failed: user y authenticated - 192.0.2.2",
         }) {
        LogPatterns patterns = all();
        EXPECT_FALSE(patterns.read(std::string("Nov 27 03:33:25 mail ") + message)) << message;
    }
}

std::set<std::string> names_of_known() {
    std::set<std::string> names;
    for (const KnownPattern& each : known_patterns()) {
        names.emplace(each.name);
    }
    return names;
}

// The fuzzer puts any name into them (tests/fuzz/log_name_fuzz.cpp).
TEST(LineTemplates, OfEachPatternTellWhatHasSucceeded) {
    std::set<std::string> succeeded;
    for (const LineTemplate& each : line_templates) {
        LogPatterns patterns = all();
        EXPECT_FALSE(patterns.read(with_header(each.pattern, each.before))) << each.before;
        const auto seen = patterns.read(line_with_name(each, "alice"));
        EXPECT_EQ(seen.has_value(), each.succeeded) << each.message;
        if (seen) {
            succeeded.insert(seen->pattern);
            EXPECT_EQ(seen->pattern, each.pattern) << each.message;
            EXPECT_THAT(seen->user, HasSubstr("alice")) << each.message;
            EXPECT_EQ(seen->address.text(), real_client) << each.message;
        }
    }
    EXPECT_EQ(succeeded, names_of_known());
}

TEST(EachPattern, HasASampleANearMissAFailureAndAHostileName) {
    const std::set<std::string> known = names_of_known();
    std::set<std::string> sampled{"xmail"};
    for (const Sample& each : samples) {
        sampled.insert(std::string(each.login).substr(0, std::string_view(each.login).find(' ')));
    }
    for (const Pair& each : pairs) {
        sampled.insert(std::string(each.login).substr(0, std::string_view(each.login).find(' ')));
    }
    std::set<std::string> missed;
    for (const OfAPattern& each : misses) {
        missed.insert(each.pattern);
    }
    std::set<std::string> attacked;
    for (const OfAPattern& each : hostile) {
        attacked.insert(each.pattern);
    }
    std::set<std::string> failed;
    for (const LineTemplate& each : failures()) {
        failed.insert(each.pattern);
    }
    EXPECT_EQ(sampled, known);
    EXPECT_EQ(missed, known);
    EXPECT_EQ(attacked, known);
    EXPECT_EQ(failed, known);
}

TEST(HostileNames, InsideAnAddressAtTheEnd) {
    for (const char* message : {
             R"x(qpopper[5]: (v4) POP login by user "x" at (h) 203.0.113.66" at (host) 192.0.2.2)x",
             "teapop[5]: Successful login for x [y] from h [203.0.113.66] [local] from host [192.0.2.2]",
         }) {
        LogPatterns patterns = all();
        const auto seen = patterns.read(std::string("Nov 27 03:33:25 mail ") + message);
        ASSERT_TRUE(seen) << message;
        EXPECT_EQ(seen->address.text(), "192.0.2.2") << message;
    }
}

// A syslog cut the line off where what is left of a name looks like a login of somebody else, or, of a failed
// one, like a login; ~ is as long as it must be for that.
TEST(HostileNames, AreNotCutOffInTime) {
    for (const char* message : {
             "dovecot: pop3-login: Login: user=<x>, rip=203.0.113.66, lip=~",
             "dovecot: pop3-login: Login: user=<x>, rip=203.0.113.66, session=<~>",
             "pop3d: LOGIN, user=x, ip=[203.0.113.66], port=[1], protocol=POP3~",
             "pop3d: LOGIN, user=x, ip=[203.0.113.66], port=[1~",
             "imap[5]: event=login.good session_id=~ r.clienthost=[203.0.113.66] u.username=x",
             "ipop3d[5]: Login user=x host=~ [203.0.113.66]",
             "gnu-pop3d[5]: User 'x' logged in with mailbox ~ from 203.0.113.66",
             R"x(qpopper[5]: (~) POP login by user "x" at (h) 203.0.113.66)x",
             R"x(qpopper[5]: (v4) POP login by user "x" at (~) 203.0.113.66)x",
             "popper[5]: Stats: x 0 0 0 ~ 203.0.113.66",
             "teapop[5]: Successful login for x [~] from h [203.0.113.66]",
             "vm-pop3d[5]: User x logged in with mailbox ~ from 203.0.113.66",
             R"x(perdition[5]: Auth: 203.0.113.66->198.51.100.1 user="x" server="~" status="ok")x",
         }) {
        for (const std::size_t limit : {1023U, 1024U, 2048U, 4096U, 8192U}) {
            const std::string start = with_header("", message);
            const std::string line = replaced(start, "~", std::string(limit + 1 - start.size(), '1'));
            ASSERT_EQ(line.size(), limit);
            EXPECT_EQ(text_of(all().read(line)), "-") << message << limit;
        }
    }
}

TEST(HostileNames, EndWithNoOtherProtocol) {
    LogPatterns patterns = all();
    for (const char* end : {"protocol=POP3AAAA", "protocol=POP3A", "protocol=AAAA", "port=[123456]"}) {
        const std::string line = "pop3d: LOGIN, user=x, ip=[203.0.113.66], " + std::string(end);
        EXPECT_EQ(text_of(patterns.read(line)), "-") << line;
    }
}

TEST(Limits, LongLinesAndLongNamesAreNoLogins) {
    LogPatterns patterns = all();
    const auto line = [](std::size_t size) {
        return "spop3d[5]: user " + std::string(size, 'x') + " authenticated - 192.0.2.2";
    };
    EXPECT_TRUE(patterns.read(line(255)));
    EXPECT_FALSE(patterns.read(line(256)));
    EXPECT_FALSE(patterns.read(line(longest_line)));
}

TEST(Limits, InventedProgramsCostNoMemory) {
    LogPatterns patterns = all();
    for (int i = 0; i < 5000; i++) {
        EXPECT_FALSE(patterns.read("program" + std::to_string(i) + ": hello"));
    }
    EXPECT_TRUE(patterns.read("spop3d[5]: user alice authenticated - 192.0.2.2"));
}

TEST(OwnPatterns, ComeFirstAndSayWhatTheyKnow) {
    const LogPatternConfig own{
        .name = "webmail",
        .program = "web",
        .expression = R"(in (?P<user>\S+) (?P<address>\S+)(?: (?P<port>\d+) (?P<protocol>\S+))?)"};
    auto patterns = LogPatterns::make({"dovecot"}, {own});
    ASSERT_TRUE(patterns) << patterns.error().what;
    EXPECT_EQ(text_of(patterns->read("Nov 27 03:33:25 mail web[5]: in alice 192.0.2.2 1234 IMAP")),
              "webmail alice 192.0.2.2:1234 imap");
    EXPECT_EQ(text_of(patterns->read("web: in alice 2001:db8::2")), "webmail alice 2001:db8::2 ");
    EXPECT_FALSE(patterns->read("web: in alice 192.0.2.2 not at all")) << "the whole message";
    EXPECT_FALSE(patterns->read("other: in alice 192.0.2.2"));
    EXPECT_FALSE(patterns->read("spop3d[5]: user alice authenticated - 192.0.2.2"))
        << "dovecot alone was wanted";
    EXPECT_TRUE(patterns->read("pop3-login: Login: user=<alice>, rip=192.0.2.2"));
}

// With an engine that goes back it would take longer than there is time.
TEST(OwnPatterns, NoneTakesLongerThanItsLine) {
    auto patterns = LogPatterns::make(
        {"dovecot"},
        {{.name = "mine", .program = "", .expression = "(?P<user>(a+)+)+ (?P<address>(a|a)*)$"}});
    ASSERT_TRUE(patterns) << patterns.error().what;
    EXPECT_FALSE(patterns->read(std::string(8192, 'a')));
    EXPECT_FALSE(patterns->read(std::string(4096, 'a') + ' ' + std::string(4095, 'a') + 'b'));
}

TEST(OwnPatterns, WhatIsWrongIsSaid) {
    const auto complaint = [](const std::string& expression) {
        const auto error = check_pattern({.name = "mine", .program = "", .expression = expression});
        return error ? error->what + "; " + error->remedy : "";
    };
    EXPECT_EQ(complaint("(?P<user>.+) (?P<address>.+)"), "");
    EXPECT_THAT(complaint("(?P<user>.+"), HasSubstr("is no expression"));
    EXPECT_THAT(complaint("(?P<user>.+)(?=x)(?P<address>.+)"), HasSubstr("look ahead"));
    EXPECT_THAT(complaint("(?P<user>.+)"), HasSubstr("no groups named user and address"));
    EXPECT_THAT(complaint("(?P<user>.+) (?P<address>.+) (?P<host>.+)"), HasSubstr("named host"));
    std::string many = "(?P<user>.+) (?P<address>.+)";
    for (int i = 0; i < 14; i++) {
        many += "(a)";
    }
    EXPECT_THAT(complaint(many), HasSubstr("too many groups"));
    EXPECT_THAT(LogPatterns::make({"outlook"}, {}).error().what, HasSubstr("no pattern \"outlook\""));
}

}  // namespace
}  // namespace sekisho::logins
