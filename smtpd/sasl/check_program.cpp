// SPDX-License-Identifier: Apache-2.0
// Processes, one line there and one back.
#include "smtpd/sasl/check_program.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/descriptor.h"
#include "agent/base/log.h"
#include "agent/base/quietly.h"

namespace sekisho::sasl {

namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr std::size_t longest_answer = 8192;
// So long anybody waits for a process that is free: sekisho-smtpd waits for half a minute.
constexpr std::chrono::seconds longest_wait{20};

// RFC 3986, 2.1, as Squid does: what isn't a letter, a digit or one of -._~ is encoded.
void append_encoded(std::string& line, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char sign : text) {
        if (is_letter_or_digit(sign) || std::string_view("-._~").find(sign) != std::string_view::npos) {
            line += sign;
            continue;
        }
        const auto octet = static_cast<unsigned char>(sign);
        line += {'%', digits.at(octet / 16), digits.at(octet % 16)};
    }
}

// Its own memory, reserved at once: a string that grows leaves copies behind.
std::string request(std::string_view user, const SecretText& password) {
    constexpr std::size_t longest_code = 3;
    std::string line;
    line.reserve(longest_code * (user.size() + password.view().size()) + 2);
    append_encoded(line, user);
    line += ' ';
    append_encoded(line, password.view());
    line += '\n';
    return line;
}

// What an answer begins with.
std::string_view word_of(std::string_view answer) {
    return answer.substr(0, answer.find_first_of(" \r\n"));
}

// "OK", "ERR" or "BH", and whatever else behind it.
Result<bool> judged(std::string_view answer) {
    const std::string_view word = word_of(answer);
    if (word == "OK" || word == "ERR") {
        return word == "OK";
    }
    return fail(Failure::unavailable,
                word == "BH" ? "the program that checks passwords can't tell"
                             : "the program that checks passwords answers in no way it may",
                "look at what it writes to standard error, which stands in this log");
}

constexpr int most_patience = 100;  // milliseconds, at the end

// One process and the way to it.
struct Process {
    explicit Process(const asio::any_io_executor& executor) : socket(executor) {}
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { end(); }

    // SIGKILL: it may hang, and so may what it has started.
    void end() {
        boost::system::error_code ignored;
        socket.close(ignored);
        if (pid > 0) {
            ::kill(-pid, SIGKILL);
            dying.push_back(std::exchange(pid, -1));
        }
        reap();
        rest.clear();
    }
    // Doesn't wait: a process that waits for a broken disk dies later.
    void reap() {
        std::erase_if(dying, [](pid_t each) { return ::waitpid(each, nullptr, WNOHANG) != 0; });
    }

    Socket socket;
    pid_t pid = -1;  // of its own group, too
    std::vector<pid_t> dying;
    std::string rest;       // what has come of its answer
    bool answered = false;  // once, as it may
    bool busy = false;
};

struct Asked {
    Result<bool> answer;
    bool had_ended = false;  // before it was asked, or without a word
};

Result<pid_t> spawn(const std::vector<std::string>& command, int channel) {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::array<char*, 2> environment = {path.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    // Not every descriptor closes itself: what Asio has accepted doesn't.
    ::posix_spawn_file_actions_adddup2(&actions, channel, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, channel, STDOUT_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t usual;
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGPIPE);  // which this daemon ignores
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    // A group of its own.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, &attributes, arguments.data(),
                                    environment.data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return fail(Failure::unavailable, command.front() + " can't be started: " + std::strerror(error),
                    "see auth.program in sekisho.toml(5)");
    }
    return pid;
}

}  // namespace

struct CheckProgram::State : std::enable_shared_from_this<State> {
    State(const asio::any_io_executor& where, Settings what)
        : executor(where), settings(std::move(what)), freed(where, asio::steady_timer::time_point::max()) {
        for (std::size_t i = 0; i < settings.processes; i++) {
            processes.push_back(std::make_shared<Process>(executor));
        }
    }

    [[nodiscard]] Result<void> start(Process& process);
    asio::awaitable<std::shared_ptr<Process>> take();
    asio::awaitable<Asked> ask(std::shared_ptr<Process> process, const std::string* line);

    asio::any_io_executor executor;
    Settings settings;
    std::vector<std::shared_ptr<Process>> processes;
    asio::steady_timer freed;  // never, but cancelled each time: setting it wakes all who wait
    std::size_t waiting = 0;
    std::chrono::steady_clock::time_point not_before;
};

Result<void> CheckProgram::State::start(Process& process) {
    process.reap();
    // It says nothing without being asked: what stands there already is no answer to what is asked now.
    char stray = 0;
    if (process.pid > 0 && (::recv(process.socket.native_handle(), &stray, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
                            errno != EAGAIN)) {
        process.end();
    }
    if (process.pid > 0) {
        return {};
    }
    if (std::chrono::steady_clock::now() < not_before) {
        return fail(Failure::unavailable, settings.command.front() + " could not be started a moment ago");
    }
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return fail(Failure::unavailable, std::strerror(errno));
    }
    const Descriptor theirs(ends[1]);
    Descriptor ours(ends[0]);
    const auto pid = spawn(settings.command, theirs.get());
    if (!pid) {
        not_before = std::chrono::steady_clock::now() + settings.pause;
        return std::unexpected(pid.error());
    }
    process.pid = *pid;
    process.answered = false;
    process.socket.assign(asio::local::stream_protocol(), ours.release());
    log::info("PROGRAM_STARTED", "a process of the program that checks passwords",
              {{"program", settings.command.front()}, {"pid", *pid}});
    return {};
}

// Null when it has taken too long. Whoever has a process lets it go in time, so everybody is woken then.
asio::awaitable<std::shared_ptr<Process>> CheckProgram::State::take() {
    const auto due = std::chrono::steady_clock::now() + longest_wait;
    while (true) {
        const auto free = std::ranges::find(processes, false, &Process::busy);
        if (free != processes.end()) {
            (*free)->busy = true;
            co_return *free;
        }
        if (std::chrono::steady_clock::now() >= due) {
            co_return nullptr;
        }
        static_cast<void>(co_await freed.async_wait(quietly));
    }
}

// Whatever goes wrong, the process is not asked again: an answer that comes late would be taken for the next
// one's.
asio::awaitable<Asked> CheckProgram::State::ask(std::shared_ptr<Process> process, const std::string* line) {
    asio::steady_timer timer(executor);
    const auto late = std::make_shared<bool>(false);
    timer.expires_after(settings.limit);
    timer.async_wait([process, late](const boost::system::error_code& error) {
        if (!error) {
            *late = true;
            boost::system::error_code ignored;
            process->socket.cancel(ignored);
        }
    });
    boost::system::error_code trouble;
    const auto [unsent, sent] = co_await asio::async_write(process->socket, asio::buffer(*line), quietly);
    trouble = unsent;
    if (!trouble && !*late) {
        const auto [error, size] = co_await asio::async_read_until(
            process->socket, asio::dynamic_buffer(process->rest, longest_answer), '\n', quietly);
        trouble = error;
    }
    timer.cancel();
    const std::string said = std::exchange(process->rest, {});
    const std::string_view word = word_of(said);
    if (!trouble && !*late && said.find('\n') + 1 == said.size() &&
        (word == "OK" || word == "ERR" || word == "BH")) {
        process->answered = true;
        co_return Asked{.answer = judged(said)};
    }
    const bool had_answered = process->answered;
    process->end();
    if (!had_answered) {
        not_before = std::chrono::steady_clock::now() + settings.pause;
    }
    if (!trouble && !*late && said.find('\n') + 1 == said.size()) {
        co_return Asked{.answer = judged(said)};  // in no way it may
    }
    co_return Asked{.answer = fail(Failure::unavailable,
                                   *late ? "the program that checks passwords doesn't answer in time"
                                         : "the program that checks passwords has ended, or says too much",
                                   "look at what it writes to standard error, which stands in this log"),
                    .had_ended = said.empty() && !*late && had_answered};
}

CheckProgram::CheckProgram(const asio::any_io_executor& executor, Settings settings)
    : state_(std::make_shared<State>(executor, std::move(settings))) {}

CheckProgram::~CheckProgram() {
    for (const auto& process : state_->processes) {
        process->end();
    }
    for (int attempt = 0; attempt < most_patience; attempt++) {
        for (const auto& process : state_->processes) {
            process->reap();
        }
        if (std::ranges::all_of(state_->processes, [](const auto& each) { return each->dying.empty(); })) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

std::size_t CheckProgram::most_of_one_address() const {
    return state_->settings.processes;
}

std::size_t CheckProgram::waiting() const {
    return state_->waiting;
}

asio::awaitable<Result<bool>> CheckProgram::check(PasswordQuestion question) {
    const auto state = state_;
    if (state->waiting >= state->settings.most_waiting) {
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    state->waiting++;
    const std::shared_ptr<Process> process = co_await state->take();
    if (!process) {
        state->waiting--;
        co_return fail(Failure::unavailable, "too many logins at once");
    }
    std::string line = request(question.user, question.password);
    Asked asked{.answer = fail(Failure::unavailable, ""), .had_ended = true};
    // Twice: that a process has ended is noticed by asking it.
    for (int attempt = 0; attempt < 2 && asked.had_ended; attempt++) {
        if (auto started = state->start(*process); !started) {
            asked = {.answer = std::unexpected(started.error()), .had_ended = false};
        } else {
            asked = co_await state->ask(process, &line);
        }
    }
    wipe(line);
    process->busy = false;
    state->waiting--;
    state->freed.cancel();
    co_return std::move(asked.answer);
}

}  // namespace sekisho::sasl
