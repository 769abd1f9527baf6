// SPDX-License-Identifier: Apache-2.0
// Written as a person would write it, for a person goes on with it.
#include "agent/cli/setup_toml.h"

#include <algorithm>
#include <string_view>

#include "agent/base/config.h"

namespace sekisho::cli {

namespace {

// A TOML string: whatever was typed, it ends where it is meant to end.
std::string toml_string(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result = "\"";
    for (const char letter : text) {
        const auto octet = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            result += '\\';
        }
        if (octet < 0x20 || octet == 0x7f) {
            result += "\\u00";
            result += digits[octet >> 4U];
            result += digits[octet & 0xfU];
        } else {
            result += letter;
        }
    }
    return result + '"';
}

// ["192.0.2.0/24", "2001:db8:100::/40"], or a line for each where they are many.
std::string toml_list(const std::vector<std::string>& words) {
    constexpr std::size_t most_in_a_line = 4;
    const bool lines = words.size() > most_in_a_line;
    std::string result = "[";
    for (const std::string& word : words) {
        result += (lines ? "\n    " : result == "[" ? "" : " ") + toml_string(word) + ",";
    }
    if (!lines && !words.empty()) {
        result.pop_back();
    }
    return result + (lines ? "\n]" : "]");
}

bool is_name_pattern(const std::string& name) {
    return name.find_first_of("*?[\\") != std::string::npos;
}

void add_interfaces(const std::vector<std::string>& names, bool patterns, const std::string& comment,
                    const std::string& side, std::string& text) {
    for (const std::string& name : names) {
        if (is_name_pattern(name) == patterns) {
            text.append(comment).append("[[interface]]\nname = ").append(toml_string(name));
            text.append("\nside = \"").append(side).append("\"\n\n");
        }
    }
}

// The first pattern that fits an interface counts, so plain names stand above.
void add_all_interfaces(const SetupAnswers& answers, std::string& text) {
    for (const bool patterns : {false, true}) {
        add_interfaces(answers.subscribers, patterns, "# Subscribers' packets arrive here.\n", "subscriber",
                       text);
        add_interfaces(answers.uplinks, patterns, "# The way to the Internet.\n", "uplink", text);
    }
}

void add_pool(const SetupAnswers& answers, std::string& text) {
    if (answers.prefixes.empty()) {
        return;
    }
    text +=
        "# Whose port 25 is judged: the addresses that subscribers have.\n"
        "[[pool]]\n"
        "name = \"subscribers\"\n"
        "prefixes = " +
        toml_list(answers.prefixes) + "\n";
    if (has_ipv6(answers.prefixes)) {
        text += "ipv6_key = " + std::to_string(answers.ipv6_key) +
                "  # the prefix length that one subscriber gets\n";
    }
    text +=
        "# \"monitor\" counts, but lets pass; \"reset\" and \"prohibit\" refuse at once; \"drop\" gives no "
        "answer.\n"
        "action = " +
        toml_string(answers.action) + "\n\n";
}

void add_designated(const SetupAnswers& answers, std::string& text) {
    const bool none = answers.designated.empty();
    const std::string sign = none ? "#" : "";
    text +=
        std::string("# The mail servers that everybody may reach on port 25: your own.") +
        (none ? " None was named.\n" : "\n") + sign + "[[designated]]\n" + sign + "name = \"mail\"\n" + sign +
        "prefixes = " + (none ? R"(["198.51.100.25", "2001:db8:25::25"])" : toml_list(answers.designated)) +
        "\n\n";
}

void add_submission(const SetupAnswers& answers, std::string& text) {
    if (answers.hostname.empty()) {
        return;
    }
    text +=
        "# Mail for those whose port 25 is closed: the submission server on 587 and 465.\n"
        "# `sekisho user add NAME` makes the users.\n"
        "[submission]\n"
        "hostname = " +
        toml_string(answers.hostname) + "\ncertificate = " + toml_string(setup_certificate) +
        "  # with its chain\n"
        "key = " +
        toml_string(setup_key) + "  # chgrp sekisho-smtpd, chmod 0640\n\n";
    text += "# sekisho-smtpd.socket opens these ports, and must name the same ones.\n";
    for (const char* const address : {"0.0.0.0", "::"}) {
        for (const char* const way :
             {"port = 587\ntls = \"starttls\"\n", "port = 465\ntls = \"implicit\"\n"}) {
            text += "[[submission.listener]]\naddress = " + toml_string(address) + "\n" + way + "\n";
        }
    }
}

constexpr std::string_view file_head =
    "# Sekisho's configuration, begun by `sekisho setup`. What else can stand here: sekisho.toml(5), and\n"
    "# with comments /usr/share/sekisho/sekisho.toml. Check a change before it is used:\n"
    "#\n"
    "#     sekishod --check && systemctl restart sekisho-agent\n\n";

constexpr std::string_view file_foot =
    "# So far only `sekisho grant add` and `sekisho exempt add` open port 25. Logins do where a section "
    "says\n"
    "# who tells of them, such as [[login.dovecot]], [[login.log]] or [login.submission].\n";

}  // namespace

bool has_ipv6(const std::vector<std::string>& prefixes) {
    return std::ranges::any_of(prefixes,
                               [](const std::string& each) { return each.find(':') != std::string::npos; });
}

std::string setup_toml(const SetupAnswers& answers) {
    std::string text(file_head);
    add_all_interfaces(answers, text);
    add_pool(answers, text);
    add_designated(answers, text);
    add_submission(answers, text);
    return text.append(file_foot);
}

std::optional<Error> setup_complaint(const SetupAnswers& answers) {
    const auto config = parse_config(setup_toml(answers), "sekisho.toml");
    if (config) {
        return std::nullopt;
    }
    const ConfigError& first = config.error().front();
    return Error{.kind = Failure::invalid, .what = first.what, .remedy = first.remedy};
}

}  // namespace sekisho::cli
