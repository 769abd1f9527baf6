// SPDX-License-Identifier: Apache-2.0
// Connections to mail hosts between two messages, for who comes to the same place next. Internal to this
// room.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "smtpd/delivery/conversation.h"
#include "smtpd/delivery/host.h"

namespace sekisho::delivery {

// What two messages must have in common to share a connection.
struct Way {
    Place place;
    std::string name;  // that TLS was begun with
    Protocol protocol = Protocol::smtp;
    bool tls = true;  // where it is offered

    bool operator==(const Way&) const = default;
};

// Runs on one thread's executor.
class OpenConnections {
public:
    // So many at once, each for a short time: a host that is kept waiting serves others meanwhile.
    OpenConnections(boost::asio::any_io_executor executor, std::size_t most);
    OpenConnections(const OpenConnections&) = delete;
    OpenConnections& operator=(const OpenConnections&) = delete;
    ~OpenConnections() = default;

    // Null where there is none. It may still turn out to be closed.
    [[nodiscard]] std::unique_ptr<Conversation> take(const Way& way);
    // Takes over one that isn't worn; if nobody wants it soon, it is ended (QUIT).
    void keep(Way way, std::unique_ptr<Conversation> conversation);
    [[nodiscard]] bool has(const Way& way) const;
    [[nodiscard]] bool full() const { return kept_.size() >= most_; }

private:
    struct Kept {
        Way way;
        std::unique_ptr<Conversation> conversation;
        boost::asio::steady_timer timer;
    };
    void end(const std::shared_ptr<Kept>& kept);

    boost::asio::any_io_executor executor_;
    std::size_t most_;
    std::list<std::shared_ptr<Kept>> kept_;
};

}  // namespace sekisho::delivery
