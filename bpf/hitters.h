/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Who is being blocked: a small table per CPU, in which those who send most stay. A stranger takes the place
 * of another with a probability of one in as many packets as that one has sent, so a flood from a million
 * forged sources costs little more than one from ten, and doesn't wash an infected machine out. In a flood
 * a few packets, by chance, stand for all.
 */
#ifndef SEKISHO_HITTERS_H
#define SEKISHO_HITTERS_H

#include "known.h"

/* The table's clock: 2^30 ns, near enough to a second, and no division. */
#define HITTER_TICK 30
/* Ticks without a packet after which a place is free. */
#define HITTER_STALE 600

/* By what a sender is known here: the IPv4 address, or the IPv6 address's first 64 bits. */
static __always_inline struct address hitter_of(const struct packet *line)
{
    if (line->version == 4)
        return (struct address){0, line->source.low | 0x0000ffff00000000ULL};
    return (struct address){line->source.high, 0};
}

static __always_inline struct sekisho_hitter *place_of(struct sekisho_hitters *hitters, struct address who)
{
    __u64 mixed = (who.high ^ who.low) * 0x9e3779b97f4a7c15ULL;

    return &hitters->places[mixed >> 48 & (SEKISHO_HITTERS - 1)];
}

static __always_inline bool holds(const struct sekisho_hitter *hitter, struct address who)
{
    return hitter->source[0] == who.high && hitter->source[1] == who.low;
}

/* 32 bits by chance. The numbers are this CPU's own: a sender can't choose them. */
static __always_inline __u64 chance(struct sekisho_hitters *hitters)
{
    hitters->random = hitters->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return hitters->random >> 32;
}

/* Whether a stranger with so many packets gets the place of a holder with so many. */
static __always_inline bool wins_against(struct sekisho_hitters *hitters, __u32 packets, __u64 held)
{
    return !(held >> 32) && chance(hitters) * held < (__u64)packets << 32;
}

/* Whether another packet stands for this one: most of a flood, which then costs little. */
static __always_inline bool is_skipped(struct sekisho_sampling *sampling)
{
    __u32 epoch = bpf_jiffies64() >> SEKISHO_EPOCH_SHIFT;

    if (!sampling->skip || sampling->epoch != epoch)
        return false;
    sampling->skip--;
    return true;
}

/* For how many packets this one stands, which isn't skipped. Says how many will be skipped next. */
static __always_inline __u32 stands_for(struct sekisho_sampling *sampling, struct sekisho_hitters *hitters)
{
    __u32 epoch = bpf_jiffies64() >> SEKISHO_EPOCH_SHIFT, weight;

    if (sampling->epoch != epoch) {
        sampling->epoch = epoch;
        sampling->noted = 0;
        sampling->weight = 1;
    }
    weight = sampling->weight;
    sampling->skip = chance(hitters) * (2 * weight - 1) >> 32;
    if (++sampling->noted >= SEKISHO_NOTED && weight < SEKISHO_SPARSEST) {
        sampling->noted = 0;
        sampling->weight = weight * 8;
    }
    return weight;
}

/* A bit for a destination, of 64: how many are set says about how many destinations there were. */
static __always_inline __u64 bit_of_destination(const struct packet *segment)
{
    __u64 mixed = (segment->destination.high ^ segment->destination.low) * 0x9e3779b97f4a7c15ULL;

    return 1ULL << (mixed >> 58);
}

/* Notes a segment that is blocked, or would be, and that isn't skipped. */
static __always_inline void note(struct sekisho_sampling *sampling, const struct packet *line,
                                 const struct packet *segment)
{
    __u32 zero = 0, packets, now;
    struct sekisho_hitters *hitters = bpf_map_lookup_elem(&sekisho_hitters, &zero);
    struct address who = hitter_of(line);
    struct sekisho_hitter *place;

    if (!hitters)
        return;
    packets = stands_for(sampling, hitters);
    now = bpf_ktime_get_coarse_ns() >> HITTER_TICK;
    place = place_of(hitters, who);
    if (!holds(place, who) || now - place->last >= HITTER_STALE) {
        /* Who comes back after a while begins anew, too: it is asked how many a second he sends now. */
        if (now - place->last < HITTER_STALE && !wins_against(hitters, packets, place->packets))
            return;
        __builtin_memset(place, 0, sizeof(*place));
        place->source[0] = who.high;
        place->source[1] = who.low;
        place->first = now;
    }
    place->packets += packets;
    place->last = now;
    place->destinations |= bit_of_destination(segment);
}

/* The same, if it isn't skipped. */
static __always_inline void note_blocked(__u32 interface, const struct packet *line,
                                         const struct packet *segment)
{
    struct sekisho_counts *counts = counts_of(interface);

    if (counts && !is_skipped(&counts->sampling))
        note(&counts->sampling, line, segment);
}

/* The key of the subscriber who sends this: a host may have a whole prefix of addresses to ask from. */
static __always_inline struct address sender_of(const struct sekisho_table *table,
                                                const struct packet *packet)
{
    const struct sekisho_segment *segment;
    __u32 from, to;

    find_segments(table, packet, &from, &to);
    segment = segment_at(table, from);
    return segment->flags & SEKISHO_SEGMENT_POOL ? key_of(packet, segment) : hitter_of(packet);
}

/* Whether a subscriber may get one more answer in this tick: one machine must not use up the others'. */
static __always_inline bool answer_fair(struct address key, __u32 limit)
{
    __u32 zero = 0, now = bpf_ktime_get_coarse_ns() >> HITTER_TICK;
    struct sekisho_hitters *hitters = bpf_map_lookup_elem(&sekisho_hitters, &zero);
    __u32 share = limit / SEKISHO_ANSWER_SHARES;
    struct sekisho_hitter *place;

    if (!hitters)
        return false;
    if (share < SEKISHO_ANSWER_LEAST)
        share = SEKISHO_ANSWER_LEAST;
    place = place_of(hitters, key);
    if (place->answered != now) {
        place->answered = now;
        place->answers = 0;
    }
    return place->answers++ < share;
}

#endif
