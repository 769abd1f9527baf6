/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Connections that were opened under a grant, and what they cost: a long mail survives the end of its grant,
 * a grant is good for so many connections and no more. Agent and programs count in the same entries, on
 * several CPUs: every step here is one atomic operation, and what can't be done at once is left undone.
 */
#ifndef SEKISHO_FLOWS_H
#define SEKISHO_FLOWS_H

#include "known.h"

#define NANOSECONDS_PER_SECOND 1000000000ULL
/* Tries of a compare-and-exchange; each that fails means that another CPU came through. */
#define TRIES 4

/* The word that holds flows, flags and key_bits. */
#define COUNTED_FLOWS 0x0000ffffU
#define FLAG_IN_WORD(flag) ((__u32)(flag) << 16)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the word of flows and flags is laid out for this");

static __always_inline __u32 *word_of(struct sekisho_entry *entry)
{
    return (__u32 *)(void *)&entry->flows;
}

/* Counts a flow out. */
static __always_inline void release_flow(struct sekisho_entry *entry)
{
#pragma unroll
    for (int i = 0; i < TRIES; i++) {
        __u32 old = *(volatile __u32 *)word_of(entry);

        if (!(old & COUNTED_FLOWS) || __sync_val_compare_and_swap(word_of(entry), old, old - 1) == old)
            return;
    }
}

/* Counts one in, unless there are too many. */
static __always_inline bool reserve_flow(struct sekisho_entry *entry, __u32 limit)
{
    __u32 old = __sync_fetch_and_add(word_of(entry), 1);

    if ((old & COUNTED_FLOWS) < limit)
        return true;
    release_flow(entry);
    return false;
}

/* Forgets a flow; whoever really takes it out of the map counts it out. */
static __always_inline void forget_flow(const struct sekisho_flow_key *key, __u32 generation)
{
    struct sekisho_entry *entry;

    if (bpf_map_delete_elem(&sekisho_flows, key))
        return;
    entry = find_entry_of(&key->subscriber);
    if (entry && entry->generation == generation)
        release_flow(entry);
}

/* Seconds without a packet after which a flow is forgotten. */
static __always_inline __u32 idle_limit(__u32 state, __u32 configured)
{
    if (state == SEKISHO_FLOW_OPENING)
        return SEKISHO_FLOW_OPENING_S;
    return state == SEKISHO_FLOW_CLOSING ? SEKISHO_FLOW_CLOSING_S : configured;
}

static __always_inline bool is_idle(const struct sekisho_flow *flow, __u32 seconds, __u32 configured)
{
    __s32 idle = (__s32)(seconds - flow->seen_s); /* negative: another CPU's clock was read later */

    return idle > (__s32)idle_limit(flow->state, configured);
}

static __always_inline void flow_key_of(const struct known *known, const struct packet *segment,
                                        struct sekisho_flow_key *key)
{
    key->subscriber = known->key;
    key->source[0] = segment->source.high;
    key->source[1] = segment->source.low;
    key->destination[0] = segment->destination.high;
    key->destination[1] = segment->destination.low;
    key->source_port = segment->source_port;
    key->destination_port = segment->destination_port;
    key->reserved = 0;
}

/*
 * Whether a segment belongs to a recorded flow of its subscriber's generation. A SYN does only if it repeats
 * the recorded one before the connection is open: nobody opens a second connection in the place of the first.
 */
__attribute__((noinline)) int running_flow(const struct known *known, const struct packet *segment, __u64 now)
{
    const struct sekisho_table *table = current_table();
    __u32 seconds = now / NANOSECONDS_PER_SECOND;
    struct sekisho_flow_key key;
    struct sekisho_flow *flow;

    if (!known || !segment || !table)
        return 0;
    flow_key_of(known, segment, &key);
    flow = bpf_map_lookup_elem(&sekisho_flows, &key);
    if (!flow || flow->generation != known->generation || is_idle(flow, seconds, table->flow_idle_s))
        return 0;
    if (is_opening(segment))
        return flow->state == SEKISHO_FLOW_OPENING && flow->sequence == segment->seq;
    if (segment->flags & TCP_RST) {
        forget_flow(&key, known->generation);
        return 1;
    }
    if (segment->flags & TCP_FIN)
        flow->state = SEKISHO_FLOW_CLOSING;
    else if (flow->state == SEKISHO_FLOW_OPENING)
        flow->state = SEKISHO_FLOW_OPEN;
    if (flow->seen_s != seconds)
        flow->seen_s = seconds;
    return 1;
}

/* Whether a new connection is within what the entry may open in this window. */
static __always_inline bool within_window(struct sekisho_entry *entry, const struct sekisho_table *table,
                                          __u32 seconds)
{
    __u32 old = *(volatile __u32 *)&entry->window, number;

    if (!table->window_s)
        return true;
    number = (seconds / table->window_s) & 0xffff;
    if (old >> 16 != number && __sync_val_compare_and_swap(&entry->window, old, number << 16 | 1) == old)
        return table->window_limit >= 1;
    return (__sync_fetch_and_add(&entry->window, 1) & 0xffff) < table->window_limit;
}

static __always_inline bool within_budget(struct sekisho_entry *entry)
{
    return entry->flags & SEKISHO_ENTRY_UNLIMITED || __sync_fetch_and_add(&entry->budget_left, -1) > 0;
}

/* Tells the agent. */
static __always_inline void send(struct sekisho_event *event)
{
    __u32 zero = 0;
    struct sekisho_limiter *limiter;

    if (!bpf_ringbuf_output(&sekisho_events, event, sizeof(*event), 0))
        return;
    limiter = bpf_map_lookup_elem(&sekisho_limiters, &zero);
    if (limiter)
        limiter->unsent++;
}

/* No new connections until the agent says so; it is told once. */
static __always_inline void stop_opening(struct sekisho_entry *entry, const struct sekisho_key *key)
{
    __u32 old = __sync_fetch_and_or(word_of(entry), FLAG_IN_WORD(SEKISHO_ENTRY_OVERRUN));
    struct sekisho_event event = {.kind = SEKISHO_EVENT_OVERRUN};

    if (old & FLAG_IN_WORD(SEKISHO_ENTRY_OVERRUN))
        return;
    event.key = *key;
    event.generation = entry->generation;
    event.key_bits = entry->key_bits;
    send(&event);
}

/* Writes a new connection down; its place among its subscriber's is reserved already. */
static __always_inline __u8 record_flow(struct sekisho_entry *entry, const struct sekisho_flow_key *key,
                                        const struct sekisho_flow *flow)
{
    struct sekisho_flow *old;

    if (!bpf_map_update_elem(&sekisho_flows, key, flow, BPF_NOEXIST))
        return SEKISHO_REASON_GRANTED;
    /* The same ports again: the old connection is over, its place is the new one's. */
    old = bpf_map_lookup_elem(&sekisho_flows, key);
    if (!old) {
        release_flow(entry);
        return SEKISHO_REASON_FLOW_UNRECORDED;
    }
    if (old->generation == flow->generation)
        release_flow(entry);
    old->generation = flow->generation;
    old->sequence = flow->sequence;
    old->seen_s = flow->seen_s;
    old->state = flow->state;
    return SEKISHO_REASON_GRANTED;
}

/* Opens a connection under a live grant, at its cost: the reason why, or why not. */
__attribute__((noinline)) int open_flow(const struct known *known, const struct packet *segment, __u64 now)
{
    const struct sekisho_table *table = current_table();
    __u32 seconds = now / NANOSECONDS_PER_SECOND;
    struct sekisho_flow flow = {};
    struct sekisho_flow_key key;
    struct sekisho_entry *entry;

    if (!known || !segment || !table)
        return SEKISHO_REASON_NOT_GRANTED;
    flow_key_of(known, segment, &key);
    entry = entry_at(known->place);
    if (!entry || !same_key(&entry->key, &key.subscriber) || entry->generation != known->generation)
        return SEKISHO_REASON_NOT_GRANTED;
    if (entry->flags & SEKISHO_ENTRY_OVERRUN)
        return SEKISHO_REASON_BUDGET_EXHAUSTED;
    if (table->flow_limit && !reserve_flow(entry, table->flow_limit))
        return SEKISHO_REASON_TOO_MANY_FLOWS;
    if (!within_window(entry, table, seconds) || !within_budget(entry)) {
        if (table->flow_limit)
            release_flow(entry);
        stop_opening(entry, &key.subscriber);
        return SEKISHO_REASON_BUDGET_EXHAUSTED;
    }
    if (!table->flow_limit)
        return SEKISHO_REASON_GRANTED;
    flow.generation = known->generation;
    flow.sequence = segment->seq;
    flow.seen_s = seconds;
    return record_flow(entry, &key, &flow);
}

#endif
