// SPDX-License-Identifier: Apache-2.0
// A stream of syslog, taken apart into messages (RFC 6587, 3.4; RFC 5425, 4.3). Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace sekisho::logins {

// Counted messages may be so large; what is longer than longest_line is left out all the same.
constexpr std::size_t largest_count = std::size_t{1} << 20;

// Each message is counted ("24 <13>...") or ends with its line (or a NUL octet), whatever the ones before it
// did. Holds no more than longest_line octets.
class SyslogFrames {
public:
    // Called with each whole message, without its frame.
    using Take = std::function<void(std::string_view message)>;

    // Reads on. False if nobody can tell where the next message begins: a count that no message follows, or
    // beyond largest_count. The stream is of no use then.
    [[nodiscard]] bool feed(std::string_view octets, const Take& take);

private:
    enum class Part { begin, count, counted, line };

    [[nodiscard]] bool begin(std::string_view& octets);
    [[nodiscard]] bool read_count(std::string_view& octets);
    [[nodiscard]] bool read_counted(std::string_view& octets, const Take& take);
    void read_line(std::string_view& octets, const Take& take);
    void hold(std::string_view octets);
    void finish(const Take& take);

    Part part_ = Part::begin;
    std::string held_;       // of a message, or of its count
    std::size_t left_ = 0;   // of a counted message
    bool overlong_ = false;  // the message at hand is longer than what is held
};

}  // namespace sekisho::logins
