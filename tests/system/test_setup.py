# SPDX-License-Identifier: Apache-2.0
"""`sekisho setup` on the edge: from its answers to a box that works."""

import json
import os
import pty
import re
import select
import smtplib
import socket
import ssl
import stat
import time

from lab.clients import trust
from lab.isp import config_text
from lab.topology import (EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, MAIL4, MAIL6, POOL4, POOL6, SMTP_NAME,
                          SUBSCRIBERS)
from lab.watch import Door
from lab_test import LabTest

CONFIG, CERTIFICATE, KEY = "/etc/sekisho/sekisho.toml", "/etc/sekisho/tls/fullchain.pem", "/etc/sekisho/tls/privkey.pem"
USER, PASSWORD = "dora@example.net", "the explorer"
A = SUBSCRIBERS["a"]

# Interfaces, uplink, prefixes, key, action, designated servers, submission, domain, name.
ANSWERS = ("sub-*", "inet", f"{POOL4}, {POOL6}", "56", "reset", f"{MAIL4} {MAIL6}", "", "example.net", "")


class NamedSmtp(smtplib.SMTP_SSL):
    """SMTP in TLS with the edge; its certificate is looked at under another name than the address that is asked."""

    def __init__(self, name: str, context: ssl.SSLContext, address: str):
        self._address = address
        super().__init__(name, 465, "client.example.net", timeout=14, context=context)

    def _get_socket(self, host, port, timeout):
        return self.context.wrap_socket(socket.create_connection((self._address, port), timeout), server_hostname=host)


class Setup(LabTest):
    """Each test finds the lab's configuration, sekisho-auth, no certificate, and none but the lab's users."""

    smtp = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.submission = cls.isp.submission
        cls.door = Door(cls.isp.lab["mail"], 25)
        cls.addClassCleanup(cls.door.close)

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        for daemon in self.submission.daemons:
            if daemon.running():
                daemon.stop()
        self.edge.run("sh", "-c", "rm -rf /etc/sekisho/* /var/lib/sekisho/auth/*")
        self.old = config_text()
        self.agent.configure(self.old)
        self.submission.auth.start()

    def setup_box(self, exit_code: int, *words: str, answers: tuple[str, ...] = ()) -> str:
        """What it says to standard output."""
        done = self.agent.command("setup", *words, text="".join(f"{line}\n" for line in answers))
        self.assertEqual(done.returncode, exit_code, f"{done.stdout}{done.stderr}")
        self.errors = done.stderr
        return done.stdout

    def files(self) -> set[str]:
        return {path.name for path in self.edge.file("/etc/sekisho").iterdir()}

    def owner(self, path: str) -> tuple[str, str, str]:
        """User, group and mode."""
        user, group, mode = self.edge.run("stat", "-c", "%U %G %a", path).stdout.split()
        return user, group, mode

    def login(self, address: str, name: str = SMTP_NAME, password: str = PASSWORD) -> int:
        """AUTH's code at port 465, for a client that trusts the certificate and nobody else."""
        context = trust(self.edge.file(CERTIFICATE))
        with self.isp.lab["a"].network(), NamedSmtp(name, context, address) as client:
            try:
                return client.login(USER, password)[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code

    def test_from_answers_to_a_box_that_works(self) -> None:
        said = self.setup_box(0, "--replace", "--no-start", answers=(*ANSWERS, USER, PASSWORD, ""))
        self.assertNotIn(PASSWORD, said + self.errors)
        self.assertIn(f"{USER} may log in", said)
        for command in ("systemctl restart sekisho-agent", "systemctl enable sekisho-auth sekisho-relay sekisho-smtpd"):
            self.assertIn(f"  {command}\n", said)
        for interface in ("sub-a", "core", "inet"):
            self.assertRegex(said, rf"\n{interface} +([0-9a-f]{{2}}:){{5}}[0-9a-f]{{2}} +up +veth\n")
        self.assertNotRegex(said, r"\nlo ")

        self.assertEqual(self.owner(CONFIG), ("root", "root", "644"))
        self.assertEqual(self.owner(CERTIFICATE), ("root", "root", "644"))
        self.assertEqual(self.owner(KEY), ("root", "sekisho-smtpd", "640"))
        (kept,) = (name for name in self.files() if name.startswith("sekisho.toml."))
        self.assertRegex(kept, r"^sekisho\.toml\.\d{4}-\d\d-\d\dT\d{6}Z$")
        self.assertEqual(self.edge.file(f"/etc/sekisho/{kept}").read_text(), self.old)
        self.assertEqual(self.files(), {"sekisho.toml", kept, "tls", "policy.key"}, "nothing half-written")
        for daemon in ("sekishod", "sekisho-auth", "sekisho-smtpd", "sekisho-relay"):
            self.edge.run(daemon, "--check")

        self.agent.start()
        self.submission.restart()
        for host in ("a", "b"):
            for address in (INTERNET4, INTERNET6):
                self.assert_port_25(host, address, "refused")
            for address in (MAIL4, MAIL6):
                self.assert_port_25(host, address, "open")
        for address in (EDGE_CORE4, EDGE_CORE6):
            self.assertEqual(self.login(address), 235)
        self.assertEqual(self.login(EDGE_CORE4, password="the explorers"), 535)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.login(EDGE_CORE4, "mail.example.net")
        status = self.agent.ask("status")
        self.assertEqual([pool["name"] for pool in status["pools"]], ["subscribers"])
        listed = {item["name"]: item for item in self.agent.ask("interface", "list")["interfaces"]}
        self.assertEqual((listed["sub-a"]["side"], listed["inet"]["side"]), ("subscriber", "uplink"))

    def test_monitor_is_the_default(self) -> None:
        self.setup_box(0, "--replace", "--no-start", answers=("sub-*", "", f"{POOL4} {POOL6}", "56", "", "", "no", ""))
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.agent.ask("why", A.address4)["verdict"], "monitor")

    def test_a_configuration_is_not_replaced_unasked(self) -> None:
        before = self.files()
        said = self.setup_box(1, answers=(*ANSWERS, USER, PASSWORD, ""))
        self.assertEqual(said, "", "no question")
        self.assertRegex(self.errors, r"^sekisho: /etc/sekisho/sekisho\.toml is a configuration already.*\n  .*--replace")
        error = json.loads(self.setup_box(1, "--json"))["error"]
        self.assertEqual(error["kind"], "conflict")
        self.assertEqual((self.files(), self.edge.file(CONFIG).read_text()), (before, self.old))

    def test_answers_that_end_too_soon(self) -> None:
        before = self.files()
        answers = (*ANSWERS, USER, PASSWORD)
        for count in range(len(answers) + 1):
            with self.subTest(count=count):
                self.setup_box(1, "--replace", "--no-start", answers=answers[:count])
                self.assertRegex(self.errors, r"^sekisho: the answers end before the questions\n  ")
                self.assertEqual((self.files(), self.edge.file(CONFIG).read_text()), (before, self.old))
        self.assertEqual(self.agent.ask("user", "list")["users"], [])

    def test_json_is_the_result_alone(self) -> None:
        told = json.loads(self.setup_box(0, "--replace", "--no-start", "--json", answers=(*ANSWERS, "none", "")))
        self.assertEqual((told["written"], told["user"], told["certificate_made"], told["done"]), (CONFIG, None, True, []))
        self.assertIn("Subscribers' interfaces: ", self.errors)

    def test_a_certificate_that_is_there_stays(self) -> None:
        self.edge.write(CERTIFICATE, "mine\n")
        self.edge.write(KEY, "mine, too\n", 0o600)
        said = self.setup_box(0, "--replace", "--no-start", answers=(*ANSWERS, "none", ""))
        self.assertIn(f"chgrp sekisho-smtpd {KEY} && chmod 0640 {KEY}", said)
        self.assertEqual([self.edge.file(path).read_text() for path in (CERTIFICATE, KEY)], ["mine\n", "mine, too\n"])
        self.assertEqual(self.owner(KEY), ("root", "root", "600"))

    def test_what_systemd_would_be_told(self) -> None:
        """The real places, and a systemctl that only writes down."""
        self.edge.file("/run/systemd/system").mkdir(parents=True)
        self.addCleanup(self.edge.run, "rmdir", "/run/systemd/system")
        self.edge.write("/run/systemctl", "#!/bin/sh\necho \"$*\" >>/run/told\n", 0o755)
        self.edge.run("mount", "--bind", "/run/systemctl", "/usr/bin/systemctl")
        self.addCleanup(self.edge.run, "umount", "/usr/bin/systemctl")
        said = self.setup_box(0, "--replace", answers=(*ANSWERS, USER, PASSWORD, ""))
        self.assertEqual(self.edge.file("/run/told").read_text(),
                         "restart sekisho-agent\nenable sekisho-auth sekisho-relay sekisho-smtpd\n"
                         "restart sekisho-auth sekisho-relay sekisho-smtpd\n")
        self.assertNotIn("To do:", said)

    def test_what_sekisho_auth_refuses(self) -> None:
        said = self.setup_box(0, "--replace", "--no-start", answers=(*ANSWERS, USER, "seven77", "", "", PASSWORD))
        self.assertIn("No: the password has fewer than 8 characters", said)
        self.assertIn(f"{USER} may log in", said)
        said = self.setup_box(1, "--replace", "--no-start", answers=(*ANSWERS, USER, PASSWORD, ""))
        self.assertRegex(self.errors, f"sekisho: .*{USER} already")
        self.assertIn("is written", said)

    def test_root_alone(self) -> None:
        done = self.edge.run("setpriv", "--reuid", "nobody", "--clear-groups", self.for_all("sekisho"), "setup", "--json",
                             check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["error"]["kind"], "refused")
        self.assertIn("only root", done.stderr)

    def at_terminal(self, *typed: tuple[str, str]) -> tuple[str, int]:
        """Types each line at its question; what the terminal has shown, and the exit code."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = self.edge.spawn("sekisho", "setup", "--replace", "--no-start", stdin=theirs, stdout=theirs, stderr=theirs,
                                  env={"TERM": "dumb"})
        os.close(theirs)
        self.addCleanup(process.kill)
        shown, since = "", ""
        waiting = list(typed)
        end = time.monotonic() + 30
        while time.monotonic() < end and select.select([ours], [], [], 10)[0]:
            try:
                piece = os.read(ours, 4096).decode()
            except OSError:  # nobody has the other end any more
                break
            shown, since = shown + piece, since + piece
            if waiting and since.endswith(": ") and waiting[0][0] in since:
                os.write(ours, f"{waiting.pop(0)[1]}\n".encode())
                since = ""
        self.assertEqual(waiting, [], shown)
        return shown.replace("\r\n", "\n"), process.wait()

    def test_at_a_terminal(self) -> None:
        shown, code = self.at_terminal(
            ("Subscribers' interfaces", "sub-*"), ("Interface to the Internet", "nonsense/0"),
            ("Interface to the Internet", "inet"),
            ("Prefixes", f"{POOL4} {POOL6}"), ("Length", ""), ("Blocked packets", ""), ("Designated", MAIL4), ("Run it?", ""),
            ("Mail domain", "example.net"), ("Name of the submission server", ""), ("Name", USER),
            ("Password for", PASSWORD), ("The same again", "something else"),
            ("Password for", PASSWORD), ("The same again", PASSWORD), ("Write this", "yes"))
        self.assertEqual(code, 0, shown)
        self.assertNotIn(PASSWORD, shown)
        self.assertNotIn("something else", shown)
        self.assertIn("two passwords differ", shown)
        self.assertIn('No: interface.name: no interface can have the name "nonsense/0"', shown)
        self.assertIn("Interface to the Internet [none]: inet\n", shown, "each answer is shown once")
        self.assertIn(f"{USER} may log in", shown)
        self.assertNotRegex(shown, "[^\n -~]", "plain letters, for any terminal")
        before = shown[:shown.index("\nThe configuration\n")]
        self.assertEqual([line for line in re.split("\n", before) if len(line) > 80], [])
        self.assertTrue(stat.S_ISREG(self.edge.file(CERTIFICATE).stat().st_mode))
