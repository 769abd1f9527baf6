// SPDX-License-Identifier: Apache-2.0
// A message while it comes in: in memory as long as it is small, then in a file without a name, which is in
// memory, too, until it becomes large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/base/descriptor.h"
#include "agent/base/result.h"

namespace sekisho {

class BodyFile {
public:
    // Over `in_memory` octets the message moves into `directory`.
    explicit BodyFile(std::filesystem::path directory, std::size_t in_memory = std::size_t{1} << 20);

    // Appends. Failure::unavailable where there is no room; nothing may be appended any more then.
    [[nodiscard]] Result<void> append(std::string_view octets);
    // Nothing more comes. Everything is in the file when this returns, if there has to be one: for a message
    // of over `without_file` octets, or of none.
    [[nodiscard]] Result<void> finish(std::size_t without_file);

    [[nodiscard]] const Descriptor& file() const { return file_; }
    // The message, where it has no file.
    [[nodiscard]] const std::string& octets() const { return buffer_; }
    [[nodiscard]] std::uint64_t size() const { return written_ + buffer_.size(); }

private:
    [[nodiscard]] Result<void> flush();
    [[nodiscard]] Result<void> open();
    [[nodiscard]] Result<void> move_to_disk();

    std::filesystem::path directory_;
    std::size_t in_memory_;
    std::string buffer_;  // many small pieces become few calls
    Descriptor file_;
    std::uint64_t written_ = 0;
    bool on_disk_ = false;
};

}  // namespace sekisho
