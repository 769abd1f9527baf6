// SPDX-License-Identifier: Apache-2.0
// The programs against the reference, on frames that nobody thought of.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "bpf/sekisho_abi.h"
#include "tc_opinion.skel.h"
#include "tests/bpf/cases.h"
#include "tests/bpf/frame_generator.h"
#include "tests/bpf/reference.h"
#include "tests/bpf/wire.h"
#include "xdp_opinion.skel.h"

namespace sekisho::bpftest {
namespace {

constexpr std::size_t frames_of_a_build = 600'000;  // for each program
constexpr int shown = 5;

std::size_t frames() {
    const char* wanted = std::getenv("SEKISHO_FRAMES");
    return wanted == nullptr ? frames_of_a_build : std::stoul(wanted) / 2;
}

std::uint64_t seed() {
    const char* wanted = std::getenv("SEKISHO_SEED");
    if (wanted == nullptr) {
        return 25;
    }
    return std::string_view(wanted) == "random" ? std::random_device{}() : std::stoull(wanted);
}

// struct witnessed of tc_opinion.bpf.c.
struct Witnessed {
    std::uint64_t packets;
    std::uint32_t opinion;
    std::uint32_t length;
    std::uint32_t linear;
    std::uint32_t tag_in_metadata;
    std::uint32_t gso_size;
    std::uint32_t reserved;
};

std::string hexadecimal(const Bytes& frame) {
    std::string text;
    for (const auto octet : frame) {
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", octet);
        text += digits.data();
    }
    return text;
}

// The program of one kind with only `opinion` loaded, sharing the tests' maps.
template <class Skeleton>
class Loaded {
public:
    explicit Loaded(Skeleton* opened) : skeleton_(opened) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, skeleton_->obj) {
            const std::string_view name = bpf_program__name(program);
            bpf_program__set_autoload(program, name.starts_with("opinion"));
        }
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, skeleton_->obj) {
            const int shared = Programs::get().map(bpf_map__name(map));
            if (shared >= 0) {
                EXPECT_EQ(bpf_map__reuse_fd(map, shared), 0) << bpf_map__name(map);
            }
        }
        EXPECT_EQ(bpf_object__load(skeleton_->obj), 0);
    }
    ~Loaded() { Skeleton::destroy(skeleton_); }
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;

    [[nodiscard]] int descriptor(bool validates) const {
        return bpf_program__fd(validates ? skeleton_->progs.opinion_on_source : skeleton_->progs.opinion);
    }
    [[nodiscard]] const Skeleton& skeleton() const { return *skeleton_; }

private:
    Skeleton* skeleton_;
};

Opinion opinion_of(std::uint32_t returned) {
    return {static_cast<sekisho_reason>(returned & 0xff), static_cast<sekisho_verdict>(returned >> 8 & 0xff)};
}

Opinion ask(int program, const Bytes& frame) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    if (bpf_prog_test_run_opts(program, &options) != 0) {
        ADD_FAILURE() << "running the program";
    }
    return opinion_of(options.retval);
}

// The same of an XDP frame whose linear part ends somewhere among the headers, as `number` says; nothing
// where the kernel doesn't let a test say so: see Programs::run_in_pieces().
std::optional<Opinion> ask_in_pieces(int program, const Bytes& frame, std::size_t number) {
    constexpr std::size_t ethernet = 14;
    xdp_md context{};
    context.data_end =
        static_cast<__u32>(ethernet + number / 4 % std::min<std::size_t>(frame.size() - ethernet + 1, 120));
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    if (bpf_prog_test_run_opts(program, &options) != 0) {
        return std::nullopt;
    }
    return opinion_of(options.retval);
}

// What is known of some of the sources that the generator uses.
const std::vector<Known>& known_sources() {
    static const std::vector<Known> all{
        {.address = hashed4, .flags = SEKISHO_ENTRY_GRANT},
        {.address = monitor4, .flags = SEKISHO_ENTRY_QUARANTINE},
        {.address = prohibit6, .key_bits = 64, .flags = SEKISHO_ENTRY_GRANT},
        {.address = monitor6, .key_bits = 60, .flags = SEKISHO_ENTRY_EXEMPT},
        {.address = drop6, .key_bits = 56, .flags = SEKISHO_ENTRY_GRANT | SEKISHO_ENTRY_QUARANTINE},
    };
    return all;
}

std::string text_of(const sekisho_key& key) {
    return {reinterpret_cast<const char*>(key.bytes), sizeof(key.bytes)};
}

// Fills the maps; what the reference is told of the keys.
Knowledge prepare(std::uint32_t interface, bool inspects) {
    auto& programs = Programs::get();
    programs.reset();
    programs.put_foreign(example_policy().foreign);
    const auto bit_of = by_hand().fill(programs.table());
    std::map<std::string, std::uint8_t> known_keys;
    for (const Known& known : known_sources()) {
        tell(known, bit_of);
        known_keys[text_of(bpftest::key_of(known.address, known.key_bits))] = known.flags;
    }
    sekisho_interface known{};
    known.any_mac = 1;
    known.tunnels = inspects ? 1 : 0;
    programs.put_interface(interface, known);
    return [known_keys](const sekisho_key& key) {
        const auto found = known_keys.find(text_of(key));
        return found == known_keys.end() ? std::uint8_t{0} : found->second;
    };
}

std::string disagreement(const Opinion& ours, const Opinion& theirs, const Bytes& frame) {
    return "the program says " + std::to_string(ours.reason) + '/' + std::to_string(ours.verdict) +
           ", the reference " + std::to_string(theirs.reason) + '/' + std::to_string(theirs.verdict) + '\n' +
           hexadecimal(frame);
}

// Tunnels inspected or not, sources validated or not.
class Opinions : public testing::TestWithParam<std::tuple<Kind, bool, bool>> {
protected:
    void compare(int program) const {
        const auto [kind, inspects, validates] = GetParam();
        constexpr std::uint32_t loopback = 1;
        const Reference reference(example_policy(), prepare(loopback, inspects), inspects, validates);
        const auto first = seed() + (inspects ? 1 : 0) + (kind == Kind::tc ? 2 : 0) + (validates ? 4 : 0);
        RecordProperty("seed", std::to_string(first));
        FrameGenerator generator(first);
        std::map<sekisho_reason, std::size_t> seen;
        std::size_t pieces = 0;
        int wrong = 0;
        for (std::size_t i = 0; i < frames() / 4 && wrong < shown; i++) {
            const Bytes frame = generator.next();
            if (!Programs::can_run(kind, frame)) {
                continue;
            }
            const auto cut =
                kind == Kind::xdp && i % 4 == 0 ? ask_in_pieces(program, frame, i) : std::nullopt;
            pieces += cut ? 1 : 0;
            const Opinion ours = cut ? *cut : ask(program, frame);
            const Opinion theirs = reference.judge(frame);
            seen[theirs.reason]++;
            if (ours != theirs) {
                wrong++;
                ADD_FAILURE() << "seed " << first << ", frame " << i << ": "
                              << disagreement(ours, theirs, frame);
            }
        }
        // Each reason that a frame can have must come up, or this shows less than it says.
        for (const auto reason : {SEKISHO_REASON_FRAME_TRUNCATED,
                                  SEKISHO_REASON_NOT_IP,
                                  SEKISHO_REASON_TAGS_TOO_DEEP,
                                  SEKISHO_REASON_MPLS_TOO_DEEP,
                                  SEKISHO_REASON_MPLS_NOT_IP,
                                  SEKISHO_REASON_PPPOE_MALFORMED,
                                  SEKISHO_REASON_PPP_NOT_IP,
                                  SEKISHO_REASON_IPV4_MALFORMED,
                                  SEKISHO_REASON_IPV6_MALFORMED,
                                  SEKISHO_REASON_TUNNEL,
                                  SEKISHO_REASON_LATER_FRAGMENT,
                                  SEKISHO_REASON_FRAGMENT_AT_ONE,
                                  SEKISHO_REASON_TINY_FRAGMENT,
                                  SEKISHO_REASON_TCP_MALFORMED,
                                  SEKISHO_REASON_HEADER_CHAIN,
                                  SEKISHO_REASON_NOT_TCP,
                                  SEKISHO_REASON_PORT_NOT_ENFORCED,
                                  SEKISHO_REASON_QUARANTINED,
                                  SEKISHO_REASON_DESIGNATED,
                                  SEKISHO_REASON_NO_POOL,
                                  SEKISHO_REASON_EXEMPT,
                                  SEKISHO_REASON_GRANTED,
                                  SEKISHO_REASON_NOT_GRANTED}) {
            EXPECT_GT(seen[reason], 20U) << "reason " << reason << " was hardly ever seen";
        }
        EXPECT_EQ(seen[SEKISHO_REASON_SOURCE_INVALID] > 20U, validates);
        // What is foreign lies in no pool, but may be in a tunnel from who has no address yet.
        EXPECT_TRUE(seen[SEKISHO_REASON_FOREIGN_DYNAMIC] > 20U || validates);
        EXPECT_TRUE(kind == Kind::tc || pieces == 0 || pieces > 1000U);
    }
};

TEST_P(Opinions, Agree) {
    if (std::get<Kind>(GetParam()) == Kind::xdp) {
        compare(Loaded(xdp_opinion__open()).descriptor(std::get<2>(GetParam())));
    } else {
        compare(Loaded(tc_opinion__open()).descriptor(std::get<2>(GetParam())));
    }
}

INSTANTIATE_TEST_SUITE_P(All, Opinions,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc), testing::Bool(),
                                          testing::Bool()),
                         [](const auto& each) {
                             return name(std::get<Kind>(each.param)) +
                                    (std::get<1>(each.param) ? "_TunnelsInspected" : "_TunnelsPassed") +
                                    (std::get<2>(each.param) ? "_SourcesValidated" : "");
                         });

// The uplink side, with each way of judging replies.
class OpinionsOnUplink : public testing::TestWithParam<std::tuple<Kind, sekisho_replies>> {
protected:
    static void compare(int program) {
        const auto [kind, replies] = GetParam();
        constexpr std::uint32_t loopback = 1;
        const Reference reference(example_policy(), prepare(loopback, false), false, false);
        Programs::get().table().inbound_replies = replies;
        const auto first = seed() + 16 + 2 * static_cast<std::uint64_t>(replies) + (kind == Kind::tc ? 1 : 0);
        RecordProperty("seed", std::to_string(first));
        FrameGenerator generator(first);
        std::map<std::pair<sekisho_reason, sekisho_verdict>, std::size_t> seen;
        int wrong = 0;
        for (std::size_t i = 0; i < frames() / 12 && wrong < shown; i++) {
            const Bytes frame = generator.next();
            if (!Programs::can_run(kind, frame)) {
                continue;
            }
            const Opinion ours = ask(program, frame);
            const Opinion theirs = reference.judge_uplink(frame, replies);
            seen[{theirs.reason, theirs.verdict}]++;
            if (ours != theirs) {
                wrong++;
                ADD_FAILURE() << "seed " << first << ", frame " << i << ": "
                              << disagreement(ours, theirs, frame);
            }
        }
        const std::size_t enough = 20;
        EXPECT_GT((seen[{SEKISHO_REASON_UPLINK, SEKISHO_PASS}]), enough);
        EXPECT_GT((seen[{SEKISHO_REASON_FOREIGN_DYNAMIC, SEKISHO_DROP}]), enough);
        for (const auto verdict : {SEKISHO_DROP, SEKISHO_MONITOR}) {
            EXPECT_EQ((seen[{SEKISHO_REASON_UPLINK_REPLY, verdict}]) > enough,
                      replies != SEKISHO_REPLIES_OFF);
        }
        EXPECT_GT((seen[{SEKISHO_REASON_UPLINK_INBOUND, SEKISHO_DROP}]), enough);
    }
};

TEST_P(OpinionsOnUplink, Agree) {
    if (std::get<Kind>(GetParam()) == Kind::xdp) {
        const Loaded loaded(xdp_opinion__open());
        compare(bpf_program__fd(loaded.skeleton().progs.opinion_on_uplink));
    } else {
        const Loaded loaded(tc_opinion__open());
        compare(bpf_program__fd(loaded.skeleton().progs.opinion_on_uplink));
    }
}

std::string uplink_name(const testing::TestParamInfo<OpinionsOnUplink::ParamType>& info) {
    constexpr std::array words{"Off", "Strict", "Designated"};
    return name(std::get<Kind>(info.param)) + "_" + words.at(std::get<sekisho_replies>(info.param));
}

INSTANTIATE_TEST_SUITE_P(All, OpinionsOnUplink,
                         testing::Combine(testing::Values(Kind::xdp, Kind::tc),
                                          testing::Values(SEKISHO_REPLIES_OFF, SEKISHO_REPLIES_STRICT,
                                                          SEKISHO_REPLIES_DESIGNATED)),
                         uplink_name);

// Chains of IPv6 extension headers: all orders of all kinds up to four, then longer ones at random, with the
// same header more than once.
class OpinionsOnChains : public testing::TestWithParam<Kind> {
protected:
    static constexpr std::size_t kinds = 8;

    static void add(Packet& packet, std::size_t kind, std::uint8_t length, bool more) {
        using Header = Packet& (Packet::*)(std::uint8_t);
        constexpr std::array<Header, kinds - 1> headers{
            &Packet::HopByHop,       &Packet::Routing,  &Packet::DestinationOptions,
            &Packet::Authentication, &Packet::Mobility, &Packet::Hip,
            &Packet::Shim6};
        if (kind == headers.size()) {
            packet.Fragment(0, more);
        } else {
            (packet.*headers.at(kind))(length);
        }
    }

    // What both say of it.
    [[nodiscard]] static sekisho_reason agreed(int program, const Reference& reference, Packet chain) {
        const Bytes frame = chain.Tcp(1024, 25).Syn().bytes();
        const Opinion ours = ask(program, frame);
        const Opinion theirs = reference.judge(frame);
        EXPECT_EQ(ours, theirs) << disagreement(ours, theirs, frame);
        return ours.reason;
    }

    static void compare(int program) {
        constexpr std::uint32_t loopback = 1;
        const Reference reference(example_policy(), prepare(loopback, false), false, false);
        std::size_t chains = kinds;
        for (std::size_t depth = 1; depth <= 4; depth++, chains *= kinds) {
            for (std::size_t number = 0; number < chains && !HasFailure(); number++) {
                auto packet = Eth().IPv6(reset6, mx6);
                for (auto [left, rest] = std::pair(depth, number); left > 0; left--, rest /= kinds) {
                    add(packet, rest % kinds, 1, false);
                }
                EXPECT_EQ(agreed(program, reference, packet), SEKISHO_REASON_NOT_GRANTED);
            }
        }
        std::mt19937_64 random(seed());
        for (int i = 0; i < 20'000 && !HasFailure(); i++) {
            const std::size_t depth = 5 + random() % 5;
            auto packet = Eth().IPv6(reset6, mx6);
            for (auto left = depth; left > 0; left--) {
                add(packet, random() % kinds, static_cast<std::uint8_t>(random() % 6), random() % 4 == 0);
            }
            EXPECT_EQ(agreed(program, reference, packet), depth > SEKISHO_EXTENSION_HEADERS
                                                              ? SEKISHO_REASON_HEADER_CHAIN
                                                              : SEKISHO_REASON_NOT_GRANTED);
        }
    }
};

TEST_P(OpinionsOnChains, Agree) {
    if (GetParam() == Kind::xdp) {
        compare(Loaded(xdp_opinion__open()).descriptor(false));
    } else {
        compare(Loaded(tc_opinion__open()).descriptor(false));
    }
}

INSTANTIATE_TEST_SUITE_P(Each, OpinionsOnChains, testing::Values(Kind::xdp, Kind::tc),
                         [](const auto& each) { return name(each.param); });

// What only a wire shows at TC: packets of which a part is linear, large segments that a device will cut up,
// tags that the kernel has taken off.
class WitnessedOpinions : public testing::TestWithParam<bool> {
protected:
    WitnessedOpinions() : loaded_(tc_opinion__open()) {
        box_.ip("link add edge0 mtu 65535 type veth peer name sub0 mtu 65535 netns " + subscriber_.path());
        box_.ip("link set edge0 up");
        subscriber_.ip("link set sub0 up");
        attach_tc(box_, "edge0", bpf_program__fd(loaded_.skeleton().progs.opinion_on_wire));
        subscriber_.inside([&] { line_ = raw_line("sub0"); });
    }

    [[nodiscard]] Witnessed witnessed() const {
        const std::uint32_t zero = 0;
        Witnessed last{};
        EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(loaded_.skeleton().maps.witness), &zero, &last), 0);
        return last;
    }

    // Sends a frame, of which the first `linear` octets are (0: what the kernel likes); as a large segment if
    // `segment` says into pieces of what size. What the program witnessed of it, if it ever came.
    [[nodiscard]] std::optional<Witnessed> send(const Bytes& frame, std::size_t linear,
                                                std::uint16_t segment) const {
        const auto before = witnessed().packets;
        const std::size_t tcp = segment == 0 ? 0 : frame.at(12) == 0x86 ? 54 : 34;
        if (!send_offloaded(line_, frame, {.linear = linear, .segment = segment, .tcp = tcp})) {
            return std::nullopt;
        }
        for (int tries = 0; tries < 200; tries++) {
            const auto last = witnessed();
            if (last.packets != before) {
                return last;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(tries < 100 ? 10 : 1000));
        }
        return std::nullopt;
    }

    Namespace box_;
    Namespace subscriber_;
    Loaded<tc_opinion> loaded_;
    Socket line_;
};

TEST_P(WitnessedOpinions, Agree) {
    const Reference reference(example_policy(), prepare(box_.index_of("edge0"), GetParam()), GetParam(),
                              false);
    const auto first = seed() + (GetParam() ? 8 : 9);
    FrameGenerator generator(first);
    std::mt19937_64 random(first);
    std::size_t judged = 0;
    std::size_t scattered = 0;
    std::size_t offloaded = 0;
    std::size_t tagged = 0;
    int wrong = 0;
    for (std::size_t i = 0; i < frames() / 40 && wrong < shown; i++) {
        Bytes frame = generator.next();
        constexpr std::size_t least_scattered = 4200;  // the kernel makes smaller ones linear
        const std::size_t linear = random() % 3 == 0 ? 14 + random() % 100 : 0;
        if (linear != 0) {
            frame.resize(least_scattered, 0xa5);
        }
        const auto segment = static_cast<std::uint16_t>(random() % 2 == 0 ? 8 + random() % 40 : 0);
        if (segment != 0 && frame.size() > 20 && frame[12] == 0x08 && frame[13] == 0 && random() % 4 == 0) {
            frame[16] = frame[17] = 0;  // BIG TCP says no length
        }
        const auto last = send(frame, linear, segment);
        if (!last) {
            continue;  // the kernel refused it
        }
        const Opinion ours{static_cast<sekisho_reason>(last->opinion & 0xff),
                           static_cast<sekisho_verdict>(last->opinion >> 8)};
        const Opinion theirs = reference.judge(frame, last->gso_size != 0);
        judged++;
        scattered += last->linear < last->length ? 1 : 0;
        offloaded += last->gso_size != 0 ? 1 : 0;
        tagged += last->tag_in_metadata != 0 ? 1 : 0;
        if (ours != theirs) {
            wrong++;
            ADD_FAILURE() << "seed " << first << ", frame " << i << " of " << last->length << " octets, "
                          << last->linear << " linear, segments of " << last->gso_size << ": "
                          << disagreement(ours, theirs, frame);
        }
    }
    EXPECT_GT(judged, frames() / 80);
    EXPECT_GT(scattered, judged / 20);
    EXPECT_GT(offloaded, judged / 50);
    EXPECT_GT(tagged, judged / 20);
}

INSTANTIATE_TEST_SUITE_P(All, WitnessedOpinions, testing::Bool(), [](const auto& each) {
    return std::string(each.param ? "TunnelsInspected" : "TunnelsPassed");
});

}  // namespace
}  // namespace sekisho::bpftest
