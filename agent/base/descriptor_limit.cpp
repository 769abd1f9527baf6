// SPDX-License-Identifier: Apache-2.0
#include "agent/base/descriptor_limit.h"

#include <sys/resource.h>

namespace sekisho {

std::uint64_t descriptor_limit() {
    rlimit now{};
    return ::getrlimit(RLIMIT_NOFILE, &now) == 0 ? now.rlim_cur : 0;
}

void raise_descriptor_limit() {
    rlimit now{};
    if (::getrlimit(RLIMIT_NOFILE, &now) == 0) {
        now.rlim_cur = now.rlim_max;
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &now));
    }
}

}  // namespace sekisho
