// SPDX-License-Identifier: Apache-2.0
// The names of clients, as far as they can be believed.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "smtpd/dns/resolver.h"
#include "tests/unit/delivery/name_server.h"

namespace sekisho::dns {
namespace {

class NamesTest : public testing::Test {
protected:
    // The name, or "not_found" or "unavailable".
    std::string name_of(std::string_view address) {
        DnsConfig dns;
        dns.servers = {parse_address("127.0.0.1").value()};
        const auto resolver = Resolver::make(context_.get_executor(), dns, names_.start()).value();
        std::optional<Result<std::string>> name;
        boost::asio::co_spawn(context_, resolver->confirmed_name(parse_address(address).value()),
                              [&name](const std::exception_ptr& error, Result<std::string> found) {
                                  EXPECT_FALSE(error);
                                  name = std::move(found);
                              });
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
        while (!name && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(std::chrono::seconds(1));
        }
        if (!name) {
            return "no answer";
        }
        return *name ? **name : std::string(failure_name(name->error().kind));
    }

    delivery::tests::NameServer names_;
    boost::asio::io_context context_;
};

TEST_F(NamesTest, ANameThatHasTheAddressIsTheClients) {
    names_.ptr("7.2.0.192.in-addr.arpa", "Mail.example.net");
    names_.address("Mail.example.net", "192.0.2.7");
    EXPECT_EQ(name_of("192.0.2.7"), "mail.example.net");
    names_.ptr("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "six.example.net");
    names_.address("six.example.net", "2001:db8::1");
    EXPECT_EQ(name_of("2001:db8::1"), "six.example.net");
}

// Whoever has an address can write any name there.
TEST_F(NamesTest, ANameThatHasAnotherAddressIsNot) {
    names_.ptr("7.2.0.192.in-addr.arpa", "mail.example.net");
    names_.address("mail.example.net", "192.0.2.8");
    EXPECT_EQ(name_of("192.0.2.7"), "not_found");
    EXPECT_EQ(name_of("192.0.2.9"), "not_found") << "there is none";
}

TEST_F(NamesTest, TheFirstOfSeveralThatHasItCounts) {
    for (const char* name : {"a.example.net", "b.example.net"}) {
        names_.ptr("7.2.0.192.in-addr.arpa", name);
    }
    names_.address("b.example.net", "192.0.2.7");
    EXPECT_EQ(name_of("192.0.2.7"), "b.example.net");
}

TEST_F(NamesTest, WhereNobodyCanTellItIsSaid) {
    names_.trouble("7.2.0.192.in-addr.arpa");
    EXPECT_EQ(name_of("192.0.2.7"), "unavailable");
}

}  // namespace
}  // namespace sekisho::dns
