/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The maps as layout 5 had them: the policy in .bss, counters by slot, the fast path; entries in a hash. */
#include "since_3.h"

#define SLOTS 64
#define CHANGES 512
#define STATE_OCTETS 8618120 /* of two policies, made anew at each start, and of the interfaces' slots */

struct sekisho_state {
    __u64 octets[STATE_OCTETS / sizeof(__u64)];
};

struct sekisho_sampling {
    __u32 epoch;
    __u32 skip;
    __u32 noted;
    __u32 weight;
};

struct sekisho_counts {
    struct sekisho_count at[COUNTS];
    struct sekisho_sampling sampling;
};

struct sekisho_router {
    __u16 mac[3];
    __u16 routes;
};

struct sekisho_change {
    struct sekisho_entry entry;
    __u32 renew;
    __u32 result;
};

struct sekisho_state sekisho_state;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SLOTS);
    __type(key, __u32);
    __type(value, struct sekisho_counts);
} sekisho_counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, SLOTS);
    __type(key, __u32);
    __type(value, __u32);
} sekisho_forwarding SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SLOTS);
    __type(key, __u32);
    __type(value, struct sekisho_router);
} sekisho_routers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, CHANGES);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct sekisho_change);
} sekisho_changes SEC(".maps");

/* The agent gave out the slots in its own order; here an interface's is a part of its index. */
static __always_inline void count_blocked(__u32 index, __u32 length)
{
    __u32 slot = index % SLOTS;
    struct sekisho_counts *counts = bpf_map_lookup_elem(&sekisho_counts, &slot);

    if (!counts)
        return;
    counts->at[NOT_GRANTED * VERDICTS + DROP].packets++;
    counts->at[NOT_GRANTED * VERDICTS + DROP].bytes += length;
}

#include "programs.h"
