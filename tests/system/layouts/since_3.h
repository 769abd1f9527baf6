/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What layout 3 had, and layout 5 still: flows, budgets, foreign addresses, hitters. */
#ifndef LAYOUTS_SINCE_3_H
#define LAYOUTS_SINCE_3_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define REASONS 64
#define VERDICTS 8
#define COUNTS (REASONS * VERDICTS)
#define NOT_GRANTED 25
#define DROP 2

struct sekisho_key {
    __u8 bytes[16];
};

struct sekisho_entry {
    struct sekisho_key key;
    __u64 expires_ns;
    __u32 generation;
    __s32 budget_left;
    __u32 window;
    __u16 flows __attribute__((aligned(4)));
    __u8 flags; /* 1 exempt, 2 granted, 4 quarantined, 8 overrun, 16 unlimited */
    __u8 key_bits;
};

struct sekisho_flow_key {
    struct sekisho_key subscriber;
    __u64 source[2];
    __u64 destination[2];
    __u16 source_port;
    __u16 destination_port;
    __u32 reserved;
};

struct sekisho_flow {
    __u32 generation;
    __u32 sequence;
    __u32 seen_s;
    __u32 state; /* 0 opening, 1 open, 2 closing */
};

struct sekisho_foreign_key {
    __u32 bits;
    __u8 address[16];
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

struct sekisho_hitter {
    __u64 source[2];
    __u64 packets;
    __u64 destinations;
    __u32 first;
    __u32 last;
    __u32 answered;
    __u32 answers;
};

struct sekisho_hitters {
    __u64 random;
    struct sekisho_hitter places[512];
};

struct sekisho_limiter {
    __u64 window;
    __u32 used;
    __u32 reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sekisho_key);
    __type(value, struct sekisho_entry);
} sekisho_entries SEC(".maps");

struct foreign_map {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(key_size, sizeof(struct sekisho_foreign_key));
    __uint(value_size, sizeof(__u8));
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct foreign_map);
} sekisho_foreign SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sekisho_flow_key);
    __type(value, struct sekisho_flow);
} sekisho_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} sekisho_events SEC(".maps");

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

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sekisho_hitters);
} sekisho_hitters SEC(".maps");

#endif
