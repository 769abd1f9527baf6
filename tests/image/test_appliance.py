# SPDX-License-Identifier: Apache-2.0
"""The appliance's image in a virtual machine: its first boot, its updates, and what it does about a damaged slot."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from guest import Guest, is_possible

ROOT = Path(__file__).resolve().parents[2]
FIRST, SECOND = "0.1.0", "0.1.1"


class ApplianceTest(unittest.TestCase):
    """With an image that is made once for all; not a test itself."""

    images = ROOT / "build/image"

    @classmethod
    def setUpClass(cls) -> None:
        why = is_possible()
        if why:
            raise unittest.SkipTest(why)
        subprocess.run(["sh", ROOT / "images/packages.sh", "image"], check=True)
        cls.work = Path(tempfile.mkdtemp(prefix="sekisho-appliance-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)

    @classmethod
    def made(cls, version: str, *options: str) -> Path:
        """What images/build.sh has made of these sources, as sekisho-VERSION without an ending."""
        made = cls.images / f"sekisho-{version}"
        changed = max(path.stat().st_mtime for path in [ROOT / "images/build.sh", *(ROOT / "images/appliance").rglob("*")])
        if not made.with_name(made.name + ".update").exists() or made.with_name(made.name + ".raw").stat().st_mtime < changed:
            subprocess.run([ROOT / "images/build.sh", "--version", version, *options], check=True)
        return made

    def guest(self, name: str, version: str = FIRST) -> Guest:
        """A new box, off."""
        image = self.made(version)
        guest = Guest(image.with_name(image.name + ".raw"), self.work / name)
        self.addCleanup(guest.remove)
        return guest

    def status(self, guest: Guest) -> dict:
        return json.loads(guest.run("sekisho image status --json").stdout)

    def states(self, guest: Guest) -> dict[str, str]:
        return {each["version"]: each["state"] for each in self.status(guest)["versions"]}


class FirstBoot(ApplianceTest):
    def test_first_boot(self) -> None:
        guest = self.guest("first")
        guest.boot()
        self.assertIn(guest.run("systemctl is-system-running --wait", check=False, timeout=400).stdout.strip(), ("running",),
                      guest.run("systemctl --failed --no-pager; journalctl -b -p 3 --no-pager | tail -n 50").stdout)
        # The root is what was shipped, and nobody can write to it.
        self.assertIn("erofs", guest.run("findmnt -no FSTYPE /").stdout)
        self.assertNotEqual(guest.run("touch /usr/x", check=False).returncode, 0)
        # The second slot is there, and /var has all the rest of the disk.
        names = guest.run("lsblk -no PARTLABEL,SIZE --bytes /dev/vda").stdout
        self.assertEqual(len(re.findall(r"^_empty", names, re.MULTILINE)), 2, names)
        self.assertGreater(int(guest.run("df --output=size -B1 /var | tail -n 1").stdout), 5 * 10 ** 9)
        # The filter runs; nothing listens that nobody has asked for.
        self.assertEqual(guest.run("sekisho status --json").returncode, 0)
        listening = [line for line in guest.run("ss -Hltun").stdout.splitlines() if not re.search(r"%\S+:(68|546)\s|127\.0\.0\.1|\[::1\]", line)]
        self.assertEqual(listening, [])
        self.assertEqual(self.states(guest), {FIRST: "good"})
        self.assertLess(int(guest.run("free -m | awk '/^Mem/ { print $3 }'").stdout), 300)
        # What an operator changes stays.
        guest.run("echo '# mine' >>/etc/sekisho/sekisho.toml; hostnamectl hostname edge1")
        identity = guest.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout
        guest.shut_down()
        guest.boot()
        self.assertIn("# mine", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge1")
        self.assertEqual(guest.run("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout, identity)


class DamagedSlot(ApplianceTest):
    """A slot that isn't what was shipped is noticed before anything runs from it."""

    def test_damage(self) -> None:
        guest = self.guest("damaged")
        guest.boot()
        start = int(guest.run("partx -go START /dev/vda2").stdout) * 512
        guest.shut_down()
        with open(guest.disks[0], "r+b") as disk:
            disk.seek(start + (40 << 20))
            disk.write(b"\xff" * 4096)
        guest.start()
        guest.wait_for(r"SLOT_DAMAGED")
        guest.wait_for(r"SLOT_MARKED_BAD")
        # There is no other: it goes on as far as it can, and doesn't restart for ever.
        guest.wait_for(r"SLOT_DAMAGED")
        guest.wait_for(r"SLOT_ALONE")
