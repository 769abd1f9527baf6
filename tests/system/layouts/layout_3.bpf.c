/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The maps as layout 3 had them: the policy in maps of its own, an element for each counter. */
#include "since_3.h"

#define TABLE_OCTETS 3227712 /* of the policy, which is made anew at each start */

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
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, COUNTS);
    __type(key, __u32);
    __type(value, struct sekisho_count);
} sekisho_counts SEC(".maps");

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
