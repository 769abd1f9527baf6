/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The other answer to a blocked segment: "communication administratively prohibited", ICMP type 3 code 13
 * (RFC 792, RFC 1812 5.2.7.1) or ICMPv6 type 1 code 1 (RFC 4443, 3.1). It quotes the segment from its IP
 * header to the end of a TCP header without options: enough for every stack to find the connection. The
 * segment stays where it is; IP and ICMP headers are put before it.
 */
#ifndef SEKISHO_PROHIBIT_H
#define SEKISHO_PROHIBIT_H

#include <linux/in6.h>

#include "answer.h"

#define ICMP_UNREACHABLE 3
#define ICMP_PROHIBITED 13
#define ICMP6_UNREACHABLE 1
#define ICMP6_PROHIBITED 1

/* Octets quoted at most: longer chains of headers get no answer. */
#define LONGEST_QUOTE 256
/* What comes before IP at most: Ethernet, tags, PPPoE with PPP's protocol number. No shorter than what is put
 * behind it may be longer: see move_shell of each program. */
#define LONGEST_SHELL (ETH_HLEN + 4 * SEKISHO_TAGS + 8)

struct icmp_header {
    __u8 type, code;
    __sum16 check;
    __be32 unused;
};

struct prohibit4 {
    __u8 version_ihl, tos;
    __be16 total, id, fragment;
    __u8 ttl, protocol;
    __sum16 check;
    __be32 source, destination;
    struct icmp_header icmp;
};

struct prohibit6 {
    __be32 version;
    __be16 payload;
    __u8 next, hops;
    __be32 source[4], destination[4];
    struct icmp_header icmp;
};

_Static_assert(sizeof(struct prohibit4) == 28, "IPv4 and ICMP");
_Static_assert(sizeof(struct prohibit6) == 48, "IPv6 and ICMPv6");
_Static_assert(LONGEST_SHELL - ETH_HLEN < sizeof(struct prohibit4), "a shell fits where it is moved to");

/* How much of the segment is quoted; 0 if it is too long. */
static __always_inline __u32 quote_of(const struct packet *packet)
{
    __u32 quote = packet->l4 - packet->l3 + sizeof(struct tcp_header);

    return quote <= LONGEST_QUOTE ? quote : 0;
}

struct summing {
    program_context *context;
    __u32 at;
    __u64 sum;
};

static int sum_word(__u32 index, struct summing *summing)
{
    __u16 word[2];

    if (frame_load(summing->context, summing->at + index * sizeof(word), word, sizeof(word)))
        return 1;
    summing->sum += word[0] + word[1];
    return 0;
}

/*
 * The sum of what lies between two offsets, a multiple of four octets, as sum_words makes it. A global
 * function: what is done with the sum doesn't make the verifier follow it through each step.
 */
__attribute__((noinline)) __u64 sum_between(program_context *context, __u32 from, __u32 to)
{
    struct summing summing = {.context = context, .at = from};

    bpf_loop((to - from) / 4, sum_word, &summing, 0);
    return summing.sum;
}

/* Writes the headers before a quote of so many octets, whose sum this is. */
static __always_inline void fill_prohibit4(const struct packet *packet, const struct sekisho_table *table,
                                           __u32 quote, __u64 sum, struct prohibit4 *answer)
{
    answer->version_ihl = 0x45;
    answer->tos = 0xc0; /* internetwork control: RFC 1812, 4.3.2.5 */
    answer->total = bpf_htons(sizeof(*answer) + quote);
    answer->id = 0;
    answer->fragment = bpf_htons(0x4000);
    answer->ttl = 64;
    answer->protocol = IPPROTO_ICMP;
    answer->check = 0;
    answer->source = table->icmp_source4 ? table->icmp_source4 : bpf_htonl((__u32)packet->destination.low);
    answer->destination = bpf_htonl((__u32)packet->source.low);
    answer->check = ~folded(sum_words(answer, 20, 0));
    answer->icmp = (struct icmp_header){.type = ICMP_UNREACHABLE, .code = ICMP_PROHIBITED};
    answer->icmp.check = ~folded(sum_words(&answer->icmp, sizeof(answer->icmp), sum));
}

/* The same for IPv6. */
static __always_inline void fill_prohibit6(const struct packet *packet, const struct sekisho_table *table,
                                           __u32 quote, __u64 sum, struct prohibit6 *answer)
{
    const __u32 size = sizeof(answer->icmp) + quote;

    answer->version = bpf_htonl(6U << 28);
    answer->payload = bpf_htons(size);
    answer->next = IPPROTO_ICMPV6;
    answer->hops = 64;
    put_address(&packet->destination, answer->source);
    if (table->icmp_source6[0])
        __builtin_memcpy(answer->source, table->icmp_source6, sizeof(answer->source));
    put_address(&packet->source, answer->destination);
    answer->icmp = (struct icmp_header){.type = ICMP6_UNREACHABLE, .code = ICMP6_PROHIBITED};
    sum = sum_words(answer->source, 32, sum + bpf_htons(size) + bpf_htons(IPPROTO_ICMPV6));
    answer->icmp.check = ~folded(sum_words(&answer->icmp, sizeof(answer->icmp), sum));
}

#endif
