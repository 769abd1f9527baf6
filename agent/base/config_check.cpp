// SPDX-License-Identifier: Apache-2.0
// Contradictions between sections of sekisho.toml.
#include "agent/base/config_check.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/base/pattern.h"
#include "agent/base/printable.h"
#include "agent/base/ranges.h"

namespace sekisho {

namespace {

void complain(Complaints& complaints, Place place, std::string what, std::string remedy) {
    complaints.push_back(
        {.line = place.line, .column = place.column, .what = std::move(what), .remedy = std::move(remedy)});
}

template <class T>
void check_names(const std::vector<Placed<T>>& list, const std::string& section, Complaints& complaints) {
    std::map<std::string, int> seen;
    for (const Placed<T>& each : list) {
        if (each.value.name.empty()) {
            continue;
        }
        const auto [first, fresh] = seen.emplace(each.value.name, each.place.line);
        if (!fresh) {
            complain(complaints, each.place,
                     "[[" + section + "]] \"" + each.value.name + "\" is there already, at line " +
                         std::to_string(first->second),
                     "give each a name of its own");
        }
    }
}

// The first pattern that fits counts: a plain name below a pattern that fits it says nothing.
void check_reached(const std::vector<Placed<InterfaceConfig>>& list, Complaints& complaints) {
    for (auto later = list.begin(); later != list.end(); ++later) {
        const std::string& name = later->value.name;
        if (name.empty() || name.find_first_of("*?[\\") != std::string::npos) {
            continue;
        }
        const auto earlier = std::find_if(list.begin(), later, [&name](const Placed<InterfaceConfig>& each) {
            return each.value.name != name && ::fnmatch(each.value.name.c_str(), name.c_str(), 0) == 0;
        });
        if (earlier != later) {
            complain(complaints, later->place,
                     "[[interface]] \"" + name + "\" is never reached: \"" + earlier->value.name +
                         "\" at line " + std::to_string(earlier->place.line) + " fits first",
                     "put it above that one");
        }
    }
}

// nftables asks the same patterns in the same order. What it can't ask must not stand above what it needs.
void check_closed(const std::vector<Placed<InterfaceConfig>>& list, Complaints& complaints) {
    const auto beginning_of = [](const std::string& pattern) {
        return pattern.substr(0, pattern.find_first_of("*?[\\"));
    };
    for (auto later = list.begin(); later != list.end(); ++later) {
        if (!later->value.closed_until_judged || !later->value.name.ends_with('*')) {
            continue;  // a plain name below a pattern that fits it is never reached
        }
        const std::string beginning = beginning_of(later->value.name);
        const auto earlier = std::find_if(list.begin(), later, [&](const Placed<InterfaceConfig>& each) {
            const std::string other = beginning_of(each.value.name);
            return !each.value.name.empty() && !is_beginning(each.value.name) &&
                   (other.starts_with(beginning) || beginning.starts_with(other));
        });
        if (earlier != later) {
            complain(complaints, later->place,
                     "[[interface]] \"" + later->value.name + "\" can't have until_judged = \"drop\": \"" +
                         printable(earlier->value.name) + "\" at line " +
                         std::to_string(earlier->place.line) +
                         " may fit some of its names first, and nftables doesn't know such a pattern",
                     "put it above that one, or let that one be a name, or the beginning of names and *");
        }
    }
}

void check_overlaps(const std::vector<Placed<PoolConfig>>& pools, Complaints& complaints) {
    struct Piece {
        Prefix prefix;
        const std::string* pool;
        Place place;
    };
    std::vector<Piece> pieces;
    for (const Placed<PoolConfig>& pool : pools) {
        for (std::size_t i = 0; i < pool.value.prefixes.size(); i++) {
            pieces.push_back({pool.value.prefixes[i], &pool.value.name, pool.prefixes.at(i)});
        }
    }
    std::ranges::sort(pieces, {}, &Piece::prefix);
    // Sorted by address, wider first: what overlaps anything overlaps the widest before it.
    for (std::size_t i = 1, widest = 0; i < pieces.size(); i++) {
        if (!pieces[widest].prefix.overlaps(pieces[i].prefix)) {
            widest = i;
            continue;
        }
        const Piece* above = &pieces[widest];
        const Piece* below = &pieces[i];
        if (std::tie(below->place.line, below->place.column) <
            std::tie(above->place.line, above->place.column)) {
            std::swap(above, below);
        }
        complain(complaints, below->place,
                 below->prefix.text() + " of pool \"" + *below->pool + "\" overlaps " + above->prefix.text() +
                     " of pool \"" + *above->pool + "\" at line " + std::to_string(above->place.line),
                 "an address can belong to one pool only, in different VLANs, too: put the box behind what "
                 "translates them, or make one pool of them with shared = true");
    }
}

// Sources are validated against pools that there are, by no more lists than have a bit in the kernel's table.
void check_entrants(const Sections& sections, Complaints& complaints) {
    std::set<std::set<std::string>> lists;
    for (const Placed<InterfaceConfig>& interface : sections.interfaces) {
        for (const std::string& name : interface.value.pools) {
            const auto has_name = [&name](const auto& pool) { return pool.value.name == name; };
            if (std::ranges::none_of(sections.pools, has_name)) {
                complain(complaints, interface.place,
                         "interface.pools: there is no [[pool]] \"" + printable(name) + "\"",
                         "name pools as their sections do");
            }
        }
        if (!interface.value.pools.empty() && lists.insert(interface.value.pools).second &&
            lists.size() == most_entrants + 1) {
            complain(complaints, interface.place,
                     "interface.pools: this is list " + std::to_string(lists.size()) +
                         " that differs from all others, and the kernel's table has room for " +
                         std::to_string(most_entrants),
                     "give interfaces of one kind the same pools");
        }
    }
}

// What the kernel's table has no room for must not be found out by the next start.
void check_ranges(const std::vector<Piece>& pieces, const std::string& what, Place place,
                  Complaints& complaints) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        if (const std::size_t ranges = flatten(family, pieces).size(); ranges > most_ranges) {
            complain(complaints, place,
                     "the " + std::string(to_string(family)) + " prefixes of the " + what + " make " +
                         std::to_string(ranges) + " ranges, and the kernel's table holds " +
                         std::to_string(most_ranges),
                     "join neighbouring prefixes; each gap between two is a range, too");
        }
    }
}

void check_room(const Sections& sections, Complaints& complaints) {
    std::uint32_t meaning = 0;
    std::vector<Piece> sources;
    for (const Placed<PoolConfig>& pool : sections.pools) {
        for (const Prefix& prefix : pool.value.prefixes) {
            sources.push_back({prefix, ++meaning});
        }
    }
    std::vector<Piece> destinations;
    for (const Placed<DesignatedConfig>& server : sections.designated) {
        meaning++;
        for (const Prefix& prefix : server.value.prefixes) {
            destinations.push_back({prefix, meaning});
        }
    }
    for (const Placed<ForeignDynamicConfig>& foreign : sections.foreign_dynamic) {
        meaning++;
        for (const Prefix& prefix : foreign.value.servers) {
            destinations.push_back({prefix, meaning});
        }
        check_ranges(destinations, "designated servers and foreign_dynamic.servers", foreign.place,
                     complaints);
    }
    if (meaning > most_meanings) {
        complain(complaints,
                 sections.pools.empty() ? sections.designated.back().place : sections.pools.back().place,
                 "there are " + std::to_string(meaning) +
                     " prefixes of pools and designated servers, and the kernel's table holds " +
                     std::to_string(most_meanings),
                 "join neighbouring prefixes, and servers of one purpose");
    }
    if (!sources.empty()) {
        check_ranges(sources, "pools", sections.pools.back().place, complaints);
    }
    if (!destinations.empty() && sections.foreign_dynamic.empty()) {
        check_ranges(destinations, "designated servers", sections.designated.back().place, complaints);
    }
}

// A port that a section listens on.
struct Listener {
    bool datagrams = false;
    Address address;
    std::uint16_t port = 0;
    Place place;
    std::string remedy;
};

// Whether two listeners would want the same port of the same address; 0.0.0.0 and :: stand for all of their
// family.
bool same_listener(const Listener& one, const Listener& other) {
    const auto everywhere = [](const Address& address) { return address == Address{address.family, {}}; };
    return one.port != 0 && one.port == other.port && one.datagrams == other.datagrams &&
           one.address.family == other.address.family &&
           (one.address == other.address || everywhere(one.address) || everywhere(other.address));
}

std::vector<Listener> all_listeners(const Sections& sections) {
    std::vector<Listener> listeners;
    const auto add = [&listeners](const auto& list, const std::string& section) {
        for (const auto& each : list) {
            listeners.push_back({.datagrams = false,
                                 .address = each.value.listen,
                                 .port = each.value.port,
                                 .place = each.place,
                                 .remedy = "give each [[" + section + "]] an address or port of its own"});
        }
    };
    add(sections.dovecot, "login.dovecot");
    add(sections.stalwart, "login.stalwart");
    for (const Placed<SyslogConfig>& each : sections.syslog) {
        listeners.push_back({.datagrams = each.value.transport == SyslogTransport::udp,
                             .address = each.value.listen,
                             .port = each.value.port,
                             .place = each.place,
                             .remedy = "give each [[login.syslog]] an address or port of its own"});
    }
    for (const Placed<RadiusConfig>& radius : sections.radius) {
        for (std::size_t i = 0; i < radius.value.listen.size(); i++) {
            listeners.push_back(
                {.datagrams = true,
                 .address = radius.value.listen[i],
                 .port = radius.value.port,
                 .place = radius.prefixes.at(i),
                 .remedy = "name each address once, and none of another section with this port; 0.0.0.0 "
                           "and :: stand for all of their family"});
        }
    }
    return listeners;
}

void check_listeners(const Sections& sections, Complaints& complaints) {
    const std::vector<Listener> listeners = all_listeners(sections);
    for (auto later = listeners.begin(); later != listeners.end(); ++later) {
        const auto earlier = std::find_if(
            listeners.begin(), later, [&later](const Listener& each) { return same_listener(each, *later); });
        if (earlier != later) {
            complain(complaints, later->place,
                     later->address.text() + " port " + std::to_string(later->port) +
                         " is listened to already, at line " + std::to_string(earlier->place.line),
                     later->remedy);
        }
    }
}

// Prefixes may lie within one another, the longest counts; but of two that are the same, none is longer.
void check_radius_clients(const std::vector<Placed<RadiusClientConfig>>& clients, Complaints& complaints) {
    std::map<Prefix, std::pair<const std::string*, int>> seen;
    for (const Placed<RadiusClientConfig>& client : clients) {
        for (std::size_t i = 0; i < client.value.prefixes.size(); i++) {
            const Prefix& prefix = client.value.prefixes[i];
            const Place place = client.prefixes.at(i);
            const auto [first, fresh] = seen.try_emplace(prefix, &client.value.name, place.line);
            if (!fresh) {
                complain(complaints, place,
                         prefix.text() + " is of [[radius.client]] \"" + *first->second.first +
                             "\" already, at line " + std::to_string(first->second.second),
                         "name each prefix once: a packet's secret and interval are those of one client");
            }
        }
    }
}

// What stands behind an entry that fits every login says nothing.
void check_access(const std::vector<Placed<AccessConfig>>& list, Complaints& complaints) {
    std::vector<const Placed<AccessConfig>*> order;
    order.reserve(list.size());
    for (const Placed<AccessConfig>& each : list) {
        order.push_back(&each);
    }
    // Of one priority the one that stands first comes first.
    std::ranges::sort(order, {}, [](const Placed<AccessConfig>* each) {
        return std::tuple(each->value.priority, each->place.line, each->place.column);
    });
    const auto fits_all = std::ranges::find_if(order, [](const Placed<AccessConfig>* each) {
        return each->value.clients.empty() && each->value.users.empty() && each->value.protocols.empty();
    });
    if (fits_all != order.end() && fits_all + 1 != order.end()) {
        const Placed<AccessConfig>& next = **(fits_all + 1);
        complain(complaints, next.place,
                 "[[login.access]] of priority " + std::to_string(next.value.priority) +
                     " is never reached: the one at line " + std::to_string((*fits_all)->place.line) +
                     " fits every login and comes first",
                 "give that one the highest priority number, or say whom it is for");
    }
}

// Reporters are known by their names, whatever they are.
class Reporters {
public:
    explicit Reporters(Complaints& complaints) : complaints_(complaints) {}

    template <class T>
    void add(const std::vector<Placed<T>>& list, const std::string& section) {
        check_names(list, section, complaints_);
        for (const Placed<T>& each : list) {
            const auto [first, fresh] = sections_.emplace(each.value.name, section);
            if (!each.value.name.empty() && !fresh && first->second != section) {
                complain(complaints_, each.place,
                         "[[" + section + "]] \"" + each.value.name + "\" has the name of a [[" +
                             first->second + "]]",
                         "give each reporter a name of its own");
            }
        }
    }

    [[nodiscard]] bool has(const std::string& name) const { return sections_.contains(name); }

private:
    Complaints& complaints_;
    std::map<std::string, std::string> sections_;
};

// A rule is for reporters that there are, and none stands behind one that takes every login.
void check_rules(const std::vector<Placed<GrantRuleConfig>>& rules, const Reporters& reporters,
                 Complaints& complaints) {
    const Placed<GrantRuleConfig>* for_all = nullptr;
    for (const Placed<GrantRuleConfig>& rule : rules) {
        for (const std::string& name : rule.value.reporters) {
            if (name != "submission" && !reporters.has(name)) {
                complain(complaints, rule.place,
                         "grants.rule.reporters: there is no reporter \"" + printable(name) + "\"",
                         "name sections of [login] by their names, or \"submission\"");
            }
        }
        if (for_all != nullptr) {
            complain(complaints, rule.place,
                     "[[grants.rule]] \"" + rule.value.name + "\" is never reached: \"" +
                         for_all->value.name + "\" at line " + std::to_string(for_all->place.line) +
                         " fits first",
                     "put it above that one");
        } else if (rule.value.reporters.empty() && rule.value.protocols.empty()) {
            for_all = &rule;
        }
    }
}

void check_reporters(const Sections& sections, Complaints& complaints) {
    Reporters reporters(complaints);
    reporters.add(sections.dovecot, "login.dovecot");
    reporters.add(sections.stalwart, "login.stalwart");
    reporters.add(sections.logs, "login.log");
    reporters.add(sections.journals, "login.journal");
    reporters.add(sections.syslog, "login.syslog");
    check_names(sections.grant_rules, "grants.rule", complaints);
    check_rules(sections.grant_rules, reporters, complaints);
}

void check_logs(const Sections& sections, Complaints& complaints) {
    for (const Placed<LogConfig>& log : sections.logs) {
        const auto same_file = std::ranges::find_if(sections.logs, [&log](const Placed<LogConfig>& other) {
            return other.value.file == log.value.file;
        });
        if (&*same_file != &log && !log.value.file.empty()) {
            complain(complaints, log.place,
                     log.value.file.string() + " is read already, at line " +
                         std::to_string(same_file->place.line),
                     "name all patterns in one section");
        }
    }
}

template <class T>
void check_lifetimes(const std::vector<Placed<T>>& reporters, const std::string& section,
                     const GrantConfig& grants, Complaints& complaints) {
    for (const Placed<T>& each : reporters) {
        if (each.value.lifetime && *each.value.lifetime > grants.longest) {
            complain(complaints, each.lifetime, section + ".lifetime: is longer than grants.longest",
                     "raise grants.longest, or lower this");
        }
    }
}

}  // namespace

void check_sections(const Sections& sections, const GrantConfig& grants, Complaints& complaints) {
    check_names(sections.interfaces, "interface", complaints);
    check_names(sections.pools, "pool", complaints);
    check_names(sections.designated, "designated", complaints);
    check_names(sections.radius_clients, "radius.client", complaints);
    check_names(sections.contracts, "contract", complaints);
    check_reporters(sections, complaints);
    check_radius_clients(sections.radius_clients, complaints);
    check_access(sections.access, complaints);
    check_logs(sections, complaints);
    check_reached(sections.interfaces, complaints);
    check_closed(sections.interfaces, complaints);
    check_overlaps(sections.pools, complaints);
    check_room(sections, complaints);
    check_entrants(sections, complaints);
    check_listeners(sections, complaints);
    check_lifetimes(sections.dovecot, "login.dovecot", grants, complaints);
    check_lifetimes(sections.stalwart, "login.stalwart", grants, complaints);
    check_lifetimes(sections.logs, "login.log", grants, complaints);
    check_lifetimes(sections.journals, "login.journal", grants, complaints);
    check_lifetimes(sections.syslog, "login.syslog", grants, complaints);
    check_lifetimes(sections.grant_rules, "grants.rule", grants, complaints);
}

}  // namespace sekisho
