// SPDX-License-Identifier: Apache-2.0
// Takes one message to the mail host of some of its recipients.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/result.h"
#include "smtpd/delivery/host.h"
#include "smtpd/delivery/open_connections.h"
#include "smtpd/delivery/reply.h"
#include "smtpd/dns/resolver.h"
#include "smtpd/message/envelope.h"

namespace sekisho::delivery {

enum class Fate : std::uint8_t { delivered, deferred, failed };

// What became of one recipient.
struct Outcome {
    Fate fate = Fate::deferred;
    std::string host;      // "mx.example.com[192.0.2.1]:25", as far as it is known
    std::string text;      // the last reply, or what went wrong
    std::string status;    // "2.0.0", "4.4.1", "5.1.1" (RFC 3463)
    std::string tls;       // what was agreed upon; empty: in the clear
    bool dsn = false;      // the host speaks DSN: whatever is to be told of success is its duty now
    bool mailbox = false;  // it was about the mailbox itself (LMTP), and not the next host on the way

    // Whether the text is a reply of the host.
    [[nodiscard]] bool replied() const;
};

// A part of the body from `offset`; less than `size` octets at its end.
using BodyPart = std::function<Result<std::string>(std::uint64_t offset, std::size_t size)>;

// A message for recipients of one domain.
struct Consignment {
    message::Envelope envelope;  // with these recipients only
    std::string domain;
    std::uint64_t size = 0;
    BodyPart body;
    bool question = false;  // whether these recipients would be taken: no message is sent
    // Whether others wait for the same way out, or are to be expected, asked at the end: a connection that is
    // good is kept for them.
    std::function<bool()> others_follow{};
};

class Delivery {
public:
    // `hostname` is what we call ourselves. All references outlive the object.
    Delivery(boost::asio::any_io_executor executor, const RelayConfig& config, std::string hostname,
             dns::Resolver& resolver);

    // One outcome for each recipient, in their order. Mail for a local domain goes to its LMTP server; else
    // tries the hosts of the domain (RFC 5321, 5.1), or the smarthost, in turn until one says something final
    // about each. What is about the host and not the mailbox (it is this host itself, or doesn't offer what
    // the message needs) is final only where no other is left and none of them was merely out of reach.
    [[nodiscard]] boost::asio::awaitable<std::vector<Outcome>> deliver(Consignment consignment);
    // Whether the LMTP server of a local domain has this mailbox: RCPT without a message, which would need
    // these. Each step has seconds, not minutes.
    [[nodiscard]] boost::asio::awaitable<Outcome> ask(std::string recipient, std::string domain,
                                                      message::Needs needs);

private:
    using Hosts = std::vector<Host>;

    // The Outcome is why there are none.
    boost::asio::awaitable<std::expected<Hosts, Outcome>> route(std::string domain);
    boost::asio::awaitable<std::expected<Hosts, Outcome>> to_chosen(const MailHostConfig& host,
                                                                    Protocol protocol);
    boost::asio::awaitable<std::expected<Hosts, Outcome>> resolve(std::vector<dns::MxRecord> records,
                                                                  std::uint16_t port);
    // Of those that are left and are as good as the first of them, one to which a connection is open becomes
    // the first.
    void prefer_open(std::span<Host> left) const;
    struct Attempt {
        std::vector<Outcome> outcomes;
        bool tls_failed = false;   // without TLS it may go better
        bool of_the_host = false;  // a failure says nothing of what other hosts would do
        bool ourselves = false;    // the hosts behind this one would send it back to us
        bool unheard = false;      // see Transaction
    };
    [[nodiscard]] static Attempt to_ourselves(const std::string& name, std::size_t recipients);
    boost::asio::awaitable<Attempt> try_host(const Consignment& consignment, const Host& host, bool with_tls);
    // By a connection that others have left open; nothing where there is none that is still good.
    boost::asio::awaitable<std::optional<Attempt>> go_along(const Consignment& consignment, const Way& way,
                                                            const std::string& name);
    boost::asio::awaitable<Attempt> transact(const Consignment& consignment, const Way& way,
                                             const std::string& name,
                                             std::unique_ptr<Conversation> conversation);

    boost::asio::any_io_executor executor_;
    const RelayConfig& config_;
    std::string hostname_;
    dns::Resolver& resolver_;
    boost::asio::ssl::context tls_;
    OpenConnections open_;
};

}  // namespace sekisho::delivery
