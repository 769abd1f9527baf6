// SPDX-License-Identifier: Apache-2.0
// Takes everything out of the kernel, by the program that put it there.
#include "agent/cli/dataplane_command.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/process/child.hpp>
#include <boost/process/io.hpp>
#include <boost/process/pipe.hpp>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <system_error>

#include "agent/api/client.h"
#include "agent/base/result.h"
#include "agent/cli/answers.h"

namespace sekisho::cli {

namespace json = boost::json;
namespace process = boost::process;

namespace {

struct Ended {
    int code = 0;
    std::string output;
};

// The agent's, from PATH or from where daemons are, which an operator's PATH may not name; empty if there is
// none.
std::filesystem::path program() {
    const char* const path = std::getenv("PATH");
    std::istringstream places(std::string(path != nullptr ? path : "") + ":/usr/sbin:/usr/local/sbin");
    for (std::string place; std::getline(places, place, ':');) {
        std::filesystem::path found = std::filesystem::path(place) / "sekishod";
        if (std::error_code error; place.starts_with('/') && std::filesystem::is_regular_file(found, error)) {
            return found;
        }
    }
    return {};
}

Result<Ended> run_agent_to_detach(const Arguments& arguments) {
    const std::filesystem::path path = program();
    if (path.empty()) {
        return fail(Failure::unavailable, "can't find the program sekishod",
                    "install the agent, or run this where it is in PATH");
    }
    std::error_code error;
    process::ipstream output;
    process::child agent(path.string(), "--config", arguments.config.string(), "--detach", "--json",
                         process::std_out > output, error);
    if (error) {
        return fail(Failure::unavailable, "can't run " + path.string() + ": " + error.message());
    }
    Ended ended{.code = 1, .output = {std::istreambuf_iterator<char>(output), {}}};
    agent.wait(error);
    ended.code = agent.exit_code();
    return ended;
}

std::string member(const json::object& object, const char* key) {
    const json::value* const value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

int dataplane_detach(const Arguments& arguments, std::ostream& out, std::ostream& err) {
    const auto ended = run_agent_to_detach(arguments);
    if (!ended) {
        print_error(ended.error(), arguments.json, out, err);
        return 1;
    }
    boost::system::error_code broken;
    const json::value answer = json::parse(ended->output, broken);
    if (broken || !answer.is_object()) {
        return ended->code == 0 ? 1 : ended->code;  // it has said why, on standard error
    }
    const json::object& object = answer.get_object();
    if (const json::value* const error = object.if_contains("error");
        error != nullptr && error->is_object()) {
        const json::object& told = error->get_object();
        print_error({.kind = api::failure_named(member(told, "kind")),
                     .what = member(told, "what"),
                     .remedy = member(told, "remedy")},
                    arguments.json, out, err);
        return 1;
    }
    if (arguments.json) {
        out << json::serialize(object) << '\n';
        return 0;
    }
    const json::value* const freed = object.if_contains("interfaces_freed");
    out << "nothing is enforced any more; interfaces freed: "
        << (freed != nullptr ? json::serialize(*freed) : "unknown") << '\n';
    return 0;
}

}  // namespace sekisho::cli
