// SPDX-License-Identifier: Apache-2.0
// Logins: what becomes of one that somebody reported.
#include <string>
#include <utility>
#include <variant>

#include "agent/base/log.h"
#include "agent/base/socket_address.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/daemon.h"
#include "agent/subscribers/consequences.h"
#include "agent/subscribers/other_family.h"

namespace sekisho {

namespace {

api::ReporterStatus reporter_of(std::string name, std::string kind, std::string where,
                                const logins::Counts& counts) {
    return {.name = std::move(name),
            .kind = std::move(kind),
            .where = std::move(where),
            .granted = counts.granted,
            .refused = counts.refused,
            .rejected = counts.rejected,
            .lines = {},
            .trouble = {}};
}

// The same of one that reads lines.
template <class Source>
api::ReporterStatus reader_of(const Source& source, std::string kind, std::string where) {
    api::ReporterStatus status =
        reporter_of(source.name(), std::move(kind), std::move(where), source.counts());
    status.lines = source.lines();
    if constexpr (requires { source.trouble(); }) {
        const auto& trouble = source.trouble();
        status.trouble = trouble ? trouble->what : "";
    }
    return status;
}

std::string port_text(const grants::LoginEvent& event) {
    return event.port ? std::to_string(*event.port) : "";
}

// "with TLS, by CRAM-MD5, from port 4312", as far as the reporter knows.
std::string circumstances(const grants::LoginEvent& event) {
    return std::string(event.tls ? "with TLS" : "without TLS") +
           (event.mechanism.empty() ? "" : ", by " + event.mechanism) +
           (event.port ? ", from port " + port_text(event) : "");
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

}  // namespace

// The sections of each kind and what was made of them stand in the same order.
std::vector<api::ReporterStatus> Daemon::reporters() const {
    std::vector<api::ReporterStatus> all;
    all.reserve(policies_.size() + webhooks_.size() + logs_.size() + journals_.size() + syslog_.size() + 1);
    const auto place = [](const auto& config) { return Endpoint{config.listen, config.port}.text(); };
    for (std::size_t i = 0; i < policies_.size(); i++) {
        all.push_back(
            reporter_of(policies_[i]->name(), "dovecot", place(config_.dovecot[i]), policies_[i]->counts()));
    }
    for (std::size_t i = 0; i < webhooks_.size(); i++) {
        all.push_back(reporter_of(webhooks_[i]->name(), "stalwart", place(config_.stalwart[i]),
                                  webhooks_[i]->counts()));
    }
    for (std::size_t i = 0; i < logs_.size(); i++) {
        all.push_back(reader_of(*logs_[i], "log", config_.logs[i].file.string()));
    }
    for (std::size_t i = 0; i < journals_.size(); i++) {
        all.push_back(reader_of(*journals_[i], "journal", joined(config_.journals[i].units)));
    }
    for (std::size_t i = 0; i < syslog_.size(); i++) {
        all.push_back(reader_of(*syslog_[i], "syslog", place(config_.syslog[i])));
    }
    if (config_.submission_login) {
        all.push_back(reporter_of(std::string(logins::submission_reporter), "submission",
                                  config_.submission_login->reporter, submission_));
    }
    return all;
}

logins::OnLogin Daemon::on_login() {
    return [this](const grants::LoginEvent& event) -> Result<void> {
        if (auto granted = login(event); !granted) {
            return std::unexpected(granted.error());
        }
        return {};
    };
}

logins::Settled Daemon::when_settled() {
    return [this] { return group_commit_.settled(); };
}

Result<std::shared_ptr<const grants::Grant>> Daemon::login(const grants::LoginEvent& event) {
    const grants::Terms terms = grants::terms_of(config_.grants, event);
    const auto request = grants::request_of(terms, event);
    if (!request) {
        return refuse(event, terms, event.address, request.error());
    }
    const grants::Now now = read_clocks();
    if (subscribers::was_of_another(sessions_, event.address, event.when, now)) {
        return refuse(event, terms, event.address,
                      {.kind = Failure::refused,
                       .what = "the login is older than the session that has the address now",
                       .remedy = "if it was the same subscriber, compare the clocks of reporter and NAS"});
    }
    auto opened = open(*request, now);
    if (!opened) {
        return refuse(event, terms, event.address, opened.error());
    }
    tell({event, terms, event.address, now}, *opened);
    if (terms.other_family) {
        open_other_family(event, terms, *request, now);
    }
    return opened->grant;
}

// As tell().
std::unexpected<Error> Daemon::refuse(const grants::LoginEvent& event, const grants::Terms& terms,
                                      const Address& address, const Error& error) {
    if (refused_logins_.seen_by_another(event, read_clocks())) {
        return std::unexpected(error);
    }
    log::info("LOGIN_REFUSED", error.what,
              {{"user", event.user},
               {"address", address.text()},
               {"port", port_text(event)},
               {"protocol", event.protocol},
               {"mechanism", event.mechanism},
               {"reporter", event.reporter}});
    audit({.name = "LOGIN_REFUSED",
           .text = error.what + "; " + circumstances(event),
           .key = key_or_itself(address),
           .user = event.user,
           .reporter = event.reporter,
           .protocol = event.protocol,
           .rule = terms.rule,
           .session = session_number(address)});
    return std::unexpected(error);
}

// Whose address it is; 0: nobody is known.
std::uint64_t Daemon::session_number(const Address& address) const {
    return sessions_.holder_of(Prefix{.address = address, .length = address.bits()});
}

// Two that report one login (Dovecot, and the submission server that asked it) are told of once.
void Daemon::tell(const GrantedLogin& login, const Opened& opened) {
    const grants::LoginEvent& event = login.event;
    const bool once_more = recent_logins_.seen_by_another(event, login.now);
    if (once_more && opened.kept) {
        return;
    }
    const std::string name = opened.kept ? "LOGIN_KEPT" : "LOGIN_GRANTED";
    const std::string text = opened.kept ? "what it opens is open for long enough"
                                         : "a login opened " + grants::opened_things(login.terms.scope);
    const grants::BootTime left = opened.grant->expires - login.now.boottime;
    log::info(name, text,
              {{"user", event.user},
               {"address", event.address.text()},
               {"port", port_text(event)},
               {"key", opened.grant->key.text()},
               {"protocol", event.protocol},
               {"mechanism", event.mechanism},
               {"reporter", event.reporter},
               {"seconds", seconds_text(left)}});
    audit({.name = name,
           .text = text + "; " + circumstances(event),
           .key = opened.grant->key,
           .user = event.user,
           .reporter = event.reporter,
           .protocol = event.protocol,
           .rule = login.terms.rule,
           .session = session_number(login.address),
           .lasts = std::chrono::ceil<std::chrono::seconds>(left)});
}

// A mail program logs in over the family it likes better, and sends over the other.
void Daemon::open_other_family(const grants::LoginEvent& event, const grants::Terms& terms,
                               const grants::GrantRequest& request, const grants::Now& now) {
    const auto session = sessions_.find(event.address);
    if (!session) {
        return;
    }
    grants::GrantRequest other = request;
    other.reason += " over the other family";
    for (const Address& address : subscribers::other_family(*session, event.address, sessions_, grants_)) {
        other.address = address;
        if (const auto opened = open(other, now)) {
            tell({event, terms, address, now}, *opened);
        } else {
            static_cast<void>(refuse(event, terms, address, opened.error()));
        }
    }
}

Result<Daemon::Opened> Daemon::open(const grants::GrantRequest& request, const grants::Now& now) {
    grants::Actions actions;
    const auto granted = grants_.open(request, now, actions);
    if (!granted) {
        return std::unexpected(granted.error());
    }
    std::vector<Prefix> refused;  // whoever asked hears of it
    if (auto applied = apply_to_kernel(actions, refused); !applied) {
        // What the kernel does not hold must not stand in the books; what ended before it has ended.
        std::erase_if(actions,
                      [](const auto& each) { return std::holds_alternative<grants::SaveGrant>(each); });
        store_.note(actions);
        group_commit_.ask();
        if (auto removed = apply(grants_.give_up_edge(request.address, now)); !removed) {
            log::error("KERNEL_FAILED", removed.error().what, {{"remedy", removed.error().remedy}});
        }
        return std::unexpected(applied.error());
    }
    if (!actions.empty()) {
        store_.note(actions);
        group_commit_.ask();
    }
    return Opened{.grant = *granted, .kept = actions.empty()};
}

Result<api::LoginOutcome> Daemon::report_login(const api::LoginReport& report) {
    const logins::Attempt attempt{
        .address = report.address, .user = report.user, .protocol = report.protocol, .also = report.also};
    if (!report.success) {
        gate_.failed(attempt, logins::submission_reporter);
    }
    const bool locked = gate_.locks(attempt, logins::submission_reporter);
    if (!report.success || locked) {
        submission_.rejected++;
        return api::LoginOutcome{.granted = false,
                                 .key = {},
                                 .expires = {},
                                 .reason = locked ? "too many logins have failed" : "the login failed",
                                 .locked = locked};
    }
    gate_.succeeded(attempt);
    if (!config_.submission_login) {
        return fail(Failure::refused, "logins at the submission server open nothing here",
                    "add the section [login.submission] to " + config_.file.string());
    }
    const auto granted = login({.when = std::chrono::system_clock::now(),
                                .user = report.user,
                                .address = report.address,
                                .port = report.port,
                                .protocol = report.protocol,
                                .mechanism = report.mechanism,
                                .tls = report.tls,
                                .reporter = std::string(logins::submission_reporter),
                                .lifetime = config_.submission_login->lifetime});
    if (!granted) {
        submission_.refused++;
        return api::LoginOutcome{.granted = false, .key = {}, .expires = {}, .reason = granted.error().what};
    }
    submission_.granted++;
    return api::LoginOutcome{
        .granted = true, .key = (*granted)->key, .expires = (*granted)->expires_wall, .reason = {}};
}

bool Daemon::locks_login(const Address& address, const std::string& user,
                         const std::vector<std::string>& also) {
    return gate_.locks({.address = address, .user = user, .protocol = "smtp", .also = also},
                       logins::submission_reporter);
}

}  // namespace sekisho
