// SPDX-License-Identifier: Apache-2.0
// The listener: which client it is, is its secret right, what does it say, and the answer.
#include "agent/subscribers/radius_server.h"

#include <ranges>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/subscribers/radius_packet.h"

namespace sekisho::subscribers {

Result<std::unique_ptr<RadiusServer>> RadiusServer::listen(const boost::asio::any_io_executor& executor,
                                                           const RadiusConfig& config, OnReports on_reports) {
    std::unique_ptr<RadiusServer> server(new RadiusServer(std::move(on_reports)));
    if (auto read = server->read_clients(config); !read) {
        return std::unexpected(read.error());
    }
    for (const Address& address : config.listen) {
        if (auto listening = server->listen_at(executor, {.address = address, .port = config.port});
            !listening) {
            return std::unexpected(listening.error());
        }
    }
    return server;
}

Result<void> RadiusServer::read_clients(const RadiusConfig& config) {
    for (const RadiusClientConfig& each : config.clients) {
        auto secret = read_secret(each.secret_file);
        if (!secret) {
            return fail(secret.error().kind, "radius.client \"" + each.name + "\": " + secret.error().what,
                        secret.error().remedy);
        }
        clients_.push_back(std::make_unique<Client>(Client{.name = each.name,
                                                           .secret = std::move(*secret),
                                                           .interim_interval = each.interim_interval,
                                                           .interim_intervals = {}}));
        for (const RadiusNasConfig& nas : each.nas) {
            clients_.back()->interim_intervals.emplace(nas.name, nas.interim_interval);
        }
        for (const Prefix& prefix : each.prefixes) {
            by_prefix_.emplace(prefix, clients_.back().get());
            ++lengths_[{prefix.address.family, prefix.length}];
        }
    }
    return {};
}

Result<void> RadiusServer::listen_at(const boost::asio::any_io_executor& executor, const Endpoint& endpoint) {
    bunches_.push_back(std::make_unique<Bunch>());
    Bunch& bunch = *bunches_.back();
    auto socket =
        Datagrams::listen(executor, endpoint, longest_packet,
                          {.take = [this, &bunch](std::string_view octets,
                                                  const DatagramPath& path) { take(octets, path, bunch); },
                           .taken = [this, &bunch] { answer(bunch); },
                           .lost = [this](std::uint64_t count) { note_lost(count); }});
    if (!socket) {
        return std::unexpected(socket.error());
    }
    bunch.socket = std::move(*socket);
    return {};
}

std::optional<std::chrono::seconds> RadiusServer::Client::interval_of(const std::string& nas) const {
    const auto found = interim_intervals.find(nas);
    return found == interim_intervals.end() ? interim_interval : found->second;
}

const RadiusServer::Client* RadiusServer::client_of(const Address& address) const {
    for (const auto& [used, count] : std::views::reverse(lengths_)) {
        const auto [family, length] = used;
        if (family != address.family) {
            continue;
        }
        if (const auto found = by_prefix_.find({.address = address.masked(length), .length = length});
            found != by_prefix_.end()) {
            return found->second;
        }
    }
    return nullptr;
}

// What isn't understood isn't answered (RFC 2866, section 3 and 4.1).
void RadiusServer::take(std::string_view octets, const DatagramPath& path, Bunch& bunch) {
    const Client* const client = client_of(path.remote.address);
    if (client == nullptr) {
        counts_.strangers++;
        quiet_.warning("RADIUS_STRANGER", "a packet from an address of no [[radius.client]]",
                       path.remote.text());
        return;
    }
    auto request = read_accounting(
        std::span(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()), client->secret);
    if (!request) {
        const bool other_secret = request.error().kind == Failure::refused;
        (other_secret ? counts_.refused : counts_.malformed)++;
        quiet_.warning(other_secret ? "RADIUS_REFUSED" : "RADIUS_MALFORMED",
                       request.error().what + "; client " + client->name, path.remote.text());
        return;
    }
    counts_.packets++;
    bunch.waiting.push_back({.path = path, .response = accounting_response(*request, client->secret)});
    if (!recent_.is_new({.sender = path.remote,
                         .identifier = request->identifier,
                         .authenticator = request->authenticator},
                        std::chrono::steady_clock::now())) {
        counts_.repeated++;
        return;
    }
    const std::string nas = nas_of(*request, path.remote.address);
    bunch.reports.push_back({.request = std::move(*request),
                             .client = client->name,
                             .source = path.remote.address,
                             .interim_interval = client->interval_of(nas)});
}

void RadiusServer::answer(Bunch& bunch) {
    if (bunch.reports.empty() || on_reports_(bunch.reports)) {
        for (const Waiting& waiting : bunch.waiting) {
            counts_.answers += bunch.socket->answer(waiting.path, waiting.response) ? 1 : 0;
        }
    } else {
        recent_ = RecentPackets();  // what comes again is to be recorded
        counts_.unrecorded += bunch.waiting.size();
        quiet_.warning("RADIUS_UNRECORDED",
                       "packets aren't answered, since the store can't be written; their senders will repeat "
                       "them",
                       std::to_string(bunch.waiting.size()) + " packets");
    }
    bunch.reports.clear();
    bunch.waiting.clear();
}

void RadiusServer::note_lost(std::uint64_t count) {
    counts_.lost += count;
    quiet_.warning("RADIUS_LOST", "more packets came than could be read; their senders will repeat them",
                   std::to_string(count) + " packets");
}

std::vector<std::uint16_t> RadiusServer::ports() const {
    std::vector<std::uint16_t> ports;
    ports.reserve(bunches_.size());
    for (const auto& bunch : bunches_) {
        ports.push_back(bunch->socket->port());
    }
    return ports;
}

}  // namespace sekisho::subscribers
