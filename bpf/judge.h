/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * From a frame to its verdict, in steps that are global functions: the verifier judges each once, and the
 * rare ones (what a tunnel carries, an answer) don't share the stack with the ordinary one. Each dissects the
 * frame for itself.
 */
#ifndef SEKISHO_JUDGE_H
#define SEKISHO_JUDGE_H

#include "plain.h"
#include "prohibit.h"
#include "sight.h"

/* The frame as the program's kind of context shows it. By the includer. */
static __always_inline struct frame frame_of(program_context *context);
/* The index of the interface where it came in. By the includer. */
static __always_inline __u32 interface_of(const program_context *context);
/* Says what it holds. By the includer. */
static __always_inline void dissect_frame(struct frame *frame, __u8 how, struct packet *packet);

/* How a program judges; each combination that is needed is a program of its own. */
#define JUDGE_BARE 1     /* frames begin with IP */
#define JUDGE_VALIDATE 2 /* sources must lie in a pool */
#define JUDGE_FORWARD 4  /* what passes takes the fast path (XDP) */

/* A verdict in one number, with the packet's length. */
static __always_inline __u64 judged(struct decision decision, __u32 length)
{
    return (__u64)length << 32 | (__u32)decision.verdict << 8 | decision.reason;
}
static __always_inline struct decision decision_of(__u64 judged)
{
    return (struct decision){judged & 0xff, judged >> 8 & 0xff};
}
static __always_inline __u32 length_of(__u64 judged)
{
    return judged >> 32;
}

/* Beside a verdict, on its way to who acts: the answer goes back in the tunnel that the segment came in. */
#define IN_TUNNEL 0x80

/* Whether the verdict sends the packet back as something else, in a tunnel or not. */
static __always_inline bool is_answer(__u8 verdict)
{
    return (verdict & ~IN_TUNNEL) == SEKISHO_RESET || (verdict & ~IN_TUNNEL) == SEKISHO_PROHIBIT;
}

/* No verdict yet. */
#define UNJUDGED (~0ULL)

static __always_inline __u64 judge_plain_ip(const struct frame *frame, __u32 at, const __u8 version)
{
    __u32 interface = interface_of(frame->context);
    const struct sekisho_table *table;
    struct decision decision;
    struct packet packet = {};

    if (!read_plain(frame, at, version, &packet))
        return UNJUDGED;
    table = current_table();
    if (!table || !decide_plain(&packet, table, &decision))
        return UNJUDGED;
    if (decision.reason == SEKISHO_REASON_NOT_GRANTED)
        note_blocked(interface, &packet, &packet);
    return judged(decision, frame->length);
}

/* The verdict on a plain frame from a subscriber, or UNJUDGED if it needs a closer look. */
__attribute__((noinline)) __u64 judge_plain(program_context *context)
{
    struct frame frame = frame_of(context);
    __u32 at;

    switch (find_plain_ip(&frame, &at)) {
    case 4:
        return judge_plain_ip(&frame, at, 4);
    case 6:
        return judge_plain_ip(&frame, at, 6);
    default:
        return UNJUDGED;
    }
}

/* Which sources are valid on an interface, see sekisho_interface. */
static __always_inline __u8 entrants_of(__u32 index)
{
    const struct sekisho_interface *interface = bpf_map_lookup_elem(&sekisho_interfaces, &index);

    return interface ? interface->entrants : 0;
}

__attribute__((noinline)) __u64 judge(program_context *context, __u8 how)
{
    const struct sekisho_table *table = current_table();
    struct frame frame = frame_of(context);
    struct packet packet = {};
    struct decision decision;

    if (!table)
        return judged((struct decision){SEKISHO_REASON_NO_TABLE, SEKISHO_PASS}, frame_length(context));
    dissect_frame(&frame, how, &packet);
    if (how & JUDGE_VALIDATE && is_source_invalid(&packet, table, entrants_of(interface_of(context))))
        return judged((struct decision){SEKISHO_REASON_SOURCE_INVALID, SEKISHO_DROP}, frame.length);
    decision = decide(&packet, table);
    if (is_blocked(decision))
        note_blocked(interface_of(context), &packet, &packet);
    return judged(decision, frame.length);
}

/* The verdict on what a tunnel carries, where the interface inspects tunnels. */
__attribute__((noinline)) __u64 judge_tunnel(program_context *context, __u8 how)
{
    __u32 index = interface_of(context);
    const struct sekisho_interface *interface = bpf_map_lookup_elem(&sekisho_interfaces, &index);
    struct decision decision = {SEKISHO_REASON_TUNNEL, SEKISHO_PASS};
    const struct sekisho_table *table = current_table();
    struct frame frame = frame_of(context);
    struct packet outer = {}, inner = {};

    dissect_frame(&frame, how, &outer);
    if (interface && interface->tunnels && table && outer.found == SEKISHO_REASON_TUNNEL) {
        dissect_tunnel(&frame, &outer, &inner);
        decision = decide_in_tunnel(&outer, &inner, table);
        if (is_blocked(decision))
            note_blocked(index, &outer, &inner);
        if (is_answer(decision.verdict))
            decision.verdict |= IN_TUNNEL;
    }
    return judged(decision, frame.length);
}

static __always_inline __u64 judge_plain_uplink_ip(const struct frame *frame, __u32 at, const __u8 version)
{
    const struct sekisho_table *table;
    struct packet packet = {};

    if (!read_plain(frame, at, version, &packet))
        return UNJUDGED;
    table = current_table();
    if (!table || is_reply(&packet, table) || is_inbound(&packet, table))
        return UNJUDGED;
    return judged((struct decision){SEKISHO_REASON_UPLINK, SEKISHO_PASS}, frame->length);
}

/* What comes from elsewhere and has nothing to do with an enforced port: passes, or UNJUDGED. */
__attribute__((noinline)) __u64 judge_plain_uplink(program_context *context)
{
    struct frame frame = frame_of(context);
    __u32 at;

    switch (find_plain_ip(&frame, &at)) {
    case 4:
        return judge_plain_uplink_ip(&frame, at, 4);
    case 6:
        return judge_plain_uplink_ip(&frame, at, 6);
    default:
        return UNJUDGED;
    }
}

/* The verdict on what comes from elsewhere. */
__attribute__((noinline)) __u64 judge_uplink(program_context *context, __u8 how)
{
    const struct sekisho_table *table = current_table();
    struct frame frame = frame_of(context);
    struct packet packet = {};

    if (!table)
        return judged((struct decision){SEKISHO_REASON_NO_TABLE, SEKISHO_PASS}, frame_length(context));
    dissect_frame(&frame, how, &packet);
    return judged(decide_uplink(&packet, table), frame.length);
}

/* Notes a frame that was blocked at sight. */
__attribute__((noinline)) int note_at_sight(program_context *context)
{
    struct sekisho_counts *counts = counts_of(interface_of(context));
    struct frame frame = frame_of(context);
    struct packet packet = {};
    __u32 at;

    if (counts && find_plain_ip(&frame, &at) == 4 && read_plain_ipv4(&frame, at, &packet))
        note(&counts->sampling, &packet, &packet);
    return 0;
}

/* The verdict on what a subscriber sent and what isn't judged at sight. */
static __always_inline __u64 judge_closely(program_context *context, __u8 how)
{
    __u64 verdict = how & (JUDGE_VALIDATE | JUDGE_BARE) ? UNJUDGED : judge_plain(context);

    if (verdict != UNJUDGED)
        return verdict;
    verdict = judge(context, how);
    return decision_of(verdict).reason == SEKISHO_REASON_TUNNEL ? judge_tunnel(context, how) : verdict;
}

/* The verdict on a frame, if it can be judged at sight; says its length, too. */
static __always_inline bool judge_at_sight(program_context *context, struct sekisho_counts *counts,
                                           struct decision *decision, __u32 *length)
{
    struct frame frame = frame_of(context);

    if (!judge_sight(&frame, decision))
        return false;
    *length = frame.length;
    if (decision->reason == SEKISHO_REASON_NOT_GRANTED && !is_skipped(&counts->sampling))
        note_at_sight(context);
    return true;
}

/* The verdict on what a subscriber sent; says its length, too. */
static __always_inline struct decision judge_all(program_context *context, __u8 how,
                                                 struct sekisho_counts *counts, __u32 *length)
{
    struct decision decision;
    __u64 verdict;

    if (!(how & (JUDGE_VALIDATE | JUDGE_BARE)) && judge_at_sight(context, counts, &decision, length))
        return decision;
    verdict = judge_closely(context, how);
    *length = length_of(verdict);
    return decision_of(verdict);
}

/* The same for what comes from elsewhere. */
static __always_inline __u64 judge_all_uplink(program_context *context, __u8 how)
{
    __u64 verdict = how & JUDGE_BARE ? UNJUDGED : judge_plain_uplink(context);

    return verdict == UNJUDGED ? judge_uplink(context, how) : verdict;
}

#endif
