/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The XDP programs: dissect, decide, act. */
#include <linux/bpf.h>

typedef struct xdp_md program_context;

#include "answer.h"

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

/* Where IP can begin at the latest: Ethernet, tags, PPPoE with PPP's protocol number. */
#define LATEST_L3 (ETH_HLEN + 4 * SEKISHO_TAGS + 8)

/* Cuts the frame to what comes before IP and `size` octets; the MACs are exchanged. NULL on failure. */
static __always_inline void *make_room(struct xdp_md *context, const struct packet *packet, const __u32 size)
{
    __u32 length = frame_length(context);
    __u8 macs[12];
    void *data;

    if (bpf_xdp_adjust_tail(context, (int)(packet->l3 + size) - (int)length))
        return NULL;
    data = data_of(context);
    if (packet->l3 > LATEST_L3 || data + sizeof(macs) > data_end_of(context))
        return NULL;
    __builtin_memcpy(macs, data, sizeof(macs));
    __builtin_memcpy(data, macs + 6, 6);
    __builtin_memcpy(data + 6, macs, 6);
    if (packet->ppp) {
        __u32 place = packet->l3 - packet->ppp - sizeof(__be16);
        __be16 *length;

        asm volatile("" : "+r"(place));
        if (place > LATEST_L3)
            return NULL;
        length = data + place;
        if ((void *)(length + 1) > data_end_of(context))
            return NULL;
        *length = bpf_htons(packet->ppp + size);
    }
    data += packet->l3;
    return data + size <= data_end_of(context) ? data : NULL;
}

/* Turns the frame into a reset: 0, or negative, and then it is good for nothing any more. */
static __always_inline int reset(struct xdp_md *context, const struct packet *packet)
{
    if (packet->version == 4) {
        struct reset4 answer ALIGNED;
        void *to = make_room(context, packet, sizeof(answer));

        if (!to || to + sizeof(answer) > data_end_of(context))
            return -1;
        fill_reset4(packet, &answer, false);
        copy_words(to, &answer, sizeof(answer));
    } else {
        struct reset6 answer ALIGNED;
        void *to = make_room(context, packet, sizeof(answer));

        if (!to || to + sizeof(answer) > data_end_of(context))
            return -1;
        fill_reset6(packet, &answer, false);
        copy_words(to, &answer, sizeof(answer));
    }
    return 0;
}

/* What comes from subscribers. */
SEC("xdp.frags")
int subscriber_xdp(struct xdp_md *context)
{
    struct frame frame = {
        .context = context,
        .data = data_of(context),
        .data_end = data_end_of(context),
        .length = context->data_end - context->data,
    };
    const struct sekisho_table *table = current_table();
    struct packet packet = {};
    struct decision decision;
    struct ethhdr ethernet ALIGNED;

    if (!table) {
        count((struct decision){SEKISHO_REASON_NO_TABLE, SEKISHO_PASS}, frame_length(context));
        return XDP_PASS;
    }
    if (read_at(&frame, 0, &ethernet, sizeof(ethernet)))
        packet.found = SEKISHO_REASON_FRAME_TRUNCATED;
    else
        dissect(&frame, sizeof(ethernet), bpf_ntohs(ethernet.h_proto), 0, &packet);
    decision = decide(&packet, table);
    if (decision.verdict == SEKISHO_RESET &&
        (!may_answer(&packet) || !is_for_us(&ethernet, context->ingress_ifindex) || !answer_allowed(table) ||
         reset(context, &packet)))
        decision.verdict = SEKISHO_DROP;
    count(decision, frame.length);
    if (decision.verdict == SEKISHO_PASS || decision.verdict == SEKISHO_MONITOR)
        return XDP_PASS;
    return decision.verdict == SEKISHO_RESET ? XDP_TX : XDP_DROP;
}

/* What comes from elsewhere: counted, not judged yet. */
SEC("xdp.frags")
int uplink_xdp(struct xdp_md *context)
{
    count((struct decision){SEKISHO_REASON_UPLINK, SEKISHO_PASS}, frame_length(context));
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
