// SPDX-License-Identifier: Apache-2.0
// Addresses and prefixes: what is understood can be written and read again.
#include <string_view>

#include "agent/base/address.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto address = sekisho::parse_address(text)) {
        const auto again = sekisho::parse_address(address->text());
        require(again && *again == *address, "an address survives its text");
        require(address->masked(address->bits()) == *address, "the whole mask keeps all bits");
    } else {
        require(!address.error().what.empty(), "an error has words");
    }
    if (const auto prefix = sekisho::parse_prefix(text)) {
        const auto again = sekisho::parse_prefix(prefix->text());
        require(again && *again == *prefix, "a prefix survives its text");
        require(prefix->length >= 0 && prefix->length <= prefix->address.bits(),
                "its length fits its family");
        require(prefix->address.masked(prefix->length) == prefix->address, "no bit behind its length");
        require(prefix->contains(prefix->address.last(prefix->length)), "it holds its last address");
    } else {
        require(!prefix.error().what.empty(), "an error has words");
    }
    return 0;
}
