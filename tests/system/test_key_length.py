# SPDX-License-Identifier: Apache-2.0
"""Another length of the subscribers' IPv6 prefixes: the kernel's key is an address alone, and those of both lengths may
begin with the same."""

from kernel_entries import FEW, entries
from lab.clients import connect
from lab.hosts import await_true
from lab.topology import INTERNET6, SUBSCRIBERS
from lab_test import LabTest
from test_flows import Conversation

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
SHORT = ("ipv6_key = 56", "ipv6_key = 64")  # A has 256 keys then, the first of which begins where A's prefix does
FIRST = A.prefix6.replace("/56", "/64")


class KeyLength(LabTest):
    """Contracts hold over the change in both directions; what no longer is a key opens nothing."""

    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(FEW, SHORT)

    def assert_open(self, first: bool, last: bool) -> None:
        """From A's first /64 and from the last."""
        for source, is_open in ((A.address6, first), (A.other6, last)):
            self.assert_port_25("a", INTERNET6, "open" if is_open else "refused", source)

    def exempt(self, prefix: str) -> None:
        self.agent.ask("exempt", "add", prefix)
        self.addCleanup(self.agent.command, "exempt", "remove", prefix)

    def metrics(self) -> str:
        return self.edge.run("curl", "-sS", "--unix-socket", "/run/sekisho/agent.sock", "http://localhost/metrics").stdout

    def test_contracts_hold(self) -> None:
        self.exempt(A.prefix6)
        self.exempt(FIRST)
        self.exempt(B.prefix6)
        for lengths in ((), (SHORT,), ()):
            self.isp.restart_agent(FEW, *lengths)
            with self.subTest(lengths=lengths):
                self.assert_open(first=True, last=True)
                self.assert_port_25("b", INTERNET6, "open")
        self.agent.ask("exempt", "remove", FIRST)
        self.assert_open(first=True, last=True)
        self.agent.ask("exempt", "remove", A.prefix6)
        self.assert_open(first=False, last=False)
        self.assert_port_25("b", INTERNET6, "open")

    def test_a_part_of_a_key_opens_nothing(self) -> None:
        self.exempt(FIRST)
        self.agent.ask("grant", "add", A.other6)
        self.assert_open(first=True, last=True)
        self.isp.restart_agent(FEW)
        self.assert_open(first=False, last=False)
        self.assertEqual(list(entries(self.edge)), [])
        self.assertIn(FIRST, self.agent.command("doctor").stdout)
        self.isp.restart_agent(FEW, SHORT)
        self.assert_open(first=True, last=False)

    def test_one_whose_connections_go_on_takes_nothing_with_it(self) -> None:
        self.agent.ask("grant", "add", A.address6)
        conversation = Conversation(self, INTERNET6)
        self.agent.ask("grant", "revoke", A.address6)
        self.assert_open(first=False, last=False)
        self.assertTrue(conversation.goes_on())
        self.isp.restart_agent(FEW)
        self.assertEqual(len(list(entries(self.edge))), 1)
        self.exempt(A.prefix6)
        self.assert_open(first=True, last=True)
        self.assertTrue(conversation.goes_on())
        conversation.reset()
        await_true(lambda: "\nsekisho_flows 0\n" in self.metrics(), "the connection is forgotten", 60)
        self.assert_open(first=True, last=True)
        self.agent.ask("exempt", "remove", A.prefix6)
        await_true(lambda: not list(entries(self.edge)), "the entry goes", 60)
        self.assertNotEqual(connect(self.isp.lab["a"], INTERNET6).outcome, "open")
