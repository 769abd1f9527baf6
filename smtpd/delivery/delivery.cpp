// SPDX-License-Identifier: Apache-2.0
// Which hosts, in which order. No co_await stands in a condition with && or ||, in a ?: or in an argument:
// GCC 12 makes wrong code of that.
#include "smtpd/delivery/delivery.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include "smtpd/delivery/conversation.h"
#include "smtpd/delivery/transaction.h"

namespace sekisho::delivery {

namespace {

// Tried in one attempt; a domain can have any number.
constexpr std::size_t most_hosts = 5;
constexpr std::size_t most_addresses = 4;
// After so long no other host is tried: those who answer every command just before its limit, at all of their
// addresses, would keep one of few places for days.
constexpr std::chrono::minutes long_enough{30};

Outcome failed(std::string text, std::string status) {
    return {
        .fate = Fate::failed, .host = {}, .text = std::move(text), .status = std::move(status), .tls = {}};
}

Outcome deferred(std::string text, std::string status) {
    return {
        .fate = Fate::deferred, .host = {}, .text = std::move(text), .status = std::move(status), .tls = {}};
}

Outcome from_name_service(const Error& error) {
    return error.kind == Failure::not_found ? failed(error.what, "5.1.2") : deferred(error.what, "4.4.3");
}

// "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3).
std::optional<Address> literal(std::string_view domain) {
    if (!domain.starts_with('[') || !domain.ends_with(']')) {
        return std::nullopt;
    }
    domain = domain.substr(1, domain.size() - 2);
    constexpr std::string_view tag = "ipv6:";
    if (domain.starts_with(tag)) {
        domain.remove_prefix(tag.size());
    }
    const auto address = parse_address(domain);
    return address ? std::optional(*address) : std::nullopt;
}

// By preference; equals in any order (RFC 5321, 5.1).
std::vector<dns::MxRecord> in_order(std::vector<dns::MxRecord> records) {
    static std::minstd_rand random{std::random_device{}()};
    std::ranges::shuffle(records, random);
    std::ranges::sort(records, {}, &dns::MxRecord::preference);
    records.resize(std::min(records.size(), most_hosts));
    return records;
}

// Both families by turns: a host with many addresses of one can be reached where only the other works. An
// IPv4 address in IPv6's clothes counts as what it is.
std::vector<Address> by_turns(const std::vector<Address>& all) {
    std::vector<Address> four;
    std::vector<Address> six;
    for (const Address& each : all) {
        const Address plain = parse_address(each.text()).value_or(each);
        (plain.family == Family::ipv4 ? four : six).push_back(plain);
    }
    std::vector<Address> mixed;
    for (std::size_t i = 0; mixed.size() < most_addresses && i < std::max(four.size(), six.size()); i++) {
        for (const auto* family : {&six, &four}) {
            if (i < family->size() && mixed.size() < most_addresses) {
                mixed.push_back((*family)[i]);
            }
        }
    }
    return mixed;
}

// 0.0.0.0 and :: are this host to the kernel, and loopback is it to everybody.
bool is_this_host(const Address& address) {
    const bool four = address.family == Family::ipv4;
    const Address loopback = parse_address(four ? "127.0.0.0" : "::1").value();
    return address == Address{.family = address.family, .bytes = {}} ||
           address.masked(four ? 8 : 128) == loopback;
}

Way way_to(const Host& host, bool with_tls) {
    return {.place = host.place, .name = host.name, .protocol = host.protocol, .tls = with_tls};
}

// What is known of each recipient, host after host.
class Findings {
public:
    explicit Findings(std::size_t recipients)
        : outcomes_(recipients), settled_(recipients), tried_(recipients) {}

    // Who is asked about at the next host.
    [[nodiscard]] std::vector<std::size_t> open() const {
        std::vector<std::size_t> open;
        for (std::size_t i = 0; i < settled_.size(); i++) {
            if (!settled_[i]) {
                open.push_back(i);
            }
        }
        return open;
    }
    // `of_the_host`: a failure is the host's alone, which weighs less than another's "later".
    void add(std::size_t recipient, Outcome outcome, bool of_the_host) {
        settled_[recipient] = outcome.fate != Fate::deferred && !of_the_host;
        const bool later = tried_[recipient] && outcomes_[recipient].fate == Fate::deferred;
        if (!of_the_host || !later) {
            outcomes_[recipient] = std::move(outcome);
        }
        tried_[recipient] = true;
    }
    [[nodiscard]] std::vector<Outcome> take() { return std::move(outcomes_); }

private:
    std::vector<Outcome> outcomes_;
    std::vector<bool> settled_;
    std::vector<bool> tried_;
};

}  // namespace

bool Outcome::replied() const {
    return text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && text.find_first_not_of("0123456789") == 3;
}

Delivery::Delivery(boost::asio::any_io_executor executor, const RelayConfig& config, std::string hostname,
                   dns::Resolver& resolver)
    : executor_(std::move(executor)),
      config_(config),
      hostname_(std::move(hostname)),
      resolver_(resolver),
      tls_(boost::asio::ssl::context::tls_client),
      open_(executor_, config.deliveries) {
    // Opportunistic (RFC 7435): whoever could change the certificate could also take STARTTLS away.
    tls_.set_verify_mode(boost::asio::ssl::verify_none);
    SSL_CTX_set_min_proto_version(tls_.native_handle(), TLS1_2_VERSION);
    SSL_CTX_set_mode(tls_.native_handle(), SSL_MODE_RELEASE_BUFFERS);
}

boost::asio::awaitable<std::expected<Delivery::Hosts, Outcome>> Delivery::resolve(
    std::vector<dns::MxRecord> records, std::uint16_t port) {
    Hosts hosts;
    Outcome why = failed("the domain's mail hosts have no addresses", "5.4.4");
    for (const dns::MxRecord& record : records) {
        auto addresses = co_await resolver_.addresses(record.host);
        if (!addresses) {
            // One host that can't be told now is reason enough to come again.
            why = addresses.error().kind == Failure::not_found ? why : from_name_service(addresses.error());
            continue;
        }
        for (const Address& address : by_turns(*addresses)) {
            hosts.push_back({.name = record.host,
                             .place = Endpoint{.address = address, .port = port},
                             .preference = record.preference});
        }
    }
    if (hosts.empty()) {
        co_return std::unexpected(why);
    }
    co_return hosts;
}

// Whatever is wrong with such a host is a mistake of ours, and no reason to give up anybody's mail.
boost::asio::awaitable<std::expected<Delivery::Hosts, Outcome>> Delivery::to_chosen(
    const MailHostConfig& host, Protocol protocol) {
    std::expected<Hosts, Outcome> hosts;
    if (const auto address = parse_address(host.host)) {
        hosts = Hosts{{.name = host.host, .place = Endpoint{.address = *address, .port = host.port}}};
    } else {
        std::vector<dns::MxRecord> itself = {{.host = host.host}};
        hosts = co_await resolve(std::move(itself), host.port);
    }
    if (!hosts && hosts.error().fate == Fate::failed) {
        const std::string what = protocol == Protocol::lmtp ? "the LMTP server " : "the smarthost ";
        co_return std::unexpected(deferred(what + host.host + " has no addresses", "4.3.5"));
    }
    if (hosts) {
        for (Host& each : *hosts) {
            each.protocol = protocol;
            each.chosen = true;
        }
    }
    co_return hosts;
}

boost::asio::awaitable<std::expected<Delivery::Hosts, Outcome>> Delivery::route(std::string domain) {
    const LocalConfig* const local = config_.local_for(domain);
    if (local != nullptr && !local->path.empty()) {
        co_return Hosts{
            {.name = local->path.string(), .place = local->path, .protocol = Protocol::lmtp, .chosen = true}};
    }
    if (local != nullptr) {
        auto server = co_await to_chosen(local->host, Protocol::lmtp);
        co_return server;
    }
    if (config_.smarthost) {
        auto smarthost = co_await to_chosen(*config_.smarthost, Protocol::smtp);
        co_return smarthost;
    }
    if (const auto address = literal(domain)) {
        co_return Hosts{{.name = domain, .place = Endpoint{.address = *address, .port = config_.port}}};
    }
    auto records = co_await resolver_.mx(domain);
    if (!records) {
        co_return std::unexpected(from_name_service(records.error()));
    }
    if (records->size() == 1 && records->front().host.empty()) {
        co_return std::unexpected(failed(domain + " takes no mail (null MX)", "5.1.10"));  // RFC 7505
    }
    if (records->empty()) {
        records->push_back({.host = domain});
    }
    std::vector<dns::MxRecord> in_turn = in_order(std::move(*records));
    auto hosts = co_await resolve(std::move(in_turn), config_.port);
    co_return hosts;
}

// RFC 5321, 5.1: chance decides where there is no clear reason to favour one. It has spread the load when the
// connection was opened, and does so again when that one is worn.
void Delivery::prefer_open(std::span<Host> left) const {
    const auto behind = std::ranges::find_if(
        left, [&left](const Host& each) { return each.preference != left.front().preference; });
    const auto open = std::find_if(left.begin(), behind,
                                   [this](const Host& each) { return open_.has(way_to(each, true)); });
    if (open != behind) {
        std::rotate(left.begin(), open, std::next(open));
    }
}

Delivery::Attempt Delivery::to_ourselves(const std::string& name, std::size_t recipients) {
    Outcome outcome = failed("the mail host is this host itself", "5.4.6");
    outcome.host = name;
    return {.outcomes = std::vector(recipients, outcome), .of_the_host = true, .ourselves = true};
}

boost::asio::awaitable<Delivery::Attempt> Delivery::try_host(const Consignment& consignment, const Host& host,
                                                             bool with_tls) {
    const auto* const endpoint = std::get_if<Endpoint>(&host.place);
    const std::string name = endpoint == nullptr ? host.name
                                                 : host.name + "[" + endpoint->address.text() +
                                                       "]:" + std::to_string(endpoint->port);
    // Mail for strangers' names may not become a client of what listens here. What the operator has chosen is
    // another matter, and so is a port that no mail host in the world has.
    constexpr std::uint16_t smtp = 25;
    const bool strangers = !host.chosen && endpoint != nullptr && endpoint->port == smtp;
    if (strangers && is_this_host(endpoint->address)) {
        co_return to_ourselves(name, consignment.envelope.recipients.size());
    }
    const Way way = way_to(host, with_tls);
    auto together = co_await go_along(consignment, way, name);
    if (together) {
        co_return std::move(*together);
    }
    auto conversation = std::make_unique<Conversation>(executor_);
    const std::chrono::seconds limit =
        consignment.question ? std::min(config_.host_timeout, question_limit) : config_.host_timeout;
    const auto connected = co_await conversation->connect(host.place, limit);
    // This host is the recipient's, and has no mailboxes. One that was chosen may well be another server
    // here.
    if (connected && !host.chosen && conversation->with_ourselves()) {
        co_return to_ourselves(name, consignment.envelope.recipients.size());
    }
    if (!connected) {
        Outcome outcome = deferred(connected.error().what, "4.4.1");
        outcome.host = name;
        co_return Attempt{.outcomes = std::vector(consignment.envelope.recipients.size(), outcome)};
    }
    auto attempt = co_await transact(consignment, way, name, std::move(conversation));
    co_return attempt;
}

boost::asio::awaitable<std::optional<Delivery::Attempt>> Delivery::go_along(const Consignment& consignment,
                                                                            const Way& way,
                                                                            const std::string& name) {
    // A question is not to use up what is kept for mail, nor to find out that it is stuck.
    std::unique_ptr<Conversation> open = consignment.question ? nullptr : open_.take(way);
    if (!open) {
        co_return std::nullopt;
    }
    auto attempt = co_await transact(consignment, way, name, std::move(open));
    if (attempt.unheard) {
        co_return std::nullopt;
    }
    co_return attempt;
}

boost::asio::awaitable<Delivery::Attempt> Delivery::transact(const Consignment& consignment, const Way& way,
                                                             const std::string& name,
                                                             std::unique_ptr<Conversation> conversation) {
    Transaction transaction(*conversation, consignment, way.protocol, hostname_, name);
    auto outcomes = co_await transaction.run(way.tls ? &tls_ : nullptr, way.name);
    if (transaction.complete()) {
        conversation->carried_one();
    }
    const bool wanted = transaction.complete() && conversation->silent() && !conversation->worn() &&
                        !open_.full() && consignment.others_follow && consignment.others_follow();
    if (wanted) {
        open_.keep(way, std::move(conversation));
    } else {
        co_await transaction.quit();
    }
    co_return Attempt{.outcomes = std::move(outcomes),
                      .tls_failed = transaction.tls_failed(),
                      .of_the_host = transaction.unable(),
                      .unheard = transaction.unheard()};
}

boost::asio::awaitable<Outcome> Delivery::ask(std::string recipient, std::string domain,
                                              message::Needs needs) {
    Consignment consignment{
        .envelope = {}, .domain = std::move(domain), .size = 0, .body = {}, .question = true};
    consignment.envelope.recipients.emplace_back(std::move(recipient));
    consignment.envelope.eight_bit = needs.eight_bit;
    consignment.envelope.utf8 = needs.utf8;
    auto outcomes = co_await deliver(std::move(consignment));
    co_return std::move(outcomes.front());
}

boost::asio::awaitable<std::vector<Outcome>> Delivery::deliver(Consignment consignment) {
    auto hosts = co_await route(consignment.domain);
    if (!hosts) {
        co_return std::vector<Outcome>(consignment.envelope.recipients.size(), hosts.error());
    }
    // What is final for some recipients at one host is not asked again at the next.
    const std::vector<message::Recipient> wanted = consignment.envelope.recipients;
    Findings findings(wanted.size());
    const auto end = std::chrono::steady_clock::now() + long_enough;
    for (std::span<Host> left = *hosts; !left.empty(); left = left.subspan(1)) {
        const std::vector<std::size_t> open = findings.open();
        if (open.empty() || std::chrono::steady_clock::now() > end) {
            break;
        }
        consignment.envelope.recipients.clear();
        for (const std::size_t i : open) {
            consignment.envelope.recipients.push_back(wanted[i]);
        }
        prefer_open(left);
        auto attempt = co_await try_host(consignment, left.front(), true);
        if (attempt.tls_failed) {
            attempt = co_await try_host(consignment, left.front(), false);
        }
        for (std::size_t i = 0; i < open.size(); i++) {
            findings.add(open[i], std::move(attempt.outcomes[i]), attempt.of_the_host);
        }
        if (attempt.ourselves) {
            break;  // RFC 5321, 5.1: no host behind us, lest mail go in circles
        }
    }
    co_return findings.take();
}

}  // namespace sekisho::delivery
