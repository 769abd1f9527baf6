# SPDX-License-Identifier: Apache-2.0
"""The package sekisho-appliance: Dovecot and unbound with it, from the installation to the end, on a Debian with systemd."""

import json
import re

from test_packages import NAMES, PASSWORD, PackagesTest

CONFIG = """[submission]
hostname = "smtp.example.net"
certificate = "/etc/sekisho/tls/fullchain.pem"
key = "/etc/sekisho/tls/privkey.pem"
[[login.dovecot]]
name = "box"
listen = "127.0.0.1"
port = 4003
key_file = "/etc/sekisho/policy.key"
reporters = ["127.0.0.1"]
proof = "authed=ok"
[[relay.local]]
domains = ["example.net"]
lmtp = "/run/dovecot/lmtp"
"""
MAILBOX = """[mailbox]
store = "/var/vmail"
reporter = "box"
"""
TOML = "/etc/sekisho/sekisho.toml"
FILE = "/etc/dovecot/sekisho.conf"
CLOCK = "/var/lib/unbound/sekisho-clock-unknown.conf"
PORTS = {"110", "143", "993", "995"}
LOGIN = """
import poplib, ssl, sys
client = poplib.POP3_SSL("127.0.0.1", context=ssl._create_unverified_context())
client.user(sys.argv[1])
try:
    client.pass_(sys.argv[2])
    print("in", client.stat()[0])
except poplib.error_proto as error:
    print("out", error)
"""
DELIVER = """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect("/run/dovecot/lmtp")
stream = client.makefile("rwb", buffering=0)
print(stream.readline())
for line in ("LHLO example.net", "MAIL FROM:<friend@example.com>", "RCPT TO:<anna@example.net>", "DATA", "Subject: hello\\r\\n\\r\\nyou\\r\\n."):
    stream.write(line.encode() + b"\\r\\n")
    while stream.readline()[3:4] == b"-":
        pass
"""


class AppliancePackageTest(PackagesTest):
    """For one Debian; not a test itself."""

    names = (*NAMES, "sekisho-appliance")
    dovecot: str

    def test_life(self) -> None:
        """One after the other: each step begins where the last one has ended."""
        self.install()
        self.configure()
        self.serve()
        self.change()
        self.tell_time()
        self.switch_off()
        self.remove()
        self.purge()

    def ports(self) -> set[str]:
        """That are listened to, TCP and UDP, but for names."""
        return set(re.findall(r":(\d+) ", self.listening())) - {"53", "8953"}

    def log_in(self, user: str, password: str) -> str:
        return self.machine.run("python3", "-c", LOGIN, user, password).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.machine.run("journalctl", "-u", unit, "-n", "20", "--no-pager").stdout

    def install(self) -> None:
        """Nobody listens for mail; names are answered here, and here alone."""
        self.machine.run("sh", "-c", "dpkg -i /var/cache/apt/archives/*.deb /packages/*.deb")
        self.assertEqual(self.is_active("dovecot"), "inactive", self.journal("dovecot"))
        self.assertEqual(self.is_active("unbound"), "active", self.journal("unbound"))
        self.assertEqual(self.ports(), set())
        for line in self.listening().splitlines():
            self.assertRegex(line, r" (127\.0\.0\.1|\[::1\]):(53|8953) ")
        self.assertEqual(self.is_active("sekisho-clock.path"), "active")
        self.assertEqual(self.is_active("sekisho-certificate.timer"), "inactive")
        self.assertEqual(self.machine.run("stat", "-c", "%a %U %G", "/run/sekisho-dovecot").stdout, "2750 sekisho-auth dovecot\n")

    def configure(self) -> None:
        self.machine.write(TOML, CONFIG + MAILBOX)
        self.machine.run("sh", "-ec", "install -d /etc/sekisho/tls && cd /etc/sekisho/tls && openssl req -x509 -newkey rsa:2048 -nodes -days 30 "
                         "-subj /CN=smtp.example.net -keyout privkey.pem -out fullchain.pem 2>/dev/null; chgrp sekisho-smtpd privkey.pem; "
                         "chmod 640 privkey.pem; openssl rand -hex 32 | install -m 640 -g sekisho-agent /dev/stdin /etc/sekisho/policy.key")
        self.machine.run("systemctl", "restart", "sekisho-agent")
        self.machine.run("systemctl", "enable", "--now", "sekisho-auth")
        self.machine.run("sekisho", "user", "add", "anna", text=f"{PASSWORD}\n")
        self.machine.run("systemctl", "enable", "--now", "dovecot")
        self.assertEqual(self.is_active("dovecot"), "active", self.journal("dovecot") + self.journal("sekisho-mailbox"))
        self.assertEqual(self.ports(), PORTS | {"4003"})
        self.assertIn("# Written by `sekisho mailbox apply`", self.machine.run("cat", FILE).stdout)
        self.assertTrue(self.machine.run("dovecot", "--version").stdout.startswith(self.dovecot))

    def serve(self) -> None:
        """Under all that the units forbid."""
        self.assertEqual(self.log_in("anna", PASSWORD), "in 0", self.journal("dovecot"))
        self.assertRegex(self.log_in("anna", "wrong"), "^out .*AUTH")
        logins = json.loads(self.machine.run("sekisho", "status", "--json").stdout)["logins"]
        self.assertEqual(logins[0]["name"], "box")
        # The relay's user alone delivers.
        self.machine.write("/run/deliver.py", DELIVER)
        self.assertNotEqual(self.machine.run("setpriv", "--reuid", "nobody", "--clear-groups", "python3", "/run/deliver.py", check=False).returncode, 0)
        self.machine.run("setpriv", "--reuid", "sekisho-relay", "--clear-groups", "python3", "/run/deliver.py")
        self.assertEqual(self.log_in("anna", PASSWORD), "in 1")
        self.assertEqual(self.machine.run("stat", "-c", "%a %U", "/var/vmail").stdout, "700 vmail\n")

    def change(self) -> None:
        """A reload takes what is right, and leaves what was there where it isn't."""
        self.machine.write(TOML, CONFIG + MAILBOX + 'protocols = ["imaps", "pop3s"]\n')
        self.machine.run("systemctl", "reload", "dovecot")
        self.assertEqual(self.ports(), {"993", "995", "4003"})
        self.machine.write(TOML, CONFIG + MAILBOX + "nonsense = 1\n")
        self.assertNotEqual(self.machine.run("systemctl", "reload", "dovecot", check=False).returncode, 0)
        self.assertEqual(self.is_active("dovecot"), "active")
        self.assertEqual(self.log_in("anna", PASSWORD), "in 1")
        self.machine.run("systemctl", "restart", "dovecot")
        self.assertEqual(self.ports(), {"993", "995", "4003"}, "the last one that was right")
        self.machine.write(TOML, CONFIG + MAILBOX)
        self.machine.run("systemctl", "reload", "dovecot")
        self.assertEqual(self.ports(), PORTS | {"4003"})

    def tell_time(self) -> None:
        """As at a boot; and when the time is known."""
        self.machine.run("systemd-tmpfiles", "--create", "--boot", "sekisho-mailbox.conf")
        self.machine.run("systemctl", "restart", "unbound")
        self.assertEqual(self.dates_are_looked_at(), "4294967295")  # -1
        self.machine.run("sh", "-c", "mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized")
        self.machine.run("sh", "-c", f"for i in $(seq 100); do test -e {CLOCK} || exit 0; sleep 0.1; done; exit 1")
        self.machine.run("sh", "-c", "for i in $(seq 100); do systemctl is-active -q sekisho-clock && exit 0; sleep 0.1; done; exit 1")
        self.assertEqual(self.dates_are_looked_at(), "0")
        self.assertEqual(self.is_active("unbound"), "active")

    def dates_are_looked_at(self) -> str:
        """What unbound's configuration comes to."""
        return self.machine.run("unbound-checkconf", "-o", "val-override-date").stdout.strip()

    def switch_off(self) -> None:
        self.machine.write(TOML, CONFIG)
        self.machine.run("systemctl", "restart", "dovecot", check=False)
        self.assertEqual(self.is_active("dovecot"), "inactive")
        self.assertEqual(self.ports(), {"4003"})
        self.assertNotEqual(self.machine.run("test", "-e", FILE, check=False).returncode, 0)
        self.machine.write(TOML, CONFIG + MAILBOX)
        self.machine.run("systemctl", "restart", "dovecot")
        self.assertEqual(self.log_in("anna", PASSWORD), "in 1")

    def remove(self) -> None:
        """Dovecot and the mailboxes are left as they are."""
        self.apt("remove", "sekisho-appliance")
        self.assertNotEqual(self.machine.run("test", "-e", FILE, check=False).returncode, 0)
        self.machine.run("test", "-d", "/var/vmail/anna")
        self.machine.run("systemctl", "stop", "dovecot")

    def purge(self) -> None:
        self.machine.run("debconf-set-selections", text="sekisho-agent sekisho-agent/remove-live boolean true\n")
        self.apt("purge", *self.names)
        self.assertEqual(self.files(), self.before)
        users = self.machine.run("sh", "-c", "getent passwd | grep sekisho", check=False).stdout
        self.assertEqual(users, "")
        self.assertIn("vmail", self.machine.run("getent", "passwd", "vmail").stdout, "whose mail is still there")


class AppliancePackageOfBookworm(AppliancePackageTest):
    release = "bookworm"
    dovecot = "2.3."


class AppliancePackageOfTrixie(AppliancePackageTest):
    release = "trixie"
    dovecot = "2.4."
