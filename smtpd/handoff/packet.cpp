// SPDX-License-Identifier: Apache-2.0
// sendmsg(2) and recvmsg(2) with SCM_RIGHTS, see unix(7).
#include "smtpd/handoff/packet.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "smtpd/handoff/handoff.h"

namespace sekisho::handoff {

namespace {

// Of descriptors in one packet; what comes beyond is closed by the kernel, and MSG_CTRUNC tells.
constexpr std::size_t room = 4;

Moved trouble() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? Moved::would_block : Moved::closed;
}

std::vector<Descriptor> files_of(msghdr& message) {
    std::vector<Descriptor> files;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; i++) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(each) + i * sizeof(int), sizeof number);
            files.emplace_back(number);
        }
    }
    return files;
}

}  // namespace

Moved send_packet(int socket, std::string_view packet, int descriptor) {
    // sendmsg doesn't write to what it sends.
    iovec place{.iov_base = const_cast<char*>(packet.data()), .iov_len = packet.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    while (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return trouble();
        }
    }
    return Moved::done;
}

Moved receive_packet(int socket, Packet& packet) {
    packet.room.resize(longest_packet);
    iovec place{.iov_base = packet.room.data(), .iov_len = packet.room.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * room)> control{};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t size = 0;
    while ((size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0) {
        if (errno != EINTR) {
            return trouble();
        }
    }
    std::vector<Descriptor> files = files_of(message);
    if (size == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || files.size() > 1) {
        return Moved::closed;
    }
    packet.text = {packet.room.data(), static_cast<std::size_t>(size)};
    packet.file = files.empty() ? Descriptor() : std::move(files.front());
    return Moved::done;
}

}  // namespace sekisho::handoff
