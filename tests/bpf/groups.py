# SPDX-License-Identifier: Apache-2.0
"""Whether ctest runs every suite of bpf_tests: each must fit the filter of a group."""

import subprocess
import sys
from fnmatch import fnmatchcase


def main() -> int:
    program, groups = sys.argv[1], sys.argv[2:]
    listed = subprocess.run([program, "--gtest_list_tests"], stdout=subprocess.PIPE, text=True, check=True).stdout
    suites = [line.split("#")[0].strip().rstrip(".") for line in listed.splitlines() if line and not line.startswith(" ")]
    suites = [suite for suite in suites if not suite.startswith("Running main")]
    left_out = [suite for suite in suites
                if not any(fnmatchcase(suite, f"{group}*") or fnmatchcase(suite, f"*/{group}*") for group in groups)]
    for suite in left_out:
        print(f"no group of tests/bpf/CMakeLists.txt has the suite {suite}")
    return 1 if left_out or len(suites) < len(groups) else 0


if __name__ == "__main__":
    sys.exit(main())
