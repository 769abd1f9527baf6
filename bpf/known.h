/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What policy.h asks of the maps and of the clock. */
#ifndef SEKISHO_KNOWN_H
#define SEKISHO_KNOWN_H

#include "maps.h"
#include "policy.h"

static __always_inline const struct sekisho_table *current_table(void)
{
    __u32 active = *(const volatile __u32 *)&sekisho_state.active;

    return active ? &sekisho_state.tables[active & 1] : NULL;
}

/* The slot of an interface; 0 if it has none of its own. */
static __always_inline __u32 slot_of(__u32 interface)
{
    return interface < SEKISHO_INDEXES ? *(const volatile __u8 *)&sekisho_state.slots[interface] : 0;
}

/* Where packets of this interface are counted. */
static __always_inline struct sekisho_counts *counts_of(__u32 interface)
{
    __u32 slot = slot_of(interface);

    return bpf_map_lookup_elem(&sekisho_counts, &slot);
}

static __always_inline bool same_key(const struct sekisho_key *a, const struct sekisho_key *b)
{
    const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

    return x[0] == y[0] && x[1] == y[1];
}

static __always_inline struct sekisho_entry *entry_at(__u32 place)
{
    __u32 number = place / SEKISHO_BUCKET;
    struct sekisho_bucket *bucket = bpf_map_lookup_elem(&sekisho_entries, &number);

    return bucket ? &bucket->at[place % SEKISHO_BUCKET] : NULL;
}

/* The place of a key's entry; negative if there is none. */
__attribute__((noinline)) int find_place(const struct sekisho_key *key)
{
    __u32 buckets = *(const volatile __u32 *)&sekisho_state.buckets;
    struct sekisho_trail trail;

    if (!key)
        return -1;
    trail = sekisho_trail_of(sekisho_state.seed, ((const __u64 *)key)[0], ((const __u64 *)key)[1]);
    for (int i = 0; i < SEKISHO_TRAIL; i++) {
        __u32 number = sekisho_bucket_at(trail.at, buckets);
        const struct sekisho_bucket *bucket = bpf_map_lookup_elem(&sekisho_entries, &number);

        if (!bucket)
            return -1;
#pragma unroll
        for (int j = 0; j < SEKISHO_BUCKET; j++)
            if (same_key(&bucket->at[j].key, key))
                return number * SEKISHO_BUCKET + j;
        if (!*(const volatile __u32 *)&bucket->at[0].passed)
            return -1;
        sekisho_go_on(&trail);
    }
    return -1;
}

static __always_inline struct sekisho_entry *find_entry_of(const struct sekisho_key *key)
{
    int place = find_place(key);

    return place < 0 ? NULL : entry_at(place);
}

static __always_inline bool entry_of(const struct sekisho_key *key, struct known *known)
{
    int place = find_place(key);
    const struct sekisho_entry *found = place < 0 ? NULL : entry_at(place);

    if (!found)
        return false;
    known->place = place;
    known->expires_ns = *(const volatile __u64 *)&found->expires_ns;
    known->generation = *(const volatile __u32 *)&found->generation;
    known->flows = *(const volatile __u16 *)&found->flows;
    known->flags = *(const volatile __u8 *)&found->flags;
    asm volatile("" ::: "memory"); /* the key is read last: it may have gone meanwhile */
    return same_key(&found->key, key);
}

/* Whether an address is in the one trie there is. */
static __always_inline int is_foreign_address(const struct sekisho_foreign_key *key)
{
    __u32 zero = 0;
    void *foreign = bpf_map_lookup_elem(&sekisho_foreign, &zero);

    return foreign && bpf_map_lookup_elem(foreign, key);
}

__attribute__((noinline)) int is_foreign(const struct packet *segment)
{
    struct sekisho_foreign_key key = {.bits = 128};
    __be64 halves[2];

    if (!segment)
        return 0;
    halves[0] = bpf_cpu_to_be64(segment->source.high);
    halves[1] = bpf_cpu_to_be64(segment->source.low | (segment->version == 4 ? 0x0000ffff00000000ULL : 0));
    __builtin_memcpy(key.address, halves, sizeof(halves));
    return is_foreign_address(&key);
}

static __always_inline __u64 boottime(void)
{
    return bpf_ktime_get_boot_ns();
}

#endif
