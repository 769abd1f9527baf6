// SPDX-License-Identifier: Apache-2.0
// The contenders' set-up.
#include "tests/bench/contenders.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/config.h"
#include "agent/dataplane/entry_table.h"
#include "agent/dataplane/table.h"
#include "tests/bench/nft_counter.h"
#include "tests/bpf/packet.h"
#include "xdp.skel.h"

namespace sekisho::bench {
namespace {

constexpr std::array designated{"198.51.100.25", "198.51.100.26", "192.0.2.25"};

template <class T>
T required(Result<T> result) {
    if (!result) {
        give_up(result.error().what);
    }
    return std::move(*result);
}

std::string text(std::uint32_t address) {
    return std::to_string(address >> 24) + "." + std::to_string(address >> 16 & 255) + "." +
           std::to_string(address >> 8 & 255) + "." + std::to_string(address & 255);
}

std::uint32_t subscriber(std::uint32_t number) {
    return first_source + 2 * number;
}

class Sekisho : public Contender {
public:
    Sekisho(Arena& arena, const Set& set) : arena_(arena), set_(set), programs_(sekisho_xdp__open()) {
        constexpr std::uint32_t most_flows = 1U << 21;
        if (programs_ == nullptr ||
            bpf_map__set_max_entries(programs_->maps.sekisho_entries, dataplane::buckets_for(set.count)) !=
                0 ||
            bpf_map__set_max_entries(programs_->maps.sekisho_flows, most_flows) != 0 ||
            sekisho_xdp__load(programs_) != 0) {
            give_up("loading the programs");
        }
        auto table = required(dataplane::Table::build(config(), {}));
        fill_entries(table);
        install(table.data());
        let_forward();
    }
    ~Sekisho() override { sekisho_xdp__destroy(programs_); }
    Sekisho(const Sekisho&) = delete;
    Sekisho& operator=(const Sekisho&) = delete;

    void begin() override { arena_.attach(program()); }
    [[nodiscard]] int program() const override {
        return bpf_program__fd(set_.fast_path ? programs_->progs.subscriber_fast
                                              : programs_->progs.subscriber_xdp);
    }

    std::uint64_t blocked() override {
        const std::uint32_t slot = 1;
        std::vector<sekisho_counts> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        if (bpf_map_lookup_elem(bpf_map__fd(programs_->maps.sekisho_counts), &slot, each.data()) != 0) {
            give_up("reading the counters");
        }
        std::uint64_t sum = 0;
        for (const auto& counts : each) {
            for (std::uint32_t reason = 0; reason < SEKISHO_REASONS; reason++) {
                sum += counts.at[reason * SEKISHO_VERDICTS + SEKISHO_DROP].packets;
            }
        }
        return sum;
    }

private:
    [[nodiscard]] Config config() const {
        Config config;
        config.pools.push_back(
            {.name = "pool", .prefixes = {required(parse_prefix(set_.pool))}, .action = Action::drop});
        for (const auto* server : designated) {
            config.designated.push_back({.name = server, .prefixes = {required(parse_prefix(server))}});
        }
        return config;
    }

    void fill_entries(dataplane::Table& table) {
        const std::uint32_t count = dataplane::buckets_for(set_.count);
        void* memory = ::mmap(nullptr, count * sizeof(sekisho_bucket), PROT_READ | PROT_WRITE, MAP_SHARED,
                              bpf_map__fd(programs_->maps.sekisho_entries), 0);
        if (memory == MAP_FAILED) {
            give_up("mapping the entries");
        }
        programs_->bss->sekisho_state.buckets = count;
        programs_->bss->sekisho_state.seed = 1;
        dataplane::EntryTable entries({static_cast<sekisho_bucket*>(memory), count}, 1, [] {});
        for (std::uint32_t i = 0; i < set_.count; i++) {
            const auto key = required(parse_prefix(text(subscriber(i))));
            sekisho_entry entry{};
            entry.key = dataplane::kernel_key(key);
            entry.flags = set_.known == Known::granted ? SEKISHO_ENTRY_GRANT : SEKISHO_ENTRY_QUARANTINE;
            entry.expires_ns = std::numeric_limits<std::uint64_t>::max();
            entry.budget_left = static_cast<__s32>(GrantConfig{}.budget);
            const auto bit = table.bit_of(key);
            if (!bit || entries.put(entry, true) != dataplane::EntryTable::Put::made) {
                give_up("filling the entries");
            }
            table.data().bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
        }
        ::munmap(memory, count * sizeof(sekisho_bucket));
    }

    void install(const sekisho_table& table) {
        programs_->bss->sekisho_state.tables[0] = table;
        programs_->bss->sekisho_state.active = 2;
    }

    // Names the interfaces, as the agent does.
    void let_forward() const {
        const std::uint32_t in = 1;
        const std::uint32_t out = 2;
        const std::uint32_t index_of_out = arena_.index_of("out");
        auto& slots = programs_->bss->sekisho_state.slots;
        slots[arena_.index_of("box")] = in;
        slots[index_of_out] = out;
        sekisho_router box{.mac = {}, .routes = 1};
        std::memcpy(box.mac, bpftest::box_mac.data(), sizeof(box.mac));
        bool done =
            bpf_map_update_elem(bpf_map__fd(programs_->maps.sekisho_routers), &in, &box, BPF_ANY) == 0;
        arena_.inside([&] {
            done = done && bpf_map_update_elem(bpf_map__fd(programs_->maps.sekisho_forwarding), &out,
                                               &index_of_out, BPF_ANY) == 0;
        });
        if (!done) {
            give_up("naming the interfaces");
        }
    }

    Arena& arena_;
    Set set_;
    sekisho_xdp* programs_;
};

class BareDrop : public Contender {
public:
    explicit BareDrop(Arena& arena) : arena_(arena) {}
    void begin() override { arena_.attach(arena_.bare_drop()); }
    std::uint64_t blocked() override { return arena_.dropped(); }

private:
    Arena& arena_;
};

class Nothing : public Contender {
public:
    explicit Nothing(Arena& arena) : arena_(arena) {}
    void begin() override { arena_.attach(-1); }
    std::uint64_t blocked() override { return 0; }

private:
    Arena& arena_;
};

// Rules and the set of entries, in a table named bench.
class Ruleset : public Contender {
public:
    void begin() override { arena_.attach(-1); }

protected:
    Ruleset(Arena& arena, const Set& set, const std::string& family, const std::string& rules)
        : arena_(arena) {
        const auto directory = std::filesystem::temp_directory_path() / "sekisho-bench-XXXXXX";
        std::string name = directory.string();
        if (mkdtemp(name.data()) == nullptr) {
            give_up("making a temporary directory");
        }
        const auto file = std::filesystem::path(name) / "rules.nft";
        std::ofstream(file) << "table " + family + " bench {\n" + sets(set) + rules + "}\n";
        static_cast<void>(arena_.output_of("nft -f " + file.string()));
        // The elements in parts: nft needs half a kilobyte for each that it reads at once.
        constexpr std::uint32_t part = 1U << 16;
        for (std::uint32_t from = 0; from < set.count; from += part) {
            std::ofstream(file) << elements(family, from, std::min(from + part, set.count));
            static_cast<void>(arena_.output_of("nft -f " + file.string()));
        }
        std::filesystem::remove_all(name);
    }

    [[nodiscard]] Arena& arena() const { return arena_; }

private:
    static std::string sets(const Set& set) {
        std::string servers;
        for (const auto* server : designated) {
            servers += (servers.empty() ? "" : ", ") + std::string(server);
        }
        return "  counter blocked { }\n"
               "  set pools { type ipv4_addr; flags interval; elements = { " +
               std::string(set.pool) +
               " }; }\n"
               "  set designated { type ipv4_addr; elements = { " +
               servers +
               " }; }\n"
               "  set entries { type ipv4_addr; size " +
               std::to_string(std::bit_ceil(set.count)) + "; flags timeout; }\n";
    }

    static std::string elements(const std::string& family, std::uint32_t from, std::uint32_t to) {
        std::string text = "add element " + family + " bench entries {\n";
        for (std::uint32_t i = from; i < to; i++) {
            text += bench::text(subscriber(i)) + " timeout 1d,\n";
        }
        return text + "}\n";
    }

    Arena& arena_;
};

class Nftables : public Ruleset {
public:
    Nftables(Arena& arena, const Set& set) : Ruleset(arena, set, "netdev", rules(set.known)) {}

    std::uint64_t blocked() override {
        std::uint64_t packets = 0;
        arena().inside([&] { packets = nft_packets("bench", "blocked"); });
        return packets;
    }

private:
    static std::string rules(Known known) {
        const std::string rule = known == Known::quarantined
                                     ? "ip saddr @entries"
                                     : "ip daddr != @designated ip saddr @pools ip saddr != @entries";
        return "  chain ingress {\n"
               "    type filter hook ingress device \"box\" priority 0; policy accept;\n"
               "    tcp dport 25 " +
               rule +
               " counter name blocked drop\n"
               "  }\n";
    }
};

// A number of the kernel's, set until the object goes.
class Setting {
public:
    Setting(std::string file, std::uint32_t value) : file_(std::move(file)) {
        std::ifstream(file_) >> before_;
        std::ofstream(file_) << value;
    }
    ~Setting() { std::ofstream(file_) << before_; }
    Setting(const Setting&) = delete;
    Setting& operator=(const Setting&) = delete;

private:
    std::string file_;
    std::string before_;
};

class TrackingNftables : public Ruleset {
public:
    explicit TrackingNftables(Arena& arena)
        : Ruleset(arena, {}, "ip",
                  "  chain forward {\n"
                  "    type filter hook forward priority 0; policy accept;\n"
                  "    tcp dport 25 ct state established accept\n"
                  "    tcp dport 25 ip saddr @entries ct state new accept\n"
                  "    tcp dport 25 drop\n"
                  "  }\n") {}

    std::uint64_t blocked() override { return 0; }

private:
    static constexpr std::uint32_t connections = 1U << 21;
    Setting most_{"/proc/sys/net/netfilter/nf_conntrack_max", connections};
    Setting buckets_{"/sys/module/nf_conntrack/parameters/hashsize", connections};
};

}  // namespace

std::unique_ptr<Contender> make_sekisho(Arena& arena, const Set& set) {
    return std::make_unique<Sekisho>(arena, set);
}

std::unique_ptr<Contender> make_nothing(Arena& arena) {
    return std::make_unique<Nothing>(arena);
}

std::unique_ptr<Contender> make_bare_drop(Arena& arena) {
    return std::make_unique<BareDrop>(arena);
}

std::unique_ptr<Contender> make_nftables(Arena& arena, const Set& set) {
    return std::make_unique<Nftables>(arena, set);
}

std::unique_ptr<Contender> make_tracking_nftables(Arena& arena) {
    return std::make_unique<TrackingNftables>(arena);
}

}  // namespace sekisho::bench
