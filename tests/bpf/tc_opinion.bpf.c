/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The TC program's reason and verdict as what a test run returns: one call for each frame. */
#include "bpf/tc.bpf.c"

/* The last packet that came in by a wire: its opinion, and what it looked like. */
struct witnessed {
    __u64 packets;
    __u32 opinion;
    __u32 length, linear;
    __u32 tag_in_metadata, gso_size;
    __u32 reserved;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct witnessed);
} witness SEC(".maps");

static __always_inline int opinion_of(struct __sk_buff *context, __u8 how)
{
    struct sekisho_counts *counts = counts_of(interface_of(context));
    struct decision decision;
    __u32 length;

    if (!counts)
        return -1;
    decision = judge_all(context, how, counts, &length);
    return (decision.verdict & ~IN_TUNNEL) << 8 | decision.reason;
}

SEC("tc")
int opinion(struct __sk_buff *context)
{
    return opinion_of(context, 0);
}

SEC("tc")
int opinion_on_source(struct __sk_buff *context)
{
    return opinion_of(context, JUDGE_VALIDATE);
}

SEC("tc")
int opinion_on_uplink(struct __sk_buff *context)
{
    struct decision decision = decision_of(judge_all_uplink(context, 0));

    return decision.verdict << 8 | decision.reason;
}

/* The packet goes no further. */
SEC("tc")
int opinion_on_wire(struct __sk_buff *context)
{
    __u32 zero = 0, said = opinion_of(context, 0);
    struct witnessed *last = bpf_map_lookup_elem(&witness, &zero);

    if (!last)
        return TC_ACT_SHOT;
    last->opinion = said;
    last->length = context->len;
    last->linear = context->data_end - context->data;
    last->tag_in_metadata = context->vlan_present;
    last->gso_size = context->gso_size;
    __sync_fetch_and_add(&last->packets, 1);
    return TC_ACT_SHOT;
}
