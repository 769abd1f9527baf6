#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the benchmarks and runs those named, or all: one JSON object a row on standard output.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
names=(dataplane-blocked dataplane-passing dataplane-sizes dataplane-known dataplane-forwarding
    dataplane-replacements grants-import logins-lines logins-radius logins-pop3 logins-http smtp-in-messages smtp-in-logins smtp-in-memory image)

usage() {
    cat <<'END'
tests/bench/run.sh [NAME...]

Each row is {"row","value","unit","target","met","peers"}. Needs root. Benchmarks:

  dataplane-blocked  blocked SYNs a second, a million entries: against bare XDP_DROP and nftables (a minute)
  dataplane-passing  what a packet that isn't enforced costs over an empty program (a few seconds)
  dataplane-sizes    blocked SYNs with a thousand entries and with four million (a minute)
  dataplane-known    SYNs of a million quarantined and of a million granted: against nftables (minutes)
  dataplane-forwarding  packets that the box forwards: with the program, and by the fast path (a minute)
  dataplane-replacements  what leaks and what is lost while agents are started and killed under full load (minutes)
  dataplane          all that begin with it
  grants-import      a million grants: imported, found again at a start, and what the kernel keeps for each (minutes)
  logins-lines       lines of logs scanned a second with all patterns, one in a hundred a login (seconds)
  logins-radius      RADIUS packets answered a second; memory and idling with a million sessions and grants (minutes)
  logins-pop3        POP3 clients that connect to port 25 the moment they have read +OK: how many are refused (two minutes)
  logins-http        logins a second that a Dovecot reports, one core, and how long each waits (minutes)
  logins             all that begin with it
  smtp-in-messages   messages accepted a second, of 4 KB in 50 sessions and in one, of 10 MB: against Postfix (minutes)
  smtp-in-logins     the same, each with STARTTLS and AUTH PLAIN: against Postfix with Dovecot SASL (a minute)
  smtp-in-memory     what each of 5,000 silent clients inside TLS costs (seconds)
  smtp-in            all that begin with it
  image              the appliance: built from nothing, booted, updated, idle, in software emulation (half an hour)

Example:
  tests/bench/run.sh dataplane-blocked | jq -c '[.row, .value, .met]'
END
}

run() {
    case "$1" in
    dataplane-blocked | dataplane-passing | dataplane-sizes | dataplane-known | dataplane-forwarding | logins-lines) "$top/build/release/tests/bench/bench_${1/-/_}" ;;
    dataplane-replacements)
        "$top/build/release/tests/bench/bench_dataplane_replacements" "$top/build/release/agent/sekishod"
        ;;
    dataplane | logins | smtp-in)
        for name in "${names[@]}"; do
            if [[ $name == "$1"-* ]]; then run "$name"; fi
        done
        ;;
    grants-import | logins-radius | logins-pop3 | logins-http | smtp-in-messages | smtp-in-logins | smtp-in-memory | image)
        PYTHONPATH=$top/images /usr/bin/python3 -B "$top/tests/bench/${1//-/_}.py" "$top/build/release"
        ;;
    *)
        echo "tests/bench/run.sh: no benchmark is named $1" >&2
        usage >&2
        exit 2
        ;;
    esac
}

for name in "$@"; do
    case "$name" in
    --help | -h)
        usage
        exit 0
        ;;
    esac
    [[ " dataplane logins smtp-in ${names[*]} " == *" $name "* ]] || run "$name"
done
if [ "$(id -u)" != 0 ]; then
    echo "tests/bench/run.sh: needs root" >&2
    exit 1
fi
cd "$top"
{
    sh images/packages.sh
    cmake --preset release
    cmake --build --preset release --target bench_dataplane_{blocked,passing,sizes,known,forwarding,replacements} bench_logins_{lines,radius,http} \
        bench_smtp_in_logins sekisho sekishod sekisho-smtpd sekisho-relay sekisho-auth
} >&2
for name in "${@:-${names[@]}}"; do
    run "$name"
done
