#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the appliance's image: a disk to flash, the same compressed, an update for boxes that run an older one, and the
# list of all that is in it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
output=build/image
packages=
key=
ca=
again=
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' images/debian/changelog)

usage() {
    cat <<'TEXT'
usage: sudo images/build.sh [--output DIR] [--version VERSION] [--key FILE] [--packages DIR] [--ca FILE] [--again]

Makes, for x86-64 with UEFI, from Debian 13:
  sekisho-VERSION.raw, .raw.zst      the disk: dd it, or flash it to a stick
  sekisho-VERSION.update             for "sekisho image update" on boxes that have an older version
  sekisho-VERSION.netboot.efi        for firmware that boots by HTTP or PXE: images/appliance/README.md
  sekisho-VERSION.spdx.json          what is in it (SPDX 2.3)

  --output DIR       where they lie (build/image)
  --version VERSION  (that of images/debian/changelog)
  --key FILE         the secret OpenPGP key that signs updates; boxes believe this one only. Without it, one is made at
                     first, and kept as build/keys/update.key: whoever has it can update all your boxes
  --ca FILE          certificates (PEM) that boxes believe beside those of Debian: of your own server of configurations
                     and updates
  --packages DIR     takes our packages from there instead of building them (images/deb.sh trixie)
  --again            takes Debian's packages as the last build had them: minutes quicker, but without
                     what Debian has mended since then

Needs root, on Debian 12 or 13. The first time takes a quarter of an hour, most of it compiling; trees that are used again
stay in build/trees.

  sudo images/build.sh && sudo dd if=build/image/sekisho-*.raw of=/dev/sdX bs=4M conv=fsync status=progress
TEXT
}

die() {
    echo "build.sh: $*" >&2
    exit 1
}

step() {
    printf 'build.sh: %4d s  %s\n' "$SECONDS" "$*"
}

while [ $# -gt 0 ]; do
    case $1 in
    --output) output=${2:?build.sh: --output DIR} && shift ;;
    --version) version=${2:?build.sh: --version VERSION} && shift ;;
    --key) key=${2:?build.sh: --key FILE} && shift ;;
    --ca) ca=${2:?build.sh: --ca FILE} && shift ;;
    --again) again=yes ;;
    --packages) packages=${2:?build.sh: --packages DIR} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[[ $version =~ ^[0-9][0-9A-Za-z.~]*$ ]] || die "a version is made of digits, letters, dots and ~, and begins with a digit: $version"
[ "$(id -u)" = 0 ] || die "needs root: the image is made in trees of its own"
[ -z "$ca" ] || openssl x509 -in "$ca" -noout 2>/dev/null || die "$ca is no certificate (PEM)"
[ -x /usr/sbin/debootstrap ] || sh images/packages.sh

work=$root/build/image-work
tools=$root/build/trees/image-tools
# The same sources make the same image: every time in it is that of the last change.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y images/debian/changelog)
export SOURCE_DATE_EPOCH

# Runs a script in the tree with the tools, where the work lies as /work, in namespaces that end with it.
in_tools() { # SCRIPT [WORD...]
    local script=$1
    shift
    unshare --mount --pid --fork --kill-child bash -euo pipefail -c '
        mount --make-rprivate /
        mount -t proc proc "$0/proc"
        mount -t sysfs -o ro sysfs "$0/sys"
        mount --rbind /dev "$0/dev"
        mount --bind "$1" "$0/work"
        cp -L /etc/resolv.conf "$0/etc/resolv.conf"
        tree=$0 script=$2
        shift 2
        exec chroot "$tree" env -i HOME=/root LC_ALL=C.UTF-8 TZ=UTC DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euo pipefail -c "$script" tools "$@"' "$tools" "$work" "$script" "$@"
}

logged() { # NAME COMMAND...
    local log=$work/$1.log
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        die "see $log"
    }
}

make_tools() {
    local wanted=(mmdebstrap dracut-core erofs-utils cryptsetup-bin systemd systemd-ukify systemd-boot systemd-boot-efi
        systemd-repart systemd-cryptsetup dmsetup dosfstools e2fsprogs mtools kmod zstd gpg gpg-agent python3)
    if [ "$(cat "$tools.list" 2>/dev/null)" != "${wanted[*]}" ]; then
        step "the tools: a tree of Debian 13"
        rm -rf "$tools" "$tools.unfinished"
        logged tools debootstrap --variant=minbase trixie "$tools.unfinished" "$(images/mirror.sh)"
        mkdir "$tools.unfinished/work"
        mv "$tools.unfinished" "$tools"
        logged tools in_tools 'apt-get -q update && apt-get -q -y --no-install-recommends install "$@" && apt-get clean' "${wanted[@]}"
        echo "${wanted[*]}" >"$tools.list"
    fi
}

make_packages() {
    if [ -z "$packages" ]; then
        step "the packages"
        logged packages images/deb.sh --output "$work/deb" trixie
        packages=$work/deb/trixie
    fi
    mkdir "$work/packages"
    for each in "$packages"/*.deb; do
        case $each in *-dbgsym_*) ;; *) cp "$each" "$work/packages" ;; esac
    done
}

make_key() {
    if [ -z "$key" ]; then
        key=$root/build/keys/update.key
        if [ ! -e "$key" ]; then
            step "a key for updates: $key"
            in_tools 'export GNUPGHOME=$(mktemp -d) && gpg -q --batch --passphrase "" --quick-generate-key "Sekisho updates" ed25519 sign never &&
                gpg -q --batch --armor --export-secret-keys >/work/update.key'
            install -D -m 600 "$work/update.key" "$key"
        fi
    fi
    install -m 600 "$key" "$work/update.key"
}

make_root() {
    local kept=$root/build/trees/image-root
    cp -r images/appliance "$work/appliance"
    sed -E 's/ *#.*//; /^$/d' images/appliance/packages | paste -sd, >"$work/include"
    if [ -z "$again" ] || ! cmp -s "$work/include" "$kept/include"; then
        step "the root: Debian's packages"
        rm -rf "$kept" "$kept.unfinished"
        logged root in_tools '/work/appliance/make-root "$1"' "$(images/mirror.sh)"
        mkdir "$kept.unfinished"
        mv "$work"/{root,kernel,kernel.control,include} "$kept.unfinished"
        mv "$kept.unfinished" "$kept"
    fi
    step "the root: ours"
    [ -z "$ca" ] || cp "$ca" "$work/ca.crt"
    cp -a "$kept"/{root,kernel,kernel.control} "$work"
    logged appliance in_tools '/work/appliance/make-appliance "$1"' "$version"
}

make_disk() {
    step "root, kernel and disk"
    logged disk in_tools '/work/appliance/make-disk "$1"' "$version"
}

make_netboot() {
    step "what firmware boots from the network"
    logged netboot in_tools '/work/appliance/make-netboot "$1"' "$version"
}

make_update() {
    step "the update"
    logged update in_tools '/work/appliance/make-update "$1"' "$version"
}

rm -rf "$work"
mkdir -p "$work" "$root/build/trees" "$output"
make_tools
make_key
make_packages
make_root
make_disk
make_netboot
make_update
step "compressing"
for file in raw update netboot.efi spdx.json; do
    mv "$work/sekisho.$file" "$output/sekisho-$version.$file"
done
zstd -q -f -T0 -9 "$output/sekisho-$version.raw" -o "$output/sekisho-$version.raw.zst"
step "done"
(cd "$output" && ls -l "sekisho-$version".* && sha256sum "sekisho-$version".*)
