# SPDX-License-Identifier: Apache-2.0
"""Clients that say nothing, next to nothing or too much, and such as are gone without a word: they hold neither the agent
nor its memory, and honest ones are served among them."""

import contextlib
import os
import re
import socket
from pathlib import Path

from lab.hosts import await_true
from lab.topology import API_KEY, EDGE_CORE4, MAIL4, POLICY_PORT, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
SYSLOG_PORT = 1601
SECTIONS = f"""[[login.syslog]]
name = "syslog"
listen = "{EDGE_CORE4}"
port = {SYSLOG_PORT}
transport = "tcp"
senders = ["{MAIL4}"]
[[pool]]"""
# Clients from these ports vanish: no packet of theirs arrives any more, none reaches them.
GONE = range(20_000, 22_000)
VANISH = f"""
table inet vanish {{
    chain out {{ type filter hook output priority 0; tcp sport {GONE.start}-{GONE.stop - 1} drop; }}
    chain in {{ type filter hook input priority 0; tcp dport {GONE.start}-{GONE.stop - 1} drop; }}
}}
"""
# What each kind says on its connection.
POLICY_WORDS = (b"", b"", b"POST /?comm",
                b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode()
                + b"\r\nContent-Length: 60000\r\n\r\n" + b"{" * 50_000)
SYSLOG_WORDS = (b"", b"<22>1 - mail pop3d - - - LOGIN, us", b"8000 <22>" + b"x" * 7_000, b"x" * 100_000)


class SilentClients(LabTest):
    """They come from the mail host, which may speak."""

    # How many connections each listener takes, and room for what the agent opens besides, now and then.
    most_descriptors = 256 + 64 + 16
    most_growth_kib = 64 * 1024

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(("[[pool]]", SECTIONS))
        self.agent.revoke_all()
        self.mail = self.isp.lab["mail"]
        self.ports = iter(GONE)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.agent.process.pid}/fd"))

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.agent.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE).group(1))

    def crowd(self, clients: contextlib.ExitStack, port: int, words: tuple[bytes, ...], count: int, gone: bool) -> None:
        """So many clients, each kind in turn; of those that will be gone, all from their own ports."""
        for number in range(count):
            with self.mail.network(), contextlib.suppress(ConnectionError):
                stream = clients.enter_context(socket.socket())
                stream.settimeout(5)
                if gone:
                    stream.bind((MAIL4, next(self.ports)))
                stream.connect((EDGE_CORE4, port))
                stream.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    stream.send(words[number % len(words)])

    def test_crowds(self) -> None:
        before, kib = self.descriptors(), self.resident_kib()
        with contextlib.ExitStack() as clients:
            for gone in (True, False):
                self.crowd(clients, POLICY_PORT, POLICY_WORDS, 1000, gone)
                self.crowd(clients, SYSLOG_PORT, SYSLOG_WORDS, 200, gone)
                self.assert_bounded(before, kib)
                self.assert_serves("192.0.2.60" if gone else "192.0.2.61")
                if gone:
                    self.mail.run("nft", "-f", "-", text=VANISH)
                    self.addCleanup(self.mail.run, "nft", "delete", "table", "inet", "vanish")
                    self.assert_serves("192.0.2.62")
            self.assert_bounded(before, kib)
        await_true(lambda: "SYSLOG_CROWDED" in self.log(), "the log tells of the crowd")
        self.assert_serves("192.0.2.63")

    def assert_bounded(self, before: int, kib: int) -> None:
        await_true(lambda: self.descriptors() <= before + self.most_descriptors, "few descriptors")
        self.assertLess(self.resident_kib() - kib, self.most_growth_kib)

    def assert_serves(self, address: str) -> None:
        """An honest login by either way, and an operator."""
        await_true(self.answers, "an honest login in the crowd", 20)
        await_true(lambda: self.agent.granted(A.address4), "its port is open")
        self.agent.revoke_all()
        self.mail.run("logger", "-n", EDGE_CORE4, "-T", "-P", str(SYSLOG_PORT), "-t", "pop3d", "--",
                      f"LOGIN, user=alice, ip=[{address}], port=[1234], protocol=POP3")
        await_true(lambda: self.agent.granted(address), "an honest line in the crowd")
        self.assertEqual(self.agent.command("status").returncode, 0)

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.policy("allow", self.login_event(A.address4))[0] == 200
        return False


class FewDescriptors(LabTest):  # labels: quick
    """The usual soft limit of 1024 is no limit; a hard one that is too low is told of."""

    def start_with(self, limit: str) -> str:
        """What the kernel says of the agent's limit then."""
        if self.agent.running():
            self.agent.stop()
        self.agent.start("prlimit", f"--nofile={limit}")
        limits = Path(f"/proc/{self.agent.process.pid}/limits").read_text()
        return re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE).group(1)

    def test_limits(self) -> None:
        self.assertEqual(self.start_with("128:4096"), "4096")
        self.assertNotIn("FEW_DESCRIPTORS", self.log())
        self.assertEqual(self.start_with("128:400"), "400")
        self.assertRegex(self.log(), "FEW_DESCRIPTORS.*limit=400")
