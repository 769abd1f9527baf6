// SPDX-License-Identifier: Apache-2.0
// The heart: who may use port 25, until when, and why. Pure: no I/O, the time is passed in; what must
// happen outside comes back as actions.
#pragma once

#include <boost/flyweight.hpp>
#include <boost/flyweight/no_locking.hpp>
#include <boost/intrusive/set.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/config.h"
#include "agent/base/result.h"
#include "agent/base/scope.h"
#include "agent/base/user_name.h"
#include "agent/grants/placement.h"

namespace sekisho::grants {

using BootTime = std::chrono::nanoseconds;  // CLOCK_BOOTTIME: goes on in suspend, never set
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

// One moment, on both clocks. `boot` is the kernel's boot_id: boot times compare only within one.
struct Now {
    BootTime boottime{};
    WallTime wall{};
    std::string boot;
};

// A temporary opening of the enforced ports for one subscriber key.
struct Grant {
    Prefix key;               // what is opened: an IPv4 address, or the IPv6 prefix of the pool's key length
    std::string pool;         // name of the pool it lies in
    std::string source;       // who said so: "operator", or the reporter's name
    std::string user;         // login name; empty for an operator's grant
    std::string reason;       // free text: "pop3 login", or what the operator wrote
    WallTime since{};         // when it was first opened: when the login was, if that was reported late
    WallTime renewed{};       // when its end was last set: it was given for expires_wall - renewed
    BootTime expires{};       // when it ends
    WallTime expires_wall{};  // the same moment on the wall clock, for the next boot
    std::string boot;         // the boot that `expires` belongs to
    std::uint32_t generation = 0;
    std::uint32_t budget = 0;  // new connections it is good for in all; 0: any number
    // For each part of its scope: how long before `expires` it ends for that; nothing: it isn't good for it.
    // One of them is 0.
    std::optional<std::chrono::nanoseconds> edge_before{0};
    std::optional<std::chrono::nanoseconds> relay_before{};

    // What it is good for at this moment.
    [[nodiscard]] Scope scope(const Now& now) const {
        return {.edge = edge_before && expires - *edge_before > now.boottime,
                .relay = relay_before && expires - *relay_before > now.boottime};
    }
};

// Why a key cools down.
enum class CoolDownCause : std::uint8_t { overrun, revoked };
[[nodiscard]] std::string_view to_string(CoolDownCause cause);  // "overrun", "revoked"

// After a budget was overrun, or an operator revoked a grant, no login opens anything for the key for a
// while.
struct CoolDown {
    Prefix key;
    CoolDownCause cause = CoolDownCause::overrun;
    std::string user;  // whose grant it was
    BootTime until{};  // as in Grant
    WallTime until_wall{};
    WallTime since{};
    std::string boot;
};

// A static contract: these addresses always pass.
struct Exemption {
    Prefix prefix;
    std::string note;
    WallTime since{};
};

// An operator's order: nothing is open for the key, not even the designated servers, whatever else is said.
struct Quarantine {
    Prefix key;
    std::string note;
    WallTime since{};
};

// What the kernel holds of one key, as far as this room is concerned.
struct KernelEntry {
    Prefix key;
    bool exempt = false;
    bool contract = false;  // exempt because of whose the key is, and not by an order
    bool granted = false;
    bool quarantined = false;
    BootTime expires{};
    std::uint32_t generation = 0;
    std::uint32_t budget = 0;  // see Grant
    bool renewed = false;      // in PutEntry: the budget begins anew, as it does with another generation
    bool overrun = false;      // from the kernel: it was overrun, and there are no new connections
};

// What must happen outside, in this order. `put_entry` replaces all that the kernel holds of the key but what
// it counts.
struct PutEntry {
    KernelEntry entry;
};
// Nothing is open any more; the connections that were opened go on.
struct RetireEntry {
    Prefix key;
};
// The connections end, too.
struct RemoveEntry {
    Prefix key;
};
struct SetWideExemptions {
    std::vector<Prefix> prefixes;  // all exemptions wider than a key; they live in the table
};
// One key's grants of two generations are two: the old one is forgotten when there is a new one.
struct SaveGrant {
    std::shared_ptr<const Grant> grant;
    bool fresh = false;  // its generation was never saved before
};
struct ForgetGrant {
    Prefix key;
    std::uint32_t generation = 0;
};
struct SaveCoolDown {
    CoolDown cool_down;
};
struct ForgetCoolDown {
    Prefix key;
};
struct SaveQuarantine {
    Quarantine quarantine;
};
struct ForgetQuarantine {
    Prefix key;
};
struct SaveExemption {
    Exemption exemption;
};
struct ForgetExemption {
    Prefix prefix;
};
using Action =
    std::variant<PutEntry, RetireEntry, RemoveEntry, SetWideExemptions, SaveGrant, ForgetGrant, SaveCoolDown,
                 ForgetCoolDown, SaveQuarantine, ForgetQuarantine, SaveExemption, ForgetExemption>;
using Actions = std::vector<Action>;

// Time stamps are whole seconds, of clocks that differ by no more than this.
constexpr std::chrono::seconds stamps_differ{2};
// A stamp that lies further ahead is none.
constexpr std::chrono::hours farthest_ahead{24};

// Asked for by a login or by an operator.
struct GrantRequest {
    Address address;
    std::optional<std::chrono::seconds> lifetime;  // else the configuration's
    std::optional<std::uint32_t> budget;           // else the configuration's; 0: none
    std::string source;
    std::string user;
    std::string reason;
    bool ends_cool_down = false;     // an operator knows why
    std::optional<WallTime> from{};  // when the lifetime began, if that was before now
    // A login renews a running grant only if it gains at least half its lifetime by that: who polls each
    // minute doesn't make a change of the kernel each minute.
    bool by_login = false;
    std::uint32_t addresses_per_user =
        0;  // so many keys may be open for the user with this one; 0: any number
    Scope scope{};
};

// What revoking does to the connections that were opened under a grant.
enum class Flows : std::uint8_t { go_on, end };
// And whether a login may open the key again at once.
enum class After : std::uint8_t { logins, cool_down };

// What a store remembers, but the grants.
struct Stored {
    std::vector<Exemption> exemptions;
    std::vector<CoolDown> cool_downs;
    std::vector<Quarantine> quarantines;
    // Both clocks at one moment, the later the better: from there on the wall clock tells how much of a
    // grant's time has passed, after a reboot. How it was set before plays no part then.
    std::optional<Now> seen{};
    // It remembers nothing, because its file was of no use: what the kernel holds is all there is.
    bool lost = false;
};
// Those, one after the other, because there may be a million: calls `take` with each, in any order. Fails if
// not all can be read.
using StoredGrants = std::function<Result<void>(const std::function<void(const Grant&)>& take)>;

// Which grants are asked for; what is empty excludes none.
struct GrantFilter {
    std::optional<Prefix> after{};   // behind this key
    std::optional<Prefix> within{};  // of keys within it, or of the one around it
    std::string user{};
    std::string source{};
};

struct GrantPage {
    std::vector<Grant> grants;   // in the order of their keys
    std::optional<Prefix> next;  // from where to ask on; nothing behind the last one
};

// What the kernel holds, to be found by key.
class KernelEntries {
public:
    explicit KernelEntries(std::vector<KernelEntry> entries);

    [[nodiscard]] const KernelEntry* find(const Prefix& key) const;
    // In the order of their keys.
    [[nodiscard]] const std::vector<KernelEntry>& all() const { return entries_; }

private:
    std::vector<KernelEntry> entries_;
};

// All grants and exemptions of the box. Not thread-safe. Refusals are Errors whose text an operator can read.
class Grants {
public:
    // Pools and rules come from the configuration, room for what is of each key from `memory`; both must
    // outlive the object.
    explicit Grants(const Config& config,
                    std::pmr::memory_resource* memory = std::pmr::get_default_resource());

    // The pool and key of an address, or nothing if it lies in no pool.
    [[nodiscard]] std::optional<Placement> place(const Address& address) const;

    // Opens, or renews: a running grant is never shortened, and its generation stays. Who and why change only
    // when an end does; the budget begins anew with that of the edge. Each part of its scope has an end of
    // its own, which only requests for that part move. Refused (Failure::refused) for an address in no pool,
    // in a shared pool, in quarantine, while its key cools down, and where the user has as many keys as he
    // may; Failure::invalid for a lifetime of 0 or beyond the longest, or a budget beyond largest_budget. The
    // grant as it stands afterwards; what is to be done is appended to `actions`: nothing if one that lasts
    // as long was there, or about as long (see GrantRequest::by_login). One whose lifetime is over already,
    // or that begins tomorrow, is refused, too.
    [[nodiscard]] Result<std::shared_ptr<const Grant>> open(const GrantRequest& request, const Now& now,
                                                            Actions& actions);

    // Ends the grant of the address's key at once. Failure::not_found if there is none that is alive.
    [[nodiscard]] Result<Actions> revoke(const Address& address, const Now& now, Flows flows = Flows::go_on,
                                         After after = After::logins);

    // Takes the edge out of a grant, because the kernel has no room for it: it goes on for the relay, or
    // ends. Nothing without a grant.
    [[nodiscard]] Actions give_up_edge(const Address& address, const Now& now);

    // Ends the connections that outlived the grants of the address's key; it must have no living one.
    // Nothing for an address in no pool.
    [[nodiscard]] Actions end_connections(const Address& address, const Now& now,
                                          After after = After::cool_down);

    // The kernel says that the grant of this generation was used more often than it was good for: it ends,
    // and its key cools down. Nothing if it has ended already.
    [[nodiscard]] Actions overrun(const Prefix& key, std::uint32_t generation, const Now& now);

    // Failure::refused if the prefix lies in no pool (it would change nothing), is wider than its pool's
    // prefix, or narrower than a subscriber's key; Failure::conflict if it is there already; Failure::invalid
    // if it has bits set behind its length.
    [[nodiscard]] Result<Actions> exempt(const Exemption& exemption);
    [[nodiscard]] Result<Actions> remove_exemption(const Prefix& prefix);

    // Closes everything for the address's key until release(); its grant and the connections under it end.
    // Failure::refused for an address in no pool or in a shared one, Failure::conflict if it is quarantined.
    [[nodiscard]] Result<Actions> quarantine(const Address& address, const std::string& note, const Now& now);
    // Failure::not_found if it isn't.
    [[nodiscard]] Result<Actions> release(const Address& address);

    // Who has the addresses of the prefix has changed: the grants of the keys that overlap it end, and with
    // them the connections that were opened; but not those that `stays` is true for, of a key and when its
    // grant was first opened. Appends to `actions`; those that have ended.
    using Stays = std::function<bool(const Prefix& key, WallTime since)>;
    std::vector<Grant> hand_over(const Prefix& prefix, const Stays& stays, const Now& now, Actions& actions);

    // The keys that a subscriber who has the prefix holds, or a part of one, to set a contract for; none in
    // no pool. Failure::refused for a prefix wider than its pool's or than 2^most_contract_bits keys, or in a
    // shared pool.
    [[nodiscard]] Result<std::vector<Prefix>> contract_keys(const Prefix& prefix) const;
    static constexpr int most_contract_bits = 8;
    // Whether who has the key has a static contract, and is exempt. That isn't stored, since it follows from
    // who has it. Appends to `actions`; false, and nothing, if it is so already.
    bool set_contract(const Prefix& key, bool contract, Actions& actions);
    // Whether the address's key is exempt by that.
    [[nodiscard]] bool has_contract(const Address& address) const;

    // Forgets what has ended.
    [[nodiscard]] Actions sweep(const Now& now);

    // Takes over at start: what the store remembers and what the kernel still holds. Within one boot the
    // kernel's word counts, a grant the store has and the kernel lacks is put back with its old end (map
    // lost), and one the kernel has and the store lacks is adopted. From an earlier boot a grant goes on
    // until its end on the wall clock; one that would have begun in the future or last longer than it was
    // given for is dropped. Nothing is ever lengthened. What lies in no pool any more (or has another key
    // length) is removed; an exemption of that kind is kept without effect, because a slip in the
    // configuration must not end a contract. Of exemptions and
    // quarantines the store's word counts, unless it was lost: then those of keys are adopted, too. What the
    // store has to do comes back. Fails if the grants can't be read; the object is of no use then.
    [[nodiscard]] Result<Actions> take_over(const Stored& stored, const StoredGrants& grants,
                                            const KernelEntries& kernel, const Now& now);
    // The second half of it: makes a kernel that held this hold what this object holds, and no more, step by
    // step. Entries that are right already are not written again.
    void reconcile(const KernelEntries& kernel, const std::function<void(const Action&)>& apply);

    // Alive at `now`, in the order of their keys.
    [[nodiscard]] std::vector<Grant> list(const Now& now) const;
    // At most `count` of those that fit; fewer if it has looked at many that don't, so that it takes no time.
    [[nodiscard]] GrantPage page(const GrantFilter& filter, std::size_t count, const Now& now) const;
    static constexpr std::size_t most_looked_at = 100'000;  // in one page
    // How many those are. Costs next to nothing: whoever only counts must not hold up a login.
    [[nodiscard]] std::size_t count(const Now& now) const;
    [[nodiscard]] std::optional<Grant> find(const Address& address, const Now& now) const;
    // How many keys are open for a user, whom capital letters make no other, counted up to `most`; none for
    // nobody ("").
    [[nodiscard]] std::size_t keys_of(const std::string& user, std::size_t most, const Now& now) const;
    // Those that cool down at `now`, in the order of their keys; and that of the address.
    [[nodiscard]] std::vector<CoolDown> cool_downs(const Now& now) const;
    [[nodiscard]] std::optional<CoolDown> cool_down_of(const Address& address, const Now& now) const;
    // All, in the order of their keys, those in no pool any more included; and the one in force for an
    // address.
    [[nodiscard]] std::vector<Quarantine> quarantines() const;
    [[nodiscard]] std::optional<Quarantine> quarantine_of(const Address& address) const;
    [[nodiscard]] std::vector<Exemption> exemptions() const;
    // Those that have no effect under this configuration: in no pool, wider than the pool, narrower than a
    // key.
    [[nodiscard]] std::vector<Exemption> dormant_exemptions() const;
    // Those in force that are wider than a key, in order.
    [[nodiscard]] std::vector<Prefix> wide_exemptions() const { return {wide_.begin(), wide_.end()}; }
    // The narrowest exemption in force that covers the address.
    [[nodiscard]] std::optional<Exemption> exemption_of(const Address& address) const;

private:
    // What many have in common is there once.
    using Shared = boost::flyweight<std::string, boost::flyweights::no_locking>;
    static const Shared& nothing();  // ""

    // A word is mostly the one before once more, which is found without a search.
    class Words {
    public:
        const Shared& operator()(const std::string& word) {
            if (last_.get() != word) {
                last_ = Shared(word);
            }
            return last_;
        }

    private:
        Shared last_ = nothing();
    };

    template <class Tag>
    using Hook = boost::intrusive::set_base_hook<boost::intrusive::tag<Tag>,
                                                 boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                                 boost::intrusive::optimize_size<true>>;
    using EndHook = Hook<struct EndTag>;
    using UserHook = Hook<struct UserTag>;

    // All of one key. Small, since there may be a million.
    struct Holding : EndHook, UserHook {
        const Prefix* key = nullptr;  // where it stands
        bool exempt = false;          // by an operator
        bool contract = false;        // by whose it is
        bool granted = false;
        bool quarantined = false;
        std::uint32_t generation = 0;
        std::uint32_t budget = 0;
        BootTime expires{};        // the later of these two
        BootTime edge_expires{};   // 0: it was never good for it
        BootTime relay_expires{};  // likewise
        WallTime since{};
        WallTime renewed{};
        WallTime expires_wall{};
        Shared source = nothing();
        Shared reason = nothing();
        std::string user;  // in by_user_ if it isn't empty

        [[nodiscard]] bool alive(const Now& now) const { return granted && expires > now.boottime; }
        // Whether there is anything but a grant to keep.
        [[nodiscard]] bool stands_without_grant() const { return exempt || contract || quarantined; }
        [[nodiscard]] bool in_use() const { return granted || stands_without_grant(); }
        // Whether the kernel has to know of it.
        [[nodiscard]] bool has_entry() const {
            return (granted && edge_expires > BootTime::zero()) || stands_without_grant();
        }
    };
    using Holdings = std::pmr::map<Prefix, Holding>;
    struct ByEnd {
        using type = BootTime;
        const BootTime& operator()(const Holding& holding) const { return holding.expires; }
    };
    using Ends = boost::intrusive::multiset<Holding, boost::intrusive::base_hook<EndHook>,
                                            boost::intrusive::key_of_value<ByEnd>>;
    struct ByUser {
        using type = std::string;
        const std::string& operator()(const Holding& holding) const { return holding.user; }
    };
    using Users = boost::intrusive::multiset<Holding, boost::intrusive::base_hook<UserHook>,
                                             boost::intrusive::key_of_value<ByUser>,
                                             boost::intrusive::compare<FoldedLess>>;

    [[nodiscard]] Result<void> within_users_keys(const GrantRequest& request, const Prefix& key,
                                                 const Now& now) const;
    // A request that may be granted, with all that the configuration adds to it.
    struct Asked {
        Prefix key;
        std::chrono::seconds lifetime{};
        std::chrono::nanoseconds age{};  // how much of it is over
        std::uint32_t budget = 0;
    };
    [[nodiscard]] Result<Asked> asked(const GrantRequest& request, const Now& now) const;
    // Which ends the request moves; none if there is nothing to do.
    [[nodiscard]] static Scope moved_by(const GrantRequest& request, const Asked& asked_for,
                                        const Holding& holding, const Now& now);
    void begin_or_renew(Holding& holding, const Asked& asked_for, const Scope& moved, const Now& now);
    void set_ends(Holding& holding, BootTime edge, BootTime relay);
    [[nodiscard]] Result<Placement> openable(const GrantRequest& request, const Now& now) const;
    [[nodiscard]] Result<std::uint32_t> budget_of(const GrantRequest& request) const;
    [[nodiscard]] Result<std::chrono::seconds> term(const GrantRequest& request) const;
    [[nodiscard]] Grant grant_of(const Prefix& key, const Holding& holding) const;
    [[nodiscard]] std::shared_ptr<const Grant> shared_grant(const Prefix& key, const Holding& holding) const;
    [[nodiscard]] static KernelEntry entry_of(const Prefix& key, const Holding& holding);
    [[nodiscard]] Action wide_list() const;
    [[nodiscard]] bool in_force(const Prefix& prefix) const;
    Fit enforce(const Prefix& prefix, Placement& placement);
    std::uint32_t next_generation(const Now& now);
    // What follows for the kernel when an order for the key has come or gone. Forgets a holding of nothing.
    void tell_kernel(Holdings::iterator place, Actions& actions);
    // The holding of a key, perhaps a new one.
    Holding& hold(const Prefix& key);
    void set_end(Holding& holding, BootTime expires);
    void set_user(Holding& holding, const std::string& user);
    // What stands without it has this generation afterwards, else the same.
    void drop_grant(Holdings::iterator place, Flows flows, Actions& actions,
                    std::optional<std::uint32_t> generation = {});
    void begin_cool_down(const Prefix& key, CoolDownCause cause, const std::string& user, const Now& now,
                         Actions& actions);
    void sweep_cool_downs(const Now& now, Actions& actions);

    void forget_all();
    void resume(const CoolDown& cool_down, const Now& now, Actions& on_disk);
    void resume(const Grant& grant, const KernelEntry* entry, const std::optional<Now>& seen, const Now& now,
                Actions& on_disk);
    void adopt(const KernelEntry& entry, const Now& now, Actions& on_disk);
    void adopt_orders(const KernelEntry& entry, const Now& now, Actions& on_disk);

    std::reference_wrapper<const GrantConfig> rules_;
    Placements placements_;
    // All that are granted, and those of them that are a user's. Before the holdings, which they link: when
    // another object is moved here, theirs must still be alive while this is exchanged.
    Ends by_end_;
    Users by_user_;
    Holdings holdings_;
    std::map<Prefix, CoolDown> cool_downs_;
    std::map<Prefix, Quarantine> quarantines_;
    std::map<Prefix, Exemption> exemptions_;
    std::map<std::pair<Family, int>, std::size_t> exempt_lengths_;  // of those in force: how many of each
    std::set<Prefix> wide_;                                         // exemptions in force wider than a key
    std::string boot_;
    std::uint32_t generation_ = 0;  // the last one given to any key
    Words sources_;
    Words reasons_;
};

}  // namespace sekisho::grants
