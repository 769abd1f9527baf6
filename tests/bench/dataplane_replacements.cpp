// SPDX-License-Identifier: Apache-2.0
// A hundred agents one after the other, each replacing the program, and twenty that are killed, while as many
// packets come in as one CPU takes: none may leak, none may be lost.
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/arena.h"

namespace sekisho::bench {
namespace {

constexpr int replacements = 100;
constexpr int kills = 20;
constexpr std::uint32_t frames = 1U << 12;  // of each kind at once

// sekishod in the arena, with files of its own.
class Agent {
public:
    Agent(const Arena& arena, std::string program) : arena_(arena), program_(std::move(program)) {
        std::string name = (std::filesystem::temp_directory_path() / "sekisho-bench-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            give_up("making a temporary directory");
        }
        directory_ = name;
        std::ofstream(directory_ / "sekisho.toml")
            << "[dataplane]\npin_path = \"/sys/fs/bpf/sekisho-bench-" << getpid()
            << "\"\n[[interface]]\nname = \"box\"\nattach = \"xdp\"\n"
               "[[pool]]\nname = \"pool\"\nprefixes = [\"10.0.0.0/11\"]\naction = \"drop\"\n"
               "[api]\nsocket = \""
            << (directory_ / "agent.sock").string() << "\"\n[store]\npath = \""
            << (directory_ / "agent.db").string() << "\"\n";
        listen();
    }
    ~Agent() {
        if (pid_ > 0) {
            end(SIGKILL);
        }
        spawn({"--detach"});
        wait();
        close(ready_);
        std::filesystem::remove_all(directory_);
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    // Returns when it says that it is ready.
    void start() {
        spawn({});
        std::array<char, 256> message{};
        std::string said;
        while (!said.contains("READY=1")) {
            const auto size = recv(ready_, message.data(), message.size(), 0);
            if (size < 0) {
                give_up("the agent didn't become ready; see " + (directory_ / "log").string());
            }
            said.assign(message.data(), static_cast<std::size_t>(size));
        }
    }

    void end(int signal) {
        kill(pid_, signal);
        wait();
    }

private:
    void listen() {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        const auto path = (directory_ / "notify").string();
        path.copy(std::data(address.sun_path), sizeof(address.sun_path) - 1);
        ready_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const timeval patience{.tv_sec = 60, .tv_usec = 0};
        if (ready_ < 0 || setsockopt(ready_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
            bind(ready_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
            setenv("NOTIFY_SOCKET", path.c_str(), 1) != 0) {
            give_up("listening to the agent");
        }
    }

    void spawn(std::vector<std::string> more) {
        std::vector<std::string> words{program_, "--config", (directory_ / "sekisho.toml").string()};
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char*> arguments;
        for (auto& word : words) {
            arguments.push_back(word.data());
        }
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        const auto log = (directory_ / "log").string();
        posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        int failed = 0;
        arena_.inside([&] {
            failed = posix_spawn(&pid_, program_.c_str(), &actions, nullptr, arguments.data(), environ);
        });
        posix_spawn_file_actions_destroy(&actions);
        if (failed != 0) {
            errno = failed;
            give_up("starting " + program_);
        }
    }

    void wait() {
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

    const Arena& arena_;
    std::string program_;
    std::filesystem::path directory_;
    int ready_ = -1;
    pid_t pid_ = -1;
};

// Blocked SYNs and ordinary packets, until it is told to end.
class Stream {
public:
    explicit Stream(const Arena& arena) : thread_([this, &arena] { run(arena); }) {}

    // How many of each kind were sent.
    std::uint64_t end() {
        ended_ = true;
        thread_.join();
        return sent_;
    }

private:
    void run(const Arena& arena) {
        while (!ended_) {
            static_cast<void>(arena.send(frames, Traffic::unknown_many));
            static_cast<void>(arena.send(frames, Traffic::ordinary));
            sent_ += frames;
        }
    }

    std::atomic<bool> ended_ = false;
    std::uint64_t sent_ = 0;
    std::thread thread_;
};

std::uint32_t program_of_box(const Arena& arena) {
    std::uint32_t id = 0;
    const auto index = static_cast<int>(arena.index_of("box"));
    arena.inside([&] {
        if (bpf_xdp_query_id(index, XDP_FLAGS_DRV_MODE, &id) != 0) {
            give_up("asking for the program");
        }
    });
    return id;
}

void print(const std::string& row, std::uint64_t value, std::uint64_t sent, int replaced) {
    std::printf(
        "{\"row\":\"%s\",\"value\":%llu,\"unit\":\"packets\",\"target\":0,\"met\":%s,\"peers\":{\"sent\":%"
        "llu,"
        "\"replacements\":%d,\"kills\":%d}}\n",
        row.c_str(), static_cast<unsigned long long>(value),
        value == 0 && replaced == replacements + kills ? "true" : "false",
        static_cast<unsigned long long>(sent), replaced, kills);
}

void run(const std::string& program) {
    const Arena arena;
    Agent agent(arena, program);
    agent.start();
    Stream stream(arena);
    std::mt19937 random(20);
    int replaced = 0;
    for (int turn = 0; turn < replacements + kills; turn++) {
        const auto before = program_of_box(arena);
        agent.end(turn < replacements ? SIGTERM : SIGKILL);
        agent.start();
        replaced += program_of_box(arena) != before ? 1 : 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));
    }
    const auto sent = stream.end();
    print("dataplane-replacements-leaked", arena.enforced_arrived(), sent, replaced);
    print("dataplane-replacements-lost", sent - arena.others_arrived(), sent, replaced);
}

}  // namespace
}  // namespace sekisho::bench

int main(int count, char** words) {
    if (count != 2) {
        std::cerr << "usage: bench_dataplane_replacements SEKISHOD\n";
        return 2;
    }
    sekisho::bench::require_root();
    sekisho::bench::run(words[1]);
    return 0;
}
