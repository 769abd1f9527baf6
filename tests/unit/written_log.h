// SPDX-License-Identifier: Apache-2.0
// What the code under test has logged.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "agent/base/log.h"

namespace sekisho::tests {

// As long as it lives, lines of the log go to it.
class WrittenLog {
public:
    WrittenLog() {
        log::set_up(
            {.lowest = log::Level::info, .style = log::Style::plain, .descriptor = ::fileno(file_.get())});
    }
    WrittenLog(const WrittenLog&) = delete;
    WrittenLog& operator=(const WrittenLog&) = delete;
    ~WrittenLog() { log::set_up({}); }

    [[nodiscard]] std::string text() const {
        std::string text;
        std::array<char, 4096> some{};
        ssize_t size = 0;
        while ((size = ::pread(::fileno(file_.get()), some.data(), some.size(),
                               static_cast<off_t>(text.size()))) > 0) {
            text.append(some.data(), static_cast<std::size_t>(size));
        }
        return text;
    }

private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{std::tmpfile(), &std::fclose};
};

}  // namespace sekisho::tests
