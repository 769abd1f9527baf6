// SPDX-License-Identifier: Apache-2.0
// sysfs, the drivers, and systemctl.
#include "agent/cli/setup_machine.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>

#include "agent/base/descriptor.h"
#include "agent/cli/program.h"

namespace sekisho::cli {

namespace {

// The first line of one of sysfs's files; empty where it can't be read, as the link of a device that is off.
std::string line_of(const std::filesystem::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

// As `ethtool -i` shows it.
std::string driver_name(const std::string& interface) {
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) {
        return {};
    }
    return {std::begin(info.driver), std::ranges::find(info.driver, '\0')};
}

std::unexpected<Error> systemctl_failed(const std::vector<std::string>& words, const std::string& why) {
    return fail(Failure::unavailable, command_text(words) + ": " + why,
                "systemctl status " + words.back() + ", and journalctl -u " + words.back());
}

}  // namespace

std::vector<SetupInterface> interfaces_in(const std::filesystem::path& place) {
    const std::string loopback = std::to_string(ARPHRD_LOOPBACK);
    std::vector<SetupInterface> found;
    std::error_code error;
    for (std::filesystem::directory_iterator each(place, error), end; !error && each != end;
         each.increment(error)) {
        const std::string type = line_of(each->path() / "type");
        if (!type.empty() && type != loopback) {
            const std::string name = each->path().filename().string();
            found.push_back({.name = name,
                             .address = line_of(each->path() / "address"),
                             .driver = driver_name(name),
                             .up = line_of(each->path() / "carrier") == "1"});
        }
    }
    std::ranges::sort(found, {}, &SetupInterface::name);
    return found;
}

std::vector<std::vector<std::string>> start_commands(bool submission) {
    std::vector<std::vector<std::string>> commands = {{"restart", "sekisho-agent"}};
    if (submission) {
        // Their sockets come along. Those that run already must read the new configuration.
        for (const char* const verb : {"enable", "restart"}) {
            commands.push_back({verb, "sekisho-auth", "sekisho-relay", "sekisho-smtpd"});
        }
    }
    return commands;
}

std::string command_text(const std::vector<std::string>& words) {
    std::string text = "systemctl";
    for (const std::string& word : words) {
        text += " " + word;
    }
    return text;
}

Result<void> run_systemctl(const std::filesystem::path& program, const std::vector<std::string>& words) {
    std::vector<std::string> all = {program.string()};
    all.insert(all.end(), words.begin(), words.end());
    const auto said = run_program(all);
    if (!said) {
        return systemctl_failed(words, said.error().what);
    }
    std::cerr << said->text;
    if (said->exit_code != 0) {
        return systemctl_failed(words, said->exit_code > 0 ? "exit code " + std::to_string(said->exit_code)
                                                           : "ended by a signal");
    }
    return {};
}

}  // namespace sekisho::cli
