// SPDX-License-Identifier: Apache-2.0
// GNU SASL's things as objects. Internal to this room.
#pragma once

#include <gsasl.h>

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "smtpd/sasl/secret_text.h"

namespace sekisho::sasl {

// The library; lives as long as one of its sessions does.
class GsaslContext {
public:
    // `callback` is asked for properties of all sessions. Failure::unavailable if GNU SASL can't be used.
    [[nodiscard]] static Result<std::shared_ptr<GsaslContext>> make(Gsasl_callback_function callback);

    GsaslContext(const GsaslContext&) = delete;
    GsaslContext& operator=(const GsaslContext&) = delete;
    ~GsaslContext();

    [[nodiscard]] Gsasl* get() const { return context_; }

private:
    GsaslContext() = default;
    Gsasl* context_ = nullptr;
};

// The server's side of one exchange.
class GsaslSession {
public:
    explicit GsaslSession(std::shared_ptr<GsaslContext> context) : context_(std::move(context)) {}
    GsaslSession(const GsaslSession&) = delete;
    GsaslSession& operator=(const GsaslSession&) = delete;
    ~GsaslSession();

    // `hook` is what the callback finds by gsasl_session_hook_get(). Failure::unavailable.
    [[nodiscard]] Result<void> start(std::string_view mechanism, void* hook);
    // GNU SASL's word for what the client says; what it has to say itself is `answer` then.
    int feed(const SecretText& message);
    // Empty where there is none.
    [[nodiscard]] std::string property(Gsasl_property which) const;
    void give(Gsasl_property which, const char* value);

    std::string answer;

private:
    std::shared_ptr<GsaslContext> context_;
    Gsasl_session* session_ = nullptr;
};

}  // namespace sekisho::sasl
