// SPDX-License-Identifier: Apache-2.0
// Runs what the kernel does for the agent alone.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>

namespace sekisho::dataplane {

// Runs a program of upkeep.bpf.c, which may change its context: 0, or an errno.
template <class Context>
[[nodiscard]] int run(int program, Context& context) {
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    return bpf_prog_test_run_opts(program, &options) == 0 ? 0 : errno;
}

}  // namespace sekisho::dataplane
