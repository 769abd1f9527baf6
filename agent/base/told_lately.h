// SPDX-License-Identifier: Apache-2.0
// Who was told of lately, so that neither who comes again and again nor a flood of others fills the audit
// log.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace sekisho {

class ToldLately {
public:
    using Moment = std::chrono::steady_clock::time_point;

    // Who was told of is not told of again for `time`, and in that time no more than `most` are.
    ToldLately(std::chrono::seconds time, std::size_t most) : time_(time), most_(most) {}

    // Whether this one is to be told of; notes that it was.
    [[nodiscard]] bool is_new(const std::string& who, Moment now);

private:
    std::chrono::seconds time_;
    std::size_t most_;
    std::unordered_map<std::string, Moment> told_;  // when
    Moment tidied_{};                               // when those of long ago were let go
};

}  // namespace sekisho
