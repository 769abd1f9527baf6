// SPDX-License-Identifier: Apache-2.0
// The client against a real Dovecot, and Dovecot's own client against our server. Dovecot runs with a
// configuration, run directory and state of its own; it needs root to become its service users.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/sasl/harness.h"
#include "tests/unit/sasl/scram_client.h"

namespace sekisho::sasl {
namespace {

using namespace std::chrono_literals;
using tests::text;
using Clock = std::chrono::steady_clock;

constexpr const char* program = "/usr/sbin/dovecot";
constexpr const char* doveadm = "/usr/bin/doveadm";

pid_t spawn(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t pid = -1;
    return ::posix_spawn(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ) == 0 ? pid : -1;
}

int exit_code_of(pid_t pid) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class DovecotTest : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::access(program, X_OK) != 0 || ::access(doveadm, X_OK) != 0) {
            GTEST_SKIP() << "needs root and Dovecot (dovecot-core)";
        }
        // Its processes must reach the directory.
        std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
        std::ofstream(directory_ / "passwd") << "anna:{PLAIN}correct horse\n";
        configure(passwd_file());
    }
    void TearDown() override { stop(); }

    // 2.3's language and 2.4's differ.
    void configure(const std::string& passdb, const std::string& mechanisms = "plain login") {
        const std::string base = directory_.path().string();
        std::ofstream out(file());
        if (version_24()) {
            out << "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nauth_allow_cleartext = "
                   "yes\n"
                << "passdb passwd-file {\n  passwd_file_path = " << base << "/passwd\n}\n"
                << "userdb static {\n  fields {\n    uid = nobody\n    gid = nogroup\n    home = "
                   "/nonexistent\n  }\n}\n";
        } else {
            out << "disable_plaintext_auth = no\n"
                << "passdb {\n  " << passdb << "\n}\n"
                << "userdb {\n  driver = static\n  args = uid=nobody gid=nogroup home=/nonexistent\n}\n";
        }
        out << "base_dir = " << base << "/run\nstate_dir = " << base << "/state\nlog_path = " << base
            << "/log\nprotocols =\nssl = no\nauth_failure_delay = 1 s\nauth_mechanisms = " << mechanisms
            << "\nservice auth {\n  unix_listener auth-client {\n    mode = 0600\n  }\n}\n";
    }
    [[nodiscard]] std::string passwd_file() const {
        return "driver = passwd-file\n  args = " + (directory_ / "passwd").string();
    }
    static bool version_24() {
        FILE* const pipe = ::popen("/usr/sbin/dovecot --version", "r");
        std::array<char, 32> words{};
        const bool read = pipe != nullptr && std::fgets(words.data(), words.size(), pipe) != nullptr;
        if (pipe != nullptr) {
            ::pclose(pipe);
        }
        return read && std::string_view(words.data()).starts_with("2.4");
    }
    void start() {
        std::filesystem::create_directories(directory_ / "run");
        dovecot_ = spawn({program, "-F", "-c", file()});
        const auto end = Clock::now() + 20s;
        while (!std::filesystem::exists(socket()) && Clock::now() < end) {
            std::this_thread::sleep_for(20ms);
        }
        ASSERT_TRUE(std::filesystem::exists(socket())) << log();
    }
    void stop() {
        if (dovecot_ > 0) {
            ::kill(dovecot_, SIGTERM);
            exit_code_of(dovecot_);
            dovecot_ = -1;
        }
    }
    // Kills the master's children of this name; how many there were.
    [[nodiscard]] std::size_t kill_children(std::string_view name) const {
        std::size_t killed = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            std::ifstream in(entry.path() / "stat");
            pid_t pid = 0;
            pid_t parent = 0;
            std::string command;
            char state = 0;
            if (in >> pid >> command >> state >> parent && parent == dovecot_ &&
                command == "(" + std::string(name) + ")") {
                ::kill(pid, SIGKILL);
                killed++;
            }
        }
        return killed;
    }
    [[nodiscard]] std::string file() const { return (directory_ / "dovecot.conf").string(); }
    [[nodiscard]] std::filesystem::path socket() const { return directory_ / "run/auth-client"; }
    [[nodiscard]] std::string log() const {
        std::ifstream in(directory_ / "log");
        return {std::istreambuf_iterator<char>(in), {}};
    }

    tests::Directory directory_;
    tests::Runner runner_;
    pid_t dovecot_ = -1;
};

TEST_F(DovecotTest, JudgesPlainAndLogin) {
    start();
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(text(client.plain("anna", "correct horse", "127.0.0.2")), "ok anna") << log();
    EXPECT_EQ(text(client.plain("anna", "wrong", "127.0.0.3")), "fail");
    EXPECT_EQ(text(client.plain("nobody", "correct horse", "127.0.0.4")), "fail");
    const AuthStep user = client.begin_login(std::nullopt).get();
    ASSERT_EQ(text(user), "continue VXNlcm5hbWU6");
    const std::uint32_t id = std::get<AuthContinue>(user).id;
    ASSERT_EQ(text(client.respond(id, to_base64("anna"))), "continue UGFzc3dvcmQ6");
    EXPECT_EQ(text(client.respond(id, to_base64("correct horse"))), "ok anna");
    const AuthStep initial = client.begin_login(to_base64("anna")).get();
    ASSERT_EQ(text(initial), "continue UGFzc3dvcmQ6");
    client.cancel(std::get<AuthContinue>(initial).id);
    EXPECT_EQ(text(client.plain("anna", "correct horse", "127.0.0.2")), "ok anna");
    EXPECT_EQ(log().find("BUG"), std::string::npos) << log();
}

TEST_F(DovecotTest, OtherMechanisms) {
    configure(passwd_file(), "login apop anonymous plain cram-md5 scram-sha-1 scram-sha-256");
    start();
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(client.await_mechanisms(),
              (std::vector<std::string>{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}));
    for (const ScramHash hash : scram_hashes) {
        tests::ScramClient scram(hash, "anna", "correct horse");
        const AuthStep challenge =
            client.begin_other(std::string(mechanism_of(hash)), to_base64(scram.first())).get();
        ASSERT_EQ(text(challenge).substr(0, 8), "continue") << log();
        const auto& first = std::get<AuthContinue>(challenge);
        const std::string proof = scram.proof(from_base64(first.challenge).value().view());
        EXPECT_EQ(text(client.respond(first.id, to_base64(proof))),
                  "continue " + to_base64(scram.server_final()));
        EXPECT_EQ(text(client.respond(first.id, "")), "ok anna") << log();
    }
    // The server speaks first.
    const AuthStep challenge = client.begin_other("CRAM-MD5").get();
    const auto& first = std::get<AuthContinue>(challenge);
    EXPECT_THAT(std::string(from_base64(first.challenge).value().view()), testing::MatchesRegex("<.*@.*>"));
    EXPECT_EQ(text(client.respond(first.id, to_base64("anna " + std::string(32, '0')))), "fail");
    EXPECT_EQ(log().find("BUG"), std::string::npos) << log();
}

TEST_F(DovecotTest, WhoMayNotLogInDoesNot) {
    std::ofstream(directory_ / "passwd", std::ios::app)
        << "away:{PLAIN}correct horse::::::nologin reason=away\n"
           "elsewhere:{PLAIN}correct horse::::::proxy=y host=192.0.2.3 nopassword=y\n";
    start();
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(text(client.plain("anna", "correct horse", "127.0.0.2")), "ok anna") << log();
    EXPECT_EQ(text(client.plain("away", "correct horse", "127.0.0.2")), "not allowed") << log();
    EXPECT_EQ(text(client.plain("away", "wrong", "127.0.0.2")), "fail") << "which has no reason then";
    EXPECT_EQ(text(client.plain("elsewhere", "whatever", "127.0.0.3")), "fail") << log();
}

// What a login tells of the user: "anna (Sales@x)".
std::string names(const AuthStep& step) {
    const auto* const ok = std::get_if<AuthOk>(&step);
    const auto* const failed = std::get_if<AuthFail>(&step);
    std::string all = ok != nullptr ? ok->user : failed != nullptr ? failed->user : "nobody";
    for (const std::string& each : ok != nullptr       ? ok->also
                                   : failed != nullptr ? failed->also
                                                       : std::vector<std::string>()) {
        all += " (" + each + ")";
    }
    return text(step).substr(0, 4) + ": " + all;
}

TEST_F(DovecotTest, NamesThatItChanges) {
    std::ofstream(directory_ / "passwd", std::ios::app) << "sales:{PLAIN}correct horse::::::user=anna\n";
    std::ofstream(directory_ / "masters") << "boss:{PLAIN}correct horse\n";
    const std::string master = (directory_ / "masters").string();
    std::ofstream(file(), std::ios::app)
        << "auth_master_user_separator = *\n"
        << (version_24()
                ? "auth_username_format = %{user | username | lower}\npassdb masters {\n  driver = "
                  "passwd-file\n"
                  "  master = yes\n  passwd_file_path = " +
                      master + "\n  result_success = continue\n}\n"
                : "auth_username_format = %Ln\npassdb {\n  driver = passwd-file\n  master = yes\n  args = " +
                      master + "\n  pass = yes\n}\n");
    start();
    tests::TestClient client(runner_, socket());
    int last = 0;
    const auto said = [&client, &last](const std::string& user, const std::string& password) {
        return names(client.plain(user, password, "127.0.4." + std::to_string(++last)));
    };
    EXPECT_EQ(said("anna", "correct horse"), "ok a: anna") << log();
    EXPECT_EQ(said("Anna@EXAMPLE.net", "correct horse"), "ok a: anna (Anna@EXAMPLE.net)");
    EXPECT_EQ(said("Anna@EXAMPLE.net", "wrong"), "fail: anna (Anna@EXAMPLE.net)");
    EXPECT_EQ(said("sales", "correct horse"), "ok a: anna (sales)");
    EXPECT_EQ(said("sales", "wrong"), "fail: anna (sales)");
    EXPECT_EQ(said("anna*Boss@X", "correct horse"), "ok a: anna (Boss@X) (boss)") << log();
    EXPECT_EQ(said("anna*Boss@X", "wrong"), "fail: boss (Boss@X)");
    EXPECT_EQ(said("carol*boss", "correct horse"), "not : carol (boss)");
}

TEST_F(DovecotTest, ManyAtOnceOverOneConnection) {
    start();
    tests::TestClient client(runner_, socket());
    std::vector<std::future<AuthStep>> steps;
    for (int i = 0; i < 40; i++) {
        steps.push_back(client.begin_plain("anna", i % 4 != 0 ? "correct horse" : "wrong",
                                           "127.0.1." + std::to_string(i)));
    }
    for (std::size_t i = 0; i < steps.size(); i++) {
        EXPECT_EQ(text(steps[i].get()), i % 4 != 0 ? "ok anna" : "fail") << i;
    }
}

TEST_F(DovecotTest, ABrokenBackEndIsTemporary) {
    if (version_24()) {
        GTEST_SKIP() << "its dictionaries are configured in another way";
    }
    const std::string dictionary = (directory_ / "dict.conf").string();
    std::ofstream(dictionary) << "uri = proxy:/nonexistent/dict:users\npassdb_objects = passdb\n"
                                 "key passdb {\n  key = passdb/%u\n  format = json\n}\n";
    configure("driver = dict\n  args = " + dictionary);
    start();
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(text(client.plain("anna", "correct horse", "127.0.0.2")), "temporary") << log();
}

TEST_F(DovecotTest, GoesOnWhenItsProcessIsAnotherOne) {
    start();
    tests::TestClient client(runner_, socket());
    EXPECT_EQ(text(client.plain("anna", "correct horse", "127.0.0.2")), "ok anna");
    auto pending = client.begin_plain("anna", "wrong", "127.0.0.5");  // held back for a second
    std::this_thread::sleep_for(200ms);
    ASSERT_EQ(kill_children("auth"), 1U);
    EXPECT_EQ(text(pending.get()), "temporary");
    // The master listens on, and starts another one. It may pause before that.
    const auto end = Clock::now() + 20s;
    std::string last;
    while ((last = text(client.plain("anna", "correct horse", "127.0.0.2"))) != "ok anna" &&
           Clock::now() < end) {
        EXPECT_EQ(last, "temporary");
        std::this_thread::sleep_for(100ms);
    }
    EXPECT_EQ(last, "ok anna") << log();
}

TEST_F(DovecotTest, ItsOwnClientUsesOurServer) {
    tests::TestServer server(runner_, directory_.path());
    const auto ask = [&](const std::string& user, const std::string& password) {
        return exit_code_of(
            spawn({doveadm, "-c", file(), "auth", "test", "-a", server.socket().string(), user, password}));
    };
    EXPECT_EQ(ask("anna", "correct horse"), 0);
    EXPECT_EQ(ask("bert", "correct horse"), 0);
    EXPECT_NE(ask("anna", "wrong"), 0);
    EXPECT_NE(ask("nobody", "correct horse"), 0);
    EXPECT_EQ(server.counts().right, 2U);
    EXPECT_EQ(server.counts().wrong, 2U);
    EXPECT_EQ(server.counts().broken, 0U);
}

}  // namespace
}  // namespace sekisho::sasl
