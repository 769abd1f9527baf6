// SPDX-License-Identifier: Apache-2.0
// RADIUS packets: recorded ones, and such as are built octet by octet.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sekisho::subscribers {

using Octets = std::vector<std::uint8_t>;

constexpr std::string_view secret = "testing123";

inline Octets from_hex(std::string_view digits) {
    Octets octets;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        octets.push_back(
            static_cast<std::uint8_t>(std::stoul(std::string(digits.substr(i, 2)), nullptr, 16)));
    }
    return octets;
}

// What radclient 3.2.1 of FreeRADIUS sent with the secret above.
inline Octets recorded_start() {
    return from_hex(
        "045700fdda6f83379c865ffc0e2505db4aee74482806000000012c0a35663061303030310113616c696365406578616d"
        "706c652e6e65741f1330302d31312d32322d33332d34342d35350406c63364015f1220010db8ffff0000000000000000"
        "000120076272617331050600001001570d65746820312f313a3130300806c00002076114004020010db8000100020000"
        "0000000000007b14003820010db8010012000000000000000000a81220010db80001000200000000000000051906676f"
        "6c64190400ff0b0d7265736964656e7469616c29060000000337066ab13b805506000002582a06000000111a0b000000"
        "090105783d79210401022103ff");
}
// What it took for the answer.
inline Octets recorded_answer() {
    return from_hex("0557001ba0eba3f8db4429fd5b05b7101183a3e1210401022103ff");
}

// The same packet, and a Message-Authenticator.
inline Octets recorded_start_with_message_authenticator() {
    return from_hex(
        "04eb010f9c4914683008cdd26f781c9df909a7f82806000000012c0a35663061303030310113616c696365406578616d"
        "706c652e6e65741f1330302d31312d32322d33332d34342d35350406c63364015f1220010db8ffff0000000000000000"
        "000120076272617331050600001001570d65746820312f313a3130300806c00002076114004020010db8000100020000"
        "0000000000007b14003820010db8010012000000000000000000a81220010db80001000200000000000000051906676f"
        "6c64190400ff0b0d7265736964656e7469616c29060000000337066ab13b805506000002582a06000000111a0b000000"
        "090105783d79210401022103ff5012cf0b408430814d4dfbda18e0d5b75b21");
}

inline Octets recorded_on() {
    return from_hex("042a002164f2d802b00a5a8bfa49cccb4af7b99b28060000000720076272617331");
}

// Sets Length and Request Authenticator to what they must be.
inline Octets sign(Octets packet) {
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    std::fill_n(packet.begin() + 4, 16, std::uint8_t{0});
    Octets signed_part = packet;
    signed_part.insert(signed_part.end(), secret.begin(), secret.end());
    if (EVP_Digest(signed_part.data(), signed_part.size(), packet.data() + 4, nullptr, EVP_md5(), nullptr) !=
        1) {
        throw std::runtime_error("no MD5");
    }
    return packet;
}

struct Attribute {
    std::uint8_t type;
    Octets value;
};

inline Octets number(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
            static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

inline Octets text(std::string_view value) {
    return {value.begin(), value.end()};
}

inline Octets request(const std::vector<Attribute>& attributes) {
    Octets packet(20);
    packet[0] = 4;
    packet[1] = 7;
    for (const auto& [type, value] : attributes) {
        packet.push_back(type);
        packet.push_back(static_cast<std::uint8_t>(value.size() + 2));
        packet.insert(packet.end(), value.begin(), value.end());
    }
    return sign(std::move(packet));
}

// A Start of session "s" that also has these.
inline Octets start_with(std::vector<Attribute> attributes) {
    attributes.insert(attributes.begin(), {{40, number(1)}, {44, text("s")}});
    return request(attributes);
}

}  // namespace sekisho::subscribers
