// SPDX-License-Identifier: Apache-2.0
// Thousands of random steps against a model that is too simple to be wrong: after each one the kernel and the
// store must hold exactly what the model says, and no restart or reboot may make any grant longer.
#include <algorithm>
#include <array>
#include <random>

#include "tests/unit/grants/world.h"

namespace sekisho::grants {
namespace {

// The facts of a key, kept apart.
struct Model {
    struct Opened {
        BootTime edge{};  // until when; 0: it was never good for it
        BootTime relay{};
        WallTime expires_wall{};
        std::uint32_t generation = 0;
        std::string user{};

        [[nodiscard]] BootTime expires() const { return std::max(edge, relay); }
    };
    std::map<Prefix, Opened> opened;  // until swept
    std::set<Prefix> exempt;
    std::set<Prefix> shut;               // quarantined
    std::map<Prefix, BootTime> cooling;  // until then, swept or not

    [[nodiscard]] bool cools_down(const Prefix& key, const Now& now) const {
        const auto found = cooling.find(key);
        return found != cooling.end() && found->second > now.boottime;
    }

    [[nodiscard]] bool alive(const Prefix& key, const Now& now) const {
        const auto found = opened.find(key);
        return found != opened.end() && found->second.expires() > now.boottime;
    }

    // Whether one more than these may be open for the user.
    [[nodiscard]] bool has_room(const std::string& user, std::uint32_t most, const Prefix& key,
                                const Now& now) const {
        const bool has_this_one = alive(key, now) && opened.at(key).user == user;
        return most == 0 || user.empty() || has_this_one || keys_of(user, now) < most;
    }

    [[nodiscard]] std::size_t keys_of(const std::string& user, const Now& now) const {
        std::size_t keys = 0;
        for (const auto& [key, grant] : opened) {
            keys += grant.user == user && alive(key, now) ? 1U : 0U;
        }
        return keys;
    }

    [[nodiscard]] std::map<Prefix, KernelEntry> kernel() const {
        std::map<Prefix, KernelEntry> image;
        for (const Prefix& one : exempt) {
            if (one.length == 32 || one.length == 56) {
                image[one] = {.key = one, .exempt = true};
            }
        }
        for (const Prefix& key : shut) {
            image[key].key = key;
            image[key].quarantined = true;
        }
        for (const auto& [key, grant] : opened) {
            if (grant.edge == BootTime::zero()) {
                continue;
            }
            KernelEntry& entry = image[key];
            entry.key = key;
            entry.granted = true;
            entry.expires = grant.edge;
            entry.generation = grant.generation;
        }
        return image;
    }
};

class Walk {
public:
    explicit Walk(unsigned seed) : random_(seed) {
        config_.grants.cool_down = 30s;
        grants_ = Grants(config_);
        look_at_clocks();
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            SCOPED_TRACE("step " + std::to_string(i));
            step();
            check();
        }
    }

private:
    std::uint32_t roll(std::uint32_t sides) { return static_cast<std::uint32_t>(random_() % sides); }

    // One of few addresses, so that they meet often.
    Address some_address() {
        Address one = address(roll(2) == 0 ? "192.0.2.0" : "2001:db8:100::1");
        one.bytes.at(one.family == Family::ipv4 ? 3 : 6) = static_cast<std::uint8_t>(roll(8));
        return one;
    }

    Prefix some_prefix() {
        const Address one = some_address();
        const int lengths[] = {28, 31, 32, 33 - 2, 48, 52, 56, 60};
        const int length = lengths[roll(4) + (one.family == Family::ipv4 ? 0U : 4U)];
        return {.address = one.masked(length), .length = length};
    }

    static Prefix key_of(const Address& one) {
        const int length = one.family == Family::ipv4 ? 32 : 56;
        return {.address = one.masked(length), .length = length};
    }

    void step() {
        switch (roll(21)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
                return open();
            case 5:
                return revoke();
            case 6:
            case 7:
                return exempt();
            case 8:
                return remove_exemption();
            case 9:
            case 10:
                return sweep();
            case 11:
                return restart();
            case 12:
                return roll(4) == 0 ? reboot() : restart();
            case 13:
                return overrun();
            case 14:
                return quarantine();
            case 15:
                return release();
            case 16:
                return look_at_clocks();
            case 17:
                return set_clock();
            default:
                now_ = later(now_, std::chrono::milliseconds(roll(20'000)));
        }
    }

    void open() {
        const Address one = some_address();
        const Prefix key = key_of(one);
        const std::chrono::seconds lifetime(1 + roll(60));
        Grant granted;
        GrantRequest asked = request(one, lifetime);
        asked.ends_cool_down = roll(4) == 0;
        asked.by_login = roll(2) == 0;
        asked.user = std::array{"alice", "bob", ""}.at(roll(3));
        asked.addresses_per_user = roll(2) * 3;
        asked.scope = std::array{Scope{true, false}, Scope{false, true}, Scope{true, true}}.at(roll(3));
        const auto actions = open_in(grants_, asked, now_, granted);
        const bool may = !model_.shut.contains(key) &&
                         (asked.ends_cool_down || !model_.cools_down(key, now_)) &&
                         model_.has_room(asked.user, asked.addresses_per_user, key, now_);
        ASSERT_EQ(actions.has_value(), may);
        if (!may) {
            return;
        }
        outside_.apply(*actions);
        const BootTime end = now_.boottime + lifetime;
        const auto moves = [&](BootTime before) {
            return before <= now_.boottime ||
                   (asked.by_login ? 2 * (end - before) >= lifetime : before < end);
        };
        if (model_.alive(key, now_)) {
            Model::Opened& before = model_.opened.at(key);
            const bool relay_moves = asked.scope.relay && moves(before.relay);
            if (asked.scope.edge && moves(before.edge) && !relay_moves && before.user != asked.user) {
                before.relay = {};  // it was another's
            }
        }
        if (!model_.alive(key, now_)) {
            EXPECT_GT(granted.generation, highest_) << "never given before, as far as can be known";
            highest_ = granted.generation;
            model_.opened[key] = {{}, {}, {}, granted.generation, asked.user};
        }
        Model::Opened& running = model_.opened.at(key);
        const bool edge = asked.scope.edge && moves(running.edge);
        const bool relay = asked.scope.relay && moves(running.relay);
        EXPECT_EQ(actions->empty(), !edge && !relay);
        running.edge = edge ? end : running.edge;
        running.relay = relay ? end : running.relay;
        if (edge || relay) {
            running.user = asked.user;
            running.expires_wall = now_.wall + (running.expires() - now_.boottime);
        }
        if (edge) {
            model_.cooling.erase(key);
        }
        EXPECT_EQ(granted.expires, running.expires());
        EXPECT_EQ(granted.generation, running.generation);
    }

    void revoke() {
        const Address one = some_address();
        const bool cool_down = roll(4) == 0;
        const auto actions =
            grants_.revoke(one, now_, Flows::go_on, cool_down ? After::cool_down : After::logins);
        ASSERT_EQ(actions.has_value(), model_.alive(key_of(one), now_));
        if (actions) {
            outside_.apply(*actions);
            model_.opened.erase(key_of(one));
        }
        if (actions && cool_down) {
            model_.cooling[key_of(one)] = now_.boottime + 30s;
        }
    }

    // The kernel says that a grant was overrun: this one, or one of before.
    void overrun() {
        const Prefix key = key_of(some_address());
        const bool alive = model_.alive(key, now_);
        const std::uint32_t generation = alive ? model_.opened.at(key).generation : highest_;
        const bool is_news = alive && roll(4) != 0;
        outside_.apply(grants_.overrun(key, is_news ? generation : generation - 1, now_));
        if (is_news) {
            model_.opened.erase(key);
            model_.cooling[key] = now_.boottime + 30s;
        }
    }

    void quarantine() {
        const Address one = some_address();
        const auto actions = grants_.quarantine(one, "", now_);
        ASSERT_EQ(actions.has_value(), model_.shut.insert(key_of(one)).second);
        if (actions) {
            outside_.apply(*actions);
            model_.opened.erase(key_of(one));
        }
    }

    void release() {
        const Address one = some_address();
        const auto actions = grants_.release(one);
        ASSERT_EQ(actions.has_value(), model_.shut.erase(key_of(one)) == 1);
        if (actions) {
            outside_.apply(*actions);
        }
    }

    void exempt() {
        const Prefix one = some_prefix();
        const auto actions = grants_.exempt(contract(one));
        ASSERT_EQ(actions.has_value(), one.length != 60 && !model_.exempt.contains(one));
        if (actions) {
            outside_.apply(*actions);
            model_.exempt.insert(one);
        }
    }

    void remove_exemption() {
        const Prefix one = some_prefix();
        const auto actions = grants_.remove_exemption(one);
        ASSERT_EQ(actions.has_value(), model_.exempt.erase(one) == 1);
        if (actions) {
            outside_.apply(*actions);
        }
    }

    void sweep() {
        outside_.apply(grants_.sweep(now_));
        std::erase_if(model_.opened,
                      [this](const auto& one) { return one.second.expires() <= now_.boottime; });
    }

    // The agent dies and comes again, perhaps with a store that missed the last words of its predecessor.
    void restart() {
        const bool store_lost = roll(8) == 0;
        const bool map_lost = !store_lost && roll(8) == 0;
        if (store_lost) {
            outside_.grants.clear();
            // The kernel knows who it opens for, and no more.
            std::erase_if(model_.opened, [](const auto& one) { return one.second.edge == BootTime::zero(); });
            for (auto& [key, grant] : model_.opened) {
                grant.user.clear();
                grant.expires_wall -= grant.expires() - grant.edge;
                grant.relay = {};
            }
        }
        if (map_lost) {
            outside_.kernel.clear();
            outside_.wide.clear();
        }
        now_ = later(now_, std::chrono::milliseconds(roll(5000)));
        const bool ended = std::ranges::any_of(model_.opened, [this](const auto& one) {
            return one.second.edge <= now_.boottime && one.second.edge != BootTime::zero();
        });
        look_for_generations();
        grants_ = Grants(config_);
        const Actions actions = outside_.take_over_by(grants_, now_);
        if (!map_lost && !ended) {
            EXPECT_EQ(count<PutEntry>(actions) + count<RetireEntry>(actions), 0U);
        }
        forget_ended_parts();
    }

    // What a new agent doesn't take up.
    void forget_ended_parts() {
        for (auto& [key, grant] : model_.opened) {
            grant.edge = grant.edge > now_.boottime ? grant.edge : BootTime::zero();
            grant.relay = grant.relay > now_.boottime ? grant.relay : BootTime::zero();
        }
        std::erase_if(model_.opened,
                      [](const auto& one) { return one.second.expires() == BootTime::zero(); });
    }

    void look_at_clocks() {
        outside_.seen = now_;
        stepped_ = {};
    }

    // By hand, or by a server of time.
    void set_clock() {
        const std::chrono::seconds by(static_cast<int>(roll(200)) - 100);
        now_.wall += by;
        stepped_ += by;
    }

    // The box goes down for a while; the clock comes up right, late, or early.
    void reboot() {
        const std::chrono::seconds down(roll(60));
        if (roll(3) == 0) {
            set_clock();
        }
        const BootTime then = now_.boottime;
        now_.boottime = std::chrono::seconds(20 + roll(20));
        now_.boot = "boot" + std::to_string(++boots_);
        now_.wall += down;
        outside_.kernel.clear();
        outside_.wide.clear();
        look_for_generations();
        grants_ = Grants(config_);
        outside_.take_over_by(grants_, now_);
        const std::map<Prefix, BootTime> cooled = std::exchange(model_.cooling, {});
        for (const CoolDown& each : grants_.cool_downs(now_)) {
            EXPECT_TRUE(cooled.contains(each.key)) << "a reboot shuts nobody off";
            EXPECT_LE(each.until, now_.boottime + 30s);
            model_.cooling[each.key] = each.until;
        }
        const std::map<Prefix, Model::Opened> before = std::exchange(model_.opened, {});
        for (const Grant& grant : grants_.list(now_)) {
            ASSERT_TRUE(before.contains(grant.key)) << "a reboot opens nothing";
            const Model::Opened& was_opened = before.at(grant.key);
            EXPECT_LE(grant.expires - now_.boottime, 60s) << "longer than any was given for";
            // Only what the clock has lost since it was looked at last can't be known.
            const auto most_left = [&](BootTime end) { return end - then - down - std::min(stepped_, 0s); };
            const auto end_of = [&](const std::optional<std::chrono::nanoseconds>& before_end) {
                return before_end ? grant.expires - *before_end : BootTime::zero();
            };
            const BootTime edge = end_of(grant.edge_before);
            const BootTime relay = end_of(grant.relay_before);
            for (const auto& [is, was] : {std::pair(edge, was_opened.edge), {relay, was_opened.relay}}) {
                EXPECT_TRUE(is == BootTime::zero() ||
                            (was != BootTime::zero() && is - now_.boottime <= most_left(was)));
            }
            model_.opened[grant.key] = {edge, relay, grant.expires_wall, grant.generation, was_opened.user};
        }
        if (stepped_ == 0s) {
            for (const auto& [key, grant] : before) {
                EXPECT_EQ(model_.opened.contains(key), grant.expires() - then > down) << key.text();
            }
        }
        look_at_clocks();  // as an agent does that begins
    }

    // A new agent can't know of generations that left no trace.
    void look_for_generations() {
        highest_ = 0;
        for (const auto& [key, entry] : outside_.kernel) {
            highest_ = std::max(highest_, entry.generation);
        }
        for (const auto& [key, grant] : outside_.grants) {
            highest_ = std::max(highest_, grant.generation);
        }
    }

    void check() {
        const auto wanted = model_.kernel();
        ASSERT_EQ(outside_.kernel.size(), wanted.size());
        for (const auto& [key, entry] : wanted) {
            ASSERT_TRUE(outside_.kernel.contains(key)) << key.text();
            const KernelEntry& is = outside_.kernel.at(key);
            EXPECT_EQ(is.exempt, entry.exempt) << key.text();
            EXPECT_EQ(is.granted, entry.granted) << key.text();
            EXPECT_EQ(is.quarantined, entry.quarantined) << key.text();
            EXPECT_EQ(is.expires, entry.expires) << key.text();
            if (entry.granted) {
                EXPECT_EQ(is.generation, entry.generation) << key.text();
            }
        }
        std::vector<Prefix> wide;
        std::ranges::copy_if(model_.exempt, std::back_inserter(wide),
                             [](const Prefix& one) { return one.length != 32 && one.length != 56; });
        EXPECT_EQ(outside_.wide, wide);
        EXPECT_EQ(outside_.exemptions.size(), model_.exempt.size());
        EXPECT_EQ(outside_.quarantines.size(), model_.shut.size());
        for (const auto& [key, until] : model_.cooling) {
            EXPECT_EQ(grants_.cool_down_of(key.address, now_).has_value(), until > now_.boottime);
        }
        EXPECT_EQ(outside_.grants.size(), model_.opened.size());
        std::size_t alive = 0;
        for (const auto& [key, grant] : model_.opened) {
            alive += model_.alive(key, now_) ? 1U : 0U;
            const Grant& stored = outside_.grants.at(key);
            EXPECT_EQ(stored.expires, grant.expires());
            EXPECT_EQ(stored.edge_before.has_value(), grant.edge != BootTime::zero());
            EXPECT_EQ(stored.relay_before.has_value(), grant.relay != BootTime::zero());
            EXPECT_EQ(stored.expires - stored.edge_before.value_or(stored.expires), grant.edge);
            EXPECT_EQ(stored.expires - stored.relay_before.value_or(stored.expires), grant.relay);
            EXPECT_EQ(grants_.find(key.address, now_).has_value(), model_.alive(key, now_));
        }
        EXPECT_EQ(grants_.list(now_).size(), alive);
        EXPECT_EQ(grants_.count(now_), alive);
        for (const char* user : {"alice", "bob"}) {
            EXPECT_EQ(grants_.keys_of(user, 100, now_), model_.keys_of(user, now_));
        }
    }

    std::mt19937 random_;
    Config config_ = example_config();
    Grants grants_{config_};
    Outside outside_;
    Model model_;
    Now now_ = example_now();
    std::chrono::seconds stepped_{};  // by how much the clock was set since it was looked at
    std::uint32_t highest_ = 0;
    int boots_ = 0;
};

class ModelTest : public testing::TestWithParam<unsigned> {};

TEST_P(ModelTest, KernelAndStoreHoldWhatTheModelSays) {
    Walk(GetParam()).run(5000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace sekisho::grants
