/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The maps, shared by all programs through their pins. */
#ifndef SEKISHO_MAPS_H
#define SEKISHO_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "sekisho_abi.h"

/* The only thing in .bss, which is thereby the same in all objects and is pinned like a map. */
struct sekisho_state sekisho_state;

/* The agent writes them in place. max_entries is set before loading; sekisho_state.buckets says it, too. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1024);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct sekisho_bucket);
} sekisho_entries SEC(".maps");

/*
 * Foreign dynamic addresses, replaced as a whole: the kernel waits for the readers of the old ones before it
 * lets go of them.
 */
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

/*
 * When it is full, a new connection passes unrecorded: it lives as long as its grant, and no running one is
 * lost. All memory is there from the beginning: a third faster, and none can lack later. max_entries is set
 * before loading.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __type(key, struct sekisho_flow_key);
    __type(value, struct sekisho_flow);
} sekisho_flows SEC(".maps");

/* An event that finds no room is lost, and counted; what it tells of stands in the entry, too. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} sekisho_events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SEKISHO_SLOTS);
    __type(key, __u32);
    __type(value, struct sekisho_counts);
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

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sekisho_hitters);
} sekisho_hitters SEC(".maps");

#endif
