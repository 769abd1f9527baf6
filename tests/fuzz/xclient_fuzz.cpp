// SPDX-License-Identifier: Apache-2.0
// What a host says of the client it speaks for: what is understood is one line, and an address is one.
#include <algorithm>
#include <string_view>

#include "agent/base/printable.h"
#include "smtpd/session/xclient.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const auto client = sekisho::session::read_xclient({reinterpret_cast<const char*>(data), size});
    if (!client) {
        return 0;
    }
    require(client->user.size() <= 255 && sekisho::is_utf8(client->user) &&
                std::ranges::none_of(client->user, [](unsigned char c) { return c < ' ' || c == 0x7f; }),
            "a user is one line");
    for (const auto& address : {std::optional(client->address), client->server}) {
        require(!address || sekisho::parse_address(address->text()) == *address,
                "an address survives its text");
    }
    return 0;
}
