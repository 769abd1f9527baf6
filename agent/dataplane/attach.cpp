// SPDX-License-Identifier: Apache-2.0
// Attaching: which way in, and what to do when it is taken already.
#include "agent/dataplane/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if_arp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <expected>
#include <system_error>

#include "agent/dataplane/clsact.h"
#include "agent/dataplane/offloads.h"
#include "agent/dataplane/refusal.h"

namespace sekisho::dataplane {

namespace {

// BPF_TCX_INGRESS of Linux 6.6; older headers don't have it, and libbpf passes it on unseen.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

constexpr std::array<const char*, 3> link_modes = {"xdp", "xdp-generic", "tcx"};

std::filesystem::path pin_of(const std::filesystem::path& links, unsigned index, const std::string& mode) {
    return links / (std::to_string(index) + "-" + mode);
}

std::uint32_t program_id(int program) {
    bpf_prog_info info{};
    std::uint32_t length = sizeof(info);
    return bpf_obj_get_info_by_fd(program, &info, &length) == 0 ? info.id : 0;
}

// Replaces the program behind a pinned link. False if there is no such link, or its interface is gone.
bool update_link(const std::filesystem::path& pin, int program) {
    const Descriptor link(bpf_obj_get(pin.c_str()));
    if (!link) {
        return false;
    }
    if (bpf_link_update(link.get(), program, nullptr) == 0) {
        return true;
    }
    // ENOLINK: the interface went, and took the link with it. An index can come back as another interface's.
    std::error_code ignored;
    std::filesystem::remove(pin, ignored);
    return false;
}

// 0, or an errno.
int make_link(const std::filesystem::path& pin, unsigned index, int program, const std::string& mode) {
    if (update_link(pin, program)) {
        return 0;
    }
    bpf_link_create_opts options{};
    options.sz = sizeof(options);
    if (mode == "xdp") {
        options.flags = XDP_FLAGS_DRV_MODE;
    } else if (mode == "xdp-generic") {
        options.flags = XDP_FLAGS_SKB_MODE;
    }
    const int number =
        bpf_link_create(program, static_cast<int>(index), mode == "tcx" ? tcx_ingress : BPF_XDP, &options);
    if (number < 0) {
        return -number;
    }
    const Descriptor link(number);
    // Somebody may have removed all pins under a running agent, their directory included.
    std::error_code ignored;
    std::filesystem::create_directories(pin.parent_path(), ignored);
    // Without a pin the link would end with the agent, and the subscribers' port 25 would open.
    return bpf_obj_pin(link.get(), pin.c_str()) == 0 ? 0 : errno;
}

// ARPHRD_IP6GRE, which only linux/if_arp.h has; that can't stand beside net/if.h.
constexpr std::uint16_t ip6gre = 823;

// Whether packets of this kind of device begin with IP: ppp*, TUN, tunnels.
bool is_bare(std::uint16_t hardware) {
    return hardware == ARPHRD_PPP || hardware == ARPHRD_NONE || hardware == ARPHRD_RAWIP ||
           hardware == ARPHRD_TUNNEL || hardware == ARPHRD_TUNNEL6 || hardware == ARPHRD_SIT ||
           hardware == ARPHRD_IPGRE || hardware == ip6gre;
}

// The ways in, best first. XDP sees an Ethernet header or nothing that it understands.
std::vector<std::string> modes_of(Attach attach, bool bare) {
    if (bare && attach == Attach::automatic) {
        attach = Attach::tc;
    }
    switch (attach) {
        case Attach::automatic:
            return {"xdp", "tcx", "clsact"};
        case Attach::xdp:
            return {"xdp"};
        case Attach::xdp_generic:
            return {"xdp-generic"};
        case Attach::tc:
            return {"tcx", "clsact"};
        case Attach::clsact:
            return {"clsact"};
    }
    std::unreachable();
}

std::string why_this(Attach attach, bool bare, const std::string& failures) {
    if (!failures.empty()) {
        return failures;
    }
    if (attach != Attach::automatic) {
        return "the configuration says " + std::string(to_string(attach));
    }
    return bare ? "no Ethernet header, which XDP needs" : "native XDP: the driver has it";
}

// Takes a link's program off its interface and forgets the link. Removing the pin alone would do, but later:
// the kernel puts off the end of a link that nobody holds any more.
bool remove_link(const std::filesystem::path& pin) {
    if (const Descriptor link(bpf_obj_get(pin.c_str())); link) {
        static_cast<void>(bpf_link_detach(link.get()));  // fails where the interface has gone already
    }
    std::error_code ignored;
    return std::filesystem::remove(pin, ignored);
}

int attach_as(const Kernel& kernel, const Interface& interface, int program, const std::string& mode) {
    if (mode == "clsact") {
        return make_clsact(interface.index, program);
    }
    const auto pin = pin_of(kernel.links(), interface.index, mode);
    if (!mode.starts_with("xdp")) {
        return make_link(pin, interface.index, program, mode);
    }
    // One XDP program has room on a device: ours of the other XDP mode has to make way first, and comes back
    // if this one can't go there.
    const std::string other = mode == "xdp" ? "xdp-generic" : "xdp";
    const auto other_pin = pin_of(kernel.links(), interface.index, other);
    const bool made_way = remove_link(other_pin);
    const int error = make_link(pin, interface.index, program, mode);
    if (error != 0 && made_way) {
        static_cast<void>(make_link(other_pin, interface.index, program, other));
    }
    return error;
}

// The ids of the programs on a device's TCX ingress; none where the kernel has no TCX.
std::vector<std::uint32_t> tcx_programs(unsigned index) {
    constexpr std::size_t most = 64;  // BPF_MPROG_MAX of the kernel
    std::vector<std::uint32_t> ids(most);
    struct bpf_prog_query_opts options{};  // there is a function of that name, too
    options.sz = sizeof(options);
    options.prog_ids = ids.data();
    options.prog_cnt = most;
    if (bpf_prog_query_opts(static_cast<int>(index), tcx_ingress, &options) != 0) {
        return {};
    }
    ids.resize(options.prog_cnt);
    return ids;
}

std::uint32_t xdp_program_on(unsigned index, bool generic) {
    bpf_xdp_query_opts options{};
    options.sz = sizeof(options);
    if (bpf_xdp_query(static_cast<int>(index), 0, &options) != 0) {
        return 0;
    }
    return generic ? options.skb_prog_id : options.drv_prog_id;
}

// The XDP program that has taken the place of ours, as an operator finds it: only root may ask its name.
std::string foreign_program(unsigned index) {
    bpf_xdp_query_opts options{};
    options.sz = sizeof(options);
    if (bpf_xdp_query(static_cast<int>(index), 0, &options) != 0 || options.prog_id == 0) {
        return "another program";
    }
    return "program " + std::to_string(options.prog_id);
}

// What lacks where the kernel or a driver says no to XDP or TCX, and what to do about it.
std::string why_not(const Interface& interface, const std::string& mode, int error) {
    switch (error) {
        case EBUSY:
            return foreign_program(interface.index) + " is attached already (`bpftool prog show`)";
        case ENODEV:
            return "the interface is gone";
        default:
            break;
    }
    if (mode == "xdp") {
        const auto on = harmful_offloads(interface.name);
        return why_no_xdp(error, {.name = interface.name,
                                  .driver = driver_of(interface.name),
                                  .lro = std::ranges::find(on, "lro") != on.end(),
                                  .mtu = mtu_of(interface.name)});
    }
    return error == EOPNOTSUPP ? "the kernel does not support it" : error_text(error);
}

}  // namespace

bool is_attached(const Attachment& attachment) {
    if (attachment.mode == "tcx") {
        const auto programs = tcx_programs(attachment.index);
        return std::ranges::find(programs, attachment.program) != programs.end();
    }
    return attachment.program == (attachment.mode == "clsact"
                                      ? clsact_program_on(attachment.index)
                                      : xdp_program_on(attachment.index, attachment.mode == "xdp-generic"));
}

namespace {

// What the device does to packets before XDP sees them is switched off: "switched off: lro", or what can't
// be.
std::expected<std::string, std::string> leave_frames_alone(const std::string& interface,
                                                           std::vector<std::string> before) {
    const auto offloads = switch_off_offloads(interface);
    if (!offloads) {
        return std::unexpected(offloads.error().what);
    }
    before.insert(before.end(), offloads->begin(), offloads->end());
    std::string names;
    for (const std::string& offload : before) {
        names += (names.empty() ? "switched off: " : ", ") + offload;
    }
    return names;
}

// One way in: the attachment, or why not.
std::expected<Attachment, std::string> try_mode(Kernel& kernel, const Interface& interface,
                                                const InterfaceConfig& config, const std::string& mode) {
    const auto program = mode.starts_with("xdp") ? kernel.programs().xdp(config)
                                                 : kernel.programs().tc(config, is_bare(interface.hardware));
    if (!program) {
        return std::unexpected(program.error().what);
    }
    Attachment attachment{.interface = interface.name,
                          .index = interface.index,
                          .side = config.side,
                          .mode = mode,
                          .why = {},
                          .program = program_id(*program),
                          .fast_path = config.fast_path && mode == "xdp"};
    int error = attach_as(kernel, interface, *program, mode);
    // A pin can be that of a device which has moved away and left its number to this one.
    if (error == 0 && !is_attached(attachment)) {
        static_cast<void>(remove_link(pin_of(kernel.links(), interface.index, mode)));
        error = attach_as(kernel, interface, *program, mode);
        if (error == 0 && !is_attached(attachment)) {
            return std::unexpected("the kernel took the program, but does not run it");
        }
    }
    if (error != 0) {
        return std::unexpected(why_not(interface, mode, error));
    }
    return attachment;
}

// Whether a program of ours judges its packets, perhaps that of an agent before this one.
bool is_judged(const std::filesystem::path& links, unsigned index) {
    const bool linked = std::ranges::any_of(link_modes, [&](const char* mode) {
        const Descriptor link(bpf_obj_get(pin_of(links, index, mode).c_str()));
        bpf_link_info info{};
        std::uint32_t length = sizeof(info);
        // TCX's ifindex stands where XDP's does; 0 if the interface has gone.
        return link && bpf_obj_get_info_by_fd(link.get(), &info, &length) == 0 && info.xdp.ifindex == index;
    });
    return linked || clsact_program_on(index) != 0;
}

}  // namespace

Result<Attachment> attach_program(Kernel& kernel, const Interface& interface, const InterfaceConfig& config) {
    const Attach attach = config.attach;
    const bool bare = is_bare(interface.hardware);
    if (!bare && interface.hardware != ARPHRD_ETHER) {
        return fail(Failure::unavailable,
                    "can't attach to " + interface.name + ": neither Ethernet nor IP alone (hardware type " +
                        std::to_string(interface.hardware) + ")",
                    "name only interfaces that subscribers' packets come in by");
    }
    if (bare && (attach == Attach::xdp || attach == Attach::xdp_generic)) {
        return fail(Failure::unavailable,
                    "can't attach to " + interface.name + " by XDP: it has no Ethernet header",
                    R"(set attach = "tc" or "auto" for it)");
    }
    const bool taken_over = is_judged(kernel.links(), interface.index);
    std::string failures;
    for (const std::string& mode : modes_of(attach, bare)) {
        // Most drivers refuse XDP while they merge segments, which they mustn't where packets are forwarded.
        const auto before =
            mode == "xdp" ? switch_off_offloads(interface.name, "lro").value_or(std::vector<std::string>())
                          : std::vector<std::string>();
        auto attachment = try_mode(kernel, interface, config, mode);
        if (!attachment) {
            failures += (failures.empty() ? "not " : "; not ") + mode + ": " + attachment.error();
            continue;
        }
        std::string offloads;
        if (mode.starts_with("xdp")) {
            const auto alone = leave_frames_alone(interface.name, before);
            if (!alone && attach == Attach::automatic) {
                failures += "not " + mode + ": " + alone.error();
                continue;  // TC is told of tags; our XDP program goes when that one is there
            }
            // Where the configuration insists, it stays, and `doctor` complains.
            offloads = alone ? *alone : alone.error();
        }
        detach_programs(kernel.links(), interface.index, mode);
        attachment->why = why_this(attach, bare, failures) + (offloads.empty() ? "" : "; ") + offloads;
        attachment->taken_over = taken_over;
        return *attachment;
    }
    return fail(Failure::unavailable, "can't attach to " + interface.name + ": " + failures,
                attach == Attach::automatic ? "take away what is in the way (`ip link show`, `bpftool net`)"
                                            : "set attach = \"auto\" for it, or remove what is in the way");
}

bool detach_programs(const std::filesystem::path& links, unsigned index, const std::string& kept_mode) {
    bool found = false;
    for (const char* mode : link_modes) {
        if (kept_mode != mode && remove_link(pin_of(links, index, mode))) {
            found = true;
        }
    }
    if (kept_mode != "clsact" && remove_clsact(index)) {
        found = true;
    }
    return found;
}

std::vector<unsigned> linked_interfaces(const std::filesystem::path& links) {
    std::vector<unsigned> indexes;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(links, error)) {
        const std::string name = entry.path().filename();
        unsigned index = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), index).ec == std::errc()) {
            indexes.push_back(index);
        }
    }
    return indexes;
}

}  // namespace sekisho::dataplane
