// SPDX-License-Identifier: Apache-2.0
// Programs as clsact filters (tc-bpf(8)), for kernels without TCX: no link, no pin, and they outlive both.
#pragma once

#include <cstdint>
#include <vector>

namespace sekisho::dataplane {

// Puts the program into our place among the device's filters, or a newer one there: 0, or an errno.
[[nodiscard]] int make_clsact(unsigned index, int program);

// Takes it off; false if there was none.
bool remove_clsact(unsigned index);

// The id of the program in our place, 0 if there is none.
[[nodiscard]] std::uint32_t clsact_program_on(unsigned index);

// The indexes of the interfaces that have a filter of ours, known by its place and its name.
[[nodiscard]] std::vector<unsigned> filtered_interfaces();

}  // namespace sekisho::dataplane
