// SPDX-License-Identifier: Apache-2.0
// A subscriber and a box in namespaces of their own, joined by a veth whose end at the box runs one of the
// programs.
#pragma once

#include <chrono>
#include <optional>

#include "tests/bpf/conversation.h"
#include "tests/bpf/namespace.h"
#include "tests/bpf/packet.h"
#include "tests/bpf/programs.h"

namespace sekisho::bpftest {

// Attaches a TC program to an interface of a host, as a classic filter (clsact). What it doesn't decide goes
// on to that of the next place, if there is one; the first is to be attached first.
void attach_tc(const Namespace& host, const char* interface, int program, unsigned place = 1);

// A raw socket on an interface, for send_offloaded(); to be called inside its namespace.
[[nodiscard]] Socket raw_line(const char* interface);

// What the sender's kernel leaves to the device.
struct Offload {
    std::size_t linear = 0;     // so many octets are linear; 0: as the kernel likes
    std::uint16_t segment = 0;  // a large TCP segment, to become pieces of that size; 0: none
    std::size_t tcp = 0;        // where the TCP header begins whose checksum is to be completed; 0: none
};
// False if the kernel refuses such a frame.
[[nodiscard]] bool send_offloaded(const Socket& line, const Bytes& frame, const Offload& offload);

class Wire {
public:
    // Attaches the subscriber program to the box's interface "edge0" (whose MAC is box_mac): as native XDP
    // (then the subscriber's "sub0" gets a program that passes all, without which nothing sent by XDP_TX
    // arrives), or to clsact.
    explicit Wire(Kind kind);
    ~Wire();
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    // Lets the box's interface answer, which Programs::reset() forgets.
    void introduce() const;
    // Gives the subscriber the addresses reset4 and reset6, and the box those of both mail exchangers;
    // frames have the usual size then.
    void number() const;
    // Transmit checksum offload of an interface.
    static void offload(const Namespace& host, const char* interface, bool on);

    // Sends a frame as it is from the subscriber.
    void send(const Bytes& frame) const;
    // The next frame that arrives at the subscriber, its tags in place, or nothing within the time.
    [[nodiscard]] std::optional<Bytes> arrived(std::chrono::milliseconds within) const;
    void forget_arrived() const;
    // The next frame that the subscriber's own sockets sent, if one did. What arrived before it is forgotten.
    [[nodiscard]] std::optional<Bytes> said() const;

    [[nodiscard]] const Namespace& subscriber() const { return subscriber_; }
    [[nodiscard]] const Namespace& box() const { return box_; }

private:
    void join() const;
    void attach(Kind kind) const;
    void listen();
    [[nodiscard]] std::optional<Bytes> next(bool outgoing, std::chrono::milliseconds within) const;

    Namespace subscriber_;
    Namespace box_;
    int socket_ = -1;
};

}  // namespace sekisho::bpftest
