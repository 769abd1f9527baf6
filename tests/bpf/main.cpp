// SPDX-License-Identifier: Apache-2.0
// Runs the tests of the kernel's programs, or says why they can't run here and exits 77, which ctest takes as
// skipped.
#include <gtest/gtest.h>

#include <iostream>

#include "tests/bpf/programs.h"

int main(int argc, char** argv) {
    constexpr int skipped = 77;
    testing::InitGoogleTest(&argc, argv);
    if (const auto reason = sekisho::bpftest::why_not();
        !reason.empty() && !testing::GTEST_FLAG(list_tests)) {
        std::cout << "skipped: " << reason << '\n';
        return skipped;
    }
    return RUN_ALL_TESTS();
}
