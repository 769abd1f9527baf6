// SPDX-License-Identifier: Apache-2.0
// What was asked for on the command line, checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "agent/base/address.h"
#include "agent/base/result.h"
#include "agent/base/scope.h"

namespace sekisho::cli {

enum class Command : std::uint8_t {
    status,
    doctor,
    version,
    interface_list,
    grant_add,
    grant_import,
    grant_list,
    grant_show,
    grant_revoke,
    exempt_add,
    exempt_list,
    exempt_remove,
    blocked_top,
    dataplane_detach,
    quarantine_add,
    quarantine_list,
    quarantine_remove,
    lockout_list,
    lockout_remove,
    subscriber_list,
    subscriber_show,
    subscriber_import,
    why,
    why_relay,
    events,
    config_check,
    logins_list,
    logins_test,
    logins_patterns,
    user_add,
    user_list,
    user_passwd,
    user_remove,
    user_usage,
    user_stop,
    user_resume,
    queue_list,
    queue_show,
    queue_flush,
    queue_hold,
    queue_release,
    queue_delete,
    image_status,
    image_update,
    image_rollback,
    image_confirm,
    image_factory_reset,
    image_install,
    backup,
    restore,
    mailbox_apply,
    certificate_show,
    certificate_fetch,
    certificate_install,
    setup,
};

struct Arguments {
    Command command = Command::status;
    bool json = false;
    std::optional<std::filesystem::path> socket;  // "--socket"
    std::filesystem::path config = "/etc/sekisho/sekisho.toml";
    // Of grant add, show and revoke, quarantine add and remove, subscriber show, why, why-relay.
    Address address;
    std::optional<Address> destination;            // of why
    Prefix prefix;                                 // of exempt add and remove
    std::optional<std::chrono::seconds> lifetime;  // of grant add
    std::optional<std::uint32_t> budget;           // of grant add
    std::optional<Scope> scope;                    // of grant add
    bool kill = false;                             // of grant revoke
    bool cool_down = true;                         // of grant revoke
    bool discard = false;                          // of user resume
    bool older = false;                            // of image update
    bool yes = false;                              // of image install
    bool reboot = false;                           // of image update
    bool replace = false;                          // of setup
    bool no_start = false;                         // of setup
    bool print = false;                            // of mailbox apply
    bool force = false;                            // of certificate fetch
    std::optional<bool> recoverable;               // of user add, passwd
    std::uint32_t count = 20;         // of blocked top and events; 1000 of subscriber list, grant list
    std::uint64_t from = 0;           // of subscriber list
    std::uint64_t before = 0;         // of events
    std::uint64_t session = 0;        // of events, grant list
    std::string nas;                  // of subscriber list
    std::optional<std::uint64_t> id;  // of subscriber show, where it isn't by an address
    bool empty = false;               // of subscriber import
    bool follow = false;              // of events
    std::optional<std::chrono::seconds> since;  // of events
    std::optional<Prefix> within;               // of events, grant list, subscriber list
    std::optional<Prefix> after;                // of grant list
    std::string user;                           // of events, grant list, subscriber list, why-relay
    std::string sender;                         // of why-relay
    std::string recipient;                      // of why-relay
    std::uint32_t listener = 1;                 // of why-relay
    std::string arrival;                        // an interface, of why-relay
    std::string event;                          // of events
    std::string words;     // the reason of a grant or of user stop, the note of an exemption or a quarantine
    std::string reporter;  // of logins test and events; a source of grant list
    std::string name;  // of all of user but list; who is locked; a message's id or a domain of queue; a file
};

// Help was asked for.
struct Help {
    std::string text;
};

// Reads the arguments. An Error (Failure::invalid) is wrong usage: an unknown command or option, something
// missing, an address, prefix or duration that is none.
[[nodiscard]] std::variant<Arguments, Help, Error> read_arguments(std::span<const std::string> arguments);

}  // namespace sekisho::cli
