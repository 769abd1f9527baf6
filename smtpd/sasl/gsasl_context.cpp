// SPDX-License-Identifier: Apache-2.0
// GNU SASL's things as objects.
#include "smtpd/sasl/gsasl_context.h"

namespace sekisho::sasl {

Result<std::shared_ptr<GsaslContext>> GsaslContext::make(Gsasl_callback_function callback) {
    std::shared_ptr<GsaslContext> made(new GsaslContext);
    const int code = ::gsasl_init(&made->context_);
    if (code != GSASL_OK) {
        made->context_ = nullptr;
        return fail(Failure::unavailable, std::string("GNU SASL can't be used: ") + ::gsasl_strerror(code));
    }
    ::gsasl_callback_set(made->context_, callback);
    return made;
}

GsaslContext::~GsaslContext() {
    if (context_ != nullptr) {
        ::gsasl_done(context_);
    }
}

GsaslSession::~GsaslSession() {
    if (session_ != nullptr) {
        ::gsasl_finish(session_);
    }
}

Result<void> GsaslSession::start(std::string_view mechanism, void* hook) {
    const int code = ::gsasl_server_start(context_->get(), std::string(mechanism).c_str(), &session_);
    if (code != GSASL_OK) {
        session_ = nullptr;
        return fail(Failure::unavailable, std::string("GNU SASL: ") + ::gsasl_strerror(code));
    }
    ::gsasl_session_hook_set(session_, hook);
    return {};
}

int GsaslSession::feed(const SecretText& message) {
    char* output = nullptr;
    std::size_t size = 0;
    const int code = ::gsasl_step(session_, message.text(), message.view().size(), &output, &size);
    answer = output == nullptr ? std::string() : std::string(output, size);
    ::gsasl_free(output);
    return code;
}

std::string GsaslSession::property(Gsasl_property which) const {
    const char* const text = ::gsasl_property_fast(session_, which);
    return text == nullptr ? std::string() : std::string(text);
}

void GsaslSession::give(Gsasl_property which, const char* value) {
    static_cast<void>(::gsasl_property_set(session_, which, value));
}

}  // namespace sekisho::sasl
