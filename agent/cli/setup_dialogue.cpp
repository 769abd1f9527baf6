// SPDX-License-Identifier: Apache-2.0
// One question after the other. What an answer is worth says the configuration's own reading of it.
#include "agent/cli/setup_dialogue.h"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <istream>
#include <optional>
#include <ostream>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/base/address.h"
#include "agent/base/ascii.h"
#include "agent/base/printable.h"
#include "agent/cli/table.h"

namespace sekisho::cli {

namespace {

std::string without_blanks(const std::string& line) {
    constexpr const char* blanks = " \t\r";
    const std::size_t begin = line.find_first_not_of(blanks);
    return begin == std::string::npos ? std::string()
                                      : line.substr(begin, line.find_last_not_of(blanks) - begin + 1);
}

// Words with blanks or commas between them.
std::vector<std::string> answer_words(const std::string& line) {
    constexpr const char* between = " \t,";
    std::vector<std::string> words;
    for (std::size_t end = 0, begin = 0;
         (begin = line.find_first_not_of(between, end)) != std::string::npos;) {
        end = std::min(line.find_first_of(between, begin), line.size());
        words.push_back(line.substr(begin, end - begin));
    }
    return words;
}

// The same, where none may be meant.
std::vector<std::string> answer_words_or_none(const std::string& line) {
    return line == "none" || line == "-" ? std::vector<std::string>() : answer_words(line);
}

Error no_more_answers() {
    return {.kind = Failure::unavailable,
            .what = "the answers end before the questions",
            .remedy = "run `sekisho setup` at a terminal, or give it a line for each question"};
}

// One line, without what stands around it.
Result<std::string> answer_to(SetupConsole& console, const std::string& question,
                              const std::string& otherwise) {
    console.out << question << (otherwise.empty() ? ": " : " [" + otherwise + "]: ") << std::flush;
    std::string line;
    if (!std::getline(console.in, line)) {
        console.out << '\n';
        return std::unexpected(no_more_answers());
    }
    line = without_blanks(line);
    if (console.echo) {
        console.out << printable(line) << '\n';
    }
    return line.empty() ? otherwise : line;
}

// What is wrong with an answer; nothing if it has been taken.
using Taking = std::function<std::optional<Error>(const std::string& answer)>;

// Asks until an answer is taken.
Result<void> ask_until_taken(SetupConsole& console, const std::string& question, const std::string& otherwise,
                             const Taking& take) {
    for (;;) {
        const auto answer = answer_to(console, question, otherwise);
        if (!answer) {
            return std::unexpected(answer.error());
        }
        const auto error = take(*answer);
        if (!error) {
            return {};
        }
        show_rejection(console, *error);
    }
}

// Takes `value` into the answers, unless they would make a configuration that can't be.
template <class Value>
std::optional<Error> take_answer(SetupAnswers& answers, Value SetupAnswers::* member, Value value) {
    SetupAnswers tried = answers;
    tried.*member = std::move(value);
    auto error = setup_complaint(tried);
    if (!error) {
        answers = std::move(tried);
    }
    return error;
}

Error no_answer(std::string what, std::string remedy) {
    return {.kind = Failure::invalid, .what = std::move(what), .remedy = std::move(remedy)};
}

void show_interfaces(const std::vector<SetupInterface>& interfaces, std::ostream& out) {
    out << "\nInterfaces\n\n";
    if (interfaces.empty()) {
        out << "This machine has none now.\n\n";
        return;
    }
    Table table({"NAME", "ADDRESS", "LINK", "DRIVER"});
    for (const SetupInterface& each : interfaces) {
        table.add({printable(each.name), each.address.empty() ? "-" : printable(each.address),
                   each.up ? "up" : "down", each.driver.empty() ? "-" : printable(each.driver)});
    }
    table.print(out);
    out << '\n';
}

// A slip in a name would leave an interface unjudged; but what comes later may well be meant.
void note_absent(const std::vector<std::string>& names, const SetupFacts& facts, std::ostream& out) {
    for (const std::string& name : names) {
        const auto fits = [&name](const SetupInterface& each) {
            return ::fnmatch(name.c_str(), each.name.c_str(), 0) == 0;
        };
        if (std::ranges::none_of(facts.interfaces, fits)) {
            out << "  Note: no interface fits " << printable(name) << " now. One that comes later will.\n";
        }
    }
}

Result<void> ask_interfaces(const SetupFacts& facts, SetupConsole& console, SetupAnswers& answers) {
    show_interfaces(facts.interfaces, console.out);
    console.out << "On which do subscribers' packets arrive, and which one leads to the Internet?\n"
                   "Names, or patterns such as ppp*, with blanks between them.\n";
    auto done =
        ask_until_taken(console, "Subscribers' interfaces", "", [&answers](const std::string& answer) {
            auto names = answer_words(answer);
            return names.empty() ? std::optional(no_answer("without one nothing would be filtered",
                                                           "name at least one"))
                                 : take_answer(answers, &SetupAnswers::subscribers, std::move(names));
        });
    if (!done) {
        return done;
    }
    note_absent(answers.subscribers, facts, console.out);
    done =
        ask_until_taken(console, "Interface to the Internet", "none", [&answers](const std::string& answer) {
            return take_answer(answers, &SetupAnswers::uplinks, answer_words_or_none(answer));
        });
    if (done) {
        note_absent(answers.uplinks, facts, console.out);
    }
    return done;
}

// The narrowest IPv6 prefix: one subscriber can't have more than the pool.
int narrowest_ipv6(const std::vector<std::string>& prefixes) {
    int narrowest = 0;
    for (const std::string& each : prefixes) {
        if (const auto prefix = parse_prefix(each); prefix && prefix->address.family == Family::ipv6) {
            narrowest = std::max(narrowest, prefix->length);
        }
    }
    return narrowest;
}

std::optional<Error> take_prefixes(SetupAnswers& answers, const std::string& answer) {
    auto prefixes = answer_words(answer);
    if (prefixes.empty()) {
        return no_answer("without one nobody would be a subscriber", "name at least one, like 192.0.2.0/24");
    }
    // What one subscriber has is asked next; until then it is no more than any of these.
    answers.ipv6_key = std::max(SetupAnswers{}.ipv6_key, narrowest_ipv6(prefixes));
    return take_answer(answers, &SetupAnswers::prefixes, std::move(prefixes));
}

std::optional<Error> take_key(SetupAnswers& answers, const std::string& answer) {
    const std::string_view digits = std::string_view(answer).substr(answer.starts_with('/') ? 1 : 0);
    int length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return no_answer("\"" + answer + "\" is no length of a prefix", "write it like 56 or 64");
    }
    return take_answer(answers, &SetupAnswers::ipv6_key, length);
}

Result<void> ask_pool(SetupConsole& console, SetupAnswers& answers) {
    console.out << "\nSubscribers\n\n"
                   "All prefixes that subscribers' addresses come from, of IPv4 and IPv6.\n";
    auto done = ask_until_taken(console, "Prefixes", "", [&answers](const std::string& answer) {
        return take_prefixes(answers, answer);
    });
    if (done && has_ipv6(answers.prefixes)) {
        done = ask_until_taken(console, "Length of the IPv6 prefix that one subscriber gets",
                               std::to_string(answers.ipv6_key),
                               [&answers](const std::string& answer) { return take_key(answers, answer); });
    }
    if (!done) {
        return done;
    }
    console.out << "\nTheir packets to port 25 that nothing allows can be counted only (monitor),\n"
                   "refused by TCP (reset) or by ICMP (prohibit), or lost (drop). Begin with\n"
                   "monitor: it shows whom the filter would hit before it hits anybody.\n";
    return ask_until_taken(console, "Blocked packets: monitor, reset, prohibit or drop", answers.action,
                           [&answers](const std::string& answer) {
                               return take_answer(answers, &SetupAnswers::action, lowered(answer));
                           });
}

Result<void> ask_designated(SetupConsole& console, SetupAnswers& answers) {
    console.out << "\nMail servers\n\n"
                   "Your own, which everybody may reach on port 25: addresses or prefixes.\n";
    return ask_until_taken(console, "Designated servers", "none", [&answers](const std::string& answer) {
        return take_answer(answers, &SetupAnswers::designated, answer_words_or_none(answer));
    });
}

Result<void> ask_names(SetupConsole& console, SetupAnswers& answers) {
    std::string domain;
    const auto done = ask_until_taken(console, "Mail domain (like example.net)", "",
                                      [&answers, &domain](const std::string& answer) -> std::optional<Error> {
                                          SetupAnswers tried = answers;
                                          tried.hostname = answer;
                                          if (answer.empty() || setup_complaint(tried)) {
                                              return no_answer("\"" + answer + "\" is no domain",
                                                               "write it like example.net");
                                          }
                                          domain = answer;
                                          return std::nullopt;
                                      });
    if (!done) {
        return done;
    }
    return ask_until_taken(console, "Name of the submission server", "smtp." + domain,
                           [&answers](const std::string& answer) {
                               return take_answer(answers, &SetupAnswers::hostname, answer);
                           });
}

Result<void> ask_submission(const SetupFacts& facts, SetupConsole& console, SetupAnswers& answers) {
    console.out << "\nSubmission server\n\n";
    if (!facts.mail_installed) {
        console.out << "It isn't installed: there is no user sekisho-smtpd. When it is wanted:\n"
                       "  apt-get install sekisho-smtpd && sekisho setup --replace\n";
        return {};
    }
    console.out << "It takes the mail of those whose port 25 is closed, on ports 587 and 465,\n"
                   "with a password.\n";
    const auto wanted = ask_yes(console, "Run it?", true);
    if (!wanted) {
        return std::unexpected(wanted.error());
    }
    if (!*wanted) {
        return {};
    }
    auto done = ask_names(console, answers);
    if (done && facts.certificate_there) {
        console.out << "Its certificate is there already: " << setup_certificate << ".\n";
    } else if (done) {
        console.out << "There is no certificate yet. One is made that nobody has signed, so mail\n"
                       "programs warn of it. Put a real one, with its chain, to\n  "
                    << setup_certificate << "\nand its key (chgrp sekisho-smtpd, chmod 0640) to\n  "
                    << setup_key << "\nand then: systemctl reload sekisho-smtpd\n";
    }
    return done;
}

Result<void> ask_first_user(const SetupFacts& facts, SetupConsole& console, SetupUser& user) {
    console.out << "\nFirst user\n\n";
    if (!facts.users_wanted) {
        console.out << "sekisho-auth, which knows the users, doesn't run. Once it does:\n"
                       "  sekisho user add NAME\n";
        return {};
    }
    console.out << "The name as mail programs send it, like anna@example.net.\n";
    return ask_user(console, user);
}

}  // namespace

void show_rejection(SetupConsole& console, const Error& error) {
    console.out << "  No: " << printable(error.what) << ".\n";
    if (!error.remedy.empty()) {
        console.out << "  " << printable(error.remedy) << '\n';
    }
}

Result<bool> ask_yes(SetupConsole& console, const std::string& question, bool otherwise) {
    bool yes = otherwise;
    const auto done = ask_until_taken(
        console, question, otherwise ? "yes" : "no",
        [&yes](const std::string& answer) -> std::optional<Error> {
            const std::string word = lowered(answer);
            yes = word == "yes" || word == "y";
            return yes || word == "no" || word == "n"
                       ? std::nullopt
                       : std::optional(no_answer("that is neither yes nor no", "write yes or no"));
        });
    return done ? Result<bool>(yes) : std::unexpected(done.error());
}

Result<void> ask_user(SetupConsole& console, SetupUser& user) {
    auto done = ask_until_taken(console, "Name", user.name.empty() ? "none" : user.name,
                                [&user](const std::string& answer) -> std::optional<Error> {
                                    const auto words = answer_words_or_none(answer);
                                    if (words.size() > 1) {
                                        return no_answer("a name has no blanks and commas",
                                                         "write it like anna or anna@example.net");
                                    }
                                    user.name = words.empty() ? "" : words.front();
                                    return std::nullopt;
                                });
    constexpr int tries = 5;
    for (int i = 0; done && !user.name.empty(); i++) {
        auto password = console.password(user.name);
        if (password) {
            user.password = std::move(*password);
            break;
        }
        if (password.error().kind != Failure::invalid || i + 1 == tries) {
            return std::unexpected(password.error());
        }
        show_rejection(console, password.error());
    }
    return done;
}

Result<std::string> password_line(SetupConsole& console, const std::string& name) {
    console.out << "Password for " << printable(name) << ":\n" << std::flush;
    std::string line;
    if (!std::getline(console.in, line)) {
        return std::unexpected(no_more_answers());
    }
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    if (line.empty()) {
        return fail(Failure::invalid, "no password was given", "write it on the line behind the name");
    }
    return line;
}

Result<SetupPlan> ask_setup(const SetupFacts& facts, SetupConsole& console) {
    console.out << "An empty line takes what stands in [brackets]. Nothing is written before the\n"
                   "end.\n";
    SetupPlan plan;
    auto done = ask_interfaces(facts, console, plan.answers);
    if (done) {
        done = ask_pool(console, plan.answers);
    }
    if (done) {
        done = ask_designated(console, plan.answers);
    }
    if (done) {
        done = ask_submission(facts, console, plan.answers);
    }
    if (done && !plan.answers.hostname.empty()) {
        done = ask_first_user(facts, console, plan.user);
    }
    return done ? Result<SetupPlan>(std::move(plan)) : std::unexpected(done.error());
}

}  // namespace sekisho::cli
