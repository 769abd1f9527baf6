// SPDX-License-Identifier: Apache-2.0
// The command line's grammar and its help texts. Internal to this room.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "agent/cli/arguments.h"

namespace sekisho::cli {

// The words of the command line before they are read as values.
struct Words {
    Command command = Command::status;
    bool json = false;
    std::string socket;
    std::string config;
    std::string address;
    std::string destination;
    std::string prefix;
    std::string lifetime;
    std::string budget;
    std::optional<std::string> scope;
    bool kill = false;
    bool no_cool_down = false;
    bool discard = false;
    bool older = false;
    bool reboot = false;
    bool yes = false;
    bool replace = false;
    bool no_start = false;
    bool print = false;
    bool force = false;
    bool recoverable = false;
    bool hashed = false;
    std::string count;
    std::string from;  // where a list goes on
    std::string before;
    std::string session;
    std::string nas;
    bool follow = false;
    std::string since;
    std::string event;
    std::string user;
    std::string sender;
    std::string recipient;
    std::string listener;
    std::string arrival;
    bool empty = false;
    std::string text;
    std::string reporter;
    std::string name;
};

// A command with its examples, and a word that some begin with.
CLI::App& leaf(CLI::App& parent, Words& words, Command command, const std::string& name,
               const std::string& about, const std::string& examples);
CLI::App& group(CLI::App& parent, const std::string& name, const std::string& about,
                const std::string& examples);

// The commands about the machine itself: image, backup, restore, mailbox, certificate, setup.
void add_machine(CLI::App& app, Words& words);

// Tells the parser all commands; what it understands goes into `words`, which must outlive it.
void set_up(CLI::App& app, Words& words);

// The name of the command that was being typed, as deep as it was understood: "sekisho grant add".
[[nodiscard]] std::string name_of(CLI::App& app);

// The help on it.
[[nodiscard]] std::string help_of(CLI::App& app);

}  // namespace sekisho::cli
