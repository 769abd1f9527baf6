// SPDX-License-Identifier: Apache-2.0
// Writing of log lines.
#include "agent/base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "agent/base/printable.h"
#include "agent/base/time_text.h"

namespace sekisho::log {
namespace {

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

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : printable(text)) {
        if (c == '"') {
            out += '\\';
        }
        out += c;
    }
    return out + "\"";
}

bool plain_word(std::string_view text) {
    constexpr std::string_view others = "._:/@+,*-";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
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
    std::string whole = to.journal ? std::string{'<', journal_level(level), '>'}
                                   : rfc3339(std::chrono::system_clock::now()) + " ";
    whole += line(level, name, text, fields);
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
    std::string out(to_string(level));
    out += ' ';
    out += name;
    out += ' ';
    out += in_quotes(text);
    for (const Field& field : fields) {
        out += ' ';
        out += field.key;
        out += '=';
        out += plain_word(field.value) ? field.value : in_quotes(field.value);
    }
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
