// SPDX-License-Identifier: Apache-2.0
// Lines that daemons write of a client at 192.0.2.2, with a place for the name that it has given.
#pragma once

#include <string>
#include <string_view>

namespace sekisho::logins {

constexpr std::string_view real_client = "192.0.2.2";

struct LineTemplate {
    const char* pattern;
    const char* before;   // the line of the same process that comes first; empty: none
    const char* message;  // behind the time and the host; "@" is the name, wherever it stands
    bool succeeded;
};

// The patterns' own samples, and what the same daemons write of a failure.
inline constexpr LineTemplate line_templates[] = {
    {"dovecot", "",
     "dovecot: pop3-login: Login: user=<@>, method=PLAIN, rip=192.0.2.2, lip=198.51.100.1, mpid=771, TLS, "
     "session=<aG9sYQ+/AAB>",
     true},
    {"dovecot", "",
     "dovecot[1]: imap-login: Logged in: user=<@>, method=PLAIN, rip=192.0.2.2, rport=4711, "
     "lip=198.51.100.1, mpid=771, secured, session=<x>",
     true},
    {"dovecot", "", "dovecot: pop3-login: Logged in: user=<@>, rip=192.0.2.2", true},
    {"dovecot", "",
     "dovecot: pop3-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<@>, method=PLAIN, "
     "rip=192.0.2.2, lip=192.0.2.1, session=<x>",
     false},
    {"dovecot", "", "dovecot: auth: passwd-file(@,192.0.2.2): unknown user", false},
    {"dovecot", "",
     "dovecot: imap-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) "
     "(auth_failed): user=<@>, method=PLAIN, rip=192.0.2.2, lip=192.0.2.1, session=<x>",
     false},
    {"courier", "", "pop3d: LOGIN, user=@, ip=[::ffff:192.0.2.2], port=[1234], protocol=POP3", true},
    {"courier", "", "courierpop3login: LOGIN, user=@, ip=[192.0.2.2]", true},
    {"courier", "", "pop3d: LOGIN FAILED, user=@, ip=[::ffff:192.0.2.2]", false},
    {"courier", "", "imapd: LOGIN FAILED, user=@, ip=[::ffff:192.0.2.2], port=[1234]", false},
    {"courier", "",
     "pop3d: LOGOUT, user=@, ip=[::ffff:192.0.2.2], port=[1], top=0, retr=0, rcvd=0, sent=0, time=0", false},
    {"cyrus", "", "imap[5]: login: host.example.net [192.0.2.2] @ plaintext+TLS User logged in", true},
    {"cyrus", "", "cyrus/imaps[5]: login: [192.0.2.2] @ PLAIN User logged in SESSIONID=<mail-5-1>", true},
    {"cyrus", "",
     "imap[5]: badlogin: host.example.net [192.0.2.2] plaintext @ SASL(-13): authentication failure", false},
    {"cyrus", "", "pop3[5]: badlogin: [192.0.2.2] @ invalid user", false},
    {"cyrus-logfmt", "",
     "imap[5]: event=login.good session_id=mail-5-1 r.clienthost=\"host.example.net [192.0.2.2]\" "
     "u.username=@ login.mech=PLAIN login.tls=1 login.magic=\"\"",
     true},
    {"cyrus-logfmt", "",
     "pop3[5]: event=login.good r.clienthost=[192.0.2.2] u.username=\"@\" login.mech=plaintext login.tls=0",
     true},
    {"cyrus-logfmt", "", R"(imap[5]: event=login.bad r.clienthost="host [192.0.2.2]" u.username="@")", false},
    {"uw", "", "ipop3d[5]: Login user=@ host=host.example.net [192.0.2.2] nmsgs=0/0", true},
    {"uw", "", "imapd[5]: Authenticated user=@ host=[192.0.2.2]", true},
    {"uw", "", "ipop3d[5]: Login failed user=@ auth=@ host=host.example.net [192.0.2.2]", false},
    {"uw", "", "imapd[5]: Login failure user=@ host=[192.0.2.2]", false},
    {"gnu-pop3d", "", "gnu-pop3d[5]: User '@' logged in with mailbox '/var/mail/@' from 192.0.2.2", true},
    {"gnu-pop3d", "", "gnu-pop3d[5]: Login failed for user '@' from 192.0.2.2", false},
    {"gnu-pop3d", "", "gnu-pop3d[5]: User '@' failed to log in from 192.0.2.2", false},
    {"qpopper", "", "qpopper[5]: (v4.0.9) POP login by user \"@\" at (host.example.net) 192.0.2.2", true},
    {"qpopper", "",
     "in.qpopper[5]: (v4.0.9) POP login by user \"@\" at (192.0.2.2) 192.0.2.2 [pop_log.c:244]", true},
    {"qpopper", "", "qpopper[5]: (v4.0.9) Possible probe of account \"@\" from (host.example.net) 192.0.2.2",
     false},
    {"qpopper", "",
     "qpopper[5]: @ at host (192.0.2.2): -ERR [AUTH] Password supplied for \"@\" is incorrect. "
     "[pop_pass.c:1]",
     false},
    {"qpopper-stats", "", "popper[5]: Stats: @ 0 0 12 3456 host.example.net 192.0.2.2", true},
    {"qpopper-stats", "", "popper[5]: [AUTH] Failed attempted login to @ from host (host) 192.0.2.2", false},
    {"popa3d", "", "popa3d[5]: Authentication passed for @ -- [192.0.2.2]", true},
    {"popa3d", "", "popa3d[5]: Authentication failed for @ -- [192.0.2.2]", false},
    {"popa3d-session", "popa3d[5]: Session from 192.0.2.2", "popa3d[5]: Authentication passed for @", true},
    {"popa3d-session", "popa3d[5]: Session from 192.0.2.2", "popa3d[5]: Authentication failed for @", false},
    {"teapop", "", "teapop[5]: Successful login for @ [198.51.100.1] from host.example.net [192.0.2.2]",
     true},
    {"teapop", "", "teapop[5]: Failed login for @ [local] from host.example.net [192.0.2.2]", false},
    {"vm-pop3d", "", "vm-pop3d[5]: User '@' of 'example.net' logged in from 192.0.2.2", true},
    {"vm-pop3d", "", "vm-pop3d[5]: User @ logged in with mailbox @ from 192.0.2.2", true},
    {"vm-pop3d", "", "vm-pop3d[5]: User @ failed to log in from 192.0.2.2", false},
    {"vm-pop3d-session", "vm-pop3d[5]: Connect from 192.0.2.2", "vm-pop3d[5]: User @ logged in", true},
    {"vm-pop3d-session", "vm-pop3d[5]: Connect from 192.0.2.2", "vm-pop3d[5]: User @ failed to log in",
     false},
    {"solid-pop3d", "", "spop3d[5]: user @ authenticated - 192.0.2.2", true},
    {"solid-pop3d", "", "solid-pop3d[5]: authenticated user @ - 192.0.2.2", true},
    {"solid-pop3d", "", "spop3d[5]: authentication failed: no such user: @ - 192.0.2.2", false},
    {"solid-pop3d", "", "spop3d[5]: user @ authentication failed - 192.0.2.2", false},
    {"solid-pop3d-session", "spop3d[5]: connect from 192.0.2.2", "spop3d[5]: user @ authenticated", true},
    {"solid-pop3d-session", "spop3d[5]: connect from 192.0.2.2",
     "spop3d[5]: authentication failed: no such user: @", false},
    {"vpopmail", "", "vpopmail[5]: vchkpw-pop3: (PLAIN) login success @:192.0.2.2", true},
    {"vpopmail", "", "vpopmail[5]: vchkpw-pop3: password fail @:192.0.2.2", false},
    {"vpopmail", "", "vpopmail[5]: vchkpw-pop3: vpopmail user not found @:192.0.2.2", false},
    {"vpopmail-older", "", "vpopmail[5]: vchkpw: login [@] from 192.0.2.2", true},
    {"vpopmail-older", "", "vpopmail[5]: vchkpw: password fail [@] from 192.0.2.2", false},
    {"perdition", "",
     R"(perdition[5]: Auth: 192.0.2.2->198.51.100.1 user="@" server="mail" port="110" status="ok")", true},
    {"perdition", "",
     "perdition.pop3[5]: Auth: 192.0.2.2:1234->198.51.100.1:110 client-secure=ssl authorisation_id=NONE "
     "authentication_id=\"@\" server=\"mail:110\" protocol=POP3 server-secure=plaintext status=\"ok\"",
     true},
    {"perdition", "",
     "perdition[5]: Auth: 192.0.2.2->198.51.100.1 user=\"@\" server=\"mail\" port=\"110\" "
     "status=\"failed: Re-Authentication Failure\"",
     false},
    {"perdition", "",
     "perdition.pop3[5]: Auth: 192.0.2.2:1->198.51.100.1:110 client-secure=ssl authorisation_id=NONE "
     "authentication_id=\"@\" server=\"mail:110\" protocol=POP3 server-secure=ssl status=\"failed: no\"",
     false},
    {"cucipop", "", "cucipop[5]: @ 192.0.2.2 12345, 0 (0), 12 (3456)", true},
    {"cucipop", "", "cucipop[5]: authentication failure @ 192.0.2.2", false},
    {"cucipop", "", "cucipop[5]: @ 192.0.2.2 authentication failure", false},
    {"xmail", "",
     "\"mail\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 03:33:25\"\t\"@\"\t\"\"\t\"LOGIN\"\t\"12\"\t"
     "\"3456\"",
     true},
    {"xmail", "",
     "\"mail\"\t\"example.net\"\t\"192.0.2.2\"\t\"2026-11-27 03:33:25\"\t\"@\"\t\"\"\t\"ELOGIN\"", false},
    {"postfix", "",
     "postfix/smtpd[5]: 4A1B2C: client=host.example.net[192.0.2.2], sasl_method=PLAIN, sasl_username=@",
     true},
    {"postfix", "",
     "postfix/submission/smtpd[5]: 4A1B2C: client=unknown[192.0.2.2]:1234, sasl_method=LOGIN, "
     "sasl_username=@, sasl_sender=anna",
     true},
    {"postfix", "",
     "postfix/smtpd[5]: warning: host.example.net[192.0.2.2]: SASL LOGIN authentication failed: "
     "UGFzc3dvcmQ6, "
     "sasl_username=@",
     false},
};

// XMail writes a file of its own.
inline std::string with_header(std::string_view pattern, std::string_view message) {
    return (pattern == "xmail" ? "" : "Nov 27 03:33:25 mail ") + std::string(message);
}

// The line of somebody who has given this name.
inline std::string line_with_name(const LineTemplate& line, std::string_view name) {
    std::string message;
    for (const char letter : std::string_view(line.message)) {
        if (letter == '@') {
            message += name;
        } else {
            message += letter;
        }
    }
    return with_header(line.pattern, message);
}

}  // namespace sekisho::logins
