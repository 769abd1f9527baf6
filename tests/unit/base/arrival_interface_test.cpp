// SPDX-License-Identifier: Apache-2.0
// By which interface a connection has come. That of another host is shown by tests/system.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string_view>

#include "agent/base/listener.h"
#include "agent/base/socket_address.h"

namespace sekisho {
namespace {

// Else any program here would come by the interface whose address it connects to.
TEST(ArrivalInterface, AConnectionFromHereHasNone) {
    for (const std::string_view address : {"127.0.0.1", "::1"}) {
        const auto listener = listen_tcp({.address = parse_address(address).value(), .port = 0});
        ASSERT_TRUE(listener) << address;
        const SocketAddress server = socket_address(*local_endpoint(listener->get()));
        const Descriptor client(::socket(server.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::connect(client.get(), server.get(), server.size), 0) << address;
        const Descriptor taken(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        EXPECT_EQ(arrival_interface(taken.get()), "") << address;
    }
}

TEST(ArrivalInterface, WhatIsNoSuchConnectionHasNone) {
    EXPECT_EQ(arrival_interface(-1), "");
    const Descriptor unix_socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(arrival_interface(unix_socket.get()), "");
    const Descriptor datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(arrival_interface(datagrams.get()), "");
}

}  // namespace
}  // namespace sekisho
