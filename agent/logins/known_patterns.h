// SPDX-License-Identifier: Apache-2.0
// The lines that daemons write when somebody has logged in. Internal to this room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sekisho::logins {

// What a line that matches means.
enum class Sight : std::uint8_t {
    login,       // somebody at an address has logged in
    connection,  // somebody has connected from an address
    named,       // whoever has connected to this process has logged in
};

struct Known {
    std::string_view name;
    // Whose lines, separated by blanks. A "*" at the end stands for anything; "-" is who names nobody.
    std::string_view programs;
    Sight sight;
    std::string_view protocol;  // where no group says it: "" is by the program's name
    // An RE2 expression for the whole message. Wherever a user's name could hold what stands behind it, the
    // address is bound to the line's beginning or end, or `once` is what may stand in the line only once.
    std::string_view expression;
    std::string_view once;
};

// Longer lines are none of these: syslogs cut lines off, most of them no shorter than at 1024 octets, head
// included (RFC 3164), and a name that is so long could put the cut where its own text looks like a whole
// line.
constexpr std::size_t longest_known = 800;

// %A: an address; %H: a host's name, or what stands for one that isn't known.
constexpr std::array known = {
    // Dovecot 2.3 and 2.4; src/login-common. Elements may be missing, but not these.
    Known{
        "dovecot", "pop3-login imap-login submission-login managesieve-login", Sight::login, "",
        R"re((?:Login|Logged in): user=<(?P<user>.+)>(?:, method=(?P<mechanism>[A-Z0-9-]*))?, rip=%A(?:, rport=(?P<port>[0-9]+))?(?:, (?:[a-z_]+=[^,<> ]*|[a-z_]+=<[^<>]*>|secured))*(?P<tls>(?:, TLS(?: [^,<>=]*)?)?)(?:, (?:[a-z_]+=[^,<> ]*|[a-z_]+=<[^<>]*>|secured))*)re",
        ", rip="},
    // Courier's pop3d and imapd.
    Known{
        "courier", "pop3d pop3d-ssl imapd imapd-ssl courier* pop3login imaplogin", Sight::login, "",
        R"re(LOGIN, user=(?P<user>.+), ip=\[%A\](?:, port=\[(?P<port>[0-9]{1,5})\])?(?:, protocol=(?P<protocol>IMAP|POP3|SMAP1))?(?P<tls>(?:, (?:stls|starttls)=1)?))re",
        ", ip=["},
    // Cyrus up to 3.8.
    Known{
        "cyrus", "pop3 pop3s pop3d imap imaps imapd cyrus/*", Sight::login, "",
        R"re((?:login|starttls): %H ?\[%A\] (?P<user>[^ ]+) (?P<mechanism>[A-Za-z0-9-]+)(?P<tls>(?:\+TLS)?) User logged in(?: SESSIONID=<[^<>]*>)?)re",
        ""},
    // From 3.13 on, in pairs (lib/logfmt.c): a value with a quote or a blank in it stands in quotes, escaped.
    Known{
        "cyrus-logfmt", "pop3 pop3s pop3d imap imaps imapd cyrus/*", Sight::login, "",
        R"re(event=login\.good(?: (?:session_id|sessionid|r\.sessionid|r\.tid)=[^ "=]+)* r\.clienthost="?%H ?\[%A\]"? u\.username=(?:"(?P<user>(?:[^"\\]|\\.)+)"|(?P<user2>[^ "=]+))(?: login\.mech=(?P<mechanism>[^ "=]+))?(?P<tls>(?: login\.tls=1)?)(?: .*)?)re",
        ""},
    // The University of Washington's ipop3d and imapd.
    Known{
        "uw", "ipop2d ipop3d ipop3sd imapd imapsd", Sight::login, "",
        R"re((?:Login|Authenticated|Auth|APOP|Proxy) user=(?P<user>[^ ]+) host=(?:%H )?\[%A\](?: nmsgs=[0-9]+/[0-9]+)?)re",
        ""},
    Known{"gnu-pop3d", "gnu-pop3d", Sight::login, "pop3",
          R"re(User .(?P<user>[^ ]+). logged in with mailbox [^ ]+ from %A)re", ""},
    // Qpopper 4, its own log too; and what Qpopper 2 to 4 write at the end of a session.
    Known{
        "qpopper", "popper qpopper in.qpopper in.popper qpopper*", Sight::login, "pop3",
        R"re((?:\[popper\] )?\([^()]*\) POP login by user "(?P<user>.+)" at \(%H\) %A(?: \[[a-z_]+\.c:[0-9]+\])?)re",
        ""},
    Known{"qpopper-stats", "popper qpopper in.qpopper in.popper qpopper*", Sight::login, "pop3",
          R"re(Stats: +(?P<user>[^ ]+) [0-9]+ [0-9]+ [0-9]+ [0-9]+ (?:%H )?%A(?: \[[a-z_]+\.c:[0-9]+\])?)re",
          ""},
    // Solar Designer's popa3d: as it comes, and with its address on the same line.
    Known{"popa3d", "popa3d", Sight::login, "pop3",
          R"re(Authentication passed for (?P<user>[^ ]+) -- \[%A\])re", ""},
    Known{"popa3d-session", "popa3d", Sight::connection, "pop3", R"re(Session from %A)re", ""},
    Known{"popa3d-session", "popa3d", Sight::named, "pop3",
          R"re(Authentication passed for (?P<user>[^ ]+))re", ""},
    Known{"teapop", "teapop", Sight::login, "pop3",
          R"re(Successful login for (?P<user>.+) \[[^\[\]]*\] from %H \[%A\])re", ""},
    Known{"vm-pop3d", "vm-pop3d", Sight::login, "pop3",
          R"re(User (?P<user>[^ ]+(?: of [^ ]+)?) logged in (?:with mailbox [^ ]+ )?from %A)re", ""},
    Known{"vm-pop3d-session", "vm-pop3d", Sight::connection, "pop3", R"re(Connect from %A)re", ""},
    Known{"vm-pop3d-session", "vm-pop3d", Sight::named, "pop3",
          R"re(User (?P<user>[^ ]+)(?: of [^ ]+)? logged in(?: with mailbox [^ ]+)?)re", ""},
    // solid-pop3d, with and without --enable-logextend.
    Known{"solid-pop3d", "spop3d solid-pop3d", Sight::login, "pop3",
          R"re((?:user (?P<user>[^ ]+) authenticated|authenticated user (?P<user2>[^ ]+)) - %A)re", ""},
    Known{"solid-pop3d-session", "spop3d solid-pop3d", Sight::connection, "pop3", R"re(connect from %A)re",
          ""},
    Known{"solid-pop3d-session", "spop3d solid-pop3d", Sight::named, "pop3",
          R"re((?:user (?P<user>[^ ]+) authenticated|authenticated user (?P<user2>[^ ]+)))re", ""},
    // vpopmail's vchkpw, newer and older. Its users have no colon: one who had would make an IPv6 address of
    // his name and the IPv4 address behind it.
    Known{
        "vpopmail", "vpopmail", Sight::login, "",
        R"re(vchkpw(?:-(?P<protocol>[a-z0-9]+))?: (?:\((?P<mechanism>[A-Z0-9-]+)\) )?login success (?P<user>[^ :]+):(?P<address>(?:::[Ff]{4}:)?[0-9.]+|[0-9A-Fa-f:]+))re",
        ""},
    Known{"vpopmail-older", "vpopmail", Sight::login, "pop3",
          R"re(vchkpw: login \[(?P<user>[^\[\] ]+)\] from %A)re", ""},
    // Perdition, a proxy: older and newer. It writes a port behind any address without brackets.
    Known{
        "perdition", "perdition perdition.*", Sight::login, "",
        R"re(Auth: (?P<address>[0-9.]+)->[0-9.]+ user="(?P<user>[^"]+)" server="[^"]*" (?:port="[^"]*" )?status="ok")re",
        ""},
    Known{
        "perdition", "perdition perdition.*", Sight::login, "",
        R"re(Auth: (?P<address>[0-9.]+|[0-9A-Fa-f:.]+):(?P<port>[0-9]+)->[0-9A-Fa-f.:\[\]]+ (?:client-secure=(?P<tls>[a-z]+) )?(?:authorisation_id=[^ ]+ )?(?:user|authentication_id)="(?P<user>[^"]+)" server="[^"]*" (?:port="[^"]*" )?(?:protocol=(?P<protocol>[A-Z0-9]+) )?(?:server-secure=[a-z]+ )?status="ok")re",
        ""},
    Known{"cucipop", "cucipop", Sight::login, "pop3",
          R"re((?P<user>[^ ]+) %A [0-9]+, [0-9]+ \([0-9]+\), [0-9]+ \([0-9]+\))re", ""},
    // XMail's own files: server, domain, address, time, user, password, what came of it.
    Known{
        "xmail", "-", Sight::login, "pop3",
        R"re("[^"\t]*"\t"[^"\t]*"\t"%A"\t"(?P<stamp>[^"\t]*)"\t"(?P<user>[^"\t]+)"\t"[^\t]*"\t"LOGIN"(?:\t"[0-9]*")*)re",
        ""},
    // Postfix's smtpd, whichever the instance or the listener.
    Known{
        "postfix", "postfix*", Sight::login, "smtp",
        R"re([0-9A-Za-z]+: client=%H\[%A\](?::(?P<port>[0-9]+))?, sasl_method=(?P<mechanism>[A-Za-z0-9-]+), sasl_username=(?P<user>[^ ,]+)(?:, sasl_sender=[^ ,]*)?)re",
        ""},
};

}  // namespace sekisho::logins
