// SPDX-License-Identifier: Apache-2.0
// Sessions of subscribers: what RADIUS says of them, what follows for grants, and what is written down.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <fstream>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/clocks.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

// So many are looked at in one go, where all are.
constexpr std::size_t sessions_at_once = 10'000;

Result<std::string> content_of(const std::filesystem::path& file) {
    constexpr std::uintmax_t longest = 64 << 20;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(file, error);
    std::ifstream stream(file, std::ios::binary);
    if (error || !stream || size > longest) {
        return fail(Failure::unavailable,
                    file.string() + ": " +
                        (error            ? error.message()
                         : size > longest ? "it is larger than 64 MiB"
                                          : "can't read it"),
                    "see `users` of [[contract]] in the configuration");
    }
    return std::string{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace

Result<void> Daemon::listen_for_radius() {
    if (auto read = read_contracts(); !read) {
        return std::unexpected(read.error());
    }
    if (!config_.radius) {
        return {};
    }
    auto server = subscribers::RadiusServer::listen(
        context_.get_executor(), *config_.radius,
        [this](std::span<subscribers::Report> reports) { return take_reports(reports); });
    if (!server) {
        return std::unexpected(server.error());
    }
    radius_ = std::move(*server);
    for (const Address& address : config_.radius->listen) {
        log::info("LISTENING", "RADIUS accounting is taken here",
                  {{"address", Endpoint{address, config_.radius->port}.text()}, {"transport", "udp"}});
    }
    return {};
}

Result<bool> Daemon::read_contracts() {
    std::map<std::filesystem::path, std::filesystem::file_time_type> files;
    for (const ContractConfig& each : config_.contracts) {
        std::error_code missing;
        if (!each.users.empty()) {
            files[each.users] = std::filesystem::last_write_time(each.users, missing);
        }
    }
    if (files == contract_files_ && !files.empty()) {
        return false;
    }
    std::vector<subscribers::Contract> contracts;
    for (const ContractConfig& each : config_.contracts) {
        subscribers::Contract contract{
            .name = each.name, .classes = each.classes, .filters = each.filters, .users = {}};
        if (!each.users.empty()) {
            const auto list = content_of(each.users);
            if (!list) {
                return std::unexpected(list.error());
            }
            contract.users = subscribers::names_of(*list);
        }
        contracts.push_back(std::move(contract));
    }
    contracts_ = subscribers::Contracts(std::move(contracts));
    contract_files_ = std::move(files);
    return true;
}

void Daemon::refresh_contracts() {
    if (contract_files_.empty()) {
        return;
    }
    const auto changed = read_contracts();
    if (!changed) {
        session_log_.warning("CONTRACTS_UNREADABLE", changed.error().what,
                             "the list that was read before stays in force", std::chrono::minutes(10));
        return;
    }
    if (!*changed) {
        return;
    }
    const bool walking = contracts_from_.has_value();
    contracts_from_ = 0;
    contract_changes_ = 0;
    if (!walking) {
        walk_contracts();
    }
}

// Some sessions at a time, so that no login waits for a million of them.
void Daemon::walk_contracts() {
    constexpr std::size_t in_one_turn = 200;  // each may have 256 keys
    const subscribers::SessionPage page = sessions_.page({.from = contracts_from_.value_or(0)}, in_one_turn);
    subscribers::Changes all;
    std::ranges::transform(page.sessions, std::back_inserter(all.to_save), &subscribers::Session::number);
    SessionWork work;
    follow(all, read_clocks(), work);
    contract_changes_ += work.actions.size();
    work.to_save.clear();  // they are as they were
    write_down(std::move(work));
    if (page.next != 0) {
        contracts_from_ = page.next;
        boost::asio::post(context_, [this] { walk_contracts(); });
        return;
    }
    contracts_from_.reset();
    log::info("CONTRACTS_READ", "the lists of users with a contract have changed",
              {{"changes", std::to_string(contract_changes_)}});
}

// Before the kernel is told of anything: who has a contract has no gap in it.
Result<void> Daemon::restore_sessions() {
    const grants::Now now = read_clocks();
    std::size_t lost = 0;
    const auto skipped = store_.each_session([&](const subscribers::Session& session) {
        if (!sessions_.restore(session, now)) {
            lost++;
        }
    });
    if (!skipped) {
        return std::unexpected(skipped.error());
    }
    if (lost + *skipped != 0) {
        log::warning("SESSIONS_LOST",
                     "some sessions of the store can't be taken up: no room, or rows that nobody understands",
                     {{"no_room", std::to_string(lost)},
                      {"not_understood", std::to_string(*skipped)},
                      {"remedy", "raise max_sessions in [radius]; their next Interim brings them back"}});
    }
    if (contracts_.empty()) {
        return {};
    }
    subscribers::Consequences consequences;
    std::vector<subscribers::Session> some = sessions_.list(0, sessions_at_once);
    while (!some.empty()) {
        for (const subscribers::Session& session : some) {
            subscribers::begin_contracts(session, sessions_, contracts_, grants_, consequences);
        }
        consequences.actions.clear();  // the take-over tells the kernel of all
        consequences.contracts.clear();
        consequences.impossible.clear();
        some = sessions_.list(some.back().number + 1, sessions_at_once);
    }
    return {};
}

bool Daemon::take_reports(std::span<subscribers::Report> reports) {
    const grants::Now now = read_clocks();
    SessionWork work;
    for (const subscribers::Report& report : reports) {
        const subscribers::Changes changes = sessions_.apply(report, now);
        if (changes.refused) {
            tell_of_no_room(report.request, *changes.refused);
        }
        follow(changes, now, work);
    }
    write_down(std::move(work));
    return !store_.failing();
}

void Daemon::follow(const subscribers::Changes& changes, const grants::Now& now, SessionWork& work) {
    subscribers::Consequences consequences =
        subscribers::follow(changes, sessions_, contracts_, grants_, now);
    std::vector<Prefix> refused;
    if (auto applied = apply_to_kernel(consequences.actions, refused); !applied) {
        session_log_.warning("KERNEL_FAILED", applied.error().what, applied.error().remedy);
        grants::Actions
            none;  // the kernel doesn't have it: the books say so, and the next packet tries again
        for (const Prefix& key : refused) {
            grants_.set_contract(key, false, none);
        }
        std::ranges::sort(refused);
        std::erase_if(consequences.contracts, [&refused](const subscribers::ContractChange& each) {
            return std::ranges::binary_search(refused, each.key);
        });
    }
    for (const Prefix& key : subscribers::keys_of_former_holders(
             changes, sessions_, [this](const Prefix& prefix) { return resting_keys(prefix); }, now)) {
        dataplane_.remove(key);
    }
    tell(consequences);
    work.revoked += consequences.ended.size();
    std::ranges::move(consequences.actions, std::back_inserter(work.actions));
    work.to_save.insert(changes.to_save.begin(), changes.to_save.end());
    work.ended.insert(work.ended.end(), changes.ended.begin(), changes.ended.end());
}

// Within the prefix, or the one around it.
std::vector<Prefix> Daemon::resting_keys(const Prefix& prefix) const {
    const auto key = key_of(prefix.address);
    return dataplane_.resting(key && key->contains(prefix) ? *key : prefix);
}

void Daemon::tell(const subscribers::Consequences& consequences) {
    for (const subscribers::Ended& each : consequences.ended) {
        audit({.name = "HANDED_OVER",
               .text = each.why + ": the grant has ended",
               .key = each.grant.key,
               .user = each.grant.user,
               .reporter = each.grant.source,
               .session = each.session});
    }
    if (!consequences.ended.empty()) {
        handed_over_ += consequences.ended.size();
        const subscribers::Ended& first = consequences.ended.front();
        log::info("HANDED_OVER", first.why + ": the grant has ended",
                  {{"key", first.grant.key.text()},
                   {"user", first.grant.user},
                   {"session", std::to_string(first.session)},
                   {"grants", std::to_string(consequences.ended.size())}});
    }
    for (const subscribers::ContractChange& each : consequences.contracts) {
        audit({.name = each.begins ? "CONTRACT_BEGAN" : "CONTRACT_ENDED",
               .text = each.begins ? "contract \"" + each.name + "\" opened the port"
                                   : "who had the address has no contract there any more",
               .key = each.key,
               .user = each.user,
               .session = each.session});
    }
    for (const bool begins : {false, true}) {
        const auto is = [begins](const auto& each) { return each.begins == begins; };
        const auto first = std::ranges::find_if(consequences.contracts, is);
        if (first != consequences.contracts.end()) {
            log::info(begins ? "CONTRACT_BEGAN" : "CONTRACT_ENDED",
                      begins ? "a contract opened the port" : "a contract has ended",
                      {{"key", first->key.text()},
                       {"user", first->user},
                       {"session", std::to_string(first->session)},
                       {"contract", first->name},
                       {"contracts", std::to_string(std::ranges::count_if(consequences.contracts, is))}});
        }
    }
    for (const subscribers::ImpossibleContract& each : consequences.impossible) {
        session_log_.warning("CONTRACT_IMPOSSIBLE", each.error.what, each.error.remedy);
        audit_once({.name = "CONTRACT_IMPOSSIBLE",
                    .text = "contract \"" + each.name + "\" opens nothing: " + each.error.what,
                    .key = each.prefix,
                    .user = each.user,
                    .session = each.session},
                   std::to_string(each.session) + each.prefix.text());
    }
}

// Each of its packets is refused.
void Daemon::tell_of_no_room(const subscribers::AccountingRequest& request, const Error& error) {
    session_log_.warning("SESSION_REFUSED", error.what, error.remedy);
    store::Event event{
        .name = "SESSION_REFUSED", .text = "not taken in: " + error.what, .user = request.user};
    if (!request.prefixes.empty()) {
        event.key = request.prefixes.front();
    }
    audit_once(std::move(event), request.session_id + request.user);
}

void Daemon::tell_of_silence(const subscribers::Changes& changes) {
    std::unordered_map<std::uint64_t, Prefix> had;
    for (const subscribers::HolderChange& change : changes.holders) {
        had.try_emplace(change.before, change.prefix);
    }
    for (std::size_t i = 0; i < changes.ended.size(); i++) {
        store::Event event{.name = "SESSIONS_SILENT",
                           .text = "nothing was heard of the session for three interim intervals: it is over",
                           .user = changes.ended_users[i],
                           .session = changes.ended[i]};
        if (const auto found = had.find(changes.ended[i]); found != had.end()) {
            event.key = found->second;
        }
        audit(std::move(event));
    }
}

void Daemon::write_down(SessionWork&& work) {
    store::SessionRows rows{.saved = {}, .ended = std::move(work.ended)};
    for (const std::uint64_t number : work.to_save) {
        if (auto session = sessions_.find(number)) {
            rows.saved.push_back(std::move(*session));
        }
    }
    apply_to_store(work.actions, std::move(rows));
}

void Daemon::sweep_sessions() {
    const grants::Now now = read_clocks();
    const subscribers::Changes changes = sessions_.sweep(now);
    if (changes.ended.empty()) {
        return;
    }
    tell_of_silence(changes);
    SessionWork work;
    follow(changes, now, work);
    log::info("SESSIONS_SILENT", "nothing was heard of them for three interim intervals: they are over",
              {{"sessions", std::to_string(changes.ended.size())}});
    write_down(std::move(work));
}

void Daemon::check_radius(std::vector<api::Check>& checks) const {
    if (!radius_ || !config_.radius) {
        return;
    }
    const RadiusConfig& config = *config_.radius;
    for (const Address& address : config.listen) {
        const bool local = is_local(address);
        checks.push_back(
            {.name = "listener-radius",
             .ok = local,
             .detail = Endpoint{address, config.port}.text() +
                       (local ? "" : ": no interface of this host has the address, nobody can reach it"),
             .remedy = local ? "" : "compare `ip address` with listen of [radius]"});
    }
    const auto& counts = radius_->counts();
    const bool all_refused = counts.refused != 0 && counts.packets == 0;
    checks.push_back(
        {.name = "radius",
         .ok = !all_refused,
         .detail =
             std::to_string(sessions_.size()) + " sessions, " + std::to_string(counts.answers) +
             " packets answered" +
             (counts.refused == 0 ? "" : ", " + std::to_string(counts.refused) + " made with another secret"),
         .remedy = all_refused ? "compare the secret_file of the [[radius.client]] with the NAS" : ""});
}

}  // namespace sekisho
