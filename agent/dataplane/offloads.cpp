// SPDX-License-Identifier: Apache-2.0
// Questions to a device's driver, by SIOCETHTOOL.
#include "agent/dataplane/offloads.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "agent/base/descriptor.h"

namespace sekisho::dataplane {

namespace {

constexpr std::array<std::pair<std::uint32_t, const char*>, 2> harmful = {
    {{ETH_FLAG_RXVLAN, "rxvlan"}, {ETH_FLAG_LRO, "lro"}}};

// `question` begins with the command.
bool ask_driver(const std::string& interface, void* question) {
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(question);
    return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

// ETH_FLAG_... of a device; nothing if it can't be told.
std::optional<std::uint32_t> flags_of(const std::string& interface) {
    ethtool_value value{};
    value.cmd = ETHTOOL_GFLAGS;
    return ask_driver(interface, &value) ? std::optional(value.data) : std::nullopt;
}

}  // namespace

std::string driver_of(const std::string& interface) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    if (!ask_driver(interface, &info)) {
        return {};
    }
    return {std::begin(info.driver), std::ranges::find(info.driver, '\0')};
}

std::vector<std::string> harmful_offloads(const std::string& interface) {
    std::vector<std::string> on;
    const std::uint32_t flags = flags_of(interface).value_or(0);
    for (const auto& [flag, name] : harmful) {
        if ((flags & flag) != 0) {
            on.emplace_back(name);
        }
    }
    return on;
}

Result<std::vector<std::string>> switch_off_offloads(const std::string& interface, std::string_view only) {
    const auto wanted_on = [&interface, only] {
        std::vector<std::string> on = harmful_offloads(interface);
        std::erase_if(on, [only](const std::string& each) { return !only.empty() && each != only; });
        return on;
    };
    std::vector<std::string> on = wanted_on();
    if (on.empty()) {
        return on;
    }
    ethtool_value value{};
    value.cmd = ETHTOOL_SFLAGS;
    value.data = flags_of(interface).value_or(0);
    for (const auto& [flag, name] : harmful) {
        value.data &= only.empty() || only == name ? ~flag : ~0U;
    }
    ask_driver(interface, &value);  // what came of it is looked at
    const std::vector<std::string> still_on = wanted_on();
    if (!still_on.empty()) {
        return fail(Failure::unavailable, "the device keeps " + still_on.front() + " on (`ethtool -k " +
                                              interface + "`), which hides packets from XDP");
    }
    return on;
}

int mtu_of(const std::string& interface) {
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    return ::ioctl(socket.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

}  // namespace sekisho::dataplane
