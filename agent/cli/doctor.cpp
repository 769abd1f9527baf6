// SPDX-License-Identifier: Apache-2.0
// `sekisho doctor`: each finding comes with what to do about it.
#include "agent/cli/doctor.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "agent/base/config.h"
#include "agent/cli/ask.h"

namespace sekisho::cli {

namespace json = boost::json;

namespace {

constexpr int oldest_major = 6;
constexpr int oldest_minor = 1;

json::object finding(std::string_view name, bool ok, const std::string& detail, const std::string& remedy) {
    return {{"name", name}, {"ok", ok}, {"detail", detail}, {"remedy", ok ? std::string() : remedy}};
}

json::object kernel_version() {
    utsname names{};
    ::uname(&names);
    const std::string release(names.release);
    const char* const end = release.c_str() + release.size();
    int major = 0;
    int minor = 0;
    const char* const dot = std::from_chars(release.c_str(), end, major).ptr;
    if (dot != end) {
        std::from_chars(dot + 1, end, minor);
    }
    const bool ok = major > oldest_major || (major == oldest_major && minor >= oldest_minor);
    return finding("kernel-version", ok, release, "boot a kernel of 6.1 or newer");
}

json::object type_information() {
    std::error_code ignored;
    const bool there = std::filesystem::exists("/sys/kernel/btf/vmlinux", ignored);
    return finding("kernel-btf", there,
                   there ? "/sys/kernel/btf/vmlinux" : "there is no /sys/kernel/btf/vmlinux",
                   "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are");
}

json::object bpf_file_system(const std::filesystem::path& pin_path) {
    // Before the first start only the beginning of the path is there.
    std::filesystem::path there = pin_path;
    std::error_code ignored;
    while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) {
        there = there.parent_path();
    }
    struct statfs facts{};
    const bool ok = ::statfs(there.c_str(), &facts) == 0 && facts.f_type == BPF_FS_MAGIC;
    return finding("bpf-file-system", ok,
                   there.string() + (ok ? " is in a BPF file system" : " is in no BPF file system"),
                   "mount -t bpf bpf /sys/fs/bpf, or set dataplane.pin_path");
}

json::object configuration(const std::filesystem::path& file,
                           const std::expected<Config, std::vector<ConfigError>>& config) {
    if (config) {
        return finding("configuration", true, file.string() + " is fine", {});
    }
    const ConfigError& first = config.error().front();
    std::string detail =
        file.string() + (first.line > 0 ? ":" + std::to_string(first.line) : "") + ": " + first.what;
    if (config.error().size() > 1) {
        detail += ", and " + std::to_string(config.error().size() - 1) + " more";
    }
    return finding("configuration", false, detail, "sekisho config check " + file.string());
}

// Puts a check into the list; one of the same name makes room.
void enter(json::array& checks, json::value check) {
    const auto name_of = [](const json::value& one) {
        const json::value* const name = one.is_object() ? one.get_object().if_contains("name") : nullptr;
        return name == nullptr ? json::value() : *name;
    };
    const auto same = std::ranges::find(checks, name_of(check), name_of);
    if (same == checks.end()) {
        checks.push_back(std::move(check));
    } else {
        *same = std::move(check);
    }
}

bool passed(const json::value& check) {
    const json::value* const ok = check.is_object() ? check.get_object().if_contains("ok") : nullptr;
    return ok != nullptr && ok->is_bool() && ok->get_bool();
}

void ask_agent(json::array& checks, const std::filesystem::path& socket) {
    const auto answer = ask(api::Client(socket), {.method = "GET", .target = "/v1/doctor", .body = {}});
    if (!answer) {
        checks.push_back(finding("agent", false, answer.error().what, answer.error().remedy));
        return;
    }
    checks.push_back(finding("agent", true, "answers at " + socket.string(), {}));
    const json::value* const more = answer->object.if_contains("checks");
    if (more != nullptr && more->is_array()) {
        for (const json::value& check : more->get_array()) {
            enter(checks, check);
        }
    }
}

}  // namespace

json::object examine(const std::filesystem::path& file, const std::optional<std::filesystem::path>& socket) {
    const auto config = load_config(file);
    json::array checks;
    checks.push_back(kernel_version());
    checks.push_back(type_information());
    checks.push_back(bpf_file_system(config ? config->dataplane.pin_path : DataplaneConfig{}.pin_path));
    checks.push_back(configuration(file, config));
    ask_agent(checks, socket.value_or(config ? config->api.socket : ApiConfig{}.socket));
    const bool ok = std::ranges::all_of(checks, passed);
    return {{"ok", ok}, {"checks", std::move(checks)}};
}

}  // namespace sekisho::cli
