/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The maps, shared by both programs through their pins, and what policy.h asks of them. */
#ifndef SEKISHO_MAPS_H
#define SEKISHO_MAPS_H

#include "policy.h"

/* Replaced as a whole: the kernel waits for the readers of the old one before it lets go of it. */
struct table_map {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size,
           sizeof(struct sekisho_table)); /* clang leaves only a forward declaration of the type here */
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct table_map);
} sekisho_tables SEC(".maps");

/* max_entries is set before loading. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct sekisho_key);
    __type(value, struct sekisho_entry);
} sekisho_entries SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SEKISHO_COUNTS);
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

static __always_inline const struct sekisho_table *current_table(void)
{
    __u32 zero = 0;
    void *inner = bpf_map_lookup_elem(&sekisho_tables, &zero);

    return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

static __always_inline bool same_key(const struct sekisho_key *a, const struct sekisho_key *b)
{
    const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

    return x[0] == y[0] && x[1] == y[1];
}

/* An element can become another key's while it is read: then the look-up is done again. */
static __always_inline bool entry_of(const struct sekisho_key *key, struct sekisho_entry *entry)
{
#pragma unroll
    for (int i = 0; i < 3; i++) {
        const struct sekisho_entry *found = bpf_map_lookup_elem(&sekisho_entries, key);

        if (!found)
            return false;
        entry->expires_ns = *(const volatile __u64 *)&found->expires_ns;
        entry->flags = *(const volatile __u8 *)&found->flags;
        asm volatile("" ::: "memory"); /* the key is read last */
        if (same_key(&found->key, key))
            return true;
    }
    return false;
}

static __always_inline __u64 boottime(void)
{
    return bpf_ktime_get_boot_ns();
}

#endif
