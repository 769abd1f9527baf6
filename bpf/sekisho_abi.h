/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The one contract between kernel and agent: keys, values, verdicts, reasons.
 *
 * Included by the programs (C, bpf target) and by agent/dataplane (C++). Every number that both
 * sides must agree on stands here and nowhere else. All structures are laid out without implicit
 * padding; multi-byte fields are in host order unless a comment says otherwise.
 */
#ifndef SEKISHO_ABI_H
#define SEKISHO_ABI_H

#include <linux/types.h>

/* Raised with every change of a map's layout; it is part of the pins' path. */
#define SEKISHO_ABI_VERSION 6

/* Disjoint ranges a table can hold, a power of two: the search takes log2 of it steps. */
#define SEKISHO_RANGES 1024
#define SEKISHO_RANGE_STEPS 10
/* First halves of IPv4 addresses, for most of which no search is needed. */
#define SEKISHO_FIRSTS 65536
/* Prefixes with a meaning of their own (see struct sekisho_segment). Segment 0 means nothing. */
#define SEKISHO_SEGMENTS 1024
/* Destination ports that are enforced. */
#define SEKISHO_PORTS 8
/* Bits of the bitmap: one for each key of the pools that fit, and a part that is hashed into. */
#define SEKISHO_EXACT_BITS (1U << 24)
#define SEKISHO_HASHED_BITS (1U << 23)
#define SEKISHO_BITMAP_WORDS ((SEKISHO_EXACT_BITS + SEKISHO_HASHED_BITS) / 64)
/* Tags looked behind (802.1Q, 802.1ad), MPLS labels, extension headers. */
#define SEKISHO_TAGS 4
#define SEKISHO_LABELS 4
#define SEKISHO_EXTENSION_HEADERS 8

/* What happens to a packet. MONITOR passes like PASS, but counts what would have been blocked. */
enum sekisho_verdict {
    SEKISHO_PASS = 0,
    SEKISHO_MONITOR = 1,
    SEKISHO_DROP = 2,
    SEKISHO_RESET = 3,
    SEKISHO_PROHIBIT = 4,
    SEKISHO_EXPLAIN = 5,  /* reserved */
    SEKISHO_FORWARD = 6,  /* passed, by the fast path */
    SEKISHO_VERDICTS = 8, /* size of the counters' rows */
};

/* Why. One for each row of the README; agent/dataplane/reasons.cpp has the names and the words. */
enum sekisho_reason {
    SEKISHO_REASON_NO_TABLE = 0,         /* pass: no policy loaded yet */
    SEKISHO_REASON_FRAME_TRUNCATED = 1,  /* drop: a tag leaves the frame */
    SEKISHO_REASON_NOT_IP = 2,           /* pass: another ethertype */
    SEKISHO_REASON_TAGS_TOO_DEEP = 3,    /* drop: more than SEKISHO_TAGS tags */
    SEKISHO_REASON_MPLS_TOO_DEEP = 4,    /* pass: more than SEKISHO_LABELS labels */
    SEKISHO_REASON_PPPOE_MALFORMED = 5,  /* drop: short, length beyond the packet */
    SEKISHO_REASON_IPV4_MALFORMED = 6,   /* drop: ihl < 5, lengths beyond the packet */
    SEKISHO_REASON_IPV6_MALFORMED = 7,   /* drop: short, payload length beyond the packet */
    SEKISHO_REASON_SOURCE_INVALID = 8,   /* drop: source validation (BCP 38), where it is on */
    SEKISHO_REASON_TUNNEL = 9,           /* pass: IP in IP that the interface doesn't inspect */
    SEKISHO_REASON_LATER_FRAGMENT = 10,  /* pass: no TCP header in it */
    SEKISHO_REASON_FRAGMENT_AT_ONE = 11, /* drop: TCP fragment at offset 1 (RFC 3128) */
    SEKISHO_REASON_TINY_FRAGMENT = 12,   /* drop: first fragment without the header (RFC 1858, 7112) */
    SEKISHO_REASON_TCP_MALFORMED = 13,   /* drop: under 20 bytes, bad data offset */
    SEKISHO_REASON_HEADER_CHAIN = 14, /* drop: too many extension headers, or the chain leaves the packet */
    SEKISHO_REASON_NOT_TCP = 15,      /* pass */
    SEKISHO_REASON_PORT_NOT_ENFORCED = 16, /* pass */
    SEKISHO_REASON_FOREIGN_DYNAMIC = 17,  /* block: from a foreign dynamic address to a server of one's own */
    SEKISHO_REASON_QUARANTINED = 18,      /* block */
    SEKISHO_REASON_DESIGNATED = 19,       /* pass: a designated mail server */
    SEKISHO_REASON_NO_POOL = 20,          /* pass: the source is nobody's subscriber */
    SEKISHO_REASON_EXEMPT = 21,           /* pass: a static contract */
    SEKISHO_REASON_FLOW = 22,             /* pass: a connection that was opened under a grant */
    SEKISHO_REASON_GRANTED = 23,          /* pass: a live grant */
    SEKISHO_REASON_BUDGET_EXHAUSTED = 24, /* block: a live grant that was used too often */
    SEKISHO_REASON_NOT_GRANTED = 25,      /* block: everything else */
    SEKISHO_REASON_UPLINK = 26,           /* pass: from elsewhere, nothing against it */
    SEKISHO_REASON_UPLINK_REPLY = 27,     /* drop: from an enforced port to who may not ask there */
    SEKISHO_REASON_UPLINK_INBOUND = 28,   /* drop: to an enforced port of a pool that wants none */
    SEKISHO_REASON_MPLS_NOT_IP = 29,      /* pass: something else behind MPLS labels */
    SEKISHO_REASON_PPP_NOT_IP = 30,       /* pass: another PPP protocol in a PPPoE session */
    SEKISHO_REASON_TOO_MANY_FLOWS = 31,   /* block: a live grant with too many connections at once */
    SEKISHO_REASON_FLOW_UNRECORDED = 32,  /* pass: a live grant, but no room to remember the connection */
    SEKISHO_REASONS = 64,
};

/*
 * A subscriber's key. IPv6: the address masked to the pool's key length. IPv4: ::PSID:ffff:a.b.c.d,
 * where PSID is the port set of a shared address (0 for an address of one's own); no pool may lie
 * in ::/32, so the two never meet. Network order.
 */
struct sekisho_key {
    __u8 bytes[16];
};

enum sekisho_entry_flag {
    SEKISHO_ENTRY_EXEMPT = 1,
    SEKISHO_ENTRY_GRANT = 2,
    SEKISHO_ENTRY_QUARANTINE = 4,
    SEKISHO_ENTRY_OVERRUN = 8,    /* the kernel's: the budget was overrun, no new connections */
    SEKISHO_ENTRY_UNLIMITED = 16, /* the grant has no budget in all */
    SEKISHO_ENTRY_CONTRACT = 32,  /* for the agent: EXEMPT because of whose the key is, not by an order */
};

/*
 * All that is known of one subscriber key, in one line of the cache. What the kernel counts (budget, window,
 * flows, OVERRUN) the agent changes by single atomic operations, too (agent/dataplane/entry_table.h).
 */
struct sekisho_entry {
    struct sekisho_key key; /* all zeros: there is none */
    __u64 expires_ns;       /* CLOCK_BOOTTIME at which the grant ends */
    __u32 generation;  /* raised each time the key is handed to somebody: no flow of another one counts */
    __s32 budget_left; /* new connections that the grant is still good for, unless UNLIMITED */
    __u32 window;      /* number of the running window << 16 | new connections in it */
    /* These four octets are one word for the kernel's atomic operations; the agent's are on its parts. */
    __u16 flows __attribute__((aligned(4))); /* recorded ones of this generation */
    __u8 flags;                              /* enum sekisho_entry_flag */
    __u8 key_bits; /* the key's length; for the agent, which may meet another one in its configuration */
    __u32 passed;  /* in the first entry of a bucket: how many stand behind it, because it was full */
    __u32 reserved[5];
};

/*
 * Where entries stand: a hash of buckets, of which a key may be in so many, tried in the order of its trail
 * until one that nobody passed. The agent keeps a third of the places free, so that nine of ten stand in
 * their first bucket. An entry never moves, and its place is another key's only when no program can be
 * reading it any more.
 */
#define SEKISHO_BUCKET 4
#define SEKISHO_TRAIL 32
struct sekisho_bucket {
    struct sekisho_entry at[SEKISHO_BUCKET];
} __attribute__((aligned(64)));

struct sekisho_trail {
    __u32 at; /* the bucket, as a part of 2^32 */
    __u32 step;
};

/* A key's halves as they lie in memory; the seed is secret, so that nobody can choose whom to meet. */
static inline struct sekisho_trail sekisho_trail_of(__u64 seed, __u64 first, __u64 second)
{
    __u64 mixed = (first ^ seed) * 0x9e3779b97f4a7c15ULL;
    struct sekisho_trail trail;

    mixed = (mixed ^ mixed >> 32 ^ second) * 0xd6e8feb86659fd93ULL;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93ULL;
    mixed ^= mixed >> 32;
    trail.at = (__u32)mixed;
    trail.step = (__u32)(mixed >> 32);
    return trail;
}

/* The next one, as if by chance: steps of one length would lead some keys to few buckets. */
static inline void sekisho_go_on(struct sekisho_trail *trail)
{
    trail->at = trail->at * 0x915f77f5U + trail->step;
}

static inline __u32 sekisho_bucket_at(__u32 at, __u32 buckets)
{
    return (__u32)((__u64)at * buckets >> 32);
}

/* A connection that was opened under a grant. In a tunnel, that of the inner packet. */
struct sekisho_flow_key {
    struct sekisho_key subscriber;
    __u64 source[2]; /* as numbers; IPv4 in the lower 32 bits of the second */
    __u64 destination[2];
    __u16 source_port; /* network order */
    __u16 destination_port;
    __u32 reserved;
};

enum sekisho_flow_state {
    SEKISHO_FLOW_OPENING = 0, /* its SYN may be repeated */
    SEKISHO_FLOW_OPEN = 1,
    SEKISHO_FLOW_CLOSING = 2, /* the subscriber's FIN was seen */
};

struct sekisho_flow {
    __u32 generation; /* of the entry under which it was opened */
    __u32 sequence;   /* initial sequence number of its SYN */
    __u32 seen_s;     /* CLOCK_BOOTTIME in seconds at which its last packet was seen */
    __u32 state;      /* enum sekisho_flow_state */
};

/* How long a connection that is being opened, or closed, is remembered: Linux repeats a SYN for 127 s. */
#define SEKISHO_FLOW_OPENING_S 130
#define SEKISHO_FLOW_CLOSING_S 60

/* What the kernel tells the agent, through a ring buffer. */
enum sekisho_event_kind {
    SEKISHO_EVENT_OVERRUN = 1, /* the entry's OVERRUN flag was raised */
};

struct sekisho_event {
    struct sekisho_key key;
    __u32 generation;
    __u16 kind; /* enum sekisho_event_kind */
    __u8 key_bits;
    __u8 reserved;
};

/* The context of sweep_flows, see upkeep.bpf.c. */
struct sekisho_sweep {
    __u64 now_ns; /* CLOCK_BOOTTIME */
    __u32 flows;  /* how many are left */
    __u32 ended;  /* how many were forgotten */
};

/* What comes from enforced ports on the uplink side. */
enum sekisho_replies {
    SEKISHO_REPLIES_OFF = 0,        /* passes */
    SEKISHO_REPLIES_STRICT = 1,     /* passes to who may ask there */
    SEKISHO_REPLIES_DESIGNATED = 2, /* passes from designated servers only */
};

enum sekisho_segment_flag {
    SEKISHO_SEGMENT_POOL = 1,       /* its addresses are subscribers' */
    SEKISHO_SEGMENT_DESIGNATED = 2, /* everybody may reach its addresses */
    SEKISHO_SEGMENT_EXEMPT = 4,     /* an exemption wider than a key */
    SEKISHO_SEGMENT_HASHED = 8,     /* its keys are hashed into the bitmap, not counted out */
    SEKISHO_SEGMENT_CLOSED = 16,    /* nobody outside may reach its enforced ports */
    SEKISHO_SEGMENT_OWN = 32,       /* servers of one's own, closed to foreign dynamic addresses (IP25B) */
};

/* What a range of addresses means. */
struct sekisho_segment {
    __u64 first_high; /* the prefix's first address as two numbers; IPv4 in the lower 32 bits of low */
    __u64 first_low;
    __u32 bit_base; /* place of its first key in the bitmap, unless hashed */
    __u8 flags;     /* enum sekisho_segment_flag */
    __u8 action;    /* enum sekisho_verdict: what block means here, in a pool or of servers of one's own */
    __u8 key_bits;  /* length of a subscriber's key: 32 for IPv4, 48 to 128 for IPv6 */
    __u8 reserved;
    __u32 pool;     /* place of the pool in the configuration */
    __u32 entrants; /* a bit for each list of pools that has it: see sekisho_interface.entrants */
};

/* Lists of pools whose subscribers come in by an interface. */
#define SEKISHO_ENTRANTS 32

/*
 * What all addresses mean that begin with the same 16 bits, in a word: the segment's flags, its action << 8,
 * its number << 16, and what is added to an address for its place in the bitmap << 32 (unless hashed). Where
 * they don't mean the same, it is SEKISHO_SEARCH.
 */
#define SEKISHO_SEARCH 128 /* no segment's flag */
static inline __u64 sekisho_meaning(const struct sekisho_segment *segment, __u16 number)
{
    __u32 to_bit = segment->bit_base - (__u32)segment->first_low;

    return (__u64)to_bit << 32 | (__u64)number << 16 | (__u64)segment->action << 8 | segment->flags;
}

/*
 * Sorted, disjoint ranges: an address belongs to the last range whose start is not above it.
 * start[0] is always 0; unused places at the end repeat the highest address and the last segment.
 */
struct sekisho_ranges4 {
    __u64 first[SEKISHO_FIRSTS]; /* see sekisho_meaning() */
    __u32 start[SEKISHO_RANGES];
    __u16 segment[SEKISHO_RANGES];
};
struct sekisho_ranges6 {
    __u64 high[SEKISHO_RANGES];
    __u64 low[SEKISHO_RANGES];
    __u16 segment[SEKISHO_RANGES];
};

/*
 * The whole policy, replaced as one, see struct sekisho_state.
 * The bitmap has one bit for each subscriber key; a zero proves that the key has no entry.
 */
struct sekisho_table {
    __u16 ports[SEKISHO_PORTS]; /* enforced destination ports, network order; 0 = unused */
    __u32 answers_per_second;   /* limit of answers per CPU */
    __u32 icmp_source4;         /* source of ICMP answers, network order; 0: the destination asked for */
    __u32 icmp_source6[4];
    __u32 inbound_replies; /* enum sekisho_replies */
    __u32 window_s;        /* length of a budget's window in seconds; 0: there are none */
    __u32 window_limit;    /* new connections in one, at most 65,000 */
    __u32 flow_limit;      /* connections of one subscriber at once, at most 65,000; 0: none are recorded */
    __u32 flow_idle_s;     /* seconds after which one is forgotten */
    struct sekisho_ranges4 source4;
    struct sekisho_ranges4 destination4;
    struct sekisho_ranges6 source6;
    struct sekisho_ranges6 destination6;
    struct sekisho_segment segments[SEKISHO_SEGMENTS];
    __u64 bitmap[SEKISHO_BITMAP_WORDS]; /* the exact part, then the hashed part */
};

/* Interfaces that are counted apart, by the slots that the agent gives them; slot 0 is all the others'. */
#define SEKISHO_SLOTS 64
/* Interfaces with a higher index have no slot. */
#define SEKISHO_INDEXES 65536

/*
 * What the agent writes in place, and the programs read without a look-up: the .bss of all objects, one map.
 * A new table is written where the one in force isn't, then `active` changes, then the agent waits until no
 * CPU can still be reading the old one.
 */
struct sekisho_state {
    struct sekisho_table tables[2];
    __u32 active;                /* 0: no table yet; else the one in force is tables[active & 1] */
    __u32 buckets;               /* of entries */
    __u64 seed;                  /* of their trails */
    __u8 slots[SEKISHO_INDEXES]; /* an interface's slot, by its index */
};

/*
 * The place of a key in the hashed part of the bitmap, 0 to SEKISHO_HASHED_BITS - 1. Its two halves are
 * given as numbers. Any mixing does: a collision costs a useless look for an entry.
 */
static inline __u32 sekisho_hashed_bit(__u64 high, __u64 low)
{
    __u64 mixed = (high ^ (low << 32 | low >> 32)) * 0x9e3779b97f4a7c15ULL;

    mixed ^= mixed >> 32;
    mixed *= 0xd6e8feb86659fd93ULL;
    return (__u32)(mixed >> 40) & (SEKISHO_HASHED_BITS - 1);
}

/*
 * A range of foreign dynamic addresses, the key of a trie whose values mean nothing. IPv4: ::ffff:a.b.c.d,
 * and 96 bits more.
 */
struct sekisho_foreign_key {
    __u32 bits;
    __u8 address[16]; /* network order */
};

/* The context of ask_foreign, see upkeep.bpf.c. */
struct sekisho_foreign_question {
    struct sekisho_foreign_key key; /* an address: all its bits */
    __u32 found;                    /* the answer: 1 or 0 */
};

/* Counters of one slot, per CPU, at [reason * SEKISHO_VERDICTS + verdict]. */
#define SEKISHO_COUNTS ((__u32)SEKISHO_REASONS * SEKISHO_VERDICTS)

struct sekisho_count {
    __u64 packets;
    __u64 bytes;
};

/*
 * Which of the blocked packets are noted in the table of hitters: each of the first SEKISHO_NOTED in an
 * epoch; of the next so many times 8 one in 8, of the others one in 64, by chance, and it stands for all.
 */
#define SEKISHO_NOTED 4096
#define SEKISHO_SPARSEST 64
/* An epoch is 2^8 jiffies, near enough to a second. */
#define SEKISHO_EPOCH_SHIFT 8

struct sekisho_sampling {
    __u32 epoch;
    __u32 skip;   /* so many packets go unnoted next */
    __u32 noted;  /* with this weight */
    __u32 weight; /* for how many a noted one stands */
};

struct sekisho_counts {
    struct sekisho_count at[SEKISHO_COUNTS];
    struct sekisho_sampling sampling;
};

/* What is known of an attached interface, by its index; read only for answers, tunnels and validation. */
struct sekisho_interface {
    __u8 mac[6];
    __u8 any_mac;  /* 1: answer frames to any MAC (a bridge, a port of one) */
    __u8 side;     /* 0 subscriber, 1 uplink */
    __u8 tunnels;  /* 1: look inside IPv4 in IPv6 and IPv6 in IPv4 */
    __u8 entrants; /* validated sources lie in a pool that has this bit, from 1; 0: in any pool */
    __u8 reserved[2];
};

/* An interface whose packets may take the fast path, by its slot. */
struct sekisho_router {
    __u16 mac[3]; /* as it lies in a frame */
    __u16 routes; /* 1: frames to it are for the router; 0: a bridge, or nobody */
};

/* Places of the table of who is being blocked, per CPU, a power of two. */
#define SEKISHO_HITTERS 512
/* What one place gets of a CPU's answers: one of so many parts, but at least so many in a second. */
#define SEKISHO_ANSWER_SHARES 16
#define SEKISHO_ANSWER_LEAST 100

/* Times are of CLOCK_MONOTONIC (coarse), in units of 2^30 ns. */
struct sekisho_hitter {
    __u64 source[2];    /* as numbers: 0 and ::ffff:a.b.c.d, or an IPv6 address's first half and 0 */
    __u64 packets;      /* blocked since `first` */
    __u64 destinations; /* a bit for each of 64 classes of destinations */
    __u32 first;
    __u32 last;
    __u32 answered; /* when the last answer was given */
    __u32 answers;  /* how many then */
};

struct sekisho_hitters {
    __u64 random;
    struct sekisho_hitter places[SEKISHO_HITTERS];
};

/* The limiter of answers, per CPU. */
struct sekisho_limiter {
    __u64 window; /* CLOCK_MONOTONIC (coarse, ns) at which the running second began */
    __u32 used;
    __u32 unsent; /* events that found no room in the ring, since the map was made */
};

#endif
