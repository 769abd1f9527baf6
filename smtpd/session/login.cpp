// SPDX-License-Identifier: Apache-2.0
// AUTH (RFC 4954): the exchange is passed on, what it means is for the authentication server.
#include <algorithm>
#include <string>

#include "smtpd/session/dialogue.h"
#include "smtpd/session/word.h"

namespace sekisho::session {

namespace {

// RFC 4648, 4: letters, then up to two signs of padding, four by four.
bool is_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return false;
    }
    for (int i = 0; i < 2 && text.ends_with('='); i++) {
        text.remove_suffix(1);
    }
    return std::ranges::all_of(
        text, [](char octet) { return is_letter(octet) || is_digit(octet) || octet == '+' || octet == '/'; });
}

bool server_begins(std::string_view mechanism) {
    return mechanism == "CRAM-MD5" || mechanism == "DIGEST-MD5";
}

}  // namespace

std::size_t Dialogue::longest_response(std::string_view /*start*/) {
    return longest_base64 + 2;
}

void Dialogue::auth(std::string_view argument) {
    const std::string_view wanted = argument.substr(0, argument.find(' '));
    std::string_view initial = argument.substr(wanted.size());
    initial.remove_prefix(std::min(initial.find_first_not_of(' '), initial.size()));
    const auto is_wanted = [wanted](const std::string& each) { return same_word(each, wanted); };
    const auto& offered = state_.tls ? settings_.mechanisms : settings_.clear_mechanisms;
    const auto mechanism = std::ranges::find_if(offered, is_wanted);
    if (settings_.mechanisms.empty() && offered.empty()) {
        refuse("502 5.5.1 AUTH is not offered");
    } else if (!state_.tls && (offered.empty() || (mechanism == offered.end() &&
                                                   std::ranges::any_of(settings_.mechanisms, is_wanted)))) {
        refuse("538 5.7.11 Encryption required for requested authentication mechanism");
    } else if (!state_.user.empty()) {
        refuse("503 5.5.1 You are logged in already");
    } else if (mechanism == offered.end()) {
        refuse("504 5.5.4 Unrecognized authentication type");
    } else if (!initial.empty() && server_begins(*mechanism)) {
        refuse("501 5.5.4 The server speaks first in this mechanism");  // RFC 4954, 4
    } else if (initial != "=" && !is_base64(initial)) {
        refuse("501 5.5.2 Cannot decode the response");
    } else {
        Authenticate begun{.mechanism = *mechanism, .initial = std::nullopt};
        if (!initial.empty()) {
            begun.initial = initial == "=" ? std::string_view() : initial;
        }
        actions_.emplace_back(std::move(begun));
        awaited_ = Awaited::login;
    }
}

void Dialogue::auth_response(std::string_view line) {
    if (line == "*") {
        end_response("501 5.7.0 Authentication cancelled");
    } else if (!is_base64(line)) {
        end_response("501 5.5.2 Cannot decode the response");
    } else {
        actions_.emplace_back(AuthResponse{std::string(line)});
        awaited_ = Awaited::login;
        phase_ = Phase::ready;
    }
}

void Dialogue::bad_response(LineReader::Kind kind) {
    end_response(kind == LineReader::Kind::too_long ? "500 5.5.6 Authentication exchange line is too long"
                                                    : "501 5.5.2 Cannot decode the response");
}

void Dialogue::end_response(std::string_view reply) {
    actions_.emplace_back(AuthCancelled{});
    phase_ = Phase::ready;
    refuse(reply);
}

}  // namespace sekisho::session
