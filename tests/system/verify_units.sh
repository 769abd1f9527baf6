#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd's own opinion of the units: verify_units.sh BUILD. Any word of systemd-analyze verify is a failure; so is an
# exposure of over 2.0.
set -eu

build=$1
units=$(cd "$(dirname "$0")/../../images/systemd" && pwd)
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze here"; exit 77; }
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

for unit in "$units"/*.service "$units"/*.socket "$units"/*.path "$units"/*.timer; do
    # The programs stand where the package will put them; they are looked for where they have been built.
    sed -e "s,^ExecStart=/usr/sbin/sekishod,ExecStart=$build/agent/sekishod," \
        -e "s,^ExecStart=/usr/sbin/sekisho-,ExecStart=$build/smtpd/sekisho-," \
        -e "s,^\(Exec[A-Za-z]*=+*\)/usr/bin/sekisho ,\1$build/agent/cli/sekisho ," \
        -e "s,/usr/sbin/nft,/bin/true," "$unit" >"$here/${unit##*/}"
done
for unit in "$here"/*; do
    # It also reads what else this machine starts; what it says of that is not about these.
    said=$(systemd-analyze --man=no verify "$unit" 2>&1 | grep -v -e '^/\(usr/\)\?lib/systemd/system/' -e '^$') || true
    [ -z "$said" ] || { echo "$said"; exit 1; }
done

# Each unit's own directory, by its last setting: value UNIT SETTING.
value() { sed -n "s/^$2=//p" "$1" | tail -1; }
for outer in "$here"/*.service; do
    for inner in "$here"/*.service; do
        case $(value "$inner" StateDirectory) in
        "$(value "$outer" StateDirectory)"/*)
            mode=$(value "$outer" StateDirectoryMode)
            case ${mode:-0755} in
            *[1357]) ;;
            *) echo "${outer##*/} closes its directory to ${inner##*/}, whose own is in it"; exit 1 ;;
            esac
            ;;
        esac
    done
    # Others' sockets are in it.
    [ -z "$(value "$outer" RuntimeDirectory)" ] || [ "$(value "$outer" RuntimeDirectoryPreserve)" = yes ] ||
        { echo "${outer##*/} takes its directory away from the others' sockets"; exit 1; }
done
# It is there before the first interface, and what empties the rules of the machine comes before it.
guard=$here/sekisho-guard.service
case " $(value "$guard" Before) / $(value "$guard" After) " in
*" network-pre.target "*"sekisho-agent.service "*"/"*" nftables.service "*) ;;
*) echo "the guard isn't loaded between the machine's own rules and the first interface"; exit 1 ;;
esac
# Without the agent nothing is judged, so systemd never gives up on it.
agent=$here/sekisho-agent.service
[ "$(value "$agent" Restart)" = always ] && [ "$(value "$agent" RestartSec)" = 1 ] &&
    [ "$(value "$agent" StartLimitIntervalSec)" = 0 ] || { echo "the agent isn't started again for good"; exit 1; }
for unit in "$here"/*.service; do
    systemd-analyze security --offline=true --threshold=20 "$unit" >"$here/report" || { cat "$here/report"; exit 1; }
    tail -1 "$here/report"
done
