/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * decide(): the only place where a verdict is made. Pure: what is written about a key and what time it is
 * are asked of two functions that the includer provides, and only when they are needed.
 *
 * The README of this folder lists the rows in the order in which they stand here.
 */
#ifndef SEKISHO_POLICY_H
#define SEKISHO_POLICY_H

#include "packet.h"

/* Copies what is written about a key: true, or false if nothing is. By the includer. */
static __always_inline bool entry_of(const struct sekisho_key *key, struct sekisho_entry *entry);
/* CLOCK_BOOTTIME in nanoseconds. By the includer. */
static __always_inline __u64 boottime(void);

struct decision {
    __u8 reason;
    __u8 verdict;
};

/* 1 where a < b, else 0, without a branch: the searches below cost the verifier one path instead of 2^steps. */
static __always_inline __u64 below(__u64 a, __u64 b)
{
    __u64 borrow = (~a & b) | (~(a ^ b) & (a - b));

    asm volatile("" : "+r"(borrow)); /* keeps the compiler from seeing the comparison in it */
    return borrow >> 63;
}

static __always_inline __u64 equal(__u64 a, __u64 b)
{
    __u64 differ = a ^ b;

    return ((differ | -differ) >> 63) ^ 1;
}

/*
 * One step of a search: `at`, or 2^order further if not `above`. Shifted, not masked: newer verifiers fork at
 * an AND with something that is 0 or -1. The asm keeps the compiler from making it a branch again.
 */
static __always_inline __u32 stepped(__u32 at, __u32 order, __u64 above)
{
    __u64 forward = above ^ 1;

    asm volatile("" : "+r"(forward));
    return at + ((__u32)(forward & 1) << order);
}

/* The segment of the range that an IPv4 address lies in. */
static __always_inline __u32 segment_of4(const struct sekisho_ranges4 *ranges, __u32 address)
{
    __u32 at = 0;

#pragma unroll
    for (int order = SEKISHO_RANGE_STEPS - 1; order >= 0; order--) {
        __u32 next = (at + (1U << order)) & (SEKISHO_RANGES - 1);

        at = stepped(at, order, below(address, ranges->start[next]));
    }
    return ranges->segment[at & (SEKISHO_RANGES - 1)];
}

/* The same for IPv6. */
static __always_inline __u32 segment_of6(const struct sekisho_ranges6 *ranges, const struct address *address)
{
    __u32 at = 0;

#pragma unroll
    for (int order = SEKISHO_RANGE_STEPS - 1; order >= 0; order--) {
        __u32 next = (at + (1U << order)) & (SEKISHO_RANGES - 1);
        __u64 high = ranges->high[next];

        at = stepped(at, order,
                     below(address->high, high) |
                         (equal(address->high, high) & below(address->low, ranges->low[next])));
    }
    return ranges->segment[at & (SEKISHO_RANGES - 1)];
}

static __always_inline bool is_enforced(const struct sekisho_table *table, __be16 port)
{
#pragma unroll
    for (int i = 0; i < SEKISHO_PORTS; i++) {
        if (!table->ports[i])
            return false;
        if (table->ports[i] == port)
            return true;
    }
    return false;
}

/* The subscriber's key as two numbers, see struct sekisho_key. */
static __always_inline struct address key_of(const struct packet *packet, const struct sekisho_segment *segment)
{
    struct address key = packet->source;
    __u32 host;

    if (packet->version == 4) {
        key.low |= 0x0000ffff00000000ULL;
        return key;
    }
    host = 128 - (segment->key_bits & 127);
    if (segment->key_bits >= 128)
        return key;
    key.low = host >= 64 ? 0 : key.low >> host << host;
    if (host > 64)
        key.high = key.high >> (host - 64) << (host - 64);
    return key;
}

/* Whether the bitmap says that there may be an entry for the key. */
static __always_inline bool may_have_entry(const struct sekisho_table *table, const struct packet *packet,
                                           const struct sekisho_segment *segment, const struct address *key)
{
    __u32 bit;

    if (segment->flags & SEKISHO_SEGMENT_HASHED)
        bit = SEKISHO_EXACT_BITS + sekisho_hashed_bit(key->high, key->low);
    else if (packet->version == 4)
        bit = segment->bit_base + (__u32)(packet->source.low - segment->first_low);
    else
        bit = segment->bit_base +
              (__u32)((packet->source.high - segment->first_high) >> ((64 - segment->key_bits) & 63));
    if (bit >= SEKISHO_EXACT_BITS + SEKISHO_HASHED_BITS)
        return true; /* a table that contradicts itself must not hide an entry */
    return table->bitmap[bit / 64] >> (bit % 64) & 1;
}

static __always_inline bool find_entry(const struct sekisho_table *table, const struct packet *packet,
                                       const struct sekisho_segment *segment, struct sekisho_entry *entry)
{
    struct address key = key_of(packet, segment);
    __be64 bytes[2] = {bpf_cpu_to_be64(key.high), bpf_cpu_to_be64(key.low)};

    if (!may_have_entry(table, packet, segment, &key))
        return false;
    return entry_of((const struct sekisho_key *)bytes, entry);
}

/* The verdict on what is no segment to an enforced port. */
static __always_inline __u8 verdict_of_shape(__u8 reason)
{
    switch (reason) {
    case SEKISHO_REASON_FRAME_TRUNCATED:
    case SEKISHO_REASON_IPV4_MALFORMED:
    case SEKISHO_REASON_IPV6_MALFORMED:
    case SEKISHO_REASON_FRAGMENT_AT_ONE:
    case SEKISHO_REASON_TINY_FRAGMENT:
    case SEKISHO_REASON_TCP_MALFORMED:
    case SEKISHO_REASON_HEADER_CHAIN:
        return SEKISHO_DROP;
    default:
        return SEKISHO_PASS;
    }
}

/* The verdict on a packet that a subscriber sent. */
static __always_inline struct decision decide(const struct packet *packet, const struct sekisho_table *table)
{
    const struct sekisho_segment *source, *destination;
    struct sekisho_entry entry = {};
    __u32 from, to;
    bool known;

    if (packet->found != SEGMENT)
        return (struct decision){packet->found, verdict_of_shape(packet->found)};
    if (!is_enforced(table, packet->destination_port))
        return (struct decision){SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS};

    if (packet->version == 4) {
        from = segment_of4(&table->source4, packet->source.low);
        to = segment_of4(&table->destination4, packet->destination.low);
    } else {
        from = segment_of6(&table->source6, &packet->source);
        to = segment_of6(&table->destination6, &packet->destination);
    }
    source = &table->segments[from & (SEKISHO_SEGMENTS - 1)];
    destination = &table->segments[to & (SEKISHO_SEGMENTS - 1)];

    known = source->flags & SEKISHO_SEGMENT_POOL && find_entry(table, packet, source, &entry);
    if (known && entry.flags & SEKISHO_ENTRY_QUARANTINE)
        return (struct decision){SEKISHO_REASON_QUARANTINED, source->action};
    if (destination->flags & SEKISHO_SEGMENT_DESIGNATED)
        return (struct decision){SEKISHO_REASON_DESIGNATED, SEKISHO_PASS};
    if (!(source->flags & SEKISHO_SEGMENT_POOL))
        return (struct decision){SEKISHO_REASON_NO_POOL, SEKISHO_PASS};
    if (source->flags & SEKISHO_SEGMENT_EXEMPT || (known && entry.flags & SEKISHO_ENTRY_EXEMPT))
        return (struct decision){SEKISHO_REASON_EXEMPT, SEKISHO_PASS};
    if (known && entry.flags & SEKISHO_ENTRY_GRANT && boottime() < entry.expires_ns)
        return (struct decision){SEKISHO_REASON_GRANTED, SEKISHO_PASS};
    return (struct decision){SEKISHO_REASON_NOT_GRANTED, source->action};
}

#endif
