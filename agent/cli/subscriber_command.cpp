// SPDX-License-Identifier: Apache-2.0
// Questions about subscribers' sessions, and the list that says what they are: read whole before anything is
// sent, and sent as one.
#include "agent/cli/subscriber_command.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/api/routes.h"
#include "agent/base/config.h"
#include "agent/base/printable.h"
#include "agent/cli/answers.h"
#include "agent/cli/ask.h"
#include "agent/cli/cli.h"
#include "agent/cli/finish.h"
#include "agent/cli/input_file.h"
#include "agent/cli/pages.h"
#include "agent/cli/subscriber_list.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

// What the API takes. In pieces: as one value a long list would be many times as large.
std::string import_body(const std::vector<api::ImportedSubscriber>& list) {
    std::string body = R"({"subscribers":[)";
    for (const api::ImportedSubscriber& one : list) {
        json::array prefixes;
        for (const Prefix& prefix : one.prefixes) {
            prefixes.emplace_back(prefix.text());
        }
        json::object entry = {{"id", one.id}, {"prefixes", std::move(prefixes)}};
        if (!one.user.empty()) {
            entry["user"] = one.user;
        }
        if (!one.classes.empty()) {
            entry["classes"] = json::array(one.classes.begin(), one.classes.end());
        }
        if (!one.filters.empty()) {
            entry["filters"] = json::array(one.filters.begin(), one.filters.end());
        }
        body += (body.ends_with('[') ? "" : ",") + json::serialize(entry);
    }
    return body + "]}";
}

// The question that an import is.
Result<Question> import_of(const Arguments& arguments, const std::vector<api::ImportedSubscriber>& list) {
    if (list.empty() && !arguments.empty) {
        return fail(Failure::invalid,
                    printable(arguments.name) +
                        " has no subscribers; this would end every imported session, so nothing was done",
                    "if it is meant, give --empty");
    }
    Question question{
        .method = "POST", .target = std::string(api::subscriber_import_path), .body = import_body(list)};
    if (question.body.size() > api::largest_subscriber_import) {
        return fail(Failure::invalid,
                    printable(arguments.name) + " is longer than the 64 MiB that the agent takes at once",
                    "leave out what isn't needed: user, class and filter_id");
    }
    return question;
}

// "list.csv:3: ", or "list.csv: " where the words name the place.
std::string place_of(const Arguments& arguments, const ListMistake& mistake) {
    return printable(arguments.name) + (mistake.line == 0 ? "" : ":" + std::to_string(mistake.line)) + ": ";
}

// The words of mistakes are printable already; print_error() would write out their backslashes again.
void print_mistakes(const Arguments& arguments, const std::vector<ListMistake>& mistakes, std::ostream& out,
                    std::ostream& err) {
    json::array all;
    for (const ListMistake& each : mistakes) {
        err << "sekisho: " << place_of(arguments, each) << each.what << '\n';
        if (!each.remedy.empty()) {
            err << "  " << each.remedy << '\n';
        }
        all.push_back({{"line", each.line == 0 ? json::value(nullptr) : json::value(each.line)},
                       {"what", each.what},
                       {"remedy", each.remedy}});
    }
    if (mistakes.size() == most_mistakes) {
        err << "sekisho: more than " << most_mistakes << " mistakes are not told at once\n";
    }
    if (arguments.json) {
        const ListMistake& first = mistakes.front();
        const json::object error = {{"kind", failure_name(Failure::invalid)},
                                    {"what", place_of(arguments, first) + first.what},
                                    {"remedy", first.remedy},
                                    {"mistakes", std::move(all)}};
        out << json::serialize(json::object{{"error", error}}) << '\n';
    }
}

// A long list takes the agent a while; a thousand in a second is slow.
api::Client patient_client(const Arguments& arguments, std::size_t subscribers) {
    constexpr std::size_t in_a_second = 1'000;
    return api::Client(arguments.socket.value_or(ApiConfig{}.socket),
                       std::chrono::seconds(10 + subscribers / in_a_second));
}

// For a shell.
std::string quoted(std::string_view text) {
    std::string word = "'";
    for (const char c : printable(text)) {
        word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return word + "'";
}

// The filters that were given, each behind `before`, its value behind `between`.
template <class Written>
std::string filters_of(const Arguments& arguments, std::string_view before, std::string_view between,
                       Written written) {
    const std::string within = arguments.within ? arguments.within->text() : "";
    std::string filters;
    for (const auto& [name, value] : {std::pair("within", &within), std::pair("user", &arguments.user),
                                      std::pair("nas", &arguments.nas)}) {
        if (!value->empty()) {
            filters.append(before).append(name).append(between).append(written(*value));
        }
    }
    return filters;
}

Question look_of(const Arguments& arguments) {
    const std::string which =
        arguments.id ? std::to_string(*arguments.id) : encoded(arguments.address.text());
    return {.method = "GET", .target = "/v1/subscribers/" + which, .body = {}};
}

List list_of(const Arguments& arguments) {
    return {.path = "/v1/subscribers",
            .filters = filters_of(arguments, "&", "=", encoded),
            .name = "subscribers",
            .cursor = "next",
            .parameter = "from",
            .begin = arguments.from == 0 ? "" : std::to_string(arguments.from),
            .count = arguments.count};
}

void print_answer(const Arguments& arguments, const json::object& answer, std::ostream& out) {
    switch (arguments.command) {
        case Command::subscriber_show:
            print_subscriber(answer, out);
            break;
        case Command::subscriber_import:
            print_subscriber_import(answer, out);
            break;
        default:
            print_subscribers(answer,
                              "sekisho subscriber list" + filters_of(arguments, " --", " ", quoted) + " -n " +
                                  std::to_string(arguments.count) + " --from ",
                              out);
    }
}

int finish_here(const Arguments& arguments, const Result<Reply>& reply, std::ostream& out,
                std::ostream& err) {
    return finish(
        arguments, reply, [&](const json::object& answer) { print_answer(arguments, answer, out); }, out,
        err);
}

int import_list(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto text = read_input(arguments.name);
    if (!text) {
        return finish_here(arguments, std::unexpected(text.error()), out, err);
    }
    const auto list = parse_subscriber_list(*text);
    if (!list) {
        print_mistakes(arguments, list.error(), out, err);
        return exit_failed;
    }
    const auto question = import_of(arguments, *list);
    return finish_here(arguments,
                       question ? ask(patient_client(arguments, list->size()), *question)
                                : Result<Reply>(std::unexpected(question.error())),
                       out, err);
}

}  // namespace

int subscriber_command(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    switch (arguments.command) {
        case Command::subscriber_import:
            return import_list(arguments, out, err);
        case Command::subscriber_list:
            return finish_here(arguments, ask_list(agent_of(arguments), list_of(arguments)), out, err);
        default:
            return finish_here(arguments, ask(agent_of(arguments), look_of(arguments)), out, err);
    }
}

}  // namespace sekisho::cli
