// SPDX-License-Identifier: Apache-2.0
// How a fuzz target says that something is wrong.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sekisho::fuzz {

// Ends the program, which both drivers report together with the input.
inline void require(bool holds, const char* what) {
    if (!holds) {
        static_cast<void>(std::fprintf(stderr, "does not hold: %s\n", what));
        std::abort();
    }
}

}  // namespace sekisho::fuzz

// Called by libFuzzer, or by corpus_main.cpp, with each input. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
