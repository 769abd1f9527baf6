// SPDX-License-Identifier: Apache-2.0
// A directory that stands for the machine, and `sekisho setup` in it.
#pragma once

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/cli/setup_command.h"
#include "tests/unit/directory.h"

namespace sekisho::cli {

// Lines that are typed, or read.
using Lines = std::vector<std::string>;

inline std::string read_file(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
}

inline mode_t mode_of(const std::filesystem::path& file) {
    struct stat facts{};
    return ::stat(file.c_str(), &facts) == 0 ? facts.st_mode & 07777U : 0U;
}

// Somebody who has a name on this machine: whose group may read the key.
inline std::string own_name() {
    const passwd* const entry = ::getpwuid(::geteuid());
    return entry == nullptr ? "root" : entry->pw_name;
}

// One interface of sysfs.
inline void add_interface(const std::filesystem::path& place, const std::string& name,
                          const std::string& type, const std::string& address, const std::string& carrier) {
    write_file(place / name / "type", type + "\n");
    write_file(place / name / "address", address + "\n");
    write_file(place / name / "carrier", carrier);
}

class SetupTest : public testing::Test {
protected:
    SetupTest() {
        places_.units_read = directory_ / "etc/sekisho.toml";
        places_.example = directory_ / "example.toml";
        places_.certificate = directory_ / "tls/fullchain.pem";
        places_.key = directory_ / "tls/privkey.pem";
        places_.interfaces = directory_ / "net";
        places_.systemd = directory_ / "systemd";
        places_.systemctl = directory_ / "systemctl";
        places_.mail_user = own_name();
        write_file(places_.example, "# nothing\n");
        add_interface(places_.interfaces, "lo", "772", "00:00:00:00:00:00", "1\n");
        add_interface(places_.interfaces, "sub-a", "1", "02:00:00:00:00:0a", "1\n");
        add_interface(places_.interfaces, "core", "1", "02:00:00:00:00:01", "");
        add_interface(places_.interfaces, "ppp0", "512", "", "1\n");
        write_file(places_.interfaces / "bonding_masters", "bond0\n");
        arguments_.command = Command::setup;
        arguments_.config = places_.units_read;
        arguments_.socket = directory_ / "auth.sock";
    }

    // A systemctl that writes down what it is told, and ends with this code when it is told of `failing`.
    void run_systemd(const std::string& failing = "nothing", int code = 0) {
        std::filesystem::create_directory(places_.systemd);
        write_file(places_.systemctl, "#!/bin/sh\necho \"$*\" >> '" + (directory_ / "told").string() +
                                          "'\ncase \"$*\" in *" + failing + "*) exit " +
                                          std::to_string(code) + ";; esac\n");
        std::filesystem::permissions(places_.systemctl, std::filesystem::perms::owner_all);
    }

    [[nodiscard]] std::string told() const { return read_file(directory_ / "told"); }

    int give(const Lines& lines) {
        std::string input;
        for (const std::string& line : lines) {
            input += line + "\n";
        }
        std::istringstream in(input);
        std::ostringstream talk;
        std::ostringstream out;
        std::ostringstream err;
        SetupConsole console{.in = in, .out = talk, .echo = true, .password = {}};
        console.password = [&console](const std::string& name) { return password_line(console, name); };
        const int code = set_up_box(arguments_, places_, console, out, err);
        talk_ = talk.str();
        out_ = out.str();
        err_ = err.str();
        left_.clear();
        std::getline(in, left_);
        return code;
    }

    // What has been written.
    [[nodiscard]] Config config() const {
        const auto config = load_config(arguments_.config);
        EXPECT_TRUE(config) << text(arguments_.config, config ? std::vector<ConfigError>{} : config.error());
        return config.value_or(Config{});
    }

    // All files beside the configuration, and itself.
    [[nodiscard]] Lines files() const {
        Lines names;
        for (const auto& each : std::filesystem::directory_iterator(arguments_.config.parent_path())) {
            names.push_back(each.path().filename().string());
        }
        std::ranges::sort(names);
        return names;
    }

    [[nodiscard]] bool written() const { return std::filesystem::exists(arguments_.config); }

    tests::Directory directory_;
    SetupPlaces places_;
    Arguments arguments_;
    std::string talk_;
    std::string out_;
    std::string err_;
    std::string left_;  // the first answer that nobody has asked for
};

// What is typed where every default is right and nobody can be added.
inline const Lines plain_answers = {"sub-a", "", "192.0.2.0/24", "", "", "", "example.net", "", ""};

}  // namespace sekisho::cli
