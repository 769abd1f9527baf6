// SPDX-License-Identifier: Apache-2.0
// Who has which address now: the sessions that RADIUS accounting tells of, and when they begin and end. Pure:
// no I/O, the time is passed in; what has changed comes back.
#pragma once

#include <boost/flyweight.hpp>
#include <boost/flyweight/no_locking.hpp>
#include <boost/functional/hash.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "agent/grants/grants.h"
#include "agent/subscribers/claims.h"
#include "agent/subscribers/radius_packet.h"

namespace sekisho::subscribers {

// How many sessions there may be at once, if nothing else is said.
constexpr std::size_t most_sessions = 4'000'000;

// One session of a subscriber. It is named by its NAS and the id that the NAS gave it.
struct Session {
    std::uint64_t number = 0;  // ours: unique, larger than those before, never used again; never 0
    // NAS-Identifier, else the text of the NAS's address, else that of the address the packet came from;
    // behind the client's name and a slash, since others may call themselves the same.
    std::string nas;
    std::string session_id;
    std::string user;
    std::string calling_station;
    std::vector<std::string> classes;
    std::vector<std::string> filters;
    std::vector<Prefix> prefixes;  // in order; it has none if others have taken them
    // Since when it has each of them; empty if that isn't known.
    std::vector<std::chrono::sys_seconds> held_since{};
    // When the earliest packet of it was made that is known, less the Acct-Session-Time if that was an
    // Interim.
    std::chrono::sys_seconds since{};
    std::chrono::sys_seconds last_event{};  // and the latest
    std::chrono::sys_seconds last_heard{};  // when that came
    // After three of these without a word it ends; missing: it ends by a packet only.
    std::optional<std::chrono::seconds> interim_interval;
};

// Which ones are asked for. What is empty excludes none.
struct SessionFilter {
    std::uint64_t from = 0;          // this number and larger ones
    std::optional<Prefix> within{};  // that have addresses in it, or have a prefix around it
    std::string user{};
    std::string nas{};  // as in Session, or the name of the client alone
};

struct SessionPage {
    std::vector<Session> sessions;  // in the order of their numbers
    std::uint64_t next = 0;         // from where to ask on; 0: that was the last page
};

// A packet, and what is known besides.
struct Report {
    AccountingRequest request;
    std::string client;                                    // by what secret it is known; may be empty
    Address source;                                        // where it came from
    std::optional<std::chrono::seconds> interim_interval;  // configured for that NAS
};

// The Stop of a session that isn't known: until this time the prefix, which is nobody's now, was its.
struct LetGo {
    Prefix prefix;
    std::chrono::sys_seconds time;

    bool operator==(const LetGo&) const = default;
};

// What a packet, or the time, has changed.
struct Changes {
    // In this order. To be seen to first: a grant within one of these prefixes whose session is not the
    // holder now (Sessions::holder_of) must be gone from the kernel before the packet is answered.
    std::vector<HolderChange> holders;
    std::vector<LetGo> let_go;  // likewise, of grants that were opened before
    std::vector<std::uint64_t> began;
    std::vector<std::uint64_t> ended;      // to be deleted from the store
    std::vector<std::string> ended_users;  // who they were, in the same order
    // To be written to the store as they are now, those that began included; in order.
    std::vector<std::uint64_t> to_save;
    bool late = false;  // the packet, or a part of it, told of what was over
    // Failure::unavailable: the table is full, and the session was not taken in. What it takes from others is
    // taken all the same.
    std::optional<Error> refused;
};

// All sessions of the box. Not thread-safe.
//
// The time of a packet is when it was made: its Event-Timestamp, else now less its Acct-Delay-Time. Packets
// may come late, twice and in any order; as long as what is over is still remembered and the clocks of the
// NASes agree, the holder of each address is the one it would be in the right order. In one second, what
// comes later is later. Of packets that say no time, what looks like one sent once more (RFC 2866, section
// 5.2) is taken for that, and changes nothing that others have got since.
class Sessions {
public:
    explicit Sessions(std::size_t most = most_sessions);
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;
    ~Sessions();

    // Start and Interim begin a session if it isn't there. Of each family that they name, the session has the
    // named prefixes and no others from then on. Stop ends it; On and Off end all of the NAS that had begun.
    [[nodiscard]] Changes apply(const Report& report, const grants::Now& now);

    // Ends what has been silent for more than three interim intervals, 10,000 sessions at most; the next
    // sweep goes on. Costs what has ended.
    [[nodiscard]] Changes sweep(const grants::Now& now);

    // Takes back what a store remembers; its silence begins now. Failure::invalid without a number or a name,
    // Failure::conflict if its number or its name is there, Failure::unavailable if the table is full.
    [[nodiscard]] Result<Changes> restore(const Session& stored, const grants::Now& now);

    [[nodiscard]] std::optional<Session> find(const Address& address) const;
    [[nodiscard]] std::optional<Session> find(std::uint64_t number) const;
    // The number of the session that has the prefix, as HolderChange has it; 0 if none.
    [[nodiscard]] std::uint64_t holder_of(const Prefix& prefix) const;
    // When its holder began to have it, as far as packets told; 1970 if it has none.
    [[nodiscard]] std::chrono::sys_seconds held_since(const Prefix& prefix) const;
    // At most `count`, in the order of their numbers, from this number on.
    [[nodiscard]] std::vector<Session> list(std::uint64_t from, std::size_t count) const;
    // Those that fit. A page may have few or none although there are more: so many are looked at for one.
    [[nodiscard]] SessionPage page(const SessionFilter& filter, std::size_t count) const;
    static constexpr std::size_t most_looked_at = 20'000;
    [[nodiscard]] std::size_t most() const { return most_; }
    [[nodiscard]] std::size_t size() const { return by_number_.size(); }
    // How many sessions were not taken in because the table was full.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

private:
    // Class and Filter-Id, which many sessions have in common.
    struct Labels {
        std::vector<std::string> classes;
        std::vector<std::string> filters;

        bool operator==(const Labels&) const = default;
        friend std::size_t hash_value(const Labels& labels) {
            std::size_t seed = boost::hash_range(labels.classes.begin(), labels.classes.end());
            boost::hash_range(seed, labels.filters.begin(), labels.filters.end());
            return seed;
        }
    };
    template <class Value>
    using Shared = boost::flyweight<Value, boost::flyweights::no_locking>;

    struct Name {
        std::string_view nas;
        std::string_view session_id;

        auto operator<=>(const Name&) const = default;
    };

    template <class Tag>
    using TreeHook =
        boost::intrusive::set_base_hook<boost::intrusive::tag<Tag>,
                                        boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                        boost::intrusive::optimize_size<true>>;
    using NameHook = TreeHook<struct NameTag>;
    using NumberHook = TreeHook<struct NumberTag>;
    using TimeHook =
        boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    enum class Known : std::uint8_t { no, guessed, yes };

    // Small, since there may be a million. One that has ended stays for a while, so that late packets of it
    // are known as such; of it only the name and the time of its end are of use.
    struct Record : Holder, NameHook, NumberHook, TimeHook {
        Shared<std::string> nas;
        Shared<Labels> labels;
        std::unique_ptr<char[]> texts;  // session id, user and calling station, one behind the other
        std::uint8_t session_id_size = 0;
        std::uint8_t user_size = 0;
        std::uint8_t calling_station_size = 0;
        bool ended = false;
        bool may_be_there = false;  // it was not a Stop that ended it: it may go on
        Known interval_known = Known::no;
        std::uint16_t interval = 0;  // minutes
        Moment since;
        Moment last_event;  // of one that has ended: its end
        Moment named_ipv4;  // when it last said what it has of this family
        Moment named_ipv6;
        Moment last_heard;        // on the wall clock
        std::uint32_t heard = 0;  // the same in seconds since the boot; of one that has ended: when it did

        [[nodiscard]] std::string_view session_id() const { return {texts.get(), session_id_size}; }
        [[nodiscard]] std::string_view user() const { return {texts.get() + session_id_size, user_size}; }
        [[nodiscard]] std::string_view calling_station() const {
            return {texts.get() + session_id_size + user_size, calling_station_size};
        }
        void set_texts(std::string_view session_id, std::string_view user, std::string_view calling_station);
    };
    static_assert(sizeof(Record) <= 136);
    struct ByName {
        using type = Name;
        Name operator()(const Record& record) const { return {record.nas.get(), record.session_id()}; }
    };
    struct ByNumber {
        using type = std::uint64_t;
        std::uint64_t operator()(const Record& record) const { return record.number; }
    };
    using InOrderOfTime = boost::intrusive::list<Record, boost::intrusive::constant_time_size<false>>;

    // The last On or Off of a NAS.
    struct Restart {
        Moment time;
        Status status = Status::on;
        std::string session_id;
    };

    // A packet, taken apart.
    struct Packet {
        const Report& report;
        std::string nas;
        Moment time;
        bool says_time;  // else it is when it came
        Moment came;
        const grants::Now& now;
    };

    [[nodiscard]] static Packet packet_of(const Report& report, const grants::Now& now);
    [[nodiscard]] static Session session_of(const Record& record);
    [[nodiscard]] static bool fits(const Record& record, const SessionFilter& filter);
    [[nodiscard]] static bool is_another(const Packet& packet, const Record& record);
    [[nodiscard]] bool is_past(const Packet& packet, const Record* record) const;
    Record* find_record(const std::string& nas, const std::string& session_id);
    Record& add(const std::string& nas, std::string_view session_id);

    [[nodiscard]] static Moment made(const Packet& packet, const Record& record);
    void apply_alive(const Packet& packet, Record* record, Changes& changes);
    void let_go(const Packet& packet, Changes& changes) const;
    void apply_stop(const Packet& packet, Record* record, Changes& changes);
    [[nodiscard]] bool is_sent_again(const Packet& restart) const;
    void apply_restart(const Packet& packet, Changes& changes);
    [[nodiscard]] Moment since_of(const Packet& packet) const;
    Record* begin(const Packet& packet, Changes& changes);
    void claim(const Packet& packet, Family family, Record* record, Changes& changes);
    void update(const Packet& packet, Record& record, Changes& changes);
    static void update_texts(const AccountingRequest& request, Record& record, Changes& changes);
    static void update_labels(const AccountingRequest& request, Record& record, Changes& changes);
    static void learn_interval(const Packet& packet, Record& record);
    void hear(Record& record, Moment came, const grants::Now& now);
    void end(Record& record, Moment time, Moment let_go, const grants::Now& now, Changes& changes);
    void remember(Record& record, const grants::Now& now);
    void forget(Record& record);
    void finish(Changes& changes) const;

    std::size_t most_;
    Claims claims_;
    boost::intrusive::set<Record, boost::intrusive::base_hook<NameHook>,
                          boost::intrusive::key_of_value<ByName>>
        by_name_;  // those that have ended, too
    boost::intrusive::set<Record, boost::intrusive::base_hook<NumberHook>,
                          boost::intrusive::key_of_value<ByNumber>>
        by_number_;                                      // all that live
    std::map<std::uint16_t, InOrderOfTime> by_silence_;  // those whose interval is known, by it
    InOrderOfTime ended_;
    std::size_t ended_count_ = 0;
    std::map<std::string, Restart> restarts_;  // of each NAS
    std::uint64_t last_number_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace sekisho::subscribers
