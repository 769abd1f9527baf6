/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The XDP programs: dissect, decide, act. */
#include <linux/bpf.h>

typedef struct xdp_md program_context;

#include "judge.h"

static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size)
{
    return bpf_xdp_load_bytes(context, offset, to, size);
}

static __always_inline int frame_store(program_context *context, __u32 offset, const void *from, __u32 size)
{
    return bpf_xdp_store_bytes(context, offset, (void *)from, size);
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

#include "forward.h"
#include "tunnel.h"

/* Cuts the frame to its shell and `size` octets; the MACs are exchanged: 0, or negative. */
static __always_inline int make_room(struct xdp_md *context, const struct shell *shell, __u32 size)
{
    __u8 macs[12];
    void *data;

    if (bpf_xdp_adjust_tail(context, (int)(shell->l3 + shell->carried + size) - (int)frame_length(context)))
        return -1;
    data = data_of(context);
    if (data + sizeof(macs) > data_end_of(context))
        return -1;
    __builtin_memcpy(macs, data, sizeof(macs));
    __builtin_memcpy(data, macs + 6, 6);
    __builtin_memcpy(data + 6, macs, 6);
    return set_pppoe_length(context, shell, size);
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

static __always_inline bool is_answered(struct xdp_md *context, __u8 how, const struct sekisho_table *table,
                                        struct packet *packet, const __u8 found)
{
    struct frame frame = frame_of(context);
    struct ethhdr ethernet ALIGNED;

    dissect_frame(&frame, how, packet);
    return packet->found == found && may_answer(packet) && !read_at(&frame, 0, &ethernet, sizeof(ethernet)) &&
           is_for_us(&ethernet, context->ingress_ifindex) && answer_allowed(table, sender_of(table, packet));
}

/* Writes the reset for a segment behind its shell: 0, or negative. */
static __always_inline int write_reset(struct xdp_md *context, const struct packet *packet,
                                       const struct shell *shell)
{
    if (packet->version == 4) {
        struct reset4 answer ALIGNED;

        fill_reset4(packet, &answer, false);
        return make_room(context, shell, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet->l3, &answer, sizeof(answer));
    } else {
        struct reset6 answer ALIGNED;

        fill_reset6(packet, &answer, false);
        return make_room(context, shell, sizeof(answer)) ||
               bpf_xdp_store_bytes(context, packet->l3, &answer, sizeof(answer));
    }
}

/* Turns the frame into a reset, if it may be answered: 0, or else it must be dropped. */
__attribute__((noinline)) int reset(struct xdp_md *context)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct shell shell;

    if (!table || !is_answered(context, 0, table, &packet, SEGMENT))
        return -1;
    shell = shell_of(&packet);
    return write_reset(context, &packet, &shell);
}

/* The same for what a tunnel carries. */
__attribute__((noinline)) int reset_in_tunnel(struct xdp_md *context, __u64 tunnel)
{
    struct frame frame = frame_of(context);
    struct shell shell = TUNNEL_SHELL(tunnel);
    struct packet packet = {};

    if (!dissect_carried(&frame, tunnel, &packet) || write_reset(context, &packet, &shell))
        return -1;
    return turn_tunnel(context, tunnel, shell.l3,
                       packet.version == 4 ? sizeof(struct reset4) : sizeof(struct reset6));
}

/*
 * Cuts the frame behind its quote and makes room for `size` octets before it; what comes before IP moves to
 * the new beginning, with the MACs exchanged. It is moved as if it were the longest: what is too much is
 * overwritten by what the room was made for. (A tunnel's header is still where it was.)
 */
static __always_inline int move_shell(struct xdp_md *context, const struct shell *shell, __u32 quote,
                                      const __u32 size)
{
    __u8 moved[LONGEST_SHELL], macs[12];

    if (bpf_xdp_adjust_tail(context,
                            (int)(shell->l3 + shell->carried + quote) - (int)frame_length(context)) ||
        bpf_xdp_adjust_head(context, -(int)size) || bpf_xdp_load_bytes(context, size, moved, sizeof(moved)))
        return -1;
    __builtin_memcpy(macs, moved, sizeof(macs));
    __builtin_memcpy(moved, macs + 6, 6);
    __builtin_memcpy(moved + 6, macs, 6);
    if (bpf_xdp_store_bytes(context, 0, moved, sizeof(moved)))
        return -1;
    return set_pppoe_length(context, shell, size + quote);
}

/*
 * Writes the ICMP message for a segment behind its shell; with a tunnel, whose header is put before it: 0, or
 * negative.
 */
static __always_inline int write_prohibit(struct xdp_md *context, const struct packet *packet,
                                          const struct shell *shell, __u64 tunnel)
{
    const struct sekisho_table *table = current_table();
    __u32 quote = quote_of(packet);
    __u64 sum;

    if (!table || !quote)
        return -1;
    sum = sum_between(context, packet->l3, packet->l3 + quote);
    if (packet->version == 4) {
        struct prohibit4 answer ALIGNED;

        fill_prohibit4(packet, table, quote, sum, &answer);
        return move_shell(context, shell, quote, sizeof(answer)) ||
               (tunnel && turn_tunnel(context, tunnel, shell->l3 + sizeof(answer), sizeof(answer) + quote)) ||
               bpf_xdp_store_bytes(context, packet->l3, &answer, sizeof(answer));
    } else {
        struct prohibit6 answer ALIGNED;

        fill_prohibit6(packet, table, quote, sum, &answer);
        return move_shell(context, shell, quote, sizeof(answer)) ||
               (tunnel && turn_tunnel(context, tunnel, shell->l3 + sizeof(answer), sizeof(answer) + quote)) ||
               bpf_xdp_store_bytes(context, packet->l3, &answer, sizeof(answer));
    }
}

/* Turns the frame into an ICMP message, as reset() does. */
__attribute__((noinline)) int prohibit(struct xdp_md *context)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct shell shell;

    if (!table || !is_answered(context, 0, table, &packet, SEGMENT))
        return -1;
    shell = shell_of(&packet);
    return write_prohibit(context, &packet, &shell, 0);
}

/* The same for what a tunnel carries. */
__attribute__((noinline)) int prohibit_in_tunnel(struct xdp_md *context, __u64 tunnel)
{
    struct frame frame = frame_of(context);
    struct shell shell = TUNNEL_SHELL(tunnel);
    struct packet packet = {};

    if (!dissect_carried(&frame, tunnel, &packet))
        return -1;
    return write_prohibit(context, &packet, &shell, tunnel);
}

/* Turns the frame into the answer that the verdict says, and the verdict into what became of it. */
static __always_inline void answer(struct xdp_md *context, struct decision *decision)
{
    const bool resets = (decision->verdict & ~IN_TUNNEL) == SEKISHO_RESET;
    int failed;

    if (decision->verdict & IN_TUNNEL) {
        __u64 tunnel = answerable_tunnel(context, 0);

        failed = !tunnel || (resets ? reset_in_tunnel(context, tunnel) : prohibit_in_tunnel(context, tunnel));
    } else {
        failed = resets ? reset(context) : prohibit(context);
    }
    decision->verdict = failed ? SEKISHO_DROP : resets ? SEKISHO_RESET : SEKISHO_PROHIBIT;
}

/* Lets a frame go on, the fast way where that is wanted and possible; what is only monitored goes the usual.
 */
static __always_inline int pass(struct xdp_md *context, __u8 how, struct decision *decision)
{
    if (!(how & JUDGE_FORWARD) || decision->verdict != SEKISHO_PASS || forward(context) != XDP_REDIRECT)
        return XDP_PASS;
    decision->verdict = SEKISHO_FORWARD;
    return XDP_REDIRECT;
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
        int action = decision.verdict == SEKISHO_DROP ? XDP_DROP : pass(context, how, &decision);

        count(counts, decision, length);
        return action;
    }
    if (is_answer(decision.verdict))
        answer(context, &decision);
    count(counts, decision, length);
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

SEC("xdp.frags")
int subscriber_fast(struct xdp_md *context)
{
    return judge_frame(context, JUDGE_FORWARD);
}

SEC("xdp.frags")
int validated_fast(struct xdp_md *context)
{
    return judge_frame(context, JUDGE_VALIDATE | JUDGE_FORWARD);
}

/* Judges what comes from elsewhere, and acts. */
static __always_inline int judge_uplink_frame(struct xdp_md *context, __u8 how)
{
    __u64 verdict = judge_all_uplink(context, how);
    struct decision decision = decision_of(verdict);
    int action = decision.verdict == SEKISHO_DROP ? XDP_DROP : pass(context, how, &decision);

    count(counts_of(interface_of(context)), decision, length_of(verdict));
    return action;
}

SEC("xdp.frags")
int uplink_xdp(struct xdp_md *context)
{
    return judge_uplink_frame(context, 0);
}

SEC("xdp.frags")
int uplink_fast(struct xdp_md *context)
{
    return judge_uplink_frame(context, JUDGE_FORWARD);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
