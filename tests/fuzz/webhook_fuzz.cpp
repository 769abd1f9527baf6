// SPDX-License-Identifier: Apache-2.0
// Deliveries of Stalwart's webhook.
#include <chrono>
#include <string_view>

#include "agent/logins/recent_logins.h"
#include "agent/logins/webhook_request.h"
#include "tests/fuzz/invariant.h"

using sekisho::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    namespace logins = sekisho::logins;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const auto request = logins::parse_webhook_request(body);
    if (!request) {
        require(!request.error().what.empty(), "an error has words");
        return 0;
    }
    require(request->logins.size() + request->unusable.size() <= logins::most_webhook_events,
            "there are no more than there may be");
    for (const std::string& why : request->unusable) {
        require(!why.empty(), "what can't be used has a reason");
    }
    logins::RecentLogins recent;
    for (const logins::WebhookLogin& login : request->logins) {
        require(body.find("success") != std::string_view::npos || body.find('\\') != std::string_view::npos,
                "only a success is a login");
        require(!login.user.empty() && login.user.size() <= 255, "somebody has logged in");
        require(login.address == login.address.unmapped(), "IPv4 is IPv4");
        require(login.when.time_since_epoch() > -std::chrono::hours(24), "a time since 1970");
        static_cast<void>(recent.is_new(login));
        require(!recent.is_new(login), "what was there is remembered");
    }
    return 0;
}
