// SPDX-License-Identifier: Apache-2.0
// What the machine knows, Dovecot's own opinion, and then the file.
#include "agent/cli/mailbox_command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/ascii.h"
#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/base/privilege.h"
#include "agent/base/secret.h"
#include "agent/cli/answers.h"
#include "agent/cli/cli.h"
#include "agent/cli/mailbox_config.h"
#include "agent/cli/program.h"
#include "agent/cli/setup_files.h"
#include "agent/cli/user_password.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

constexpr std::string_view mailbox_mark = "# Written by `sekisho mailbox apply`";
constexpr mode_t for_its_owner = 0600;
// That mean nothing else to Dovecot.
constexpr std::string_view signs_in_secrets = "._-+@!*/=:,";

// What came of it.
struct MailboxOutcome {
    std::filesystem::path file{};
    std::string version{};  // Dovecot's; empty where it was not asked
    bool there = false;     // whether there is a configuration now
    bool changed = false;
    std::vector<std::string> mechanisms{};
    std::vector<std::string> notes{};
};

// A secret that stands in Dovecot's configuration as it is.
Result<std::string> plain_secret(const std::filesystem::path& file) {
    auto secret = read_secret(file);
    if (secret && !std::ranges::all_of(*secret, [](char octet) {
            return is_letter_or_digit(octet) || signs_in_secrets.find(octet) != std::string_view::npos;
        })) {
        return fail(Failure::invalid, file.string() + " has signs that mean something else to Dovecot",
                    "take letters, digits and " + std::string(signs_in_secrets) + " only");
    }
    return secret;
}

// Paths of other sections that stand in Dovecot's configuration, too.
Result<void> check_paths(const Config& config) {
    constexpr const char* signs = "/._-+@";
    for (const auto& [key, path] : {std::pair("auth.dovecot_users", &config.auth.dovecot_users),
                                    std::pair("submission.certificate", &config.mailbox->certificate),
                                    std::pair("submission.key", &config.mailbox->key)}) {
        if (!std::ranges::all_of(path->native(), [](char octet) {
                return is_letter_or_digit(octet) ||
                       std::string_view(signs).find(octet) != std::string_view::npos;
            })) {
            return fail(Failure::invalid, std::string(key) + " has signs that mean something else to Dovecot",
                        "take letters, digits and " + std::string(signs) + " only");
        }
    }
    return {};
}

Result<std::optional<PolicyFacts>> policy_facts(const Config& config) {
    const std::string& name = config.mailbox->reporter;
    const auto found = std::ranges::find(config.dovecot, name, &DovecotConfig::name);
    if (name.empty() || found == config.dovecot.end() || !found->proof) {
        return std::optional<PolicyFacts>();
    }
    auto key = plain_secret(found->key_file);
    if (!key) {
        return std::unexpected(key.error());
    }
    return PolicyFacts{.address = address_here(*found),
                       .port = found->port,
                       .key = std::move(*key),
                       .proof = *found->proof,
                       .before = config.tries.has_value() || !config.access.empty(),
                       .reports = config.tries.has_value()};
}

Result<std::optional<std::pair<std::string, std::string>>> proxy_login(const MailboxConfig& mailbox) {
    using Login = std::optional<std::pair<std::string, std::string>>;
    if (mailbox.proxy_login.empty()) {
        return Login();
    }
    const auto secret = plain_secret(mailbox.proxy_login);
    if (!secret) {
        return std::unexpected(secret.error());
    }
    const std::size_t colon = secret->find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == secret->size()) {
        return fail(Failure::invalid, mailbox.proxy_login.string() + " has no line NAME:PASSWORD",
                    "write the name of the master user at " + mailbox.proxy + ", a colon and its password");
    }
    return Login(std::in_place, secret->substr(0, colon), secret->substr(colon + 1));
}

// How many users stand in a file of auth.dovecot_users; none where it isn't there.
Result<std::size_t> users_in(const std::filesystem::path& file) {
    auto text = contents_of(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    if (!*text) {
        return 0;
    }
    const auto lines = std::ranges::count(**text, '\n');
    wipe(**text);
    return static_cast<std::size_t>(lines);
}

Result<UserCounts> count_users(const std::filesystem::path& directory) {
    UserCounts counts;
    for (const auto& [name, count] :
         {std::pair("hashes", &counts.hashes), std::pair("scram-sha-256", &counts.scram_sha_256),
          std::pair("scram-sha-1", &counts.scram_sha_1), std::pair("recoverable", &counts.recoverable)}) {
        const auto users = users_in(directory / name);
        if (!users) {
            return std::unexpected(users.error());
        }
        *count = *users;
    }
    return counts;
}

// "2.3.19.1", without what stands behind it.
Result<std::string> dovecot_version(const DovecotPrograms& programs) {
    const auto said = run_program({programs.dovecot.string(), "--version"});
    if (!said) {
        return fail(said.error().kind, said.error().what, "apt-get install dovecot-imapd dovecot-pop3d");
    }
    std::string version = said->text.substr(0, said->text.find_first_of(" \n"));
    if (said->exit_code != 0 || !language_of(version)) {
        return fail(
            Failure::unavailable,
            "there is no Dovecot 2.3 or 2.4 here: `dovecot --version` says \"" + printable(version) + "\"",
            "Debian 12 has 2.3, Debian 13 has 2.4");
    }
    return version;
}

// The sockets of [[relay.local]] that a Dovecot makes.
std::vector<std::string> lmtp_sockets(const Config& config) {
    std::vector<std::string> sockets;
    for (const LocalConfig& each : config.relay.local) {
        const std::string name = each.path.filename().string();
        if (each.path.parent_path() == "/run/dovecot" && std::ranges::find(sockets, name) == sockets.end()) {
            sockets.push_back(name);
        }
    }
    return sockets;
}

Result<DovecotFacts> dovecot_facts(const Config& config, const DovecotPrograms& programs,
                                   MailboxOutcome& outcome) {
    const MailboxConfig& mailbox = *config.mailbox;
    if (auto plain = check_paths(config); !plain) {
        return std::unexpected(plain.error());
    }
    const auto version = dovecot_version(programs);
    const auto users = count_users(config.auth.dovecot_users);
    const auto policy = policy_facts(config);
    const auto login = proxy_login(mailbox);
    if (!version || !users || !policy || !login) {
        return std::unexpected(!version  ? version.error()
                               : !users  ? users.error()
                               : !policy ? policy.error()
                                         : login.error());
    }
    DovecotFacts facts{.language = language_of(*version).value_or(DovecotLanguage::of_2_3),
                       .users = config.auth.dovecot_users,
                       .mechanisms = offered_mechanisms(mailbox, *users),
                       .owner = 0,
                       .lmtp = lmtp_sockets(config),
                       .relay_user = config.relay.user,
                       .policy = *policy,
                       .proxy_login = *login};
    if (!mailbox.store.empty()) {
        const auto owner = user_number(mailbox.user);
        if (!owner) {
            return fail(Failure::not_found, "there is no user " + mailbox.user + ", whose mailboxes they are",
                        "useradd --system --no-create-home --shell /usr/sbin/nologin " + mailbox.user +
                            "; the package sekisho-appliance makes vmail");
        }
        facts.owner = *owner;
    }
    outcome.version = *version;
    outcome.mechanisms = facts.mechanisms;
    if (users->hashes == 0) {
        outcome.notes.push_back("there are no users yet in " + config.auth.dovecot_users.string() +
                                ": does sekisho-auth run? `sekisho user add NAME` makes one");
    }
    if (mailbox.reporter.empty()) {
        outcome.notes.emplace_back("logins open nothing: mailbox.reporter names no [[login.dovecot]]");
    }
    return facts;
}

// A directory for the mailboxes, if there is none.
Result<void> make_store(const MailboxConfig& mailbox, const DovecotFacts& facts) {
    struct stat status{};
    if (mailbox.store.empty() || ::stat(mailbox.store.c_str(), &status) == 0) {
        return {};
    }
    std::error_code error;
    std::filesystem::create_directories(mailbox.store.parent_path(), error);
    constexpr mode_t for_its_owner_to_enter = 0700;
    if (::mkdir(mailbox.store.c_str(), for_its_owner_to_enter) != 0 ||
        ::chown(mailbox.store.c_str(), facts.owner, static_cast<gid_t>(-1)) != 0) {
        return fail(Failure::unavailable,
                    "can't make " + mailbox.store.string() + ": " + std::generic_category().message(errno));
    }
    return {};
}

// Nobody's own configuration is lost. Nothing: there is none yet.
Result<std::optional<std::string>> our_file(const std::filesystem::path& file) {
    auto old = contents_of(file);
    if (old && *old && !(*old)->starts_with(mailbox_mark)) {
        return fail(Failure::conflict, file.string() + " was not written by this command",
                    "move it away, or name another file in mailbox.file");
    }
    return old;
}

Result<void> replace_file(const std::filesystem::path& file, const std::string& text,
                          const DovecotPrograms& programs) {
    auto made = NewFile::write(file, text, for_its_owner);
    if (!made) {
        return std::unexpected(made.error());
    }
    const auto said = run_program({programs.doveconf.string(), "-n", "-c", made->path().string()});
    if (!said) {
        return std::unexpected(said.error());
    }
    if (said->exit_code != 0) {
        return fail(Failure::invalid,
                    "Dovecot doesn't take this configuration: " +
                        printable(said->text.substr(0, said->text.find_last_not_of('\n') + 1)),
                    "nothing has been replaced; look at what the file names, and at its -local.conf");
    }
    return made->put();
}

// Without [mailbox] there is no configuration of Dovecot's, either.
Result<MailboxOutcome> take_away(const std::filesystem::path& file) {
    MailboxOutcome outcome{.file = file, .notes = {"there is no [mailbox] in the configuration"}};
    const auto old = contents_of(file);
    if (!old) {
        return std::unexpected(old.error());
    }
    if (*old && (*old)->starts_with(mailbox_mark)) {
        if (::unlink(file.c_str()) != 0) {
            return fail(Failure::unavailable,
                        "can't remove " + file.string() + ": " + std::generic_category().message(errno));
        }
        outcome.changed = true;
    }
    return outcome;
}

Result<MailboxOutcome> apply_mailbox(const Config& config, const DovecotPrograms& programs) {
    if (!config.mailbox) {
        return take_away(MailboxConfig().file);
    }
    const MailboxConfig& mailbox = *config.mailbox;
    MailboxOutcome outcome{.file = mailbox.file, .there = true};
    const auto facts = dovecot_facts(config, programs, outcome);
    const auto old = our_file(mailbox.file);
    if (!facts || !old) {
        return std::unexpected(!facts ? facts.error() : old.error());
    }
    if (auto made = make_store(mailbox, *facts); !made) {
        return std::unexpected(made.error());
    }
    const std::string text = dovecot_config(mailbox, *facts);
    outcome.changed = *old != text;
    if (outcome.changed) {
        if (auto done = replace_file(mailbox.file, text, programs); !done) {
            return std::unexpected(done.error());
        }
    }
    return outcome;
}

// What would be written, without the secrets in it.
Result<std::string> shown_mailbox(const Config& config, const DovecotPrograms& programs) {
    if (!config.mailbox) {
        return fail(Failure::not_found, "there is no [mailbox] in the configuration",
                    "sekisho.toml(5) shows one");
    }
    MailboxOutcome ignored;
    auto facts = dovecot_facts(config, programs, ignored);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    if (facts->policy) {
        facts->policy->key = "(hidden)";
    }
    if (facts->proxy_login) {
        facts->proxy_login->second = "(hidden)";
    }
    return dovecot_config(*config.mailbox, *facts);
}

json::array mailbox_words(const std::vector<std::string>& words) {
    json::array array;
    for (const std::string& word : words) {
        array.emplace_back(word);
    }
    return array;
}

void print_mailbox(const MailboxOutcome& outcome, bool as_json, std::ostream& out) {
    if (as_json) {
        json::object answer = {
            {"file", outcome.there ? json::value(outcome.file.string()) : json::value()},
            {"changed", outcome.changed},
            {"dovecot", outcome.version.empty() ? json::value() : json::value(outcome.version)},
            {"mechanisms", mailbox_words(outcome.mechanisms)},
            {"notes", mailbox_words(outcome.notes)}};
        out << json::serialize(answer) << '\n';
        return;
    }
    if (outcome.there) {
        out << printable(outcome.file.string()) << (outcome.changed ? " is written" : " is as it should be")
            << ", for Dovecot " << printable(outcome.version) << "\n";
        if (outcome.changed) {
            out << "systemctl reload dovecot, if it runs already\n";
        }
    } else if (outcome.changed) {
        out << printable(outcome.file.string()) << " is removed\n";
    }
    for (const std::string& note : outcome.notes) {
        out << "Note: " << printable(note) << '\n';
    }
}

}  // namespace

int mailbox_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                    const DovecotPrograms& programs) {
    const auto config = load_config(arguments.config);
    if (!config) {
        err << text(arguments.config, config.error());
        return exit_wrong_usage;
    }
    if (arguments.print) {
        const auto shown = shown_mailbox(*config, programs);
        if (!shown) {
            print_error(shown.error(), arguments.json, out, err);
            return exit_failed;
        }
        out << *shown;
        return exit_done;
    }
    const auto outcome =
        ::geteuid() == 0
            ? apply_mailbox(*config, programs)
            : Result<MailboxOutcome>(fail(Failure::refused, "only root may write Dovecot's configuration",
                                          "sudo sekisho mailbox apply"));
    if (!outcome) {
        print_error(outcome.error(), arguments.json, out, err);
        return exit_failed;
    }
    print_mailbox(*outcome, arguments.json, out);
    return exit_done;
}

}  // namespace sekisho::cli
