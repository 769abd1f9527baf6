// SPDX-License-Identifier: Apache-2.0
// Start, taking mail over, and what is due when. What becomes of a delivery stands in relay_outcome.cpp.
#include "smtpd/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

#include "agent/base/listener.h"
#include "agent/base/log.h"
#include "agent/base/machine_name.h"
#include "agent/base/metrics.h"
#include "agent/base/privilege.h"

namespace sekisho {

namespace {

// However far away the next moment is: a clock may be set.
constexpr std::chrono::seconds longest_sleep{60};

// Reads, never maps: whoever handed the file over can still shorten it.
Result<void> read_all(const Descriptor& file, std::uint64_t offset, char* to, std::size_t size) {
    while (size > 0) {
        const ssize_t count = ::pread(file.get(), to, size, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return fail(Failure::invalid,
                        count == 0 ? "the file of a message was shortened" : std::strerror(errno));
        }
        to += count;
        offset += static_cast<std::uint64_t>(count);
        size -= static_cast<std::size_t>(count);
    }
    return {};
}

}  // namespace

message::WallTime RelayDaemon::now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

RelayDaemon::RelayDaemon(boost::asio::io_context& context, const Config& config, spool::Spool spool,
                         spool::SpoolReader reader, std::shared_ptr<dns::Resolver> resolver)
    : context_(context),
      config_(config),
      hostname_(config.submission.hostname.empty() ? machine_name() : config.submission.hostname),
      reader_(std::move(reader)),
      resolver_(std::move(resolver)),
      delivery_(context.get_executor(), config.relay, hostname_, *resolver_),
      timer_(context),
      agenda_(config.relay),
      fresh_(spool.interventions()),
      lookup_ended_(context, boost::asio::steady_timer::time_point::max()),
      writer_(std::move(spool),
              [&context](std::function<void()> done) { boost::asio::post(context, std::move(done)); }),
      work_(context.get_executor(), writer_),
      api_(config, reader_, work_, [this] { schedule(); }, [this] { return metrics(); }) {}

Result<std::shared_ptr<RelayDaemon>> RelayDaemon::start(boost::asio::io_context& context,
                                                        const Config& config) {
    const RelayConfig& relay = config.relay;
    auto handoffs = passed_or_own(
        "handoff", {.path = relay.socket, .mode = for_group, .type = SOCK_SEQPACKET, .group = relay.clients});
    if (!handoffs) {
        return std::unexpected(handoffs.error());
    }
    auto admins = passed_or_own(
        "mail", {.path = relay.admin_socket, .mode = for_everybody, .type = SOCK_STREAM, .group = {}});
    if (!admins) {
        return std::unexpected(admins.error());
    }
    const auto smtpd = user_number(config.submission.user);
    if (!smtpd) {
        return std::unexpected(smtpd.error());
    }
    if (auto dropped = drop_privileges(relay.user); !dropped) {
        return std::unexpected(dropped.error());
    }
    auto spool = spool::Spool::open(relay.spool);
    if (!spool) {
        return std::unexpected(spool.error());
    }
    auto reader = spool::SpoolReader::open(relay.spool);
    if (!reader) {
        return std::unexpected(reader.error());
    }
    auto resolver = dns::Resolver::make(context.get_executor(), config.dns);
    if (!resolver) {
        return std::unexpected(resolver.error());
    }
    std::shared_ptr<RelayDaemon> daemon(
        new RelayDaemon(context, config, std::move(*spool), std::move(*reader), std::move(*resolver)));
    daemon->serve(std::move(*handoffs), std::move(*admins), *smtpd);
    daemon->schedule();
    return daemon;
}

void RelayDaemon::serve(std::vector<Descriptor> handoffs, std::vector<Descriptor> admins, uid_t smtpd) {
    const auto executor = context_.get_executor();
    const uid_t ours = ::geteuid();
    for (Descriptor& listener : handoffs) {
        handoff_.push_back(std::make_unique<handoff::HandoffServer>(
            writer_.executor(), std::move(listener),
            [smtpd, ours](uid_t user) { return user == smtpd || user == 0 || user == ours; },
            [this](handoff::Request request, Descriptor file, const auto& answer) {
                keep(std::move(request), std::move(file), answer);
            },
            [this](handoff::Question question, const auto& answer) { ask(std::move(question), answer); }));
    }
    for (Descriptor& listener : admins) {
        admin_.push_back(
            api::HttpServer::adopt(executor, std::move(listener),
                                   [this](const api::Request& request) { return api_.answer(request); }));
    }
}

RelayDaemon::~RelayDaemon() {
    writer_.end();  // what runs on its thread uses all that is here
}

// What it takes to know runs on the daemon's own thread, and may take long.
void RelayDaemon::ask(handoff::Question question, const handoff::HandoffServer::Answering& answer) {
    const auto back = [this, answer](handoff::Answer said) {
        boost::asio::post(writer_.executor(),
                          [answer, said = std::move(said)]() mutable { answer(std::move(said)); });
    };
    boost::asio::co_spawn(context_, answer_question(std::move(question), back), boost::asio::detached);
}

void RelayDaemon::keep(handoff::Request request, Descriptor file,
                       const handoff::HandoffServer::Answering& answer) {
    // std::function must be copyable, a descriptor isn't.
    const auto shared = std::make_shared<Descriptor>(std::move(file));
    const auto kept = std::make_shared<handoff::Request>(std::move(request));
    const auto admission = std::make_shared<Admission>();
    writer_.submit_here(
        [this, shared, kept, admission](spool::Spool& spool) -> Result<void> {
            if (!kept->envelope.user.empty()) {
                auto admitted = admit(spool.senders(), config_.submission.quotas, kept->envelope, now());
                if (!admitted) {
                    return std::unexpected(admitted.error());
                }
                *admission = std::move(*admitted);
            }
            // What admit() has written down of who has gone too far is part of this commit.
            if (!admission->refused.empty()) {
                return {};
            }
            auto added = spool.add(kept->envelope, kept->size,
                                   [&](std::uint64_t offset, char* to, std::size_t size) -> Result<void> {
                                       if (kept->octets.empty()) {
                                           return read_all(*shared, offset, to, size);
                                       }
                                       kept->octets.copy(to, size, offset);
                                       return {};
                                   });
            if (added) {
                fresh_.put(kept);
            }
            return added;
        },
        [this, kept, admission, answer](const Result<void>& done) {
            answer_for(*kept, *admission, done, answer);
        });
}

void RelayDaemon::answer_for(const handoff::Request& request, const Admission& admission,
                             const Result<void>& done, const handoff::HandoffServer::Answering& answer) {
    const message::Envelope& envelope = request.envelope;
    if (!done) {
        taken_.refused++;
        log::error("SPOOL_FAILED", done.error().what, {{"id", envelope.id}, {"remedy", done.error().remedy}});
        const bool room = done.error().kind == Failure::invalid;
        answer({.number = 0,
                .refused = room ? "451 4.3.0 The message can't be kept now, try again later"
                                : "452 4.3.1 Insufficient system storage"});
        return;
    }
    log_admission(admission, envelope);
    taken_.near_quota += admission.quota.kind == policy::QuotaRuling::Kind::near ? 1U : 0U;
    if (!admission.refused.empty()) {
        taken_.not_admitted++;
        answer({.number = 0, .refused = admission.refused});
        return;
    }
    taken_.kept++;
    log::info("MESSAGE_KEPT", "a message is in the spool",
              {{"id", envelope.id},
               {"sender", envelope.sender},
               {"recipients", envelope.recipients.size()},
               {"size", request.size},
               {"user", envelope.user}});
    answer({.number = 0, .refused = {}});
    let_schedule();
}

handoff::Answer RelayDaemon::answer_about(const std::string& user) {
    const auto admission = judge_user(reader_.senders(), config_.submission.quotas, user, now());
    if (!admission) {
        // Where it isn't known, it is tried again when the message is there.
        log::error("SPOOL_FAILED", admission.error().what, {{"remedy", admission.error().remedy}});
        return {};
    }
    counts_.told_no += admission->refused.empty() ? 0U : 1U;
    return {.number = 0, .refused = admission->refused};
}

void RelayDaemon::forget(message::WallTime present) {
    constexpr std::chrono::minutes pause{1};
    if (present >= forgotten_ && present - forgotten_ < pause) {
        return;
    }
    forgotten_ = present;
    writer_.submit([present](spool::Spool& spool) { return spool.senders().forget(present); },
                   [](const Result<void>& done) {
                       if (!done) {
                           log::error("SPOOL_FAILED", done.error().what, {{"remedy", done.error().remedy}});
                       }
                   });
}

void RelayDaemon::let_schedule() {
    if (!will_schedule_.exchange(true)) {
        boost::asio::post(context_, [this] {
            will_schedule_ = false;
            schedule();
        });
    }
}

// Once for all that has happened in this turn of the loop: messages of one commit come in crowds.
void RelayDaemon::schedule() {
    if (std::exchange(scheduled_, true)) {
        return;
    }
    boost::asio::post(context_, [this] {
        scheduled_ = false;
        const message::WallTime present = now();
        start_due(present);
        forget(present);
        wake_at(present);
    });
}

void RelayDaemon::start_due(message::WallTime present) {
    const auto due = [&](std::size_t limit, const std::vector<std::string>& domains,
                         spool::SpoolReader::Pick pick) {
        auto found = reader_.due(present, limit, domains, pick);
        if (!found) {
            log::error("SPOOL_FAILED", found.error().what, {{"remedy", found.error().remedy}});
        }
        return std::move(found).value_or(std::vector<spool::Waiting>());
    };
    for (Agenda::Delivery& delivery : agenda_.begin(due)) {
        // Whatever is thrown ends the program: it couldn't say what has become of the message.
        boost::asio::co_spawn(context_, carry(std::move(delivery)), [](const std::exception_ptr& thrown) {
            if (thrown) {
                std::rethrow_exception(thrown);
            }
        });
    }
}

void RelayDaemon::wake_at(message::WallTime present) {
    auto wait = longest_sleep;
    if (const auto next = reader_.next_due(present).value_or(std::nullopt)) {
        wait = std::clamp(*next - present, std::chrono::seconds(1), longest_sleep);
    }
    timer_.expires_after(wait);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            schedule();
        }
    });
}

std::string RelayDaemon::metrics() {
    constexpr auto counter = Metrics::Kind::counter;
    constexpr auto gauge = Metrics::Kind::gauge;
    Metrics metrics;
    metrics.declare("sekisho_relay_messages_total", counter, "Messages handed over, by result");
    metrics.declare("sekisho_relay_recipients_total", counter,
                    "Attempts to deliver, by result, one for each recipient");
    metrics.declare("sekisho_relay_notices_total", counter, "Notices to senders");
    metrics.declare("sekisho_relay_told_no_total", counter,
                    "Times that sekisho-smtpd was told of a user who may send no more");
    metrics.declare("sekisho_relay_near_quota_total", counter, "Messages by which users came near a quota");
    metrics.declare("sekisho_relay_users_stopped", gauge, "Users who may send nothing");
    metrics.declare("sekisho_relay_queue", gauge, "Messages in the spool");
    metrics.declare("sekisho_relay_deliveries", gauge, "Deliveries under way");
    metrics.set("sekisho_relay_messages_total", {{"result", "kept"}}, static_cast<double>(taken_.kept));
    metrics.set("sekisho_relay_messages_total", {{"result", "refused"}}, static_cast<double>(taken_.refused));
    metrics.set("sekisho_relay_recipients_total", {{"result", "delivered"}},
                static_cast<double>(counts_.delivered));
    metrics.set("sekisho_relay_recipients_total", {{"result", "deferred"}},
                static_cast<double>(counts_.deferred));
    metrics.set("sekisho_relay_recipients_total", {{"result", "failed"}},
                static_cast<double>(counts_.failed));
    metrics.set("sekisho_relay_messages_total", {{"result", "not_admitted"}},
                static_cast<double>(taken_.not_admitted));
    metrics.set("sekisho_relay_told_no_total", {}, static_cast<double>(counts_.told_no));
    metrics.set("sekisho_relay_near_quota_total", {}, static_cast<double>(taken_.near_quota));
    metrics.set("sekisho_relay_users_stopped", {},
                static_cast<double>(reader_.senders().stopped().value_or(0)));
    metrics.set("sekisho_relay_notices_total", {}, static_cast<double>(counts_.notices));
    metrics.set("sekisho_relay_queue", {}, static_cast<double>(reader_.count().value_or(0)));
    metrics.set("sekisho_relay_deliveries", {}, static_cast<double>(agenda_.under_way()));
    return metrics.text();
}

}  // namespace sekisho
