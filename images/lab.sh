#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A small ISP on this machine: six hosts, real servers, and the story of a login that opens port 25.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/release

usage() {
    cat <<'TEXT'
usage: images/lab.sh [--name NAME] [COMMAND]

  (none), story   install what is missing, build, make the lab, tell the story; the lab is left standing.
                  A lab of the same name that stands already is replaced. Exit code 1 if a step failed.
  up              the same without the story
  down            remove the lab and every trace of it
  shell HOST      enter a host: a b c (subscribers), edge (sekishod), mail (Dovecot, DNS), internet (Postfix)

  --name NAME     of the lab; several can stand at once (default: lab)

Needs root, and Debian 12 or 13. After `images/lab.sh`, try for example:
  echo 'sekisho status' | images/lab.sh shell edge
TEXT
}

name=lab
if [ "${1:-}" = --name ]; then
    [ $# -ge 2 ] || { usage >&2; exit 2; }
    name=$2
    shift 2
fi
command=${1:-story}
case "$command:$#" in
-h:1 | --help:1 | help:1) usage; exit 0 ;;
story:[01] | up:1 | down:1 | shell:2) ;;
*) usage >&2; exit 2 ;;
esac

if [ "$(id -u)" != 0 ]; then
    echo "lab.sh: hosts are made of namespaces, which takes root: run it as root" >&2
    exit 1
fi

if [ "$command" = story ] || [ "$command" = up ]; then
    sh "$root/images/packages.sh"
    (cd "$root" && cmake --preset release --log-level=WARNING)
    cmake --build "$build" --target sekishod sekisho sekisho-smtpd sekisho-auth sekisho-relay
fi
[ $# -gt 0 ] || set -- story
PYTHONPATH=$root/images PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m lab --name "$name" --build "$build" "$@"
