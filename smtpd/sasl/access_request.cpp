// SPDX-License-Identifier: Apache-2.0
// Packets of RADIUS, made and read.
#include "smtpd/sasl/access_request.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <stdexcept>

namespace sekisho::sasl {

namespace {

using Octets = std::span<const std::uint8_t>;
using Packet = std::vector<std::uint8_t>;
using Digest = std::array<std::uint8_t, 16>;

constexpr std::size_t head = 20;  // code, identifier, length, authenticator
constexpr std::size_t authenticator_at = 4;
constexpr std::size_t attribute_head = 2;

enum Code : std::uint8_t { request_code = 1, accept_code = 2, reject_code = 3, challenge_code = 11 };

enum Type : std::uint8_t {
    user_name = 1,
    user_password = 2,
    service_type = 6,
    calling_station_id = 31,
    nas_identifier = 32,
    nas_port_type = 61,
    message_authenticator = 80,
};

constexpr std::array<std::uint8_t, 4> authenticate_only = {0, 0, 0, 8};  // RFC 2865, 5.6
constexpr std::array<std::uint8_t, 4> virtual_port = {0, 0, 0, 5};       // RFC 2865, 5.41

Octets octets_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// MD5 over the pieces, in their order.
Digest md5(std::initializer_list<Octets> pieces) {
    Digest digest{};
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    bool fine = context != nullptr && EVP_DigestInit_ex(context, EVP_md5(), nullptr) == 1;
    for (const Octets piece : pieces) {
        fine = fine && EVP_DigestUpdate(context, piece.data(), piece.size()) == 1;
    }
    fine = fine && EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1;
    EVP_MD_CTX_free(context);
    if (!fine) {
        throw std::runtime_error("OpenSSL has no MD5, which RADIUS is made of");
    }
    return digest;
}

Digest hmac_md5(std::string_view secret, Octets packet) {
    Digest digest{};
    if (HMAC(EVP_md5(), secret.data(), static_cast<int>(secret.size()), packet.data(), packet.size(),
             digest.data(), nullptr) == nullptr) {
        throw std::runtime_error("OpenSSL has no HMAC-MD5, which RADIUS is made of");
    }
    return digest;
}

void add(Packet& packet, Type type, Octets value) {
    packet.push_back(type);
    packet.push_back(static_cast<std::uint8_t>(attribute_head + value.size()));
    packet.insert(packet.end(), value.begin(), value.end());
}

// RFC 2865, 5.2: each 16 octets are masked by what the secret makes of the 16 before them.
void add_password(Packet& packet, std::string_view password, const RequestAuthenticator& authenticator,
                  std::string_view secret) {
    constexpr std::size_t block = 16;
    const std::size_t size = (std::max<std::size_t>(password.size(), 1) + block - 1) / block * block;
    packet.push_back(user_password);
    packet.push_back(static_cast<std::uint8_t>(attribute_head + size));
    Octets before = authenticator;
    for (std::size_t at = 0; at < size; at += block) {
        Digest mask = md5({octets_of(secret), before});
        for (std::size_t i = 0; i < block; i++) {
            const auto octet = at + i < password.size() ? static_cast<std::uint8_t>(password[at + i]) : 0U;
            packet.push_back(static_cast<std::uint8_t>(mask[i] ^ octet));
        }
        before = Octets(packet).last(block);
        OPENSSL_cleanse(mask.data(), mask.size());
    }
}

std::unexpected<Error> not_ours(std::string what) {
    return fail(Failure::invalid, std::move(what));
}

// Where the value of Message-Authenticator begins; 0 where there is none. Nothing for attributes that don't
// fit into the packet, or two of it.
std::optional<std::size_t> find_message_authenticator(Octets packet) {
    std::size_t found = 0;
    for (std::size_t at = head; at < packet.size();) {
        if (packet.size() - at < attribute_head) {
            return std::nullopt;
        }
        const std::size_t size = packet[at + 1];
        if (size < attribute_head || size > packet.size() - at) {
            return std::nullopt;
        }
        if (packet[at] == message_authenticator) {
            if (found != 0 || size != attribute_head + sizeof(Digest)) {
                return std::nullopt;
            }
            found = at + attribute_head;
        }
        at += size;
    }
    return found;
}

std::optional<AccessAnswer> answer_of(std::uint8_t code) {
    switch (code) {
        case accept_code:
            return AccessAnswer::accept;
        case reject_code:
            return AccessAnswer::reject;
        case challenge_code:
            return AccessAnswer::challenge;
        default:
            return std::nullopt;
    }
}

}  // namespace

Result<Packet> access_request(const AccessQuestion& question, std::uint8_t identifier,
                              const RequestAuthenticator& authenticator, std::string_view secret) {
    if (question.user.empty() || question.user.size() > longest_radius_attribute ||
        question.nas.size() > longest_radius_attribute ||
        question.password.size() > longest_radius_password) {
        return fail(Failure::invalid,
                    "a name of over 253 octets or a password of over 128, which RADIUS "
                    "doesn't carry");
    }
    Packet packet = {request_code, identifier, 0, 0};
    // In one piece, so that the password leaves no copies.
    packet.reserve(longest_radius_packet);
    packet.insert(packet.end(), authenticator.begin(), authenticator.end());
    add(packet, message_authenticator, Digest{});
    add(packet, user_name, octets_of(question.user));
    add_password(packet, question.password, authenticator, secret);
    add(packet, service_type, authenticate_only);
    add(packet, nas_port_type, virtual_port);
    if (!question.nas.empty()) {
        add(packet, nas_identifier, octets_of(question.nas));
    }
    if (question.remote) {
        add(packet, calling_station_id, octets_of(question.remote->text()));
    }
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    std::ranges::copy(hmac_md5(secret, packet), packet.begin() + head + attribute_head);
    return packet;
}

Result<AccessAnswer> read_access_answer(Octets packet, std::uint8_t identifier,
                                        const RequestAuthenticator& authenticator, std::string_view secret,
                                        bool strict) {
    const std::size_t size = packet.size() < head ? 0 : std::size_t{packet[2]} << 8U | packet[3];
    if (size < head || size > packet.size() || size > longest_radius_packet) {
        return not_ours("it is no packet of RADIUS");
    }
    packet = packet.first(size);  // RFC 2865, 3: what stands behind is padding
    const auto answer = answer_of(packet[0]);
    if (!answer || packet[1] != identifier) {
        return not_ours("it is no answer to what was asked");
    }
    const auto signed_at = find_message_authenticator(packet);
    if (!signed_at) {
        return not_ours("its attributes are malformed");
    }
    // RFC 2865, 3: MD5(Code+ID+Length+RequestAuth+Attributes+Secret)
    const Digest proof =
        md5({packet.first(authenticator_at), authenticator, packet.subspan(head), octets_of(secret)});
    if (CRYPTO_memcmp(proof.data(), packet.data() + authenticator_at, proof.size()) != 0) {
        return not_ours("it was made with another secret");
    }
    if (*signed_at == 0) {
        return strict ? Result<AccessAnswer>(not_ours("it has no Message-Authenticator")) : *answer;
    }
    // RFC 3579, 3.2: over the answer with the authenticator of the request, and zeros in its own place.
    Packet copy(packet.begin(), packet.end());
    std::ranges::copy(authenticator, copy.begin() + authenticator_at);
    std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(*signed_at), sizeof(Digest), std::uint8_t{0});
    const Digest seal = hmac_md5(secret, copy);
    if (CRYPTO_memcmp(seal.data(), packet.data() + *signed_at, seal.size()) != 0) {
        return not_ours("its Message-Authenticator is wrong");
    }
    return *answer;
}

}  // namespace sekisho::sasl
