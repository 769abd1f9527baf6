// SPDX-License-Identifier: Apache-2.0
// Log lines with names. Each line is one write to stderr:
//   2026-01-31T23:59:59Z info GRANT_OPENED "port 25 opened" key=192.0.2.1/32 user="a b"
// or, under journald, `<6>info GRANT_OPENED ...` without the time.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sekisho::log {

enum class Level { debug, info, notice, warning, error };

[[nodiscard]] std::string_view to_string(Level level);  // "debug", ...

// A key=value at the end of a line. Keys are lower_case words of ours; values may come from anywhere. It only
// looks at texts, so it is good for one call.
class Field {
public:
    // Implicit: a list of fields reads like {{"key", value}, {"count", 3}}.
    Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
    Field(std::string_view key, const std::string& value) : key_(key), value_(value) {}
    Field(std::string_view key, const char* value) : key_(key), value_(value) {}
    Field(std::string_view key, bool value) : key_(key), value_(value ? "true" : "false") {}
    template <std::integral Number>
    Field(std::string_view key, Number value) : key_(key) {
        const auto end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value).ptr;
        value_ = {digits_.data(), end};
    }
    Field(const Field&) = delete;
    Field& operator=(const Field&) = delete;
    ~Field() = default;

    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] std::string_view value() const { return value_; }

private:
    std::string_view key_;
    std::string_view value_;
    std::array<char, 24> digits_{};  // a value that is a number
};
using Fields = const std::initializer_list<Field>&;

enum class Style {
    automatic,  // journal if stderr is what JOURNAL_STREAM names, else plain
    plain,      // with the time in front
    journal,    // with journald's "<6>" in front, see sd-daemon(3)
};

struct Options {
    Level lowest = Level::info;  // lines below are not written
    Style style = Style::automatic;
    int descriptor = 2;
};

// Sets where lines go and which. Call once, before other threads exist.
void set_up(const Options& options);

// Writes a line. `name` is UPPER_CASE and stable, so that it can be looked up; `text` tells the operator what
// happened.
void debug(std::string_view name, std::string_view text, Fields fields = {});
void info(std::string_view name, std::string_view text, Fields fields = {});
void notice(std::string_view name, std::string_view text, Fields fields = {});
void warning(std::string_view name, std::string_view text, Fields fields = {});
void error(std::string_view name, std::string_view text, Fields fields = {});

// The line without time, prefix and line end. Text and values from strangers can't end the line, end their
// quotes or look like another field.
[[nodiscard]] std::string line(Level level, std::string_view name, std::string_view text, Fields fields);

}  // namespace sekisho::log
