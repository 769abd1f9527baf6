/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Answers to what a tunnel carries go back through it, as if its other end had sent them (RFC 2473, RFC
 * 4213): the tunnel's header stays, with its addresses exchanged.
 */
#ifndef SEKISHO_TUNNEL_H
#define SEKISHO_TUNNEL_H

#include "judge.h"

/* Dissects the frame; whether what was found is this, and may be answered. By the includer. */
static __always_inline bool is_answered(program_context *context, __u8 how, const struct sekisho_table *table,
                                        struct packet *packet, const __u8 found);
/* Writes into the frame: 0, or negative. By the includer. */
static __always_inline int frame_store(program_context *context, __u32 offset, const void *from, __u32 size);

/* What stands before the packet that is answered. */
struct shell {
    __u32 l3;      /* offset of the first IP header */
    __u32 ppp;     /* see struct packet */
    __u32 carried; /* octets of the tunnel's header; 0: there is no tunnel */
};

static __always_inline struct shell shell_of(const struct packet *packet)
{
    return (struct shell){.l3 = packet->l3, .ppp = packet->ppp};
}

/* Makes PPPoE, if there is any, say that it carries `size` octets behind the tunnel's header: 0, or negative.
 */
static __always_inline int set_pppoe_length(program_context *context, const struct shell *shell, __u32 size)
{
    __be16 length = bpf_htons(shell->ppp + shell->carried + size);

    if (!shell->ppp)
        return 0;
    return frame_store(context, shell->l3 - shell->ppp - sizeof(length), &length, sizeof(length));
}

struct tunnel4 {
    __u8 version_ihl, tos;
    __be16 total, id, fragment;
    __u8 ttl, protocol;
    __sum16 check;
    __be32 source, destination;
};

struct tunnel6 {
    __be32 version;
    __be16 payload;
    __u8 next, hops;
    __be32 source[4], destination[4];
    __be64 options; /* where there are any: Linux limits tunnels in tunnels by them (RFC 2473, 4.1.1) */
};

#define TUNNEL6_PLAIN (sizeof(struct tunnel6) - sizeof(__be64))

/* A tunnel's packet that may be answered, in one number: where it lies, and where it ends. 0: none. */
#define TUNNEL_SHELL(tunnel) \
    ((struct shell){.l3 = (tunnel) & 0xff, .ppp = (tunnel) >> 16 & 3, .carried = (tunnel) >> 8 & 0xff})
#define TUNNEL_FOUR_IN_SIX(tunnel) ((tunnel) >> 18 & 1)
#define TUNNEL_END(tunnel) ((__u32)((tunnel) >> 32))

/* Not a fragment, and without options but those of eight octets for the tunnel's other end. */
__attribute__((noinline)) __u64 answerable_tunnel(program_context *context, __u8 how)
{
    const struct sekisho_table *table = current_table();
    struct packet outer = {};
    __u32 carried;
    __u8 next;

    if (!table || !is_answered(context, how, table, &outer, SEKISHO_REASON_TUNNEL) || outer.fragment != WHOLE)
        return 0;
    carried = outer.l4 - outer.l3;
    if (outer.version == 4 && carried != sizeof(struct tunnel4))
        return 0;
    if (outer.version == 6 && carried != TUNNEL6_PLAIN &&
        (carried != sizeof(struct tunnel6) ||
         frame_load(context, outer.l3 + offsetof(struct tunnel6, next), &next, sizeof(next)) ||
         next != NEXT_DESTINATION))
        return 0;
    return (__u64)outer.end << 32 | (__u64)(outer.version == 6) << 18 | (outer.ppp & 3) << 16 | carried << 8 |
           (outer.l3 & 0xff);
}

/* Says what it carries; whether that may be answered. */
static __always_inline bool dissect_carried(struct frame *frame, __u64 tunnel, struct packet *inner)
{
    const struct shell shell = TUNNEL_SHELL(tunnel);

    frame->limit = TUNNEL_END(tunnel);
    inner->l3 = shell.l3 + shell.carried;
    inner->found = TUNNEL_FOUR_IN_SIX(tunnel) ? read_ipv4(frame, inner) : read_ipv6(frame, inner);
    return inner->found == SEGMENT && may_answer(inner);
}

/*
 * Makes of the tunnel's header at `from` one that goes back and carries `size` octets, where it belongs:
 * 0, or negative.
 */
__attribute__((noinline)) int turn_tunnel(program_context *context, __u64 tunnel, __u32 from, __u32 size)
{
    const struct shell shell = TUNNEL_SHELL(tunnel);

    if (!TUNNEL_FOUR_IN_SIX(tunnel)) {
        struct tunnel4 header ALIGNED;
        __be32 source;

        if (frame_load(context, from, &header, sizeof(header)))
            return -1;
        source = header.source;
        header.source = header.destination;
        header.destination = source;
        header.total = bpf_htons(sizeof(header) + size);
        header.ttl = 64;
        header.check = 0;
        header.check = ~folded(sum_words(&header, sizeof(header), 0));
        return frame_store(context, shell.l3, &header, sizeof(header));
    } else {
        struct tunnel6 header ALIGNED;
        __be32 source[4];
        __u32 length = shell.carried == TUNNEL6_PLAIN ? TUNNEL6_PLAIN : sizeof(header);

        if (frame_load(context, from, &header, sizeof(header)))
            return -1;
        __builtin_memcpy(source, header.source, sizeof(source));
        __builtin_memcpy(header.source, header.destination, sizeof(source));
        __builtin_memcpy(header.destination, source, sizeof(source));
        header.payload = bpf_htons(length - TUNNEL6_PLAIN + size);
        header.hops = 64;
        return frame_store(context, shell.l3, &header, length);
    }
}

#endif
