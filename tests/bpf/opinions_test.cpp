// SPDX-License-Identifier: Apache-2.0
// The programs against the reference, on frames that nobody thought of.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "bpf/sekisho_abi.h"
#include "tc_opinion.skel.h"
#include "tests/bpf/cases.h"
#include "tests/bpf/frame_generator.h"
#include "tests/bpf/reference.h"
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

private:
    Skeleton* skeleton_;
};

Opinion ask(int program, const Bytes& frame) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    if (bpf_prog_test_run_opts(program, &options) != 0) {
        ADD_FAILURE() << "running the program";
    }
    return {static_cast<sekisho_reason>(options.retval & 0xff),
            static_cast<sekisho_verdict>(options.retval >> 8 & 0xff)};
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

// Tunnels inspected or not, sources validated or not.
class Opinions : public testing::TestWithParam<std::tuple<Kind, bool, bool>> {
protected:
    void SetUp() override {
        auto& programs = Programs::get();
        programs.reset();
        programs.put_foreign(example_policy().foreign);
        const auto bit_of = by_hand().fill(programs.table());
        for (const Known& known : known_sources()) {
            tell(known, bit_of);
            const auto key = bpftest::key_of(known.address, known.key_bits);
            knowledge_[std::string(reinterpret_cast<const char*>(key.bytes), sizeof(key.bytes))] =
                known.flags;
        }
        const auto tunnels = static_cast<std::uint8_t>(std::get<1>(GetParam()) ? 1 : 0);
        programs.put_interface(1, {.mac = {}, .any_mac = 1, .side = 0, .tunnels = tunnels, .reserved = {}});
    }

    void compare(int program) const {
        const auto [kind, inspects, validates] = GetParam();
        const Reference reference(
            example_policy(),
            [this](const sekisho_key& key) {
                const auto found =
                    knowledge_.find(std::string(reinterpret_cast<const char*>(key.bytes), sizeof(key.bytes)));
                return found == knowledge_.end() ? std::uint8_t{0} : found->second;
            },
            inspects, validates);
        const auto first = seed() + (inspects ? 1 : 0) + (kind == Kind::tc ? 2 : 0) + (validates ? 4 : 0);
        RecordProperty("seed", std::to_string(first));
        FrameGenerator generator(first);
        std::map<sekisho_reason, std::size_t> seen;
        int wrong = 0;
        for (std::size_t i = 0; i < frames() / 4 && wrong < shown; i++) {
            const Bytes frame = generator.next();
            if (!Programs::can_run(kind, frame)) {
                continue;
            }
            const Opinion ours = ask(program, frame);
            const Opinion theirs = reference.judge(frame);
            seen[theirs.reason]++;
            if (ours != theirs) {
                wrong++;
                ADD_FAILURE() << "seed " << first << ", frame " << i << ": the program says " << ours.reason
                              << '/' << ours.verdict << ", the reference " << theirs.reason << '/'
                              << theirs.verdict << '\n'
                              << hexadecimal(frame);
            }
        }
        // Each reason that a frame can have must come up, or this shows less than it says.
        for (const auto reason : {SEKISHO_REASON_NOT_IP,          SEKISHO_REASON_TAGS_TOO_DEEP,
                                  SEKISHO_REASON_MPLS_TOO_DEEP,   SEKISHO_REASON_MPLS_NOT_IP,
                                  SEKISHO_REASON_PPPOE_MALFORMED, SEKISHO_REASON_PPP_NOT_IP,
                                  SEKISHO_REASON_IPV4_MALFORMED,  SEKISHO_REASON_IPV6_MALFORMED,
                                  SEKISHO_REASON_TUNNEL,          SEKISHO_REASON_LATER_FRAGMENT,
                                  SEKISHO_REASON_FRAGMENT_AT_ONE, SEKISHO_REASON_TINY_FRAGMENT,
                                  SEKISHO_REASON_TCP_MALFORMED,   SEKISHO_REASON_HEADER_CHAIN,
                                  SEKISHO_REASON_NOT_TCP,         SEKISHO_REASON_PORT_NOT_ENFORCED,
                                  SEKISHO_REASON_QUARANTINED,     SEKISHO_REASON_DESIGNATED,
                                  SEKISHO_REASON_NO_POOL,         SEKISHO_REASON_EXEMPT,
                                  SEKISHO_REASON_GRANTED,         SEKISHO_REASON_NOT_GRANTED}) {
            EXPECT_GT(seen[reason], 20U) << "reason " << reason << " was hardly ever seen";
        }
    }

private:
    std::map<std::string, std::uint8_t> knowledge_;
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

}  // namespace
}  // namespace sekisho::bpftest
