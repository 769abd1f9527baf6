/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The maps as layout 1 had them: no flows, no budgets, an element for each counter. */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define REASONS 32
#define VERDICTS 8
#define COUNTS (REASONS * VERDICTS)
#define NOT_GRANTED 25
#define DROP 2
#define TABLE_OCTETS 3227688 /* of the policy, which is made anew at each start */

struct sekisho_key {
    __u8 bytes[16];
};

struct sekisho_entry {
    struct sekisho_key key;
    __u64 expires_ns;
    __u32 generation;
    __u32 budget_left; /* reserved, like the next two */
    __u32 window_start;
    __u16 window_used;
    __u8 flags; /* 1 exempt, 2 granted, 4 quarantined */
    __u8 key_bits;
};

struct sekisho_count {
    __u64 packets;
    __u64 bytes;
};

struct sekisho_interface {
    __u8 mac[6];
    __u8 any_mac;
    __u8 side;
    __u8 tunnels;
    __u8 reserved[3];
};

struct sekisho_limiter {
    __u64 window;
    __u32 used;
    __u32 reserved;
};

struct table_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, TABLE_OCTETS);
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct table_map);
} sekisho_tables SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sekisho_key);
    __type(value, struct sekisho_entry);
} sekisho_entries SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTS);
    __type(key, __u32);
    __type(value, struct sekisho_count);
} sekisho_counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, struct sekisho_interface);
} sekisho_interfaces SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sekisho_limiter);
} sekisho_limiters SEC(".maps");

static __always_inline void count_blocked(__u32 index, __u32 length)
{
    __u32 place = NOT_GRANTED * VERDICTS + DROP;
    struct sekisho_count *counted = bpf_map_lookup_elem(&sekisho_counts, &place);

    (void)index;
    if (!counted)
        return;
    counted->packets++;
    counted->bytes += length;
}

#include "programs.h"
