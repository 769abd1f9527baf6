# SPDX-License-Identifier: Apache-2.0
"""The appliance's first boot: as it was flashed, and with a stick that configures it."""

import io
import json
import re
import subprocess
import tarfile

from appliance_test import DESIGNATED, FIRST, SERVER, STICK, SUBSCRIBER, GREET, ApplianceTest, BetweenNetworksTest

TRUSTING = "0.1.3"  # an image that believes a certificate of the test's
# Gives the files of a folder by HTTPS, and says on its standard output what was asked for.
SERVE = """import functools, http.server, ssl
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, form, *what):
        print(form % what, flush=True)
server = http.server.ThreadingHTTPServer(("", 443), functools.partial(Handler, directory=FOLDER))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER + "/../server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


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


class ConfiguredByStick(BetweenNetworksTest):
    """A box that has never been touched."""

    def test_story(self) -> None:
        guest = self.between("stick")
        guest.add_disk(self.stick("configuration", label="SEKISHO", texts=STICK))
        self.beside("internet", GREET)
        self.start(guest)
        guest.shell()
        self.assertIn("FIRST_BOOT_CONFIGURED", guest.run("journalctl -b -o cat -u sekisho-first-boot").stdout)
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge7")
        self.await_way()
        self.assertEqual(self.meets(DESIGNATED), "open")
        self.assertEqual(self.meets(SERVER), "refused")
        guest.run(f"sekisho grant add {SUBSCRIBER} --for 10m")
        self.assertEqual(self.meets(SERVER), "open")
        guest.run(f"sekisho grant revoke {SUBSCRIBER}")
        self.assertEqual(self.meets(SERVER), "refused")
        # The stick stays in, and does nothing any more.
        guest.run(f"sekisho exempt add {SUBSCRIBER} && sed -i s/dsl/fibre/ /etc/sekisho/sekisho.toml")
        self.reboot(guest)
        self.await_way()
        self.assertIn("fibre", guest.run("cat /etc/sekisho/sekisho.toml").stdout)
        self.assertEqual(self.meets(SERVER), "open", "exempt, after a reboot, too")


class ConfiguredByNetwork(BetweenNetworksTest):
    """Option 67 of a DHCP server on the Internet's side."""

    def certificate(self) -> None:
        """One for the server, in the place of the last one; an image that was made before believes it no more."""
        self.ca = self.images / "test-ca.pem"
        self.images.mkdir(parents=True, exist_ok=True)
        if not self.ca.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=test", "-addext",
                            f"subjectAltName=IP:{SERVER}", "-keyout", self.ca.with_suffix(".key"), "-out", self.ca], check=True, capture_output=True)
            self.images.joinpath(f"sekisho-{TRUSTING}.update").unlink(missing_ok=True)
        (self.work / "server.pem").write_text(self.ca.with_suffix(".key").read_text() + self.ca.read_text())

    def test_story(self) -> None:
        self.certificate()
        self.made(TRUSTING, "--again", "--ca", str(self.ca))
        folder = self.work / "served"
        folder.mkdir()
        with tarfile.open(folder / "52:54:00:00:00:02.tar.gz", "w:gz") as parts:
            for name, text in STICK.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                parts.addfile(entry, io.BytesIO(text.encode()))
        self.beside("internet", GREET)
        self.beside("internet", SERVE.replace("FOLDER", repr(str(folder))))
        guest = self.between("network", TRUSTING)
        self.start(guest)
        self.give_addresses(f"--dhcp-option-force=67,https://{SERVER}/{{mac}}.tar.gz")
        guest.shell()
        # It has found it, and begins anew.
        guest.wait_for("reboot: Restarting system")
        guest.shell()
        self.assertEqual(guest.run("hostname").stdout.strip(), "edge7")
        self.assertIn("FIRST_BOOT_CONFIGURED", guest.run("journalctl -b -1 -o cat -u sekisho-first-network").stdout)
        self.assertEqual(guest.run("systemctl show -P ActiveState sekisho-first-network").stdout.strip(), "inactive")
        self.await_way()
        self.assertEqual(self.meets(DESIGNATED), "open")
        self.assertEqual(self.meets(SERVER), "refused")


class InstalledFromStick(ApplianceTest):
    def test_the_disk_is_a_box(self) -> None:
        stick = self.guest("installer")
        disk = self.work / "target.raw"
        with open(disk, "wb") as empty:
            empty.truncate(8 << 30)
        stick.add_disk(disk)
        stick.boot()
        for words, why in (("/dev/vda --yes", "no disk that it could be put on"), ("/dev/vdx --yes", "no disk that it could be put on"),
                           ("/dev/vdb", "all that is on /dev/vdb would be lost"), ("", "it wasn't said which disk")):
            refused = stick.run(f"sekisho image install {words} --json </dev/null", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(why, json.loads(refused.stdout.splitlines()[-1])["error"]["what"])
        # As somebody at its console does it.
        stick.send("sekisho image install\n")
        stick.wait_for(r"/dev/vdb +8G")
        stick.wait_for("Which one shall be the new box")
        stick.send("/dev/vdb\n")
        stick.wait_for("Type yes to go on")
        stick.send("yes\n")
        stick.wait_for("Done. To begin", timeout=300)
        stick.run("true")
        stick.shut_down()
        stick.disks = [disk]
        stick.boot()
        self.assertEqual(self.states(stick), {FIRST: "good"})
        self.assertEqual(stick.run("systemctl is-system-running --wait", check=False, timeout=400).stdout.strip(), "running")
        self.assertGreater(int(stick.run("df --output=size -B1 /var | tail -n 1").stdout), 5 * 10 ** 9)


class BootedByNetwork(BetweenNetworksTest):
    """UEFI HTTP boot of a machine with an empty disk, which becomes a box."""

    def test_the_disk_is_a_box(self) -> None:
        guest = self.between("http")
        guest.memory = "4G"
        with open(guest.disks[0], "wb") as disk:
            disk.truncate(8 << 30)
        served = self.made(FIRST).parent
        self.beside("internet", f"import functools, http.server\nhttp.server.ThreadingHTTPServer(('', 80), functools.partial("
                                f"http.server.SimpleHTTPRequestHandler, directory='{served}')).serve_forever()")
        disk_first = guest.network
        guest.network = [words.replace("netdev=wan0", "netdev=wan0,bootindex=1") for words in guest.network]
        self.start(guest)
        self.give_addresses("--dhcp-match=set:http,option:client-arch,16", "--dhcp-option-force=tag:http,option:vendor-class,HTTPClient",
                            f"--dhcp-boot=tag:http,http://{SERVER}/sekisho-{FIRST}.netboot.efi")
        guest.shell()
        self.assertEqual(guest.run("findmnt -no FSTYPE /var").stdout.strip(), "tmpfs")
        guest.run("sekisho image install /dev/vda --yes", timeout=300)
        guest.shut_down()
        guest.network = disk_first
        self.start(guest)
        guest.shell()
        self.assertEqual(self.states(guest), {FIRST: "good"})
        self.assertEqual(guest.run("findmnt -no FSTYPE /var").stdout.strip(), "ext4")
