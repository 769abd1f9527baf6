// SPDX-License-Identifier: Apache-2.0
// A simple blocking HTTP client of the agent's Unix socket, for `sekisho` and the mail side.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace sekisho::api {

// What the agent answered; the body is JSON, or text for /metrics.
struct Answer {
    int status = 0;
    std::string body;
};

// Whose socket it is, for the words of errors.
struct Service {
    std::string what = "the agent";
    std::string program = "sekishod";
    std::string unit = "sekisho-agent";
};

// One request a connection. Not thread-safe.
class Client {
public:
    explicit Client(std::filesystem::path socket, std::chrono::seconds limit = std::chrono::seconds{10},
                    Service service = {});

    [[nodiscard]] const Service& service() const { return service_; }

    // Sends a request and waits for the answer. Failure::unavailable, with a remedy, where the socket is
    // missing, nobody listens, the permission is lacking, the time is over, or the answer is no HTTP or over
    // 64 MiB. An answer with an error status is an Answer all the same: see check().
    [[nodiscard]] Result<Answer> request(std::string_view method, std::string_view target,
                                         std::string_view body = {}) const;

private:
    std::filesystem::path socket_;
    std::chrono::seconds limit_;
    Service service_;
};

// The kind of failure that has this name in JSON; unavailable for a name that is none.
[[nodiscard]] Failure failure_named(std::string_view name);

// The answer's JSON text where its status is 2xx, else the Error that its body describes.
[[nodiscard]] Result<std::string> check(const Answer& answer, const Service& service = {});

// A text as it stands in a target's path or query: all but letters, digits and "-._~" percent-encoded (RFC
// 3986, 2.3).
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace sekisho::api
