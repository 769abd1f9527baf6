// SPDX-License-Identifier: Apache-2.0
// Whole conversations of NASes: packets with any attributes, a right authenticator and any time between them,
// and the table of sessions that they make.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/subscribers/sessions.h"
#include "tests/fuzz/invariant.h"
#include "tests/unit/subscribers/packets.h"
#include "tests/unit/subscribers/reports.h"

using sekisho::fuzz::require;

namespace {

using namespace sekisho::subscribers;
using sekisho::Prefix;

constexpr std::size_t few_sessions = 6;  // so that the table is full soon

// What the daemon knows by what has come back.
class Follower {
public:
    void follow(const Sessions& sessions, const Changes& changes) {
        check_numbers(changes);
        check_holders(sessions, changes);
        check_sessions(sessions);
        require(!changes.refused || sessions.size() == few_sessions, "only a full table refuses");
    }

    // Of what a packet names it must be told when it has another holder.
    void watch(const Sessions& sessions, const std::vector<Prefix>& prefixes) {
        for (const Prefix& each : prefixes) {
            const Prefix address{each.address, each.address.bits()};
            holders_.emplace(each, sessions.holder_of(each));
            holders_.emplace(address, sessions.holder_of(address));
        }
    }

private:
    void check_numbers(const Changes& changes) {
        for (const std::uint64_t number : changes.began) {
            require(number > last_, "numbers are never used again");
            last_ = number;
            alive_.insert(number);
        }
        require(changes.ended.size() == changes.ended_users.size(), "who has ended was somebody");
        for (const std::uint64_t number : changes.ended) {
            require(alive_.erase(number) == 1, "what ends had begun");
        }
        for (const std::uint64_t number : changes.to_save) {
            require(alive_.contains(number), "what is saved is alive");
        }
        require(std::ranges::is_sorted(changes.to_save), "in order");
    }

    // A grant is of a holder: none may come or go unsaid.
    void check_holders(const Sessions& sessions, const Changes& changes) {
        std::map<Prefix, std::uint64_t> last;
        for (const HolderChange& each : changes.holders) {
            require(each.before != each.after, "a change changes something");
            // What has become his in it who had the wider prefix passes on with that.
            std::erase_if(last, [&each](const auto& earlier) {
                return earlier.second == each.before && each.prefix.contains(earlier.first);
            });
            last[each.prefix] = each.after;
        }
        for (const auto& [prefix, after] : last) {
            require(sessions.holder_of(prefix) == after, "the last word on a prefix is true");
        }
        for (const LetGo& each : changes.let_go) {
            require(sessions.holder_of(each.prefix) == 0, "what is let go is nobody's");
        }
        for (auto& [prefix, holder] : holders_) {
            const std::uint64_t now = sessions.holder_of(prefix);
            require(now == holder || std::ranges::any_of(last,
                                                         [&prefix](const auto& each) {
                                                             return each.first.length <= prefix.length &&
                                                                    each.first.contains(prefix.address);
                                                         }),
                    "no holder changes unsaid");
            require(now == 0 || alive_.contains(now), "who holds is alive");
            holder = now;
        }
    }

    void check_sessions(const Sessions& sessions) {
        const std::vector<Session> all = sessions.list(0, few_sessions + 1);
        require(all.size() == sessions.size() && all.size() <= few_sessions, "the table has its size");
        require(all.size() == alive_.size(), "what has begun and not ended is there");
        std::set<std::pair<std::string, std::string>> names;
        for (const Session& each : all) {
            require(alive_.contains(each.number), "each has begun");
            require(names.emplace(each.nas, each.session_id).second, "each has a name of its own");
            require(each.prefixes.size() <= most_prefixes, "few prefixes");
            for (const Prefix& prefix : each.prefixes) {
                require(sessions.holder_of(prefix) == each.number, "it holds what it has");
            }
        }
    }

    std::map<Prefix, std::uint64_t> holders_;
    std::set<std::uint64_t> alive_;
    std::uint64_t last_ = 0;
};

// Takes octets off the input; zeros behind its end.
class Input {
public:
    explicit Input(std::span<const std::uint8_t> left) : left_(left) {}
    [[nodiscard]] bool empty() const { return left_.empty(); }
    std::uint8_t octet() {
        const auto one = take(1);
        return one.empty() ? std::uint8_t{0} : one.front();
    }
    std::span<const std::uint8_t> take(std::size_t count) {
        const auto taken = left_.first(std::min(count, left_.size()));
        left_ = left_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const std::uint8_t> left_;
};

Octets packet_with(std::span<const std::uint8_t> attributes) {
    Octets packet(shortest_packet);
    packet[0] = 4;
    packet.insert(packet.end(), attributes.begin(), attributes.end());
    return sign(std::move(packet));
}

// Both NASes may call themselves the same: one has a client's name of its own.
std::optional<Report> report_of(std::uint8_t how, std::span<const std::uint8_t> attributes) {
    auto request = read_accounting(packet_with(attributes), secret);
    if (!request) {
        return std::nullopt;
    }
    return Report{
        .request = std::move(*request),
        .client = (how & 1U) != 0 ? "other" : "",
        .source = address("198.51.100.1"),
        .interim_interval = (how & 2U) != 0 ? std::optional(std::chrono::seconds(600)) : std::nullopt};
}

}  // namespace

// A step is: how (of whom, or a sweep), minutes since the last one, the length of the attributes, these.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    Input input({data, size});
    Sessions sessions(few_sessions);
    Follower follower;
    std::chrono::seconds time = 0s;
    while (!input.empty()) {
        const std::uint8_t how = input.octet();
        time += std::chrono::minutes(input.octet());
        if ((how & 4U) != 0) {
            follower.follow(sessions, sessions.sweep(at(time)));
            continue;
        }
        const std::size_t length = input.octet();
        const auto report = report_of(how, input.take((how & 8U) != 0 ? length << 4U : length));
        if (report) {
            follower.watch(sessions, report->request.prefixes);
            follower.follow(sessions, sessions.apply(*report, at(time)));
        }
    }
    return 0;
}
