# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What programs that stand behind the command `sekisho` say, and how: as it does itself (sekisho(1)). Sourced by them, with
# their words: takes --json off the front.
set -Eeuo pipefail
export LC_ALL=C.UTF-8

json=
if [ "${1:-}" = --json ]; then
    json=yes
    shift
fi
verb=${1:-}
trap 'echo "sekisho: $verb failed in line $LINENO of $0" >&2' ERR

quoted() { # TEXT: as JSON has it
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/?}"
}

# Ends with exit code 1.
die() { # WHAT REMEDY
    printf 'sekisho: %s\n  %s\n' "$1" "$2" >&2
    if [ -n "$json" ]; then
        printf '{"error":{"kind":"refused","what":%s,"remedy":%s}}\n' "$(quoted "$1")" "$(quoted "$2")"
    fi
    exit 1
}

say() {
    echo "$*" >&2
}

# All went well; --json wants it said.
done_well() {
    if [ -n "$json" ]; then
        echo '{"ok":true}'
    fi
}
