/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What stands in for the programs of an older layout: nobody's TCP to port 25 gets through. They don't ask
 * their maps, so whatever gets through over an upgrade was let through by the newer programs.
 */
#ifndef LAYOUTS_PROGRAMS_H
#define LAYOUTS_PROGRAMS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAIL 25

static __always_inline bool is_mail(const void *data, const void *end)
{
    const struct ethhdr *ethernet = data;
    const struct iphdr *four = data + sizeof(*ethernet);
    const struct ipv6hdr *six = data + sizeof(*ethernet);
    const struct tcphdr *tcp;

    if ((const void *)(four + 1) > end)
        return false;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP) && four->protocol == IPPROTO_TCP) {
        tcp = (const void *)(four + 1);
    } else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6) && (const void *)(six + 1) <= end &&
               six->nexthdr == IPPROTO_TCP) {
        tcp = (const void *)(six + 1);
    } else {
        return false;
    }
    return (const void *)(tcp + 1) <= end && tcp->dest == bpf_htons(MAIL);
}

SEC("xdp.frags")
int subscriber_xdp(struct xdp_md *context)
{
    const void *data = (const void *)(long)context->data, *end = (const void *)(long)context->data_end;

    if (!is_mail(data, end))
        return XDP_PASS;
    count_blocked(context->ingress_ifindex, end - data);
    return XDP_DROP;
}

SEC("tc")
int subscriber_tc(struct __sk_buff *skb)
{
    if (!is_mail((const void *)(long)skb->data, (const void *)(long)skb->data_end))
        return TC_ACT_UNSPEC;
    count_blocked(skb->ifindex, skb->len);
    return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#endif
