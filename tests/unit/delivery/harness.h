// SPDX-License-Identifier: Apache-2.0
// A Delivery, its surroundings, and what comes out.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/delivery/delivery.h"
#include "smtpd/dns/resolver.h"
#include "tests/unit/delivery/name_server.h"
#include "tests/unit/delivery/scripted_server.h"

namespace sekisho::delivery::tests {

// "delivered 2.0.0 250 2.0.0 fine": fate, status and text.
inline std::string summary(const Outcome& outcome) {
    const char* fate = outcome.fate == Fate::delivered ? "delivered"
                       : outcome.fate == Fate::failed  ? "failed"
                                                       : "deferred";
    return std::string(fate) + " " + outcome.status + " " + outcome.text;
}

class DeliveryTest : public testing::Test {
protected:
    using Outcomes = std::vector<Outcome>;

    // All mail goes to this server, whatever the domain.
    void by_way_of(const ScriptedServer& server) {
        config_.smarthost = {.host = "127.0.0.1", .port = server.port()};
    }

    Outcomes deliver(std::vector<message::Recipient> recipients = {"bob@example.com"},
                     const std::string& domain = "example.com") {
        DnsConfig dns;
        dns.servers = {parse_address("127.0.0.1").value()};
        const auto resolver = dns::Resolver::make(context_.get_executor(), dns, names_.start()).value();
        Delivery delivery(context_.get_executor(), config_, "mail.example.net", *resolver);
        Consignment consignment{
            .envelope = envelope_, .domain = domain, .size = size_.value_or(body_.size()), .body = part_};
        std::optional<Outcomes> outcomes;
        const auto take = [&outcomes](const std::exception_ptr& error, Outcomes all) {
            EXPECT_FALSE(error);
            outcomes = std::move(all);
        };
        if (question_) {
            boost::asio::co_spawn(
                context_,
                delivery.ask(recipients.front().address, domain,
                             {.eight_bit = envelope_.eight_bit, .utf8 = envelope_.utf8}),
                [&take](const std::exception_ptr& error, Outcome one) { take(error, {std::move(one)}); });
        } else {
            consignment.envelope.recipients = std::move(recipients);
            boost::asio::co_spawn(context_, delivery.deliver(std::move(consignment)), take);
        }
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
        while (!outcomes && std::chrono::steady_clock::now() < end) {
            context_.restart();
            context_.run_one_for(std::chrono::seconds(1));
        }
        EXPECT_TRUE(outcomes) << "nothing has come of it";
        return outcomes.value_or(Outcomes());
    }
    // Of one recipient.
    std::string result(const std::string& domain = "example.com") {
        const Outcomes all = deliver({"bob@" + domain}, domain);
        return all.size() == 1 ? summary(all.front()) : "(" + std::to_string(all.size()) + " outcomes)";
    }

    boost::asio::io_context context_{1};
    RelayConfig config_;
    NameServer names_;
    message::Envelope envelope_{.id = "0123456789abcdef",
                                .sender = "alice@example.net",
                                .recipients = {},
                                .user = "alice",
                                .client = "192.0.2.1"};
    std::string body_ = "Subject: x\r\n\r\nHello\r\n.\r\n.dots\r\n";
    bool question_ = false;              // whether there is such a mailbox
    std::optional<std::uint64_t> size_;  // if it is not the body's
    BodyPart part_ = [this](std::uint64_t offset, std::size_t size) -> Result<std::string> {
        return offset > body_.size() ? std::string() : body_.substr(offset, size);
    };
};

}  // namespace sekisho::delivery::tests
