// SPDX-License-Identifier: Apache-2.0
// The operator's command `sekisho`: everything is in run().
#include <iostream>
#include <string>
#include <vector>

#include "agent/cli/cli.h"

int main(int count, char** values) {
    const std::vector<std::string> arguments(values + (count > 0 ? 1 : 0), values + count);
    return sekisho::cli::run(arguments, std::cout, std::cerr);
}
