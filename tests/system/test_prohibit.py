# SPDX-License-Identifier: Apache-2.0
"""What clients on Linux are told where the action is "prohibit", and by whom."""

import contextlib
import socket
from typing import Iterator

from lab.clients import connect
from lab.hosts import Host
from lab.services import OTHER_PORT
from lab.topology import EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, POOL4, POOL6, SUBSCRIBERS
from lab.watch import SynCounters
from lab_test import LabTest

A = SUBSCRIBERS["a"]
PROHIBITED4, PROHIBITED6 = (3, 13), (1, 1)  # type and code
# What connect() makes of them: a firewall's word over IPv6, a host that can't be reached over IPv4.
OUTCOMES = {INTERNET4: "EHOSTUNREACH", INTERNET6: "EACCES"}


class Listener:
    """Hears all ICMP messages that a host gets."""

    def __init__(self, host: Host):
        with host.network():
            self._four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self._six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self._four.settimeout(3)
        self._six.settimeout(3)

    def prohibition4(self) -> str:
        """Who sent the next one that prohibits."""
        while True:
            message, (sender, _) = self._four.recvfrom(4096)
            header = (message[0] & 15) * 4
            if tuple(message[header:header + 2]) == PROHIBITED4:
                return sender

    def prohibition6(self) -> str:
        while True:
            message, (sender, *_) = self._six.recvfrom(4096)
            if tuple(message[:2]) == PROHIBITED6:
                return sender

    def close(self) -> None:
        self._four.close()
        self._six.close()


class Prohibited(LabTest):  # labels: sanitize
    """By each way into the kernel; what is said is so, and nothing arrives on the Internet."""

    def setUp(self) -> None:
        super().setUp()
        self.arrived = SynCounters(self.isp.lab["internet"], {"four": POOL4, "six": POOL6})

    def restart(self, attach: str, dataplane: str = "") -> None:
        self.isp.restart_agent(('action = "reset"', 'action = "prohibit"'), ("[grants]", f"{dataplane}[grants]"),
                               ('attach = "tc"', f'attach = "{attach}"'), ('attach = "xdp"', f'attach = "{attach}"'))

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = Listener(self.isp.lab["a"])
        try:
            yield listener
        finally:
            listener.close()

    def prohibited(self) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"]
                   if (item["reason"], item["verdict"]) == ("not_granted", "prohibit"))

    def assert_told(self) -> None:
        """At the first SYN, or at the second, a second later: one that comes while connect() still holds the socket, as it
        can over a veth, is only noted."""
        for host in ("a", "b"):
            for address, outcome in OUTCOMES.items():
                attempt = connect(self.isp.lab[host], address)
                self.assert_attempt(attempt, outcome, f"{host} to {address}:")
                self.assertLess(attempt.seconds, 2, attempt)

    def each_way(self, attach: str) -> None:
        self.restart(attach)
        before = self.prohibited()
        with self.listening() as listener:
            self.assert_told()
            self.assertEqual((listener.prohibition4(), listener.prohibition6()), (INTERNET4, INTERNET6))
        self.assertIn(self.prohibited() - before, range(4, 9), "one or two SYNs of each connection")
        self.assertEqual(self.arrived.read(), {"four": 0, "six": 0})
        self.assertEqual(connect(self.isp.lab["a"], INTERNET4, OTHER_PORT).outcome, "open")
        self.assertEqual(connect(self.isp.lab["a"], INTERNET6, OTHER_PORT).outcome, "open")

    def test_each_way_in(self) -> None:
        for attach in ("xdp", "xdp-generic", "tc", "clsact"):
            with self.subTest(attach=attach):
                self.each_way(attach)

    def test_by_whom(self) -> None:
        """The box's own addresses, where the operator names them."""
        own = f'[dataplane]\nicmp_source_ipv4 = "{EDGE_CORE4}"\nicmp_source_ipv6 = "{EDGE_CORE6}"\n'
        for attach in ("xdp", "tc"):
            with self.subTest(attach=attach):
                self.restart(attach, own)
                with self.listening() as listener:
                    self.assert_told()
                    self.assertEqual((listener.prohibition4(), listener.prohibition6()), (EDGE_CORE4, EDGE_CORE6))

    def test_a_grant_ends_it(self) -> None:
        for attach in ("xdp", "tc"):
            with self.subTest(attach=attach):
                self.restart(attach)
                for address, source in ((INTERNET4, A.address4), (INTERNET6, A.address6)):
                    self.agent.ask("grant", "add", source)
                    self.assert_port_25("a", address, "open")
                    self.agent.ask("grant", "revoke", source)
                    self.assert_port_25("a", address, OUTCOMES[address])
