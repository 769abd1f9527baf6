#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, on Debian 12 or 13, every package that building, testing and the lab need; with "image" also what boots the
# appliance's image. Only what is missing is installed; if nothing is, nothing is done and no network is needed. Packages
# come from where this machine's own apt configuration says. Services that the packages bring are not started: the lab
# starts its own.
set -eu

die() {
    echo "packages.sh: $*" >&2
    exit 1
}

[ -r /etc/os-release ] || die "no /etc/os-release; Debian 12 or 13 is needed"
. /etc/os-release

build="build-essential cmake ninja-build pkg-config ccache clang-19 clang-format-19 clang-tidy-19
    libclang-rt-19-dev llvm-19 libbpf-dev bpftool libnl-3-dev libnl-route-3-dev libnl-genl-3-dev libssl-dev libgsasl-dev libcurl4-openssl-dev libidn2-dev
    libunbound-dev libsqlite3-dev libtomlplusplus-dev libcli11-dev prometheus-cpp-dev libsystemd-dev
    libgtest-dev libgmock-dev googletest libbenchmark-dev libre2-dev"
lab="systemd debootstrap dovecot-imapd dovecot-lmtpd dovecot-pop3d postfix nsd iproute2 nftables ethtool procps mount util-linux
    python3 python3-scapy curl openssl jq bind9-dnsutils rsyslog rsyslog-openssl systemd-journal-remote
    freeradius freeradius-utils lego pebble swaks gsasl python3-aiosmtplib testssl.sh libio-socket-inet6-perl libnet-ssleay-perl libnet-dns-perl libauthen-sasl-perl"

image=""
[ "${1:-}" != image ] || image="qemu-system-x86 ovmf dnsmasq-base"

case "${ID:-}:${VERSION_ID:-}" in
debian:12) boost="libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev" ;;
debian:13) boost="libboost1.83-dev libboost-json1.83-dev libboost-url1.83-dev" ;;
*) die "this is ${PRETTY_NAME:-an unknown system}; Debian 12 or 13 is needed" ;;
esac

missing=""
for package in $build $lab $boost $image; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=""
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

[ "$(id -u)" = 0 ] || die "not installed:$missing; run this as root, or install them with apt-get"

# Asked by the packages' scripts before they start anything; 101 is "not allowed".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "packages.sh: installing$missing"
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get -q update
# shellcheck disable=SC2086 # a list of words
apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 install $missing
