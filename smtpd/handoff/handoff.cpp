// SPDX-License-Identifier: Apache-2.0
// The words as JSON, and strictly back.
#include "smtpd/handoff/handoff.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace sekisho::handoff {

namespace json = boost::json;

namespace {

constexpr std::size_t deepest = 4;

std::optional<json::object> object_of(std::string_view packet) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = deepest;
    json::value value = json::parse(packet, error, {}, options);
    if (error || !value.is_object()) {
        return std::nullopt;
    }
    return std::move(value.get_object());
}

// Reads members of an object; once one is missing or of another type, all further ones are not read.
class Members {
public:
    explicit Members(const json::object& object) : object_(object) {}

    void read(std::string_view key, std::string& to) {
        const json::value* value = find(key);
        if (value != nullptr && value->is_string()) {
            to = std::string(value->get_string());
        } else {
            good_ = false;
        }
    }
    void read(std::string_view key, std::uint64_t& to) {
        const json::value* value = find(key);
        boost::system::error_code error;
        const auto number = value != nullptr ? value->to_number<std::uint64_t>(error) : 0;
        if (value != nullptr && !error) {
            to = number;
        } else {
            good_ = false;
        }
    }
    void read(std::string_view key, bool& to) {
        const json::value* value = find(key);
        if (value != nullptr && value->is_bool()) {
            to = value->get_bool();
        } else {
            good_ = false;
        }
    }
    void read(std::string_view key, std::vector<message::Recipient>& to) {
        const json::value* value = find(key);
        good_ = value != nullptr && value->is_array();
        if (!good_) {
            return;
        }
        for (const json::value& each : value->get_array()) {
            auto recipient = recipient_of(each);
            if (!recipient) {
                good_ = false;
                return;
            }
            to.push_back(std::move(*recipient));
        }
    }
    // False where it isn't there.
    void read_if_there(std::string_view key, bool& to) {
        if (good_ && object_.contains(key)) {
            read(key, to);
        }
    }
    // Its text, where there is one, must have a meaning.
    template <class Value, class Parse>
    void read_if_there(std::string_view key, Value& to, const Parse& parse) {
        std::string text;
        if (!good_ || !object_.contains(key)) {
            return;
        }
        read(key, text);
        const std::optional<Value> value = good_ ? parse(text) : std::nullopt;
        good_ = value.has_value();
        to = value.value_or(Value());
    }
    [[nodiscard]] bool good() const { return good_; }

private:
    [[nodiscard]] static std::optional<message::Recipient> recipient_of(const json::value& value);
    [[nodiscard]] const json::value* find(std::string_view key) const {
        return good_ ? object_.if_contains(key) : nullptr;
    }

    const json::object& object_;
    bool good_ = true;
};

// These stand in commands to other servers as they are here.
std::optional<std::string> parse_original(std::string_view text) {
    return message::is_original_recipient(text) ? std::optional(std::string(text)) : std::nullopt;
}
std::optional<std::string> parse_envelope_id(std::string_view text) {
    return message::is_envelope_id(text) ? std::optional(std::string(text)) : std::nullopt;
}

std::optional<message::Recipient> Members::recipient_of(const json::value& value) {
    if (value.is_string()) {
        return message::Recipient(std::string(value.get_string()));
    }
    if (!value.is_object()) {
        return std::nullopt;
    }
    message::Recipient recipient{std::string()};
    Members members(value.get_object());
    members.read("address", recipient.address);
    members.read_if_there("notify", recipient.notify, message::parse_notify);
    members.read_if_there("original", recipient.original, parse_original);
    return members.good() ? std::optional(std::move(recipient)) : std::nullopt;
}

json::value value_of(const message::Recipient& recipient) {
    if (!recipient.notify.given() && recipient.original.empty()) {
        json::value address(recipient.address);
        return address;
    }
    json::object object = {{"address", recipient.address}};
    if (recipient.notify.given()) {
        object["notify"] = recipient.notify.text();
    }
    if (!recipient.original.empty()) {
        object["original"] = recipient.original;
    }
    return object;
}

bool is_id(std::string_view text) {
    constexpr std::size_t length = 16;
    return text.size() == length &&
           text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == text.npos;
}

// Nothing that could begin another line, of a conversation or of a header.
bool is_one_line(std::string_view text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

bool read_envelope(const json::object& object, message::Envelope& envelope) {
    Members members(object);
    std::uint64_t received = 0;
    members.read("id", envelope.id);
    members.read("sender", envelope.sender);
    members.read("recipients", envelope.recipients);
    members.read("user", envelope.user);
    members.read("client", envelope.client);
    members.read("eight_bit", envelope.eight_bit);
    members.read("received", received);
    members.read_if_there("utf8", envelope.utf8);
    members.read_if_there("return", envelope.returned, message::parse_return);
    members.read_if_there("envelope_id", envelope.envelope_id, parse_envelope_id);
    envelope.received = message::WallTime(std::chrono::seconds(received));
    constexpr std::uint64_t year_9999 = 253'402'300'799;
    return members.good() && is_id(envelope.id) && !envelope.recipients.empty() && received <= year_9999 &&
           std::ranges::all_of(envelope.recipients, is_one_line, &message::Recipient::address) &&
           is_one_line(envelope.sender) && is_one_line(envelope.user) && is_one_line(envelope.client);
}

constexpr std::array<Question::About, 3> subjects = {Question::About::mailbox, Question::About::user,
                                                     Question::About::client};

std::string_view key_of(Question::About about) {
    switch (about) {
        case Question::About::mailbox:
            return "recipient";
        case Question::About::user:
            return "user";
        case Question::About::client:
            return "client";
    }
    std::unreachable();
}

std::unexpected<Error> malformed() {
    return fail(Failure::invalid, "a packet is not of the form that was agreed upon");
}

}  // namespace

namespace {

json::object object_of(const message::Envelope& envelope) {
    json::array recipients;
    for (const message::Recipient& each : envelope.recipients) {
        recipients.push_back(value_of(each));
    }
    json::object members = {{"id", envelope.id},
                            {"sender", envelope.sender},
                            {"recipients", std::move(recipients)},
                            {"user", envelope.user},
                            {"client", envelope.client},
                            {"eight_bit", envelope.eight_bit},
                            {"received", envelope.received.time_since_epoch().count()}};
    if (envelope.utf8) {
        members["utf8"] = true;
    }
    if (envelope.returned != message::Return::not_given) {
        members["return"] = message::text_of(envelope.returned);
    }
    if (!envelope.envelope_id.empty()) {
        members["envelope_id"] = envelope.envelope_id;
    }
    return members;
}

}  // namespace

std::string encode(const message::Envelope& envelope) {
    return json::serialize(object_of(envelope));
}

std::string encode(const Request& request) {
    json::object object{{"n", request.number}, {"size", request.size}};
    if (request.envelope_size == 0) {
        object["envelope"] = object_of(request.envelope);
    } else {
        object["envelope_size"] = request.envelope_size;
    }
    std::string packet = json::serialize(object);
    if (!request.octets.empty()) {
        packet.append("\n").append(request.octets);
    }
    return packet;
}

std::string encode(const Question& question) {
    json::object object = {{"n", question.number}, {key_of(question.about), question.subject}};
    if (question.needs.utf8) {
        object["utf8"] = true;
    }
    if (question.needs.eight_bit) {
        object["eight_bit"] = true;
    }
    return json::serialize(object);
}

std::string encode(const Answer& answer) {
    json::object object = {{"n", answer.number}};
    if (!answer.refused.empty()) {
        object["refused"] = answer.refused;
    }
    if (!answer.name.empty()) {
        object["name"] = answer.name;
    }
    return json::serialize(object);
}

Result<Request> decode_request(std::string_view packet) {
    const std::size_t end = packet.find('\n');
    const auto object = object_of(packet.substr(0, end));
    if (!object) {
        return malformed();
    }
    Request request;
    Members members(*object);
    members.read("n", request.number);
    members.read("size", request.size);
    const json::value* envelope = object->if_contains("envelope");
    const bool here = envelope != nullptr && envelope->is_object() && !object->contains("envelope_size") &&
                      read_envelope(envelope->get_object(), request.envelope);
    if (envelope == nullptr) {
        members.read("envelope_size", request.envelope_size);
    }
    const bool behind = request.envelope_size > 0 && request.envelope_size <= longest_envelope;
    if (!members.good() || here == behind || (behind && end != packet.npos)) {
        return malformed();
    }
    if (end != packet.npos) {
        request.octets = packet.substr(end + 1);
        if (request.octets.empty() || request.octets.size() != request.size) {
            return malformed();
        }
    }
    return request;
}

Result<message::Envelope> decode_envelope(std::string_view text) {
    const auto object = object_of(text);
    message::Envelope envelope;
    if (!object || !read_envelope(*object, envelope)) {
        return malformed();
    }
    return envelope;
}

Result<Question> decode_question(std::string_view packet) {
    const auto object = object_of(packet);
    if (!object) {
        return malformed();
    }
    Question question;
    Members members(*object);
    members.read("n", question.number);
    const auto one = std::ranges::find_if(
        subjects, [&object](Question::About about) { return object->contains(key_of(about)); });
    const auto about_others = std::ranges::count_if(
        subjects, [&object](Question::About about) { return object->contains(key_of(about)); });
    if (one == subjects.end() || about_others != 1 || object->contains("envelope")) {
        return malformed();
    }
    question.about = *one;
    members.read(key_of(question.about), question.subject);
    members.read_if_there("utf8", question.needs.utf8);
    members.read_if_there("eight_bit", question.needs.eight_bit);
    const bool odd = question.about != Question::About::mailbox &&
                     (object->contains("utf8") || object->contains("eight_bit"));
    if (!members.good() || odd || question.subject.empty() || !is_one_line(question.subject)) {
        return malformed();
    }
    return question;
}

Result<Answer> decode_answer(std::string_view packet) {
    const auto object = object_of(packet);
    if (!object) {
        return malformed();
    }
    Answer answer;
    Members members(*object);
    members.read("n", answer.number);
    if (object->contains("refused")) {
        members.read("refused", answer.refused);
    }
    if (object->contains("name")) {
        members.read("name", answer.name);
    }
    if (!members.good() || !is_one_line(answer.refused) || !is_one_line(answer.name)) {
        return malformed();
    }
    return answer;
}

}  // namespace sekisho::handoff
