// SPDX-License-Identifier: Apache-2.0
// What must hold between the sections of sekisho.toml. Internal to this room.
#pragma once

#include <vector>

#include "agent/base/config.h"
#include "agent/base/toml_table.h"

namespace sekisho {

// A section of an array of tables, and where it stands.
template <class T>
struct Placed {
    T value;
    Place place;
    std::vector<Place> prefixes;  // where its prefixes, reporters or addresses stand
    Place lifetime;               // where its lifetime stands
};

// All sections that may contradict one another.
struct Sections {
    std::vector<Placed<InterfaceConfig>> interfaces;
    std::vector<Placed<PoolConfig>> pools;
    std::vector<Placed<DesignatedConfig>> designated;
    std::vector<Placed<DovecotConfig>> dovecot;
    std::vector<Placed<StalwartConfig>> stalwart;
    std::vector<Placed<LogConfig>> logs;
    std::vector<Placed<JournalConfig>> journals;
    std::vector<Placed<SyslogConfig>> syslog;
    std::vector<Placed<AccessConfig>> access;
    std::vector<Placed<RadiusConfig>> radius;  // at most one; without its clients
    std::vector<Placed<RadiusClientConfig>> radius_clients;
    std::vector<Placed<ContractConfig>> contracts;
    std::vector<Placed<GrantRuleConfig>> grant_rules;
    std::vector<Placed<ForeignDynamicConfig>> foreign_dynamic;  // at most one
};

// Complains of names given twice, interfaces and entries of the access list that are never reached, pools
// that overlap, listeners given twice, RADIUS clients that share a prefix, lifetimes beyond the longest, and
// more prefixes than the kernel's table holds.
void check_sections(const Sections& sections, const GrantConfig& grants, Complaints& complaints);

}  // namespace sekisho
