// SPDX-License-Identifier: Apache-2.0
// Octet counting and line ends, by what a message begins with.
#include "agent/logins/syslog_frames.h"

#include <algorithm>
#include <charconv>

#include "agent/logins/log_line.h"

namespace sekisho::logins {

namespace {

constexpr std::string_view line_ends("\n\0", 2);
constexpr std::string_view digits = "0123456789";
constexpr std::size_t most_digits = 7;  // as many as largest_count has

}  // namespace

bool SyslogFrames::feed(std::string_view octets, const Take& take) {
    while (!octets.empty()) {
        switch (part_) {
            case Part::begin:
                if (!begin(octets)) {
                    return false;
                }
                break;
            case Part::count:
                if (!read_count(octets)) {
                    return false;
                }
                break;
            case Part::counted:
                if (!read_counted(octets, take)) {
                    return false;
                }
                break;
            case Part::line:
                read_line(octets, take);
                break;
        }
    }
    return true;
}

// A message of syslog begins with "<"; what begins otherwise is a line of somebody who doesn't know that.
bool SyslogFrames::begin(std::string_view& octets) {
    octets.remove_prefix(std::min(octets.find_first_not_of(std::string_view("\r\n\0", 3)), octets.size()));
    if (!octets.empty()) {
        part_ = octets.front() >= '1' && octets.front() <= '9' ? Part::count : Part::line;
    }
    return true;
}

bool SyslogFrames::read_count(std::string_view& octets) {
    const std::size_t size = std::min(octets.find_first_not_of(digits), octets.size());
    held_ += octets.substr(0, std::min(size, most_digits + 1));
    octets.remove_prefix(size);
    if (held_.size() > most_digits) {
        return false;
    }
    if (octets.empty()) {
        return true;
    }
    if (octets.front() != ' ') {
        part_ = Part::line;
        return true;
    }
    std::from_chars(held_.data(), held_.data() + held_.size(), left_);
    held_.clear();
    octets.remove_prefix(1);
    part_ = Part::counted;
    return left_ <= largest_count;
}

bool SyslogFrames::read_counted(std::string_view& octets, const Take& take) {
    if (held_.empty() && octets.front() != '<') {
        return false;  // a line that begins with a number is no count
    }
    const std::size_t size = std::min(octets.size(), left_);
    hold(octets.substr(0, size));
    octets.remove_prefix(size);
    left_ -= size;
    if (left_ == 0) {
        finish(take);
    }
    return true;
}

void SyslogFrames::read_line(std::string_view& octets, const Take& take) {
    const std::size_t end = octets.find_first_of(line_ends);
    hold(octets.substr(0, end));
    octets.remove_prefix(std::min(end, octets.size()));
    if (!octets.empty()) {
        octets.remove_prefix(1);
        finish(take);
    }
}

void SyslogFrames::hold(std::string_view octets) {
    const std::size_t room = longest_line - held_.size();
    overlong_ = overlong_ || octets.size() > room;
    held_ += octets.substr(0, room);
}

void SyslogFrames::finish(const Take& take) {
    if (!overlong_) {
        take(held_);
    }
    held_.clear();
    overlong_ = false;
    part_ = Part::begin;
}

}  // namespace sekisho::logins
