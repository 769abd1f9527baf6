// SPDX-License-Identifier: Apache-2.0
// Reading a line that nobody shall see.
#include "agent/cli/user_password.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "agent/base/descriptor.h"
#include "agent/base/printable.h"

namespace sekisho::cli {

namespace {

constexpr std::size_t longest = 1023;

// While it lives, the terminal doesn't show what is typed, and signals that would end the program only end
// await(): else the terminal would stay silent after Ctrl-C. They are held back from the beginning, so that
// one that comes before the reading isn't forgotten.
class SilentTerminal {
public:
    explicit SilentTerminal(int terminal) : terminal_(terminal) {
        sigset_t held;
        ::sigemptyset(&held);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
            ::sigaddset(&held, signal);
        }
        ::pthread_sigmask(SIG_BLOCK, &held, &mask_);
        signals_ = Descriptor(::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK));
        known_ = signals_ && ::tcgetattr(terminal_, &shown_) == 0;
        termios silent = shown_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent_ = known_ && ::tcsetattr(terminal_, TCSAFLUSH, &silent) == 0;
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        if (silent_) {
            ::tcsetattr(terminal_, TCSAFLUSH, &shown_);
        }
        // What is still held back was meant for the reading, too.
        signalfd_siginfo taken{};
        while (::read(signals_.get(), &taken, sizeof taken) > 0) {
        }
        ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    }
    [[nodiscard]] bool silent() const { return silent_; }
    // Waits for a line. False if a signal came first, now or earlier.
    [[nodiscard]] bool await() const {
        std::array<pollfd, 2> ready{{{.fd = terminal_, .events = POLLIN, .revents = 0},
                                     {.fd = signals_.get(), .events = POLLIN, .revents = 0}}};
        while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
        }
        return ready[1].revents == 0;
    }

private:
    int terminal_;
    Descriptor signals_;
    termios shown_{};
    bool known_ = false;
    bool silent_ = false;
    sigset_t mask_{};
};

// One line without its end. Octet by octet: what stands behind it belongs to others.
Result<std::string> read_line(int input) {
    std::string line;
    line.reserve(longest + 1);
    for (;;) {
        char letter = 0;
        const ssize_t got = ::read(input, &letter, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            wipe(line);
            return fail(Failure::invalid, std::string("can't read the password: ") + std::strerror(errno));
        }
        if (got == 0 || letter == '\n') {
            break;
        }
        if (line.size() == longest) {
            wipe(line);
            return fail(Failure::invalid, "a password of over 1023 octets");
        }
        line += letter;
    }
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    if (line.empty()) {
        return fail(Failure::invalid, "no password was given",
                    "type it at the terminal, or send it as one line to standard input");
    }
    return line;
}

void say(int terminal, std::string_view words) {
    // Nothing can be done where a prompt can't be shown.
    static_cast<void>(::write(terminal, words.data(), words.size()) < 0);
}

Result<std::string> ask(const SilentTerminal& silent, int terminal, const std::string& prompt) {
    say(terminal, prompt);
    const bool there = silent.await();
    auto line = there ? read_line(terminal) : fail(Failure::refused, "interrupted; nothing has changed");
    say(terminal, "\n");
    return line;
}

}  // namespace

void wipe(std::string& text) {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

Result<std::string> read_password(int input, const std::string& name) {
    if (::isatty(input) == 0) {
        return read_line(input);
    }
    const SilentTerminal terminal(input);
    if (!terminal.silent()) {
        return fail(Failure::unavailable, "the terminal would show the password",
                    "send it as one line to standard input");
    }
    auto first = ask(terminal, input, "Password for " + printable(name) + ": ");
    if (!first) {
        return first;
    }
    auto second = ask(terminal, input, "The same again: ");
    if (!second) {
        wipe(*first);
        return second;
    }
    const bool same = *first == *second;
    wipe(*second);
    if (!same) {
        wipe(*first);
        return fail(Failure::invalid, "the two passwords differ; nothing has changed", "try again");
    }
    return first;
}

}  // namespace sekisho::cli
