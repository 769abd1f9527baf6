// SPDX-License-Identifier: Apache-2.0
// Interfaces that come and go: programs are put there, and put there again where somebody has taken them off.
#include <fnmatch.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "agent/base/log.h"
#include "agent/daemon.h"

namespace sekisho {

namespace {

const InterfaceConfig* config_of(const Config& config, const std::string& name) {
    for (const InterfaceConfig& interface : config.interfaces) {
        if (::fnmatch(interface.name.c_str(), name.c_str(), 0) == 0) {
            return &interface;
        }
    }
    return nullptr;
}

}  // namespace

Result<void> Daemon::watch_links() {
    auto watcher = links::Watcher::start(
        context_.get_executor(), [this](const links::Link& link) { link_appeared(link); },
        [this](const links::Link& link) { link_gone(link); });
    if (!watcher) {
        return std::unexpected(watcher.error());
    }
    watcher_ = std::move(*watcher);
    // What is attached is judged from the moment when the rest is closed; and what is let go is closed
    // before.
    guard_.begin();
    const auto freed = dataplane_.detach_others();
    if (freed && *freed > 0) {
        log::info("INTERFACE_RELEASED", "interfaces that the configuration no longer names were freed",
                  {{"count", std::to_string(*freed)}});
    }
    for (const std::string& name : missing_interfaces()) {
        log::warning("INTERFACE_MISSING", "no interface has this name yet; it is attached when it appears",
                     {{"pattern", name}});
    }
    return {};
}

void Daemon::load_ahead() {
    boost::asio::post(context_, [this] {
        const auto loaded = dataplane_.load_ahead();
        if (!loaded) {
            log::error("PROGRAM_REFUSED", loaded.error().what, {{"remedy", loaded.error().remedy}});
        } else if (*loaded) {
            load_ahead();
        }
    });
}

std::vector<std::string> Daemon::missing_interfaces() const {
    std::vector<std::string> missing;
    for (const InterfaceConfig& interface : config_.interfaces) {
        const bool matched = std::ranges::any_of(seen_, [&interface](const auto& seen) {
            return ::fnmatch(interface.name.c_str(), seen.second.link.name.c_str(), 0) == 0;
        });
        if (!matched) {
            missing.push_back(interface.name);
        }
    }
    return missing;
}

void Daemon::link_appeared(const links::Link& link) {
    const InterfaceConfig* interface = config_of(config_, link.name);
    if (interface == nullptr) {
        if (seen_.erase(link.index) != 0) {  // renamed away from the pattern
            dataplane_.forget(link.index);
            log::warning("INTERFACE_RELEASED", "its new name is not in the configuration",
                         {{"interface", link.name}});
        }
        if (link.on != 0) {
            stacked_[link.index] = link;
        }
        guard_.changed();
        return;
    }
    stacked_.erase(link.index);
    attach(link, *interface);
    guard_.changed();
}

void Daemon::attach(const links::Link& link, const InterfaceConfig& interface) {
    const dataplane::Interface facts{.index = link.index,
                                     .name = link.name,
                                     .hardware = link.hardware,
                                     .mac = link.mac,
                                     .bridge = link.kind == "bridge" || link.port_of == "bridge"};
    const auto noticed = std::chrono::steady_clock::now();
    const auto attached = dataplane_.attach(facts, interface);
    const bool is_new = !seen_.contains(link.index);
    Seen& seen = seen_[link.index];
    if (!attached) {
        // Tried again and again: said once.
        if (!seen.trouble || seen.trouble->what != attached.error().what) {
            log::error("INTERFACE_NOT_ATTACHED", attached.error().what,
                       {{"interface", link.name},
                        {"until_judged", interface.closed_until_judged ? "drop" : "pass"},
                        {"remedy", attached.error().remedy}});
        }
        seen = {.link = link,
                .side = interface.side,
                .fast_path = interface.fast_path,
                .closed = interface.closed_until_judged,
                .trouble = attached.error(),
                .unjudged = seen.unjudged};
        return;
    }
    Unjudged unjudged = seen.unjudged;
    if (is_new) {
        unjudged = unjudged_of(link, *attached, link.came ? std::optional(noticed) : std::nullopt);
    } else if (seen.trouble) {
        unjudged = unjudged_of(link, *attached, std::nullopt);
    }
    seen = {.link = link,
            .side = interface.side,
            .fast_path = interface.fast_path,
            .closed = interface.closed_until_judged,
            .trouble = std::nullopt,
            .unjudged = unjudged};
    log::info("INTERFACE_ATTACHED", attached->why,
              {{"interface", link.name},
               {"index", link.index},
               {"side", to_string(interface.side)},
               {"mode", attached->mode},
               {"unjudged_packets", unjudged.packets.value_or(0)}});
}

// Asked when the program stands there: an interface that is still down has let nobody in.
Daemon::Unjudged Daemon::unjudged_of(const links::Link& link, const dataplane::Attachment& attachment,
                                     std::optional<std::chrono::steady_clock::time_point> noticed) {
    const auto traffic = links::traffic_of(link.index);
    if (attachment.taken_over || (traffic && !traffic->up)) {
        return {.packets = 0, .time = std::chrono::microseconds(0)};
    }
    Unjudged unjudged{.packets = std::nullopt, .time = std::nullopt};
    if (traffic) {
        unjudged.packets = traffic->received;
    }
    if (noticed) {
        unjudged.time = std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now() - *noticed);
    }
    return unjudged;
}

void Daemon::link_gone(const links::Link& link) {
    if (stacked_.erase(link.index) != 0) {
        guard_.changed();
    }
    if (seen_.erase(link.index) == 0) {
        return;
    }
    guard_.changed();
    dataplane_.forget(link.index);
    log::warning("INTERFACE_GONE", "it is attached again when it comes back", {{"interface", link.name}});
}

bool Daemon::verify_pins() {
    const auto renewed = dataplane_.renew_pins();
    if (!renewed) {
        if (pins_trouble_ != renewed.error().what) {  // tried again and again: said once
            log::error("PINS_LOST", renewed.error().what, {{"remedy", renewed.error().remedy}});
            pins_trouble_ = renewed.error().what;
        }
        return renewed.error().kind != Failure::conflict;
    }
    if (*renewed) {
        log::warning("PINS_RENEWED",
                     "somebody has removed the pins of the kernel's maps; they are pinned again",
                     {{"path", config_.dataplane.pin_path.string()}});
    }
    pins_trouble_.clear();
    return true;
}

void Daemon::verify_interfaces() {
    for (const auto& [index, seen] : std::map(seen_)) {
        const InterfaceConfig* interface = config_of(config_, seen.link.name);
        const bool in_place = !seen.trouble && dataplane_.in_place(index);
        if (interface == nullptr || in_place) {
            continue;
        }
        if (!seen.trouble) {
            log::warning("INTERFACE_LOST", "somebody took the program off the interface; attaching it again",
                         {{"interface", seen.link.name}});
        }
        attach(seen.link, *interface);
        guard_.changed();
    }
    refresh_fast_path();
}

}  // namespace sekisho
