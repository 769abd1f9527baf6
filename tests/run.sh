#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs the tests through ctest, whose summary is the end of the output and whose
# exit code is this script's.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

usage() {
    cat <<'TEXT'
usage: tests/run.sh [--quick | --sanitize | --tidy | --long | --fuzz [SECONDS]] [ctest's options]

  (none)      everything but the long variants
  --quick     unit, bpf, and the tests of the lab that are marked quick: under 3 minutes once it is built
  --sanitize  the same and the fuzzers' corpora with AddressSanitizer and UndefinedBehaviorSanitizer, then unit with
              ThreadSanitizer
  --tidy      clang-format and clang-tidy; what was clean before is not looked at again
  --long      everything, the story 20 times in a row
  --fuzz      each fuzzer (libFuzzer, with the same sanitizers) searches for SECONDS, 600 if not said, two at a time;
              the first finding ends it and is told with the path of the input. -R search.radius: only this one;
              -V: their own words

Needs Debian 12 or 13; as root it also installs what is missing. Tests that need root are skipped elsewhere.
TEXT
}

mode=all
case "${1:-}" in
--quick | --sanitize | --tidy | --long) mode=${1#--} && shift ;;
--fuzz)
    mode=fuzz && shift
    if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
        export SEKISHO_FUZZ_SECONDS=$1 && shift
    fi
    ;;
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
# A third of their time the tests wait for something.
jobs=$(($(nproc) + 1))
case $mode in
all) build release && run release -LE long -j"$jobs" "$@" ;;
quick) build release && run release -L '^(unit|bpf|quick)$' -LE '^(long|slow)$' -j"$jobs" "$@" ;;
long) build release && run release -j"$jobs" "$@" && run release -R '^system\.(Blocked|Login|Time)$' --repeat until-fail:20 "$@" ;;
sanitize)
    build sanitize && run sanitize -L '^(unit|bpf|fuzz|quick|sanitize)$' -LE long -j"$jobs" "$@"
    build tsan && run tsan -L '^unit$' "$@"
    ;;
fuzz) build fuzz && run fuzz -L '^search$' -j2 --stop-on-failure "$@" ;;
tidy) tidy ;;
esac
