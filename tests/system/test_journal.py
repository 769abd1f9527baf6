# SPDX-License-Identifier: Apache-2.0
"""Logins that systemd's journal tells of: real journal files, written by systemd-journal-remote."""

import time
from itertools import count

from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import SUBSCRIBERS
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
DIRECTORY = "/var/log/journal/remote"
SECTION = f"""[[login.journal]]
name = "journal"
units = ["courier-pop.service", "dovecot.service"]
directory = "{DIRECTORY}"
[[pool]]"""
OPENS = "LOGIN, user=alice, ip=[::ffff:{}], port=[1234], protocol=POP3"


class Journal(LabTest):  # labels: sanitize
    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.edge.run("sh", "-c", f"rm -rf {DIRECTORY}; mkdir -p {DIRECTORY}")
        self.numbers = count(1)

    def write(self, *messages: str, unit: str = "courier-pop.service", program: str = "pop3d", ago: float = 0) -> None:
        """Messages as journald would store them."""
        text = ""
        for message in messages:
            now = int((time.time() - ago) * 1e6)
            text += (f"__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={next(self.numbers)}\n"
                     f"_BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT={unit}\nSYSLOG_IDENTIFIER={program}\n"
                     f"_PID=7\nPRIORITY=6\nMESSAGE={message}\n\n")
        self.edge.run("/lib/systemd/systemd-journal-remote", "-o", f"{DIRECTORY}/mail.journal", "-", text=text)

    def reported(self) -> dict:
        return next(item for item in self.agent.ask("status")["logins"] if item["name"] == "journal")

    def await_granted(self, address: str) -> None:
        await_true(lambda: self.agent.granted(address), f"{address} is granted")

    def test_a_message_opens(self) -> None:
        self.write(OPENS.format("192.0.2.50"))
        self.isp.restart_agent(("[[pool]]", SECTION))
        self.write("hello", OPENS.format(A.address4))
        self.await_granted(A.address4)
        grant = self.agent.granted(A.address4)
        self.assertEqual((grant["source"], grant["user"], grant["reason"]), ("journal", "alice", "pop3 login"))
        self.write(f"pop3-login: Login: user=<bob>, method=PLAIN, rip={B.address6}, lip=2001:db8::1, mpid=9, TLS, session=<x>",
                   unit="dovecot.service", program="dovecot")
        self.await_granted(B.address6)
        self.assertIsNone(self.agent.granted("192.0.2.50"), "what was written before the start")
        self.assertRegex(self.agent.command("doctor").stdout, r"ok +journal-journal ")

    def test_another_unit_is_not_believed(self) -> None:
        """Anybody can log as pop3d; the journal knows who it was."""
        self.isp.restart_agent(("[[pool]]", SECTION))
        self.write(OPENS.format("192.0.2.51"), unit="user@1000.service")
        self.write(OPENS.format(A.address4))
        self.await_granted(A.address4)
        self.assertIsNone(self.agent.granted("192.0.2.51"))
        self.assertEqual(self.reported()["granted"], 1)

    def test_restarts(self) -> None:
        """No message counts twice, and none is lost while the agent is away, ended or killed."""
        self.isp.restart_agent(("[[pool]]", SECTION))
        self.write(OPENS.format("192.0.2.52"))
        self.await_granted("192.0.2.52")
        for number, end in ((53, self.agent.stop), (54, self.agent.kill)):
            end()
            self.write(OPENS.format(f"192.0.2.{number}"))
            self.agent.start()
            self.await_granted(f"192.0.2.{number}")
            self.assertEqual(self.reported()["granted"], 1)

    def test_restart_before_the_first_message(self) -> None:
        self.isp.restart_agent(("[[pool]]", SECTION))
        time.sleep(0.7)
        self.agent.stop()
        self.write(OPENS.format("192.0.2.58"))
        self.agent.start()
        self.await_granted("192.0.2.58")

    def test_the_last_message_is_gone(self) -> None:
        """Vacuumed while the agent was away: it goes on from what comes next."""
        self.isp.restart_agent(("[[pool]]", SECTION))
        self.write(OPENS.format("192.0.2.59"))
        self.await_granted("192.0.2.59")
        self.agent.stop()
        self.edge.run("sh", "-c", f"rm {DIRECTORY}/*")
        self.write(OPENS.format("192.0.2.60"))
        self.agent.start()
        self.await_granted("192.0.2.60")
        self.assertEqual(self.reported()["granted"], 1)

    def test_time_runs_from_the_message(self) -> None:
        self.isp.restart_agent(("[[pool]]", SECTION))
        self.write(OPENS.format("192.0.2.55"))
        self.await_granted("192.0.2.55")
        self.agent.stop()
        self.write(OPENS.format("192.0.2.56"), ago=3600)
        self.write(OPENS.format("192.0.2.57"), ago=300)
        self.agent.start()
        self.await_granted("192.0.2.57")
        self.assertLess(self.agent.granted("192.0.2.57")["seconds_left"], 305)
        self.assertEqual((self.reported()["granted"], self.reported()["refused"]), (1, 1))

    def test_a_journal_that_is_none(self) -> None:
        self.agent.configure(config_text(("[[pool]]", SECTION.replace(DIRECTORY, "/nowhere"))))
        self.assertIn("can't open the journal in /nowhere", self.agent.refused_start(1))
