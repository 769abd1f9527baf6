// SPDX-License-Identifier: Apache-2.0
// What becomes of recipients after an attempt to deliver: gone, put off, or given up and their sender told.
// Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config_mail.h"
#include "smtpd/delivery/delivery.h"
#include "smtpd/message/dsn.h"
#include "smtpd/message/envelope.h"
#include "smtpd/spool/spool.h"

namespace sekisho {

struct Settlement {
    struct Deferral {
        std::int64_t recipient = 0;  // its number in the spool
        message::WallTime next{};
        std::string error;    // for the queue's list
        bool warned = false;  // the sender is told
    };

    std::vector<delivery::Fate> fates;   // one for each recipient; one who is too old has failed
    std::vector<std::int64_t> finished;  // leave the spool
    std::vector<Deferral> deferred;      // are tried again
    // The ones to tell the sender of, as the sender wants it (NOTIFY): who leaves it, and who is late, once.
    std::vector<message::ReportedRecipient> reported;
};

// `user`: whose mail it is, empty for what came from a network of trust or from strangers, who are told of a
// delay only where they want it: they may never have sent it. `since` is when it was accepted, or let go
// after it was held. `outcomes` are those of the group's recipients, in their order. `jitter` gives numbers
// from 0 to 1.
[[nodiscard]] Settlement settle(const RelayConfig& config, std::string_view user, message::WallTime since,
                                const std::vector<spool::Waiting>& group,
                                const std::vector<delivery::Outcome>& outcomes, message::WallTime now,
                                const std::function<double()>& jitter);

// A message of our own.
struct Notice {
    message::Envelope envelope;
    std::string text;
};

// Whether the notice encloses the message, which has this size, and not only its header: where the sender
// wants that (RET), somebody was given up, and it is not too large.
[[nodiscard]] bool returns_whole(const message::Envelope& original, const Settlement& settlement,
                                 std::uint64_t size);

// The notice to the original's sender; nothing where there is nothing to tell, or nobody sent it: a notice
// that fails makes no other. `id` is the notice's own.
[[nodiscard]] std::optional<Notice> notice_of(const message::Envelope& original, const Settlement& settlement,
                                              const message::Quote& quote, std::string_view hostname,
                                              std::string id, message::WallTime now);

// Writes it all down, in one piece.
[[nodiscard]] Result<void> write_down(spool::Spool& spool, const Settlement& settlement,
                                      const std::optional<Notice>& notice);

}  // namespace sekisho
