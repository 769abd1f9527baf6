/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The TC programs, for where XDP can't go: dissect, decide, act. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

typedef struct __sk_buff program_context;

#include "judge.h"
#include "tunnel.h"

static __always_inline __u32 interface_of(const program_context *context)
{
    return context->ifindex;
}

static __always_inline __u32 frame_length(program_context *context)
{
    return context->len;
}

/* Of the TCP checksum in its header. */
#define CHECK_OFFSET 16

static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size)
{
    return bpf_skb_load_bytes(context, offset, to, size);
}

static __always_inline int frame_store(program_context *context, __u32 offset, const void *from, __u32 size)
{
    return bpf_skb_store_bytes(context, offset, from, size, BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
}

static __always_inline struct frame frame_of(program_context *context)
{
    return (struct frame){
        .context = context,
        .data = (void *)(long)context->data,
        .data_end = (void *)(long)context->data_end,
        .length = context->len,
        .gso = context->gso_size,
    };
}

/*
 * Whether the packet's TCP checksum is one that the stack completes on the way out (CHECKSUM_PARTIAL). A
 * program isn't told, but the kernel refuses to cut such a packet before the end of its checksum
 * (__bpf_skb_min_len), so it is asked to: if it isn't one, what followed is lost.
 */
static __always_inline bool is_partial(struct __sk_buff *skb, const struct packet *packet)
{
    return bpf_skb_change_tail(skb, packet->l4 + CHECK_OFFSET + 1, 0) != 0;
}

/*
 * Leaves of the packet what comes before IP, and room for an IP header without options and a TCP header at
 * `l4`. Sets *partial: see is_partial(). 0, or negative.
 */
static __always_inline int make_room(struct __sk_buff *skb, const struct packet *packet,
                                     const struct shell *shell, __u32 l4, bool *partial)
{
    __u32 options = packet->l4 - l4;

    *partial = is_partial(skb, packet);
    if (bpf_skb_change_tail(skb, packet->l4 + sizeof(struct tcp_header), 0))
        return -1;
    if (!options)
        return 0;
    /*
     * The octets behind the IP header go, and the TCP header stays where the stack knows it: there it
     * completes the checksum, and before it nothing may be cut. Refused behind a tag in the frame, and for
     * over 4,095 octets. (The first IP header is a tunnel's where there is one.)
     */
    if (!shell->carried &&
        !bpf_skb_adjust_room(skb, -(__s32)options, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
        return 0;
    return *partial ? -1 : (int)bpf_skb_change_tail(skb, l4 + sizeof(struct tcp_header), 0);
}

static __always_inline int exchange_macs(struct __sk_buff *skb)
{
    __u8 macs[12], exchanged[12];

    if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)))
        return -1;
    __builtin_memcpy(exchanged, macs + 6, 6);
    __builtin_memcpy(exchanged + 6, macs, 6);
    return bpf_skb_store_bytes(skb, 0, exchanged, sizeof(exchanged), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline void dissect_frame(struct frame *frame, __u8 how, struct packet *packet)
{
    struct __sk_buff *skb = frame->context;
    struct ethhdr ethernet ALIGNED;

    if (how & JUDGE_BARE)
        dissect(frame, 0, bpf_ntohs((__be16)skb->protocol), 0, packet);
    else if (read_at(frame, 0, &ethernet, sizeof(ethernet)))
        packet->found = SEKISHO_REASON_FRAME_TRUNCATED;
    else
        dissect(frame, sizeof(ethernet), bpf_ntohs(ethernet.h_proto), skb->vlan_present ? 1 : 0, packet);
}

static __always_inline bool is_answered(struct __sk_buff *skb, __u8 how, const struct sekisho_table *table,
                                        struct packet *packet, const __u8 found)
{
    struct frame frame = frame_of(skb);
    struct ethhdr ethernet ALIGNED;

    dissect_frame(&frame, how, packet);
    if (packet->found != found || !may_answer(packet))
        return false;
    if (!(how & JUDGE_BARE) &&
        (read_at(&frame, 0, &ethernet, sizeof(ethernet)) || !is_for_us(&ethernet, skb->ifindex)))
        return false;
    return answer_allowed(table, sender_of(table, packet));
}

/* Writes the reset for a segment behind its shell: 0, or negative. */
static __always_inline int write_reset(struct __sk_buff *skb, __u8 how, const struct packet *packet,
                                       const struct shell *shell)
{
    __u32 header = packet->version == 4 ? sizeof(struct reset4) : sizeof(struct reset6);
    bool partial;

    if (make_room(skb, packet, shell, packet->l3 + header - sizeof(struct tcp_header), &partial) ||
        (!(how & JUDGE_BARE) && exchange_macs(skb)) || set_pppoe_length(skb, shell, header))
        return -1;
    if (packet->version == 4) {
        struct reset4 answer ALIGNED;

        fill_reset4(packet, &answer, partial);
        return frame_store(skb, packet->l3, &answer, sizeof(answer));
    } else {
        struct reset6 answer ALIGNED;

        fill_reset6(packet, &answer, partial);
        return frame_store(skb, packet->l3, &answer, sizeof(answer));
    }
}

/* Turns the packet into a reset, if it may be answered: 0, or else it must be dropped. */
__attribute__((noinline)) int reset(struct __sk_buff *skb, __u8 how)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct shell shell;

    if (!table || !is_answered(skb, how, table, &packet, SEGMENT))
        return -1;
    shell = shell_of(&packet);
    return write_reset(skb, how, &packet, &shell);
}

/* The same for what a tunnel carries. */
__attribute__((noinline)) int reset_in_tunnel(struct __sk_buff *skb, __u8 how, __u64 tunnel)
{
    struct frame frame = frame_of(skb);
    struct shell shell = TUNNEL_SHELL(tunnel);
    struct packet packet = {};

    if (!dissect_carried(&frame, tunnel, &packet) || write_reset(skb, how, &packet, &shell))
        return -1;
    return turn_tunnel(skb, tunnel, shell.l3,
                       packet.version == 4 ? sizeof(struct reset4) : sizeof(struct reset6));
}

/*
 * Makes room for `size` octets between what comes before IP, with the MACs exchanged, and IP. Where a tag or
 * PPPoE stands in the frame, the kernel doesn't know where IP begins: then the room is made at the very
 * beginning, and what comes before IP is moved there as if it were the longest.
 */
static __always_inline int move_shell(struct __sk_buff *skb, __u8 how, const __u32 size)
{
    __u8 shell[LONGEST_SHELL];

    if (!bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
        return how & JUDGE_BARE ? 0 : exchange_macs(skb);
    if (how & JUDGE_BARE || bpf_skb_change_head(skb, size, 0) ||
        bpf_skb_load_bytes(skb, size, shell, sizeof(shell)) ||
        bpf_skb_store_bytes(skb, 0, shell, sizeof(shell), 0))
        return -1;
    return exchange_macs(skb);
}

/*
 * Cuts the packet behind its quote: the quote's sum, or negative. Where the stack or the device completes the
 * TCP checksum on the way out, it makes the octets from the TCP header on sum up to what the field holds now,
 * inverted.
 */
static __always_inline __s64 cut_to_quote(struct __sk_buff *skb, const struct packet *packet)
{
    struct {
        __u16 check, urgent;
    } rest;
    bool partial;

    if (bpf_skb_load_bytes(skb, packet->l4 + CHECK_OFFSET, &rest, sizeof(rest)))
        return -1;
    partial = is_partial(skb, packet);
    if (bpf_skb_change_tail(skb, packet->l4 + sizeof(struct tcp_header), 0))
        return -1;
    if (partial)
        return sum_between(skb, packet->l3, packet->l4) + (0xffff - rest.check);
    if (bpf_skb_store_bytes(skb, packet->l4 + CHECK_OFFSET, &rest, sizeof(rest), 0))
        return -1;
    return sum_between(skb, packet->l3, packet->l4 + sizeof(struct tcp_header));
}

/*
 * Writes the ICMP message for a segment behind its shell; with a tunnel, whose header is put before it: 0, or
 * negative.
 */
static __always_inline int write_prohibit(struct __sk_buff *skb, __u8 how, const struct packet *packet,
                                          const struct shell *shell, __u64 tunnel)
{
    const struct sekisho_table *table = current_table();
    __u32 quote = quote_of(packet);
    __s64 sum;

    if (!table)
        return -1;
    sum = quote ? cut_to_quote(skb, packet) : -1;
    if (sum < 0)
        return -1;
    if (packet->version == 4) {
        struct prohibit4 answer ALIGNED;

        fill_prohibit4(packet, table, quote, sum, &answer);
        return move_shell(skb, how, sizeof(answer)) ||
               (tunnel && turn_tunnel(skb, tunnel, shell->l3 + sizeof(answer), sizeof(answer) + quote)) ||
               set_pppoe_length(skb, shell, sizeof(answer) + quote) ||
               frame_store(skb, packet->l3, &answer, sizeof(answer));
    } else {
        struct prohibit6 answer ALIGNED;

        fill_prohibit6(packet, table, quote, sum, &answer);
        return move_shell(skb, how, sizeof(answer)) ||
               (tunnel && turn_tunnel(skb, tunnel, shell->l3 + sizeof(answer), sizeof(answer) + quote)) ||
               set_pppoe_length(skb, shell, sizeof(answer) + quote) ||
               frame_store(skb, packet->l3, &answer, sizeof(answer));
    }
}

/* Turns the packet into an ICMP message, as reset() does. */
__attribute__((noinline)) int prohibit(struct __sk_buff *skb, __u8 how)
{
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct shell shell;

    if (!table || !is_answered(skb, how, table, &packet, SEGMENT))
        return -1;
    shell = shell_of(&packet);
    return write_prohibit(skb, how, &packet, &shell, 0);
}

/* The same for what a tunnel carries. */
__attribute__((noinline)) int prohibit_in_tunnel(struct __sk_buff *skb, __u8 how, __u64 tunnel)
{
    struct frame frame = frame_of(skb);
    struct shell shell = TUNNEL_SHELL(tunnel);
    struct packet packet = {};

    if (!dissect_carried(&frame, tunnel, &packet))
        return -1;
    return write_prohibit(skb, how, &packet, &shell, tunnel);
}

/* Turns the packet into the answer that the verdict says, and the verdict into what became of it. */
static __always_inline void answer(struct __sk_buff *skb, __u8 how, struct decision *decision)
{
    const bool resets = (decision->verdict & ~IN_TUNNEL) == SEKISHO_RESET;
    int failed;

    if (decision->verdict & IN_TUNNEL) {
        __u64 tunnel = answerable_tunnel(skb, how);

        failed =
            !tunnel || (resets ? reset_in_tunnel(skb, how, tunnel) : prohibit_in_tunnel(skb, how, tunnel));
    } else {
        failed = resets ? reset(skb, how) : prohibit(skb, how);
    }
    decision->verdict = failed ? SEKISHO_DROP : resets ? SEKISHO_RESET : SEKISHO_PROHIBIT;
}

/* Judges what comes from subscribers, and acts. */
static __always_inline int judge_skb(struct __sk_buff *skb, __u8 how)
{
    struct sekisho_counts *counts = counts_of(interface_of(skb));
    struct decision decision;
    __u32 length;

    if (!counts)
        return TC_ACT_UNSPEC; /* there is a place for each slot */
    decision = judge_all(skb, how, counts, &length);
    if (is_answer(decision.verdict))
        answer(skb, how, &decision);
    count(counts, decision, length);
    if (decision.verdict == SEKISHO_PASS || decision.verdict == SEKISHO_MONITOR)
        return TC_ACT_UNSPEC;
    return is_answer(decision.verdict) ? (int)bpf_redirect(skb->ifindex, 0) : TC_ACT_SHOT;
}

SEC("tc")
int subscriber_tc(struct __sk_buff *skb)
{
    return judge_skb(skb, 0);
}

SEC("tc")
int validated_tc(struct __sk_buff *skb)
{
    return judge_skb(skb, JUDGE_VALIDATE);
}

/* For ppp*, TUN and others that carry IP without an Ethernet header. */
SEC("tc")
int subscriber_tc_bare(struct __sk_buff *skb)
{
    return judge_skb(skb, JUDGE_BARE);
}

SEC("tc")
int validated_tc_bare(struct __sk_buff *skb)
{
    return judge_skb(skb, JUDGE_BARE | JUDGE_VALIDATE);
}

/* What comes from elsewhere. */
static __always_inline int judge_uplink_skb(struct __sk_buff *skb, __u8 how)
{
    __u64 verdict = judge_all_uplink(skb, how);

    count(counts_of(interface_of(skb)), decision_of(verdict), length_of(verdict));
    return decision_of(verdict).verdict == SEKISHO_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int uplink_tc(struct __sk_buff *skb)
{
    return judge_uplink_skb(skb, 0);
}

SEC("tc")
int uplink_tc_bare(struct __sk_buff *skb)
{
    return judge_uplink_skb(skb, JUDGE_BARE);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
