/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The answer to a blocked segment: a TCP reset (RFC 9293, 3.10.7.1), as if its destination had sent it.
 * Checksums are computed from nothing, never adjusted: what comes out of a veth has partial ones.
 */
#ifndef SEKISHO_ANSWER_H
#define SEKISHO_ANSWER_H

#include "tally.h"

struct tcp_header {
    __be16 source, destination;
    __be32 seq, ack;
    __u8 offset, flags;
    __be16 window;
    __sum16 check;
    __be16 urgent;
};

struct reset4 {
    __u8 version_ihl, tos;
    __be16 total, id, fragment;
    __u8 ttl, protocol;
    __sum16 check;
    __be32 source, destination;
    struct tcp_header tcp;
};

struct reset6 {
    __be32 version;
    __be16 payload;
    __u8 next, hops;
    __be32 source[4], destination[4];
    struct tcp_header tcp;
};

_Static_assert(sizeof(struct reset4) == 40, "IPv4 and TCP");
_Static_assert(sizeof(struct reset6) == 60, "IPv6 and TCP");

/* Whether the address is one that nobody answers for: multicast, broadcast, unspecified. */
static __always_inline bool is_group(const struct address *address, __u8 version)
{
    if (version == 4)
        return address->low >= 0xe0000000 || address->low == 0;
    return address->high >> 56 == 0xff || (address->high == 0 && address->low == 0);
}

/*
 * Whether the segment is one that may be answered at all; see README. The answer goes where the packet says
 * that it came from, so that must be one host: else one packet would be answered to a whole network. The way
 * back may have other MPLS labels than the way here.
 */
static __always_inline bool may_answer(const struct packet *packet)
{
    return !(packet->flags & TCP_RST) && !packet->labelled &&
           !is_group(&packet->destination, packet->version) && !is_group(&packet->source, packet->version);
}

/* Whether the frame came from one station, and to this interface. */
static __always_inline bool is_for_us(const struct ethhdr *ethernet, __u32 index)
{
    const struct sekisho_interface *interface;

    if (ethernet->h_dest[0] & 1 || ethernet->h_source[0] & 1)
        return false;
    interface = bpf_map_lookup_elem(&sekisho_interfaces, &index);
    if (!interface)
        return false;
    if (interface->any_mac)
        return true;
    for (int i = 0; i < 6; i++)
        if (interface->mac[i] != ethernet->h_dest[i])
            return false;
    return true;
}

/* The sum of `size` octets (a multiple of two) in 16-bit words, as they lie in memory. */
static __always_inline __u64 sum_words(const void *from, const __u32 size, __u64 sum)
{
    const __u16 *word = from;

#pragma unroll
    for (__u32 i = 0; i < size / 2; i++)
        sum += word[i];
    return sum;
}

static __always_inline __u16 folded(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static __always_inline void fill_tcp(const struct packet *packet, struct tcp_header *tcp)
{
    tcp->source = packet->destination_port;
    tcp->destination = packet->source_port;
    tcp->offset = sizeof(*tcp) / 4 << 4;
    tcp->window = 0;
    tcp->check = 0;
    tcp->urgent = 0;
    if (packet->flags & TCP_ACK) {
        tcp->seq = bpf_htonl(packet->ack);
        tcp->ack = 0;
        tcp->flags = TCP_RST;
    } else {
        __u32 length = packet->payload + !!(packet->flags & TCP_SYN) + !!(packet->flags & TCP_FIN);

        tcp->seq = 0;
        tcp->ack = bpf_htonl(packet->seq + length);
        tcp->flags = TCP_RST | TCP_ACK;
    }
}

/*
 * Writes the reset for an IPv4 segment. With `partial` the TCP checksum is only the pseudo header's sum:
 * the stack or the device adds the rest (CHECKSUM_PARTIAL).
 */
static __always_inline void fill_reset4(const struct packet *packet, struct reset4 *reset, bool partial)
{
    __u64 sum;

    reset->version_ihl = 0x45;
    reset->tos = 0;
    reset->total = bpf_htons(sizeof(*reset));
    reset->id = 0;
    reset->fragment = bpf_htons(0x4000); /* don't fragment: the id may be 0 (RFC 6864) */
    reset->ttl = 64;
    reset->protocol = IPPROTO_TCP;
    reset->check = 0;
    reset->source = bpf_htonl((__u32)packet->destination.low);
    reset->destination = bpf_htonl((__u32)packet->source.low);
    reset->check = ~folded(sum_words(reset, 20, 0));
    fill_tcp(packet, &reset->tcp);
    sum = sum_words(&reset->source, 8, bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(reset->tcp)));
    reset->tcp.check =
        partial ? folded(sum) : (__u16)~folded(sum_words(&reset->tcp, sizeof(reset->tcp), sum));
}

static __always_inline void put_address(const struct address *address, __be32 words[4])
{
    words[0] = bpf_htonl((__u32)(address->high >> 32));
    words[1] = bpf_htonl((__u32)address->high);
    words[2] = bpf_htonl((__u32)(address->low >> 32));
    words[3] = bpf_htonl((__u32)address->low);
}

/* The same for IPv6. */
static __always_inline void fill_reset6(const struct packet *packet, struct reset6 *reset, bool partial)
{
    __u64 sum;

    reset->version = bpf_htonl(6U << 28);
    reset->payload = bpf_htons(sizeof(reset->tcp));
    reset->next = IPPROTO_TCP;
    reset->hops = 64;
    put_address(&packet->destination, reset->source);
    put_address(&packet->source, reset->destination);
    fill_tcp(packet, &reset->tcp);
    sum = sum_words(reset->source, 32, bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(reset->tcp)));
    reset->tcp.check =
        partial ? folded(sum) : (__u16)~folded(sum_words(&reset->tcp, sizeof(reset->tcp), sum));
}

#endif
