// SPDX-License-Identifier: Apache-2.0
// Whether somebody can tell an unknown name from a wrong password: by what is said, and by how much is
// computed before it is. What costs time is counted and not timed: calls of crypt(), and of OpenSSL's HMAC
// and AES.
#include <crypt.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/sasl/login_judge.h"
#include "tests/unit/sasl/challenge_client.h"
#include "tests/unit/sasl/harness.h"
#include "tests/unit/sasl/scram_client.h"

namespace {

struct Calls {
    std::size_t hmacs = 0;
    std::size_t decryptions = 0;
    bool operator==(const Calls&) const = default;
};
thread_local Calls* counted = nullptr;  // null: these are the client's own

std::mutex crypted_lock;
std::vector<std::string> crypted_by;  // the settings; on whatever thread

template <class Function>
Function* next(const char* name, Function* /*of this type*/) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// In the libraries' place for this program.
extern "C" {

char* crypt_r(const char* phrase, const char* setting, crypt_data* data) noexcept {
    {
        const std::scoped_lock lock(crypted_lock);
        crypted_by.emplace_back(setting);
    }
    return next("crypt_r", &crypt_r)(phrase, setting, data);
}

unsigned char* HMAC(const EVP_MD* evp_md, const void* key, int key_len, const unsigned char* data,
                    std::size_t data_len, unsigned char* md, unsigned int* md_len) {
    if (counted != nullptr) {
        counted->hmacs++;
    }
    return next("HMAC", &HMAC)(evp_md, key, key_len, data, data_len, md, md_len);
}

int EVP_DecryptFinal_ex(EVP_CIPHER_CTX* ctx, unsigned char* outm, int* outl) {
    if (counted != nullptr) {
        counted->decryptions++;
    }
    return next("EVP_DecryptFinal_ex", &EVP_DecryptFinal_ex)(ctx, outm, outl);
}
}

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using ::testing::AnyOf;
using ::testing::ElementsAre;

const std::vector<std::string> all_mechanisms = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
                                                 "CRAM-MD5",      "PLAIN",       "LOGIN"};

// Anna has all that a user may have, dora a hash alone, and carol isn't there.
std::string two_users() {
    return "anna:"s + tests::anna_hash + tests::scram_keys() + "\ndora:" + tests::bert_hash + "\n";
}

class UnknownUsersTest : public ::testing::Test {
protected:
    UnknownUsersTest() {
        std::ofstream(file()) << two_users();
        std::filesystem::permissions(file(), std::filesystem::perms::owner_read);
        users_.emplace(UserFile::open(file()).value());
        recoverable_.emplace(
            RecoverablePasswords::open(directory_ / "users.recoverable", directory_ / "users.key").value());
        recoverable_->keep("anna", tests::anna_hash, SecretText("correct horse")).value();
        judge_.emplace(
            LoginJudge::make({.users = *users_, .checker = checker_, .recoverable = &*recoverable_},
                             {.mechanisms = all_mechanisms}, std::string(32, 's'))
                .value());
    }
    [[nodiscard]] std::filesystem::path file() const { return directory_ / "users"; }
    Exchange begin(const std::string& mechanism) {
        Auth asked;
        asked.mechanism = mechanism;
        asked.service = "smtp";
        return judge_->begin(asked).value();
    }
    // What the server says, and what it has computed for that.
    static std::pair<MechanismStep, Calls> step(Exchange& exchange, const std::optional<std::string>& said) {
        std::optional<SecretText> response;
        if (said) {
            response.emplace(*said);
        }
        Calls calls;
        counted = &calls;
        MechanismStep answer = std::visit([&response](auto& each) { return each.step(response); }, exchange);
        counted = nullptr;
        return {std::move(answer), calls};
    }
    // By which hashes the password was looked at, and what came of it.
    std::pair<std::vector<std::string>, Verdict> judge(const std::string& mechanism,
                                                       const std::string& name) {
        Exchange exchange = begin(mechanism);
        const auto said = [&exchange](const std::string& response) { return step(exchange, response).first; };
        MechanismStep last = mechanism == "PLAIN" ? said("\0"s + name + "\0guessed"s) : said(name);
        if (mechanism == "LOGIN") {
            EXPECT_EQ(std::get<Prompt>(last).text, "Password:") << name;
            last = said("guessed");
        }
        {
            const std::scoped_lock lock(crypted_lock);
            crypted_by.clear();
        }
        boost::asio::io_context context;
        auto verdict = boost::asio::co_spawn(
            context, judge_->judge(std::move(std::get<Credentials>(last)), {}), boost::asio::use_future);
        context.run();
        const std::scoped_lock lock(crypted_lock);
        return {crypted_by, verdict.get()};
    }

    tests::Directory directory_;
    PasswordChecker checker_{1, 100};
    std::optional<UserFile> users_;
    std::optional<RecoverablePasswords> recoverable_;
    std::optional<LoginJudge> judge_;
};

TEST_F(UnknownUsersTest, APasswordIsAlwaysHashedOnceAndAsASomebodysIs) {
    for (const char* mechanism : {"PLAIN", "LOGIN"}) {
        EXPECT_EQ(judge(mechanism, "anna"),
                  std::pair(std::vector{std::string(tests::anna_hash)}, Verdict::wrong));
        EXPECT_EQ(judge(mechanism, "dora"),
                  std::pair(std::vector{std::string(tests::bert_hash)}, Verdict::wrong));
        std::set<std::string> used;
        for (int i = 0; i < 16; i++) {
            const std::string name = "carol" + std::to_string(i);
            const auto [settings, verdict] = judge(mechanism, name);
            ASSERT_THAT(settings, ElementsAre(AnyOf(tests::anna_hash, tests::bert_hash)))
                << mechanism << " " << name;
            EXPECT_EQ(verdict, Verdict::unknown);
            EXPECT_EQ(judge(mechanism, name).first, settings) << "always the same for one name";
            used.insert(settings.front());
        }
        EXPECT_EQ(used.size(), 2U) << "strangers have all kinds of hashes that users have";
    }
}

TEST_F(UnknownUsersTest, AProofCostsTheSame) {
    for (const ScramHash hash : scram_hashes) {
        std::map<std::string, std::pair<Calls, Calls>> cost;
        std::set<std::size_t> sizes;
        for (const char* name : {"anna", "dora", "carol"}) {
            Exchange exchange = begin(std::string(mechanism_of(hash)));
            tests::ScramClient client(hash, name, "guessed");
            const auto [challenge, first] = step(exchange, client.first());
            const std::string said = std::get<Prompt>(challenge).text;
            sizes.insert(said.size());
            EXPECT_EQ(tests::ScramClient::attribute(said, 'i'), "10000");
            const auto [end, second] = step(exchange, client.proof(said));
            EXPECT_EQ(std::get<Refuted>(end).user, name);
            cost[name] = {first, second};
        }
        EXPECT_EQ(sizes.size(), 1U) << "a challenge of another kind";
        EXPECT_EQ(cost["anna"].first.hmacs, 3U) << "hers are made, and thrown away";
        EXPECT_EQ(cost["dora"], cost["anna"]);
        EXPECT_EQ(cost["carol"], cost["anna"]);
    }
}

// Keys from elsewhere have other iterations and salts than ours, which each challenge tells.
TEST_F(UnknownUsersTest, AChallengeLooksAsSomebodysDoes) {
    const std::string shorter = ":{SCRAM-SHA-256}4096," + to_base64("saltsalt") + "," +
                                to_base64(std::string(32, 'k')) + "," + to_base64(std::string(32, 's'));
    const std::string longer = ":{SCRAM-SHA-256}20000," + to_base64(std::string(64, 'x')) + "," +
                               to_base64(std::string(32, 'k')) + "," + to_base64(std::string(32, 's'));
    std::filesystem::remove(file());
    std::ofstream(file()) << "anna:" << tests::anna_hash << shorter << "\nbert:" << tests::bert_hash << longer
                          << "\n";
    std::filesystem::permissions(file(), std::filesystem::perms::owner_read);
    users_.emplace(UserFile::open(file()).value());
    const auto look_of = [this](const std::string& name) {
        Exchange exchange = begin("SCRAM-SHA-256");
        tests::ScramClient client(ScramHash::sha256, name, "guessed");
        const std::string said = std::get<Prompt>(step(exchange, client.first()).first).text;
        return std::pair(tests::ScramClient::attribute(said, 'i'),
                         tests::ScramClient::attribute(said, 's').size());
    };
    const std::set known = {look_of("anna"), look_of("bert")};
    EXPECT_EQ(known.size(), 2U);
    std::set<std::pair<std::string, std::size_t>> unknown;
    for (int i = 0; i < 16; i++) {
        const std::string name = "carol" + std::to_string(i);
        EXPECT_EQ(look_of(name), look_of(name)) << "always the same";
        unknown.insert(look_of(name));
    }
    EXPECT_EQ(unknown, known);
}

TEST_F(UnknownUsersTest, AnAnswerToAChallengeCostsTheSame) {
    for (const ChallengeMechanism mechanism : challenge_mechanisms) {
        std::map<std::string, Calls> cost;
        for (const char* name : {"anna", "dora", "carol"}) {
            Exchange exchange = begin(std::string(name_of(mechanism)));
            const auto [challenge, none] = step(exchange, std::nullopt);
            EXPECT_EQ(none, Calls()) << "the name isn't known yet";
            const std::string said = std::get<Prompt>(challenge).text;
            const auto [end, calls] =
                step(exchange, mechanism == ChallengeMechanism::cram_md5
                                   ? tests::cram(said, name, "guessed")
                                   : tests::DigestClient{.user = name, .password = "guessed"}.answer(said));
            EXPECT_EQ(std::get<Refuted>(end).user, name);
            cost[name] = calls;
        }
        EXPECT_EQ(cost["anna"], (Calls{.hmacs = 3, .decryptions = 1}));
        EXPECT_EQ(cost["dora"], cost["anna"]) << name_of(mechanism);
        EXPECT_EQ(cost["carol"], cost["anna"]) << name_of(mechanism);
    }
}

// As whoever asks sekisho-auth sees it: the lines, without the name and what is random, and whether the last
// one was held back.
class UnknownUsersServerTest : public ::testing::Test {
protected:
    std::vector<std::string> conversation(const std::string& mechanism, const std::string& name) {
        tests::LineSocket socket(server_.socket());
        socket.shake_hands();
        tests::ScramClient scram(mechanism == "SCRAM-SHA-1" ? ScramHash::sha1 : ScramHash::sha256, name,
                                 "guessed");
        const auto answer = [&](const std::string& challenge) {
            return mechanism == "CRAM-MD5" ? tests::cram(challenge, name, "guessed")
                   : mechanism == "DIGEST-MD5"
                       ? tests::DigestClient{.user = name, .password = "guessed"}.answer(challenge)
                   : mechanism == "PLAIN"     ? "\0"s + name + "\0guessed"s
                   : challenge.empty()        ? scram.first()
                   : challenge == "Username:" ? name
                   : challenge == "Password:" ? "guessed"s
                                              : scram.proof(challenge);
        };
        // Each from an address of its own, for who fails again waits for longer.
        socket.send("AUTH\t1\t" + mechanism + "\tservice=smtp\trip=192.0.2." + std::to_string(++clients_) +
                    "\n");
        std::vector<std::string> lines;
        while (true) {
            const auto asked = std::chrono::steady_clock::now();
            const std::string line = socket.line();
            if (!line.starts_with("CONT\t1\t")) {
                EXPECT_GE(std::chrono::steady_clock::now() - asked, 150ms) << mechanism << " " << name;
                EXPECT_EQ(line, "FAIL\t1\tuser=" + name) << mechanism;
                return lines;
            }
            const std::string challenge(from_base64(line.substr(7)).value().view());
            // The nonce of CRAM-MD5 is a number of any length.
            lines.push_back(mechanism == "CRAM-MD5" ? "a challenge"
                                                    : std::to_string(challenge.size()) + " octets");
            socket.send("CONT\t1\t" + to_base64(answer(challenge)) + "\n");
        }
    }

    tests::Directory directory_;
    tests::Runner runner_;
    tests::TestServer server_{runner_, directory_.path(), {},
                              100,     two_users(),       {.mechanisms = all_mechanisms}};
    int clients_ = 0;
};

TEST_F(UnknownUsersServerTest, WhatIsSaidIsTheSameByAllMechanisms) {
    server_.keep("anna", "correct horse");
    for (const std::string& mechanism : all_mechanisms) {
        const auto known = conversation(mechanism, "anna");
        EXPECT_FALSE(known.empty());
        EXPECT_EQ(conversation(mechanism, "dora"), known) << mechanism;
        EXPECT_EQ(conversation(mechanism, "carol"), known) << mechanism;
    }
}

}  // namespace
}  // namespace sekisho::sasl
