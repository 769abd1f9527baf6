# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: installed, configured, replaced, removed and purged on a Debian with systemd."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from machine import ROOT, Machine

from lab.network import compile_pass

NAMES = ("sekisho", "sekisho-agent", "sekisho-smtpd")
MAIL_UNITS = ("sekisho-auth", "sekisho-relay", "sekisho-smtpd")
PASSWORD = "correct horse battery"
CONFIG = """[[interface]]
name = "sub0"
side = "subscriber"
[[pool]]
name = "dsl"
prefixes = ["192.0.2.0/24"]
action = "reset"
[[login.dovecot]]
name = "mail1"
listen = "127.0.0.1"
port = 4001
key_file = "/etc/sekisho/policy.key"
reporters = ["127.0.0.1/32"]
[login.submission]
[submission]
hostname = "smtp.example.net"
certificate = "/etc/sekisho/tls/fullchain.pem"
key = "/etc/sekisho/tls/privkey.pem"
[[submission.listener]]
address = "0.0.0.0"
port = 587
[[submission.listener]]
address = "0.0.0.0"
port = 465
tls = "implicit"
"""
# A subscriber behind sub0, in a network namespace of its own; it needs a program for what XDP_TX sends it.
NETWORK = """
ip netns add subscriber
ip link add sub0 type veth peer name wan netns subscriber
ip addr add 192.0.2.1/24 dev sub0
ip link set sub0 up
ip netns exec subscriber ip addr add 192.0.2.7/24 dev wan
ip netns exec subscriber ip link set wan up
ip netns exec subscriber ip route add default via 192.0.2.1
ip -n subscriber link set dev wan xdp obj /packages/pass.o sec xdp.frags
sysctl -qw net.ipv4.ip_forward=1
"""
# Tries port 25 until it is told to end; says how often it was refused, and what else has happened.
TRIES = """
import collections, json, pathlib, socket
outcomes = collections.Counter()
while not pathlib.Path("/run/enough").exists():
    client = socket.socket()
    client.settimeout(3)
    try:
        client.connect(("203.0.113.25", 25))
        outcomes["open"] += 1
    except OSError as error:
        outcomes[type(error).__name__] += 1
    client.close()
print(json.dumps(outcomes))
"""


# A backup that is cut off, and others that are whole.
BAD_BACKUPS = """
cd /root
head -c 1000 whole.tar.gz >half.tar.gz
again() {
    tar -czf "$1.tar.gz" -C parts sekisho-backup etc var
}
mkdir parts
tar -xzf whole.tar.gz -C parts
echo root::0:0::/:/bin/sh >parts/etc/passwd
again strange
rm parts/etc/passwd
cp parts/sekisho-backup said
sed 's/^version=.*/version=99.1/' said >parts/sekisho-backup
again newer
sed 's/^format=.*/format=2/' said >parts/sekisho-backup
again other
cp said parts/sekisho-backup
echo '[nonsense]' >>parts/etc/sekisho/sekisho.toml
again broken
rm -r parts said
"""


class PackagesTest(unittest.TestCase):
    """For one Debian; not a test itself."""

    release: str
    names = NAMES

    @classmethod
    def setUpClass(cls) -> None:
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root: a Debian of its own is booted")
        subprocess.run([ROOT / "images/deb.sh", cls.release], check=True)
        cls.work = Path(tempfile.mkdtemp(prefix="sekisho-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.machine = Machine(cls.release, cls.work / "machine")
        cls.addClassCleanup(cls.machine.remove)
        cls.packages = cls.machine.root / "packages"
        cls.packages.mkdir()
        for name in cls.names:
            package, = (ROOT / "build/deb" / cls.release).glob(f"{name}_*.deb")
            shutil.copy(package, cls.packages)
        compile_pass(cls.packages / "pass.o")
        # What they need, and no more: they are installed when systemd runs.
        cls.machine.prepare("apt-get -q update && apt-get -q -y --no-install-recommends install python3 && apt-get clean && "
                            "apt-get -q -y --no-install-recommends --download-only install /packages/*.deb")
        cls.machine.boot()
        cls.before = cls.files()

    @classmethod
    def files(cls) -> set[str]:
        """What has the project's name, but in dpkg's and apt's own records."""
        found = cls.machine.run("find", "/", "-xdev", "(", "-path", "/packages", "-o", "-path", "/var/cache", "-o", "-path", "/proc", ")",
                                "-prune", "-o", "-name", "*sekisho*", "-print").stdout.split()
        return {each for each in found if not each.startswith(("/var/lib/apt/", "/var/log/"))}

    def apt(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.machine.run("apt-get", "-q", "-y", *words, check=check)

    def is_active(self, unit: str) -> str:
        return self.machine.run("systemctl", "is-active", unit, check=False).stdout.strip()

    def listening(self) -> str:
        return self.machine.run("ss", "-Hltun").stdout

    def links(self) -> str:
        """The programs on the subscriber's interface, by the kernel's numbers."""
        return str(re.findall(r"prog/xdp id (\d+)", self.machine.run("ip", "-d", "link", "show", "sub0").stdout))

    def test_life(self) -> None:
        """One after the other: each step begins where the last one has ended."""
        self.install()
        self.set_up()
        self.configure()
        self.serve()
        self.back_up()
        self.replace()
        self.keep()
        self.remove()
        self.purge()

    def install(self) -> None:
        self.machine.run("sh", "-c", "dpkg -i /var/cache/apt/archives/*.deb /packages/*.deb")
        self.assertEqual(self.is_active("sekisho-agent"), "active")
        self.assertEqual(self.machine.run("systemctl", "is-enabled", "sekisho-agent").stdout.strip(), "enabled")
        self.assertEqual(self.machine.run("systemctl", "is-enabled", "sekisho-guard").stdout.strip(), "enabled")
        for unit in MAIL_UNITS:
            self.assertEqual(self.is_active(unit), "inactive", "nobody has configured it")
            self.assertEqual(self.machine.run("systemctl", "is-enabled", unit, check=False).stdout.strip(), "disabled")
        self.assertEqual(self.listening(), "")
        self.assertEqual(self.machine.run("stat", "-c", "%a %U %n", "/etc/sekisho", "/etc/sekisho/sekisho.toml", "/var/lib/sekisho").stdout,
                         "755 root /etc/sekisho\n644 root /etc/sekisho/sekisho.toml\n711 sekisho-agent /var/lib/sekisho\n")
        for user in ("sekisho-agent", *MAIL_UNITS):
            self.assertIn("/usr/sbin/nologin", self.machine.run("getent", "passwd", user).stdout)
        self.assertEqual(self.machine.run("sekisho", "status", "--json").returncode, 0)

    def set_up(self) -> None:
        """`sekisho setup` as it is found, with systemd; afterwards nothing is configured, as before."""
        self.machine.run("sh", "-ec", NETWORK)
        answers = ("sub0", "", "192.0.2.0/24", "reset", "", "", "example.net", "", "anna", PASSWORD, "")
        said = self.machine.run("sekisho", "setup", text="\n".join(answers) + "\n").stdout
        self.assertIn("anna may log in", said)
        self.assertNotIn("To do:", said)
        for unit in ("sekisho-agent", *MAIL_UNITS):
            self.assertEqual(self.is_active(unit), "active", self.machine.run("journalctl", "-u", unit, "-n", "20").stdout)
            self.assertEqual(self.machine.run("systemctl", "is-enabled", unit).stdout.strip(), "enabled")
        self.assertEqual(sorted(set(re.findall(r":(\d+) ", self.listening()))), ["465", "587"])
        self.assertIn("reset", self.machine.run("sekisho", "why", "192.0.2.7", "203.0.113.25").stdout)
        self.login("anna")
        self.machine.run("sekisho", "user", "remove", "anna")
        self.machine.run("systemctl", "disable", "--now", *MAIL_UNITS)
        self.machine.run("sh", "-ec", "systemctl stop 'sekisho-*.socket'; rm -r /etc/sekisho/tls /etc/sekisho/sekisho.toml.*")

    def login(self, user: str) -> None:
        login = "import smtplib, ssl; c = smtplib.SMTP_SSL('127.0.0.1', 465, context=ssl._create_unverified_context()); " \
                f"print(c.login('{user}', '{PASSWORD}')[0])"
        self.assertEqual(self.machine.run("python3", "-c", login).stdout, "235\n")

    def configure(self) -> None:
        self.machine.run("sh", "-ec", "install -d -g sekisho-smtpd -m 750 /etc/sekisho/tls && cd /etc/sekisho/tls && "
                         "openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=smtp.example.net "
                         "-keyout privkey.pem -out fullchain.pem 2>/dev/null || openssl req -x509 -newkey rsa:2048 -nodes -days 30 "
                         "-subj /CN=smtp.example.net -keyout privkey.pem -out fullchain.pem 2>/dev/null; "
                         "chgrp sekisho-smtpd privkey.pem && chmod 640 privkey.pem")
        self.machine.write("/etc/sekisho/sekisho.toml", CONFIG)
        self.machine.run("sh", "-c", "openssl rand -hex 32 | install -m 600 /dev/stdin /etc/sekisho/policy.key")
        closed = self.machine.run("sekishod", "--check", check=False)
        self.assertIn("chgrp sekisho-agent /etc/sekisho/policy.key && chmod 0640 /etc/sekisho/policy.key", closed.stdout + closed.stderr)
        self.machine.run("sh", "-c", "chgrp sekisho-agent /etc/sekisho/policy.key && chmod 0640 /etc/sekisho/policy.key")
        for daemon in ("sekishod", *MAIL_UNITS):
            self.machine.run(daemon, "--check")
        self.machine.run("systemctl", "restart", "sekisho-agent")
        self.machine.run("systemctl", "enable", "--now", *MAIL_UNITS)
        for unit in ("sekisho-agent", *MAIL_UNITS):
            self.assertEqual(self.is_active(unit), "active", self.machine.run("journalctl", "-u", unit, "-n", "20").stdout)
            exposure = self.machine.run("systemd-analyze", "security", "--no-pager", unit).stdout.splitlines()[-1]
            self.assertLessEqual(float(re.search(r"(\d+\.\d+)", exposure).group(1)), 2.0, exposure)
        self.assertEqual(sorted(set(re.findall(r":(\d+) ", self.listening()))), ["4001", "465", "587"])
        self.assertNotEqual(self.links(), "[]")

    def serve(self) -> None:
        """Under all that the units forbid."""
        self.assertIn("reset", self.machine.run("sekisho", "why", "192.0.2.7", "203.0.113.25").stdout)
        self.machine.run("sekisho", "user", "add", "alice", text=f"{PASSWORD}\n")
        self.login("alice")
        self.machine.run("sekisho", "queue", "list")
        checks = json.loads(self.machine.run("sekisho", "doctor", "--json", check=False).stdout)
        self.assertEqual([each for each in checks["checks"] if not each["ok"]], [])

    def back_up(self) -> None:
        """What operators have said and who may log in comes back; nobody gets through meanwhile."""
        self.machine.run("sekisho", "exempt", "add", "192.0.2.9")
        self.machine.run("sekisho", "backup", "/root/whole.tar.gz")
        self.assertEqual(self.machine.run("stat", "-c", "%a", "/root/whole.tar.gz").stdout, "600\n")
        self.machine.run("sekisho", "user", "add", "bob", text=f"{PASSWORD}\n")
        self.machine.run("sekisho", "exempt", "remove", "192.0.2.9")
        self.machine.run("sh", "-c", "echo '# later' >>/etc/sekisho/sekisho.toml")
        self.machine.run("sh", "-ec", BAD_BACKUPS)
        for name, why in (("half", "damaged"), ("strange", "belongs to none"), ("newer", "newer than this one"), ("broken", "isn't right"),
                          ("other", "a kind that"), ("none", "there is no file")):
            refused = self.machine.run("sekisho", "restore", f"/root/{name}.tar.gz", "--yes", "--json", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(why, json.loads(refused.stdout)["error"]["what"])
        self.assertIn("bob", self.machine.run("sekisho", "user", "list").stdout)
        outcomes = self.tried(lambda: self.machine.run("sekisho", "restore", "/root/whole.tar.gz", "--yes"))
        self.assertEqual(list(outcomes), ["ConnectionRefusedError"], outcomes)
        self.assertNotIn("bob", self.machine.run("sekisho", "user", "list").stdout)
        self.login("alice")
        self.assertIn("192.0.2.9", self.machine.run("sekisho", "exempt", "list").stdout)
        self.assertEqual(self.machine.run("cat", "/etc/sekisho/sekisho.toml").stdout, CONFIG)
        self.assertEqual(self.machine.run("stat", "-c", "%a %U %n", "/var/lib/sekisho/agent.db", "/var/lib/sekisho/auth/users").stdout,
                         "600 sekisho-agent /var/lib/sekisho/agent.db\n600 sekisho-auth /var/lib/sekisho/auth/users\n")
        # And what it was before that.
        self.machine.run("sh", "-ec", "sekisho restore /var/lib/sekisho-restore/before-*.tar.gz --yes")
        self.assertIn("bob", self.machine.run("sekisho", "user", "list").stdout)
        self.machine.run("sekisho", "user", "remove", "bob")
        self.machine.write("/etc/sekisho/sekisho.toml", CONFIG)
        self.assertEqual(self.machine.run("sh", "-c", "ls -d /var/tmp/sekisho* /var/lib/sekisho-restore/unpacked*", check=False).stdout, "")

    def tried(self, work) -> dict[str, int]:
        """What the subscriber meets at port 25 meanwhile."""
        self.machine.write("/run/tries.py", TRIES)
        said: list[str] = []
        thread = threading.Thread(target=lambda: said.append(
            self.machine.run("ip", "netns", "exec", "subscriber", "python3", "/run/tries.py").stdout))
        thread.start()
        try:
            work()
        finally:
            self.machine.write("/run/enough", "")
            thread.join()
            self.machine.run("rm", "/run/enough")
        return json.loads(said[0])

    def newer(self) -> list[str]:
        """The same packages under a later version."""
        paths = []
        for name in NAMES:
            package, = self.packages.glob(f"{name}_*.deb")
            inside = self.work / name
            subprocess.run(["dpkg-deb", "-R", package, inside], check=True)
            control = inside / "DEBIAN/control"
            control.write_text(re.sub(r"0\.1\.0\+deb(\d+)", r"0.1.1+deb\1", control.read_text()))
            subprocess.run(["dpkg-deb", "--root-owner-group", "-b", inside, self.machine.root / f"packages/newer-{name}.deb"],
                           check=True, stdout=subprocess.DEVNULL)
            paths.append(f"/packages/newer-{name}.deb")
        return paths

    def pids(self) -> dict[str, str]:
        return {unit: self.machine.run("systemctl", "show", "-P", "MainPID", unit).stdout for unit in ("sekisho-agent", *MAIL_UNITS)}

    def replace(self) -> None:
        """Nobody gets through meanwhile, the configuration stays, and all daemons are new ones."""
        pids = self.pids()
        newer = self.newer()
        outcomes = self.tried(lambda: self.machine.run("dpkg", "-i", *newer))
        self.assertEqual(list(outcomes), ["ConnectionRefusedError"], outcomes)
        self.assertGreater(outcomes["ConnectionRefusedError"], 100)
        self.assertNotEqual(self.links(), "[]")
        for unit, pid in self.pids().items():
            self.assertEqual(self.is_active(unit), "active")
            self.assertNotEqual(pid, pids[unit])
        self.assertEqual(self.machine.run("cat", "/etc/sekisho/sekisho.toml").stdout, CONFIG)
        self.assertEqual(sorted(set(re.findall(r":(\d+) ", self.listening()))), ["4001", "465", "587"])

    def keep(self) -> None:
        """Live enforcement isn't removed by mistake."""
        refused = self.apt("remove", "sekisho-agent", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("packets are being filtered, so it isn't removed", refused.stdout + refused.stderr)
        self.assertEqual(self.is_active("sekisho-agent"), "active")
        self.assertNotEqual(self.links(), "[]")

    def remove(self) -> None:
        self.machine.run("debconf-set-selections", text="sekisho-agent sekisho-agent/remove-live boolean true\n")
        self.apt("remove", *NAMES)
        self.assertEqual(self.links(), "[]")
        self.assertEqual(self.listening(), "")
        self.assertNotIn("sekisho", self.machine.run("ls", "/sys/fs/bpf").stdout)
        self.machine.run("test", "-e", "/etc/sekisho/sekisho.toml")
        self.machine.run("test", "-e", "/var/lib/sekisho/auth/users")

    def purge(self) -> None:
        self.apt("purge", *NAMES)
        self.assertEqual(self.files(), self.before)
        self.assertEqual(self.machine.run("sh", "-c", "getent passwd | grep sekisho; getent group | grep sekisho", check=False).stdout, "")


class PackagesOfBookworm(PackagesTest):
    release = "bookworm"


class PackagesOfTrixie(PackagesTest):
    release = "trixie"
