// SPDX-License-Identifier: Apache-2.0
// Start, take-over, what is done from time to time; by subject in the other daemon_*.cpp.
#include "agent/daemon.h"

#include <fcntl.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "agent/base/descriptor_limit.h"
#include "agent/base/log.h"
#include "agent/base/time_text.h"
#include "agent/clocks.h"
#include "agent/logins/connection_limits.h"
#include "agent/store/set_aside.h"

namespace sekisho {

namespace {

constexpr std::chrono::seconds sweep_interval{1};
constexpr std::chrono::seconds verify_interval{5};
constexpr std::chrono::seconds flows_interval{10};
constexpr std::chrono::seconds clocks_interval{30};
constexpr std::chrono::seconds guard_interval{10};
// The agent's own: tables and programs in the kernel, the store, the logs that are read, listeners.
constexpr std::size_t own_descriptors = 256;
constexpr std::size_t descriptors_of_an_interface = 4;

// So that connections, of which each listener takes only so many, can't use up what the agent needs.
void warn_of_few_descriptors(const Config& config) {
    const std::uint64_t needed = own_descriptors + config.interfaces.size() * descriptors_of_an_interface +
                                 api::HttpLimits().connections + logins::most_connections(config);
    if (const std::uint64_t limit = descriptor_limit(); limit < needed) {
        log::warning(
            "FEW_DESCRIPTORS", "with all the connections that may come, the agent may run out of descriptors",
            {{"limit", limit}, {"needed", needed}, {"remedy", "raise LimitNOFILE in the unit of sekishod"}});
    }
}

}  // namespace

Daemon::Daemon(boost::asio::io_context& context, const Config& config, dataplane::Dataplane dataplane,
               store::Store store)
    : context_(context),
      config_(config),
      dataplane_(std::move(dataplane)),
      store_(std::move(store)),
      group_commit_(context, [this] { heed(store_.flush()); }),
      grants_(config, &many_small_),
      sessions_(config.radius ? config.radius->max_sessions : RadiusConfig().max_sessions),
      events_timer_(context),
      events_signal_(context, boost::asio::steady_timer::time_point::max()),
      guard_(context.get_executor(), guard::plan_of(config), guard::boot_files(config.store.path),
             [this] { return guarded(); }),
      gate_(config.tries, config.access, config.submission.auth_socket != config.auth.socket,
            [this](std::string_view name, const std::string& text, const logins::Attempt& attempt,
                   std::string_view reporter) { audit_attempt(name, text, attempt, reporter); }),
      sweep_timer_(context),
      overruns_(context),
      since_(std::chrono::system_clock::now()) {}

Result<std::unique_ptr<Daemon>> Daemon::start(boost::asio::io_context& context, const Config& config) {
    auto dataplane = dataplane::Dataplane::open(config);
    if (!dataplane) {
        return std::unexpected(dataplane.error());
    }
    const bool ours = store::may_be_ours(config.store.path);
    auto store = store::Store::open(config.store.path);
    std::optional<Error> lost;
    if (!store && ours && store.error().kind == Failure::invalid) {
        const auto moved = store::set_aside(config.store.path);
        if (!moved) {
            return std::unexpected(moved.error());
        }
        lost = store.error();
        lost->what += "; it was moved to " + moved->string();
        lost->remedy =
            "what the kernel held goes on, without wide exemptions, notes and sessions: compare "
            "`sekisho exempt list`, or stop the agent and put a good file there";
        log::error("STORE_SET_ASIDE", lost->what, {{"remedy", lost->remedy}});
        store = store::Store::open(config.store.path);
    }
    if (!store) {
        return std::unexpected(store.error());
    }
    for (const std::string& notice : dataplane->notices()) {
        log::warning("DATAPLANE_NOTICE", notice);
    }
    warn_of_few_descriptors(config);
    std::unique_ptr<Daemon> daemon(new Daemon(context, config, std::move(*dataplane), std::move(*store)));
    daemon->store_lost_ = std::move(lost);
    for (const auto step :
         {&Daemon::begin_events, &Daemon::listen, &Daemon::listen_for_webhooks, &Daemon::listen_for_syslog,
          &Daemon::listen_for_radius, &Daemon::take_over, &Daemon::begin_foreign_dynamic,
          &Daemon::watch_overruns, &Daemon::watch_links, &Daemon::follow_logs, &Daemon::follow_journals}) {
        if (auto done = (daemon.get()->*step)(); !done) {
            return std::unexpected(done.error());
        }
    }
    daemon->sweep();
    daemon->load_ahead();
    return daemon;
}

Result<void> Daemon::listen() {
    for (const DovecotConfig& dovecot : config_.dovecot) {
        auto policy = logins::DovecotPolicy::listen(context_.get_executor(), dovecot, on_login(),
                                                    when_settled(), gate_);
        if (!policy) {
            return std::unexpected(policy.error());
        }
        policies_.push_back(std::move(*policy));
    }
    auto server = api::serve(context_.get_executor(), config_.api, *this,
                             config_.submission_login ? config_.submission_login->reporter : std::string());
    if (!server) {
        return std::unexpected(server.error());
    }
    api_ = std::move(*server);
    return {};
}

Result<void> Daemon::take_over() {
    auto stored = store_.load();
    if (!stored) {
        return std::unexpected(stored.error());
    }
    stored->lost = store_lost_.has_value();
    const grants::KernelEntries entries(dataplane_.entries());
    const auto on_disk = grants_.take_over(
        *stored, [this](const auto& take) { return store_.each_grant(take); }, entries, read_clocks());
    if (!on_disk) {
        return std::unexpected(on_disk.error());
    }
    if (auto restored = restore_sessions(); !restored) {
        return restored;
    }
    wide_exemptions_ = grants_.wide_exemptions();
    if (auto set = dataplane_.set_policy(config_, wide_exemptions_); !set) {
        return set;
    }
    const std::vector<Prefix> refused = reconcile(entries);
    apply_to_store(*on_disk);
    give_up(refused);  // the last word: the store has just been told of them
    log::info("TAKEN_OVER", "state of the store and of the kernel joined",
              {{"grants", std::to_string(grants_.count(read_clocks()))},
               {"exemptions", std::to_string(grants_.exemptions().size())},
               {"sessions", std::to_string(sessions_.size())},
               {"kernel_entries", std::to_string(entries.all().size())}});
    return {};
}

// One entry that the kernel refuses must not keep the box from starting: the others' port 25 depends on it.
std::vector<Prefix> Daemon::reconcile(const grants::KernelEntries& entries) {
    std::vector<Prefix> refused;
    Result<void> whole;
    grants::Actions some;
    const auto apply_some = [&] {
        if (auto applied = apply_to_kernel(some, refused); !applied) {
            whole = applied;
        }
        some.clear();
    };
    grants_.reconcile(entries, [&](const grants::Action& action) {
        constexpr std::size_t at_once = 256;
        some.push_back(action);
        if (some.size() == at_once) {
            apply_some();
        }
    });
    apply_some();
    if (!whole) {
        log::error("TAKE_OVER_INCOMPLETE", whole.error().what, {{"remedy", whole.error().remedy}});
    }
    return refused;
}

// What is the disk's is left out.
Result<void> Daemon::apply_to_kernel(const grants::Action& action) {
    if (const auto* put = std::get_if<grants::PutEntry>(&action)) {
        return dataplane_.put(put->entry);
    }
    if (const auto* retire = std::get_if<grants::RetireEntry>(&action)) {
        dataplane_.retire(retire->key);
    } else if (const auto* remove = std::get_if<grants::RemoveEntry>(&action)) {
        dataplane_.remove(remove->key);
    } else if (const auto* wide = std::get_if<grants::SetWideExemptions>(&action);
               wide && wide->prefixes != wide_exemptions_) {
        if (auto set = dataplane_.set_policy(config_, wide->prefixes); !set) {
            return set;
        }
        wide_exemptions_ = wide->prefixes;
    }
    return {};
}

Result<void> Daemon::apply_to_kernel(const grants::Actions& actions, std::vector<Prefix>& refused) {
    Result<void> result;
    for (std::size_t at = 0; at < actions.size(); at++) {
        constexpr std::size_t ahead = 32;
        if (at + ahead < actions.size()) {
            if (const auto* later = std::get_if<grants::PutEntry>(&actions[at + ahead])) {
                dataplane_.expect(later->entry.key);
            }
        }
        const auto applied = apply_to_kernel(actions[at]);
        if (applied) {
            continue;
        }
        kernel_errors_++;
        kernel_trouble_ = applied.error();
        if (const auto* put = std::get_if<grants::PutEntry>(&actions[at])) {
            refused.push_back(put->entry.key);
        }
        if (result) {
            result = applied;
        }
    }
    return result;
}

// A full disk must not close anybody's port: the kernel has it, the next start adopts it from there.
void Daemon::apply_to_store(const grants::Actions& actions, store::SessionRows&& rows) {
    heed(store_.apply(actions, std::move(rows)));
    group_commit_.written();
}

void Daemon::heed(const Result<void>& written) {
    if (written) {
        return;
    }
    store_errors_++;
    store_trouble_ = written.error();
    // Each packet of a NAS tries, and where the disk is full the log may be, too.
    if (const auto now = std::chrono::steady_clock::now(); now >= complain_of_store_at_) {
        log::error("STORE_FAILED", written.error().what, {{"remedy", written.error().remedy}});
        complain_of_store_at_ = now + store::Store::retry_interval;
    }
}

boost::asio::awaitable<void> Daemon::settled() {
    return group_commit_.settled();
}

Result<void> Daemon::apply(const grants::Actions& actions) {
    std::vector<Prefix> refused;  // whoever asked hears of it
    auto result = apply_to_kernel(actions, refused);
    if (result) {
        apply_to_store(actions);
    }
    return result;
}

Result<void> Daemon::on_disk() const {
    if (store_.owed() == 0 || (group_commit_.asked() && !store_.failing())) {
        return {};
    }
    return fail(Failure::unavailable,
                "in force now, but not on the disk, so a restart would undo it: " + store_trouble_.what,
                "mend that; it is written by itself then, see `sekisho doctor`");
}

void Daemon::give_up(const std::vector<Prefix>& refused) {
    for (const Prefix& key : refused) {
        const grants::Actions undone = grants_.give_up_edge(key.address, read_clocks());
        if (undone.empty()) {
            continue;  // an exemption: it stays in the books, and `doctor` tells
        }
        log::error("GRANT_LOST", "the kernel had no room for it", {{"key", key.text()}});
        audit({.name = "GRANT_LOST", .text = "the kernel had no room for it", .key = key});
        if (auto removed = apply(undone); !removed) {
            log::error("KERNEL_FAILED", removed.error().what, {{"remedy", removed.error().remedy}});
        }
    }
}

Daemon::~Daemon() {
    for (const auto& source : logs_) {
        source->save_position();
    }
    for (const auto& source : journals_) {
        source->save_position();
    }
    if (events_) {
        if (auto written = events_->flush(); !written) {
            complain_of_events(written.error());
        }
    }
    note_clocks();
    if (auto written = store_.flush(); !written) {
        log::error("STORE_FAILED", "what is owed to the disk at the end is lost: " + written.error().what,
                   {{"remedy", written.error().remedy}});
    }
}

void Daemon::sweep_flows() {
    const auto counted = dataplane_.sweep_flows(read_clocks().boottime);
    if (!counted) {
        kernel_errors_++;
        kernel_trouble_ = counted.error();
        log::error("KERNEL_FAILED", counted.error().what, {{"remedy", counted.error().remedy}});
        return;
    }
    flows_ = counted->recorded;
    handle_overruns();  // that no event told of
}

// Asio closes what it waits for, and libbpf owns its descriptor.
Result<void> Daemon::watch_overruns() {
    const int copy = ::fcntl(dataplane_.events(), F_DUPFD_CLOEXEC, 0);
    boost::system::error_code error(copy < 0 ? errno : 0, boost::system::system_category());
    if (error || overruns_.assign(copy, error)) {
        return fail(Failure::unavailable, "can't wait for the kernel's events: " + error.message());
    }
    await_overruns();
    return {};
}

void Daemon::await_overruns() {
    overruns_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& error) {
                             if (!error) {
                                 handle_overruns();
                                 await_overruns();
                             }
                         });
}

void Daemon::handle_overruns() {
    for (const dataplane::Overrun& overrun : dataplane_.take_overruns()) {
        const grants::Now now = read_clocks();
        const auto grant = grants_.find(overrun.key.address, now);
        const grants::Actions actions = grants_.overrun(overrun.key, overrun.generation, now);
        if (actions.empty() || !grant) {
            continue;  // it has ended since
        }
        overrun_count_++;
        log::warning("BUDGET_OVERRUN",
                     "more connections than the grant was good for; an infected machine does that",
                     {{"key", grant->key.text()},
                      {"user", grant->user},
                      {"source", grant->source},
                      {"cool_down", seconds_text(config_.grants.cool_down)}});
        audit({.name = "BUDGET_OVERRUN",
               .text = "more connections than the grant was good for: it ended, and its key cools down",
               .key = grant->key,
               .user = grant->user,
               .reporter = grant->source,
               .lasts = config_.grants.cool_down});
        if (auto applied = apply(actions); !applied) {
            log::error("KERNEL_FAILED", applied.error().what, {{"remedy", applied.error().remedy}});
        }
    }
}

// A failure is told of by what is written besides.
void Daemon::note_clocks() {
    if (const grants::Now now = read_clocks(); grants_.count(now) > 0) {
        static_cast<void>(store_.save_clocks(now));
    }
}

void Daemon::sweep() {
    if (auto swept = apply(grants_.sweep(read_clocks())); !swept) {
        log::error("KERNEL_FAILED", swept.error().what, {{"remedy", swept.error().remedy}});
    }
    sweep_sessions();
    if (const auto now = std::chrono::steady_clock::now(); now >= verify_at_) {
        if (verify_pins()) {
            verify_interfaces();
        }
        refresh_foreign_dynamic();
        refresh_contracts();
        expire_events();
        verify_at_ = now + verify_interval;
    } else if (more_to_expire_) {
        expire_events();
    }
    if (const auto now = std::chrono::steady_clock::now(); now >= sweep_flows_at_) {
        sweep_flows();
        sweep_flows_at_ = now + flows_interval;
    }
    if (const auto now = std::chrono::steady_clock::now(); now >= note_clocks_at_) {
        note_clocks();
        note_clocks_at_ = now + clocks_interval;
    }
    if (const auto now = std::chrono::steady_clock::now(); now >= look_at_guard_at_) {
        guard_.look();
        look_at_guard_at_ = now + guard_interval;
    }
    sweep_timer_.expires_after(sweep_interval);
    sweep_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            sweep();
        }
    });
}

}  // namespace sekisho
