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

/* What is written about a subscriber's key, as it was read. */
struct known {
    struct sekisho_key key;
    __u64 expires_ns;
    __u32 generation;
    __u32 place; /* for the includer */
    __u16 flows;
    __u8 flags; /* enum sekisho_entry_flag */
    __u8 reserved[5];
};

/* Copies what is written about a key: true, or false if nothing is. By the includer. */
static __always_inline bool entry_of(const struct sekisho_key *key, struct known *known);
/* CLOCK_BOOTTIME in nanoseconds. By the includer. */
static __always_inline __u64 boottime(void);
/* Whether a segment belongs to a connection that its subscriber opened under a grant. By the includer. */
int running_flow(const struct known *known, const struct packet *segment, __u64 now);
/* Opens one under a live grant: GRANTED, or another reason, see is_open(). By the includer. */
int open_flow(const struct known *known, const struct packet *segment, __u64 now);
/* Whether a segment's source is among the foreign dynamic addresses. By the includer. */
int is_foreign(const struct packet *segment);

struct decision {
    __u8 reason;
    __u8 verdict;
};

/*
 * IPv4's first half mostly says all: a look into a table, of which a few lines are used, instead of a
 * search.
 *
 * The searches have no branches: they cost the verifier one path instead of 2^steps, and the CPU no wrong
 * guess. Source and destination are looked for at the same time, because one step waits for the one before
 * it, and not for the other search's. The asm keeps the compiler from seeing a comparison, which it would
 * make a branch.
 *
 * Few ranges are the rule: then the upper steps, which would all find unused places, are left out. (That
 * place is also the highest address where a range begins there; nobody sends TCP to or from 255.255.255.255.)
 */
#define FEW_STEPS 6
#define FEW_RANGES (1U << FEW_STEPS)

struct search4 {
    const __u32 *at; /* the start of the range reached so far */
    __u32 place;     /* of it */
    __u64 behind;    /* the address behind the one that is looked for */
};

/* 2^order ranges further, if that doesn't leave the address behind. */
static __always_inline void step4(struct search4 *search, int order)
{
    __u64 difference = search->at[1U << order] - search->behind;
    __u32 forward;

    asm volatile("" : "+r"(difference));
    forward = (__u32)(difference >> 63) << order;
    search->at += forward;
    asm volatile("" : "+r"(search->at));
    search->place += forward;
}

static __always_inline void find_segments4(const struct sekisho_table *table, const struct packet *packet,
                                           __u32 *from, __u32 *to)
{
    struct search4 source = {table->source4.start, 0, packet->source.low + 1};
    struct search4 destination = {table->destination4.start, 0, packet->destination.low + 1};
    __u64 source_means = table->source4.first[packet->source.low >> 16 & (SEKISHO_FIRSTS - 1)];
    __u64 destination_means = table->destination4.first[packet->destination.low >> 16 & (SEKISHO_FIRSTS - 1)];

    if (!((source_means | destination_means) & SEKISHO_SEARCH)) {
        *from = source_means >> 16 & (SEKISHO_SEGMENTS - 1);
        *to = destination_means >> 16 & (SEKISHO_SEGMENTS - 1);
        return;
    }
    if (~(table->source4.start[FEW_RANGES] & table->destination4.start[FEW_RANGES])) {
#pragma unroll
        for (int order = SEKISHO_RANGE_STEPS - 1; order >= FEW_STEPS; order--) {
            step4(&source, order);
            step4(&destination, order);
        }
    }
#pragma unroll
    for (int order = FEW_STEPS - 1; order >= 0; order--) {
        step4(&source, order);
        step4(&destination, order);
    }
    *from = table->source4.segment[source.place & (SEKISHO_RANGES - 1)];
    *to = table->destination4.segment[destination.place & (SEKISHO_RANGES - 1)];
}

/* The borrow of a - b - borrow: 1 where a < b + borrow. */
static __always_inline __u64 borrow_of(__u64 a, __u64 b, __u64 borrow)
{
    __u64 borrowed = (~a & b) | (~(a ^ b) & (a - b - borrow));

    asm volatile("" : "+r"(borrowed));
    return borrowed >> 63;
}

struct search6 {
    const __u64 *high; /* the two halves of the start of the range reached so far */
    const __u64 *low;
    __u32 place; /* of it */
    struct address address;
};

static __always_inline void step6(struct search6 *search, int order)
{
    __u64 borrow = borrow_of(search->address.low, search->low[1U << order], 0);
    __u32 forward = (__u32)(borrow_of(search->address.high, search->high[1U << order], borrow) ^ 1);

    asm volatile("" : "+r"(forward));
    forward = (forward & 1) << order;
    search->high += forward;
    search->low += forward;
    asm volatile("" : "+r"(search->high), "+r"(search->low));
    search->place += forward;
}

/* The same for IPv6. */
static __always_inline void find_segments6(const struct sekisho_table *table, const struct packet *packet,
                                           __u32 *from, __u32 *to)
{
    struct search6 source = {table->source6.high, table->source6.low, 0, packet->source};
    struct search6 destination = {table->destination6.high, table->destination6.low, 0, packet->destination};

    if (~(table->source6.high[FEW_RANGES] & table->source6.low[FEW_RANGES] &
          table->destination6.high[FEW_RANGES] & table->destination6.low[FEW_RANGES])) {
#pragma unroll
        for (int order = SEKISHO_RANGE_STEPS - 1; order >= FEW_STEPS; order--) {
            step6(&source, order);
            step6(&destination, order);
        }
    }
#pragma unroll
    for (int order = FEW_STEPS - 1; order >= 0; order--) {
        step6(&source, order);
        step6(&destination, order);
    }
    *from = table->source6.segment[source.place & (SEKISHO_RANGES - 1)];
    *to = table->destination6.segment[destination.place & (SEKISHO_RANGES - 1)];
}

static __always_inline void find_segments(const struct sekisho_table *table, const struct packet *packet,
                                          __u32 *from, __u32 *to)
{
    if (packet->version == 4)
        find_segments4(table, packet, from, to);
    else
        find_segments6(table, packet, from, to);
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
static __always_inline struct address key_of(const struct packet *packet,
                                             const struct sekisho_segment *segment)
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
                                       const struct sekisho_segment *segment, struct known *known)
{
    struct address key = key_of(packet, segment);
    __be64 bytes[2] = {bpf_cpu_to_be64(key.high), bpf_cpu_to_be64(key.low)};

    if (!may_have_entry(table, packet, segment, &key))
        return false;
    __builtin_memcpy(&known->key, bytes, sizeof(bytes));
    return entry_of(&known->key, known);
}

/* The verdict on what is no segment to an enforced port. */
static __always_inline __u8 verdict_of_shape(__u8 reason)
{
    switch (reason) {
    case SEKISHO_REASON_FRAME_TRUNCATED:
    case SEKISHO_REASON_TAGS_TOO_DEEP: /* the kernel takes off any number of tags with VID 0 */
    case SEKISHO_REASON_PPPOE_MALFORMED:
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

/* Whether a segment asks for a new connection (RFC 9293, section 3.5). */
static __always_inline bool is_opening(const struct packet *segment)
{
    return (segment->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Whether the reason is one that lets a new connection pass. */
static __always_inline bool is_open(__u8 reason)
{
    return reason == SEKISHO_REASON_GRANTED || reason == SEKISHO_REASON_FLOW_UNRECORDED;
}

/* The reason for the verdict on a segment whose subscriber has an entry that says nothing else. */
static __always_inline __u8 judge_grant(const struct known *known, const struct packet *segment)
{
    bool granted = known->flags & SEKISHO_ENTRY_GRANT;
    __u64 now;

    if (!granted && !known->flows)
        return SEKISHO_REASON_NOT_GRANTED;
    now = boottime();
    if (known->flows && running_flow(known, segment, now))
        return SEKISHO_REASON_FLOW;
    if (!granted || now >= known->expires_ns)
        return SEKISHO_REASON_NOT_GRANTED;
    return is_opening(segment) ? open_flow(known, segment, now) : SEKISHO_REASON_GRANTED;
}

static __always_inline const struct sekisho_segment *segment_at(const struct sekisho_table *table,
                                                                __u32 place)
{
    return &table->segments[place & (SEKISHO_SEGMENTS - 1)];
}

/*
 * Whether a segment goes from a foreign dynamic address to a server of one's own (IP25B). The addresses of a
 * pool are never foreign, whatever the operator's list says.
 */
static __always_inline bool is_barred(const struct sekisho_segment *source,
                                      const struct sekisho_segment *destination, const struct packet *segment)
{
    return destination->flags & SEKISHO_SEGMENT_OWN && !(source->flags & SEKISHO_SEGMENT_POOL) &&
           is_foreign(segment);
}

/* The verdict on a segment to an enforced port of a subscriber of whom nothing is known. */
static __always_inline struct decision decide_for_unknown(const struct sekisho_segment *source,
                                                          const struct sekisho_segment *destination)
{
    if (destination->flags & SEKISHO_SEGMENT_DESIGNATED)
        return (struct decision){SEKISHO_REASON_DESIGNATED, SEKISHO_PASS};
    if (!(source->flags & SEKISHO_SEGMENT_POOL))
        return (struct decision){SEKISHO_REASON_NO_POOL, SEKISHO_PASS};
    if (source->flags & SEKISHO_SEGMENT_EXEMPT)
        return (struct decision){SEKISHO_REASON_EXEMPT, SEKISHO_PASS};
    return (struct decision){SEKISHO_REASON_NOT_GRANTED, source->action};
}

/*
 * The verdict on a segment to an enforced port; `line` is the packet by whose source the subscriber is known.
 */
static __always_inline struct decision decide_between(const struct packet *line, const struct packet *segment,
                                                      const struct sekisho_table *table, __u32 from, __u32 to)
{
    const struct sekisho_segment *source = segment_at(table, from);
    const struct sekisho_segment *destination = segment_at(table, to);
    struct decision decision = decide_for_unknown(source, destination);
    struct known known = {};
    __u8 reason;

    if (is_barred(source, destination, segment))
        return (struct decision){SEKISHO_REASON_FOREIGN_DYNAMIC, destination->action};
    if (!(source->flags & SEKISHO_SEGMENT_POOL) || !find_entry(table, line, source, &known))
        return decision;
    if (known.flags & SEKISHO_ENTRY_QUARANTINE)
        return (struct decision){SEKISHO_REASON_QUARANTINED, source->action};
    if (decision.reason != SEKISHO_REASON_NOT_GRANTED)
        return decision;
    if (known.flags & SEKISHO_ENTRY_EXEMPT)
        return (struct decision){SEKISHO_REASON_EXEMPT, SEKISHO_PASS};
    reason = judge_grant(&known, segment);
    if (reason == SEKISHO_REASON_FLOW || is_open(reason))
        return (struct decision){reason, SEKISHO_PASS};
    return (struct decision){reason, source->action};
}

/* Whether an address is one that has to do with the link only: unspecified, or IPv6's link-local. */
static __always_inline bool is_of_the_link(const struct address *address, __u8 version)
{
    if (version == 4)
        return address->low == 0;
    return address->high >> 54 == 0xfe80 >> 6 || (address->high == 0 && address->low == 0);
}

/*
 * Whether a packet's source lies in none of the pools where it should (BCP 38, RFC 2827): those that have the
 * bit of `entrants`, or any if that is 0. What is malformed has reasons of its own; what isn't IP has no
 * source; DHCP and neighbour discovery have none yet, or one of the link.
 */
static __always_inline bool is_source_invalid(const struct packet *packet, const struct sekisho_table *table,
                                              __u8 entrants)
{
    const struct sekisho_segment *source;
    __u32 from, to;

    if (!packet->version || packet->found == SEKISHO_REASON_IPV4_MALFORMED ||
        packet->found == SEKISHO_REASON_IPV6_MALFORMED || is_of_the_link(&packet->source, packet->version))
        return false;
    find_segments(table, packet, &from, &to);
    source = segment_at(table, from);
    if (!(source->flags & SEKISHO_SEGMENT_POOL))
        return true;
    return entrants && !(source->entrants >> ((entrants - 1) % SEKISHO_ENTRANTS) & 1);
}

/* Whether the packet needs no look at its sender: then *decision is the verdict. */
static __always_inline bool is_settled(const struct packet *packet, const struct sekisho_table *table,
                                       struct decision *decision)
{
    if (packet->found != SEGMENT)
        *decision = (struct decision){packet->found, verdict_of_shape(packet->found)};
    else if (!is_enforced(table, packet->destination_port))
        *decision = (struct decision){SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS};
    else
        return false;
    return true;
}

/* The verdict on a packet that a subscriber sent. */
static __always_inline struct decision decide(const struct packet *packet, const struct sekisho_table *table)
{
    struct decision settled;
    __u32 from, to;

    if (is_settled(packet, table, &settled))
        return settled;
    find_segments(table, packet, &from, &to);
    return decide_between(packet, packet, table, from, to);
}

/*
 * The verdict on a plain packet (see plain.h), unless it needs a closer look: that there may be an
 * entry, or that it goes to a server of one's own.
 */
static __always_inline bool decide_plain(const struct packet *packet, const struct sekisho_table *table,
                                         struct decision *decision)
{
    const struct sekisho_segment *source, *destination;
    struct address key;
    __u32 from, to;

    if (is_settled(packet, table, decision))
        return true;
    find_segments(table, packet, &from, &to);
    source = segment_at(table, from);
    destination = segment_at(table, to);
    if (destination->flags & SEKISHO_SEGMENT_OWN)
        return false;
    key = key_of(packet, source);
    if (source->flags & SEKISHO_SEGMENT_POOL && may_have_entry(table, packet, source, &key))
        return false;
    *decision = decide_for_unknown(source, destination);
    return true;
}

/*
 * The verdict on a segment between IPv4 addresses, unless it needs a closer look: that a search is needed, or
 * that something is known of one of them. A table that enforces no port decides nothing.
 */
static __always_inline bool decide_at_sight(const struct sekisho_table *table, __u32 source,
                                            __u32 destination, __be16 port, struct decision *decision)
{
    const __u8 unless_from = SEKISHO_SEARCH | SEKISHO_SEGMENT_EXEMPT | SEKISHO_SEGMENT_HASHED;
    const __u8 unless_to = SEKISHO_SEARCH | SEKISHO_SEGMENT_DESIGNATED | SEKISHO_SEGMENT_OWN;
    __u64 from, to;
    __u32 bit;

    if (!table->ports[0])
        return false;
    if (!is_enforced(table, port)) {
        *decision = (struct decision){SEKISHO_REASON_PORT_NOT_ENFORCED, SEKISHO_PASS};
        return true;
    }
    from = table->source4.first[source >> 16];
    to = table->destination4.first[destination >> 16];
    if ((from & (unless_from | SEKISHO_SEGMENT_POOL)) != SEKISHO_SEGMENT_POOL || to & unless_to)
        return false;
    bit = (from >> 32) + source;
    if (bit >= SEKISHO_EXACT_BITS || table->bitmap[bit / 64] >> (bit % 64) & 1)
        return false;
    *decision = (struct decision){SEKISHO_REASON_NOT_GRANTED, from >> 8 & (SEKISHO_VERDICTS - 1)};
    return true;
}

/* The same for what the tunnel `outer` carries: the subscriber is known by the tunnel's source. */
static __always_inline struct decision decide_in_tunnel(const struct packet *outer,
                                                        const struct packet *inner,
                                                        const struct sekisho_table *table)
{
    struct decision settled;
    __u32 from, to, unused;

    if (is_settled(inner, table, &settled))
        return settled;
    if (outer->version == 4) {
        find_segments4(table, outer, &from, &unused);
        find_segments6(table, inner, &unused, &to);
    } else {
        find_segments6(table, outer, &from, &unused);
        find_segments4(table, inner, &unused, &to);
    }
    return decide_between(outer, inner, table, from, to);
}

/* Whether a verdict on the subscriber's own packet would have been to block it. */
static __always_inline bool is_blocked(struct decision decision)
{
    return decision.reason == SEKISHO_REASON_NOT_GRANTED || decision.reason == SEKISHO_REASON_QUARANTINED ||
           decision.reason == SEKISHO_REASON_BUDGET_EXHAUSTED ||
           decision.reason == SEKISHO_REASON_TOO_MANY_FLOWS;
}

static __always_inline bool is_reply(const struct packet *packet, const struct sekisho_table *table)
{
    return packet->found == SEGMENT && table->inbound_replies && is_enforced(table, packet->source_port);
}

static __always_inline bool is_inbound(const struct packet *packet, const struct sekisho_table *table)
{
    return packet->found == SEGMENT && is_enforced(table, packet->destination_port);
}

/* Whether a reply is one that may not be: `own` is the verdict on what would have asked for it. */
static __always_inline bool is_refused_reply(const struct sekisho_table *table, struct decision own)
{
    return is_blocked(own) || (table->inbound_replies == SEKISHO_REPLIES_DESIGNATED &&
                               (own.reason == SEKISHO_REASON_EXEMPT || own.reason == SEKISHO_REASON_FLOW ||
                                is_open(own.reason)));
}

/* Makes of a segment what its receiver would answer, opening nothing. */
static __always_inline void turn_around(struct packet *segment)
{
    struct address source = segment->source;
    __be16 port = segment->source_port;

    segment->source = segment->destination;
    segment->destination = source;
    segment->source_port = segment->destination_port;
    segment->destination_port = port;
    segment->flags = TCP_ACK;
}

/*
 * The verdict on a packet that comes from elsewhere. What comes from an enforced port is half of a
 * conversation whose other half takes another way (triangular spam): it goes on only to who may ask there.
 * What goes to an enforced port is for a server of one's own, which foreign dynamic addresses may not reach
 * (IP25B), or for a mail server among the subscribers, as far as their pool allows that; one with a static
 * contract always may, and the designated servers may reach all. What goes from one to another must pass
 * both. Nobody gets an answer. The packet is turned around on the way.
 */
static __always_inline struct decision decide_uplink(struct packet *packet, const struct sekisho_table *table)
{
    struct decision decision = {SEKISHO_REASON_UPLINK, SEKISHO_PASS}, own;
    bool reply = is_reply(packet, table), inbound = is_inbound(packet, table);
    const struct sekisho_segment *pool;
    __u32 from, to;

    if (!reply && !inbound)
        return decision;
    if (inbound) {
        find_segments(table, packet, &from, &to);
        if (is_barred(segment_at(table, from), segment_at(table, to), packet))
            return (struct decision){SEKISHO_REASON_FOREIGN_DYNAMIC, segment_at(table, to)->action};
    }
    turn_around(packet);
    find_segments(table, packet, &from, &to);
    pool = segment_at(table, from);
    own = decide_between(packet, packet, table, from, to);
    if (reply && is_refused_reply(table, own))
        decision.reason = SEKISHO_REASON_UPLINK_REPLY;
    else if (inbound && pool->flags & SEKISHO_SEGMENT_CLOSED && own.reason != SEKISHO_REASON_DESIGNATED &&
             own.reason != SEKISHO_REASON_EXEMPT)
        decision.reason = SEKISHO_REASON_UPLINK_INBOUND;
    else
        return decision;
    decision.verdict = pool->action == SEKISHO_MONITOR ? SEKISHO_MONITOR : SEKISHO_DROP;
    return decision;
}

#endif
