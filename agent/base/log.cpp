// SPDX-License-Identifier: Apache-2.0
// Writing of log lines.
#include "agent/base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>

#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "agent/base/time_text.h"

namespace sekisho::log {
namespace {

constexpr std::size_t usual_length = 512;

struct Sink {
    Level lowest = Level::info;
    bool journal = false;
    int descriptor = STDERR_FILENO;
};

// The process has one log.
Sink& sink() {
    static Sink the_sink;
    return the_sink;
}

// systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream that leads to the journal. A child with a
// redirected stderr inherits the variable, hence the comparison.
bool leads_to_journal(int descriptor) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    return stream != nullptr && ::fstat(descriptor, &status) == 0 &&
           std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

// syslog(3)'s numbers.
char journal_level(Level level) {
    switch (level) {
        case Level::debug:
            return '7';
        case Level::info:
            return '6';
        case Level::notice:
            return '5';
        case Level::warning:
            return '4';
        case Level::error:
            return '3';
    }
    return '3';
}

bool is_plain(char c) {
    constexpr std::string_view others = "._:/@+,*-";
    return is_letter_or_digit(c) || others.find(c) != std::string_view::npos;
}

// What stands between quotes as it is.
bool is_harmless(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

void append_in_quotes(std::string& out, std::string_view text) {
    out += '"';
    if (std::ranges::all_of(text, is_harmless)) {
        out += text;
    } else {
        for (const char c : printable(text)) {
            if (c == '"') {
                out += '\\';
            }
            out += c;
        }
    }
    out += '"';
}

void append_line(std::string& out, Level level, std::string_view name, std::string_view text, Fields fields) {
    out += to_string(level);
    out += ' ';
    out += name;
    out += ' ';
    append_in_quotes(out, text);
    for (const Field& field : fields) {
        out += ' ';
        out += field.key();
        out += '=';
        if (const std::string_view value = field.value();
            !value.empty() && std::ranges::all_of(value, is_plain)) {
            out += value;
        } else {
            append_in_quotes(out, value);
        }
    }
}

// The time of a line, made once a second.
std::string_view time_of_line() {
    struct Stamp {
        std::chrono::sys_seconds second{};
        std::string text;
    };
    thread_local Stamp stamp;
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (stamp.text.empty() || now != stamp.second) {
        stamp = {now, rfc3339(now)};
    }
    return stamp.text;
}

// A log that can't be written must not stop the daemon; there is nobody left to tell.
void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void write(Level level, std::string_view name, std::string_view text, Fields fields) {
    const Sink& to = sink();
    if (level < to.lowest) {
        return;
    }
    std::string whole;
    whole.reserve(usual_length);
    if (to.journal) {
        whole += '<';
        whole += journal_level(level);
        whole += '>';
    } else {
        whole += time_of_line();
        whole += ' ';
    }
    append_line(whole, level, name, text, fields);
    whole += '\n';
    write_all(to.descriptor, whole);
}

}  // namespace

std::string_view to_string(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::notice:
            return "notice";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "error";
}

void set_up(const Options& options) {
    const bool journal = options.style == Style::journal ||
                         (options.style == Style::automatic && leads_to_journal(options.descriptor));
    sink() = Sink{options.lowest, journal, options.descriptor};
}

std::string line(Level level, std::string_view name, std::string_view text, Fields fields) {
    std::string out;
    append_line(out, level, name, text, fields);
    return out;
}

void debug(std::string_view name, std::string_view text, Fields fields) {
    write(Level::debug, name, text, fields);
}
void info(std::string_view name, std::string_view text, Fields fields) {
    write(Level::info, name, text, fields);
}
void notice(std::string_view name, std::string_view text, Fields fields) {
    write(Level::notice, name, text, fields);
}
void warning(std::string_view name, std::string_view text, Fields fields) {
    write(Level::warning, name, text, fields);
}
void error(std::string_view name, std::string_view text, Fields fields) {
    write(Level::error, name, text, fields);
}

}  // namespace sekisho::log
