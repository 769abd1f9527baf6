// SPDX-License-Identifier: Apache-2.0
// Counts what it doesn't write.
#include "agent/base/quiet_log.h"

#include <utility>

#include "agent/base/log.h"

namespace sekisho::log {

bool Quiet::warning(std::string_view name, std::string_view text, std::string_view peer,
                    std::chrono::seconds quiet_for) {
    Silence& quiet = silences_[std::string(name)];
    const auto now = std::chrono::steady_clock::now();
    if (now < quiet.until) {
        quiet.swallowed++;
        return false;
    }
    log::warning(
        name, text,
        {{"reporter", listener_}, {"peer", peer}, {"not_logged", std::exchange(quiet.swallowed, 0)}});
    quiet.until = now + quiet_for;
    return true;
}

}  // namespace sekisho::log
