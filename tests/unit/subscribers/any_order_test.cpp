// SPDX-License-Identifier: Apache-2.0
// True histories of many sessions, told in any order and some of it twice: in the end each address must be
// with whom it is when they are told as they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

#include "tests/unit/subscribers/reports.h"

namespace sekisho::subscribers {
namespace {

using Name = std::pair<std::string, std::string>;  // NAS and session id

Name name_of(const Report& report) {
    return {report.request.nas_identifier, report.request.session_id};
}

// What a history in its order comes to, too simple to be wrong.
struct Model {
    std::map<Prefix, Name> holders;
    std::set<Name> alive;

    void tell(const Report& report) {
        const AccountingRequest& request = report.request;
        if (request.status == Status::on || request.status == Status::off) {
            end([&](const Name& name) { return name.first == request.nas_identifier; });
            return;
        }
        const Name name = name_of(report);
        if (request.status == Status::stop) {
            end([&](const Name& each) { return each == name; });
            return;
        }
        alive.insert(name);
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            const auto of_family = [family](const Prefix& each) { return each.address.family == family; };
            if (std::ranges::any_of(request.prefixes, of_family)) {
                std::erase_if(holders,
                              [&](const auto& each) { return of_family(each.first) && each.second == name; });
            }
        }
        for (const Prefix& each : request.prefixes) {
            holders[each] = name;
        }
    }

    template <class Over>
    void end(Over over) {
        std::erase_if(holders, [&](const auto& each) { return over(each.second); });
        std::erase_if(alive, over);
    }
};

// Makes histories: few addresses, so that they pass from one to another, often without a Stop.
class History {
public:
    explicit History(unsigned seed) : random_(seed) {}

    std::vector<Report> make(int steps) {
        for (int i = 0; i < steps; ++i) {
            time_ += std::chrono::seconds(1 + below(100));
            step();
        }
        return told_;
    }

private:
    unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_); }

    std::vector<std::string_view> addresses() {
        static constexpr std::array<std::string_view, 5> ipv4 = {"192.0.2.1", "192.0.2.2", "192.0.2.3",
                                                                 "192.0.2.4", "192.0.2.5"};
        static constexpr std::array<std::string_view, 4> ipv6 = {"2001:db8:1::/56", "2001:db8:2::/56",
                                                                 "2001:db8:3::/56", "2001:db8:4::/56"};
        std::vector<std::string_view> some;
        for (unsigned i = below(3); i > 0; --i) {
            some.push_back(ipv4[below(ipv4.size())]);
        }
        for (unsigned i = below(3); i > 0; --i) {
            some.push_back(ipv6[below(ipv6.size())]);
        }
        return some;
    }

    void tell(Status status, const Name& name, bool lost = false) {
        const bool alive = status == Status::start || status == Status::interim;
        Report one =
            report(status, name.second, time_, alive ? addresses() : std::vector<std::string_view>());
        one.request.nas_identifier = name.first;
        if (!lost) {
            told_.push_back(one);
        }
    }

    void step() {
        const unsigned what = below(20);
        if (what == 0) {
            const std::string nas = below(2) == 0 ? "bras1" : "bras2";
            tell(below(2) == 0 ? Status::on : Status::off, {nas, ""});
            std::erase_if(alive_, [&nas](const Name& name) { return name.first == nas; });
        } else if (what < 7 || alive_.empty()) {
            alive_.emplace_back(below(2) == 0 ? "bras1" : "bras2", std::to_string(++last_id_));
            tell(Status::start, alive_.back(), below(5) == 0);
        } else {
            const auto which = alive_.begin() + below(static_cast<unsigned>(alive_.size()));
            tell(what < 13 ? Status::stop : Status::interim, *which, what < 13 && below(3) == 0);
            if (what < 13) {
                alive_.erase(which);
            }
        }
    }

    std::mt19937 random_;
    std::chrono::seconds time_{};
    int last_id_ = 0;
    std::vector<Name> alive_;
    std::vector<Report> told_;
};

// Carries out what comes back, as the daemon does: it must never be told another holder before than it knows.
struct Follower {
    std::map<Prefix, std::uint64_t> holders;

    void apply(const Changes& changes) {
        for (const HolderChange& change : changes.holders) {
            EXPECT_EQ(holders[change.prefix], change.before) << change.prefix.text();
            EXPECT_NE(change.before, change.after);
            holders[change.prefix] = change.after;
        }
    }
};

void expect_same(const Sessions& sessions, const Model& model, Follower& follower) {
    std::map<Prefix, Name> holders;
    std::set<Name> alive;
    for (const Session& session : sessions.list(0, 1000)) {
        alive.emplace(session.nas, session.session_id);
        for (const Prefix& each : session.prefixes) {
            holders[each] = {session.nas, session.session_id};
            EXPECT_EQ(sessions.find(each.address).value().number, session.number);
            EXPECT_EQ(follower.holders[each], session.number);
        }
    }
    EXPECT_EQ(holders, model.holders);
    EXPECT_EQ(alive, model.alive);
    std::erase_if(follower.holders, [](const auto& each) { return each.second == 0; });
    EXPECT_EQ(follower.holders.size(), holders.size());
}

TEST(AnyOrder, ComesToTheSame) {
    for (unsigned seed = 1; seed <= 2000 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        std::vector<Report> history = History(seed).make(5 + static_cast<int>(seed % 60));
        Model model;
        Sessions in_order;
        Follower of_in_order;
        for (const Report& each : history) {
            model.tell(each);
            of_in_order.apply(in_order.apply(each, at(24h)));
        }
        expect_same(in_order, model, of_in_order);
        std::mt19937 random(seed);
        const std::vector<Report> again(history.begin(),
                                        history.begin() + static_cast<std::ptrdiff_t>(history.size() / 2));
        history.insert(history.end(), again.begin(), again.end());
        std::ranges::shuffle(history, random);
        Sessions shuffled;
        Follower of_shuffled;
        for (const Report& each : history) {
            of_shuffled.apply(shuffled.apply(each, at(24h)));
        }
        expect_same(shuffled, model, of_shuffled);
    }
}

}  // namespace
}  // namespace sekisho::subscribers
