/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The most ordinary of frames, read where they lie: IP without options, extension headers and fragments
 * directly behind Ethernet or one tag, all of it linear. In two steps, so that each version of IP has code of
 * its own and the compiler keeps the packet in registers. Whatever is another one, or wrong, is packet.h's.
 */
#ifndef SEKISHO_PLAIN_H
#define SEKISHO_PLAIN_H

#include "packet.h"

/* Reads the TCP header of a plain packet; what follows the IP header is `size` octets long. */
static __always_inline bool read_plain_tcp(const struct frame *frame, const void *at, __u32 size,
                                           struct packet *packet)
{
    const struct {
        __be16 source, destination;
        __be32 seq, ack;
        __u8 offset, flags;
        __u16 rest[3];
    } *tcp = at;
    __u32 header;

    if ((const void *)(tcp + 1) > frame->data_end)
        return false;
    header = (tcp->offset >> 4) * 4;
    if (header < sizeof(*tcp) || header > size)
        return false;
    packet->found = SEGMENT;
    packet->source_port = tcp->source;
    packet->destination_port = tcp->destination;
    return true;
}

static __always_inline bool read_plain_ipv4(const struct frame *frame, __u32 at, struct packet *packet)
{
    const struct {
        __u8 version_ihl, tos;
        __be16 total, id, fragment;
        __u8 ttl, protocol;
        __u16 check;
        __be32 source, destination;
    } *ip = frame->data + at;
    __u32 total;

    if ((const void *)(ip + 1) > frame->data_end || ip->version_ihl != 0x45 ||
        ip->fragment & bpf_htons(0x3fff) || is_tunnel(ip->protocol))
        return false;
    total = bpf_ntohs(ip->total);
    if (total < sizeof(*ip) || at + total > frame->length)
        return false;
    packet->version = 4;
    packet->source.low = bpf_ntohl(ip->source);
    packet->destination.low = bpf_ntohl(ip->destination);
    packet->found = SEKISHO_REASON_NOT_TCP;
    return ip->protocol != IPPROTO_TCP || read_plain_tcp(frame, ip + 1, total - sizeof(*ip), packet);
}

static __always_inline bool read_plain_ipv6(const struct frame *frame, __u32 at, struct packet *packet)
{
    const struct {
        __u8 version, flow[3];
        __be16 payload;
        __u8 next, hops;
        __be32 source[4], destination[4];
    } *ip = frame->data + at;
    __u32 payload;

    if ((const void *)(ip + 1) > frame->data_end || ip->version >> 4 != 6 || is_extension(ip->next) ||
        is_tunnel(ip->next))
        return false;
    payload = bpf_ntohs(ip->payload);
    if (!payload || at + sizeof(*ip) + payload > frame->length)
        return false;
    packet->version = 6;
    packet->source.high = number_of(&ip->source[0]);
    packet->source.low = number_of(&ip->source[2]);
    packet->destination.high = number_of(&ip->destination[0]);
    packet->destination.low = number_of(&ip->destination[2]);
    packet->found = SEKISHO_REASON_NOT_TCP;
    return ip->next != IPPROTO_TCP || read_plain_tcp(frame, ip + 1, payload, packet);
}

/* Where IP begins in the frame, and its version; 0 if it is no plain one. */
static __always_inline __u8 find_plain_ip(const struct frame *frame, __u32 *at)
{
    const struct {
        __u8 addresses[12];
        __be16 type, tag, type_behind_tag;
    } *ethernet = frame->data;
    __u16 type;

    if ((const void *)(ethernet + 1) > frame->data_end)
        return 0;
    type = bpf_ntohs(ethernet->type);
    *at = sizeof(struct ethhdr);
    if (is_tag(type)) {
        type = bpf_ntohs(ethernet->type_behind_tag);
        *at += sizeof(ethernet->type) + sizeof(ethernet->tag);
    }
    return type == ETH_P_IP ? 4 : type == ETH_P_IPV6 ? 6 : 0;
}

/* Says what such a frame holds; false if it isn't plain. */
static __always_inline bool read_plain(const struct frame *frame, __u32 at, const __u8 version,
                                       struct packet *packet)
{
    return version == 4 ? read_plain_ipv4(frame, at, packet) : read_plain_ipv6(frame, at, packet);
}

#endif
