/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The TC program's reason and verdict as what a test run returns: one call for each frame. */
#include "bpf/tc.bpf.c"

SEC("tc")
int opinion(struct __sk_buff *context)
{
    return judge_all(context, 0, context->ifindex) & 0xffff;
}

SEC("tc")
int opinion_on_source(struct __sk_buff *context)
{
    return judge_all(context, JUDGE_VALIDATE, context->ifindex) & 0xffff;
}
