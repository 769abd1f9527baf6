// SPDX-License-Identifier: Apache-2.0
// The questions of `sekisho setup`, in plain lines: for a serial line, a dumb terminal, or a file of answers.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/cli/setup_toml.h"

namespace sekisho::cli {

struct SetupInterface {
    std::string name;
    std::string address;  // MAC; empty where there is none
    std::string driver;   // empty where it can't be told
    bool up = false;      // has a link
};

// What the machine has to say before it is asked about.
struct SetupFacts {
    std::vector<SetupInterface> interfaces;
    bool mail_installed = true;      // the submission server
    bool certificate_there = false;  // and its certificate
    bool users_wanted = true;        // somebody will be there to take the first user
};

// Who asks, and who answers.
struct SetupConsole {
    std::istream& in;
    std::ostream& out;
    bool echo = false;  // the answers aren't seen by themselves, so they are shown
    // Asks for a user's password without showing it. After Failure::invalid it is asked again.
    std::function<Result<std::string>(const std::string& name)> password;
};

struct SetupUser {
    std::string name;      // empty: none
    std::string password;  // wipe() it
};

struct SetupPlan {
    SetupAnswers answers;
    SetupUser user;
};

// Asks everything. Of an answer that can't be it is said why, and it is asked again. Failure::unavailable
// where the answers end before the questions.
[[nodiscard]] Result<SetupPlan> ask_setup(const SetupFacts& facts, SetupConsole& console);

// Asks for a name, by default the one that is there, and its password. Whether they can be these says
// sekisho-auth.
[[nodiscard]] Result<void> ask_user(SetupConsole& console, SetupUser& user);

// The next answer as a password, not shown; for who doesn't sit at a terminal.
[[nodiscard]] Result<std::string> password_line(SetupConsole& console, const std::string& name);

// Why an answer is asked for again.
void show_rejection(SetupConsole& console, const Error& error);

// Yes or no. Failure::unavailable where there is no answer.
[[nodiscard]] Result<bool> ask_yes(SetupConsole& console, const std::string& question, bool otherwise);

}  // namespace sekisho::cli
