#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the Debian packages, each in a clean tree of the Debian that it is for.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
releases=()
output=build/deb

usage() {
    cat <<'TEXT'
usage: images/deb.sh [--output DIR] [bookworm] [trixie]

Builds the packages sekisho, sekisho-agent, sekisho-smtpd and sekisho-appliance for Debian 12 (bookworm) and 13 (trixie), or for
one of them. They lie in DIR/RELEASE then (build/deb), their debugging symbols in DIR/RELEASE/debug. Needs root, on Debian 12 or 13;
what it needs, it installs. The trees stay in build/trees: the first time takes a quarter of an hour for each release, most
of it compiling.

  images/deb.sh trixie && apt-get install ./build/deb/trixie/*.deb
TEXT
}

die() {
    echo "deb.sh: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --output) output=${2:?deb.sh: --output DIR} && shift ;;
    bookworm | trixie) releases+=("$1") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ ${#releases[@]} -gt 0 ] || releases=(bookworm trixie)
[ "$(id -u)" = 0 ] || die "needs root: packages are built in trees of their own"
[ -x /usr/sbin/debootstrap ] || sh images/packages.sh

version=$(sed -n '1s/.*(\(.*\)).*/\1/p' images/debian/changelog)
declare -A suffix=([bookworm]=deb12 [trixie]=deb13)

# Runs a script in a tree, in namespaces that end with it: in_tree TREE SCRIPT [unshare's options]
in_tree() {
    local tree=$1 script=$2
    shift 2
    unshare --mount --pid --fork --kill-child "$@" bash -euo pipefail -c '
        mount --make-rprivate /
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        if [ -d "$0/ccache" ] && [ -n "$CACHE" ]; then mount --bind "$CACHE" "$0/ccache"; fi
        exec chroot "$0" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            CCACHE_DIR=/ccache DEB_BUILD_OPTIONS="parallel=$(nproc)" sh -euc "$1"' "$tree" "$script"
}

# What is built there needs no network; only this, once for each list of what is needed.
make_tree() { # RELEASE TREE
    local release=$1 tree=$2
    if [ ! -d "$tree" ]; then
        echo "deb.sh: a tree of $release"
        rm -rf "$tree.unfinished"
        debootstrap --variant=minbase "$release" "$tree.unfinished" "$(images/mirror.sh)" >"$tree.log" || die "see $tree.log"
        mkdir "$tree.unfinished/ccache"
        mv "$tree.unfinished" "$tree"
    fi
    if ! cmp -s images/debian/control "$tree/build/control"; then
        echo "deb.sh: what building needs, in it"
        install -D -m 644 images/debian/control "$tree/build/package/debian/control"
        cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
        in_tree "$tree" 'apt-get -q update
            apt-get -q -y --no-install-recommends install ccache dpkg-dev lintian
            apt-get -q -y --no-install-recommends build-dep /build/package
            apt-get clean' >>"$tree.log" 2>&1 || die "see $tree.log"
        cp images/debian/control "$tree/build/control"
    fi
}

copy_sources() { # TO
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        if [ -e "$file" ]; then printf '%s\0' "$file"; fi
    done | tar -c --null -T - | tar -x -C "$1"
    mv "$1/images/debian" "$1/debian"
}

build() ( # RELEASE
    release=$1
    tree=$PWD/build/trees/deb-$release
    work=$PWD/build/deb-work-$release
    make_tree "$release" "$tree"
    trap 'umount "$work/root" 2>/dev/null || true; rm -rf "$work"' EXIT
    rm -rf "$work"
    mkdir -p "$work/upper" "$work/scratch" "$work/root"
    # Nothing of a build stays in the tree.
    mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/scratch" sekisho-deb "$work/root"
    copy_sources "$work/root/build/sekisho"
    sed -i "1s/($version)/($version+${suffix[$release]})/" "$work/root/build/sekisho/debian/changelog"
    echo "deb.sh: $version+${suffix[$release]} for $release"
    mkdir -p "$output/$release"
    in_tree "$work/root" 'cd /build/sekisho && dpkg-buildpackage -b -us -uc' --net >"$output/$release/build.log" 2>&1 ||
        { tail -n 30 "$output/$release/build.log" >&2; die "see $output/$release/build.log"; }
    in_tree "$work/root" 'lintian --allow-root --fail-on error /build/*.changes' --net | tee "$output/$release/lintian.log"
    rm -f "$output/$release"/*.deb
    mkdir -p "$output/$release/debug"
    cp "$work/root/build"/*.deb "$output/$release"
    mv "$output/$release"/*-dbgsym_*.deb "$output/$release/debug"  # for who looks into a core dump
)

mkdir -p build/trees
CACHE=${CCACHE_DIR:-${HOME:-/root}/.cache/ccache}
[ -d "$CACHE" ] || CACHE=
export CACHE
for release in "${releases[@]}"; do
    build "$release"
done
ls -l "${releases[@]/#/$output/}"
