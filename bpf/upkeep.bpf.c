/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the agent changes in the maps while the kernel counts in them: run by the agent itself (bpf(2),
 * BPF_PROG_TEST_RUN of a program of type syscall), never by a packet. There is one agent at a time, so what
 * is looked up here goes only if this takes it out.
 */
#include <linux/bpf.h>

/* No packet comes here. */
typedef void program_context;

#include "flows.h"

static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size)
{
    (void)context, (void)offset, (void)to, (void)size;
    return -1;
}

static __always_inline __u32 frame_length(program_context *context)
{
    (void)context;
    return 0;
}

#define SETTABLE \
    (SEKISHO_ENTRY_EXEMPT | SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_QUARANTINE | SEKISHO_ENTRY_UNLIMITED)

/* The grant of another holder: what was counted of the last one counts no longer. */
static __always_inline void hand_over(struct sekisho_entry *entry, const struct sekisho_change *change)
{
    __u32 cleared = FLAG_IN_WORD(SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_OVERRUN) | COUNTED_FLOWS;

    __sync_fetch_and_and(word_of(entry), ~cleared);
    *(volatile __u32 *)&entry->generation = change->entry.generation;
    *(volatile __u32 *)&entry->window = 0;
}

/* Changes an entry that is there. A packet meanwhile finds the old grant, none, or the new one. */
static __always_inline void update_entry(struct sekisho_entry *entry, const struct sekisho_change *change)
{
    bool handed_over = entry->generation != change->entry.generation;

    if (handed_over)
        hand_over(entry, change);
    if (handed_over || change->renew)
        *(volatile __s32 *)&entry->budget_left = change->entry.budget_left;
    *(volatile __u64 *)&entry->expires_ns = change->entry.expires_ns;
    *(volatile __u8 *)&entry->key_bits = change->entry.key_bits;
    __sync_fetch_and_and(word_of(entry), ~FLAG_IN_WORD(SETTABLE & ~change->entry.flags));
    __sync_fetch_and_or(word_of(entry), FLAG_IN_WORD(change->entry.flags & SETTABLE));
}

/* What is to be done in one call; the agent fills it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SEKISHO_CHANGES);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct sekisho_change);
} sekisho_changes SEC(".maps");

/* Writes what is known of a key; what the kernel counts stays, unless it is to begin anew. */
static __always_inline __u32 put(struct sekisho_change *change)
{
    struct sekisho_entry *entry = bpf_map_lookup_elem(&sekisho_entries, &change->entry.key);

    if (entry) {
        update_entry(entry, change);
        return SEKISHO_CHANGE_DONE;
    }
    change->entry.flags &= SETTABLE;
    change->entry.flows = 0;
    change->entry.window = 0;
    return bpf_map_update_elem(&sekisho_entries, &change->entry.key, &change->entry, BPF_NOEXIST)
               ? SEKISHO_CHANGE_FULL
               : SEKISHO_CHANGE_MADE;
}

SEC("syscall")
int put_entry(struct sekisho_change *context)
{
    struct sekisho_change change;

    __builtin_memcpy(&change, context, sizeof(change));
    context->result = put(&change);
    return 0;
}

static long put_one(__u32 index, void *unused)
{
    struct sekisho_change *change = bpf_map_lookup_elem(&sekisho_changes, &index);

    (void)unused;
    if (!change)
        return 1;
    change->result = put(change);
    return 0;
}

/* The same for many: a call into the kernel costs more than all it does for one of them. */
SEC("syscall")
int put_entries(struct sekisho_batch *context)
{
    bpf_loop(context->count, put_one, NULL, 0);
    return 0;
}

/* Takes everything out of an entry but its flows, and the entry too, if it has none. */
SEC("syscall")
int retire_entry(struct sekisho_change *context)
{
    struct sekisho_key key = context->entry.key;
    struct sekisho_entry *entry = bpf_map_lookup_elem(&sekisho_entries, &key);
    __u32 before;

    context->result = SEKISHO_CHANGE_ABSENT;
    if (!entry)
        return 0;
    before = __sync_fetch_and_and(word_of(entry), ~FLAG_IN_WORD(SETTABLE | SEKISHO_ENTRY_OVERRUN));
    context->result = SEKISHO_CHANGE_RESTING;
    if (before & COUNTED_FLOWS)
        return 0;
    bpf_map_delete_elem(&sekisho_entries, &key);
    context->result = SEKISHO_CHANGE_DONE;
    return 0;
}

static long sweep_flow(void *map, const struct sekisho_flow_key *key, struct sekisho_flow *flow,
                       struct sekisho_sweep *sweep)
{
    const struct sekisho_table *table = current_table();
    struct sekisho_flow_key copy = *key; /* the element goes with its key */
    struct sekisho_entry *entry;
    __u32 generation = flow->generation;

    (void)map;
    if (!table)
        return 1;
    entry = bpf_map_lookup_elem(&sekisho_entries, &copy.subscriber);
    if (entry && entry->generation == generation &&
        !is_idle(flow, sweep->now_ns / NANOSECONDS_PER_SECOND, table->flow_idle_s)) {
        sweep->flows++;
        return 0;
    }
    forget_flow(&copy, generation);
    sweep->ended++;
    return 0;
}

/* Forgets the flows that are idle, and those whose subscriber's key has gone or is another's. */
SEC("syscall")
int sweep_flows(struct sekisho_sweep *context)
{
    struct sekisho_sweep sweep = {.now_ns = context->now_ns};

    bpf_for_each_map_elem(&sekisho_flows, sweep_flow, &sweep, 0);
    context->flows = sweep.flows;
    context->ended = sweep.ended;
    return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
