/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The XDP program's reason and verdict as what a test run returns: one call for each frame. */
#include "bpf/xdp.bpf.c"

SEC("xdp.frags")
int opinion(struct xdp_md *context)
{
    return judge_all(context, 0, context->ingress_ifindex) & 0xffff;
}

SEC("xdp.frags")
int opinion_on_source(struct xdp_md *context)
{
    return judge_all(context, JUDGE_VALIDATE, context->ingress_ifindex) & 0xffff;
}
