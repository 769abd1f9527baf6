// SPDX-License-Identifier: Apache-2.0
// Takes packets apart: first its frame, then who made it, then what it says.
#include "agent/subscribers/radius_packet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sekisho::subscribers {

namespace {

using Octets = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 16>;

constexpr std::uint8_t accounting_request_code = 4;
constexpr std::uint8_t accounting_response_code = 5;
constexpr std::size_t authenticator_at = 4;
constexpr std::size_t attribute_head = 2;

// The attributes that are read, by their numbers.
enum Type : std::uint8_t {
    user_name = 1,
    nas_ip_address = 4,
    nas_port_number = 5,
    framed_ip_address = 8,
    filter_id = 11,
    class_label = 25,
    calling_station_id = 31,
    nas_identifier_text = 32,
    proxy_state = 33,
    acct_status_type = 40,
    acct_delay_time = 41,
    acct_session_id = 44,
    acct_session_time = 46,
    event_timestamp = 55,         // RFC 2869, section 5.3
    message_authenticator = 80,   // RFC 2869, section 5.14
    acct_interim_interval = 85,   // RFC 2869, section 5.16
    nas_port_id = 87,             // RFC 2869, section 5.17
    nas_ipv6_address = 95,        // RFC 3162, section 2.1
    framed_ipv6_prefix = 97,      // RFC 3162, section 2.3
    delegated_ipv6_prefix = 123,  // RFC 4818, section 3
    framed_ipv6_address = 168,    // RFC 6911, section 3.1
};

struct Attribute {
    std::uint8_t type = 0;
    std::size_t at = 0;  // where its value begins in the packet
    Octets value;
};

std::unexpected<Error> malformed(std::string what) {
    return fail(Failure::invalid, std::move(what));
}

std::unexpected<Error> unfit(const Attribute& attribute) {
    return malformed("its attribute " + std::to_string(attribute.type) + " can't have a value of " +
                     std::to_string(attribute.value.size()) + " octets");
}

std::uint32_t number(Octets octets) {
    std::uint32_t value = 0;
    for (const std::uint8_t octet : octets) {
        value = value << 8U | octet;
    }
    return value;
}

// The packet without its padding.
Result<Octets> frame_of(Octets datagram) {
    if (datagram.size() < shortest_packet) {
        return malformed("it has " + std::to_string(datagram.size()) +
                         " octets, and no packet has less than 20");
    }
    if (datagram[0] != accounting_request_code) {
        return malformed("its code is " + std::to_string(datagram[0]) +
                         ", not that of an Accounting-Request, 4");
    }
    const std::size_t length = number(datagram.subspan(2, 2));
    if (length < shortest_packet || length > longest_packet || length > datagram.size()) {
        return malformed("its Length says " + std::to_string(length) + ", and it has " +
                         std::to_string(datagram.size()) + " octets");
    }
    return datagram.first(length);
}

Result<std::vector<Attribute>> attributes_of(Octets packet) {
    std::vector<Attribute> attributes;
    std::size_t at = shortest_packet;
    while (at < packet.size()) {
        const Octets rest = packet.subspan(at);
        if (rest.size() < attribute_head || rest[1] < attribute_head || rest[1] > rest.size()) {
            return malformed("an attribute at octet " + std::to_string(at) + " doesn't end where it should");
        }
        attributes.push_back({.type = rest[0],
                              .at = at + attribute_head,
                              .value = rest.subspan(attribute_head, rest[1] - attribute_head)});
        at += rest[1];
    }
    return attributes;
}

// Of the octets and the secret behind them.
Digest md5(std::vector<std::uint8_t> octets, std::string_view secret) {
    octets.insert(octets.end(), secret.begin(), secret.end());
    Digest digest{};
    if (EVP_Digest(octets.data(), octets.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
        throw std::runtime_error("OpenSSL has no MD5");
    }
    return digest;
}

Digest hmac_md5(Octets octets, std::string_view secret) {
    Digest digest{};
    std::size_t size = 0;
    if (EVP_Q_mac(nullptr, "HMAC", nullptr, "MD5", nullptr, secret.data(), secret.size(), octets.data(),
                  octets.size(), digest.data(), digest.size(), &size) == nullptr) {
        throw std::runtime_error("OpenSSL has no HMAC-MD5");
    }
    return digest;
}

bool same(const Digest& expected, Octets given) {
    return given.size() == expected.size() &&
           CRYPTO_memcmp(expected.data(), given.data(), expected.size()) == 0;
}

void put(const Digest& digest, std::span<std::uint8_t> packet, std::size_t at) {
    std::memcpy(packet.subspan(at, digest.size()).data(), digest.data(), digest.size());
}

// Both are made over a packet whose Request Authenticator is zeros, the Message-Authenticator over one where
// that is zeros, too (RFC 2866, section 3; RFC 3579, section 3.2, which implementations take over for
// accounting).
Result<void> check_secret(Octets packet, const Attribute* message, std::string_view secret) {
    std::vector<std::uint8_t> copy(packet.begin(), packet.end());
    put({}, copy, authenticator_at);
    if (!same(md5(copy, secret), packet.subspan(authenticator_at, sizeof(Digest)))) {
        return fail(Failure::refused, "its Request Authenticator was not made with the secret of this client",
                    "compare the secrets on both sides");
    }
    if (message != nullptr) {
        put({}, copy, message->at);
        if (!same(hmac_md5(copy, secret), message->value)) {
            return fail(Failure::refused,
                        "its Message-Authenticator was not made with the secret of this client",
                        "compare the secrets on both sides");
        }
    }
    return {};
}

// The one there may be.
Result<const Attribute*> message_authenticator_of(const std::vector<Attribute>& attributes) {
    const Attribute* found = nullptr;
    for (const Attribute& attribute : attributes) {
        if (attribute.type != message_authenticator) {
            continue;
        }
        if (found != nullptr) {
            return malformed("it has two Message-Authenticators");
        }
        if (attribute.value.size() != sizeof(Digest)) {
            return unfit(attribute);
        }
        found = &attribute;
    }
    return found;
}

// RFC 2866, section 5.1.
Status status_of(std::uint32_t value) {
    switch (value) {
        case 1:
            return Status::start;
        case 2:
            return Status::stop;
        case 3:
            return Status::interim;
        case 7:
            return Status::on;
        case 8:
            return Status::off;
        default:
            return Status::other;
    }
}

std::string text_of(Octets value) {
    return {value.begin(), value.end()};
}

Address address_of(Family family, Octets value) {
    Address address{family, {}};
    std::ranges::copy(value, address.bytes.begin());
    return address;
}

// No subscriber's are addresses of zeros, what lies in ::/32 (IPv4 written as IPv6 does), and as much as a
// provider has.
bool is_nobodys(const Prefix& prefix) {
    constexpr int widest = 32;
    return prefix.length < widest ||
           prefix.address.masked(widest) == Address{.family = prefix.address.family, .bytes = {}};
}

void add_prefix(const Prefix& prefix, std::vector<Prefix>& prefixes) {
    const bool nobodys = is_nobodys(prefix);
    if (!nobodys && prefixes.size() < most_prefixes &&
        std::ranges::find(prefixes, prefix) == prefixes.end()) {
        prefixes.push_back(prefix);
    }
}

void add_ipv4(Octets value, std::vector<Prefix>& prefixes) {
    // "The user may choose" and "the NAS may choose" (RFC 2865, section 5.8): no address either.
    if (number(value) < 0xFFFFFFFEU) {
        add_prefix(Prefix{address_of(Family::ipv4, value), 32}, prefixes);
    }
}

// A reserved octet, the length in bits, and as much of the prefix as its sender found worth sending (RFC
// 3162, section 2.3): what is missing is zeros, and bits behind the length are cleared, though they should be
// so.
bool add_ipv6_prefix(Octets value, std::vector<Prefix>& prefixes) {
    constexpr std::size_t head = 2;
    constexpr std::uint8_t bits = 128;
    if (value.size() < head || value.size() > head + sizeof(Address::bytes) || value[1] > bits) {
        return false;
    }
    const int length = value[1];
    add_prefix(Prefix{address_of(Family::ipv6, value.subspan(head)).masked(length), length}, prefixes);
    return true;
}

void add_label(Octets value, std::vector<std::string>& labels) {
    if (labels.size() < most_labels) {
        labels.push_back(text_of(value));
    }
}

void keep_first(std::string text, std::string& kept) {
    if (kept.empty()) {
        kept = std::move(text);
    }
}

// Collects what the attributes of one packet say. Of those that should come once, the first counts.
class Reader {
public:
    explicit Reader(AccountingRequest& request) : request_(request) {}

    // Attributes that aren't known are skipped (RFC 2866, section 5).
    Result<void> read(const Attribute& attribute);
    // What can be said only when all were read.
    Result<void> finish();

private:
    void read_text(const Attribute& attribute);
    Result<void> read_number(const Attribute& attribute);
    Result<void> read_address(const Attribute& attribute);

    AccountingRequest& request_;
    std::optional<Status> status_;
    std::optional<std::uint32_t> delay_;
    std::optional<Address> nas_ipv6_;
    std::string port_number_;
};

Result<void> Reader::read(const Attribute& attribute) {
    switch (attribute.type) {
        case acct_status_type:
        case acct_delay_time:
        case acct_session_time:
        case event_timestamp:
        case acct_interim_interval:
        case nas_port_number:
            return read_number(attribute);
        case nas_ip_address:
        case nas_ipv6_address:
        case framed_ip_address:
        case framed_ipv6_address:
        case framed_ipv6_prefix:
        case delegated_ipv6_prefix:
            return read_address(attribute);
        case proxy_state:
            if (request_.proxy_states.size() == most_proxy_states) {
                return malformed("it has more than " + std::to_string(most_proxy_states) + " Proxy-States");
            }
            request_.proxy_states.emplace_back(attribute.value.begin(), attribute.value.end());
            return {};
        default:
            read_text(attribute);
            return {};
    }
}

void Reader::read_text(const Attribute& attribute) {
    switch (attribute.type) {
        case user_name:
            return keep_first(text_of(attribute.value), request_.user);
        case calling_station_id:
            return keep_first(text_of(attribute.value), request_.calling_station);
        case nas_identifier_text:
            return keep_first(text_of(attribute.value), request_.nas_identifier);
        case acct_session_id:
            return keep_first(text_of(attribute.value), request_.session_id);
        case nas_port_id:
            return keep_first(text_of(attribute.value), request_.nas_port);
        case class_label:
            return add_label(attribute.value, request_.classes);
        case filter_id:
            return add_label(attribute.value, request_.filters);
        default:
            return;
    }
}

Result<void> Reader::read_number(const Attribute& attribute) {
    if (attribute.value.size() != sizeof(std::uint32_t)) {
        return unfit(attribute);
    }
    const std::uint32_t value = number(attribute.value);
    switch (attribute.type) {
        case acct_status_type:
            status_ = status_.value_or(status_of(value));
            break;
        case acct_delay_time:
            delay_ = delay_.value_or(value);
            break;
        case event_timestamp:
            request_.event_time =
                request_.event_time.value_or(std::chrono::sys_seconds(std::chrono::seconds(value)));
            break;
        case acct_interim_interval:
            request_.interim_interval = request_.interim_interval.value_or(std::chrono::seconds(value));
            break;
        case acct_session_time:
            request_.session_time = request_.session_time.value_or(std::chrono::seconds(value));
            break;
        default:
            keep_first(std::to_string(value), port_number_);
    }
    return {};
}

Result<void> Reader::read_address(const Attribute& attribute) {
    const Octets value = attribute.value;
    if (attribute.type == framed_ipv6_prefix || attribute.type == delegated_ipv6_prefix) {
        return add_ipv6_prefix(value, request_.prefixes) ? Result<void>() : unfit(attribute);
    }
    const bool four = attribute.type == nas_ip_address || attribute.type == framed_ip_address;
    if (value.size() != (four ? 4 : sizeof(Address::bytes))) {
        return unfit(attribute);
    }
    const Address address = address_of(four ? Family::ipv4 : Family::ipv6, value);
    if (attribute.type == nas_ip_address) {
        request_.nas = request_.nas.value_or(address);
    } else if (attribute.type == nas_ipv6_address) {
        nas_ipv6_ = nas_ipv6_.value_or(address);
    } else if (four) {
        add_ipv4(value, request_.prefixes);
    } else {
        add_prefix(Prefix{address, 128}, request_.prefixes);
    }
    return {};
}

Result<void> Reader::finish() {
    if (!status_) {
        return malformed("it has no Acct-Status-Type");
    }
    request_.status = *status_;
    request_.delay = std::chrono::seconds(delay_.value_or(0));
    request_.nas = request_.nas ? request_.nas : nas_ipv6_;
    keep_first(port_number_, request_.nas_port);
    const bool of_session =
        *status_ == Status::start || *status_ == Status::stop || *status_ == Status::interim;
    if (of_session && request_.session_id.empty()) {
        return malformed("it has no Acct-Session-Id");
    }
    return {};
}

void append(std::uint8_t type, Octets value, std::vector<std::uint8_t>& packet) {
    packet.push_back(type);
    packet.push_back(static_cast<std::uint8_t>(attribute_head + value.size()));
    packet.insert(packet.end(), value.begin(), value.end());
}

}  // namespace

Result<AccountingRequest> read_accounting(std::span<const std::uint8_t> packet, std::string_view secret) {
    const auto frame = frame_of(packet);
    if (!frame) {
        return std::unexpected(frame.error());
    }
    const auto attributes = attributes_of(*frame);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    const auto message = message_authenticator_of(*attributes);
    if (!message) {
        return std::unexpected(message.error());
    }
    if (const auto checked = check_secret(*frame, *message, secret); !checked) {
        return std::unexpected(checked.error());
    }
    AccountingRequest request;
    request.identifier = (*frame)[1];
    std::ranges::copy(frame->subspan(authenticator_at, sizeof(Digest)), request.authenticator.begin());
    Reader reader(request);
    for (const Attribute& attribute : *attributes) {
        if (const auto read = reader.read(attribute); !read) {
            return std::unexpected(read.error());
        }
    }
    if (const auto finished = reader.finish(); !finished) {
        return std::unexpected(finished.error());
    }
    return request;
}

std::string nas_of(const AccountingRequest& request, const Address& source) {
    return request.nas_identifier.empty() ? request.nas.value_or(source).text() : request.nas_identifier;
}

std::vector<std::uint8_t> accounting_response(const AccountingRequest& request, std::string_view secret) {
    std::vector<std::uint8_t> packet(shortest_packet);
    packet[0] = accounting_response_code;
    packet[1] = request.identifier;
    put(request.authenticator, packet, authenticator_at);
    for (const auto& state : request.proxy_states) {
        append(proxy_state, state, packet);
    }
    packet[2] = static_cast<std::uint8_t>(packet.size() >> 8U);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    // It is made while the Request Authenticator stands in its place.
    put(md5(packet, secret), packet, authenticator_at);
    return packet;
}

}  // namespace sekisho::subscribers
