// SPDX-License-Identifier: Apache-2.0
// RADIUS accounting packets, as they come and with a Request Authenticator that is right.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/subscribers/radius_packet.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

namespace {

namespace subscribers = sekisho::subscribers;
using Octets = std::vector<std::uint8_t>;

constexpr std::string_view secret = "testing123";

// MD5 of the packet with this authenticator in its place, and of the secret.
Octets authenticator(Octets packet, std::span<const std::uint8_t> in_its_place) {
    std::ranges::copy(in_its_place, packet.begin() + 4);
    packet.insert(packet.end(), secret.begin(), secret.end());
    Octets digest(16);
    EVP_Digest(packet.data(), packet.size(), digest.data(), nullptr, EVP_md5(), nullptr);
    return digest;
}

// The packet with a code, a Length and an authenticator that let it be read.
Octets made_right(Octets packet) {
    if (packet.size() < subscribers::shortest_packet) {
        return packet;
    }
    packet.resize(std::min(packet.size(), subscribers::longest_packet));
    packet[0] = 4;
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    std::ranges::copy(authenticator(packet, Octets(16)), packet.begin() + 4);
    return packet;
}

void check_answer(const Octets& packet, const subscribers::AccountingRequest& request) {
    const Octets answer = subscribers::accounting_response(request, secret);
    require(answer.size() >= subscribers::shortest_packet && answer.size() <= packet.size(),
            "an answer is no longer than what it answers");
    require(answer[0] == 5 && answer[1] == packet[1], "it is the answer to this packet");
    require((answer[2] << 8U | answer[3]) == static_cast<int>(answer.size()), "its Length is right");
    require(
        std::ranges::equal(std::span(answer).subspan(4, 16), authenticator(answer, request.authenticator)),
        "its authenticator is right");
}

void check_request(const subscribers::AccountingRequest& request) {
    using subscribers::Status;
    const Status status = request.status;
    const bool of_session = status == Status::start || status == Status::stop || status == Status::interim;
    require(!of_session || !request.session_id.empty(), "a session has a name");
    require(request.prefixes.size() <= subscribers::most_prefixes, "few prefixes");
    require(request.classes.size() <= subscribers::most_labels &&
                request.filters.size() <= subscribers::most_labels,
            "few labels");
    require(request.delay.count() >= 0, "no packet is from the future");
    for (const sekisho::Prefix& prefix : request.prefixes) {
        require(prefix.length > 0 && prefix.length <= prefix.address.bits(), "a length of its family");
        require(prefix.address.masked(prefix.length) == prefix.address, "no bit behind its length");
        require(std::ranges::count(request.prefixes, prefix) == 1, "each once");
    }
}

void check(const Octets& packet) {
    const auto request = subscribers::read_accounting(packet, secret);
    if (!request) {
        require(!request.error().what.empty(), "an error has words");
        return;
    }
    check_request(*request);
    check_answer(packet, *request);
    require(!subscribers::read_accounting(packet, "testing124"), "another secret made it, too");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const Octets packet(data, data + size);
    check(packet);
    check(made_right(packet));
    return 0;
}
