// SPDX-License-Identifier: Apache-2.0
// libbpf tells why it failed only in its log: its warnings are kept and become part of the error.
#include "agent/dataplane/refusal.h"

#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <system_error>
#include <utility>

namespace sekisho::dataplane {

namespace {

constexpr std::size_t longest = 2000;

std::string& kept() {
    thread_local std::string text;
    return text;
}

// The last lines are the ones that say why; a verifier's log before them may be long.
int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) {
        return 0;
    }
    std::array<char, longest> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    kept() += line.data();
    if (kept().size() > longest) {
        kept().erase(0, kept().size() - longest);
    }
    return length;
}

}  // namespace

std::string error_text(int error) {
    return std::generic_category().message(error < 0 ? -error : error);
}

void keep_refusals() {
    kept().clear();
    libbpf_set_print(&keep);
}

std::unexpected<Error> refused(const std::string& what, int error) {
    std::string remedy;
    if (error == EPERM || error == EACCES) {
        remedy = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; see `sekisho doctor`";
    } else if (error == ENOSYS || error == EOPNOTSUPP || error == EINVAL) {
        remedy =
            "the kernel lacks a feature of BPF: 6.1 or newer with CONFIG_BPF_SYSCALL is needed; see `sekisho "
            "doctor`";
    } else if (error == ENOMEM) {
        remedy = "free memory, or lower dataplane.max_entries or dataplane.max_flows";
    }
    std::string detail = std::exchange(kept(), {});
    while (!detail.empty() && detail.back() == '\n') {
        detail.pop_back();
    }
    return fail(Failure::unavailable,
                what + ": " + error_text(error) + (detail.empty() ? std::string() : " (" + detail + ")"),
                std::move(remedy));
}

}  // namespace sekisho::dataplane
