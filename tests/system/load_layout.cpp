// SPDX-License-Identifier: Apache-2.0
// Leaves an older layout in the kernel as its agent did: maps and links pinned, clsact filters in their
// place.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

// BPF_TCX_INGRESS of Linux 6.6; older headers don't have it, and libbpf passes it on unseen.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

using Object = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

void check(bool good, const std::string& what) {
    if (!good) {
        throw std::runtime_error(what);
    }
}

unsigned number_of(std::string_view text) {
    unsigned number = 0;
    check(std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc(),
          "no number: " + std::string(text));
    return number;
}

// Since layout 5 there is a .bss; it is the state, under a name of its own.
void name_pins(bpf_object* object, const std::filesystem::path& directory, std::uint32_t entries) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        std::string name = bpf_map__name(map);
        if (bpf_map__is_internal(map)) {
            if (!name.ends_with(".bss")) {
                continue;
            }
            name = "sekisho_state";
        }
        if (name == "sekisho_entries" || name == "sekisho_flows") {
            check(bpf_map__set_max_entries(map, entries) == 0, "no size for " + name);
        }
        check(bpf_map__set_pin_path(map, (directory / name).c_str()) == 0, "no pin for " + name);
    }
}

Object load(const std::filesystem::path& file, const std::filesystem::path& directory,
            std::uint32_t entries) {
    Object object(bpf_object__open_file(file.c_str(), nullptr), &bpf_object__close);
    check(object != nullptr, "can't open " + file.string());
    name_pins(object.get(), directory, entries);
    check(bpf_object__load(object.get()) == 0, "the kernel refuses " + file.string());
    return object;
}

int program_of(const Object& object, const std::string& mode) {
    const char* name = mode.starts_with("xdp") ? "subscriber_xdp" : "subscriber_tc";
    return bpf_program__fd(bpf_object__find_program_by_name(object.get(), name));
}

void attach_clsact(unsigned index, int program) {
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(index);
    hook.attach_point = BPF_TC_INGRESS;
    const int made = bpf_tc_hook_create(&hook);
    check(made == 0 || made == -EEXIST, "no clsact");
    bpf_tc_opts place{};
    place.sz = sizeof(place);
    place.handle = 0x5e;
    place.priority = 25;
    place.prog_fd = program;
    check(bpf_tc_attach(&hook, &place) == 0, "no filter");
}

// The link lives by its pin.
void attach_link(unsigned index, const std::string& mode, int program, const std::filesystem::path& pin) {
    bpf_link_create_opts options{};
    options.sz = sizeof(options);
    if (mode != "tcx") {
        options.flags = mode == "xdp" ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    }
    const int link =
        bpf_link_create(program, static_cast<int>(index), mode == "tcx" ? tcx_ingress : BPF_XDP, &options);
    check(link >= 0 && bpf_obj_pin(link, pin.c_str()) == 0, "no link " + pin.string());
}

void run(std::span<const std::string> words) {
    check(words.size() >= 3, "usage: load_layout OBJECT DIRECTORY ENTRIES [INDEX-MODE]...");
    const std::filesystem::path directory = words[1];
    std::filesystem::create_directories(directory / "links");
    const Object object = load(words[0], directory, number_of(words[2]));
    for (const std::string& word : words.subspan(3)) {
        const unsigned index = number_of(word);
        const std::string mode = word.substr(word.find('-') + 1);
        if (mode == "clsact") {
            attach_clsact(index, program_of(object, mode));
        } else {
            attach_link(index, mode, program_of(object, mode), directory / "links" / word);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        run(std::vector<std::string>(argv + 1, argv + argc));
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        std::cerr << "load_layout: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
