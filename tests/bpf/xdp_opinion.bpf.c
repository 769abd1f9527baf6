/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The XDP program's reason and verdict as what a test run returns: one call for each frame. */
#include "bpf/xdp.bpf.c"

static __always_inline int opinion_of(struct xdp_md *context, __u8 how)
{
    struct sekisho_counts *counts = counts_of(interface_of(context));
    struct decision decision;
    __u32 length;

    if (!counts)
        return -1;
    decision = judge_all(context, how, counts, &length);
    return (decision.verdict & ~IN_TUNNEL) << 8 | decision.reason;
}

SEC("xdp.frags")
int opinion(struct xdp_md *context)
{
    return opinion_of(context, 0);
}

SEC("xdp.frags")
int opinion_on_source(struct xdp_md *context)
{
    return opinion_of(context, JUDGE_VALIDATE);
}

SEC("xdp.frags")
int opinion_on_uplink(struct xdp_md *context)
{
    struct decision decision = decision_of(judge_all_uplink(context, 0));

    return decision.verdict << 8 | decision.reason;
}
