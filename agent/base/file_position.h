// SPDX-License-Identifier: Apache-2.0
// Up to where a file that grows was read, for the next start.
#pragma once

#include <cstdint>

namespace sekisho {

struct FilePosition {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;  // of the first line that wasn't read
    // How the file begins: so many octets, and what they come to. A file that was cut and has grown again
    // can be as long as before.
    std::uint64_t head_size = 0;
    std::uint64_t head = 0;
    // When it and those before it were last written, in nanoseconds since 1970, as far as it was seen; 0 if
    // it wasn't. What was rotated later is later still.
    std::uint64_t written = 0;

    bool operator==(const FilePosition&) const = default;
};

}  // namespace sekisho
