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

    def stick(self, name: str, *files: Path, label: str = "", texts: dict[str, str] | None = None) -> Path:
        """A USB stick with these files; /dev/vdb where it is the second disk."""
        folder = self.work / f"{name}.files"
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder)
        for path, text in (texts or {}).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        disk = self.work / f"{name}.raw"
        with open(disk, "wb") as empty:
            empty.truncate(sum(file.stat().st_size for file in files) + (64 << 20))
        subprocess.run(["mkfs.ext4", "-q", "-L", label, "-d", folder, disk], check=True)
        shutil.rmtree(folder)
        return disk

    def well(self, guest: Guest) -> None:
        """Until the version that runs has been found well, and said so."""
        guest.run("for i in $(seq 100); do journalctl -b -o cat -u sekisho-healthy | grep -q IMAGE_HEALTHY && exit 0; sleep 3; done; exit 1",
                  timeout=400)
        guest.run("for i in $(seq 20); do sekisho image status | grep -q 'good *running' && exit 0; sleep 3; done; exit 1", timeout=100)

    def reboot(self, guest: Guest) -> None:
        guest.send("systemctl reboot\n")
        guest.shell()

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


# The box between two networks; its cards are told apart by their addresses.
STICK = {
    "sekisho.toml": """[[interface]]
name = "sub0"
side = "subscriber"
[[pool]]
name = "dsl"
prefixes = ["192.0.2.0/24"]
action = "reset"
[[designated]]
name = "mail"
prefixes = ["203.0.113.26"]
""",
    "network/10-sub0.link": "[Match]\nMACAddress=52:54:00:00:00:01\n[Link]\nName=sub0\n",
    "network/10-wan0.link": "[Match]\nMACAddress=52:54:00:00:00:02\n[Link]\nName=wan0\n",
    "network/10-sub0.network": "[Match]\nName=sub0\n[Network]\nAddress=192.0.2.1/24\nIPv4Forwarding=yes\n",
    "network/10-wan0.network": "[Match]\nName=wan0\n[Network]\nAddress=203.0.113.1/24\nIPv4Forwarding=yes\n",
    "hostname": "edge7\n",
}
SIDES = {"sub0": ("subscriber", ("192.0.2.7/24",), "192.0.2.1"), "wan0": ("internet", ("203.0.113.25/24", "203.0.113.26/24"), "203.0.113.1")}


class ConfiguredByStick(ApplianceTest):
    """A box that has never been touched, between a subscriber and the Internet."""

    def setUp(self) -> None:
        self.names = {side: f"sekisho-image-{side}" for side in ("box", "subscriber", "internet")}
        for name in self.names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", name], check=False)

    def inside(self, side: str, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        return subprocess.run(["ip", "netns", "exec", self.names[side], *command], capture_output=True, text=True, check=check)

    def connect(self) -> None:
        """The other ends of the box's cards, once they are there: each into the network that it leads to."""
        for card, (side, addresses, gateway) in SIDES.items():
            subprocess.run(["ip", "-n", self.names["box"], "link", "set", card, "netns", self.names[side]], check=True)
            for address in addresses:
                self.inside(side, "ip", "address", "add", address, "dev", card)
            self.inside(side, "ip", "link", "set", card, "up")
            self.inside(side, "ip", "link", "set", "lo", "up")
            self.inside(side, "ip", "route", "add", "default", "via", gateway)

    def port_25(self, address: str) -> str:
        """What the subscriber meets there."""
        program = ("import socket, sys\ns = socket.socket(); s.settimeout(5)\n"
                   f"try: s.connect(('{address}', 25)); print(s.recv(3).decode())\nexcept OSError as e: print(type(e).__name__)")
        return self.inside("subscriber", "/usr/bin/python3", "-c", program).stdout.strip()

    def test_story(self) -> None:
        guest = self.guest("stick")
        guest.namespace = self.names["box"]
        guest.network = []
        for number, card in enumerate(SIDES, 1):
            guest.network += ["-netdev", f"tap,id={card},ifname={card},script=no,downscript=no",
                              "-device", f"virtio-net-pci,netdev={card},mac=52:54:00:00:00:0{number}"]
        guest.add_disk(self.stick("configuration", label="SEKISHO", texts=STICK))
        guest.start()
        self.connect()
        server = subprocess.Popen(["ip", "netns", "exec", self.names["internet"], "/usr/bin/python3", "-c",
                                   "import socketserver\nclass H(socketserver.BaseRequestHandler):\n def handle(self): self.request.sendall(b'220 x\\r\\n')\n"
                                   "socketserver.ThreadingTCPServer(('', 25), H).serve_forever()"])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        guest.shell()
        self.assertIn("FIRST_BOOT_CONFIGURED", guest.run("journalctl -b -o cat -u sekisho-first-boot").stdout)
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge7")
        for _ in range(20):
            if self.port_25("203.0.113.26") == "220":
                break
        self.assertEqual(self.port_25("203.0.113.26"), "220", "a designated server")
        self.assertEqual(self.port_25("203.0.113.25"), "ConnectionRefusedError")
        guest.run("sekisho grant add 192.0.2.7 --for 10m")
        self.assertEqual(self.port_25("203.0.113.25"), "220")
        guest.run("sekisho grant revoke 192.0.2.7")
        self.assertEqual(self.port_25("203.0.113.25"), "ConnectionRefusedError")
        # The stick stays in, and does nothing any more.
        guest.run("sekisho exempt add 192.0.2.7 && sed -i s/dsl/fibre/ /etc/sekisho/sekisho.toml")
        self.reboot(guest)
        guest.run('for i in $(seq 60); do ip -4 -o address show dev sub0 | grep -q 192.0.2.1 && exit 0; sleep 1; done; exit 1')
        self.assertIn("fibre", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        self.assertEqual(self.port_25("203.0.113.25"), "220", "exempt, after a reboot, too")


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
