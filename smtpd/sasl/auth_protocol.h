// SPDX-License-Identifier: Apache-2.0
// Dovecot's authentication protocol 1.x as values: lines in, messages out, and back. Pure.
//
// A line is a command and parameters, separated by TAB and ended by LF; TAB, LF, CR, NUL and \001 inside a
// parameter are escaped by \001. Both ends begin with a handshake:
//   client  VERSION major minor, CPID pid
//   server  VERSION major minor, MECH name ..., SPID pid, CUID number, COOKIE hex, DONE
// Then the client asks AUTH id mechanism service=... resp=..., and the server answers OK, FAIL or CONT; the
// client answers a CONT by a CONT, or takes the request back by CANCEL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"

namespace sekisho::sasl {

constexpr std::size_t longest_line = std::size_t{16} * 1024;  // octets, with its LF
constexpr std::uint32_t protocol_major = 1;  // another one is another protocol; minor numbers only add
constexpr std::uint32_t protocol_minor = 1;

// Both directions.
struct Version {
    std::uint32_t major = protocol_major;
    std::uint32_t minor = protocol_minor;
    bool operator==(const Version&) const = default;
};
struct Continue {
    std::uint32_t id = 0;
    std::string data;  // base64
    bool operator==(const Continue&) const = default;
};
// A command that this version doesn't know: to be passed over.
struct Unknown {
    std::string command;
    bool operator==(const Unknown&) const = default;
};

// From the client.
struct ClientProcess {
    std::uint32_t pid = 0;
    bool operator==(const ClientProcess&) const = default;
};
struct Auth {
    std::uint32_t id = 0;
    std::string mechanism;
    std::string service;  // "smtp"
    std::string local;    // addresses as text; empty: not said
    std::string remote;   //
    std::uint16_t remote_port = 0;
    bool secured = false;  // by TLS, or so the client says
    std::string session;
    std::string certificate_user{};  // whom the client's certificate names; empty: it has shown no good one
    // Our own parameters, which Dovecot passes over.
    bool tls_bindable =
        false;  // whoever asks offers to bind the channel, where it can be bound, and says how:
    std::string tls_exporter{};           // in base64
    std::string tls_unique{};             //
    bool final_response_ok = false;       // what the server has to say last may come with its OK
    bool no_login = false;                // nobody will ask for the user's home afterwards
    std::optional<std::string> response;  // the initial one, base64
    bool operator==(const Auth&) const = default;
};
struct Cancel {
    std::uint32_t id = 0;
    bool operator==(const Cancel&) const = default;
};
using ClientMessage = std::variant<Version, ClientProcess, Auth, Continue, Cancel, Unknown>;

// From the server.
struct Offer {
    std::string mechanism;
    std::vector<std::string> properties;  // "plaintext", ...
    bool operator==(const Offer&) const = default;
};
struct ServerProcess {
    std::uint32_t pid = 0;
    bool operator==(const ServerProcess&) const = default;
};
struct ConnectionNumber {
    std::uint32_t number = 0;
    bool operator==(const ConnectionNumber&) const = default;
};
struct Cookie {
    std::string hex;
    bool operator==(const Cookie&) const = default;
};
struct Done {
    bool operator==(const Done&) const = default;
};
struct Ok {
    std::uint32_t id = 0;
    std::string user;
    // Of a server that changes names: the name as the client gave it, and the one whose password it was, a
    // master's, who logs in as somebody else; empty where it is the same.
    std::string original_user{};
    std::string auth_user{};
    std::string response{};  // the server's last word to the client, base64; mostly there is none
    // The user may not log in here all the same (nologin), or has only been shown another way (proxy): then
    // the password may not even have been looked at.
    bool denied = false;
    std::string reason{};  // for that
    bool operator==(const Ok&) const = default;
};
struct Fail {
    std::uint32_t id = 0;
    std::string user;
    std::string original_user{};  // as in Ok
    std::string auth_user{};      //
    std::string reason;           // for people; may be empty
    std::string code;             // "temp_fail", "authz_fail", "user_disabled", "pass_expired", or empty
    bool temporary = false;       // the password may well be right
    bool operator==(const Fail&) const = default;
};
using ServerMessage =
    std::variant<Version, Offer, ServerProcess, ConnectionNumber, Cookie, Done, Continue, Ok, Fail, Unknown>;

// Reads one line without its LF. Failure::invalid for a known command with missing or malformed parameters,
// a NUL, and a line that is too long; unknown commands and parameters are none.
[[nodiscard]] Result<ClientMessage> parse_client_line(std::string_view line);
[[nodiscard]] Result<ServerMessage> parse_server_line(std::string_view line);

// The line, with its LF. Base64 must be base64: it is not escaped.
[[nodiscard]] std::string print(const ClientMessage& message);
[[nodiscard]] std::string print(const ServerMessage& message);

// Whether nothing but the signs of base64 is in it (RFC 4648, 4).
[[nodiscard]] bool is_base64(std::string_view text);

// Parameters as they travel.
[[nodiscard]] std::string escaped(std::string_view text);
[[nodiscard]] std::string unescaped(std::string_view text);

// Cuts lines out of what a socket gives. Holds one line at most, and wipes what was read: passwords pass
// here.
class LineBuffer {
public:
    LineBuffer();
    LineBuffer(LineBuffer&&) noexcept = default;
    LineBuffer& operator=(LineBuffer&&) noexcept = delete;
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;
    ~LineBuffer();

    // Where to read into. Empty where a line is longer than longest_line: the connection must end then.
    [[nodiscard]] std::span<char> space();
    // How much was read.
    void filled(std::size_t size) { end_ += size; }
    // The next line without its LF, until space() is called.
    [[nodiscard]] std::optional<std::string_view> next();

private:
    std::vector<char> octets_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace sekisho::sasl
