// SPDX-License-Identifier: Apache-2.0
// Things to put into a spool.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "smtpd/spool/spool.h"
#include "smtpd/spool/writer.h"
#include "tests/unit/directory.h"

namespace sekisho::spool {

using tests::Directory;
using namespace std::chrono_literals;

constexpr WallTime noon{1'800'000'000s};

inline Envelope envelope(std::string id, std::vector<message::Recipient> recipients = {"x@example.com"}) {
    return {.id = std::move(id),
            .sender = "anna@example.net",
            .recipients = std::move(recipients),
            .user = "anna",
            .client = "192.0.2.10",
            .eight_bit = true,
            .received = noon};
}

inline BodyReader body_of(const std::string& text) {
    return [&text](std::uint64_t offset, char* to, std::size_t size) -> Result<void> {
        if (text.copy(to, size, offset) != size) {
            return fail(Failure::invalid, "too short");
        }
        return {};
    };
}

// Octets of every value, not the same in any two places nearby.
inline std::string octets(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (char& octet : text) {
        state = state * 1'664'525 + 1'013'904'223;
        octet = static_cast<char>(state >> 24U);
    }
    return text;
}

// A commit of its own.
template <class Work>
Result<void> commit(Spool& spool, const Work& work) {
    auto done = spool.begin();
    if (done) {
        done = work(spool);
    }
    if (done) {
        done = spool.commit();
    }
    spool.roll_back();
    return done;
}

inline Result<void> keep(Spool& spool, const Envelope& envelope, const std::string& body) {
    return commit(spool, [&](Spool& in) { return in.add(envelope, body.size(), body_of(body)); });
}

inline std::string whole_body(const SpoolReader& reader, const std::string& id, std::size_t piece = 100'000) {
    std::string text;
    while (true) {
        const auto part = reader.body(id, text.size(), piece);
        if (!part) {
            ADD_FAILURE() << part.error().what;
            return text;
        }
        if (part->empty()) {
            return text;
        }
        text += *part;
    }
}

// How many files are in a directory.
inline std::size_t files_in(const std::filesystem::path& directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

inline std::vector<std::string> addresses(const std::vector<Waiting>& all) {
    std::vector<std::string> list;
    std::ranges::transform(all, std::back_inserter(list), &Waiting::address);
    return list;
}

inline void post_here(const std::function<void()>& work) {
    work();
}

// What a job came to, awaited.
inline Result<void> wait_for(Writer& writer, Writer::Work work) {
    std::promise<Result<void>> promise;
    writer.submit(std::move(work), [&promise](Result<void> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
}

inline Writer::Work keeping(Envelope envelope, std::string body) {
    return [envelope = std::move(envelope), body = std::move(body)](Spool& spool) {
        return spool.add(envelope, body.size(), body_of(body));
    };
}

inline std::string name(int number) {
    return "m000000000" + std::to_string(100'000 + number);
}

}  // namespace sekisho::spool
