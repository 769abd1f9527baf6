# SPDX-License-Identifier: Apache-2.0
"""What tests of the appliance's image stand on: an image, boxes made of it, and a network on either side of a box."""

import json
import shutil
import subprocess
import tempfile
import time
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


# The box between two networks; its cards are told apart by their addresses.
CONFIG = """[[interface]]
name = "sub0"
side = "subscriber"
[[pool]]
name = "dsl"
prefixes = ["192.0.2.0/24"]
action = "reset"
[[designated]]
name = "mail"
prefixes = ["203.0.113.26"]
"""
STICK = {
    "sekisho.toml": CONFIG,
    "network/10-sub0.link": "[Match]\nMACAddress=52:54:00:00:00:01\n[Link]\nName=sub0\n",
    "network/10-wan0.link": "[Match]\nMACAddress=52:54:00:00:00:02\n[Link]\nName=wan0\n",
    "network/10-sub0.network": "[Match]\nName=sub0\n[Network]\nAddress=192.0.2.1/24\nIPv4Forwarding=yes\n",
    "network/10-wan0.network": "[Match]\nName=wan0\n[Network]\nAddress=203.0.113.1/24\nIPv4Forwarding=yes\n",
    "hostname": "edge7\n",
}
SUBSCRIBER, SERVER, DESIGNATED = "192.0.2.7", "203.0.113.25", "203.0.113.26"
OTHER_PORT = 8025
SIDES = {"sub0": ("subscriber", (f"{SUBSCRIBER}/24",), "192.0.2.1"), "wan0": ("internet", (f"{SERVER}/24", f"{DESIGNATED}/24"), "203.0.113.1")}
# Says 220 to whoever comes.
GREET = """import socketserver, threading
class Greeting(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 x\\r\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
servers = [Server(("", port), Greeting) for port in (25, PORT)]
for server in servers[1:]:
    threading.Thread(target=server.serve_forever).start()
servers[0].serve_forever()
""".replace("PORT", str(OTHER_PORT))
# What a client meets at an address and a port.
MEET = """import socket
def meet(address, port, timeout):
    with socket.socket() as s:
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            return "open" if s.recv(3) == b"220" else "closed"
        except ConnectionRefusedError:
            return "refused"
        except OSError as error:
            return "silence" if isinstance(error, TimeoutError) else "no way"
"""


class BetweenNetworksTest(ApplianceTest):
    """A box between a subscriber and the Internet, which are network namespaces; not a test itself."""

    def setUp(self) -> None:
        self.names = {side: f"sekisho-image-{side}" for side in ("box", "subscriber", "internet")}
        for name in self.names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", name], check=False)

    def inside(self, side: str, *command: str) -> str:
        return subprocess.run(["ip", "netns", "exec", self.names[side], *command], capture_output=True, text=True, check=True).stdout.strip()

    def beside(self, side: str, program: str) -> subprocess.Popen:
        """A Python program that runs there until the test ends."""
        running = subprocess.Popen(["ip", "netns", "exec", self.names[side], "/usr/bin/python3", "-c", program], stdout=subprocess.PIPE, text=True)
        self.addCleanup(running.stdout.close)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        return running

    def between(self, name: str, version: str = FIRST) -> Guest:
        """A new box with a card into each network, off."""
        guest = self.guest(name, version)
        guest.namespace = self.names["box"]
        guest.network = []
        for number, card in enumerate(SIDES, 1):
            guest.network += ["-netdev", f"tap,id={card},ifname={card},script=no,downscript=no",
                              "-device", f"virtio-net-pci,netdev={card},mac=52:54:00:00:00:0{number}"]
        return guest

    def start(self, guest: Guest) -> None:
        """Switches it on; the other ends of its cards go each into the network that they lead to."""
        guest.start()
        for card, (side, addresses, gateway) in SIDES.items():
            subprocess.run(["ip", "-n", self.names["box"], "link", "set", card, "netns", self.names[side]], check=True)
            for address in addresses:
                self.inside(side, "ip", "address", "add", address, "dev", card)
            self.inside(side, "ip", "link", "set", card, "up")
            self.inside(side, "ip", "link", "set", "lo", "up")
            self.inside(side, "ip", "route", "add", "default", "via", gateway)

    def give_addresses(self, *options: str) -> None:
        """A DHCP server on the Internet's side, with these options of dnsmasq's."""
        server = subprocess.Popen(["ip", "netns", "exec", self.names["internet"], "dnsmasq", "--keep-in-foreground", "--port=0",
                                   "--conf-file=/dev/null", "--dhcp-range=203.0.113.100,203.0.113.120", "--dhcp-leasefile=/dev/null", "--pid-file=",
                                   "--user=root", *options], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

    def meets(self, address: str, port: int = 25) -> str:
        """What the subscriber meets there: open, refused, silence, no way."""
        return self.inside("subscriber", "/usr/bin/python3", "-c", f"{MEET}print(meet('{address}', {port}, 5))")

    def await_way(self) -> None:
        """Until packets pass the box, and there is somebody who answers them."""
        end = time.monotonic() + 120
        while self.meets(SERVER, OTHER_PORT) != "open":
            self.assertLess(time.monotonic(), end, "nothing passes the box")
            time.sleep(1)
