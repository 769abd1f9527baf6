// SPDX-License-Identifier: Apache-2.0
// What a RADIUS server answers to a request (RFC 2865, 3; RFC 3579, 3.2), right and wrong.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sekisho::sasl::tests {

using Octets = std::vector<std::uint8_t>;

// How an answer is sealed by Message-Authenticator.
enum class Seal : std::uint8_t { right, none, wrong, twice, too_short };

inline Octets answer_to(const Octets& request, std::uint8_t code, std::string_view secret,
                        Seal seal = Seal::right) {
    Octets packet = {code, request.at(1), 0, 0};
    packet.insert(packet.end(), request.begin() + 4, request.begin() + 20);
    if (seal != Seal::none) {
        const std::uint8_t size = seal == Seal::too_short ? 15 : 16;
        for (int i = 0; i < (seal == Seal::twice ? 2 : 1); i++) {
            packet.insert(packet.end(), {80, static_cast<std::uint8_t>(size + 2)});
            packet.insert(packet.end(), size, 0);
        }
    }
    packet.insert(packet.end(), {18, 4, 'h', 'i'});
    packet[3] = static_cast<std::uint8_t>(packet.size());
    if (seal == Seal::right || seal == Seal::wrong) {
        HMAC(EVP_md5(), secret.data(), static_cast<int>(secret.size()), packet.data(), packet.size(),
             packet.data() + 22, nullptr);
        packet[22] ^= seal == Seal::wrong ? 1U : 0U;
    }
    Octets whole = packet;
    whole.insert(whole.end(), secret.begin(), secret.end());
    EVP_Digest(whole.data(), whole.size(), packet.data() + 4, nullptr, EVP_md5(), nullptr);
    return packet;
}

}  // namespace sekisho::sasl::tests
