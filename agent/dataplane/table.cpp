// SPDX-License-Identifier: Apache-2.0
// Builds the kernel's table.
#include "agent/dataplane/table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "agent/base/ranges.h"

namespace sekisho::dataplane {

namespace {

constexpr int half_bits = 64;
static_assert(most_ranges == SEKISHO_RANGES && most_meanings == SEKISHO_SEGMENTS - 1 &&
              most_entrants == SEKISHO_ENTRANTS);

struct Halves {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const Halves&) const = default;
};

std::uint64_t big_endian(std::span<const std::uint8_t> bytes) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes) {
        value = value << 8 | byte;
    }
    return value;
}

// An address as the kernel's programs see it: IPv4 in the lower 32 bits.
Halves halves(const Address& address) {
    const std::span bytes(address.bytes);
    if (address.family == Family::ipv4) {
        return {.high = 0, .low = big_endian(bytes.first(4))};
    }
    return {.high = big_endian(bytes.first(8)), .low = big_endian(bytes.last(8))};
}

Result<void> check_room(const std::vector<Range>& ranges) {
    if (ranges.size() > SEKISHO_RANGES) {
        return fail(Failure::invalid,
                    "the prefixes make " + std::to_string(ranges.size()) +
                        " ranges, and the kernel's table holds " + std::to_string(SEKISHO_RANGES),
                    "join neighbouring prefixes, or exempt single keys instead of prefixes");
    }
    return {};
}

std::uint16_t segment_of(const Range& range) {
    return static_cast<std::uint16_t>(range.meaning);  // Segments gave it out
}

Result<void> fill(const std::vector<Range>& ranges, std::span<const sekisho_segment> segments,
                  sekisho_ranges4& table) {
    if (auto room = check_room(ranges); !room) {
        return room;
    }
    for (std::size_t place = 0; place < SEKISHO_RANGES; place++) {
        const bool used = place < ranges.size();
        table.start[place] = used ? static_cast<std::uint32_t>(halves(ranges[place].start).low)
                                  : std::numeric_limits<std::uint32_t>::max();
        table.segment[place] = segment_of(used ? ranges[place] : ranges.back());
    }
    std::size_t place = 0;  // of the range that holds the first address with these 16 bits
    for (std::uint32_t first = 0; first < SEKISHO_FIRSTS; first++) {
        while (place + 1 < ranges.size() && table.start[place + 1] <= first << 16) {
            place++;
        }
        const bool alone = place + 1 == ranges.size() || table.start[place + 1] > (first << 16 | 0xffff);
        const std::uint16_t segment = table.segment[place];
        table.first[first] = alone ? sekisho_meaning(&segments[segment], segment) : SEKISHO_SEARCH;
    }
    return {};
}

Result<void> fill(const std::vector<Range>& ranges, sekisho_ranges6& table) {
    if (auto room = check_room(ranges); !room) {
        return room;
    }
    constexpr auto highest = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t place = 0; place < SEKISHO_RANGES; place++) {
        const bool used = place < ranges.size();
        const Halves start = used ? halves(ranges[place].start) : Halves{highest, highest};
        table.high[place] = start.high;
        table.low[place] = start.low;
        table.segment[place] = segment_of(used ? ranges[place] : ranges.back());
    }
    return {};
}

std::uint8_t kernel_action(Action action) {
    switch (action) {
        case Action::monitor:
            return SEKISHO_MONITOR;
        case Action::drop:
            return SEKISHO_DROP;
        case Action::reset:
            return SEKISHO_RESET;
        case Action::prohibit:
            return SEKISHO_PROHIBIT;
    }
    std::unreachable();
}

// The lists of pools that sources are validated against, each once, in the configuration's order.
std::vector<std::set<std::string>> lists_of_entrants(const Config& config) {
    std::vector<std::set<std::string>> lists;
    for (const InterfaceConfig& interface : config.interfaces) {
        if (!interface.pools.empty() && std::ranges::find(lists, interface.pools) == lists.end()) {
            lists.push_back(interface.pools);
        }
    }
    return lists;
}

// A bit for each list that has the pool.
std::uint32_t lists_with(const std::string& pool, const std::vector<std::set<std::string>>& lists) {
    std::uint32_t bits = 0;
    for (std::size_t at = 0; at < std::min(lists.size(), most_entrants); at++) {
        bits |= lists[at].contains(pool) ? std::uint32_t{1} << at : 0;
    }
    return bits;
}

// Gives out segments and the bits of the bitmap's exact part.
class Segments {
public:
    explicit Segments(sekisho_table& table) : table_(table) {}

    Result<std::uint16_t> add(const sekisho_segment& segment) {
        if (used_ >= SEKISHO_SEGMENTS) {
            return fail(Failure::invalid,
                        "there are more than " + std::to_string(SEKISHO_SEGMENTS - 1) +
                            " prefixes in pools, designated servers and exemptions",
                        "join neighbouring prefixes");
        }
        table_.segments[used_] = segment;
        return used_++;
    }

    sekisho_segment of_pool(const PoolConfig& pool, std::uint32_t index, const Prefix& prefix) {
        const int key_bits = prefix.address.family == Family::ipv4 ? 32 : pool.key_length_ipv6;
        const Halves first = halves(prefix.address);
        sekisho_segment segment{};
        segment.first_high = first.high;
        segment.first_low = first.low;
        segment.flags = SEKISHO_SEGMENT_POOL;
        if (pool.closed) {
            segment.flags |= SEKISHO_SEGMENT_CLOSED;
        }
        segment.action = kernel_action(pool.action);
        segment.key_bits = static_cast<std::uint8_t>(key_bits);
        segment.pool = index;
        const int host = key_bits - prefix.length;
        const bool countable = host < 32 && (prefix.address.family == Family::ipv4 || key_bits <= half_bits);
        if (countable && (std::uint64_t{1} << host) <= SEKISHO_EXACT_BITS - bits_) {
            segment.bit_base = bits_;
            bits_ += std::uint32_t{1} << host;
        } else {
            segment.flags |= SEKISHO_SEGMENT_HASHED;
        }
        return segment;
    }

private:
    sekisho_table& table_;
    std::uint16_t used_ = 1;  // segment 0 means nothing
    std::uint32_t bits_ = 0;
};

// Pools, and the exemptions that lie in them: those are their pool's segment with a flag more.
Result<std::vector<Piece>> source_pieces(const Config& config, const std::vector<Prefix>& wide,
                                         Segments& segments) {
    std::vector<Piece> pieces;
    const auto lists = lists_of_entrants(config);
    for (std::uint32_t index = 0; index < config.pools.size(); index++) {
        for (const Prefix& prefix : config.pools[index].prefixes) {
            sekisho_segment segment = segments.of_pool(config.pools[index], index, prefix);
            segment.entrants = lists_with(config.pools[index].name, lists);
            const auto plain = segments.add(segment);
            if (!plain) {
                return std::unexpected(plain.error());
            }
            pieces.push_back({prefix, *plain});
            segment.flags |= SEKISHO_SEGMENT_EXEMPT;
            std::optional<std::uint16_t> exempt;
            for (const Prefix& exemption : wide) {
                if (!prefix.contains(exemption)) {
                    continue;
                }
                if (!exempt) {
                    const auto added = segments.add(segment);
                    if (!added) {
                        return std::unexpected(added.error());
                    }
                    exempt = *added;
                }
                pieces.push_back({exemption, *exempt});
            }
        }
    }
    return pieces;
}

// What a prefix of servers means, whichever lists it stands in and lies in.
sekisho_segment of_servers(const Config& config, const Prefix& prefix) {
    const auto contains = [&prefix](const Prefix& other) { return other.contains(prefix); };
    sekisho_segment segment{};
    for (const DesignatedConfig& server : config.designated) {
        if (std::ranges::any_of(server.prefixes, contains)) {
            segment.flags |= SEKISHO_SEGMENT_DESIGNATED;
        }
    }
    if (const auto& foreign = config.foreign_dynamic;
        foreign && std::ranges::any_of(foreign->servers, contains)) {
        segment.flags |= SEKISHO_SEGMENT_OWN;
        segment.action = kernel_action(foreign->action);
    }
    return segment;
}

Result<std::vector<Piece>> destination_pieces(const Config& config, Segments& segments) {
    std::set<Prefix> prefixes;
    for (const DesignatedConfig& server : config.designated) {
        prefixes.insert(server.prefixes.begin(), server.prefixes.end());
    }
    if (config.foreign_dynamic) {
        prefixes.insert(config.foreign_dynamic->servers.begin(), config.foreign_dynamic->servers.end());
    }
    std::vector<Piece> pieces;
    std::map<std::uint8_t, std::uint16_t> given;  // by flags: the rest follows from them
    for (const Prefix& prefix : prefixes) {
        const sekisho_segment segment = of_servers(config, prefix);
        if (!given.contains(segment.flags)) {
            const auto added = segments.add(segment);
            if (!added) {
                return std::unexpected(added.error());
            }
            given[segment.flags] = *added;
        }
        pieces.push_back({prefix, given[segment.flags]});
    }
    return pieces;
}

std::uint16_t find(const sekisho_ranges4& ranges, const Halves& address) {
    const std::span starts(ranges.start);
    const auto above = std::ranges::upper_bound(starts, address.low);
    return ranges.segment[static_cast<std::size_t>(above - starts.begin()) - 1];
}

std::uint16_t find(const sekisho_ranges6& ranges, const Halves& address) {
    std::size_t at = 0;
    for (std::size_t step = SEKISHO_RANGES / 2; step != 0; step /= 2) {
        if (Halves{ranges.high[at + step], ranges.low[at + step]} <= address) {
            at += step;
        }
    }
    return ranges.segment[at];
}

}  // namespace

sekisho_key kernel_key(const Prefix& key) {
    sekisho_key result{};
    if (key.address.family == Family::ipv6) {
        std::ranges::copy(key.address.bytes, std::begin(result.bytes));
        return result;
    }
    result.bytes[10] = result.bytes[11] = 0xff;
    std::copy_n(key.address.bytes.begin(), 4, std::begin(result.bytes) + 12);
    return result;
}

Prefix prefix_of(const sekisho_key& key, int length) {
    Prefix prefix;
    const std::span bytes(key.bytes);
    const bool high_zero = std::ranges::all_of(bytes.first(10), [](std::uint8_t byte) { return byte == 0; });
    if (high_zero && bytes[10] == 0xff && bytes[11] == 0xff) {
        prefix.address.family = Family::ipv4;
        std::ranges::copy(bytes.last(4), prefix.address.bytes.begin());
        prefix.length = 32;
        return prefix;
    }
    prefix.address.family = Family::ipv6;
    std::ranges::copy(bytes, prefix.address.bytes.begin());
    prefix.length = std::clamp(length, 0, 128);
    return prefix;
}

std::uint8_t entrants_of(const Config& config, const InterfaceConfig& interface) {
    const auto lists = lists_of_entrants(config);
    const auto found = std::ranges::find(lists, interface.pools);
    return found == lists.end() ? 0 : static_cast<std::uint8_t>(found - lists.begin() + 1);
}

Table::Table() : data_(std::make_unique<sekisho_table>()) {}

Result<Table> Table::build(const Config& config, const std::vector<Prefix>& wide_exemptions) {
    Table table;
    sekisho_table& data = *table.data_;
    for (std::size_t place = 0; place < std::min<std::size_t>(config.dataplane.ports.size(), SEKISHO_PORTS);
         place++) {
        data.ports[place] = htons(config.dataplane.ports[place]);
    }
    data.answers_per_second = config.dataplane.answers_per_second;
    data.window_s =
        config.grants.window_connections != 0 ? static_cast<__u32>(config.grants.window.count()) : 0;
    data.window_limit = config.grants.window_connections;
    data.flow_limit = config.dataplane.flows_per_subscriber;
    data.flow_idle_s = static_cast<__u32>(config.dataplane.flow_idle.count());
    data.inbound_replies = static_cast<std::uint32_t>(config.dataplane.inbound_replies);
    if (const auto& source = config.dataplane.icmp_source_ipv4) {
        std::memcpy(&data.icmp_source4, source->bytes.data(), sizeof(data.icmp_source4));
    }
    if (const auto& source = config.dataplane.icmp_source_ipv6) {
        std::memcpy(data.icmp_source6, source->bytes.data(), sizeof(data.icmp_source6));
    }

    Segments segments(data);
    const auto sources = source_pieces(config, wide_exemptions, segments);
    if (!sources) {
        return std::unexpected(sources.error());
    }
    const auto destinations = destination_pieces(config, segments);
    if (!destinations) {
        return std::unexpected(destinations.error());
    }
    for (const auto& filled : {fill(flatten(Family::ipv4, *sources), data.segments, data.source4),
                               fill(flatten(Family::ipv6, *sources), data.source6),
                               fill(flatten(Family::ipv4, *destinations), data.segments, data.destination4),
                               fill(flatten(Family::ipv6, *destinations), data.destination6)}) {
        if (!filled) {
            return std::unexpected(filled.error());
        }
    }
    return table;
}

std::optional<std::uint32_t> Table::bit_of(const Prefix& key) const {
    const sekisho_segment& segment = source(key.address);
    if ((segment.flags & SEKISHO_SEGMENT_POOL) == 0) {
        return std::nullopt;
    }
    const Halves address = halves(key.address);
    if ((segment.flags & SEKISHO_SEGMENT_HASHED) != 0) {
        const sekisho_key bytes = kernel_key(key);
        const std::span whole(bytes.bytes);
        return SEKISHO_EXACT_BITS + sekisho_hashed_bit(big_endian(whole.first(8)), big_endian(whole.last(8)));
    }
    if (key.address.family == Family::ipv4) {
        return segment.bit_base + static_cast<std::uint32_t>(address.low - segment.first_low);
    }
    return segment.bit_base +
           static_cast<std::uint32_t>((address.high - segment.first_high) >> (half_bits - segment.key_bits));
}

const sekisho_segment& Table::source(const Address& address) const {
    const Halves numbers = halves(address);
    const std::uint16_t found =
        address.family == Family::ipv4 ? find(data_->source4, numbers) : find(data_->source6, numbers);
    return data_->segments[found];
}

const sekisho_segment& Table::destination(const Address& address) const {
    const Halves numbers = halves(address);
    const std::uint16_t found = address.family == Family::ipv4 ? find(data_->destination4, numbers)
                                                               : find(data_->destination6, numbers);
    return data_->segments[found];
}

}  // namespace sekisho::dataplane
