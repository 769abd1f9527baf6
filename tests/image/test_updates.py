# SPDX-License-Identifier: Apache-2.0
"""The appliance's updates: refused, taken, given up and taken back; power that goes meanwhile; a slot that is damaged."""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path

from appliance_test import FIRST, ROOT, SECOND, ApplianceTest
from guest import Guest

BAD = "0.1.2"
CUTS = 20

def signed(update: Path, to: Path, change) -> Path:
    """Another update, of which change() has made something else, signed by the same key."""
    tools = ROOT / "build/trees/image-tools"
    parts = tools / "tmp/parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    try:
        subprocess.run(["tar", "-x", "-C", parts, "-f", update], check=True)
        change(parts)
        shutil.copy(ROOT / "build/keys/update.key", parts.parent / "update.key")
        subprocess.run(["chroot", tools, "bash", "-euc", "cd /tmp/parts; rm SHA256SUMS*; sha256sum -b -- * >SHA256SUMS; "
                        "export GNUPGHOME=$(mktemp -d); gpg -q --batch --import /tmp/update.key; "
                        "gpg -q --batch --detach-sign --output SHA256SUMS.gpg SHA256SUMS; gpgconf --kill all; rm -r $GNUPGHOME"], check=True)
        subprocess.run(["tar", "-c", "-C", parts, "-f", to, *sorted(path.name for path in parts.iterdir())], check=True)
    finally:
        shutil.rmtree(parts)
        (parts.parent / "update.key").unlink(missing_ok=True)
    return to


def for_other_hardware(parts: Path) -> None:
    for part in parts.iterdir():
        part.rename(part.with_name(part.name.replace("x86-64", "arm64")))


class Updates(ApplianceTest):
    def test_story(self) -> None:
        """One box, from the first version to the second, back, and on again."""
        first, second = self.made(FIRST).with_name(f"sekisho-{FIRST}.update"), self.made(SECOND, "--again").with_name(f"sekisho-{SECOND}.update")
        tampered = self.work / "tampered.update"
        octets = bytearray(second.read_bytes())
        octets[len(octets) // 2] ^= 1
        tampered.write_bytes(octets)
        unsigned = signed(second, self.work / "unsigned.update", lambda parts: None)
        octets = bytearray(unsigned.read_bytes())
        octets[octets.index(b"SHA256SUMS.gpg") + 512 + 110] ^= 1  # its last octets are the signature itself
        unsigned.write_bytes(octets)
        other = signed(second, self.work / "other.update", for_other_hardware)
        strange = self.work / "strange.update"
        subprocess.run(["tar", "-c", "-f", strange, "-C", "/etc", "passwd"], check=True)
        guest = self.guest("updates")
        guest.add_disk(self.stick("stick", first, second, tampered, unsigned, other, strange))
        guest.boot()
        self.well(guest)
        guest.run("mount -o ro /dev/vdb /mnt")
        for name, why in (("tampered", "isn't what was signed"), ("unsigned", "isn't signed by the key"), ("other", "for other hardware"),
                          ("strange", "there is something in it that belongs to none"), ("none", "there is no file"),
                          (f"sekisho-{FIRST}", "is what is running")):
            with self.subTest(name=name):
                refused = guest.run(f"sekisho image update /mnt/{name}.update --json", check=False)
                self.assertEqual(refused.returncode, 1)
                self.assertIn(why, json.loads(refused.stdout.splitlines()[-1])["error"]["what"])
        self.assertEqual(self.states(guest), {FIRST: "good"})
        guest.run("echo '# of the first' >>/etc/sekisho/sekisho.toml")
        guest.run(f"sekisho image update /mnt/sekisho-{SECOND}.update", timeout=300)
        self.assertEqual(self.states(guest), {FIRST: "good", SECOND: "trying"})

        self.reboot(guest)
        self.assertEqual(self.status(guest)["running"], SECOND)
        self.well(guest)
        self.assertEqual(self.states(guest), {FIRST: "good", SECOND: "good"})
        self.assertIn("# of the first", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        guest.run("mount -o ro /dev/vdb /mnt")
        older = guest.run(f"sekisho image update /mnt/sekisho-{FIRST}.update", check=False)
        self.assertIn("--allow-older", older.stdout)
        # A configuration that only the second one reads: the first one finds what it has left.
        guest.run("echo '[of_the_second]' >>/etc/sekisho/sekisho.toml")
        guest.run("sekisho image rollback")
        self.assertEqual(self.status(guest)["next"], FIRST)

        self.reboot(guest)
        self.assertEqual(self.status(guest)["running"], FIRST)
        self.assertEqual(self.states(guest), {FIRST: "good", SECOND: "bad"})
        kept = guest.run("cat /etc/sekisho/sekisho.toml").stdout
        self.assertIn("# of the first", kept)
        self.assertNotIn("[of_the_second]", kept)
        self.assertIn("CONFIGURATION_RESTORED", guest.run("journalctl -b -o cat -u sekisho-states").stdout)
        self.assertIn("[of_the_second]", guest.run(f"cat /var/lib/sekisho-states/{SECOND}/etc/sekisho.toml").stdout)
        self.assertEqual(guest.run("systemctl is-active sekisho-agent").stdout.strip(), "active")
        guest.run("mount -o ro /dev/vdb /mnt")
        guest.run(f"sekisho image update /mnt/sekisho-{SECOND}.update", timeout=300)
        self.assertEqual(self.states(guest), {FIRST: "good", SECOND: "trying"})
        guest.run("sekisho image factory-reset --yes")

        self.reboot(guest)
        self.assertEqual(guest.run("ls /var/lib/sekisho-states/").stdout.split(), ["running"])
        self.assertNotIn("# of the first", guest.run("cat /etc/sekisho/sekisho.toml").stdout)


class DamagedSlot(ApplianceTest):
    """A slot that isn't what was shipped is noticed before anything runs from it."""

    def damage(self, guest: Guest, label: str) -> None:
        """In the middle of that root, on a box that is off."""
        listing = subprocess.run(["sfdisk", "--json", guest.disks[0]], capture_output=True, text=True, check=True)
        root = max((each for each in json.loads(listing.stdout)["partitiontable"]["partitions"] if each.get("name") == label),
                   key=lambda each: each["size"])
        with open(guest.disks[0], "r+b") as disk:
            disk.seek(root["start"] * 512 + (40 << 20))
            disk.write(b"\xff" * 4096)

    def test_the_other_one_begins(self) -> None:
        guest = self.guest("damaged")
        second = self.made(SECOND, "--again").with_name(f"sekisho-{SECOND}.update")
        guest.add_disk(self.stick("damaged-stick", second))
        guest.boot()
        guest.run("mount -o ro /dev/vdb /mnt")
        guest.run(f"sekisho image update /mnt/sekisho-{SECOND}.update", timeout=300)
        self.reboot(guest)
        self.well(guest)
        guest.shut_down()
        self.damage(guest, f"sekisho_{SECOND}")
        guest.start()
        guest.wait_for("SLOT_DAMAGED")
        guest.wait_for("SLOT_MARKED_BAD")
        guest.shell()
        self.assertEqual(self.status(guest)["running"], FIRST)
        self.assertEqual(self.states(guest), {FIRST: "good", SECOND: "bad"})
        guest.shut_down()
        # Nor does a box without another one restart for ever.
        self.damage(guest, f"sekisho_{FIRST}")
        guest.start()
        guest.wait_for("SLOT_MARKED_BAD")
        guest.wait_for("SLOT_ALONE")


class BadVersion(ApplianceTest):
    def without_an_agent(self) -> Path:
        """Packages like the others, but that this version's agent ends at once."""
        packages = self.work / "packages"
        shutil.copytree(ROOT / "build/image-work/packages", packages)
        package = next(packages.glob("sekisho-agent_*.deb"))
        tree = self.work / "sekisho-agent"
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        (tree / "usr/sbin/sekishod").write_text("#!/bin/sh\nexit 1\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, stdout=subprocess.DEVNULL)
        return packages

    def test_it_goes_back_by_itself(self) -> None:
        guest = self.guest("bad")
        update = self.made(BAD, "--again", "--packages", str(self.without_an_agent())).with_name(f"sekisho-{BAD}.update")
        guest.add_disk(self.stick("bad-stick", update))
        guest.boot()
        self.well(guest)
        guest.run(f"mount -o ro /dev/vdb /mnt && sekisho image update /mnt/sekisho-{BAD}.update", timeout=300)
        guest.send("systemctl reboot\n")
        for _ in range(3):
            guest.shell()
            self.assertEqual(self.status(guest)["running"], BAD)
            guest.wait_for("reboot: Restarting system")
        guest.shell()
        self.assertEqual(self.status(guest)["running"], FIRST)
        self.assertEqual(self.states(guest), {FIRST: "good", BAD: "bad"})
        self.assertEqual(guest.run("systemctl is-active sekisho-agent").stdout.strip(), "active")


class PowerCuts(ApplianceTest):
    """Whatever is written just then, there is a version that comes up, and it can be updated."""

    def test_at_any_moment(self) -> None:
        seed = time.time_ns()
        print(f"seed {seed}", flush=True)
        moments = random.Random(seed)
        guest = self.guest("power")
        updates = [self.made(FIRST), self.made(SECOND, "--again")]
        guest.add_disk(self.stick("power-stick", *(made.with_name(made.name + ".update") for made in updates)))
        guest.boot()
        took = 60.0
        for cut in range(CUTS):
            running = self.status(guest)["running"]
            other = FIRST if running == SECOND else SECOND
            guest.run(f"mount -o ro /dev/vdb /mnt && systemd-run --unit=update sekisho image update --allow-older /mnt/sekisho-{other}.update")
            # Some of them behind its end, in the reboot and the first boot of what it has brought.
            moment = moments.uniform(0, took) if cut % 4 else took + moments.uniform(0, 60)
            if moment > took:
                guest.run("while systemctl -q is-active update; do sleep 0.2; done", timeout=300)
                guest.send("systemctl reboot\n")
                moment -= took
            time.sleep(moment)
            guest.cut_power()
            guest.boot()
            status = self.status(guest)
            print(f"cut {cut + 1} from {running} to {other}, {moment:.1f} s: {status['running']} runs, {self.states(guest)}", flush=True)
            self.assertIn(status["running"], (FIRST, SECOND))
            self.assertEqual(guest.run("systemctl is-active sekisho-agent").stdout.strip(), "active")
        running = self.status(guest)["running"]
        other = FIRST if running == SECOND else SECOND
        guest.run(f"mount -o ro /dev/vdb /mnt && sekisho image update --allow-older /mnt/sekisho-{other}.update", timeout=300)
        self.reboot(guest)
        self.assertEqual(self.status(guest)["running"], other)
