// SPDX-License-Identifier: Apache-2.0
// What this machine calls itself.
#include "agent/base/machine_name.h"

#include <unistd.h>

#include <array>

namespace sekisho {

std::string machine_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

}  // namespace sekisho
