// SPDX-License-Identifier: Apache-2.0
// ub_resolve_async(3): libunbound asks from a thread of its own and tells through a descriptor.
#include "smtpd/dns/resolver.h"

#include <unbound.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "agent/base/ascii.h"
#include "agent/base/quietly.h"

namespace sekisho::dns {

namespace {

namespace asio = boost::asio;

constexpr int type_a = 1;
constexpr int type_ptr = 12;
constexpr int type_mx = 15;
constexpr int type_aaaa = 28;
constexpr int class_in = 1;
constexpr int nxdomain = 3;
constexpr std::chrono::seconds patience{30};
constexpr std::chrono::seconds name_patience{5};  // of who wants to know how a client is called, who waits
constexpr std::size_t most_records = 64;
constexpr std::size_t most_names = 2;  // of one address, which are looked at

// RFC 1035, 4.1.1, by the names that tools print.
std::string name_of_code(int code) {
    constexpr int servfail = 2;
    constexpr int refused = 5;
    return code == servfail ? "SERVFAIL" : code == refused ? "REFUSED" : "code " + std::to_string(code);
}

struct AddressType {
    int type = 0;
    Family family = Family::ipv6;
    std::size_t size = 0;
};
constexpr std::array<AddressType, 2> address_types = {
    {{type_aaaa, Family::ipv6, 16}, {type_a, Family::ipv4, 4}}};

struct Deleter {
    void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
struct Freer {
    void operator()(ub_result* result) const { ub_resolve_free(result); }
};
using Answer = std::unique_ptr<ub_result, Freer>;

struct Question {
    explicit Question(const asio::any_io_executor& executor) : timer(executor) {}
    asio::steady_timer timer;  // cancelled when the answer is there
    Answer answer;
    int error = 0;
};

void answered(void* mine, int error, ub_result* result) {
    // The question is kept alive by this pointer to a shared one.
    const std::unique_ptr<std::shared_ptr<Question>> question(static_cast<std::shared_ptr<Question>*>(mine));
    (*question)->answer.reset(result);
    (*question)->error = error;
    (*question)->timer.cancel();
}

// A name in the form of the wire, uncompressed: libunbound has taken care of that. Nothing if it is
// malformed.
std::optional<std::string> name_of(std::span<const unsigned char> data) {
    std::string name;
    std::size_t at = 0;
    while (at < data.size() && data[at] != 0) {
        const std::size_t length = data[at];
        if (length > 63 || at + 1 + length > data.size()) {
            return std::nullopt;
        }
        name += name.empty() ? "" : ".";
        for (const unsigned char sign : data.subspan(at + 1, length)) {
            // What is no host's name is none to connect to, and none to write into a log.
            const auto letter = static_cast<char>(sign);
            if (!is_letter_or_digit(letter) && letter != '-' && letter != '_') {
                return std::nullopt;
            }
            name += letter;
        }
        at += 1 + length;
    }
    return at < data.size() ? std::optional(name) : std::nullopt;
}

// "1.2.0.192.in-addr.arpa", or 32 hexadecimal digits below "ip6.arpa".
std::string reverse_name_of(const Address& address) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string name;
    if (address.family == Family::ipv4) {
        for (std::size_t i = 4; i > 0; i--) {
            name += std::to_string(address.bytes.at(i - 1)) + '.';
        }
        return name + "in-addr.arpa";
    }
    for (std::size_t i = address.bytes.size(); i > 0; i--) {
        const unsigned octet = address.bytes.at(i - 1);
        name += {digits.at(octet % 16), '.', digits.at(octet / 16), '.'};
    }
    return name + "ip6.arpa";
}

std::vector<std::span<const unsigned char>> records_of(const ub_result& result) {
    std::vector<std::span<const unsigned char>> records;
    for (int i = 0; result.data != nullptr && result.data[i] != nullptr && records.size() < most_records;
         i++) {
        records.emplace_back(reinterpret_cast<const unsigned char*>(result.data[i]),
                             static_cast<std::size_t>(result.len[i]));
    }
    return records;
}

}  // namespace

struct Resolver::State : std::enable_shared_from_this<State> {
    State(asio::any_io_executor where, std::unique_ptr<ub_ctx, Deleter> made)
        : executor(std::move(where)), context(std::move(made)), ready(executor, ub_fd(context.get())) {}
    ~State() {
        ready.release();  // the descriptor is libunbound's
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    asio::awaitable<void> listen();
    asio::awaitable<Result<Answer>> ask(std::string name, int type, std::chrono::seconds limit = patience);

    asio::any_io_executor executor;
    std::unique_ptr<ub_ctx, Deleter> context;
    asio::posix::stream_descriptor ready;
    std::size_t asking = 0;
    bool listening = false;
};

// As long as a question is open.
asio::awaitable<void> Resolver::State::listen() {
    const auto self = shared_from_this();
    while (asking > 0) {
        const auto [error] = co_await ready.async_wait(asio::posix::stream_descriptor::wait_read, quietly);
        if (error) {
            break;
        }
        ub_process(context.get());
    }
    listening = false;
}

asio::awaitable<Result<Answer>> Resolver::State::ask(std::string name, int type, std::chrono::seconds limit) {
    const auto self = shared_from_this();
    const auto question = std::make_shared<Question>(executor);
    auto mine = std::make_unique<std::shared_ptr<Question>>(question);
    int id = 0;
    const int asked =
        ub_resolve_async(context.get(), name.c_str(), type, class_in, mine.get(), answered, &id);
    if (asked != 0) {
        co_return fail(Failure::unavailable, name + ": " + ub_strerror(asked));
    }
    static_cast<void>(mine.release());  // answered() frees it
    asking++;
    if (!std::exchange(listening, true)) {
        asio::co_spawn(
            executor,
            [](std::shared_ptr<State> state) -> asio::awaitable<void> { co_await state->listen(); }(self),
            asio::detached);
    }
    question->timer.expires_after(limit);
    static_cast<void>(co_await question->timer.async_wait(quietly));
    asking--;
    if (!question->answer) {
        co_return fail(Failure::unavailable, name + ": the name service doesn't answer");
    }
    const ub_result& result = *question->answer;
    if (question->error != 0 || result.bogus != 0) {
        co_return fail(
            Failure::unavailable,
            name + ": " + (question->error != 0 ? ub_strerror(question->error) : "bogus (DNSSEC)"));
    }
    if (result.rcode == nxdomain) {
        co_return fail(Failure::not_found, name + ": there is no such domain");
    }
    if (result.rcode != 0) {
        co_return fail(Failure::unavailable,
                       name + ": the name service answers with " + name_of_code(result.rcode));
    }
    co_return std::move(question->answer);
}

Resolver::Resolver(std::shared_ptr<State> state) : state_(std::move(state)) {}

Resolver::~Resolver() {
    boost::system::error_code ignored;
    state_->ready.cancel(ignored);
}

Result<std::shared_ptr<Resolver>> Resolver::make(const asio::any_io_executor& executor,
                                                 const DnsConfig& config, std::uint16_t port) {
    std::unique_ptr<ub_ctx, Deleter> context(ub_ctx_create());
    if (!context) {
        return fail(Failure::unavailable, "libunbound can't start: no memory, or no random numbers");
    }
    ub_ctx_async(context.get(), 1);  // a thread, not a process
    // It answers these itself otherwise; a resolver that has them knows better.
    for (const auto& [option, value] : {std::pair{"local-zone:", "\"test.\" nodefault"},
                                        {"unblock-lan-zones:", "yes"},
                                        {"do-not-query-localhost:", "no"},
                                        {"module-config:", "iterator"}}) {
        if (const int error = ub_ctx_set_option(context.get(), option, value); error != 0) {
            return fail(Failure::unavailable, std::string(option) + " " + ub_strerror(error));
        }
    }
    int error = 0;
    for (const Address& server : config.servers) {
        const std::string place = server.text() + "@" + std::to_string(port);
        error = error != 0 ? error : ub_ctx_set_fwd(context.get(), place.c_str());
    }
    if (config.servers.empty()) {
        error = ub_ctx_resolvconf(context.get(), nullptr);
    }
    if (error != 0) {
        return fail(Failure::unavailable, std::string("the resolvers can't be set: ") + ub_strerror(error),
                    "look at /etc/resolv.conf, or name servers in [dns]");
    }
    return std::shared_ptr<Resolver>(new Resolver(std::make_shared<State>(executor, std::move(context))));
}

asio::awaitable<Result<std::vector<MxRecord>>> Resolver::mx(std::string domain) {
    const auto state = state_;
    const auto answer = co_await state->ask(std::move(domain), type_mx);
    if (!answer) {
        co_return std::unexpected(answer.error());
    }
    std::vector<MxRecord> all;
    for (const auto data : records_of(**answer)) {
        constexpr std::size_t preference_size = 2;
        if (data.size() <= preference_size) {
            continue;
        }
        if (auto host = name_of(data.subspan(preference_size))) {
            all.push_back({.preference = static_cast<std::uint16_t>(data[0] << 8U | data[1]),
                           .host = std::move(*host)});
        }
    }
    co_return all;
}

asio::awaitable<Result<std::string>> Resolver::confirmed_name(Address address) {
    const auto state = state_;
    const auto answer = co_await state->ask(reverse_name_of(address), type_ptr, name_patience);
    if (!answer) {
        co_return std::unexpected(answer.error());
    }
    const AddressType& wanted = *std::ranges::find(address_types, address.family, &AddressType::family);
    std::optional<Error> trouble;
    std::size_t looked_at = 0;
    for (const auto data : records_of(**answer)) {
        const auto name = name_of(data);
        if (!name || name->empty() || looked_at++ >= most_names) {
            continue;
        }
        const auto theirs = co_await state->ask(*name, wanted.type, name_patience);
        if (!theirs) {
            trouble = theirs.error().kind == Failure::unavailable ? std::optional(theirs.error()) : trouble;
            continue;
        }
        const auto records = records_of(**theirs);
        const bool confirmed = std::ranges::any_of(records, [&](const auto& record) {
            return std::ranges::equal(record, std::span(address.bytes).first(wanted.size));
        });
        if (confirmed) {
            co_return lowered(*name);
        }
    }
    if (trouble) {
        co_return std::unexpected(*trouble);
    }
    co_return fail(Failure::not_found, address.text() + " has no name that has this address");
}

asio::awaitable<Result<std::vector<Address>>> Resolver::addresses(std::string host) {
    const auto state = state_;
    std::vector<Address> all;
    std::optional<Error> trouble;
    for (const auto& [type, family, size] : address_types) {
        const auto answer = co_await state->ask(host, type);
        if (!answer) {
            trouble = answer.error();
            continue;
        }
        for (const auto data : records_of(**answer)) {
            if (data.size() == size) {
                Address address{.family = family, .bytes = {}};
                std::ranges::copy(data, address.bytes.begin());
                all.push_back(address);
            }
        }
    }
    if (all.empty() && trouble) {
        co_return std::unexpected(*trouble);
    }
    co_return all;
}

}  // namespace sekisho::dns
