// SPDX-License-Identifier: Apache-2.0
// Rules in the order in which they are asked, cheapest first. Whole tables are made by adding what may be
// there already, emptying the chains, and adding the rules: one transaction, which no packet sees half done.
#include "agent/guard/ruleset.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <iterator>

#include "agent/base/pattern.h"

namespace sekisho::guard {

namespace json = boost::json;

namespace {

std::string name_of(Table table) {
    return table == Table::inet ? "inet sekisho" : "bridge sekisho";
}

// Where packets pass: routed ones on their way through, those of a bridge's port before anybody knows whether
// they are routed. Before the rules of others, which may accept them.
std::string hook_of(Table table) {
    return table == Table::inet ? "forward { type filter hook forward priority -10; policy accept; }"
                                : "prerouting { type filter hook prerouting priority -310; policy accept; }";
}

std::string first_chain(Table table) {
    return table == Table::inet ? "forward" : "prerouting";
}

template <class List, class Text>
std::string joined(const List& list, const Text& text) {
    std::string result;
    for (const auto& each : list) {
        result += (result.empty() ? "" : ", ") + text(each);
    }
    return result;
}

std::string in_quotes(const std::string& text) {
    return '"' + text + '"';
}

std::string text_of(unsigned number) {
    return std::to_string(number);
}

// "add element inet sekisho judged { 3, 4 }\n"; nothing if there are none.
std::string elements(std::string_view verb, Table table, const std::string& set, const std::string& list) {
    return list.empty()
               ? std::string()
               : std::string(verb) + " element " + name_of(table) + " " + set + " { " + list + " }\n";
}

std::string add_names(Table table, const std::set<std::string>& names) {
    return elements("add", table, "stacked", joined(names, in_quotes));
}

std::string add_indexes(Table table, const std::set<unsigned>& indexes) {
    return elements("add", table, "judged", joined(indexes, text_of));
}

std::string add_servers(Table table, const Plan& plan, Family family) {
    std::vector<Prefix> servers;
    std::ranges::copy_if(plan.servers, std::back_inserter(servers),
                         [family](const Prefix& each) { return each.address.family == family; });
    return elements("add", table, family == Family::ipv4 ? "servers4" : "servers6",
                    joined(servers, [](const Prefix& each) { return each.text(); }));
}

// The name that an interface's packets carry, mostly.
constexpr const char* arrival = "iifname";

// "eth1" or "ppp*" behind `key`, as nftables compares it; nothing where no interface can have such a name.
std::optional<std::string> match(const std::string& key, std::string pattern) {
    constexpr std::size_t longest_name = 15;
    if (pattern == "*") {  // not by another name: whatever has none would fit, too
        return key == arrival ? std::optional(std::string()) : std::nullopt;
    }
    if (pattern.size() == longest_name + 1 && pattern.ends_with('*')) {
        pattern.pop_back();  // nothing more can follow
    }
    if (pattern.size() > longest_name) {
        return std::nullopt;
    }
    return key + " " + in_quotes(pattern) + " ";
}

// By `key`, the name of the interface that a packet came in by.
std::vector<std::string> name_rules(const std::string& key, const Plan& plan) {
    std::vector<std::string> rules = {key + " @stacked goto closed"};
    for (const NameRule& each : plan.names) {
        if (const auto fits = match(key, each.pattern)) {
            rules.push_back(*fits + (each.closed ? "goto closed" : "return"));
        }
    }
    return rules;
}

std::vector<std::string> guard_rules(Table table, const Plan& plan) {
    std::vector<std::string> rules = {"iif @judged return"};
    if (table == Table::inet) {
        rules.emplace_back("meta sdif @judged return");
    }
    rules.emplace_back("ip daddr @servers4 return");
    rules.emplace_back("ip6 daddr @servers6 return");
    if (table == Table::inet) {
        // What came in by an interface in a VRF carries the VRF's name, and this is its own.
        const auto inner = name_rules("meta sdifname", plan);
        rules.insert(rules.end(), inner.begin(), inner.end());
    }
    const auto names = name_rules(arrival, plan);
    rules.insert(rules.end(), names.begin(), names.end());
    return rules;
}

std::string all_rules(Table table, const Plan& plan) {
    const std::string ports = joined(plan.ports, text_of);
    const std::string add = "add rule " + name_of(table) + " ";
    std::string text = add + first_chain(table) + " tcp dport { " + ports + " } jump guard\n";
    for (const std::string& rule : guard_rules(table, plan)) {
        text += add + "guard " + rule + "\n";
    }
    return text + add + "closed counter name \"dropped\" drop\n";
}

std::size_t count_lines(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

template <class Value>
std::set<Value> without(const std::set<Value>& from, const std::set<Value>& those) {
    std::set<Value> rest;
    std::ranges::set_difference(from, those, std::inserter(rest, rest.end()));
    return rest;
}

std::uint64_t number_of(const json::object& object, std::string_view key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? static_cast<std::uint64_t>(value->get_int64()) : 0;
}

bool has_name(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains("name");
    return value != nullptr && value->is_string() && std::string_view(value->get_string()) == name;
}

std::size_t size_of(const json::object& set) {
    const json::value* const elements = set.if_contains("elem");
    return elements != nullptr && elements->is_array() ? elements->get_array().size() : 0;
}

void note(const json::object& item, Listing& listing) {
    if (item.contains("rule")) {
        listing.rules++;
        return;
    }
    if (const json::value* const set = item.if_contains("set"); set != nullptr && set->is_object()) {
        const json::object& facts = set->get_object();
        if (has_name(facts, "judged")) {
            listing.judged = size_of(facts);
        } else if (has_name(facts, "stacked")) {
            listing.stacked = size_of(facts);
        }
    }
    if (const json::value* const counter = item.if_contains("counter");
        counter != nullptr && counter->is_object() && has_name(counter->get_object(), "dropped")) {
        listing.dropped = number_of(counter->get_object(), "packets");
    }
}

}  // namespace

Plan plan_of(const Config& config) {
    Plan plan{.names = {}, .ports = config.dataplane.ports, .servers = {}};
    std::size_t behind_last = 0;
    for (const InterfaceConfig& interface : config.interfaces) {
        if (is_beginning(interface.name)) {  // others fit no name that one of these fits
            plan.names.push_back({.pattern = interface.name, .closed = interface.closed_until_judged});
        }
        behind_last = interface.closed_until_judged ? plan.names.size() : behind_last;
    }
    plan.names.resize(behind_last);
    for (const DesignatedConfig& designated : config.designated) {
        plan.servers.insert(plan.servers.end(), designated.prefixes.begin(), designated.prefixes.end());
    }
    return plan;
}

std::string boot_ruleset(Table table, const Plan& plan, const std::set<std::string>& stacked) {
    const std::string name = name_of(table);
    std::string text = "add table " + name + "\n";
    for (const char* const set : {"judged { type iface_index; }", "stacked { type ifname; }",
                                  "servers4 { type ipv4_addr; flags interval; auto-merge; }",
                                  "servers6 { type ipv6_addr; flags interval; auto-merge; }"}) {
        text += "add set " + name + " " + set + "\n";
    }
    text += "add counter " + name + " dropped\n";
    text += "add chain " + name + " " + hook_of(table) + "\n";
    for (const char* const chain : {"guard", "closed"}) {
        text += "add chain " + name + " " + chain + "\n";
    }
    for (const std::string& chain : {first_chain(table), std::string("guard"), std::string("closed")}) {
        text += "flush chain " + name + " " + chain + "\n";
    }
    for (const char* const set : {"stacked", "servers4", "servers6"}) {
        text += "flush set " + name + " " + set + "\n";
    }
    return text + add_names(table, stacked) + add_servers(table, plan, Family::ipv4) +
           add_servers(table, plan, Family::ipv6) + all_rules(table, plan);
}

std::string ruleset(Table table, const Plan& plan, const State& state) {
    return boot_ruleset(table, plan, state.stacked) + "flush set " + name_of(table) + " judged\n" +
           add_indexes(table, state.judged);
}

std::string changes(Table table, const State& from, const State& to) {
    // Closed last: a device whose name is new here and that is judged already is never shut.
    return elements("delete", table, "judged", joined(without(from.judged, to.judged), text_of)) +
           add_indexes(table, without(to.judged, from.judged)) +
           elements("delete", table, "stacked", joined(without(from.stacked, to.stacked), in_quotes)) +
           add_names(table, without(to.stacked, from.stacked));
}

std::vector<std::string> listing_of(Table table) {
    return {"-j", "list", "table", table == Table::inet ? "inet" : "bridge", "sekisho"};
}

std::vector<std::string> removal_of(Table table) {
    return {"delete", "table", table == Table::inet ? "inet" : "bridge", "sekisho"};
}

bool is_listed(Table table, std::string_view tables) {
    return tables.find("table " + name_of(table) + "\n") != std::string_view::npos;
}

std::optional<Listing> read_listing(std::string_view text) {
    boost::system::error_code broken;
    const json::value whole = json::parse(text, broken);
    const json::value* const items =
        !broken && whole.is_object() ? whole.get_object().if_contains("nftables") : nullptr;
    if (items == nullptr || !items->is_array()) {
        return std::nullopt;
    }
    Listing listing;
    for (const json::value& item : items->get_array()) {
        if (item.is_object()) {
            note(item.get_object(), listing);
        }
    }
    return listing;
}

bool is_whole(const Listing& listing, Table table, const Plan& plan, const State& state) {
    return listing.rules == count_lines(all_rules(table, plan)) && listing.judged == state.judged.size() &&
           listing.stacked == state.stacked.size();
}

}  // namespace sekisho::guard
