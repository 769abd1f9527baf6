#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs the tests through ctest, whose summary is the end of the output and whose
# exit code is this script's.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

usage() {
    cat <<'TEXT'
usage: tests/run.sh [--quick | --sanitize | --tidy | --long] [ctest's options]

  (none)      everything but the long variants
  --quick     unit, bpf, and the tests of the lab that are marked quick: under 3 minutes once it is built
  --sanitize  the same with AddressSanitizer and UndefinedBehaviorSanitizer, then unit with ThreadSanitizer
  --tidy      clang-format and clang-tidy; what was clean before is not looked at again
  --long      everything, the story 20 times in a row

Needs Debian 12 or 13; as root it also installs what is missing. Tests that need root are skipped elsewhere.
TEXT
}

mode=all
case "${1:-}" in
--quick | --sanitize | --tidy | --long) mode=${1#--} && shift ;;
-h | --help) usage && exit 0 ;;
esac

prepare() {
    sh images/packages.sh
    # The tests' hosts bring their own; tests of the programs alone use the machine's.
    if [ "$(id -u)" = 0 ] && [ "$(stat -f -c %T /sys/fs/bpf)" != bpf_fs ]; then
        mount -t bpf bpf /sys/fs/bpf
    fi
}

build() { # PRESET
    cmake --preset "$1" --log-level=WARNING
    cmake --build --preset "$1"
}

run() { # PRESET CTEST-OPTIONS
    local preset=$1
    shift
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error "$@"
}

tidy() {
    local sources
    mapfile -t sources < <(find bpf agent smtpd tests -name '*.cpp' -o -name '*.h' -o -path 'bpf/*.c')
    clang-format-19 --dry-run -Werror "${sources[@]}"
    # What the kernel runs has the kernel's style, wherever it stands.
    clang-format-19 --style=file:bpf/.clang-format --dry-run -Werror \
        tests/bench/generator.bpf.c tests/bpf/*.bpf.c tests/system/layouts/*.bpf.c images/lab/pass.bpf.c
    # Nothing is built but what sources include.
    cmake --preset tidy --log-level=WARNING
    cmake --build --preset tidy --target skeletons
    /usr/bin/python3 -B tests/tidy.py build/tidy
}

prepare
case $mode in
all) build release && run release -LE long -j2 "$@" ;;
quick) build release && run release -L '^(unit|bpf|quick)$' -LE '^(long|slow)$' -j2 "$@" ;;
long) build release && run release -j2 "$@" && run release -R '^system\.(Blocked|Login|Time)$' --repeat until-fail:20 "$@" ;;
sanitize)
    build sanitize && run sanitize -L '^(unit|bpf|quick|sanitize)$' -LE long -j2 "$@"
    build tsan && run tsan -L '^unit$' "$@"
    ;;
tidy) tidy ;;
esac
