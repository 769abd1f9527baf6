// SPDX-License-Identifier: Apache-2.0
// Looking the configuration's names up.
#include "agent/base/config_machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/base/descriptor.h"
#include "agent/base/printable.h"
#include "agent/base/privilege.h"
#include "agent/base/secret.h"

namespace sekisho {

namespace {

void check_users(const std::vector<std::string>& users, const std::string& key,
                 std::vector<ConfigError>& findings) {
    for (const std::string& user : users) {
        if (!user_number(user)) {
            findings.push_back({.line = 0,
                                .column = 0,
                                .what = key + ": there is no user \"" + printable(user) + "\"",
                                .remedy = "compare `getent passwd`, or create the user"});
        }
    }
}

void check_key_file(const std::filesystem::path& file, const std::string& section,
                    std::vector<ConfigError>& complaints) {
    if (const auto secret = read_secret(file); !secret) {
        complaints.push_back({.line = 0,
                              .column = 0,
                              .what = section + ": " + secret.error().what,
                              .remedy = secret.error().remedy});
    }
}

// As whom sekisho-agent.service runs the agent; nobody, where it has been started otherwise.
constexpr const char* agent_user = "sekisho-agent";

// What root can read, and the agent couldn't.
void check_agents_file(const std::filesystem::path& file, const std::string& section,
                       std::vector<ConfigError>& complaints) {
    struct stat facts{};
    if (::stat(file.c_str(), &facts) != 0 || may_read(agent_user, facts)) {
        return;  // what is wrong with a missing one has been said
    }
    complaints.push_back({.line = 0,
                          .column = 0,
                          .what = section + ": " + file.string() + " can't be read by the user " + agent_user,
                          .remedy = std::string("chgrp ") + agent_user + " " + file.string() +
                                    " && chmod 0640 " + file.string()});
}

void check_agents_key_file(const std::filesystem::path& file, const std::string& section,
                           std::vector<ConfigError>& complaints) {
    check_key_file(file, section, complaints);
    check_agents_file(file, section, complaints);
}

void check_key_files(const Config& config, std::vector<ConfigError>& complaints) {
    for (const DovecotConfig& each : config.dovecot) {
        check_agents_key_file(each.key_file, "login.dovecot \"" + each.name + "\"", complaints);
    }
    for (const StalwartConfig& each : config.stalwart) {
        check_agents_key_file(each.key_file, "login.stalwart \"" + each.name + "\"", complaints);
    }
    if (config.radius) {
        for (const RadiusClientConfig& each : config.radius->clients) {
            check_agents_key_file(each.secret_file, "radius.client \"" + each.name + "\"", complaints);
        }
    }
    for (const RadiusServerConfig& each : config.auth.radius) {
        check_key_file(each.secret_file, "auth.radius " + each.address.text(), complaints);
    }
    if (config.auth.oauth && !config.auth.oauth->secret_file.empty()) {
        check_key_file(config.auth.oauth->secret_file, "auth.oauth", complaints);
    }
}

void check_contracts(const Config& config, std::vector<ConfigError>& complaints) {
    for (const ContractConfig& each : config.contracts) {
        if (each.users.empty()) {
            continue;
        }
        // O_NONBLOCK: a FIFO in this place must not hang the check.
        const Descriptor file(::open(each.users.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        struct stat facts{};
        const bool opened = file.get() >= 0 && ::fstat(file.get(), &facts) == 0;
        const std::string trouble = opened ? "no regular file" : std::strerror(errno);
        if (!opened || !S_ISREG(facts.st_mode)) {
            complaints.push_back(
                {.line = 0,
                 .column = 0,
                 .what = "contract \"" + each.name + "\" users: " + each.users.string() + ": " + trouble,
                 .remedy = "create it, with a User-Name on each line, or name another file"});
        }
    }
}

// The certificate may be seen by everybody, its key may not.
void check_tls_file(const std::filesystem::path& file, const std::string& key, mode_t forbidden,
                    std::vector<ConfigError>& complaints) {
    struct stat facts{};
    const bool missing = ::stat(file.c_str(), &facts) != 0;
    if (file.empty() || (!missing && (facts.st_mode & forbidden) == 0)) {
        return;
    }
    complaints.push_back(
        {.line = 0,
         .column = 0,
         .what = key + ": " + file.string() +
                 (missing ? ": " + std::string(std::strerror(errno)) : " can be used by everybody"),
         .remedy = missing ? "create it, or name another file" : "chmod 0640 " + file.string()});
}

void check_syslog(const Config& config, std::vector<ConfigError>& complaints) {
    for (const SyslogConfig& each : config.syslog) {
        const std::string section = "login.syslog \"" + each.name + "\" ";
        check_tls_file(each.certificate, section + "certificate", 0, complaints);
        check_tls_file(each.key, section + "key", S_IRWXO, complaints);
        if (!each.key.empty()) {
            check_agents_file(each.key, section + "key", complaints);
        }
        check_tls_file(each.client_ca, section + "client_ca", 0, complaints);
    }
}

void check_mail_side(const Config& config, std::vector<ConfigError>& complaints) {
    if (config.submission.listeners.empty()) {
        return;
    }
    check_tls_file(config.submission.certificate, "submission.certificate", 0, complaints);
    check_tls_file(config.submission.key, "submission.key", S_IRWXO, complaints);
    check_users({config.submission.user}, "submission.user", complaints);
    check_users({config.auth.user}, "auth.user", complaints);
    check_users({config.relay.user}, "relay.user", complaints);
}

void check_effect(const Config& config, std::vector<ConfigError>& warnings) {
    const auto warn = [&warnings](std::string what, std::string remedy) {
        warnings.push_back({.line = 0, .column = 0, .what = std::move(what), .remedy = std::move(remedy)});
    };
    const bool looks_at_subscribers = std::ranges::any_of(
        config.interfaces, [](const InterfaceConfig& each) { return each.side == Side::subscriber; });
    if (!looks_at_subscribers) {
        warn("nothing is enforced: no [[interface]] is on the side of subscribers",
             "name the interfaces that subscribers' packets arrive on");
    }
    if (config.pools.empty()) {
        warn("nothing is enforced: there is no [[pool]]", "name the prefixes that subscribers have");
    }
    if (std::ranges::any_of(config.interfaces, &InterfaceConfig::closed_until_judged) &&
        ::access(nft_program, X_OK) != 0) {
        warn(std::string("interface.until_judged: there is no ") + nft_program +
                 ", so interfaces are open until they are judged",
             "apt-get install nftables");
    }
}

}  // namespace

MachineFindings check_machine(const Config& config) {
    MachineFindings findings;
    if (::geteuid() == 0) {
        check_key_files(config, findings.complaints);
        check_contracts(config, findings.complaints);
        check_syslog(config, findings.complaints);
        check_mail_side(config, findings.complaints);
    }
    check_users(config.api.operators, "api.operators", findings.warnings);
    check_users(config.api.viewers, "api.viewers", findings.warnings);
    check_effect(config, findings.warnings);
    return findings;
}

std::string warning_text(const std::filesystem::path& file, const std::vector<ConfigError>& warnings) {
    std::string result;
    for (const ConfigError& warning : warnings) {
        result += file.string() + ": warning: " + warning.what + "\n  " + warning.remedy + "\n";
    }
    return result;
}

}  // namespace sekisho
