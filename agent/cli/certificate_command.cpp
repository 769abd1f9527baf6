// SPDX-License-Identifier: Apache-2.0
// Asking is one step, by a user who can do nothing else; putting what has come in its place is another,
// root's.
#include "agent/cli/certificate_command.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"
#include "agent/cli/answers.h"
#include "agent/cli/certificate_facts.h"
#include "agent/cli/cli.h"
#include "agent/cli/program.h"
#include "agent/cli/setup_files.h"
#include "agent/cli/setup_machine.h"
#include "agent/cli/user_password.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

using Moment = std::chrono::sys_seconds;

// What came of a command, or what there is.
struct CertificateOutcome {
    std::filesystem::path file{};
    std::optional<CertificateFacts> facts{};
    bool changed = false;
    std::string words{};  // for people
};

Moment now_in_seconds() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// A file that must be there.
Result<std::string> whole_file(const std::filesystem::path& file) {
    auto text = contents_of(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    if (!*text) {
        return fail(Failure::not_found, "there is no " + file.string());
    }
    return std::move(**text);
}

Result<CertificateFacts> facts_in(const std::filesystem::path& file) {
    const auto text = whole_file(file);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto facts = certificate_facts(*text);
    if (!facts) {
        facts.error().what = file.string() + ": " + facts.error().what;
    }
    return facts;
}

// Where lego keeps what was signed.
std::filesystem::path signed_file(const AcmeConfig& acme, const char* ending) {
    return acme.state / "certificates" / (acme.names.front() + ending);
}

bool has_all_names(const CertificateFacts& facts, const AcmeConfig& acme) {
    return std::ranges::all_of(acme.names, [&facts](const std::string& name) {
        return std::ranges::find(facts.names, name) != facts.names.end();
    });
}

// What lego says beside what it does, on one line; the end of it is why.
std::string why_of(std::string_view said) {
    constexpr std::size_t enough = 600;
    std::string why;
    while (!said.empty()) {
        const std::size_t end = std::min(said.find('\n'), said.size());
        const std::string_view line = said.substr(0, end);
        if (line.find("[INFO]") == std::string_view::npos && !line.empty()) {
            why.append(why.empty() ? "" : " ").append(line);
        }
        said.remove_prefix(std::min(end + 1, said.size()));
    }
    return why.size() > enough ? why.substr(why.size() - enough) : why;
}

Result<CertificateOutcome> fetch_certificate(const AcmeConfig& acme, bool force,
                                             const CertificatePlaces& places) {
    const auto file = signed_file(acme, ".crt");
    const auto have = facts_in(file);
    if (have && !force && has_all_names(*have, acme) && have->until > now_in_seconds() + acme.renew_before) {
        return CertificateOutcome{.file = file, .facts = *have, .words = "is good still"};
    }
    if (!acme.authorities.empty()) {
        ::setenv("LEGO_CA_CERTIFICATES", acme.authorities.c_str(), 1);
    }
    const auto said = run_program(lego_words(acme, places.lego.string()));
    if (!said) {
        return fail(said.error().kind, said.error().what, "apt-get install lego");
    }
    if (said->exit_code != 0) {
        return fail(Failure::unavailable,
                    "the authority has signed nothing: " + printable(why_of(said->text)),
                    "the certificate that is in use stays; is port " + std::to_string(acme.port) +
                        " of each name reached from the Internet?");
    }
    auto fresh = facts_in(file);
    if (!fresh) {
        return std::unexpected(fresh.error());
    }
    return CertificateOutcome{
        .file = file, .facts = std::move(*fresh), .changed = true, .words = "was signed"};
}

// Nothing takes the place of a certificate that works but one that works, too.
Result<CertificateFacts> fit_to_use(const std::string& certificate, const std::string& key,
                                    const AcmeConfig& acme) {
    constexpr const char* another = "`sekisho certificate fetch --force` asks for another";
    auto facts = certificate_facts(certificate);
    const auto together = belong_together(certificate, key);
    if (!facts || !together) {
        return fail(
            Failure::invalid,
            "what was signed is not for use: " + (!facts ? facts.error().what : together.error().what),
            another);
    }
    const Moment now = now_in_seconds();
    if (!*together) {
        return fail(Failure::invalid, "what was signed is not for use: the key isn't its own", another);
    }
    if (!has_all_names(*facts, acme)) {
        return fail(Failure::invalid, "what was signed is not for use: a name of acme.names is missing",
                    "`sekisho certificate fetch` asks for one with all of them");
    }
    if (facts->until <= now || facts->from > now) {
        return fail(Failure::invalid, "what was signed is not for use: its time isn't now",
                    "is the clock right? Then `sekisho certificate fetch --force` asks for another");
    }
    return facts;
}

Result<gid_t> group_of_smtpd(const std::string& user) {
    std::array<char, 16384> buffer{};
    struct group entry{};
    struct group* found = nullptr;
    if (::getgrnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return fail(Failure::not_found, "there is no group " + user + ", which must read the key",
                    "apt-get install sekisho-smtpd");
    }
    return entry.gr_gid;
}

Result<void> put_both(const SubmissionConfig& submission, const std::string& certificate,
                      const std::string& key) {
    constexpr mode_t for_all_to_read = 0644;
    constexpr mode_t for_the_group_to_read = 0640;
    const auto group = group_of_smtpd(submission.user);
    if (!group) {
        return std::unexpected(group.error());
    }
    auto key_file = NewFile::write(submission.key, key, for_the_group_to_read, *group);
    auto certificate_file = NewFile::write(submission.certificate, certificate, for_all_to_read);
    if (!key_file || !certificate_file) {
        return std::unexpected(!key_file ? key_file.error() : certificate_file.error());
    }
    auto done = key_file->put();
    return done ? certificate_file->put() : done;
}

// Who shows it to clients reads it again.
Result<void> tell_daemons(const Config& config, const CertificatePlaces& places) {
    std::error_code ignored;
    if (!std::filesystem::exists(places.systemd, ignored)) {
        return {};
    }
    auto told = run_systemctl(places.systemctl, {"try-reload-or-restart", "sekisho-smtpd.service"});
    if (told && config.mailbox) {
        told = run_systemctl(places.systemctl, {"try-reload-or-restart", "dovecot.service"});
    }
    return told;
}

Result<CertificateOutcome> install_certificate(const Config& config, const CertificatePlaces& places) {
    const AcmeConfig& acme = *config.acme;
    const SubmissionConfig& submission = config.submission;
    const auto certificate = whole_file(signed_file(acme, ".crt"));
    auto key = whole_file(signed_file(acme, ".key"));
    if (!certificate || !key) {
        auto error = !certificate ? certificate.error() : key.error();
        error.remedy = "`sekisho certificate fetch` asks for one";
        return std::unexpected(std::move(error));
    }
    auto facts = fit_to_use(*certificate, *key, acme);
    if (!facts) {
        wipe(*key);
        return std::unexpected(facts.error());
    }
    CertificateOutcome outcome{.file = submission.certificate, .facts = std::move(*facts)};
    auto old_key = contents_of(submission.key);
    const auto old = contents_of(submission.certificate);
    outcome.changed = !old || !old_key || *old != *certificate || *old_key != *key;
    outcome.words = outcome.changed ? "is in use now" : "is in use already";
    auto done = outcome.changed ? put_both(submission, *certificate, *key) : Result<void>();
    wipe(*key);
    if (old_key && *old_key) {
        wipe(**old_key);
    }
    if (done && outcome.changed) {
        done = tell_daemons(config, places);
    }
    return done ? Result<CertificateOutcome>(std::move(outcome)) : std::unexpected(done.error());
}

Result<CertificateOutcome> shown_certificate(const Config& config) {
    if (config.submission.certificate.empty()) {
        return fail(Failure::not_found, "submission.certificate names no file", "`sekisho setup` makes one");
    }
    auto facts = facts_in(config.submission.certificate);
    if (!facts) {
        return std::unexpected(facts.error());
    }
    return CertificateOutcome{.file = config.submission.certificate, .facts = std::move(*facts), .words = ""};
}

Result<CertificateOutcome> certificate_outcome(const Arguments& arguments, const Config& config,
                                               const CertificatePlaces& places) {
    if (arguments.command == Command::certificate_show) {
        return shown_certificate(config);
    }
    if (!config.acme) {
        return fail(Failure::not_found, "there is no [acme] in the configuration",
                    "sekisho.toml(5) shows one; certificates of your own need none");
    }
    if (arguments.command == Command::certificate_fetch) {
        return fetch_certificate(*config.acme, arguments.force, places);
    }
    if (::geteuid() != 0) {
        return fail(Failure::refused, "only root may put a certificate in its place",
                    "sudo sekisho certificate install");
    }
    return install_certificate(config, places);
}

void print_certificate(const CertificateOutcome& outcome, bool as_json, std::ostream& out) {
    const CertificateFacts& facts = *outcome.facts;
    const auto days = std::chrono::floor<std::chrono::days>(facts.until - now_in_seconds()).count();
    if (as_json) {
        json::array names;
        for (const std::string& name : facts.names) {
            names.emplace_back(name);
        }
        out << json::serialize(json::object{{"file", outcome.file.string()},
                                            {"changed", outcome.changed},
                                            {"names", std::move(names)},
                                            {"until", rfc3339(facts.until)},
                                            {"days", days},
                                            {"issuer", facts.issuer},
                                            {"self_signed", facts.self_signed}})
            << '\n';
        return;
    }
    out << printable(outcome.file.string()) << (outcome.words.empty() ? "" : " ") << outcome.words
        << "\n  for ";
    for (std::size_t i = 0; i < facts.names.size(); i++) {
        out << (i == 0 ? "" : ", ") << printable(facts.names[i]);
    }
    out << "\n  until " << rfc3339(facts.until) << " (" << days << " days)\n  signed by "
        << (facts.self_signed ? "nobody but itself" : facts.issuer) << "\n";
}

}  // namespace

std::vector<std::string> lego_words(const AcmeConfig& acme, const std::string& lego) {
    std::vector<std::string> words = {lego,         "--accept-tos", "--server", acme.directory,
                                      "--email",    acme.email,     "--path",   acme.state.string(),
                                      "--key-type", "ec256"};
    for (const std::string& name : acme.names) {
        words.insert(words.end(), {"--domains", name});
    }
    std::string address;
    if (acme.listen) {
        address = acme.listen->family == Family::ipv6 ? "[" + acme.listen->text() + "]" : acme.listen->text();
    }
    const std::string way = acme.challenge == AcmeChallenge::http ? "--http" : "--tls";
    words.insert(words.end(), {way, way + ".port", address + ":" + std::to_string(acme.port), "run"});
    return words;
}

int certificate_command(const Arguments& arguments, std::ostream& out, std::ostream& err,
                        const CertificatePlaces& places) {
    const auto config = load_config(arguments.config);
    if (!config) {
        err << text(arguments.config, config.error());
        return exit_wrong_usage;
    }
    const auto outcome = certificate_outcome(arguments, *config, places);
    if (!outcome) {
        print_error(outcome.error(), arguments.json, out, err);
        return exit_failed;
    }
    print_certificate(*outcome, arguments.json, out);
    return exit_done;
}

}  // namespace sekisho::cli
