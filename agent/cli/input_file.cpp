// SPDX-License-Identifier: Apache-2.0
// Files and standard input alike.
#include "agent/cli/input_file.h"

#include <cstddef>
#include <fstream>
#include <iostream>
#include <vector>

#include "agent/base/printable.h"

namespace sekisho::cli {

namespace {

constexpr std::size_t largest_input = std::size_t{64} << 20;

}  // namespace

Result<std::string> read_input(const std::string& file) {
    std::ifstream opened;
    if (file != "-") {
        opened.open(file, std::ios::binary);
    }
    std::istream& in = file == "-" ? std::cin : opened;
    if (!in) {
        return fail(Failure::unavailable, "can't open " + printable(file), "name a file that you may read");
    }
    std::string text;
    constexpr std::size_t block = std::size_t{1} << 16;
    std::vector<char> some(block);
    while (in.read(some.data(), static_cast<std::streamsize>(some.size())), in.gcount() > 0) {
        text.append(some.data(), static_cast<std::size_t>(in.gcount()));
        if (text.size() > largest_input) {
            return fail(Failure::invalid, printable(file) + " is longer than 64 MiB");
        }
    }
    if (in.bad()) {
        return fail(Failure::unavailable, "can't read " + printable(file));
    }
    return text;
}

}  // namespace sekisho::cli
