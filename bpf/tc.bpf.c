/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The TC programs, for where XDP can't go: dissect, decide, act. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

typedef struct __sk_buff program_context;

#include "answer.h"

/* Of the TCP checksum in its header. */
#define CHECK_OFFSET 16

static __always_inline int frame_load(program_context *context, __u32 offset, void *to, __u32 size)
{
    return bpf_skb_load_bytes(context, offset, to, size);
}

/*
 * Cuts the packet to `length` octets. Sets *partial if its checksum is one that the stack completes on the way
 * out (CHECKSUM_PARTIAL); a program isn't told, but the kernel refuses to cut such a packet before the end
 * of its checksum (__bpf_skb_min_len), so it is asked to. 0, or negative.
 */
static __always_inline int cut(struct __sk_buff *skb, __u32 l4, __u32 length, bool *partial)
{
    *partial = bpf_skb_change_tail(skb, l4 + CHECK_OFFSET + 1, 0) != 0;
    return bpf_skb_change_tail(skb, length, 0);
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

/* Turns the packet into a reset and sends it back. */
static __always_inline int reset(struct __sk_buff *skb, const struct packet *packet)
{
    __u32 header = packet->version == 4 ? sizeof(struct reset4) : sizeof(struct reset6);
    __u32 l4 = packet->l3 + header - sizeof(struct tcp_header);
    bool partial;
    int failed;

    if (cut(skb, packet->l4, packet->l3 + header, &partial))
        return TC_ACT_SHOT;
    /* The stack would complete the checksum where the old header stood. */
    if (partial && l4 != packet->l4)
        return TC_ACT_SHOT;
    if (exchange_macs(skb))
        return TC_ACT_SHOT;
    if (packet->version == 4) {
        struct reset4 answer;

        fill_reset4(packet, &answer, partial);
        failed = bpf_skb_store_bytes(skb, packet->l3, &answer, sizeof(answer),
                                     BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
    } else {
        struct reset6 answer;

        fill_reset6(packet, &answer, partial);
        failed = bpf_skb_store_bytes(skb, packet->l3, &answer, sizeof(answer),
                                     BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
    }
    return failed ? TC_ACT_SHOT : bpf_redirect(skb->ifindex, 0);
}

/* What comes from subscribers, on a device with an Ethernet header. */
SEC("tc")
int subscriber_tc(struct __sk_buff *skb)
{
    struct frame frame = {
        .context = skb,
        .data = (void *)(long)skb->data,
        .data_end = (void *)(long)skb->data_end,
        .length = skb->len,
        .gso = skb->gso_size,
    };
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct decision decision;
    struct ethhdr ethernet;

    if (!table) {
        count((struct decision){SEKISHO_REASON_NO_TABLE, SEKISHO_PASS}, frame.length);
        return TC_ACT_UNSPEC;
    }
    if (read_at(&frame, 0, &ethernet, sizeof(ethernet)))
        packet.found = SEKISHO_REASON_FRAME_TRUNCATED;
    else
        dissect(&frame, sizeof(ethernet), bpf_ntohs(ethernet.h_proto), skb->vlan_present ? 1 : 0, &packet);
    decision = decide(&packet, table);
    if (decision.verdict == SEKISHO_RESET &&
        !(may_answer(&packet, ethernet.h_dest, skb->ifindex) && answer_allowed(table)))
        decision.verdict = SEKISHO_DROP;
    count(decision, frame.length);
    if (decision.verdict == SEKISHO_PASS || decision.verdict == SEKISHO_MONITOR)
        return TC_ACT_UNSPEC;
    return decision.verdict == SEKISHO_RESET ? reset(skb, &packet) : TC_ACT_SHOT;
}

/* What comes from elsewhere: counted, not judged yet. */
SEC("tc")
int uplink_tc(struct __sk_buff *skb)
{
    count((struct decision){SEKISHO_REASON_UPLINK, SEKISHO_PASS}, skb->len);
    return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
