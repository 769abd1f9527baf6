#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints where this machine's own apt configuration has Debian from: what is made here is made of that.
set -eu

. /etc/os-release
site=$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
    sed -n "s/ Debian ${VERSION_CODENAME:-}\$//p" | head -n 1)
[ -n "$site" ] || { echo "mirror.sh: no source of apt's has Debian ${VERSION_CODENAME:-}" >&2; exit 1; }
echo "$site"
