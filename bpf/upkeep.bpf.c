/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the agent runs itself (bpf(2), BPF_PROG_TEST_RUN of a program of type syscall), never a packet:
 * to walk over a table is cheaper in the kernel, and some things only programs may see.
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
    entry = find_entry_of(&copy.subscriber);
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

/* Whether an address is a foreign dynamic one: to open the trie itself takes CAP_SYS_ADMIN
 * (bpf_map_get_fd_by_id). */
SEC("syscall")
int ask_foreign(struct sekisho_foreign_question *context)
{
    struct sekisho_foreign_key key = context->key;

    context->found = is_foreign_address(&key);
    return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
