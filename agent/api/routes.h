// SPDX-License-Identifier: Apache-2.0
// The agent's operations as values, and the routes that lead to them (README.md has the table).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/address.h"
#include "agent/base/result.h"
#include "agent/base/scope.h"

namespace sekisho::api {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

struct Version {
    std::string version;  // "0.1.0"
    unsigned abi = 0;     // of the kernel's maps
};

struct PoolStatus {
    std::string name;
    std::string action;  // "monitor", "drop", "reset"
    std::vector<Prefix> prefixes;
};

struct Count {
    std::string reason;
    std::string verdict;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

// One source of logins: what became of what it said.
struct LoginCounts {
    std::string name;
    std::uint64_t granted = 0;
    std::uint64_t refused = 0;   // a login, but the rules said no
    std::uint64_t rejected = 0;  // no login: malformed, a stranger, a wrong key, a wrong password
};

struct Status {
    std::string state;  // "enforcing", "monitoring", "incomplete" or "idle", see Daemon::state()
    WallTime since{};   // start of the daemon
    std::chrono::seconds uptime{};
    int pid = 0;
    std::size_t interfaces = 0;
    std::size_t grants = 0;
    std::size_t exemptions = 0;
    std::size_t cool_downs = 0;
    std::size_t quarantines = 0;
    std::size_t flows = 0;             // connections opened under grants and remembered
    std::size_t foreign_prefixes = 0;  // listed as foreign dynamic addresses
    std::uint64_t overruns = 0;        // budgets overrun since the start
    std::vector<PoolStatus> pools;
    std::vector<Count> counts;
    std::vector<LoginCounts> logins;
};

struct Check {
    std::string name;
    bool ok = false;
    std::string detail;
    std::string remedy;
};

struct InterfaceStatus {
    std::string name;
    unsigned index = 0;
    std::string side;
    std::string driver;  // "ixgbe", "veth"; empty where it can't be told
    std::string mode;    // "xdp", "xdp-generic", "tcx", "clsact"; empty where attaching failed
    std::string why;
    std::uint32_t program = 0;
    std::string fast_path = "off";  // or "on", or "stack": wanted, but packets go by the stack
    bool attached = false;
    bool closed = false;  // until it is judged: what it sends to enforced ports is dropped now
    // What came in, at most, before a program of ours stood there: 0 where it was attached before it was up,
    // or a program was there already. And for how long; nothing where it was up before the agent looked.
    std::optional<std::uint64_t> unjudged_packets;
    std::optional<std::chrono::microseconds> unjudged_time;
    // What was judged since the agent attached it; nothing where it isn't counted apart.
    std::optional<std::vector<Count>> counts;
};

struct GrantStatus {
    Prefix key;
    std::string pool;
    std::string source;
    std::string user;
    std::string reason;
    WallTime since{};
    WallTime expires{};
    std::chrono::seconds left{};
    Scope scope{};                         // what it is good for now
    std::optional<WallTime> edge_until{};  // and until when, each
    std::optional<WallTime> relay_until{};
    std::uint32_t budget = 0;                       // new connections it is good for in all; 0: any number
    std::optional<std::uint32_t> connections_left;  // of them; only where one grant is asked for
    std::optional<std::uint32_t> flows;             // connections recorded; likewise
    std::uint64_t session = 0;                      // the subscriber's; 0: none is known
};

// That a client may send through the submission server without a login there, and by whose login.
struct RelayRight {
    std::string user;
    WallTime until{};
};

// Which grants are asked for; what is empty excludes none.
struct GrantQuestion {
    std::size_t count = 0;
    std::optional<Prefix> after;  // the key of the last one that was seen
    std::optional<Prefix> within;
    std::string user;
    std::string source;
    std::uint64_t session = 0;  // whose keys they are; 0: anybody's
};

struct GrantListing {
    std::vector<GrantStatus> grants;  // in the order of their keys
    std::optional<Prefix> next;       // from where to ask on; nothing behind the last one
};

// No login opens anything for the key, because a budget was overrun, or an operator revoked a grant.
struct CoolDownStatus {
    Prefix key;
    std::string cause;  // "overrun", "revoked"
    std::string user;
    WallTime since{};
    WallTime until{};
    std::chrono::seconds left{};
};

// A subscriber whose packets are blocked, or would be if its pool did more than monitor.
struct BlockedStatus {
    Prefix key;
    std::string pool;  // empty where the key lies in none
    std::uint64_t packets = 0;
    double per_second = 0;  // from the first to the last
    WallTime first{};
    WallTime last{};
    unsigned destinations = 0;  // about so many, up to some 260
    bool quarantined = false;
};

struct QuarantineStatus {
    Prefix key;
    std::string note;
    WallTime since{};
};

// Who may not log in for now, or has to wait, because of failed logins.
struct LockoutStatus {
    std::string kind;  // "address", "network", "user"
    std::string who;
    std::uint32_t tries = 0;  // that led to it
    std::uint64_t held = 0;   // logins that were refused or delayed since
    WallTime since{};
    WallTime until{};
    std::chrono::seconds left{};
};

// What an operator asks for; `by` is who he is, for the audit log.
struct GrantOrder {
    Address address;
    std::optional<std::chrono::seconds> lifetime;
    std::optional<std::uint32_t> budget;
    Scope scope{};
    std::string reason;
    std::string by;
};

struct RevokeOrder {
    Address address;
    bool kill = false;      // the connections that were opened under it end, too
    bool cool_down = true;  // no login opens anything for its key for the configured time
    std::string by;
};

struct QuarantineOrder {
    Address address;
    std::string note;  // when it is added
    std::string by;
};

struct ExemptionOrder {
    Prefix prefix;
    std::string note;  // when it is added
    std::string by;
};

// The same for many at once.
struct ImportOrder {
    std::vector<Address> addresses;
    std::optional<std::chrono::seconds> lifetime;
    std::optional<std::uint32_t> budget;
    Scope scope{};
    std::string reason;
    std::string by;
};

struct RefusedImport {
    Address address;
    std::string why;
};

struct ImportOutcome {
    std::size_t opened = 0;
    std::size_t kept = 0;  // a longer grant was there and stays
    std::vector<RefusedImport> refused;
};

struct ExemptionStatus {
    Prefix prefix;
    std::string note;
    WallTime since{};
};

struct Step {
    std::string rule;
    bool matched = false;
    std::string detail;
};

struct Why {
    Address address;
    std::optional<Address> destination;
    std::string verdict;
    std::string reason;
    std::vector<Step> steps;
};

// A subscriber's session: who has which addresses now.
struct SubscriberStatus {
    std::uint64_t id = 0;  // ours, never used again
    std::string nas;       // "import" where a file said so
    std::string session;   // Acct-Session-Id
    std::string user;
    std::string calling_station;
    std::vector<std::string> classes;
    std::vector<std::string> filters;
    std::vector<Prefix> prefixes;
    WallTime since{};
    WallTime last_heard{};
    std::optional<std::chrono::seconds> interim_interval;  // nothing where it isn't known
    std::string contract;                                  // the name of the one that exempts it; empty: none
};

struct SubscriberQuestion {
    std::size_t count = 0;
    std::uint64_t from = 0;  // this id and larger ones
    std::optional<Prefix> within;
    std::string user;
    std::string nas;
};

struct SubscriberPage {
    std::vector<SubscriberStatus> subscribers;  // in the order of their ids
    std::size_t in_all = 0;
    std::uint64_t next = 0;  // from where to ask on; 0: that was the last page
};

// One line of an imported list.
struct ImportedSubscriber {
    std::string id;  // names the session: lines that keep it keep the session
    std::string user;
    std::vector<Prefix> prefixes;
    std::vector<std::string> classes;
    std::vector<std::string> filters;
};

struct SubscriberImport {
    std::size_t began = 0;
    std::size_t ended = 0;
    std::size_t kept = 0;
    std::size_t revoked = 0;  // grants that ended because their address has another holder
};

// The one request whose body may be larger than the others': a list is imported whole or not at all.
inline constexpr std::string_view subscriber_import_path = "/v1/subscribers/import";
inline constexpr std::size_t largest_subscriber_import = std::size_t{64} << 20;

// What the submission server saw.
struct LoginReport {
    Address address;
    std::optional<std::uint16_t> port{};  // of the client
    std::string user;                     // who it was, or said to be
    std::vector<std::string> also{};      // what the same user is called elsewhere
    std::string protocol;                 // "smtp"
    std::string mechanism;                // "PLAIN"; may be empty
    bool tls = false;
    bool success = false;
};

// What became of it.
struct LoginOutcome {
    bool granted = false;
    Prefix key;           // if it was
    WallTime expires{};   //
    std::string reason;   // if it wasn't
    bool locked = false;  // too many tries have failed: the login is to be refused, right or wrong
};

// A decision, with its reason.
struct EventStatus {
    std::uint64_t id = 0;
    WallTime when{};
    std::string name;
    std::string text;
    std::optional<Prefix> key;
    std::string user;
    std::string reporter;
    std::string protocol;
    std::string rule;
    std::uint64_t session = 0;
    std::string by;
    std::chrono::seconds lasts{};
};

// Which ones are asked for; what is empty excludes none.
struct EventQuestion {
    std::optional<std::uint64_t> after;   // the first ones later than this id; missing: the last ones
    std::optional<std::uint64_t> before;  // earlier than this one
    std::size_t count = 0;
    std::optional<Prefix> within;
    std::string name;
    std::string user;
    std::string reporter;
    std::uint64_t session = 0;                  // 0: any
    std::optional<std::chrono::seconds> since;  // not longer ago
};

struct EventPage {
    std::vector<EventStatus> events;
    std::uint64_t last = 0;    // from where to ask on: later ones were not looked at
    std::uint64_t before = 0;  // from where to ask on for earlier ones, if `after` was missing; 0: none
};

// The one request that may be told to wait: "wait" seconds, if there is nothing yet.
inline constexpr std::string_view events_path = "/v1/events";
inline constexpr std::chrono::seconds longest_wait{60};
// For how long it is willing to; 0 for any other request.
[[nodiscard]] std::chrono::seconds wait_of(const Request& request);
// What "after" says; 0 where it is missing.
[[nodiscard]] std::uint64_t after_of(const Request& request);

// One source of logins: where it listens or reads, and what became of what it said.
struct ReporterStatus {
    std::string name;
    std::string kind;   // its section: "dovecot", "stalwart", "log", "journal", "syslog", "submission"
    std::string where;  // an address and port, a file, units
    std::uint64_t granted = 0;
    std::uint64_t refused = 0;
    std::uint64_t rejected = 0;
    std::optional<std::uint64_t> lines;  // of a log
    std::string trouble;                 // why it can't be read just now
};

// What the daemon can do; the daemon implements it. Each call is complete when it returns.
class Agent {
public:
    Agent() = default;
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    virtual ~Agent() = default;

    [[nodiscard]] virtual Version version() const = 0;
    [[nodiscard]] virtual Result<Status> status() const = 0;
    [[nodiscard]] virtual std::vector<Check> doctor() const = 0;
    [[nodiscard]] virtual std::vector<InterfaceStatus> interfaces() const = 0;
    [[nodiscard]] virtual GrantListing grants(const GrantQuestion& question) const = 0;
    // What the subscriber who has this address holds: the key of its grants. Nothing if it lies in no pool.
    [[nodiscard]] virtual std::optional<Prefix> key_of(const Address& address) const = 0;
    [[nodiscard]] virtual Result<GrantStatus> grant(const Address& address) const = 0;
    // Nothing where no grant of the address opens the relay, or its subscriber is quarantined.
    [[nodiscard]] virtual std::optional<RelayRight> relay_right(const Address& address) const = 0;
    [[nodiscard]] virtual std::vector<CoolDownStatus> cool_downs() const = 0;
    [[nodiscard]] virtual Result<GrantStatus> add_grant(const GrantOrder& order) = 0;
    // Opens what it may; Failure::invalid, and nothing is opened, for a lifetime or a budget that can't be.
    [[nodiscard]] virtual Result<ImportOutcome> import_grants(const ImportOrder& order) = 0;
    [[nodiscard]] virtual Result<void> revoke_grant(const RevokeOrder& order) = 0;
    // At most `count`, those with the most packets first.
    [[nodiscard]] virtual Result<std::vector<BlockedStatus>> blocked(std::size_t count) const = 0;
    [[nodiscard]] virtual std::vector<QuarantineStatus> quarantines() const = 0;
    [[nodiscard]] virtual Result<QuarantineStatus> add_quarantine(const QuarantineOrder& order) = 0;
    [[nodiscard]] virtual Result<void> remove_quarantine(const QuarantineOrder& order) = 0;
    [[nodiscard]] virtual std::vector<LockoutStatus> lockouts() const = 0;
    // An address, a network or a user. Failure::not_found if it isn't locked.
    [[nodiscard]] virtual Result<void> remove_lockout(const std::string& who, const std::string& by) = 0;
    [[nodiscard]] virtual std::vector<ExemptionStatus> exemptions() const = 0;
    [[nodiscard]] virtual Result<ExemptionStatus> add_exemption(const ExemptionOrder& order) = 0;
    [[nodiscard]] virtual Result<void> remove_exemption(const ExemptionOrder& order) = 0;
    [[nodiscard]] virtual Result<Why> why(const Address& address,
                                          const std::optional<Address>& destination) const = 0;
    // Failure::refused where the configuration knows no such reporter. A login that opens nothing is no
    // error.
    [[nodiscard]] virtual Result<LoginOutcome> report_login(const LoginReport& report) = 0;
    // Whether a login at the submission server is to be refused for what has failed before; without a user,
    // whoever it is. `also`: as in LoginReport.
    [[nodiscard]] virtual bool locks_login(const Address& address, const std::string& user,
                                           const std::vector<std::string>& also) = 0;
    // At most `count`, from this id on.
    [[nodiscard]] virtual SubscriberPage subscribers(const SubscriberQuestion& question) const = 0;
    // Failure::not_found if there is none.
    [[nodiscard]] virtual Result<SubscriberStatus> subscriber(std::uint64_t id) const = 0;
    [[nodiscard]] virtual Result<SubscriberStatus> subscriber_of(const Address& address) const = 0;
    // What an earlier import told and this one doesn't has ended. All or nothing: Failure::unavailable if the
    // table has no room.
    [[nodiscard]] virtual Result<SubscriberImport> import_subscribers(
        const std::vector<ImportedSubscriber>& list, const std::string& by) = 0;
    [[nodiscard]] virtual std::vector<ReporterStatus> reporters() const = 0;
    // Events that fit, in their order.
    [[nodiscard]] virtual Result<EventPage> events(const EventQuestion& question) = 0;
    // Returns when what was ordered until now is on the disk too, or can't be written.
    [[nodiscard]] virtual boost::asio::awaitable<void> settled() = 0;
    // Returns when there is an event later than this one, or the time is over.
    [[nodiscard]] virtual boost::asio::awaitable<void> wait_for_event(std::uint64_t after,
                                                                      std::chrono::seconds time) = 0;
    // Prometheus text.
    [[nodiscard]] virtual std::string metrics() const = 0;
};

// May do nothing, report logins and ask for relay rights and nothing else, look, or change.
enum class Role : std::uint8_t { none, reporter, viewer, operator_ };

// Answers one request by calling the agent. `role` is the caller's, see server.h.
[[nodiscard]] Response answer(Agent& agent, const Request& request, Role role);

}  // namespace sekisho::api
