// SPDX-License-Identifier: Apache-2.0
// An authentication server with two users on a thread of its own, and ways to talk to it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/base/listener.h"
#include "smtpd/sasl/auth_client.h"
#include "smtpd/sasl/auth_server.h"
#include "smtpd/sasl/password_checker.h"
#include "smtpd/sasl/recoverable_passwords.h"
#include "smtpd/sasl/scram_keys.h"
#include "smtpd/sasl/secret_text.h"
#include "smtpd/sasl/user_file.h"
#include "tests/unit/directory.h"

namespace sekisho::sasl::tests {

using sekisho::tests::Directory;

// "correct horse", by yescrypt and by SHA-512-crypt.
constexpr const char* anna_hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79";
constexpr const char* bert_hash =
    "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0";

// "correct horse" for all of SCRAM, as it stands behind a hash.
inline std::string scram_keys() {
    std::string text;
    for (const ScramHash hash : scram_hashes) {
        text += ":" + print(hash, make_scram_keys(hash, SecretText("correct horse")).value());
    }
    return text;
}

// An io_context that runs on a thread of its own.
class Runner {
public:
    Runner() : guard_(context_.get_executor()), thread_([this] { context_.run(); }) {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    ~Runner() {
        guard_.reset();
        context_.stop();
        thread_.join();
    }
    [[nodiscard]] boost::asio::any_io_executor executor() { return context_.get_executor(); }

    // What `work` gives when it is run over there.
    template <class Work>
    auto on_thread(Work work) {
        std::packaged_task<decltype(work())()> task(std::move(work));
        auto result = task.get_future();
        boost::asio::post(context_, [&task] { task(); });
        return result.get();
    }
    // Begins a coroutine over there.
    template <class T>
    std::future<T> begin(boost::asio::awaitable<T> work) {
        return boost::asio::co_spawn(context_, std::move(work), boost::asio::use_future);
    }

private:
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
    std::thread thread_;
};

// A server for anna and bert, or those of another user file.
class TestServer {
public:
    TestServer(Runner& runner, const std::filesystem::path& directory, AuthLimits limits = {},
               std::size_t most_waiting = 100, const std::string& users = {},
               const JudgeChoices& choices = {})
        : runner_(runner), socket_(directory / "auth.sock"), file_(directory / "users") {
        const std::string ours = std::string("anna:") + anna_hash + "\nbert:" + bert_hash + "\n";
        std::filesystem::remove(file_);
        std::ofstream(file_) << (users.empty() ? ours : users);
        std::filesystem::permissions(file_, std::filesystem::perms::owner_read);
        runner_.on_thread([&] {
            users_.emplace(UserFile::open(file_).value());
            checker_.emplace(2, most_waiting);
            recoverable_.emplace(
                RecoverablePasswords::open(directory / "users.recoverable", directory / "users.key").value());
            judge_.emplace(
                LoginJudge::make({.users = *users_, .checker = *checker_, .recoverable = &*recoverable_},
                                 choices, std::string(32, 's'))
                    .value());
            server_.emplace(
                runner_.executor(),
                listen_unix({.path = socket_, .mode = 0600, .type = SOCK_STREAM, .group = {}}).value(),
                *judge_, limits);
        });
    }
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;
    // NOLINTNEXTLINE(bugprone-exception-escape): what is thrown here ends the tests, as it should
    ~TestServer() {
        runner_.on_thread([this] {
            server_.reset();
            judge_.reset();
            checker_.reset();
            recoverable_.reset();
            users_.reset();
        });
    }
    // Switches a user to a password that can be had again.
    void keep(const std::string& name, std::string_view password) {
        runner_.on_thread(
            [&] { recoverable_->keep(name, *users_->users().hash_of(name), SecretText(password)).value(); });
    }
    [[nodiscard]] const std::filesystem::path& socket() const { return socket_; }
    [[nodiscard]] AuthCounts counts() {
        return runner_.on_thread([this] { return server_->counts(); });
    }
    [[nodiscard]] std::size_t connections() {
        return runner_.on_thread([this] { return server_->connections(); });
    }

private:
    Runner& runner_;
    std::filesystem::path socket_;
    std::filesystem::path file_;
    std::optional<UserFile> users_;
    std::optional<RecoverablePasswords> recoverable_;
    std::optional<PasswordChecker> checker_;
    std::optional<LoginJudge> judge_;
    std::optional<AuthServer> server_;
};

// An AuthClient on the runner's thread.
class TestClient {
public:
    TestClient(Runner& runner, const std::filesystem::path& socket) : runner_(runner) {
        runner_.on_thread([&] { client_.emplace(runner_.executor(), socket); });
    }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;
    // NOLINTNEXTLINE(bugprone-exception-escape): as above
    ~TestClient() { end(); }

    void end() {
        runner_.on_thread([this] { client_.reset(); });
    }
    void connect() {
        runner_.on_thread([this] { client_->connect(); });
    }
    [[nodiscard]] std::vector<std::string> mechanisms() {
        return runner_.on_thread([this] { return client_->mechanisms(); });
    }
    // Those, as soon as a server has been heard.
    [[nodiscard]] std::vector<std::string> await_mechanisms() {
        connect();
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (mechanisms().empty() && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return mechanisms();
    }
    std::future<AuthStep> begin(AuthRequest request) {
        return runner_.begin(client_->begin(std::move(request)));
    }
    AuthStep respond(std::uint32_t id, std::string response) {
        return runner_.begin(client_->respond(id, std::move(response))).get();
    }
    void cancel(std::uint32_t id) {
        runner_.on_thread([this, id] { client_->cancel(id); });
    }
    std::future<AuthStep> begin_plain(std::string_view user, std::string_view password,
                                      std::string remote = "192.0.2.1") {
        const std::string message =
            std::string(1, '\0') + std::string(user) + std::string(1, '\0') + std::string(password);
        return begin({.mechanism = "PLAIN",
                      .initial = to_base64(message),
                      .local = "198.51.100.25",
                      .remote = std::move(remote),
                      .remote_port = 40'000,
                      .secured = true,
                      .session = "test"});
    }
    AuthStep plain(std::string_view user, std::string_view password, std::string remote = "192.0.2.1") {
        return begin_plain(user, password, std::move(remote)).get();
    }
    std::future<AuthStep> begin_other(std::string mechanism, std::optional<std::string> initial = {}) {
        return begin({.mechanism = std::move(mechanism),
                      .initial = std::move(initial),
                      .local = "198.51.100.25",
                      .remote = "192.0.2.1",
                      .remote_port = 40'002,
                      .secured = true,
                      .session = {}});
    }
    std::future<AuthStep> begin_login(std::optional<std::string> name) {
        return begin({.mechanism = "LOGIN",
                      .initial = std::move(name),
                      .local = "198.51.100.25",
                      .remote = "192.0.2.1",
                      .remote_port = 40'001,
                      .secured = true,
                      .session = {}});
    }

private:
    Runner& runner_;
    std::optional<AuthClient> client_;
};

// "ok anna", "fail", "not allowed", "temporary", "continue BASE64".
inline std::string text(const AuthStep& step) {
    if (const auto* const ok = std::get_if<AuthOk>(&step)) {
        return "ok " + ok->user;
    }
    if (const auto* const more = std::get_if<AuthContinue>(&step)) {
        return "continue " + more->challenge;
    }
    switch (std::get<AuthFail>(step).why) {
        case AuthFail::Why::wrong:
            return "fail";
        case AuthFail::Why::not_allowed:
            return "not allowed";
        case AuthFail::Why::unavailable:
            break;
    }
    return "temporary";
}

// One end of a Unix stream connection, lines in and out, waiting at most 10 s.
class LineSocket {
public:
    explicit LineSocket(int socket) : socket_(socket) {}
    explicit LineSocket(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        }
    }
    // An end that closes while it is written to shows in what is read next.
    void send(std::string_view bytes) const { static_cast<void>(offer(bytes)); }
    // False if the other end has closed, or doesn't read.
    [[nodiscard]] bool offer(std::string_view bytes) const {
        while (!bytes.empty()) {
            pollfd one{socket_.get(), POLLOUT, 0};
            if (::poll(&one, 1, 10'000) != 1) {
                return false;
            }
            const ssize_t sent =
                ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    // The next line without its LF, or "(end)".
    std::string line() {
        std::size_t end = 0;
        while ((end = input_.find('\n')) == std::string::npos) {
            pollfd one{socket_.get(), POLLIN, 0};
            std::array<char, 4096> piece{};
            const ssize_t got =
                ::poll(&one, 1, 10'000) == 1 ? ::recv(socket_.get(), piece.data(), piece.size(), 0) : 0;
            if (got <= 0) {
                return "(end)";
            }
            input_.append(piece.data(), static_cast<std::size_t>(got));
        }
        std::string result = input_.substr(0, end);
        input_.erase(0, end + 1);
        return result;
    }
    // Reads the server's handshake and sends the client's.
    void shake_hands() {
        for (std::string read = line(); read != "DONE"; read = line()) {
            if (read == "(end)") {
                throw std::runtime_error("no handshake");
            }
        }
        send("VERSION\t1\t1\nCPID\t4711\n");
    }
    // Whether nothing comes for a moment.
    [[nodiscard]] bool silent(int milliseconds) const {
        pollfd one{socket_.get(), POLLIN, 0};
        return input_.empty() && ::poll(&one, 1, milliseconds) == 0;
    }
    void close() { socket_.reset(); }

private:
    Descriptor socket_;
    std::string input_;
};

}  // namespace sekisho::sasl::tests
