/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* For the benchmarks: makes frames from random sources, and the barest program to compare with. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Set before loading. Sources are first + 2 * n + 1 for n below `sources`, a power of two. */
const volatile __u32 target_index = 0;
const volatile __u32 first_source = 0;
const volatile __u32 sources = 1;

/* Gives the frame another source and sends it into the device of the measured one's peer. */
SEC("xdp")
int generate(struct xdp_md *context)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct iphdr *ip = data + sizeof(struct ethhdr);
    __u32 random = bpf_get_prandom_u32();

    if ((void *)(ip + 1) > end)
        return XDP_ABORTED;
    ip->saddr = bpf_htonl(first_source + 2 * (random & (sources - 1)) + 1);
    return bpf_redirect(target_index, 0);
}

SEC("xdp")
int bare_drop(struct xdp_md *context)
{
    (void)context;
    return XDP_DROP;
}

SEC("xdp.frags")
int bare_pass(struct xdp_md *context)
{
    (void)context;
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
