// SPDX-License-Identifier: Apache-2.0
// What comes from a RADIUS server's address: who doesn't know the secret can say neither yes nor no. Inputs
// that are sealed afterwards reach what stands behind the proofs.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "smtpd/sasl/access_request.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;
namespace sasl = sekisho::sasl;

namespace {

constexpr std::string_view secret = "a shared secret";
constexpr sasl::RequestAuthenticator authenticator = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr std::uint8_t identifier = 7;
constexpr std::size_t head = 20;

using Packet = std::vector<std::uint8_t>;

// As a server that knows the secret would send these attributes.
Packet sealed(Packet packet) {
    packet[1] = identifier;
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    std::ranges::copy(authenticator, packet.begin() + 4);
    if (packet.size() >= head + 18 && packet[head] == 80 && packet[head + 1] == 18) {
        std::fill_n(packet.begin() + head + 2, 16, std::uint8_t{0});
        HMAC(EVP_md5(), secret.data(), static_cast<int>(secret.size()), packet.data(), packet.size(),
             packet.data() + head + 2, nullptr);
    }
    Packet whole = packet;
    whole.insert(whole.end(), secret.begin(), secret.end());
    EVP_Digest(whole.data(), whole.size(), packet.data() + 4, nullptr, EVP_md5(), nullptr);
    return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const Packet packet(data, data + size);
    for (const bool strict : {true, false}) {
        require(!sasl::read_access_answer(packet, identifier, authenticator, secret, strict),
                "nobody finds what only the secret makes");
    }
    if (size < head || size > sasl::longest_radius_packet) {
        return 0;
    }
    const Packet good = sealed(packet);
    const auto strictly = sasl::read_access_answer(good, identifier, authenticator, secret, true);
    const auto leniently = sasl::read_access_answer(good, identifier, authenticator, secret, false);
    if (strictly) {
        require(leniently && *leniently == *strictly, "what is good enough for the strict is so for all");
        require(size >= head + 18, "and has a seal");
    }
    if (leniently) {
        require(good[0] == 2 || good[0] == 3 || good[0] == 11, "it is one of three answers");
    }
    return 0;
}
