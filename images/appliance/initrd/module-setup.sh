#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the appliance does before its root is entered, as a module of dracut.

check() {
    return 255  # only where it is asked for
}

depends() {
    echo systemd-initrd systemd-repart systemd-veritysetup
}

installkernel() {
    hostonly='' instmods loop vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8 softdog
}

install() {
    inst_multiple dd mkdir mount umount mv sync findmnt sleep ls mkfs.ext4 e2fsck fsck fsck.ext4 resize2fs losetup modprobe
    inst_script "$moddir/sekisho-slot" /usr/lib/sekisho/slot
    local unit
    for unit in sekisho-intact.service sekisho-etc.service sekisho-stuck.service sekisho-stuck.timer; do
        inst_simple "$moddir/$unit" "/usr/lib/systemd/system/$unit"
    done
    systemctl -q --root "$initdir" add-wants initrd-root-fs.target sekisho-intact.service
    systemctl -q --root "$initdir" add-wants initrd.target sekisho-stuck.timer
    inst_simple "$moddir/repart.conf" /usr/lib/systemd/system/systemd-repart.service.d/sekisho.conf
    inst_simple "$moddir/etc.conf" /usr/lib/systemd/system/sysroot-etc.mount.d/sekisho.conf
}
