// SPDX-License-Identifier: Apache-2.0
// A client's octets through an SMTP session: cut anywhere it is the same, and no octet of a message is ever
// read as a command (a second, naive reading of the same octets counts the replies and knows the messages).
//
// The first octet chooses the settings, with its bit 64 the second one more of them; an octet 0xfe ends a
// flight: then the session gets the answers it waits for.
#include <string>
#include <string_view>

#include "tests/fuzz/invariant.h"
#include "tests/unit/session/conversation.h"

using sekisho::fuzz::require;
namespace session = sekisho::session;

namespace {

session::Example settings_of(unsigned bits) {
    session::Example settings;
    settings.hostname = "mail.example.net";
    settings.client = "192.0.2.1";
    settings.tls_offered = (bits & 1U) != 0;
    settings.tls_active = (bits & 2U) != 0;
    settings.login_required = (bits & 4U) != 0;
    settings.largest_message = (bits & 8U) != 0 ? 40 : 100'000;
    settings.recipients = (bits & 16U) != 0 ? 2 : 100;
    settings.errors = (bits & 32U) != 0 ? 4 : 1000;
    return settings;
}

void take_more(session::Example& settings, unsigned bits) {
    settings.xclient = (bits & 1U) != 0;
    settings.dsn = (bits & 2U) == 0;
    if ((bits & 4U) != 0) {
        settings.clear_mechanisms = {"CRAM-MD5", "LOGIN"};
    }
    settings.full = (bits & 8U) != 0;
}

session::Flights flights_of(std::string_view text) {
    session::Flights flights(1);
    for (const char octet : text) {
        if (octet == '\xfe') {
            flights.emplace_back();
        } else {
            flights.back() += octet;
        }
    }
    return flights;
}

void check(std::string_view what) {
    require(what.empty(), std::string(what).c_str());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto settings = settings_of(data[0]);
    const std::size_t chosen = (data[0] & 64U) != 0 && size > 1 ? 2 : 1;
    if (chosen == 2) {
        take_more(settings, data[1]);
    }
    const auto flights = flights_of({reinterpret_cast<const char*>(data) + chosen, size - chosen});
    const auto outcome = session::converse(settings, flights);
    check(session::second_reading(settings, flights, outcome));
    check(session::difference(session::converse(settings, flights, session::octet_by_octet), outcome));
    // Pieces of sizes that the input itself chooses.
    std::size_t turn = 0;
    const auto uneven = [&turn, data, size](std::size_t /*left*/) {
        return std::size_t{1} + data[turn++ % size] % 7;
    };
    check(session::difference(session::converse(settings, flights, uneven), outcome));
    return 0;
}
