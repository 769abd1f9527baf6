/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What is counted: packets and bytes for each reason and verdict; answers against their limit. */
#ifndef SEKISHO_TALLY_H
#define SEKISHO_TALLY_H

#include "flows.h"
#include "hitters.h"

static __always_inline void count(struct sekisho_counts *counts, struct decision decision, __u32 length)
{
    __u32 place = (decision.reason * SEKISHO_VERDICTS + decision.verdict) & (SEKISHO_COUNTS - 1);

    if (!counts)
        return;
    counts->at[place].packets++;
    counts->at[place].bytes += length;
}

/* Whether this CPU may answer once more in the running second, and the subscriber who has this key be
 * answered. */
static __always_inline bool answer_allowed(const struct sekisho_table *table, struct address key)
{
    __u32 zero = 0;
    struct sekisho_limiter *limiter = bpf_map_lookup_elem(&sekisho_limiters, &zero);
    __u64 now = bpf_ktime_get_coarse_ns();

    if (!limiter)
        return false;
    if (now - limiter->window >= NANOSECONDS_PER_SECOND) {
        limiter->window = now;
        limiter->used = 0;
    }
    if (limiter->used >= table->answers_per_second || !answer_fair(key, table->answers_per_second))
        return false;
    limiter->used++;
    return true;
}

#endif
