/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* For the benchmarks: makes frames from random sources, and the barest programs to compare with. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Set before loading. Sources are first + 2 * n for n below `sources`. */
const volatile __u32 target_index = 0;
const volatile __u32 first_source = 0;
const volatile __u32 sources = 1;
const volatile __u8 source_mac[ETH_ALEN] = {};
const volatile __u8 target_mac[ETH_ALEN] = {};

static __always_inline __be32 any_source(__u32 random)
{
    return bpf_htonl(first_source + 2 * (__u32)((__u64)random * sources >> 32));
}

/* Gives the frame another source and sends it into the device of the measured one's peer. */
SEC("xdp")
int generate(struct xdp_md *context)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct iphdr *ip = data + sizeof(struct ethhdr);

    if ((void *)(ip + 1) > end)
        return XDP_ABORTED;
    ip->saddr = any_source(bpf_get_prandom_u32());
    return bpf_redirect(target_index, 0);
}

static __always_inline __u32 folded(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/*
 * The same for frames that a router looks at: another source port, too, and both checksums right. A frame
 * comes back as the router has left it, with other MACs and less time to live.
 */
SEC("xdp")
int generate_whole(struct xdp_md *context)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);
    struct tcphdr *tcp = (void *)(ip + 1);
    __u32 sum, ip_sum = 0;

    if ((void *)(tcp + 1) > end)
        return XDP_ABORTED;
    for (int i = 0; i < ETH_ALEN; i++) {
        ethernet->h_dest[i] = target_mac[i];
        ethernet->h_source[i] = source_mac[i];
    }
    sum = (__u16)~tcp->check + (__u16)~tcp->source + (__u16)~ip->saddr + (__u16) ~(ip->saddr >> 16);
    ip->saddr = any_source(bpf_get_prandom_u32());
    tcp->source = bpf_htons(1024 + bpf_get_prandom_u32() % 60000);
    sum += tcp->source + (__u16)ip->saddr + (ip->saddr >> 16);
    tcp->check = ~folded(sum);
    ip->ttl = 64;
    ip->check = 0;
    for (int i = 0; i < 10; i++)
        ip_sum += ((__u16 *)ip)[i];
    ip->check = ~folded(ip_sum);
    return bpf_redirect(target_index, 0);
}

/* What has come out, of whatever the kernel forwarded: to port 25, and the rest. */
__u64 enforced_arrived = 0;
__u64 others_arrived = 0;

SEC("xdp")
int counting_drop(struct xdp_md *context)
{
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct iphdr *ip = data + sizeof(struct ethhdr);
    struct tcphdr *tcp = (void *)(ip + 1);

    if ((void *)(tcp + 1) > end || ip->protocol != 6)
        return XDP_DROP; /* neighbour discovery and the like */
    __sync_fetch_and_add(tcp->dest == bpf_htons(25) ? &enforced_arrived : &others_arrived, 1);
    return XDP_DROP;
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
