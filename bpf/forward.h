/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The fast path: what passes is routed by the program and leaves by another interface, past the stack's
 * forwarding and past netfilter. The stack's routes, rules and neighbours are asked (bpf_fib_lookup).
 *
 * Only what needs nothing but a route. The stack gets, unchanged, whatever needs more of a router (RFC 1812,
 * RFC 8200): an ICMP message sent, an option looked at, a fragment made, a neighbour asked for, a tag put on;
 * and what must not be forwarded at all. It also gets ICMP and each SYN: by using neighbours, it learns when
 * one of them has another MAC.
 */
#ifndef SEKISHO_FORWARD_H
#define SEKISHO_FORWARD_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "judge.h"

/*
 * The interfaces that take frames from XDP (ndo_xdp_xmit), by their slots. The agent asks the drivers. An
 * array, because a hash costs a tenth of what the rest does.
 */
struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, SEKISHO_SLOTS);
    __type(key, __u32);
    __type(value, __u32);
} sekisho_forwarding SEC(".maps");

/* Whose frames are for the router, by their slots. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SEKISHO_SLOTS);
    __type(key, __u32);
    __type(value, struct sekisho_router);
} sekisho_routers SEC(".maps");

/* Whether the frame was sent to this interface. One of a bridge is never routed here. */
static __always_inline bool is_for_the_router(const struct ethhdr *ethernet, __u32 index)
{
    __u32 slot = slot_of(index);
    const struct sekisho_router *router = bpf_map_lookup_elem(&sekisho_routers, &slot);
    const __u16 *octets = (const __u16 *)ethernet->h_dest;

    return router && router->routes && router->mac[0] == octets[0] && router->mac[1] == octets[1] &&
           router->mac[2] == octets[2];
}

/* What a router may have before it: RFC 1812, 5.3.7; RFC 6890. Host order. */
static __always_inline bool is_routable4(__u32 address)
{
    __u32 first = address >> 24;

    return first && first != 127 && first < 224;
}

/* RFC 4291, 2.5: neither multicast nor link-local; nor ::/64, which has loopback and what stands for IPv4. */
static __always_inline bool is_routable6(const struct in6_addr *address)
{
    const __be32 *words = address->in6_u.u6_addr32;
    __u32 first = bpf_ntohl(words[0]);

    return first >> 24 != 0xff && first >> 22 != 0xfe80 >> 6 && (first || words[1]);
}

/*
 * Whether a packet of this protocol may go the fast way; `l4` is what it carries, to `end`. Its ports are
 * part of the question for a route (rules, several paths), unless it is a fragment: all of a packet go the
 * same way.
 */
static __always_inline bool may_go_fast(__u8 protocol, const void *l4, const void *end, bool fragment,
                                        struct bpf_fib_lookup *route)
{
    const struct tcp_header *tcp = l4;

    route->l4_protocol = protocol;
    if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
        return false;
    if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || fragment)
        return true;
    if (l4 + (protocol == IPPROTO_TCP ? sizeof(*tcp) : 8) > end)
        return false;
    route->sport = tcp->source;
    route->dport = tcp->destination;
    return protocol == IPPROTO_UDP || !(tcp->flags & TCP_SYN);
}

/* Whether the frame can leave by the route's interface; it has the neighbour's MAC then. */
static __always_inline bool find_route(struct xdp_md *context, struct bpf_fib_lookup *route,
                                       struct ethhdr *ethernet)
{
    const __u32 *leads_to;
    __u32 slot;

    route->ifindex = context->ingress_ifindex;
    if (bpf_fib_lookup(context, route, sizeof(*route), 0) != BPF_FIB_LKUP_RET_SUCCESS ||
        route->ifindex == context->ingress_ifindex) /* the stack may send a redirect */
        return false;
    slot = slot_of(route->ifindex);
    leads_to = slot ? bpf_map_lookup_elem(&sekisho_forwarding, &slot) : NULL;
    if (!leads_to || *leads_to != route->ifindex) /* another agent gives slots in another order */
        return false;
    __builtin_memcpy(ethernet->h_dest, route->dmac, ETH_ALEN);
    __builtin_memcpy(ethernet->h_source, route->smac, ETH_ALEN);
    return true;
}

static __always_inline bool route4(struct xdp_md *context, struct ethhdr *ethernet, const void *end,
                                   struct bpf_fib_lookup *route)
{
    struct iphdr *ip = (void *)(ethernet + 1);
    __u32 check;

    if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->ttl <= 1 ||
        folded(sum_words(ip, sizeof(*ip), 0)) != 0xffff || !is_routable4(bpf_ntohl(ip->saddr)) ||
        !is_routable4(bpf_ntohl(ip->daddr)) ||
        !may_go_fast(ip->protocol, ip + 1, end, ip->frag_off & bpf_htons(0x3fff), route))
        return false;
    route->family = 2; /* AF_INET */
    route->tos = ip->tos;
    route->tot_len = bpf_ntohs(ip->tot_len);
    route->ipv4_src = ip->saddr;
    route->ipv4_dst = ip->daddr;
    if (!find_route(context, route, ethernet))
        return false;
    check = ip->check + bpf_htons(0x0100); /* RFC 1624 */
    ip->check = check + (check >= 0xffff);
    ip->ttl--;
    return true;
}

static __always_inline bool route6(struct xdp_md *context, struct ethhdr *ethernet, const void *end,
                                   struct bpf_fib_lookup *route)
{
    struct ipv6hdr *ip = (void *)(ethernet + 1);

    if ((void *)(ip + 1) > end || ip->version != 6 || ip->hop_limit <= 1 || !ip->payload_len ||
        ip->nexthdr == NEXT_HOP_BY_HOP || !is_routable6(&ip->saddr) || !is_routable6(&ip->daddr) ||
        !may_go_fast(ip->nexthdr, ip + 1, end, false, route))
        return false;
    route->family = 10; /* AF_INET6 */
    route->flowinfo = *(__be32 *)ip & bpf_htonl(0x0fffffff);
    route->tot_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
    __builtin_memcpy(route->ipv6_src, &ip->saddr, sizeof(route->ipv6_src));
    __builtin_memcpy(route->ipv6_dst, &ip->daddr, sizeof(route->ipv6_dst));
    if (!find_route(context, route, ethernet))
        return false;
    ip->hop_limit--;
    return true;
}

/* Sends a frame that passes on its way, which it may not touch again: XDP_REDIRECT, or XDP_PASS to the stack.
 */
__attribute__((noinline)) int forward(struct xdp_md *context)
{
    struct bpf_fib_lookup route ALIGNED = {};
    struct ethhdr *ethernet = data_of(context);
    const void *end = data_end_of(context);
    bool routed = false;

    if ((void *)(ethernet + 1) > end || frame_length(context) != (__u32)(end - (void *)ethernet) ||
        !is_for_the_router(ethernet, context->ingress_ifindex))
        return XDP_PASS;
    if (ethernet->h_proto == bpf_htons(ETH_P_IP))
        routed = route4(context, ethernet, end, &route);
    else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6))
        routed = route6(context, ethernet, end, &route);
    return routed ? bpf_redirect_map(&sekisho_forwarding, slot_of(route.ifindex), 0) : XDP_PASS;
}

#endif
