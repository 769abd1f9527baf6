// SPDX-License-Identifier: Apache-2.0
// Small messages as they were handed over, for who delivers them next: what the spool has just been given
// needn't be read back from it. A few of them only, and only as long as nobody has meddled with what waits:
// whoever finds none here asks the spool. What is due says the spool alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "smtpd/handoff/handoff.h"
#include "smtpd/spool/spool.h"

namespace sekisho {

// Thread-safe: the spool's writer puts in, who delivers takes out.
class FreshMail {
public:
    using Message = std::shared_ptr<const handoff::Request>;

    // The oldest make room, where all bodies together would have more octets than that.
    explicit FreshMail(spool::Spool::Interventions interventions,
                       std::size_t most_octets = std::size_t{8} << 20)
        : interventions_(std::move(interventions)), most_octets_(most_octets) {}

    // Within the commit that keeps it; nothing where its body stands in a file. It doesn't matter whether
    // that commit goes well: a message that isn't there is never due.
    void put(Message message);
    // Null where there is none, or where somebody has meddled since. Who has it tries to deliver it: a second
    // time it comes from the spool.
    [[nodiscard]] Message take(std::string_view id);

private:
    using Place = std::list<Message>::iterator;

    void forget_if_meddled();
    Message remove(Place place);

    spool::Spool::Interventions interventions_;
    std::size_t most_octets_;
    std::mutex mutex_;
    std::uint64_t seen_ = 0;       // under mutex_, as all that follows: interventions, when these were put in
    std::list<Message> messages_;  // the oldest first
    std::map<std::string_view, Place> by_id_;  // of texts in messages_
    std::size_t octets_ = 0;
};

}  // namespace sekisho
