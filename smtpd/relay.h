// SPDX-License-Identifier: Apache-2.0
// sekisho-relay's middle: what comes in is written down, what is due goes out.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/api/http_server.h"
#include "agent/base/config.h"
#include "agent/base/descriptor.h"
#include "agent/base/result.h"
#include "smtpd/admission.h"
#include "smtpd/agenda.h"
#include "smtpd/delivery/delivery.h"
#include "smtpd/dns/resolver.h"
#include "smtpd/fresh_mail.h"
#include "smtpd/handoff/server.h"
#include "smtpd/queue_api.h"
#include "smtpd/spool/spool.h"
#include "smtpd/spool/writer.h"
#include "smtpd/spool_work.h"

namespace sekisho {

class RelayDaemon {
public:
    // Takes the sockets that systemd has opened ("handoff", "mail") or opens them, becomes relay.user, opens
    // the spool and begins to deliver. `config` outlives it.
    [[nodiscard]] static Result<std::shared_ptr<RelayDaemon>> start(boost::asio::io_context& context,
                                                                    const Config& config);
    RelayDaemon(const RelayDaemon&) = delete;
    RelayDaemon& operator=(const RelayDaemon&) = delete;
    ~RelayDaemon();

private:
    struct Counts {
        std::uint64_t told_no = 0;  // questions about users who may send no more
        std::uint64_t delivered = 0;
        std::uint64_t deferred = 0;
        std::uint64_t failed = 0;
        std::uint64_t notices = 0;
    };

    // Of messages that were handed over, which is done on the writer's thread.
    struct Taken {
        std::atomic<std::uint64_t> kept = 0;
        std::atomic<std::uint64_t> refused = 0;
        std::atomic<std::uint64_t> not_admitted = 0;  // of users who may send no more
        std::atomic<std::uint64_t> near_quota = 0;
    };

    RelayDaemon(boost::asio::io_context& context, const Config& config, spool::Spool spool,
                spool::SpoolReader reader, std::shared_ptr<dns::Resolver> resolver);
    void serve(std::vector<Descriptor> handoffs, std::vector<Descriptor> admins, uid_t smtpd);

    // These three on the writer's thread. The last one: what became of it, to who handed it over.
    void ask(handoff::Question question, const handoff::HandoffServer::Answering& answer);
    void keep(handoff::Request request, Descriptor file, const handoff::HandoffServer::Answering& answer);
    void answer_for(const handoff::Request& request, const Admission& admission, const Result<void>& done,
                    const handoff::HandoffServer::Answering& answer);
    // Whether a user may send anything now.
    [[nodiscard]] handoff::Answer answer_about(const std::string& user);
    // How a client is called.
    boost::asio::awaitable<handoff::Answer> name_of(std::string client);
    // Removes what needn't be counted any more, once a minute.
    void forget(message::WallTime present);
    boost::asio::awaitable<void> answer_question(handoff::Question question,
                                                 handoff::HandoffServer::Answering answer);
    // Whether the server of a local domain has this mailbox.
    boost::asio::awaitable<void> look_up(handoff::Question question,
                                         handoff::HandoffServer::Answering answer);
    [[nodiscard]] static message::WallTime now();
    // Starts what is due, as far as the limits allow, and sets the timer for what comes next.
    void schedule();
    // The same, from the writer's thread.
    void let_schedule();
    void start_due(message::WallTime present);
    void wake_at(message::WallTime now);
    boost::asio::awaitable<void> carry(Agenda::Delivery delivery);
    // What is to be written down of it, if anything.
    boost::asio::awaitable<spool::Writer::Work> carry_out(std::string lane, Agenda::Group group);
    boost::asio::awaitable<void> write_down(std::string id, spool::Writer::Work work);
    // What becomes of the group, as work for the spool; logged and counted.
    [[nodiscard]] spool::Writer::Work conclude(const spool::Queued& queued, const Agenda::Group& group,
                                               const std::vector<delivery::Outcome>& outcomes);
    void count(const spool::Waiting& waiting, const delivery::Outcome& outcome, delivery::Fate fate);
    [[nodiscard]] std::string metrics();

    boost::asio::io_context& context_;
    const Config& config_;
    std::string hostname_;
    spool::SpoolReader reader_;
    std::shared_ptr<dns::Resolver> resolver_;
    delivery::Delivery delivery_;
    boost::asio::steady_timer timer_;
    Agenda agenda_;
    FreshMail fresh_;
    std::map<const LocalConfig*, std::size_t> lookups_;  // under way
    std::size_t names_ = 0;                              // of clients that are being asked for
    boost::asio::steady_timer lookup_ended_;  // never, but cancelled each time: setting it wakes all who wait
    bool scheduled_ = false;
    message::WallTime forgotten_{};  // when forget() was last at work
    Counts counts_;
    Taken taken_;
    std::atomic<bool> will_schedule_ = false;
    std::minstd_rand random_{std::random_device{}()};
    spool::Writer writer_;  // its thread ends before what it posts to
    SpoolWork work_;
    QueueApi api_;
    std::vector<api::HttpServer> admin_;
    std::vector<std::unique_ptr<handoff::HandoffServer>> handoff_;
};

}  // namespace sekisho
