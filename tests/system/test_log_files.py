# SPDX-License-Identifier: Apache-2.0
"""Logins that daemons write into log files: the real Dovecot's, and those of daemons that Debian has no longer."""

import re
import time

from lab.clients import imap_login, pop3_login
from lab.hosts import await_true
from lab.isp import config_text
from lab.services import replace_dovecot, start_dovecot
from lab.topology import INTERNET4, MAIL4, SUBSCRIBERS
from lab_test import LabTest
from test_hardship import in_store

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
LOG = "/var/log/mail.log"
TESTED = f"{LOG}.tested"
FOLLOWED = ("[[pool]]", f'[[login.log]]\nname = "mail.log"\nfile = "{LOG}"\n[[login.log.pattern]]\nname = "webmail"\n'
            "program = \"web\"\nexpression = 'in (?P<user>[^ ]+) (?P<address>[^ ]+)'\n[[pool]]")


class LogFiles(LabTest):  # labels: sanitize
    """Another host's log, as syslog brings it to the edge."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.edge.run("sh", "-c", f"mkdir -p /var/log; rm -f {LOG}*")

    def write(self, text: str, name: str = LOG) -> None:
        with self.edge.file(name).open("a") as file:
            file.write(text)

    @staticmethod
    def courier(address: str, seconds_ago: float = 0) -> str:
        when = time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - seconds_ago))
        return f"{when} mail pop3d: LOGIN, user=alice, ip=[::ffff:{address}], port=[1234], protocol=POP3\n"

    def reported(self) -> dict:
        return next(item for item in self.agent.ask("status")["logins"] if item["name"] == "mail.log")

    def test_a_line_opens(self) -> None:
        self.write(self.courier(B.address4))
        self.isp.restart_agent(FOLLOWED)
        self.assert_port_25("a", INTERNET4, "refused")
        self.write(self.courier(A.address4))
        await_true(lambda: self.agent.granted(A.address4), "A is granted")
        self.assert_port_25("a", INTERNET4, "open")
        self.assertIsNone(self.agent.granted(B.address4), "what was written before the start")
        grant = self.agent.granted(A.address4)
        self.assertEqual((grant["source"], grant["user"], grant["reason"]), ("mail.log", "alice", "pop3 login"))
        self.write(f"{time.strftime('%b %e %H:%M:%S')} mail web: in bob {B.address6}\n")
        await_true(lambda: self.agent.granted(B.address6), "an operator's own pattern")
        self.write(self.courier("203.0.113.9"))
        await_true(lambda: self.reported()["refused"] == 1, "in no pool")
        self.assertEqual(self.reported()["granted"], 2)

    def test_time_runs_from_the_line(self) -> None:
        self.isp.restart_agent(FOLLOWED)
        self.write(self.courier(A.address4, seconds_ago=3600))
        await_true(lambda: self.reported()["refused"] == 1, "longer ago than a grant lasts")
        self.write(self.courier(B.address4, seconds_ago=300))
        await_true(lambda: self.agent.granted(B.address4), "half of its time is left")
        self.assertLess(self.agent.granted(B.address4)["seconds_left"], 305)
        self.assertGreater(self.agent.granted(B.address4)["seconds_left"], 280)

    def test_rotation_and_restarts(self) -> None:
        """Renamed, copied and cut; the agent there, away, and killed. Each line counts once."""
        self.isp.restart_agent(FOLLOWED)
        addresses = [f"192.0.2.{number}" for number in range(40, 48)]
        self.write(self.courier(addresses[0]))
        await_true(lambda: self.agent.granted(addresses[0]), "the first one")
        self.edge.run("mv", LOG, f"{LOG}.1")
        self.write(self.courier(addresses[1]), f"{LOG}.1")
        self.write(self.courier(addresses[2]))
        await_true(lambda: all(self.agent.granted(each) for each in addresses[:3]), "over a rename")
        self.edge.run("cp", LOG, f"{LOG}.copy")
        self.edge.run("truncate", "-s", "0", LOG)
        self.write(self.courier(addresses[3]))
        await_true(lambda: self.agent.granted(addresses[3]), "over a cut")
        self.assertEqual(self.reported()["granted"], 4)
        self.agent.stop()
        self.write(self.courier(addresses[4]))
        self.edge.run("mv", LOG, f"{LOG}.2")
        self.write(self.courier(addresses[5]))
        self.agent.start()
        await_true(lambda: all(self.agent.granted(each) for each in addresses[:6]), "while it was away")
        self.assertEqual(self.reported()["granted"], 2, "only those")
        self.agent.kill()
        self.write(self.courier(addresses[6]))
        self.agent.start()
        await_true(lambda: self.agent.granted(addresses[6]), "after it was killed")
        self.assertEqual(self.reported()["granted"], 1)

    def test_killed_before_the_position_is_written(self) -> None:
        """What a line has opened is known, where it was read to isn't: read once more, it gives nobody more."""
        self.isp.restart_agent(FOLLOWED)
        self.write(self.courier(A.address4, seconds_ago=60))
        await_true(lambda: self.agent.granted(A.address4), "A is granted")
        self.assert_port_25("a", INTERNET4, "open")
        before = self.agent.granted(A.address4)
        self.assertEqual([each["name"] for each in self.decisions()], ["LOGIN_GRANTED"])
        self.agent.kill()
        self.assertEqual(in_store(self.edge, "UPDATE log_positions SET offset = 0 RETURNING file"), f"[('{LOG}',)]")
        self.agent.start()
        self.write(self.courier(B.address4))
        await_true(lambda: self.agent.granted(B.address4), "the next line")
        after = self.agent.granted(A.address4)
        self.assertEqual((after["expires"], after["budget"]), (before["expires"], before["budget"]))
        self.assertEqual([each["name"] for each in self.decisions("--within", f"{A.address4}/32")], ["LOGIN_GRANTED", "LOGIN_KEPT"])

    def test_a_file_that_cannot_be_read(self) -> None:
        self.isp.restart_agent(FOLLOWED)
        self.assertEqual(self.agent.command("doctor").returncode, 1)
        self.assertIn("LOG_UNREADABLE", self.log())
        self.write(self.courier(A.address4))
        await_true(lambda: self.agent.granted(A.address4), "the file has come")
        self.assertRegex(self.agent.command("doctor").stdout, r"ok +log-mail\.log ")

    def test_logins_test(self) -> None:
        self.isp.restart_agent(FOLLOWED)
        self.write(self.courier(A.address4) + "Nov 27 03:33:25 mail sshd[1]: hello\n" + self.courier("203.0.113.9"), TESTED)
        told = self.agent.ask("logins", "test", TESTED)
        self.assertEqual((told["lines"], [each["line"] for each in told["logins"]]), (3, [1, 3]))
        self.assertRegex(told["logins"][0]["then"], rf"^opens the port for {A.address4}/32 of pool dsl for [0-9]+[smh]")
        self.assertEqual(told["logins"][1]["then"], "refused: 203.0.113.9 lies in no pool")
        self.assertEqual(self.agent.ask("status")["grants"], 0)
        self.assertIn("2 logins in 3 lines", self.agent.command("logins", "test", TESTED).stdout)
        self.assertEqual(self.agent.command("logins", "test", "-", text="nothing\n").returncode, 1)
        self.assertEqual(self.agent.command("logins", "test", "/nowhere").returncode, 1)
        self.agent.configure(config_text(FOLLOWED, ("[[pool]]", '[[grants.rule]]\nname = "safe"\ntls = "required"\n[[pool]]')))
        refused = self.agent.ask("logins", "test", TESTED)["logins"][0]["then"]
        self.assertTrue(refused.startswith("refused: a login by ") and 'without TLS opens nothing (rule "safe")' in refused, refused)
        names = [each["name"] for each in self.agent.ask("logins", "patterns")["patterns"]]
        self.assertTrue({"dovecot", "courier", "cyrus", "postfix"} <= set(names))

    def test_a_pattern_that_is_none(self) -> None:
        self.agent.configure(config_text(FOLLOWED, ("(?P<user>[^ ]+)", "(?P<user>[^ ]+")))
        done = self.edge.run("sekishod", "--check", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('the pattern "webmail" is no expression', done.stderr)


class DovecotLogTest(LabTest):
    """A real Dovecot's log file, on a host whose log the edge reads."""

    mail = True

    def test_real_logins(self) -> None:
        # Dovecot's host writes where the edge reads: what syslog would carry between them.
        shared = self.isp.lab["mail"].log("dovecot.log")
        self.assertTrue(shared.exists())
        self.edge.file("/var/log/mail.log").parent.mkdir(parents=True, exist_ok=True)
        self.edge.file("/var/log/mail.log").write_bytes(b"")
        self.isp.restart_agent(FOLLOWED)
        before = shared.stat().st_size
        with self.isp.lab["a"].network():
            pop3_login(self.isp.trust, MAIL4, A.user, A.password).quit()
        with self.isp.lab["b"].network():
            imap_login(self.isp.trust, MAIL4, B.user, B.password).logout()
        logged = re.compile(rb"-login: .*(?:Login|Logged in): user=<")  # 2.3, 2.4
        await_true(lambda: len(logged.findall(shared.read_bytes()[before:])) >= 2, "Dovecot has logged both")
        with self.edge.file("/var/log/mail.log").open("ab") as file:
            file.write(shared.read_bytes()[before:])
        await_true(lambda: self.counts() == 2, "both are seen")

    def counts(self) -> int:
        item = next(item for item in self.agent.ask("status")["logins"] if item["name"] == "mail.log")
        return item["granted"]


class DovecotLog(DovecotLogTest):  # labels: sanitize
    """This Debian's."""


class OtherDovecotLog(DovecotLogTest):  # labels: long
    """Debian 13's, which has other words."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        replace_dovecot(cls.isp.lab, "trixie")
        start_dovecot(cls.isp.lab)
