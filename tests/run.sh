#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, and runs the tests through ctest.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

usage() {
    cat <<'EOF'
tests/run.sh [--quick | --sanitize | --tidy | --long] [-- CTEST-ARGUMENTS]

  (nothing)   release build, every test
  --quick     release build, the tests of pure rooms, of the programs in the kernel, and the story once
  --sanitize  the tests of pure rooms and of the kernel's programs under ASan+UBSan, then under TSan
  --tidy      clang-format and clang-tidy, nothing is run
  --long      release build, every test, then the system tests 20 times in a row

Examples:
  tests/run.sh
  tests/run.sh -- -L system -R story
EOF
}

mode=all
while [ $# -gt 0 ]; do
    case "$1" in
    --quick | --sanitize | --tidy | --long) mode=${1#--} ;;
    --help | -h)
        usage
        exit 0
        ;;
    --)
        shift
        break
        ;;
    *)
        echo "tests/run.sh: unknown argument $1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done

images/packages.sh
# The programs in the kernel are tested where there is a BPF file system; fresh machines and containers may lack it.
if [ "$(id -u)" = 0 ] && ! mountpoint -q /sys/fs/bpf; then
    mount -t bpf bpf /sys/fs/bpf || echo "tests/run.sh: no BPF file system; the tests that need it say so" >&2
fi

# build PRESET
build() {
    mkdir -p build
    cmake --preset "$1" >"build/configure-$1.log" 2>&1 || {
        cat "build/configure-$1.log"
        exit 1
    }
    rm -f "build/configure-$1.log"
    cmake --build --preset "$1"
}

# run PRESET CTEST-ARGUMENTS: ends in ctest's own summary.
run() {
    local preset=$1
    shift
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error "$@"
}

tidy() {
    local files
    mapfile -t files < <(git ls-files -- '*.cpp' '*.h' '*.c')
    clang-format-19 --dry-run -Werror "${files[@]}"
    cmake --preset sanitize >/dev/null
    cmake --build --preset sanitize --target sekisho_bpf_skeletons
    run-clang-tidy-19 -quiet -p build/sanitize -j "$(nproc)" "$top/(agent|smtpd|tests)/.*"
}

case $mode in
all)
    build release
    run release "$@"
    ;;
quick)
    build release
    run release -L 'unit|bpf|fuzz|quick' "$@"
    ;;
sanitize)
    build sanitize
    run sanitize -L 'unit|bpf|fuzz' "$@"
    build tsan
    run tsan -L unit "$@"
    ;;
tidy)
    tidy
    ;;
long)
    build release
    SEKISHO_LONG=1 run release "$@"
    SEKISHO_LONG=1 run release -L system --repeat until-fail:20 "$@"
    ;;
esac
