// SPDX-License-Identifier: Apache-2.0
// Reading [submission].
#include "agent/base/config_submission.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/config_read.h"
#include "agent/base/printable.h"

namespace sekisho {

namespace {

constexpr std::array<std::string_view, 3> tls_modes = {"starttls", "implicit", "none"};
constexpr std::array<std::string_view, 3> submission_actions = {"allow", "deny", "delay"};

void set_host_name(TomlTable& table, std::string_view key, std::string& to) {
    const auto value = table.text(key);
    if (value && !is_host_name(*value)) {
        table.complain(key, "\"" + printable(*value) + "\" is no host name",
                       "write it like mail.example.net");
    } else if (value) {
        to = *value;
    }
}

ListenerConfig read_listener(TomlTable& table, SubmissionSurroundings around) {
    ListenerConfig config;
    table.require("address");
    table.require("port");
    set_address(table, "address", config.address);
    set(config.port, table.integer("port", 1, 65535));
    set(config.tls, table.choice("tls", words(tls_modes)));
    config.relay = table.prefixes("relay", too_wide);
    set(config.relay_interfaces, table.texts("relay_interfaces"));
    if (std::ranges::any_of(config.relay_interfaces, [](const std::string& each) {
            return each.find_first_not_of("*?") == std::string::npos;
        })) {
        table.complain("relay_interfaces", "names every interface: the whole world could relay",
                       "name those that only your own clients are behind");
    }
    if (table.is_empty_array("relay_interfaces")) {
        table.complain("relay_interfaces", "names none", "leave it out");
    }
    if (table.has("proxy")) {
        config.proxy = table.prefixes("proxy", too_wide);
    }
    if (table.has("xclient")) {
        config.xclient = table.prefixes("xclient", too_wide);
    }
    set(config.relay_grants, table.boolean("relay_grants"));
    if (config.relay_grants && !around.grants_known) {
        table.complain("relay_grants", "the agent answers only whom [login.submission] names",
                       "add the section [login.submission]");
    }
    set(config.local, table.boolean("local"));
    if (config.local && !around.local_domains) {
        table.complain("local", "there are no local domains", "name them in [[relay.local]]");
    }
    set(config.login_in_clear, table.boolean("login_in_clear"));
    if (config.login_in_clear && config.tls == TlsMode::implicit) {
        table.complain("login_in_clear", "nothing is in the clear here", "leave it out");
    }
    if (config.tls == TlsMode::none && !table.has("relay") && config.relay_interfaces.empty() &&
        !config.relay_grants && !config.local && !config.login_in_clear) {
        table.complain("tls", "without TLS nobody could log in, and no network may relay without a login",
                       R"(name the networks in relay, or take "starttls" or "implicit")");
    }
    return config;
}

SniConfig read_sni(TomlTable& table) {
    SniConfig config;
    table.require("certificate");
    table.require("key");
    set_path(table, "certificate", config.certificate);
    set_path(table, "key", config.key);
    return config;
}

SubmissionAccessConfig read_submission_access(TomlTable& table) {
    constexpr std::int64_t highest = 1'000'000;
    constexpr std::chrono::minutes longest_delay{5};
    SubmissionAccessConfig config;
    table.require("action");
    set(config.priority, table.integer("priority", 0, highest));
    set(config.action, table.choice("action", words(submission_actions)));
    if (table.has("clients")) {
        config.clients =
            table.prefixes("clients", [](const Prefix& /*prefix*/) { return std::optional<Error>(); });
    }
    set(config.names, table.texts("names"));
    if (table.is_empty_array("names")) {
        table.complain("names", "names nobody", "leave it out, and the entry is for all of them");
    }
    std::ranges::transform(config.names, config.names.begin(), lowered);
    set(config.senders, table.texts("senders"));
    if (table.is_empty_array("senders")) {
        table.complain("senders", "names nobody", "leave it out, and the entry is for all of them");
    }
    std::ranges::transform(config.senders, config.senders.begin(), lowered);
    set(config.unless_login, table.boolean("unless_login"));
    if (table.has("unless_login") && config.action != SubmissionAction::deny) {
        table.complain("unless_login", "lifts what is denied, and nothing is", "leave it out");
    }
    set_duration(table, "delay", config.delay);
    if (config.delay > longest_delay) {
        table.complain("delay", "is too long",
                       "write 1s to 5m: a mail program gives up when it waits for long");
    }
    if (table.has("delay") && config.action != SubmissionAction::delay) {
        table.complain("delay", "nothing is delayed", "take action = \"delay\", or leave it out");
    }
    return config;
}

AccountConfig read_account(TomlTable& table) {
    AccountConfig config;
    table.require("users");
    set(config.users, table.texts("users"));
    if (table.is_empty_array("users")) {
        table.complain("users", "names nobody", "name at least one user or pattern");
    }
    std::ranges::transform(config.users, config.users.begin(), lowered);
    set(config.relay, table.boolean("relay"));
    return config;
}

QuotaConfig read_quota(TomlTable& table) {
    constexpr std::int64_t most = 10'000'000;
    QuotaConfig config;
    set(config.users, table.texts("users"));
    if (table.is_empty_array("users")) {
        table.complain("users", "names nobody", "leave it out, and the entry is for all of them");
    }
    std::ranges::transform(config.users, config.users.begin(), lowered);
    set(config.hour, table.integer("hour", 1, most));
    set(config.day, table.integer("day", 1, most));
    set(config.new_hour, table.integer("new_hour", 1, most));
    set(config.new_day, table.integer("new_day", 1, most));
    set(config.addresses_day, table.integer("addresses_day", 1, most));
    set(config.networks_day, table.integer("networks_day", 1, most));
    set(config.failed_day, table.integer("failed_day", 1, most));
    set(config.warn, table.integer("warn", 1, 100));
    set(config.stop, table.boolean("stop"));
    const bool limited = (config.hour | config.day | config.new_hour | config.new_day | config.addresses_day |
                          config.networks_day | config.failed_day) != 0;
    if (config.stop && !limited) {
        table.complain("stop", "there is no limit that anybody could go beyond",
                       "set hour, day, new_hour, new_day, addresses_day, networks_day or failed_day");
    }
    if (config.hour > config.day && config.day != 0) {
        table.complain("hour", "is more than the whole day's", "lower it, or raise day");
    }
    if (config.new_hour > config.new_day && config.new_day != 0) {
        table.complain("new_hour", "is more than the whole day's", "lower it, or raise new_day");
    }
    return config;
}

void check_listeners(TomlTable& table, const SubmissionConfig& config) {
    const auto& all = config.listeners;
    for (std::size_t i = 0; i < all.size(); i++) {
        const auto same = [&](const ListenerConfig& other) {
            return other.address == all[i].address && other.port == all[i].port;
        };
        if (std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), same)) {
            table.complain(
                "listener",
                all[i].address.text() + " port " + std::to_string(all[i].port) + " is listened on twice",
                "keep one of the two");
        }
    }
    const bool tls = std::ranges::any_of(all, [](const auto& each) { return each.tls != TlsMode::none; });
    if (tls && (config.certificate.empty() || config.key.empty())) {
        table.complain(config.certificate.empty() ? "certificate" : "key",
                       "a listener with TLS needs a certificate and its key",
                       "certificate = \"/etc/sekisho/tls/fullchain.pem\", "
                       "key = \"/etc/sekisho/tls/privkey.pem\"");
    }
}

}  // namespace

std::string_view to_string(TlsMode mode) {
    return tls_modes.at(static_cast<std::size_t>(mode));
}

std::string_view to_string(SubmissionAction action) {
    return submission_actions.at(static_cast<std::size_t>(action));
}

void read_submission(TomlTable& table, SubmissionConfig& config, SubmissionSurroundings around) {
    set_host_name(table, "hostname", config.hostname);
    set(config.user, table.name("user"));
    set_path(table, "certificate", config.certificate);
    set_path(table, "key", config.key);
    set_socket(table, "auth_socket", config.auth_socket);
    set_socket(table, "admin_socket", config.admin_socket);
    set(config.report_logins, table.boolean("report_logins"));
    set(config.largest_message, table.integer("largest_message", 65'536, 1LL << 30));
    set(config.recipients, table.integer("recipients", 100, 1000));  // at least 100: RFC 5321, 4.5.3.1.8
    set(config.connections, table.integer("connections", 1, 100'000));
    set(config.errors, table.integer("errors", 1, 1000));
    set_duration(table, "command_timeout", config.command_timeout);
    set(config.least_rate, table.integer("least_rate", 0, 1'000'000));
    set_path(table, "client_ca", config.client_ca);
    if (!config.client_ca.empty() && config.certificate.empty()) {
        table.complain("client_ca", "without a certificate of our own there is no TLS",
                       "name it in certificate and key");
    }
    table.tables("sni", [&config](TomlTable& each) { config.sni.push_back(read_sni(each)); });
    if (!config.sni.empty() && config.certificate.empty()) {
        table.complain("sni", "there is no certificate for those who ask for no name",
                       "name it in certificate and key");
    }
    set(config.own_senders, table.boolean("own_senders"));
    set_path(table, "sender_file", config.sender_file);
    if (table.has("sender_file") && !config.own_senders) {
        table.complain("sender_file", "users may send as anybody", "set own_senders = true, or leave it out");
    }
    table.tables("listener", [&config, around](TomlTable& each) {
        config.listeners.push_back(read_listener(each, around));
    });
    check_listeners(table, config);
    table.tables("access", [&config](TomlTable& each) {
        SubmissionAccessConfig entry = read_submission_access(each);
        const auto behind =
            std::ranges::upper_bound(config.access, entry.priority, {}, &SubmissionAccessConfig::priority);
        config.access.insert(behind, std::move(entry));
    });
    set(config.hide_clients, table.boolean("hide_clients"));
    table.tables("account", [&config](TomlTable& each) { config.accounts.push_back(read_account(each)); });
    table.tables("quota", [&config](TomlTable& each) { config.quotas.push_back(read_quota(each)); });
}

}  // namespace sekisho
