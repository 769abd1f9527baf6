/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * From a frame to a TCP segment: Ethernet, tags, MPLS, PPPoE, IPv4, IPv6 with its extension headers, TCP.
 *
 * Knows no map and makes no verdict: it says what it found (struct packet). A frame need not be linear:
 * what lies behind data_end is fetched by the helper of the program's kind, and lengths are compared with
 * the whole packet's (RFC 791, RFC 8200, RFC 9293, IEEE 802.1Q, RFC 3032, RFC 2516; RFC 1858, 3128 and 7112
 * for fragments).
 */
#ifndef SEKISHO_PACKET_H
#define SEKISHO_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "sekisho_abi.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ETHERTYPE_8021Q 0x8100
#define ETHERTYPE_8021AD 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_MPLS 0x8847
#define ETHERTYPE_MPLS_MULTICAST 0x8848
#define ETHERTYPE_PPPOE_SESSION 0x8864

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

/* No offset that is looked at is beyond this; tells the verifier, too. */
#define OFFSET_LIMIT 0x7fff

/* A frame as the program got it. The includer has made `program_context` a name of its kind of context. */
struct frame {
    program_context *context;
    void *data;
    void *data_end;
    __u32 length; /* of the whole packet; of its linear part until somebody asks for more: see reaches() */
    __u32 limit;  /* offset at which what PPPoE carries ends; 0: the packet's end */
    bool gso;     /* IPv4's total length may be 0: BIG TCP */
    bool cut;     /* what a first fragment carries: its lengths are those of the whole */
};

/* Copies `size` bytes at `offset` of a frame's part that isn't linear. 0, or negative. By the includer. */
static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size);
/* The length of the whole packet, fragments and GSO included. By the includer. */
static __always_inline __u32 frame_length(program_context *context);

/* An address as two numbers; IPv4 stands in the lower 32 bits of low. */
struct address {
    __u64 high;
    __u64 low;
};

/* What was found. `found` is one of the first rows' reasons, or SEGMENT. */
#define SEGMENT 0xff
enum { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT, FRAGMENT_AT_ONE };
struct packet {
    struct address source;
    struct address destination;
    __u32 l3;  /* offset of the IP header */
    __u32 l4;  /* offset of the TCP header */
    __u32 ppp; /* octets of PPP's protocol number before IP, 1 or 2; 0 without PPPoE */
    __u32 end; /* offset of the first byte behind the IP packet */
    __u32 seq; /* host order */
    __u32 ack;
    __u32 payload; /* octets behind the TCP header */
    __be16 source_port;
    __be16 destination_port;
    __u8 version; /* 4 or 6 */
    __u8 flags;   /* of TCP */
    __u8 found;
    __u8 labelled; /* behind MPLS labels */
    __u8 tunnel;   /* with SEKISHO_REASON_TUNNEL: the protocol inside, at l4 */
    __u8 fragment; /* and which fragment of the tunnel's packet this is */
};

/*
 * Copies `size` (a constant) bytes; what lies on the stack is ALIGNED. No header is aligned so well, but the
 * CPUs that this is for don't mind, and the verifier knows. Unless it is told so, the compiler copies octet
 * by octet, which costs more than all else that is done to a passing packet.
 */
#define ALIGNED __attribute__((aligned(8)))
static __always_inline void copy_words(void *to, const void *from, const __u32 size)
{
    __builtin_memcpy(__builtin_assume_aligned(to, 8), __builtin_assume_aligned(from, 8), size);
}

/* Copies `size` (a constant) bytes at `offset`: 0, or negative where the packet is shorter. */
static __always_inline int read_at(const struct frame *frame, __u32 offset, void *to, const __u32 size)
{
    if (offset > OFFSET_LIMIT)
        return -1;
    /* The same again, in a way that the verifier remembers of this very register. */
    asm volatile("%0 &= %1" : "+r"(offset) : "i"(OFFSET_LIMIT));
    if (frame->data + offset + size <= frame->data_end) {
        copy_words(to, frame->data + offset, size);
        return 0;
    }
    return frame_load(frame->context, offset, to, size);
}

/* Whether the packet goes on to this offset. What is linear isn't asked for its length: that costs a call. */
static __always_inline bool reaches(struct frame *frame, __u32 end)
{
    if (frame->limit)
        return end <= frame->limit;
    if (end > frame->length)
        frame->length = frame_length(frame->context);
    return end <= frame->length;
}

static __always_inline bool is_tag(__u16 type)
{
    return type == ETHERTYPE_8021Q || type == ETHERTYPE_8021AD || type == ETHERTYPE_QINQ_OLD;
}

/*
 * What a walk over headers came to, in one number: the offset behind them, what follows there (an IP protocol
 * number; 4 or 6 behind a frame's headers), a reason or SEGMENT, and more that a walk knows. Walks are global
 * functions: the verifier judges them once, instead of each depth with all that follows.
 */
#define WALKED(at, next, found) ((__u64)(at) | (__u64)(next) << 32 | (__u64)(found) << 40)
#define WALKED_AT(walked) ((__u32)(walked))
#define WALKED_NEXT(walked) ((__u8)((walked) >> 32))
#define WALKED_FOUND(walked) ((__u8)((walked) >> 40))
#define WALKED_MORE(walked) ((__u8)((walked) >> 48))
/* Extension headers: the packet is a first fragment. */
#define MORE_FIRST 1
/* A frame's headers: the octets of PPP's protocol number; MPLS labels. */
#define MORE_PPP 3
#define MORE_LABELS 4

/* MPLS labels (RFC 3032), of which only the last one says so; what follows says itself what it is. */
static __always_inline __u64 skip_labels(program_context *context, __u32 offset)
{
    __u8 first = 0;

    for (int i = 0; i < SEKISHO_LABELS; i++) {
        __u8 label[4];

        if (frame_load(context, offset, label, sizeof(label)))
            return WALKED(0, 0, SEKISHO_REASON_FRAME_TRUNCATED);
        offset += sizeof(label);
        if (!(label[2] & 1))
            continue;
        if (frame_load(context, offset, &first, sizeof(first)))
            return WALKED(0, 0, SEKISHO_REASON_MPLS_NOT_IP);
        first >>= 4;
        return first == 4 || first == 6 ? WALKED(offset, first, SEGMENT) | (__u64)MORE_LABELS << 48
                                        : WALKED(0, 0, SEKISHO_REASON_MPLS_NOT_IP);
    }
    return WALKED(0, 0, SEKISHO_REASON_MPLS_TOO_DEEP);
}

/*
 * The header of a PPPoE session (RFC 2516) and PPP's protocol number (RFC 1661). Linux asks neither for the
 * version, the type and the code, nor whether a number in one octet (6.5) was agreed upon: nor do we.
 */
static __always_inline __u64 skip_pppoe(program_context *context, __u32 offset)
{
    struct {
        __u8 version_type, code;
        __be16 session, length;
    } header;
    __u32 size = sizeof(__be16);
    __u8 octets[sizeof(__be16)];
    __u16 protocol;

    if (frame_load(context, offset, &header, sizeof(header)))
        return WALKED(0, 0, SEKISHO_REASON_PPPOE_MALFORMED);
    offset += sizeof(header);
    if (offset + bpf_ntohs(header.length) > frame_length(context) || bpf_ntohs(header.length) < size ||
        frame_load(context, offset, octets, sizeof(octets)))
        return WALKED(0, 0, SEKISHO_REASON_PPPOE_MALFORMED);
    protocol = octets[0] << 8 | octets[1];
    if (octets[0] & 1) {
        protocol = octets[0];
        size = sizeof(octets[0]);
    }
    if (protocol != PPP_IPV4 && protocol != PPP_IPV6)
        return WALKED(0, 0, SEKISHO_REASON_PPP_NOT_IP);
    return WALKED(offset + size, protocol == PPP_IPV4 ? 4 : 6, SEGMENT) | (__u64)size << 48;
}

/*
 * Walks over what stands between a frame's addresses and IP: tags, MPLS labels, a PPPoE session. It begins at
 * `offset`; `type` is the ethertype before it, `tags` of them have been taken off already (those in
 * metadata).
 */
__attribute__((noinline)) __u64 skip_to_ip(program_context *context, __u32 offset, __u16 type, __u32 tags)
{
    for (int i = 0; i < SEKISHO_TAGS; i++) {
        __be16 tag[2];

        if (!is_tag(type) || tags >= SEKISHO_TAGS)
            break;
        if (frame_load(context, offset, tag, sizeof(tag)))
            return WALKED(0, 0, SEKISHO_REASON_FRAME_TRUNCATED);
        type = bpf_ntohs(tag[1]);
        offset += sizeof(tag);
        tags++;
    }
    if (is_tag(type))
        return WALKED(0, 0, SEKISHO_REASON_TAGS_TOO_DEEP);
    if (type == ETHERTYPE_MPLS || type == ETHERTYPE_MPLS_MULTICAST)
        return skip_labels(context, offset);
    if (type == ETHERTYPE_PPPOE_SESSION)
        return skip_pppoe(context, offset);
    if (type == ETH_P_IP || type == ETH_P_IPV6)
        return WALKED(offset, type == ETH_P_IP ? 4 : 6, SEGMENT);
    return WALKED(0, 0, SEKISHO_REASON_NOT_IP);
}

/* Reads the TCP header at packet->l4. `first` says that it is a first fragment. */
static __always_inline __u8 read_tcp(const struct frame *frame, struct packet *packet, bool first)
{
    struct {
        __be16 source, destination;
        __be32 seq, ack;
        __u8 offset, flags;
        __u16 rest[3];
    } tcp ALIGNED;
    __u32 header;

    _Static_assert(sizeof(tcp) == 20, "a TCP header");
    if (packet->l4 + sizeof(tcp) > packet->end || read_at(frame, packet->l4, &tcp, sizeof(tcp)))
        return first ? SEKISHO_REASON_TINY_FRAGMENT : SEKISHO_REASON_TCP_MALFORMED;
    header = (tcp.offset >> 4) * 4;
    if (header < sizeof(tcp))
        return SEKISHO_REASON_TCP_MALFORMED;
    if (packet->l4 + header > packet->end)
        return first ? SEKISHO_REASON_TINY_FRAGMENT : SEKISHO_REASON_TCP_MALFORMED;
    packet->source_port = tcp.source;
    packet->destination_port = tcp.destination;
    packet->seq = bpf_ntohl(tcp.seq);
    packet->ack = bpf_ntohl(tcp.ack);
    packet->flags = tcp.flags;
    packet->payload = packet->end - packet->l4 - header;
    return SEGMENT;
}

static __always_inline bool is_tunnel(__u8 protocol)
{
    return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

static __always_inline __u8 read_ipv4(struct frame *frame, struct packet *packet)
{
    struct {
        __u8 version_ihl, tos;
        __be16 total, id, fragment;
        __u8 ttl, protocol;
        __u16 check;
        __be32 source, destination;
    } ip ALIGNED;
    __u32 header, total, place;
    bool first;

    _Static_assert(sizeof(ip) == 20, "an IPv4 header");
    if (read_at(frame, packet->l3, &ip, sizeof(ip)))
        return SEKISHO_REASON_IPV4_MALFORMED;
    header = (ip.version_ihl & 0xf) * 4;
    total = bpf_ntohs(ip.total);
    if (total == 0 && frame->gso)
        total = frame->length - packet->l3;
    if (frame->cut && packet->l3 + total > frame->limit)
        total = frame->limit - packet->l3;
    if (ip.version_ihl >> 4 != 4 || header < sizeof(ip) || total < header ||
        !reaches(frame, packet->l3 + total))
        return SEKISHO_REASON_IPV4_MALFORMED;
    packet->version = 4;
    packet->source.low = bpf_ntohl(ip.source);
    packet->destination.low = bpf_ntohl(ip.destination);
    packet->l4 = packet->l3 + header;
    packet->end = packet->l3 + total;

    place = bpf_ntohs(ip.fragment) & 0x1fff;
    first = bpf_ntohs(ip.fragment) & 0x2000;
    if (is_tunnel(ip.protocol)) {
        packet->tunnel = ip.protocol;
        packet->fragment = place == 1 ? FRAGMENT_AT_ONE
                           : place    ? LATER_FRAGMENT
                           : first    ? FIRST_FRAGMENT
                                      : WHOLE;
        return SEKISHO_REASON_TUNNEL;
    }
    first |= frame->cut;
    if (place == 1 && ip.protocol == IPPROTO_TCP)
        return SEKISHO_REASON_FRAGMENT_AT_ONE;
    if (place)
        return SEKISHO_REASON_LATER_FRAGMENT;
    if (ip.protocol != IPPROTO_TCP)
        return SEKISHO_REASON_NOT_TCP;
    return read_tcp(frame, packet, first);
}

static __always_inline bool is_extension(__u8 next)
{
    return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
           next == NEXT_AUTHENTICATION || next == NEXT_DESTINATION || next == NEXT_MOBILITY ||
           next == NEXT_HIP || next == NEXT_SHIM6;
}

/* A walk over extension headers. */
struct walk {
    program_context *context;
    __u32 at; /* offset of the next header */
    __u32 end;
    __u8 next;  /* its type */
    __u8 first; /* the packet is a first fragment */
    __u8 found;
};

/* One extension header (RFC 8200 section 4, RFC 4302, 6275, 7401, 5533). 1 ends the walk. */
static int walk_extension(__u32 index, struct walk *walk)
{
    struct {
        __u8 next, length;
        __be16 fragment;
        __u32 id;
    } header;
    __u32 size;

    (void)index;
    if (!is_extension(walk->next))
        return 1;
    walk->found = walk->first ? SEKISHO_REASON_TINY_FRAGMENT : SEKISHO_REASON_HEADER_CHAIN;
    if (walk->at > OFFSET_LIMIT || walk->at + sizeof(header) > walk->end ||
        frame_load(walk->context, walk->at, &header, sizeof(header)))
        return 1;
    size = (header.length + 1) * 8;
    if (walk->next == NEXT_AUTHENTICATION)
        size = (header.length + 2) * 4; /* in words of four octets, less two: RFC 4302, 2.2 */
    if (walk->next == NEXT_FRAGMENT) {
        __u16 place = bpf_ntohs(header.fragment) >> 3;

        size = sizeof(header);
        if (place) {
            walk->found = place == 1 && header.next == IPPROTO_TCP ? SEKISHO_REASON_FRAGMENT_AT_ONE
                                                                   : SEKISHO_REASON_LATER_FRAGMENT;
            return 1;
        }
        if (bpf_ntohs(header.fragment) & 1) {
            walk->first = 1;
            walk->found = SEKISHO_REASON_TINY_FRAGMENT;
        }
    }
    if (walk->at + size > walk->end)
        return 1;
    walk->at += size;
    walk->next = header.next;
    walk->found = SEGMENT;
    return 0;
}

/*
 * Walks over the extension headers from `at`, the first being of type `next`, in a packet that ends at `end`.
 * A later fragment ends the walk: what follows it is no header. By bpf_loop, so that the verifier sees one
 * header instead of all their orders.
 */
__attribute__((noinline)) __u64 skip_extensions(program_context *context, __u32 at, __u32 end, __u8 next,
                                                __u8 first)
{
    struct walk walk = {
        .context = context, .at = at, .end = end, .next = next, .first = first, .found = SEGMENT};

    bpf_loop(SEKISHO_EXTENSION_HEADERS, walk_extension, &walk, 0);
    if (walk.found == SEGMENT && is_extension(walk.next))
        walk.found = SEKISHO_REASON_HEADER_CHAIN;
    return WALKED(walk.at, walk.next, walk.found) | (walk.first ? (__u64)MORE_FIRST << 48 : 0);
}

static __always_inline __u64 number_of(const __be32 words[2])
{
    return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

static __always_inline __u8 read_ipv6(struct frame *frame, struct packet *packet)
{
    struct {
        __be32 version;
        __be16 payload;
        __u8 next, hops;
        __be32 source[4], destination[4];
    } ip ALIGNED;
    bool first = frame->cut;

    _Static_assert(sizeof(ip) == 40, "an IPv6 header");
    if (read_at(frame, packet->l3, &ip, sizeof(ip)) || bpf_ntohl(ip.version) >> 28 != 6)
        return SEKISHO_REASON_IPV6_MALFORMED;
    packet->version = 6;
    packet->source.high = number_of(&ip.source[0]);
    packet->source.low = number_of(&ip.source[2]);
    packet->destination.high = number_of(&ip.destination[0]);
    packet->destination.low = number_of(&ip.destination[2]);
    packet->l4 = packet->l3 + sizeof(ip);
    packet->end = packet->l4 + bpf_ntohs(ip.payload);
    if (frame->cut && packet->end > frame->limit)
        packet->end = frame->limit;
    if (!ip.payload) /* a jumbogram or BIG TCP: the packet's own length counts */
        packet->end = frame->limit ? frame->limit : (frame->length = frame_length(frame->context));
    if (packet->end < packet->l4 || !reaches(frame, packet->end))
        return SEKISHO_REASON_IPV6_MALFORMED;

    if (is_extension(ip.next)) {
        __u64 walked = skip_extensions(frame->context, packet->l4, packet->end, ip.next, first);

        if (WALKED_FOUND(walked) != SEGMENT)
            return WALKED_FOUND(walked);
        packet->l4 = WALKED_AT(walked);
        ip.next = WALKED_NEXT(walked);
        first = WALKED_MORE(walked) & MORE_FIRST;
    }
    if (is_tunnel(ip.next)) {
        packet->tunnel = ip.next;
        packet->fragment = first ? FIRST_FRAGMENT : WHOLE;
        return SEKISHO_REASON_TUNNEL;
    }
    if (ip.next != IPPROTO_TCP)
        return SEKISHO_REASON_NOT_TCP;
    return read_tcp(frame, packet, first);
}

/*
 * Says what the frame holds from `offset` on, which follows an ethertype of `type` (host order), `tags` tags
 * of it being in metadata.
 */
static __always_inline void dissect(struct frame *frame, __u32 offset, __u16 type, __u32 tags,
                                    struct packet *packet)
{
    __u8 version = type == ETH_P_IP ? 4 : 6;

    if (type != ETH_P_IP && type != ETH_P_IPV6) {
        __u64 walked = skip_to_ip(frame->context, offset, type, tags);

        packet->found = WALKED_FOUND(walked);
        if (packet->found != SEGMENT) {
            frame->length = frame_length(frame->context);
            return;
        }
        offset = WALKED_AT(walked);
        version = WALKED_NEXT(walked);
        packet->ppp = WALKED_MORE(walked) & MORE_PPP;
        packet->labelled = WALKED_MORE(walked) & MORE_LABELS;
        if (packet->ppp) {
            __be16 length ALIGNED;

            if (frame_load(frame->context, offset - packet->ppp - sizeof(length), &length, sizeof(length))) {
                packet->found = SEKISHO_REASON_PPPOE_MALFORMED;
                return;
            }
            frame->limit = offset - packet->ppp + bpf_ntohs(length);
            frame->length = frame_length(frame->context);
        }
    }
    packet->l3 = offset;
    packet->found = version == 4 ? read_ipv4(frame, packet) : read_ipv6(frame, packet);
}

/*
 * Says what IPv4 in IPv6 (RFC 2473; DS-Lite, MAP-E) or IPv6 in IPv4 (RFC 4213) carries. Tunnels in tunnels,
 * and of a family in itself, aren't looked into. What a fragment of the tunnel carries is a part of its
 * packet.
 */
static __always_inline void dissect_tunnel(struct frame *frame, const struct packet *outer,
                                           struct packet *inner)
{
    const bool four_in_six = outer->version == 6 && outer->tunnel == IPPROTO_IPIP;

    inner->found = SEKISHO_REASON_TUNNEL;
    if (!four_in_six && !(outer->version == 4 && outer->tunnel == IPPROTO_IPV6))
        return;
    if (outer->fragment >= LATER_FRAGMENT) {
        inner->found = outer->fragment == FRAGMENT_AT_ONE ? SEKISHO_REASON_FRAGMENT_AT_ONE
                                                          : SEKISHO_REASON_LATER_FRAGMENT;
        return;
    }
    frame->limit = outer->end;
    frame->cut = outer->fragment == FIRST_FRAGMENT;
    inner->l3 = outer->l4;
    inner->labelled = outer->labelled;
    inner->ppp = outer->ppp;
    inner->found = four_in_six ? read_ipv4(frame, inner) : read_ipv6(frame, inner);
}

#endif
