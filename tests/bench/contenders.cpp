// SPDX-License-Identifier: Apache-2.0
// The contenders' set-up.
#include "tests/bench/contenders.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/dataplane/table.h"
#include "tests/bench/nft_counter.h"
#include "xdp.skel.h"

namespace sekisho::bench {
namespace {

constexpr auto pool = "10.0.0.0/11";
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
    explicit Sekisho(Arena& arena) : arena_(arena), programs_(sekisho_xdp__open()) {
        if (programs_ == nullptr ||
            bpf_map__set_max_entries(programs_->maps.sekisho_entries, 1U << 20) != 0 ||
            sekisho_xdp__load(programs_) != 0) {
            give_up("loading the programs");
        }
        auto table = required(dataplane::Table::build(config(), {}));
        fill_entries(table);
        install(table.data());
    }
    ~Sekisho() override { sekisho_xdp__destroy(programs_); }
    Sekisho(const Sekisho&) = delete;
    Sekisho& operator=(const Sekisho&) = delete;

    void begin() override { arena_.attach(program()); }
    [[nodiscard]] int program() const override { return bpf_program__fd(programs_->progs.subscriber_xdp); }

    std::uint64_t blocked() override {
        const std::uint32_t place =
            std::uint32_t{SEKISHO_REASON_NOT_GRANTED} * SEKISHO_VERDICTS + SEKISHO_DROP;
        const std::uint32_t slot = 0;
        std::vector<sekisho_counts> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        if (bpf_map_lookup_elem(bpf_map__fd(programs_->maps.sekisho_counts), &slot, each.data()) != 0) {
            give_up("reading the counters");
        }
        std::uint64_t sum = 0;
        for (const auto& counts : each) {
            sum += counts.at[place].packets;
        }
        return sum;
    }

private:
    static Config config() {
        Config config;
        config.pools.push_back(
            {.name = "pool", .prefixes = {required(parse_prefix(pool))}, .action = Action::drop});
        for (const auto* server : designated) {
            config.designated.push_back({.name = server, .prefixes = {required(parse_prefix(server))}});
        }
        return config;
    }

    void fill_entries(dataplane::Table& table) {
        std::vector<sekisho_key> keys(entries);
        std::vector<sekisho_entry> values(entries);
        for (std::uint32_t i = 0; i < entries; i++) {
            const auto key = required(parse_prefix(text(subscriber(i))));
            keys[i] = dataplane::kernel_key(key);
            values[i].key = keys[i];
            values[i].flags = SEKISHO_ENTRY_GRANT;
            values[i].expires_ns = std::numeric_limits<std::uint64_t>::max();
            const auto bit = table.bit_of(key);
            if (!bit) {
                give_up("the pool lacks a subscriber");
            }
            table.data().bitmap[*bit / 64] |= std::uint64_t{1} << *bit % 64;
        }
        std::uint32_t count = entries;
        if (bpf_map_update_batch(bpf_map__fd(programs_->maps.sekisho_entries), keys.data(), values.data(),
                                 &count, nullptr) != 0 ||
            count != entries) {
            give_up("filling the entries");
        }
    }

    void install(const sekisho_table& table) {
        programs_->bss->sekisho_state.tables[0] = table;
        programs_->bss->sekisho_state.active = 2;
    }

    Arena& arena_;
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

class Nftables : public Contender {
public:
    explicit Nftables(Arena& arena) : arena_(arena) {
        const auto directory = std::filesystem::temp_directory_path() / "sekisho-bench-XXXXXX";
        std::string name = directory.string();
        if (mkdtemp(name.data()) == nullptr) {
            give_up("making a temporary directory");
        }
        const auto file = std::filesystem::path(name) / "rules.nft";
        std::ofstream(file) << rules();
        static_cast<void>(arena_.output_of("nft -f " + file.string()));
        // The elements in parts: nft needs half a kilobyte for each that it reads at once.
        constexpr std::uint32_t part = 1U << 16;
        for (std::uint32_t from = 0; from < entries; from += part) {
            std::ofstream(file) << elements(from, std::min(from + part, entries));
            static_cast<void>(arena_.output_of("nft -f " + file.string()));
        }
        std::filesystem::remove_all(name);
    }

    void begin() override { arena_.attach(-1); }

    std::uint64_t blocked() override {
        std::uint64_t packets = 0;
        arena_.inside([&] { packets = nft_packets("bench", "blocked"); });
        return packets;
    }

private:
    static std::string rules() {
        std::string servers;
        for (const auto* server : designated) {
            servers += (servers.empty() ? "" : ", ") + std::string(server);
        }
        return "table netdev bench {\n"
               "  counter blocked { }\n"
               "  set pools { type ipv4_addr; flags interval; elements = { " +
               std::string(pool) +
               " }; }\n"
               "  set designated { type ipv4_addr; elements = { " +
               servers +
               " }; }\n"
               "  set entries { type ipv4_addr; size 1048576; flags timeout; }\n"
               "  chain ingress {\n"
               "    type filter hook ingress device \"box\" priority 0; policy accept;\n"
               "    tcp dport 25 ip daddr != @designated ip saddr @pools ip saddr != @entries "
               "counter name blocked drop\n"
               "  }\n"
               "}\n";
    }

    static std::string elements(std::uint32_t from, std::uint32_t to) {
        std::string text = "add element netdev bench entries {\n";
        for (std::uint32_t i = from; i < to; i++) {
            text += bench::text(subscriber(i)) + " timeout 1d,\n";
        }
        return text + "}\n";
    }

    Arena& arena_;
};

}  // namespace

std::unique_ptr<Contender> make_sekisho(Arena& arena) {
    return std::make_unique<Sekisho>(arena);
}

std::unique_ptr<Contender> make_bare_drop(Arena& arena) {
    return std::make_unique<BareDrop>(arena);
}

std::unique_ptr<Contender> make_nftables(Arena& arena) {
    return std::make_unique<Nftables>(arena);
}

}  // namespace sekisho::bench
