// SPDX-License-Identifier: Apache-2.0
// What begins a balancer's connection. However it comes, it is read the same way, and no octet behind the
// header is asked for.
#include <cstddef>
#include <string_view>

#include "smtpd/session/proxy_header.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
using sekisho::session::ProxyHeader;
using sekisho::session::read_proxy_header;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    std::size_t known = 0;
    ProxyHeader header = read_proxy_header({});
    while (header.wanted > 0 && header.wanted <= size - known) {
        known += header.wanted;
        header = read_proxy_header(octets.substr(0, known));
        require(known <= sekisho::session::longest_proxy_header, "a header has an end");
    }
    if (header.wanted > 0) {
        return 0;
    }
    require(header.wrong.empty() || !header.ends, "what is wrong tells of nobody");
    const ProxyHeader at_once = read_proxy_header(octets);
    if (header.wrong.empty()) {
        require(at_once.wanted == 0 && at_once.wrong.empty(), "what stands behind it is no matter");
        require(header.ends.has_value() == at_once.ends.has_value(), "nor is it for the ends");
        if (header.ends) {
            require(header.ends->client == at_once.ends->client, "the client's end is the same");
            static_cast<void>(header.ends->client.text());
        }
    }
    return 0;
}
