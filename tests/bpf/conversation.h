// SPDX-License-Identifier: Apache-2.0
// Real TCP sockets of a subscriber and of a mail server, for tests over a wire.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/bpf/packet.h"

namespace sekisho::bpftest {

// An owned socket.
class Socket {
public:
    explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
    ~Socket();
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&& other) noexcept;
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    [[nodiscard]] int get() const { return descriptor_; }

private:
    int descriptor_ = -1;
};

// An option of the subscriber's socket, set before it connects.
struct Option {
    int level = 0;
    int name = 0;
    Bytes value;
};

// Connects: 0 or the errno, ETIMEDOUT after 3 seconds. To be called inside the subscriber's namespace.
[[nodiscard]] int connect_to(const Socket& socket, const std::string& address, std::uint16_t port);

// A TCP socket of the address's family.
[[nodiscard]] Socket tcp_socket(const std::string& address, const std::vector<Option>& options = {});

// Listens; to be called inside the server's namespace.
[[nodiscard]] Socket listen_at(const std::string& address, std::uint16_t port);

// The next connection, waited for at most 3 seconds; descriptor -1 if there is none.
[[nodiscard]] Socket accept_from(const Socket& listener);

// Sends `size` octets of a pattern from one end and reads them at the other, checking each: how many came
// right before something failed (or 3 seconds passed without any), and what failed.
struct Transfer {
    std::size_t right = 0;
    int error = 0;
};
[[nodiscard]] Transfer transfer(const Socket& from, const Socket& to, std::size_t size);

}  // namespace sekisho::bpftest
