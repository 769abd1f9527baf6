// SPDX-License-Identifier: Apache-2.0
// The door to Dialogue.
#include "smtpd/session/session.h"

#include <utility>

#include "smtpd/session/dialogue.h"

namespace sekisho::session {

struct Session::Machine : Dialogue {
    using Dialogue::Dialogue;
};

Session::Session(Settings settings) : machine_(std::make_unique<Machine>(std::move(settings))) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Actions Session::begin() {
    return machine_->begin();
}

Actions Session::receive(std::string_view bytes) {
    return machine_->receive(bytes);
}

void Session::offer(std::vector<std::string> mechanisms) {
    machine_->offer(std::move(mechanisms));
}

Actions Session::tls_started() {
    return machine_->tls_started();
}

Actions Session::auth_continued(std::string_view challenge) {
    return machine_->auth_continued(challenge);
}

Actions Session::auth_succeeded(std::string user) {
    return machine_->auth_succeeded(std::move(user));
}

Actions Session::auth_failed(AuthFailure failure) {
    return machine_->auth_failed(failure);
}

Actions Session::address_accepted() {
    return machine_->address_accepted();
}

Actions Session::address_refused(std::string_view reply) {
    return machine_->address_refused(reply);
}

Actions Session::message_kept(std::string_view id) {
    return machine_->message_kept(id);
}

Actions Session::message_refused(std::string_view reply) {
    return machine_->message_refused(reply);
}

bool Session::waiting() const {
    return machine_->waiting();
}

bool Session::receiving() const {
    return machine_->receiving();
}

Actions Session::give_up(std::string_view text) {
    return machine_->give_up(text);
}

const State& Session::state() const {
    return machine_->state();
}

}  // namespace sekisho::session
