// SPDX-License-Identifier: Apache-2.0
// The example policy and its table.
#include "tests/bpf/policy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <set>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {
namespace {

struct Span {
    Number first;
    Number last;
    int length;

    [[nodiscard]] bool contains(const Number& at) const { return first <= at && at <= last; }
};

// All ones behind the first `length` of 64 bits.
std::uint64_t tail(int length) {
    return length <= 0 ? ~std::uint64_t{0} : length >= 64 ? 0 : ~std::uint64_t{0} >> length;
}

Span span_of(const std::string& prefix) {
    const auto slash = prefix.find('/');
    const Number first = number_of(prefix.substr(0, slash));
    const int full = first.six ? 128 : 32;
    const int length = slash == std::string::npos ? full : std::stoi(prefix.substr(slash + 1));
    const int behind = length + (first.six ? 0 : 96);
    return {first,
            {first.six, first.high | (first.six ? tail(behind) : 0), first.low | tail(behind - 64)},
            length};
}

// The place in `prefixes` of the longest that contains the address, or -1.
int longest(const std::vector<std::string>& prefixes, const Number& at) {
    int best = -1;
    for (std::size_t i = 0; i < prefixes.size(); i++) {
        const auto span = span_of(prefixes[i]);
        if (span.contains(at) &&
            (best < 0 || span.length > span_of(prefixes[static_cast<std::size_t>(best)]).length)) {
            best = static_cast<int>(i);
        }
    }
    return best;
}

std::optional<Number> after(const Number& at) {
    if (!at.six && at.low == 0xffffffff) {
        return std::nullopt;
    }
    if (at.low == ~std::uint64_t{0}) {
        return at.high == at.low ? std::nullopt : std::optional(Number{at.six, at.high + 1, 0});
    }
    return Number{at.six, at.high, at.low + 1};
}

// Each place of this family at which the meaning may change, the lowest address first.
std::vector<Number> boundaries(const std::vector<std::string>& prefixes, bool six) {
    std::set<Number> places{{six, 0, 0}};
    for (const auto& prefix : prefixes) {
        const auto span = span_of(prefix);
        if (span.first.six != six) {
            continue;
        }
        places.insert(span.first);
        if (const auto next = after(span.last)) {
            places.insert(*next);
        }
    }
    return {places.begin(), places.end()};
}

// Fills one family's ranges; prefix i means segment first_segment + i, no prefix means segment 0.
template <class Ranges>
void fill(Ranges& ranges, const sekisho_table& table, const std::vector<std::string>& prefixes, bool six,
          int first_segment) {
    const auto places = boundaries(prefixes, six);
    std::uint16_t segment = 0;
    for (std::size_t i = 0; i < SEKISHO_RANGES; i++) {
        const bool used = i < places.size();
        if (used) {
            const int found = longest(prefixes, places[i]);
            segment = static_cast<std::uint16_t>(found < 0 ? 0 : first_segment + found);
        }
        if constexpr (requires { ranges.start; }) {
            ranges.start[i] = used ? static_cast<std::uint32_t>(places[i].low) : 0xffffffff;
        } else {
            ranges.high[i] = used ? places[i].high : ~std::uint64_t{0};
            ranges.low[i] = used ? places[i].low : ~std::uint64_t{0};
        }
        ranges.segment[i] = segment;
    }
    if constexpr (requires { ranges.first; }) {
        for (std::uint64_t first = 0; first < SEKISHO_FIRSTS; first++) {
            const Number begin{false, 0, first << 16};
            const int found = longest(prefixes, begin);
            const bool alike = std::ranges::none_of(
                places, [&](const Number& place) { return begin < place && place.low >> 16 == first; });
            const auto number = static_cast<std::uint16_t>(found < 0 ? 0 : first_segment + found);
            ranges.first[first] = alike ? sekisho_meaning(&table.segments[number], number) : SEKISHO_SEARCH;
        }
    }
}

std::uint64_t keys_in(const Span& span, int key_bits) {
    return std::uint64_t{1} << (key_bits - span.length);
}

}  // namespace

Number number_of(std::string_view address) {
    const auto octets = octets_of(address);
    Number number{octets.size() == 16, 0, 0};
    for (std::size_t i = 0; i < octets.size(); i++) {
        auto& half = number.six && i < 8 ? number.high : number.low;
        half = half << 8 | octets[i];
    }
    return number;
}

const Policy& example_policy() {
    static const Policy policy{
        .pools =
            {
                {.prefix = "192.0.2.0/25", .action = SEKISHO_RESET, .key_bits = 32},
                {.prefix = "192.0.2.64/28", .action = SEKISHO_RESET, .key_bits = 32, .exempt = true},
                {.prefix = "192.0.2.128/26", .action = SEKISHO_DROP, .key_bits = 32, .closed = true},
                {.prefix = "192.0.2.192/26", .action = SEKISHO_MONITOR, .key_bits = 32, .closed = true},
                {.prefix = "198.51.100.128/25", .action = SEKISHO_DROP, .key_bits = 32, .hashed = true},
                {.prefix = "198.51.100.96/28", .action = SEKISHO_PROHIBIT, .key_bits = 32},
                {.prefix = "198.18.0.0/15", .action = SEKISHO_DROP, .key_bits = 32},
                {.prefix = "10.25.0.0/16", .action = SEKISHO_RESET, .key_bits = 32},
                {.prefix = "10.26.0.0/16", .action = SEKISHO_MONITOR, .key_bits = 32},
                {.prefix = "2001:db8:100::/48", .action = SEKISHO_RESET, .key_bits = 64},
                {.prefix = "2001:db8:100:ff00::/56", .action = SEKISHO_RESET, .key_bits = 64, .exempt = true},
                {.prefix = "2001:db8:200::/48", .action = SEKISHO_DROP, .key_bits = 56, .closed = true},
                {.prefix = "2001:db8:300::/48", .action = SEKISHO_MONITOR, .key_bits = 60},
                {.prefix = "2001:db8:400::/44", .action = SEKISHO_DROP, .key_bits = 48},
                {.prefix = "2001:db8:500::/64", .action = SEKISHO_DROP, .key_bits = 128, .hashed = true},
                {.prefix = "2001:db8:600::/64", .action = SEKISHO_DROP, .key_bits = 96, .hashed = true},
                {.prefix = "2001:db8:700::/48", .action = SEKISHO_PROHIBIT, .key_bits = 64},
                {.prefix = "2001:db8:1000::/36", .action = SEKISHO_DROP, .key_bits = 64, .hashed = true},
            },
        .designated = {"198.51.100.25", "2001:db8:25::25"},
        .own = {"198.51.100.24/31", "2001:db8:25::/64"},
        // The last two lie in pools: nobody's own subscribers are foreign.
        .foreign = {"203.0.113.192/27", "203.0.113.240", "2001:db8:7700::/40", "192.0.2.0/25",
                    "2001:db8:200::/48"},
    };
    return policy;
}

sekisho_key key_of(std::string_view address, int key_bits) {
    const auto number = number_of(address);
    Bytes bytes = octets_of(address);
    if (number.six) {
        for (auto bit = static_cast<std::size_t>(key_bits); bit < 128; bit++) {
            bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
        }
    } else {
        bytes.insert(bytes.begin(), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
    }
    sekisho_key key{};
    std::ranges::copy(bytes, key.bytes);
    return key;
}

HandTable::HandTable(const Policy& policy) : data_(std::make_unique<sekisho_table>()), pools_(policy.pools) {
    std::vector<std::string> sources;
    std::uint32_t next_bit = 0;
    for (const auto& pool : pools_) {
        sources.push_back(pool.prefix);
        const auto span = span_of(pool.prefix);
        auto& segment = data_->segments[sources.size()];
        segment.first_high = span.first.high;
        segment.first_low = span.first.low;
        segment.flags = static_cast<std::uint8_t>(
            SEKISHO_SEGMENT_POOL | (pool.exempt ? SEKISHO_SEGMENT_EXEMPT : 0) |
            (pool.hashed ? SEKISHO_SEGMENT_HASHED : 0) | (pool.closed ? SEKISHO_SEGMENT_CLOSED : 0));
        segment.action = static_cast<std::uint8_t>(pool.action);
        segment.key_bits = static_cast<std::uint8_t>(pool.key_bits);
        if (pool.hashed) {
            continue;
        }
        segment.bit_base = next_bit;
        next_bit += static_cast<std::uint32_t>(keys_in(span, pool.key_bits));
    }
    const auto first_server = static_cast<int>(sources.size()) + 1;
    std::vector<std::string> servers = policy.designated;
    servers.insert(servers.end(), policy.own.begin(), policy.own.end());
    for (std::size_t i = 0; i < servers.size(); i++) {
        auto& segment = data_->segments[static_cast<std::size_t>(first_server) + i];
        const auto first = span_of(servers[i]).first;
        segment.flags = static_cast<std::uint8_t>(
            (longest(policy.designated, first) >= 0 ? SEKISHO_SEGMENT_DESIGNATED : 0) |
            (longest(policy.own, first) >= 0 ? SEKISHO_SEGMENT_OWN : 0));
        segment.action = SEKISHO_DROP;
    }
    fill(data_->source4, *data_, sources, false, 1);
    fill(data_->source6, *data_, sources, true, 1);
    fill(data_->destination4, *data_, servers, false, first_server);
    fill(data_->destination6, *data_, servers, true, first_server);
    data_->ports[0] = htons(25);
    data_->answers_per_second = 1'000'000;
    data_->inbound_replies = 1;
}

std::optional<std::uint32_t> HandTable::bit_of(std::string_view address) const {
    std::vector<std::string> sources;
    for (const auto& pool : pools_) {
        sources.push_back(pool.prefix);
    }
    const int found = longest(sources, number_of(address));
    if (found < 0) {
        return std::nullopt;
    }
    const auto& pool = pools_[static_cast<std::size_t>(found)];
    const auto key = key_of(address, pool.key_bits);
    Number number{};
    for (std::size_t i = 0; i < 16; i++) {
        auto& half = i < 8 ? number.high : number.low;
        half = half << 8 | key.bytes[i];
    }
    if (pool.hashed) {
        return SEKISHO_EXACT_BITS + sekisho_hashed_bit(number.high, number.low);
    }
    // How many keys lie before this one: the prefix's bits between its own length and the key's.
    const auto span = span_of(pool.prefix);
    const auto& base = data_->segments[static_cast<std::size_t>(found) + 1].bit_base;
    std::uint32_t before = 0;
    const int shift = span.first.six ? 0 : 96;
    for (int bit = span.length + shift; bit < pool.key_bits + shift; bit++) {
        const unsigned octet = key.bytes[static_cast<std::size_t>(bit / 8)];
        before = before << 1 | (octet >> (7 - bit % 8) & 1);
    }
    return base + before;
}

const HandTable& example_table() {
    static const HandTable table(example_policy());
    return table;
}

}  // namespace sekisho::bpftest
