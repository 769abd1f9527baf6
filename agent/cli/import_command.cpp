// SPDX-License-Identifier: Apache-2.0
// Reads the whole list before anything is sent: a slip in it changes nothing.
#include "agent/cli/import_command.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <future>
#include <iostream>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/prefix_list.h"
#include "agent/base/printable.h"
#include "agent/base/result.h"
#include "agent/cli/answers.h"
#include "agent/cli/ask.h"
#include "agent/cli/input_file.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t largest_part = std::size_t{56} << 10;  // the agent takes 64 KiB
constexpr std::size_t shown = 20;                            // of those that were refused

Result<std::vector<Prefix>> read_list(const std::string& file) {
    const auto text = read_input(file);
    if (!text) {
        const Error& error = text.error();
        return fail(error.kind, error.what,
                    error.kind == Failure::invalid ? "import it in parts" : error.remedy);
    }
    auto list = parse_prefix_list(*text);
    if (!list) {
        return fail(list.error().kind, printable(file) + ", " + list.error().what, list.error().remedy);
    }
    return list;
}

struct Sums {
    std::int64_t opened = 0;
    std::int64_t kept = 0;
    std::int64_t refused = 0;
    json::array examples;

    // Adds what the agent says of a part; false if it can't be understood.
    bool add(const json::object& answer) {
        const json::value* const more = answer.if_contains("opened");
        const json::value* const longer = answer.if_contains("kept");
        const json::value* const list = answer.if_contains("refused");
        if (more == nullptr || longer == nullptr || list == nullptr || !more->is_int64() ||
            !longer->is_int64() || !list->is_array()) {
            return false;
        }
        opened += more->get_int64();
        kept += longer->get_int64();
        refused += static_cast<std::int64_t>(list->get_array().size());
        for (const json::value& each : list->get_array()) {
            if (examples.size() < shown) {
                examples.push_back(each);
            }
        }
        return true;
    }
};

// As many as fit a request; takes them off the list.
json::array addresses_from(std::span<const Prefix>& list) {
    json::array part;
    std::size_t size = 0;
    while (!list.empty()) {
        const std::string text = list.front().text();
        size += text.size() + 3;  // quotes and a comma
        if (size > largest_part) {
            break;
        }
        part.emplace_back(text);
        list = list.subspan(1);
    }
    return part;
}

// The next request; takes its addresses off the list.
std::string next_part(const Arguments& arguments, std::span<const Prefix>& list) {
    json::object body = {{"addresses", addresses_from(list)}};
    add_terms(arguments, body);
    return json::serialize(body);
}

Result<void> send_all(const Arguments& arguments, std::span<const Prefix> list, Sums& sums,
                      std::ostream& err) {
    const api::Client client = agent_of(arguments);
    const bool watched = ::isatty(STDERR_FILENO) != 0 && &err == &std::cerr;
    const std::size_t all = list.size();
    std::string part = next_part(arguments, list);
    for (bool last = all == 0; !last;) {
        last = list.empty();
        // While the agent works on this one the next is made.
        auto asked = std::async(std::launch::async, [&client, body = std::move(part)] {
            return ask(client, {.method = "POST", .target = "/v1/grants/import", .body = body});
        });
        const std::size_t left = list.size();
        part = last ? std::string() : next_part(arguments, list);
        const auto reply = asked.get();
        if (!reply) {
            return std::unexpected(reply.error());
        }
        if (!sums.add(reply->object)) {
            return fail(Failure::unavailable, "the agent's answer can't be understood",
                        "sekisho and sekishod must be of one version: see `sekisho version`");
        }
        if (watched) {
            err << '\r' << all - left << " of " << all << (last ? "\n" : "") << std::flush;
        }
    }
    return {};
}

void print_refused(const Sums& sums, std::ostream& err) {
    err << sums.refused << " were refused:\n";
    for (const json::value& each : sums.examples) {
        const json::value* const why = each.is_object() ? each.get_object().if_contains("why") : nullptr;
        err << "  " << (why != nullptr && why->is_string() ? printable(why->get_string()) : "-") << '\n';
    }
    if (sums.refused > static_cast<std::int64_t>(sums.examples.size())) {
        err << "  ...\n";
    }
}

}  // namespace

int grant_import(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto list = read_list(arguments.name);
    if (!list) {
        print_error(list.error(), arguments.json, out, err);
        return 1;
    }
    Sums sums;
    if (const auto sent = send_all(arguments, *list, sums, err); !sent) {
        Error error = sent.error();
        if (sums.opened != 0) {
            error.what += " (opened for " + std::to_string(sums.opened) + " subscribers before that)";
        }
        print_error(error, arguments.json, out, err);
        return 1;
    }
    if (arguments.json) {
        out << json::serialize(json::object{{"opened", sums.opened},
                                            {"kept", sums.kept},
                                            {"refused", sums.refused},
                                            {"examples", sums.examples}})
            << '\n';
    } else {
        out << "opened for " << sums.opened << " subscribers";
        if (sums.kept != 0) {
            out << "; " << sums.kept << " have a grant that lasts longer";
        }
        out << '\n';
    }
    if (sums.refused != 0) {
        print_refused(sums, err);
        return 1;
    }
    return 0;
}

}  // namespace sekisho::cli
