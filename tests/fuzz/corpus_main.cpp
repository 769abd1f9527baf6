// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over the files of folders, for compilers without libFuzzer. Each input is also cut short
// at every length, which finds most reads beyond the end.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/invariant.h"

namespace {

// So that AddressSanitizer sees a read behind the last byte, each input has a block of its own.
void run(const std::vector<char>& input, std::size_t size) {
    const std::vector<unsigned char> exact(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int count, char** arguments) {
    std::size_t files = 0;
    for (int i = 1; i < count; ++i) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
            if (!entry.is_regular_file()) {
                continue;
            }
            files++;
            std::ifstream in(entry.path(), std::ios::binary);
            const std::vector<char> input{std::istreambuf_iterator<char>(in), {}};
            static_cast<void>(std::fprintf(stderr, "%s\n", entry.path().c_str()));
            for (std::size_t size = 0; size < std::min<std::size_t>(input.size(), 1024); ++size) {
                run(input, size);
            }
            run(input, input.size());
        }
    }
    static_cast<void>(std::printf("%zu files\n", files));
    return files == 0 ? 1 : 0;
}
