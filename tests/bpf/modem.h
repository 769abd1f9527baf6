// SPDX-License-Identifier: Apache-2.0
// Real clients behind access lines of which this machine's kernel has no device: a modem carries what they
// say, wrapped as the line wants it, and unwraps what comes back.
#pragma once

#include <linux/if_tun.h>

#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "tests/bpf/conversation.h"
#include "tests/bpf/namespace.h"
#include "tests/bpf/packet.h"
#include "tests/bpf/shells.h"
#include "tests/bpf/wire.h"

namespace sekisho::bpftest {

// A subscriber's host whose way out, "wan0", is in the hands of the modem.
class Client {
public:
    // IFF_TAP: frames, from subscriber_mac; everything goes to box_mac. IFF_TUN: IP packets.
    explicit Client(int kind);
    // Gives it an address, through which it reaches all others.
    void number(const std::string& address) const;
    // Inside the client: 0 or the errno of a connection to the address's port 25.
    [[nodiscard]] int connect(const std::string& address) const;

    [[nodiscard]] int line() const { return line_.get(); }

private:
    Namespace host_;
    bool frames_;
    Socket line_;
};

// Opens a TUN or TAP (`kind`) of that name inside a namespace, and sets it up. With `information` 0 instead,
// what goes over its descriptor begins with two octets of flags and the ethertype.
[[nodiscard]] Socket open_line(const Namespace& host, const std::string& name, int kind,
                               int information = IFF_NO_PI);

// Joins a client's TAP to a wire's subscriber, on which the frames have the shell's tags and PPPoE.
class Modem {
public:
    Modem(const Client& client, const Wire& wire, const Shell& shell);

private:
    void carry(const std::stop_token& stop) const;
    [[nodiscard]] Bytes wrap(const Bytes& frame) const;
    [[nodiscard]] std::optional<Bytes> unwrap(const Bytes& frame) const;

    int line_;
    const Wire& wire_;
    Bytes type_;       // the ethertype of what the client says
    Bytes shell_;      // what stands there on the wire
    std::size_t ppp_;  // octets of PPP's protocol number at the end of it
    std::jthread carrying_;
};

// Joins a client's TUN to another one.
class SerialLine {
public:
    SerialLine(const Client& client, const Socket& other);

private:
    std::jthread carrying_;
};

// The same, with what the client says in packets of the other IP version from one end of a tunnel to another.
class TunnelLine {
public:
    TunnelLine(const Client& client, const Socket& other, std::string from, std::string to);

private:
    std::jthread carrying_;
};

}  // namespace sekisho::bpftest
