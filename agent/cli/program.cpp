// SPDX-License-Identifier: Apache-2.0
// posix_spawn, and a file in memory for what is said.
#include "agent/cli/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "agent/base/descriptor.h"

namespace sekisho::cli {

namespace {

std::unexpected<Error> not_run(const std::vector<std::string>& words, int why) {
    return fail(Failure::unavailable, words.front() + ": " + std::generic_category().message(why),
                why == ENOENT ? "is its package installed?" : "");
}

// What a program gets as its standard streams.
class ProgramStreams {
public:
    explicit ProgramStreams(int said) {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions_, said, STDOUT_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions_, said, STDERR_FILENO);
    }
    ProgramStreams(const ProgramStreams&) = delete;
    ProgramStreams& operator=(const ProgramStreams&) = delete;
    ~ProgramStreams() { ::posix_spawn_file_actions_destroy(&actions_); }
    [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

std::string all_said(int file) {
    constexpr std::size_t most = std::size_t{1} << 20;
    std::string text;
    std::array<char, 4096> some{};
    ssize_t size = 0;
    while (text.size() < most &&
           (size = ::pread(file, some.data(), some.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(some.data(), static_cast<std::size_t>(size));
    }
    return text;
}

}  // namespace

Result<ProgramSaid> run_program(const std::vector<std::string>& words) {
    std::vector<std::string> copies = words;
    std::vector<char*> values;
    values.reserve(copies.size() + 1);
    for (std::string& word : copies) {
        values.push_back(word.data());
    }
    values.push_back(nullptr);
    const Descriptor said(::memfd_create("said", MFD_CLOEXEC));
    if (!said) {
        return not_run(words, errno);
    }
    const ProgramStreams streams(said.get());
    pid_t child = -1;
    if (const int why =
            ::posix_spawn(&child, values.front(), streams.actions(), nullptr, values.data(), environ);
        why != 0) {
        return not_run(words, why);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return ProgramSaid{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                       .text = all_said(said.get())};
}

}  // namespace sekisho::cli
