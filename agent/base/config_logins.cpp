// SPDX-License-Identifier: Apache-2.0
// Reads [login].
#include "agent/base/config_logins.h"

#include <utility>

#include "agent/base/config_read.h"

namespace sekisho {

namespace {

void read_proof(TomlTable& table, DovecotConfig& config) {
    const auto proof = table.text("proof");
    if (!proof) {
        return;
    }
    const std::size_t equals = proof->find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == proof->size()) {
        table.complain("proof", "must be an attribute and its value", "write it like \"authed=ok\"");
        return;
    }
    config.proof = std::pair(proof->substr(0, equals), proof->substr(equals + 1));
}

void read_reporter(TomlTable& table, std::string& name) {
    set(name, table.name("name"));
    if (name == "operator" || name == "submission") {
        table.complain("name",
                       "\"" + name + "\" is what grants by " +
                           (name == "operator" ? "the command line" : "the submission server") +
                           " are known by",
                       "choose another name");
    }
}

LogPatternConfig read_log_pattern(TomlTable& table) {
    LogPatternConfig config;
    table.require("name");
    table.require("expression");
    set(config.name, table.name("name"));
    set(config.program, table.text("program"));
    set(config.expression, table.text("expression"));
    return config;
}

LogConfig read_log(TomlTable& table) {
    LogConfig config;
    table.require("name");
    table.require("file");
    read_reporter(table, config.name);
    set_path(table, "file", config.file);
    set(config.patterns, table.texts("patterns"));
    table.tables("pattern",
                 [&config](TomlTable& pattern) { config.own.push_back(read_log_pattern(pattern)); });
    if (const auto lifetime = table.duration("lifetime")) {
        config.lifetime = *lifetime;
    }
    return config;
}

DovecotConfig read_dovecot(TomlTable& table) {
    DovecotConfig config;
    for (const std::string_view key : {"name", "listen", "key_file", "reporters"}) {
        table.require(key);
    }
    read_reporter(table, config.name);
    set(config.port, table.integer("port", 1, 65535));
    set_path(table, "key_file", config.key_file);
    config.reporters = table.prefixes("reporters", too_wide);
    if (!set_address(table, "listen", config.listen)) {
        config.port = 0;  // no listener: check_sections has nothing to compare
    }
    read_proof(table, config);
    if (const auto lifetime = table.duration("lifetime")) {
        config.lifetime = *lifetime;
    }
    return config;
}

}  // namespace

void read_logins(TomlTable& root, Sections& sections, Config& config) {
    root.table("login", [&sections, &config](TomlTable& table) {
        read_all(table, "dovecot", "reporters", read_dovecot, sections.dovecot);
        read_all(table, "log", "", read_log, sections.logs);
        table.table("submission", [&config](TomlTable& submission) {
            config.submission_login = read_submission_login(submission, config.grants);
        });
    });
}

}  // namespace sekisho
