// SPDX-License-Identifier: Apache-2.0
// sekishod's middle: takes what the rooms report, asks the grants, and hands their actions to kernel and
// store.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/routes.h"
#include "agent/api/server.h"
#include "agent/base/config.h"
#include "agent/base/huge_pages.h"
#include "agent/base/list_file.h"
#include "agent/base/quiet_log.h"
#include "agent/base/result.h"
#include "agent/base/told_lately.h"
#include "agent/dataplane/dataplane.h"
#include "agent/grants/grants.h"
#include "agent/grants/recent_logins.h"
#include "agent/grants/rules.h"
#include "agent/guard/guard.h"
#include "agent/links/links.h"
#include "agent/logins/dovecot_policy.h"
#include "agent/logins/journal_source.h"
#include "agent/logins/log_source.h"
#include "agent/logins/stalwart_webhook.h"
#include "agent/logins/syslog_source.h"
#include "agent/store/events.h"
#include "agent/store/group_commit.h"
#include "agent/store/store.h"
#include "agent/subscribers/consequences.h"
#include "agent/subscribers/contracts.h"
#include "agent/subscribers/radius_server.h"
#include "agent/subscribers/sessions.h"

namespace sekisho {

// The running agent. One thread: everything happens on the io_context.
class Daemon final : public api::Agent {
public:
    // The reporter that sekisho-smtpd's logins are known by.

    // Takes everything over and begins to listen. Until all that can fail has been tried, nothing in the
    // kernel is changed. `config` must outlive the object.
    [[nodiscard]] static Result<std::unique_ptr<Daemon>> start(boost::asio::io_context& context,
                                                               const Config& config);

    // The NAS that imported sessions are known by.
    static constexpr const char* imported_nas = "import";

    // Writes down what is still owed to the disk.
    ~Daemon() override;
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    [[nodiscard]] api::Version version() const override;
    [[nodiscard]] Result<api::Status> status() const override;
    [[nodiscard]] std::vector<api::Check> doctor() const override;
    [[nodiscard]] std::vector<api::InterfaceStatus> interfaces() const override;
    [[nodiscard]] api::GrantListing grants(const api::GrantQuestion& question) const override;
    [[nodiscard]] std::optional<Prefix> key_of(const Address& address) const override;
    [[nodiscard]] Result<api::GrantStatus> grant(const Address& address) const override;
    [[nodiscard]] std::optional<api::RelayRight> relay_right(const Address& address) const override;
    [[nodiscard]] std::vector<api::CoolDownStatus> cool_downs() const override;
    [[nodiscard]] Result<api::GrantStatus> add_grant(const api::GrantOrder& order) override;
    [[nodiscard]] Result<api::ImportOutcome> import_grants(const api::ImportOrder& order) override;
    [[nodiscard]] Result<void> revoke_grant(const api::RevokeOrder& order) override;
    [[nodiscard]] Result<std::vector<api::BlockedStatus>> blocked(std::size_t count) const override;
    [[nodiscard]] std::vector<api::QuarantineStatus> quarantines() const override;
    [[nodiscard]] Result<api::QuarantineStatus> add_quarantine(const api::QuarantineOrder& order) override;
    [[nodiscard]] Result<void> remove_quarantine(const api::QuarantineOrder& order) override;
    [[nodiscard]] std::vector<api::LockoutStatus> lockouts() const override;
    [[nodiscard]] Result<void> remove_lockout(const std::string& who, const std::string& by) override;
    [[nodiscard]] std::vector<api::ExemptionStatus> exemptions() const override;
    [[nodiscard]] Result<api::ExemptionStatus> add_exemption(const api::ExemptionOrder& order) override;
    [[nodiscard]] Result<void> remove_exemption(const api::ExemptionOrder& order) override;
    [[nodiscard]] Result<api::Why> why(const Address& address,
                                       const std::optional<Address>& destination) const override;
    [[nodiscard]] Result<api::LoginOutcome> report_login(const api::LoginReport& report) override;
    [[nodiscard]] bool locks_login(const Address& address, const std::string& user,
                                   const std::vector<std::string>& also) override;
    [[nodiscard]] api::SubscriberPage subscribers(const api::SubscriberQuestion& question) const override;
    [[nodiscard]] Result<api::SubscriberStatus> subscriber(std::uint64_t id) const override;
    [[nodiscard]] Result<api::SubscriberStatus> subscriber_of(const Address& address) const override;
    [[nodiscard]] Result<api::SubscriberImport> import_subscribers(
        const std::vector<api::ImportedSubscriber>& list, const std::string& by) override;
    [[nodiscard]] std::vector<api::ReporterStatus> reporters() const override;
    [[nodiscard]] Result<api::EventPage> events(const api::EventQuestion& question) override;
    [[nodiscard]] boost::asio::awaitable<void> settled() override;
    [[nodiscard]] boost::asio::awaitable<void> wait_for_event(std::uint64_t after,
                                                              std::chrono::seconds time) override;
    [[nodiscard]] std::string metrics() const override;

private:
    // What an interface let in before a program stood on it.
    struct Unjudged {
        std::optional<std::uint64_t> packets = 0;         // nothing if it can't be told
        std::optional<std::chrono::microseconds> time{};  // nothing if it was up before anybody looked
    };
    [[nodiscard]] static Unjudged unjudged_of(const links::Link& link,
                                              const dataplane::Attachment& attachment,
                                              std::optional<std::chrono::steady_clock::time_point> noticed);

    // What became of an interface that the configuration names.
    struct Seen {
        links::Link link;
        Side side = Side::subscriber;
        bool fast_path = false;        // wanted
        bool closed = false;           // until it is judged
        std::optional<Error> trouble;  // why it could not be attached
        Unjudged unjudged;
    };

    Daemon(boost::asio::io_context& context, const Config& config, dataplane::Dataplane dataplane,
           store::Store store);

    // How many subscriber interfaces have a program, and the names of those that should and have none.
    [[nodiscard]] std::pair<std::size_t, std::string> subscriber_interfaces() const;
    // The names in the configuration that no interface has.
    [[nodiscard]] std::vector<std::string> missing_interfaces() const;
    // What was counted of an interface, where it is counted apart.
    [[nodiscard]] std::optional<std::vector<api::Count>> counts_of(unsigned index) const;
    void check_interfaces(std::vector<api::Check>& checks) const;
    void check_fast_path(std::vector<api::Check>& checks) const;
    void check_guard(std::vector<api::Check>& checks) const;
    void check_listeners(std::vector<api::Check>& checks) const;
    void check_tunnels(std::vector<api::Check>& checks) const;
    void check_foreign_dynamic(std::vector<api::Check>& checks) const;
    // For `status`: "enforcing", "monitoring" (no pool blocks), "incomplete" (interfaces without a program),
    // "idle" (none has one).
    [[nodiscard]] std::string state() const;

    Result<void> listen();
    Result<void> listen_for_webhooks();
    Result<void> take_over();
    // The keys that the kernel refused.
    std::vector<Prefix> reconcile(const grants::KernelEntries& entries);
    Result<void> follow_logs();
    Result<void> follow_journals();
    // What it could not write down.
    void note(const Result<void>& saved);
    Result<void> listen_for_syslog();
    [[nodiscard]] logins::OnLogin on_login();
    [[nodiscard]] logins::Settled when_settled();
    void check_logs(std::vector<api::Check>& checks) const;
    // How many addresses, networks and users are locked, by the kind's name.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> locked() const;
    // What many sessions' changes lead to: in the kernel already, owed to the store.
    struct SessionWork {
        grants::Actions actions;
        std::set<std::uint64_t> to_save;
        std::vector<std::uint64_t> ended;
        std::size_t revoked = 0;  // grants
    };
    // The audit log. Without it the box does its work all the same, and `doctor` tells.
    Result<void> begin_events();
    // Adds a decision to it; says when, and whose session the key is.
    void audit(store::Event event);
    // The same of what comes again with each packet or list: once in an hour, by what it is about.
    void audit_once(store::Event event, const std::string& about);
    // What the gate decided about a login.
    void audit_attempt(std::string_view name, const std::string& text, const logins::Attempt& attempt,
                       std::string_view reporter);
    void flush_events();
    void flush_events_in(std::chrono::milliseconds time);
    void expire_events();
    void complain_of_events(const Error& error);
    void check_events(std::vector<api::Check>& checks) const;
    void check_store(std::vector<api::Check>& checks) const;
    // What was decided last about who has the address, for `why`.
    [[nodiscard]] std::vector<api::Step> decision_steps(const Address& address) const;
    // Recorded connections of the address's key, whether its grant lives or not.
    [[nodiscard]] std::uint32_t connections_of(const Address& address) const;
    Result<void> end_connections(const api::RevokeOrder& order, std::uint32_t open);
    [[nodiscard]] grants::GrantPage page_of_session(std::uint64_t number, grants::GrantFilter filter,
                                                    std::size_t count, const grants::Now& now) const;
    [[nodiscard]] api::GrantStatus with_session(api::GrantStatus status) const;
    // The subscriber's key; of an address in no pool, itself.
    [[nodiscard]] Prefix key_or_itself(const Address& address) const;

    Result<void> listen_for_radius();
    // The lists of users; true if one has changed since.
    Result<bool> read_contracts();
    // Looks at all sessions again if the lists have changed.
    void refresh_contracts();
    void walk_contracts();
    Result<void> restore_sessions();
    // Whether what they say is on the disk.
    [[nodiscard]] bool take_reports(std::span<subscribers::Report> reports);
    // Does in the kernel what follows, and notes the rest.
    void follow(const subscribers::Changes& changes, const grants::Now& now, SessionWork& work);
    [[nodiscard]] std::vector<Prefix> resting_keys(const Prefix& prefix) const;
    void tell(const subscribers::Consequences& consequences);
    void tell_of_no_room(const subscribers::AccountingRequest& request, const Error& error);
    void tell_of_silence(const subscribers::Changes& changes);
    void write_down(SessionWork&& work);
    // By their ids.
    [[nodiscard]] std::map<std::string, subscribers::Session> imported() const;
    void sweep_sessions();
    void check_radius(std::vector<api::Check>& checks) const;
    [[nodiscard]] api::SubscriberStatus subscriber_status(const subscribers::Session& session) const;
    // For `why`.
    [[nodiscard]] api::Step session_step(const Address& address) const;
    [[nodiscard]] std::string contract_text(const subscribers::Session& session,
                                            const Address& address) const;
    Result<void> begin_foreign_dynamic();
    // Reads the list again if its file has changed.
    void refresh_foreign_dynamic();
    void complain_of_foreign_dynamic(const Error& error);
    Result<void> watch_links();
    // Loads the programs that interfaces may want later, one at a time, so that logins don't wait for all.
    void load_ahead();
    Result<void> watch_overruns();
    // Ends the grants that the kernel says were used too often, and waits for the next ones.
    void handle_overruns();
    void await_overruns();
    void sweep_flows();

    // What the guard is to let in, and what stands on interfaces that it closes.
    [[nodiscard]] guard::State guarded() const;
    // The interface that the configuration names and a device stands on; nullptr if there is none.
    [[nodiscard]] const Seen* beneath(const links::Link& link) const;
    // Whether an interface's port 25 is closed because it isn't judged.
    [[nodiscard]] bool closed_now(unsigned index, const Seen& seen) const;

    void link_appeared(const links::Link& link);
    void link_gone(const links::Link& link);
    void attach(const links::Link& link, const InterfaceConfig& interface);
    // Pins anew what has lost its pins. False if another agent holds the pin path now, which the interfaces
    // are left to.
    bool verify_pins();
    // Attaches anew what others have taken off, and tries again what could not be attached.
    void verify_interfaces();
    // Tells the kernel which interfaces take frames from the fast path; they can begin and cease to.
    void refresh_fast_path();
    // "off", "on", or "stack" where it is wanted and can't be.
    [[nodiscard]] std::string fast_path_of(const dataplane::Attachment& attachment) const;
    // The names of those that packets which come in by this one may leave by.
    [[nodiscard]] std::string ways_out(unsigned index) const;

    struct Opened {
        std::shared_ptr<const grants::Grant> grant;
        bool kept = false;  // it was open, and stays so for long enough
    };
    struct GrantedLogin {
        const grants::LoginEvent& event;
        const grants::Terms& terms;
        const Address& address;  // that was opened: the event's, or one of the other family
        const grants::Now& now;
    };
    // Grants or refuses what a login asks for.
    Result<std::shared_ptr<const grants::Grant>> login(const grants::LoginEvent& event);
    // Opens what the login's session has of the other family.
    void open_other_family(const grants::LoginEvent& event, const grants::Terms& terms,
                           const grants::GrantRequest& request, const grants::Now& now);
    [[nodiscard]] std::uint64_t session_number(const Address& address) const;
    // Writes down what became of a login.
    void tell(const GrantedLogin& login, const Opened& opened);
    std::unexpected<Error> refuse(const grants::LoginEvent& event, const grants::Terms& terms,
                                  const Address& address, const Error& error);
    // In the kernel when it returns, on the disk when the group commit has settled.
    Result<Opened> open(const grants::GrantRequest& request, const grants::Now& now);

    // Does what the grants decided: the kernel first, because somebody waits for it. Fails if the kernel did.
    Result<void> apply(const grants::Actions& actions);
    // The two halves of it. The keys that the kernel refused are appended.
    Result<void> apply_to_kernel(const grants::Actions& actions, std::vector<Prefix>& refused);
    void apply_to_store(const grants::Actions& actions, store::SessionRows&& rows = {});
    // What became of an attempt to write.
    void heed(const Result<void>& written);
    // Fails while something is in force that a restart would forget.
    [[nodiscard]] Result<void> on_disk() const;
    // Takes out of the books what the kernel refused at take-over.
    void give_up(const std::vector<Prefix>& refused);
    Result<void> apply_to_kernel(const grants::Action& action);
    void sweep();
    // So that a reboot knows how much of each grant's time has passed.
    void note_clocks();

    boost::asio::io_context& context_;
    const Config& config_;
    dataplane::Dataplane dataplane_;
    store::Store store_;
    store::GroupCommit group_commit_;
    ManySmall many_small_;  // what the grants stand in
    grants::Grants grants_;
    grants::RecentLogins recent_logins_;   // that opened something
    grants::RecentLogins refused_logins_;  // apart: what one reporter's opens, another's may not
    subscribers::Sessions sessions_;
    subscribers::Contracts contracts_;
    std::map<std::filesystem::path, std::filesystem::file_time_type> contract_files_;  // as they were read
    std::optional<std::uint64_t> contracts_from_;  // the session where new lists are to be applied next
    std::size_t contract_changes_ = 0;
    std::unique_ptr<subscribers::RadiusServer> radius_;
    // Whoever only looks has what waits written down before.
    mutable std::optional<store::Events> events_;
    std::optional<Error> events_trouble_;
    bool more_to_expire_ = false;
    boost::asio::steady_timer events_timer_;   // until what waits is written down
    boost::asio::steady_timer events_signal_;  // cancelled when there is another one
    ToldLately told_lately_{std::chrono::hours(1), 10'000};
    log::Quiet session_log_{"radius"};
    std::uint64_t handed_over_ = 0;   // grants that ended with a session
    grants::WallTime last_import_{};  // of subscribers
    std::vector<Prefix> wide_exemptions_;
    std::map<unsigned, Seen> seen_;
    std::map<unsigned, links::Link> stacked_;  // on other devices, where the configuration doesn't name them
    guard::Guard guard_;
    std::string pins_trouble_;  // that was told of
    std::unique_ptr<links::Watcher> watcher_;
    logins::Gate gate_;
    std::vector<std::unique_ptr<logins::DovecotPolicy>> policies_;
    std::vector<std::unique_ptr<logins::StalwartWebhook>> webhooks_;
    std::vector<std::unique_ptr<logins::LogSource>> logs_;
    std::vector<std::unique_ptr<logins::JournalSource>> journals_;
    std::vector<std::unique_ptr<logins::SyslogSource>> syslog_;
    logins::Counts submission_;  // logins that sekisho-smtpd reported
    std::optional<api::HttpServer> api_;
    boost::asio::steady_timer sweep_timer_;
    boost::asio::posix::stream_descriptor overruns_;  // a copy of the dataplane's
    api::WallTime since_;
    std::chrono::steady_clock::time_point verify_at_;
    std::chrono::steady_clock::time_point sweep_flows_at_;
    std::chrono::steady_clock::time_point note_clocks_at_;
    std::chrono::steady_clock::time_point look_at_guard_at_;
    std::chrono::steady_clock::time_point complain_of_store_at_;
    std::size_t flows_ = 0;  // recorded, when they were last swept
    std::optional<ListFile> foreign_file_;
    Error fast_path_trouble_;               // why it is off, though wanted
    std::optional<Error> foreign_trouble_;  // why the file's last state is not in force
    std::size_t foreign_prefixes_ = 0;
    std::uint64_t overrun_count_ = 0;
    std::uint64_t store_errors_ = 0;
    std::uint64_t kernel_errors_ = 0;  // changes that the kernel refused
    Error kernel_trouble_;             // the last of them
    Error store_trouble_;              // the last one
    std::optional<Error> store_lost_;  // why it was begun anew at the start
};

}  // namespace sekisho
