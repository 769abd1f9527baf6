// SPDX-License-Identifier: Apache-2.0
// A list of prefixes: what was read is sorted, has no bits behind its length, and is read the same again.
#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "agent/base/prefix_list.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const auto list = sekisho::parse_prefix_list({reinterpret_cast<const char*>(data), size});
    if (!list) {
        require(list.error().what.starts_with("line "), "the line is named");
        return 0;
    }
    require(std::ranges::adjacent_find(*list, std::greater_equal()) == list->end(), "sorted, each once");
    std::string text;
    for (const sekisho::Prefix& prefix : *list) {
        require(prefix.address.masked(prefix.length) == prefix.address, "nothing behind the length");
        text += prefix.text() + "\n";
    }
    const auto again = sekisho::parse_prefix_list(text);
    require(again && *again == *list, "what was written is read the same");
    return 0;
}
