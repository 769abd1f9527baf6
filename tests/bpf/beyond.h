// SPDX-License-Identifier: Apache-2.0
// What a TC program lets pass, to be looked at: a second program behind it leads it away, unchanged.
#pragma once

#include <optional>

#include "tests/bpf/conversation.h"
#include "tests/bpf/namespace.h"
#include "tests/bpf/packet.h"

namespace sekisho::bpftest {

class Beyond {
public:
    // Behind the program that attach_tc() put on the interface. `kind`: IFF_TAP for an interface with an
    // Ethernet header, IFF_TUN for one without.
    Beyond(const Namespace& host, const char* interface, int kind);

    // The next packet that passed, its tags in place. One that came over a veth or by a TUN has been judged
    // when its sender's call returns, so there is nothing to wait for.
    [[nodiscard]] std::optional<Bytes> next() const;

private:
    Socket line_;
};

}  // namespace sekisho::bpftest
