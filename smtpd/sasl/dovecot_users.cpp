// SPDX-License-Identifier: Apache-2.0
// Writing the lines of Dovecot's passwd-files.
#include "smtpd/sasl/dovecot_users.h"

#include <algorithm>

#include "agent/base/ascii.h"
#include "smtpd/sasl/scram_keys.h"

namespace sekisho::sasl {

namespace {

// Nobody comes from there: allow_nets can't be empty.
constexpr std::string_view nowhere = "0.0.0.0/32";

// Beside letters and digits, by Dovecot's auth_username_chars.
constexpr std::string_view signs_in_names = ".-_@";

std::string allow_nets(const std::optional<std::vector<Prefix>>& networks) {
    if (!networks) {
        return {};
    }
    std::string text;
    for (const Prefix& network : *networks) {
        text.append(text.empty() ? "" : ",").append(network.text());
    }
    return "allow_nets=" + (text.empty() ? std::string(nowhere) : text);
}

void add_line(std::string& file, std::string_view name, std::string_view secret, std::string_view extra) {
    // The empty ones are the number, group, name, home and shell of a user of the system.
    file.append(name).append(":").append(secret).append("::::::").append(extra).append("\n");
}

}  // namespace

bool is_dovecot_name(std::string_view name) {
    return !name.empty() && !name.starts_with('.') && std::ranges::all_of(name, [](char octet) {
        return is_letter_or_digit(octet) || signs_in_names.find(octet) != std::string_view::npos;
    });
}

DovecotUsers dovecot_users(const UserList& users, RecoverablePasswords& recoverable,
                           LoginNetworks& networks) {
    DovecotUsers files;
    for (const std::string& name : users.names()) {
        if (!is_dovecot_name(name)) {
            files.left_out++;
            continue;
        }
        files.users++;
        const std::string& hash = *users.hash_of(name);
        const std::string extra = allow_nets(networks.of(name));
        add_line(files.hashes, name, "{CRYPT}" + hash, extra);
        for (const ScramHash each : scram_hashes) {
            if (const auto keys = users.keys_of(name, each)) {
                add_line(each == ScramHash::sha256 ? files.scram_sha_256 : files.scram_sha_1, name,
                         print(each, *keys), extra);
            }
        }
        if (const auto password = recoverable.of(name, hash)) {
            std::string secret = "{PLAIN.b64}" + to_base64(password->view());
            add_line(files.recoverable, name, secret, extra);
            wipe(secret);
        }
    }
    return files;
}

}  // namespace sekisho::sasl
