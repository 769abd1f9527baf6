/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The frames of which there are most, in a flood and on a good day, judged at sight: TCP in IPv4 without
 * options and fragments, directly behind Ethernet or one tag, to a port that isn't enforced, or else from a
 * subscriber of whom nothing is known to a server of which nothing is known. A flood of them costs hardly
 * more than taking them off the wire, so each instruction counts here: each place in the frame is a constant,
 * nothing is read twice, nothing is called. Whatever is another one, or wrong, or may be, is plain.h's.
 */
#ifndef SEKISHO_SIGHT_H
#define SEKISHO_SIGHT_H

#include "tally.h"

struct sight {
    __u8 version_ihl, tos;
    __be16 total, id, fragment;
    __u8 ttl, protocol;
    __u16 check;
    __be32 source, destination;
    __be16 source_port, destination_port;
    __be32 sequence, acknowledgement;
    __u8 offset, flags;
    __u16 rest[3];
};

/* Whether it is whole, and what its numbers say; see read_plain_ipv4() and read_plain_tcp(). */
static __always_inline bool is_at_sight(const struct frame *frame, const struct sight *sight, const __u32 at)
{
    __u32 total;

    if ((const void *)(sight + 1) > frame->data_end || sight->version_ihl != 0x45 ||
        sight->fragment & bpf_htons(0x3fff) || sight->protocol != IPPROTO_TCP)
        return false;
    total = bpf_ntohs(sight->total);
    return at + total <= frame->length && sight->offset >= 0x50 && (sight->offset >> 2 & 0x3c) + 20 <= total;
}

/* The verdict on an IPv4 packet at this place in the frame; false if it needs a closer look. */
static __always_inline bool judge_at(const struct frame *frame, const __u32 at, struct decision *decision)
{
    const struct sight *sight = frame->data + at;
    /* One that isn't there yet enforces no port: see decide_at_sight(). */
    const struct sekisho_table *table =
        &sekisho_state.tables[*(const volatile __u32 *)&sekisho_state.active & 1];

    return is_at_sight(frame, sight, at) &&
           decide_at_sight(table, bpf_ntohl(sight->source), bpf_ntohl(sight->destination),
                           sight->destination_port, decision);
}

/* The same for a frame. */
static __always_inline bool judge_sight(const struct frame *frame, struct decision *decision)
{
    const struct {
        __u8 addresses[12];
        __be16 type, tag, type_behind_tag;
    } *ethernet = frame->data;

    if ((const void *)(ethernet + 1) > frame->data_end)
        return false;
    if (ethernet->type == bpf_htons(ETH_P_IP))
        return judge_at(frame, 14, decision);
    if (ethernet->type == bpf_htons(ETHERTYPE_8021Q) && ethernet->type_behind_tag == bpf_htons(ETH_P_IP))
        return judge_at(frame, 18, decision);
    return false;
}

#endif
