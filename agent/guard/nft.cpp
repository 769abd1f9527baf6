// SPDX-License-Identifier: Apache-2.0
// Input and output are files in memory, so that nobody has to feed the program, and its end is a descriptor.
// No shell, no environment of ours, no descriptor but these.
#include "agent/guard/nft.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include "agent/base/config_machine.h"

namespace sekisho::guard {

namespace {

constexpr std::chrono::seconds longest_run{10};

struct Started {
    pid_t pid = 0;
    Descriptor end;   // of the process: readable then
    Descriptor said;  // standard output and error
};

std::unexpected<Error> cannot_run(const std::string& why) {
    const bool missing = ::access(nft_program, X_OK) != 0;
    return fail(Failure::unavailable, std::string("can't run ") + nft_program + ": " + why,
                missing ? "install it: apt-get install nftables" : "");
}

std::string error_words() {
    return std::strerror(errno);
}

// From its beginning.
bool write_all(int to, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(to, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return ::lseek(to, 0, SEEK_SET) == 0;
}

std::string read_all(int from) {
    std::string text;
    std::array<char, 4096> part{};
    while (true) {
        const ssize_t size = ::pread(from, part.data(), part.size(), static_cast<off_t>(text.size()));
        if (size <= 0) {
            return text;
        }
        text.append(part.data(), static_cast<std::size_t>(size));
    }
}

// 0, or an errno. The agent ignores SIGPIPE, which a program doesn't expect.
int spawn(const Words& words, int input, int output, pid_t& pid) {
    std::vector<std::string> all = {nft_program};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    arguments.reserve(all.size() + 1);
    for (std::string& each : all) {
        arguments.push_back(each.data());
    }
    arguments.push_back(nullptr);
    std::string language = "LC_ALL=C";  // its words are read
    std::array<char*, 2> environment = {language.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t usual;
    ::sigemptyset(&usual);
    ::posix_spawnattr_setsigmask(&attributes, &usual);
    ::sigaddset(&usual, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error =
        ::posix_spawn(&pid, nft_program, &actions, &attributes, arguments.data(), environment.data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
}

Result<Started> start(const Words& words, const std::string& text) {
    const Descriptor input(::memfd_create("nft-input", MFD_CLOEXEC));
    Started started;
    started.said = Descriptor(::memfd_create("nft-output", MFD_CLOEXEC));
    if (!input || !started.said || !write_all(input.get(), text)) {
        return cannot_run(error_words());
    }
    if (const int error = spawn(words, input.get(), started.said.get(), started.pid); error != 0) {
        return cannot_run(std::strerror(error));
    }
    // The C library of Debian 12 declares it for C alone.
    started.end = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, started.pid, 0U)));
    if (!started.end) {
        const std::string why = error_words();
        ::kill(started.pid, SIGKILL);
        ::waitpid(started.pid, nullptr, 0);
        return cannot_run(why);
    }
    return started;
}

// Its complaint without the line that quotes ours and the one that underlines.
std::string first_line(const std::string& said) {
    const std::string line = said.substr(0, said.find('\n'));
    return line.empty() ? "it ended without a word" : line;
}

// Of a process that has ended, or is to end now.
Result<std::string> outcome(pid_t pid, int from, bool in_time) {
    if (!in_time) {
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    std::string said = read_all(from);
    if (!in_time) {
        return cannot_run("it took longer than " + std::to_string(longest_run.count()) + " s");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return said;
    }
    const bool missing = said.find("No such file or directory") != std::string::npos;
    return fail(missing ? Failure::not_found : Failure::refused, "nft: " + first_line(said),
                "nftables must be in the kernel, and the agent needs CAP_NET_ADMIN; `nft list ruleset` "
                "shows what is there");
}

}  // namespace

Result<std::string> run_nft(const Words& words, const std::string& input) {
    const auto started = start(words, input);
    if (!started) {
        return std::unexpected(started.error());
    }
    const auto until = std::chrono::steady_clock::now() + longest_run;
    pollfd end{.fd = started->end.get(), .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        ready = ::poll(&end, 1, static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0)));
    } while (ready < 0 && errno == EINTR);
    return outcome(started->pid, started->said.get(), ready > 0);
}

Nft::Nft(const boost::asio::any_io_executor& executor)
    : executor_(executor), end_(executor), limit_(executor) {}

void Nft::run(const Words& words, const std::string& input, Done done) {
    auto started = start(words, input);
    if (!started) {
        boost::asio::post(
            executor_, [done = std::move(done), error = started.error()] { done(std::unexpected(error)); });
        return;
    }
    child_ = {.pid = started->pid, .said = std::move(started->said)};
    end_.assign(started->end.release());
    // Killed, it ends, and that is what is waited for.
    limit_.expires_after(longest_run);
    limit_.async_wait([this, pid = child_->pid](const boost::system::error_code& error) {
        if (!error && child_ && child_->pid == pid) {
            ::kill(pid, SIGKILL);
        }
    });
    end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, done = std::move(done)](const boost::system::error_code& error) {
                        if (!error) {
                            ended(done);
                        }
                    });
}

void Nft::ended(const Done& done) {
    const bool in_time = limit_.cancel() > 0;
    end_.close();
    if (const auto child = std::exchange(child_, std::nullopt); child) {
        done(outcome(child->pid, child->said.get(), in_time));
    }
}

}  // namespace sekisho::guard
