// SPDX-License-Identifier: Apache-2.0
// The box's one configuration file, /etc/sekisho/sekisho.toml, as values that have been checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config_access.h"
#include "agent/base/config_logins.h"
#include "agent/base/config_mail.h"
#include "agent/base/config_mailbox.h"
#include "agent/base/config_subscribers.h"
#include "agent/base/result.h"
#include "agent/base/scope.h"

namespace sekisho {

enum class Side : std::uint8_t { subscriber, uplink };
enum class Attach : std::uint8_t { automatic, xdp, xdp_generic, tc, clsact };
enum class Replies : std::uint8_t { off, strict, designated };
enum class Tunnels : std::uint8_t { pass, inspect };
enum class Action : std::uint8_t { monitor, drop, reset, prohibit };

[[nodiscard]] std::string_view to_string(Side side);      // "subscriber", "uplink"
[[nodiscard]] std::string_view to_string(Attach attach);  // "auto", "xdp", "xdp-generic", "tc", "clsact"
[[nodiscard]] std::string_view to_string(Action action);  // "monitor", "drop", "reset", "prohibit"

// [dataplane]
struct DataplaneConfig {
    std::filesystem::path pin_path = "/sys/fs/bpf/sekisho";
    std::uint32_t max_entries = 262'144;        // exemptions and grants together, 16 to 16,777,216
    std::vector<std::uint16_t> ports = {25};    // enforced destination ports, 1 to 8 of them
    std::uint32_t answers_per_second = 10'000;  // per CPU
    std::uint32_t max_flows = 262'144;          // connections remembered, 16 to 16,777,216
    std::uint32_t flows_per_subscriber = 100;   // at once, at most largest_count; 0: none is remembered
    std::chrono::seconds flow_idle{900};        // without a packet, until one is forgotten
    std::optional<Address> icmp_source_ipv4;    // of "prohibit"; none: the destination that was asked for
    std::optional<Address> icmp_source_ipv6;
    Replies inbound_replies = Replies::strict;  // from enforced ports, on the uplink side
};

// [[interface]]: the first whose name (fnmatch pattern) fits says what an interface is.
struct InterfaceConfig {
    std::string name;
    Side side = Side::subscriber;
    Attach attach = Attach::automatic;
    Tunnels tunnels = Tunnels::pass;   // IPv4 in IPv6, IPv6 in IPv4
    bool validate_source = false;      // "source_validation": what comes from no pool is dropped
    std::set<std::string> pools;       // whose sources are valid then; none named: of all
    bool fast_path = false;            // what passes is routed by the program, past the stack and netfilter
    bool closed_until_judged = false;  // "until_judged": netfilter drops TCP to enforced ports till then
};

// [[pool]]: prefixes whose addresses are subscribers'.
struct PoolConfig {
    std::string name;
    std::vector<Prefix> prefixes;
    int key_length_ipv6 = 64;  // "ipv6_key", 48 to 128: what one subscriber holds
    Action action = Action::monitor;
    bool closed = false;  // "inbound": on the uplink side, nobody reaches its enforced ports
    bool shared = false;  // one address, many subscribers: no grant is ever given
};

// [[designated]]: mail servers that everybody may reach.
struct DesignatedConfig {
    std::string name;
    std::vector<Prefix> prefixes;
};

// [foreign_dynamic]: other operators' dynamic addresses, which may not reach one's own mail servers (IP25B).
struct ForeignDynamicConfig {
    std::filesystem::path file;       // a prefix on each line
    std::vector<Prefix> servers;      // which are closed to them
    Action action = Action::monitor;  // monitor or drop
};

// The kernel counts a grant's connections in 31 bits, those of a window and those at once in 16.
inline constexpr std::uint32_t largest_budget = 1'000'000'000;
inline constexpr std::uint32_t largest_count = 65'000;

// [[grants.rule]]: what some logins open. What it doesn't say, [grants] says.
struct GrantRuleConfig {
    std::string name;
    std::vector<std::string> reporters{};  // whose logins it is for; none named: all
    std::vector<std::string> protocols{};  // likewise: "pop3", "imap", "smtp"
    std::vector<std::string> users{};      // likewise: patterns (fnmatch(3)) in small letters
    bool opens = true;                     // false: they open nothing
    std::optional<std::chrono::seconds> lifetime{};
    std::optional<std::uint32_t> budget{};
    std::optional<bool> tls_required{};
    std::optional<std::uint32_t> addresses_per_user{};
    std::optional<bool> other_family{};
    std::optional<Scope> scope{};
};

// [grants]
struct GrantConfig {
    std::chrono::seconds lifetime{600};  // of a grant by login, unless a rule or the reporter says otherwise
    std::chrono::seconds longest{86'400};  // no grant is longer, whoever asks
    // New connections that a grant is good for: in all, and in each window; 0: any number. Beyond, it ends,
    // and no login opens anything for its key until `cool_down` is over.
    std::uint32_t budget = 500;
    std::chrono::seconds window{60};
    std::uint32_t window_connections = 60;
    std::chrono::seconds cool_down{900};
    bool tls_required = false;             // "tls": a login without TLS opens nothing
    std::uint32_t addresses_per_user = 0;  // that are open at once for logins of one user; 0: any number
    bool other_family = false;  // a login over IPv4 opens what its session has of IPv6, too, and vice versa
    Scope scope{};              // what logins open
    std::vector<GrantRuleConfig> rules;  // the first that fits a login counts
};

// [api]
struct ApiConfig {
    std::filesystem::path socket = "/run/sekisho/agent.sock";
    std::vector<std::string> operators;  // user names who may change; root always may
    std::vector<std::string> viewers;    // user names who may look
};

// [store]
struct StoreConfig {
    std::filesystem::path path = "/var/lib/sekisho/agent.db";
};

// [events]: the audit log, each decision with its reason.
struct EventsConfig {
    std::filesystem::path path;  // none: beside [store] path, "agent-events.db"
    std::chrono::seconds keep{std::chrono::days(90)};
    std::uint32_t keep_mib = 1024;  // of the file

    // Where it is, if the state is there.
    [[nodiscard]] std::filesystem::path file(const StoreConfig& store) const;
};

struct Config {
    std::filesystem::path file;
    DataplaneConfig dataplane;
    std::vector<InterfaceConfig> interfaces;
    std::vector<PoolConfig> pools;
    std::vector<DesignatedConfig> designated;
    std::optional<ForeignDynamicConfig> foreign_dynamic;
    GrantConfig grants;
    ApiConfig api;
    StoreConfig store;
    EventsConfig events;
    std::vector<DovecotConfig> dovecot;
    std::vector<StalwartConfig> stalwart;
    std::vector<LogConfig> logs;
    std::vector<JournalConfig> journals;
    std::vector<SyslogConfig> syslog;
    std::optional<TriesConfig> tries;
    std::vector<AccessConfig> access;  // as they stand in the file
    std::optional<RadiusConfig> radius;
    std::vector<ContractConfig> contracts;
    std::optional<SubmissionLoginConfig> submission_login;
    SubmissionConfig submission;
    AuthConfig auth;
    RelayConfig relay;
    DnsConfig dns;
    std::optional<MailboxConfig> mailbox;
    std::optional<AcmeConfig> acme;
};

// All sections that read lines of logs, with their names: {"login.log", ...}. They live as long as `config`.
[[nodiscard]] std::vector<std::pair<std::string_view, const LinesConfig*>> line_sections(
    const Config& config);

// One complaint about a file: "FILE:LINE:COLUMN: what", and the remedy.
struct ConfigError {
    int line = 0;
    int column = 0;
    std::string what;
    std::string remedy;
};

// Reads and checks `text` as if it stood in `file`. On failure all complaints that were found, at least one,
// in the order of their lines: syntax, unknown keys (with the nearest known one as remedy), wrong types,
// values out of range, two pools that overlap, a pool in ::/32, names given twice, a listener given twice.
[[nodiscard]] std::expected<Config, std::vector<ConfigError>> parse_config(std::string_view text,
                                                                           const std::filesystem::path& file);

// The same for a file (at most 1 MiB).
[[nodiscard]] std::expected<Config, std::vector<ConfigError>> load_config(const std::filesystem::path& file);

// The complaints as lines for a terminal or a log.
[[nodiscard]] std::string text(const std::filesystem::path& file, const std::vector<ConfigError>& errors);

}  // namespace sekisho
