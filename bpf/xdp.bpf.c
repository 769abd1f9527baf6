/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The XDP programs: dissect, decide, act. */
#include <linux/bpf.h>

typedef struct xdp_md program_context;

#include "judge.h"

static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size)
{
    return bpf_xdp_load_bytes(context, offset, to, size);
}

static __always_inline __u32 frame_length(program_context *context)
{
    return bpf_xdp_get_buff_len(context);
}

static __always_inline void *data_of(struct xdp_md *context)
{
    return (void *)(long)context->data;
}

static __always_inline void *data_end_of(struct xdp_md *context)
{
    return (void *)(long)context->data_end;
}

static __always_inline __u32 interface_of(const program_context *context)
{
    return context->ingress_ifindex;
}

static __always_inline struct frame frame_of(program_context *context)
{
    return (struct frame){
        .context = context,
        .data = data_of(context),
        .data_end = data_end_of(context),
        .length = context->data_end - context->data,
    };
}

/* Cuts the frame to what comes before IP and `size` octets; the MACs are exchanged: 0, or negative. */
static __always_inline int make_room(struct xdp_md *context, const struct packet *packet, __u32 size)
{
    __be16 length = bpf_htons(packet->ppp + size);
    __u8 macs[12];
    void *data;

    if (bpf_xdp_adjust_tail(context, (int)(packet->l3 + size) - (int)frame_length(context)))
        return -1;
    data = data_of(context);
    if (data + sizeof(macs) > data_end_of(context))
        return -1;
    __builtin_memcpy(macs, data, sizeof(macs));
    __builtin_memcpy(data, macs + 6, 6);
    __builtin_memcpy(data + 6, macs, 6);
    if (!packet->ppp)
        return 0;
    return bpf_xdp_store_bytes(context, packet->l3 - packet->ppp - sizeof(length), &length, sizeof(length));
}

static __always_inline void dissect_frame(struct frame *frame, __u8 how, struct packet *packet)
{
    struct ethhdr ethernet ALIGNED;

    (void)how; /* XDP goes where there is an Ethernet header */
    if (read_at(frame, 0, &ethernet, sizeof(ethernet)))
        packet->found = SEKISHO_REASON_FRAME_TRUNCATED;
    else
        dissect(frame, sizeof(ethernet), bpf_ntohs(ethernet.h_proto), 0, packet);
}

/* Whether the frame gets an answer; what it holds is dissected then. */
static __always_inline bool is_answered(struct xdp_md *context, const struct sekisho_table *table,
                                        struct packet *packet)
{
    struct frame frame = frame_of(context);
    struct ethhdr ethernet ALIGNED;

    dissect_frame(&frame, 0, packet);
    return packet->found == SEGMENT && may_answer(packet) &&
           !read_at(&frame, 0, &ethernet, sizeof(ethernet)) &&
           is_for_us(&ethernet, context->ingress_ifindex) && answer_allowed(table, packet);
}

/* Turns the frame into a reset, if it may be answered: 0, or else it must be dropped. */
__attribute__((noinline)) int reset(struct xdp_md *context)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};

    if (!table || !is_answered(context, table, &packet))
        return -1;
    if (packet.version == 4) {
        struct reset4 answer ALIGNED;

        fill_reset4(&packet, &answer, false);
        return make_room(context, &packet, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet.l3, &answer, sizeof(answer));
    } else {
        struct reset6 answer ALIGNED;

        fill_reset6(&packet, &answer, false);
        return make_room(context, &packet, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet.l3, &answer, sizeof(answer));
    }
}

/*
 * Cuts the frame behind its quote and makes room for `size` octets before it; what comes before IP moves to
 * the new beginning, with the MACs exchanged. It is moved as if it were the longest: what is too much is
 * overwritten by what the room was made for.
 */
static __always_inline int move_shell(struct xdp_md *context, const struct packet *packet, __u32 quote,
                                      const __u32 size)
{
    __be16 length = bpf_htons(packet->ppp + size + quote);
    __u8 shell[LONGEST_SHELL], macs[12];

    if (bpf_xdp_adjust_tail(context, (int)(packet->l3 + quote) - (int)frame_length(context)) ||
        bpf_xdp_adjust_head(context, -(int)size) || bpf_xdp_load_bytes(context, size, shell, sizeof(shell)))
        return -1;
    __builtin_memcpy(macs, shell, sizeof(macs));
    __builtin_memcpy(shell, macs + 6, 6);
    __builtin_memcpy(shell + 6, macs, 6);
    if (bpf_xdp_store_bytes(context, 0, shell, sizeof(shell)))
        return -1;
    if (!packet->ppp)
        return 0;
    return bpf_xdp_store_bytes(context, packet->l3 - packet->ppp - sizeof(length), &length, sizeof(length));
}

/* Turns the frame into an ICMP message, as reset() does. */
__attribute__((noinline)) int prohibit(struct xdp_md *context)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    __u32 quote;
    __u64 sum;

    if (!table || !is_answered(context, table, &packet))
        return -1;
    quote = quote_of(&packet);
    if (!quote)
        return -1;
    sum = sum_between(context, packet.l3, packet.l3 + quote);
    if (packet.version == 4) {
        struct prohibit4 answer ALIGNED;

        fill_prohibit4(&packet, table, quote, sum, &answer);
        return move_shell(context, &packet, quote, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet.l3, &answer, sizeof(answer));
    } else {
        struct prohibit6 answer ALIGNED;

        fill_prohibit6(&packet, table, quote, sum, &answer);
        return move_shell(context, &packet, quote, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet.l3, &answer, sizeof(answer));
    }
}

/* Judges what comes from subscribers, and acts. */
static __always_inline int judge_frame(struct xdp_md *context, __u8 how)
{
    struct sekisho_counts *counts = counts_of(interface_of(context));
    struct decision decision;
    __u32 length;

    if (!counts)
        return XDP_PASS; /* there is a place for each slot */
    decision = judge_all(context, how, counts, &length);
    if (decision.verdict <= SEKISHO_DROP) {
        count(counts, decision, length);
        return decision.verdict == SEKISHO_DROP ? XDP_DROP : XDP_PASS;
    }
    if ((decision.verdict == SEKISHO_RESET && reset(context)) ||
        (decision.verdict == SEKISHO_PROHIBIT && prohibit(context)))
        decision.verdict = SEKISHO_DROP;
    count(counts, decision, length);
    if (decision.verdict == SEKISHO_PASS || decision.verdict == SEKISHO_MONITOR)
        return XDP_PASS;
    return is_answer(decision.verdict) ? XDP_TX : XDP_DROP;
}

SEC("xdp.frags")
int subscriber_xdp(struct xdp_md *context)
{
    return judge_frame(context, 0);
}

SEC("xdp.frags")
int validated_xdp(struct xdp_md *context)
{
    return judge_frame(context, JUDGE_VALIDATE);
}

/* What comes from elsewhere. */
SEC("xdp.frags")
int uplink_xdp(struct xdp_md *context)
{
    __u64 verdict = judge_all_uplink(context, 0);

    count(counts_of(interface_of(context)), decision_of(verdict), length_of(verdict));
    return decision_of(verdict).verdict == SEKISHO_DROP ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
