/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The TC program's reason and verdict as what a test run returns: one call for each frame. */
#include "bpf/tc.bpf.c"

static __always_inline int opinion_of(struct __sk_buff *context, __u8 how)
{
    struct sekisho_counts *counts = counts_of(interface_of(context));
    struct decision decision;
    __u32 length;

    if (!counts)
        return -1;
    decision = judge_all(context, how, counts, &length);
    return decision.verdict << 8 | decision.reason;
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
