// SPDX-License-Identifier: Apache-2.0
// The program sekisho-auth as it is started: its sockets, its users, what it gives up, and how it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "agent/api/client.h"
#include "tests/unit/sasl/harness.h"
#include "tests/unit/sasl/scram_client.h"

namespace sekisho {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using sasl::tests::text;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

constexpr const char* right = "correct horse";

// How a login by SCRAM-SHA-256 ends.
std::string scram(sasl::tests::TestClient& client, const std::string& user, const std::string& password) {
    sasl::tests::ScramClient answers(sasl::ScramHash::sha256, user, password);
    auto step = client.begin_other("SCRAM-SHA-256", sasl::to_base64(answers.first())).get();
    while (const auto* const challenge = std::get_if<sasl::AuthContinue>(&step)) {
        const std::string said(sasl::from_base64(challenge->challenge).value().view());
        const std::string answer = said == answers.server_final() ? "" : answers.proof(said);
        step = client.respond(challenge->id, sasl::to_base64(answer));
    }
    return text(step);
}

class AuthProgramTest : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root: the program becomes another user, the sockets another group's";
        }
        std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
        std::filesystem::create_directory(home());
        const passwd* const user = ::getpwnam(user_);
        ASSERT_NE(user, nullptr);
        ASSERT_EQ(::chown(home().c_str(), user->pw_uid, user->pw_gid), 0);
        std::filesystem::permissions(home(), std::filesystem::perms(0700));
        std::ofstream(configuration())
            << "[auth]\nuser = \"" << user_ << "\"\nusers = \"" << users().string() << "\"\nsocket = \""
            << clients().string() << "\"\nclients = \"root\"\nadmin_socket = \"" << admin().string()
            << "\"\n[api]\nviewers = [\"nobody\"]\n";
    }
    void TearDown() override {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
    }
    void start() {
        const std::string out = (directory_ / "log").string();
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 2, out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        std::vector<std::string> words = {SEKISHO_AUTH_PROGRAM, "--config", configuration().string()};
        std::vector<char*> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
        ASSERT_EQ(::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), environ), 0);
        ::posix_spawn_file_actions_destroy(&actions);
        await([this] { return log().find(" READY ") != std::string::npos; });
    }
    int wait() {
        int status = -1;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    template <class Condition>
    void await(Condition condition) const {
        const auto end = Clock::now() + 10s;
        while (!condition() && Clock::now() < end) {
            std::this_thread::sleep_for(10ms);
        }
        ASSERT_TRUE(condition()) << log();
    }
    // "201 {...}".
    [[nodiscard]] std::string ask(const std::string& method, const std::string& target,
                                  const json::object& body = {}) const {
        const auto answer =
            api::Client(admin()).request(method, target, body.empty() ? "" : json::serialize(body));
        return answer ? std::to_string(answer->status) + " " + answer->body : answer.error().what;
    }
    [[nodiscard]] std::string read(const std::filesystem::path& path) const {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    [[nodiscard]] std::string log() const { return read(directory_ / "log"); }
    [[nodiscard]] std::filesystem::path home() const { return directory_ / "home"; }
    [[nodiscard]] std::filesystem::path users() const { return home() / "users"; }
    [[nodiscard]] std::filesystem::path clients() const { return directory_ / "clients.sock"; }
    [[nodiscard]] std::filesystem::path admin() const { return directory_ / "admin.sock"; }
    [[nodiscard]] std::filesystem::path configuration() const { return directory_ / "sekisho.toml"; }

    static constexpr const char* user_ = "daemon";
    tests::Directory directory_;
    sasl::tests::Runner runner_;
    pid_t pid_ = -1;
};

TEST_F(AuthProgramTest, AdministersUsersAndJudgesThem) {
    start();
    EXPECT_EQ(ask("GET", "/v1/users"), R"(200 {"users":[],"bad_lines":[]})");
    EXPECT_EQ(ask("POST", "/v1/users", {{"name", "Anna@Example.net"}, {"password", right}}),
              R"(201 {"name":"anna@example.net"})");
    EXPECT_THAT(ask("POST", "/v1/users", {{"name", "anna@example.net"}, {"password", "another one"}}),
                AllOf(HasSubstr("409 "), HasSubstr("sekisho user passwd")));
    EXPECT_EQ(
        ask("GET", "/v1/users"),
        R"(200 {"users":[{"name":"anna@example.net","scheme":"yescrypt","scram":true,"recoverable":false}],"bad_lines":[]})");
    sasl::tests::TestClient client(runner_, clients());
    EXPECT_EQ(text(client.plain("anna@example.net", right)), "ok anna@example.net");
    EXPECT_EQ(text(client.plain("anna@example.net", "another one")), "fail");
    EXPECT_EQ(scram(client, "anna@example.net", right), "ok anna@example.net");
    EXPECT_EQ(ask("PUT", "/v1/users/anna%40example.net", {{"password", "another one"}}), "204 ");
    EXPECT_EQ(text(client.plain("anna@example.net", right)), "fail");
    EXPECT_EQ(text(client.plain("anna@example.net", "another one")), "ok anna@example.net");
    EXPECT_EQ(scram(client, "anna@example.net", "another one"), "ok anna@example.net");
    const std::string stored = read(users());
    EXPECT_EQ(ask("DELETE", "/v1/users/ANNA%40example.net"), "204 ");
    EXPECT_EQ(text(client.plain("anna@example.net", "another one", "192.0.2.2")), "fail");
    EXPECT_THAT(ask("DELETE", "/v1/users/anna%40example.net"), HasSubstr("404 "));
    EXPECT_THAT(ask("GET", "/metrics"), AllOf(HasSubstr("sekisho_auth_logins_total{result=\"right\"} 4"),
                                              HasSubstr("sekisho_auth_logins_total{result=\"wrong\"} 3"),
                                              HasSubstr("sekisho_auth_users 0")));
    EXPECT_THAT(log(), AllOf(HasSubstr("USER_ADDED"), HasSubstr("USER_CHANGED"), HasSubstr("USER_REMOVED"),
                             HasSubstr("LOGIN_RIGHT"), HasSubstr("LOGIN_WRONG"), Not(HasSubstr(right)),
                             Not(HasSubstr("another one"))));
    // Nor what is stored of it.
    for (std::size_t at = stored.find(':'); at != std::string::npos && at + 20 < stored.size();
         at = stored.find_first_of(",:", at + 1)) {
        EXPECT_THAT(log(), Not(HasSubstr(stored.substr(at + 1, 20))));
    }
}

TEST_F(AuthProgramTest, RequestsThatAreWrongChangeNothing) {
    start();
    for (const json::object& body : {json::object{{"name", "anna"}},
                                     {{"password", right}},
                                     {{"name", "anna"}, {"password", "short"}},
                                     {{"name", "anna"}, {"password", "control\tcharacter"}},
                                     {{"name", "a:b"}, {"password", right}},
                                     {{"name", "a b"}, {"password", right}},
                                     {{"name", "#a"}, {"password", right}},
                                     {{"name", ""}, {"password", right}},
                                     {{"name", 7}, {"password", right}},
                                     {{"name", "a\nb:c"}, {"password", right}},
                                     {{"name", "anna"}, {"password", 12345678}},
                                     {{"name", std::string(256, 'a')}, {"password", right}},
                                     {{"name", "anna"}, {"password", std::string(512, 'p')}},
                                     {{"name", "anna"}, {"password", right}, {"role", "admin"}}}) {
        const std::string said = ask("POST", "/v1/users", body);
        EXPECT_THAT(said, HasSubstr("400 ")) << json::serialize(body);
        EXPECT_THAT(said, Not(HasSubstr(right)));
    }
    EXPECT_THAT(ask("PUT", "/v1/users/nobody", {{"password", right}}), HasSubstr("404 "));
    EXPECT_THAT(ask("PUT", "/v1/users/x%zz", {{"password", right}}), HasSubstr("400 "));
    EXPECT_THAT(ask("PATCH", "/v1/users"), HasSubstr("405 "));
    EXPECT_THAT(ask("GET", "/v1/users/anna"), HasSubstr("405 "));
    EXPECT_THAT(ask("POST", "/metrics"), HasSubstr("405 "));
    EXPECT_THAT(ask("GET", "/v1/users/"), HasSubstr("404 "));
    EXPECT_THAT(ask("GET", "/v1/grants"), HasSubstr("404 "));
    EXPECT_FALSE(std::filesystem::exists(users()));
}

// What a process of this user is answered: its exit code is the status less 200.
int status_for(uid_t user, const std::filesystem::path& socket, const char* method, const char* body) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setuid(user) != 0) {
            ::_exit(255);
        }
        const auto answer = api::Client(socket).request(method, "/v1/users", body);
        ::_exit(answer ? answer->status - 200 : 254);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) + 200 : -1;
}

TEST_F(AuthProgramTest, OperatorsChangeAndViewersLook) {
    start();
    constexpr const char* body = R"({"name":"anna","password":"correct horse"})";
    const uid_t viewer = 65534;
    const uid_t stranger = 2;
    EXPECT_EQ(status_for(viewer, admin(), "GET", ""), 200);
    EXPECT_EQ(status_for(viewer, admin(), "POST", body), 403);
    EXPECT_EQ(status_for(stranger, admin(), "GET", ""), 403);
    EXPECT_EQ(status_for(stranger, admin(), "POST", body), 403);
    EXPECT_EQ(status_for(0, admin(), "POST", body), 201);
}

TEST_F(AuthProgramTest, GivesUpRootAndKeepsItsFileToItself) {
    start();
    EXPECT_THAT(ask("POST", "/v1/users", {{"name", "anna"}, {"password", right}}), HasSubstr("201 "));
    const std::string status = read("/proc/" + std::to_string(pid_) + "/status");
    const std::string number = std::to_string(::getpwnam(user_)->pw_uid);
    const std::string four = number + "\t" + number + "\t" + number + "\t" + number;
    EXPECT_THAT(status, AllOf(HasSubstr("Uid:\t" + four + "\n"), HasSubstr("CapEff:\t0000000000000000\n"),
                              HasSubstr("CapPrm:\t0000000000000000\n"), HasSubstr("NoNewPrivs:\t1\n")));
    struct stat file{};
    ASSERT_EQ(::stat(users().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777U, 0600U);
    EXPECT_EQ(file.st_uid, ::getpwnam(user_)->pw_uid);
    ASSERT_EQ(::stat(clients().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0660U);
    ASSERT_EQ(::stat(admin().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0666U);
}

TEST_F(AuthProgramTest, BadLinesAreReportedByNumberAndLockNobodyOut) {
    std::ofstream(users()) << "anna:" << sasl::tests::anna_hash
                           << "\ncarol:secret00\n\nbert:" << sasl::tests::bert_hash << "\n";
    ASSERT_EQ(::chown(users().c_str(), ::getpwnam(user_)->pw_uid, 0), 0);
    start();
    sasl::tests::TestClient client(runner_, clients());
    EXPECT_EQ(text(client.plain("anna", right)), "ok anna");
    EXPECT_EQ(text(client.plain("bert", right)), "ok bert");
    EXPECT_EQ(text(client.plain("carol", "secret00")), "fail");
    EXPECT_THAT(log(), AllOf(HasSubstr("USERS_BAD_LINE"), HasSubstr("line=2"), Not(HasSubstr("secret00"))));
    EXPECT_THAT(ask("GET", "/v1/users"), HasSubstr(R"("bad_lines":[{"line":2,)"));
    EXPECT_THAT(ask("POST", "/v1/users", {{"name", "dora"}, {"password", right}}), HasSubstr("201 "));
    EXPECT_THAT(read(users()), HasSubstr("\ncarol:secret00\n\nbert:")) << "nothing is lost";
}

TEST_F(AuthProgramTest, TheFileMayBeChangedByHand) {
    start();
    sasl::tests::TestClient client(runner_, clients());
    EXPECT_EQ(text(client.plain("anna", right)), "fail");
    std::ofstream(users()) << "anna:" << sasl::tests::anna_hash << "\n";
    ASSERT_EQ(::chown(users().c_str(), ::getpwnam(user_)->pw_uid, 0), 0);
    EXPECT_EQ(text(client.plain("anna", right, "192.0.2.2")), "ok anna");
    const std::string before = log();
    ASSERT_EQ(::kill(pid_, SIGHUP), 0);
    await([&] { return log().size() > before.size(); });
    EXPECT_THAT(log().substr(before.size()), HasSubstr("USERS_READ"));
    EXPECT_EQ(text(client.plain("anna", right, "192.0.2.2")), "ok anna");
}

TEST_F(AuthProgramTest, EndsAndIsStartedAgainAtAnyMoment) {
    start();
    EXPECT_THAT(ask("POST", "/v1/users", {{"name", "anna"}, {"password", right}}), HasSubstr("201 "));
    sasl::tests::TestClient client(runner_, clients());
    for (int round = 0; round < 4; round++) {
        std::vector<std::future<sasl::AuthStep>> steps;
        for (int i = 0; i < 20; i++) {
            steps.push_back(
                client.begin_plain("anna", i % 2 != 0 ? right : "wrong", "192.0.2." + std::to_string(i)));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(30 * round));
        ::kill(pid_, round % 2 != 0 ? SIGKILL : SIGTERM);
        EXPECT_EQ(wait(), round % 2 != 0 ? -SIGKILL : 0);
        for (std::size_t i = 0; i < steps.size(); i++) {
            const std::string said = text(steps[i].get());
            EXPECT_TRUE(said == "temporary" || said == (i % 2 != 0 ? "ok anna" : "fail")) << said;
        }
        EXPECT_EQ(text(client.plain("anna", right)), "temporary");
        std::filesystem::remove(directory_ / "log");
        start();
        EXPECT_EQ(text(client.plain("anna", right)), "ok anna");
    }
}

}  // namespace
}  // namespace sekisho
