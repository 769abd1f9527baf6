# SPDX-License-Identifier: Apache-2.0
"""Packets that pass are routed by the program itself, past the kernel's forwarding."""

import json
import socket
import threading

from lab.hosts import await_true
from lab.topology import INTERNET4, INTERNET6, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
PORT = 8080
SIZE = 4_000_000
SUBSCRIBER_SIDE = ('name = "sub-*"\nside = "subscriber"\n', 'name = "sub-*"\nside = "subscriber"\nfast_path = true\n')
UPLINK_SIDE = ("[[pool]]\n", '[[interface]]\nname = "inet"\nside = "uplink"\nattach = "xdp"\nfast_path = true\n[[pool]]\n')
RULES = f"""table inet seen {{
    counter whole {{ }}
    chain forward {{ type filter hook forward priority 0; tcp sport {PORT} counter name whole; }}
}}
"""


class FastPath(LabTest):  # labels: sanitize
    """From A to the Internet and back, over IPv4 and IPv6."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        internet = cls.isp.lab["internet"]
        # As a real network card would: whole checksums; and it takes what XDP sends.
        internet.run("ethtool", "-K", "eth0", "tx", "off", "gro", "on")
        cls.edge.run("nft", "-f", "-", text=RULES)
        with internet.network():
            cls.server = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=16)
        cls.addClassCleanup(cls.server.close)
        threading.Thread(target=cls.serve, daemon=True).start()

    @classmethod
    def serve(cls) -> None:
        """Sends SIZE octets to everybody."""
        while True:
            try:
                connection, _ = cls.server.accept()
                with connection:
                    connection.sendall(bytes(SIZE))
            except OSError:
                if cls.server.fileno() < 0:
                    return

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(SUBSCRIBER_SIDE, UPLINK_SIDE)
        self.await_fast_path("on")

    def fast_path(self) -> dict[str, str]:
        return {each["name"]: each["fast_path"] for each in self.agent.ask("interface", "list")["interfaces"]}

    def await_fast_path(self, state: str) -> None:
        await_true(lambda: self.fast_path().get(A.interface) == state, f"the fast path is {state}", 15)

    def forwarded(self) -> int:
        return sum(each["packets"] for each in self.agent.ask("status")["counts"] if each["verdict"] == "forward")

    def by_the_stack(self) -> int:
        """Packets of the server that netfilter saw on their way."""
        answer = self.edge.run("nft", "-j", "list", "counter", "inet", "seen", "whole").stdout
        return next(each["counter"]["packets"] for each in json.loads(answer)["nftables"] if "counter" in each)

    def fetch(self, address: str) -> None:
        with self.isp.lab["a"].network():
            connection = socket.create_connection((address, PORT), 10)
        with connection:
            received = 0
            while part := connection.recv(1 << 16):
                received += len(part)
        self.assertEqual(received, SIZE)

    def test_past_the_stack(self) -> None:
        for address in (INTERNET4, INTERNET6):
            with self.subTest(address=address):
                forwarded, stack = self.forwarded(), self.by_the_stack()
                self.fetch(address)
                self.assertGreater(self.forwarded() - forwarded, SIZE // 1500)
                # The SYN at least; few besides it, while a neighbour was asked for.
                self.assertIn(self.by_the_stack() - stack, range(1, 100))

    def test_without_the_agent(self) -> None:
        self.agent.kill()
        stack = self.by_the_stack()
        self.fetch(INTERNET4)
        self.assertLess(self.by_the_stack() - stack, 100)
        self.agent.start()
        self.await_fast_path("on")
        self.fetch(INTERNET6)

    def test_what_is_blocked_stays_so(self) -> None:
        for address, source in ((INTERNET4, A.address4), (INTERNET6, A.address6)):
            self.assert_port_25("a", address, "refused")
            self.agent.ask("grant", "add", source)
            self.assert_port_25("a", address, "open")
            self.agent.ask("grant", "revoke", source)
            self.assert_port_25("a", address, "refused")

    def test_a_narrow_way(self) -> None:
        """What doesn't fit is told of by the kernel's ICMP: path MTU discovery finds its way."""
        self.edge.run("ip", "link", "set", A.interface, "mtu", "1300")
        self.addCleanup(self.edge.run, "ip", "link", "set", A.interface, "mtu", "1500")
        for address in (INTERNET4, INTERNET6):
            self.fetch(address)

    def test_neighbours_are_asked_for(self) -> None:
        for _ in range(3):
            self.edge.run("ip", "neigh", "flush", "dev", "inet")
            self.edge.run("ip", "neigh", "flush", "dev", A.interface)
            self.fetch(INTERNET4)

    def test_no_way_out(self) -> None:
        """Where the other interface takes no frames from XDP, nothing is lost, and an operator is told."""
        self.isp.lab["internet"].run("ethtool", "-K", "eth0", "gro", "off")
        self.addCleanup(self.isp.lab["internet"].run, "ethtool", "-K", "eth0", "gro", "on")
        await_true(lambda: "inet" not in self.doctor()["detail"], "the agent notices", 15)
        self.fetch(INTERNET4)
        self.isp.restart_agent(SUBSCRIBER_SIDE)
        self.fetch(INTERNET6)
        # The subscribers' own lines still take frames; without XDP on them, none does.
        self.isp.restart_agent(SUBSCRIBER_SIDE, ('attach = "xdp"\n', 'attach = "auto"\n'))
        self.fetch(INTERNET4)

    def test_more_interfaces_than_slots(self) -> None:
        """The late ones go by the stack, and say so."""
        self.isp.restart_agent(SUBSCRIBER_SIDE, UPLINK_SIDE,
                               ("[[pool]]\n", '[[interface]]\nname = "late-*"\nattach = "xdp"\nfast_path = true\n[[pool]]\n'))
        names = [f"late-{number}" for number in range(64)]
        self.addCleanup(self.edge.run, "sh", "-c", "for n in $(seq 0 63); do ip link del late-$n; done")
        for name in names:
            self.edge.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
        await_true(lambda: all(self.fast_path().get(name) for name in names), "all are attached", 60)
        last = [name for name in names if self.fast_path()[name] == "stack"]
        self.assertEqual(len(last), len(names) + 4 - 63, "sub-a, -b and -c and inet have slots, too")
        self.assertIn("more interfaces than the 63", self.doctor(last[0])["detail"])
        self.fetch(INTERNET4)

    def doctor(self, interface: str = A.interface) -> dict:
        """What it says of an interface."""
        answer = json.loads(self.agent.command("doctor", "--json").stdout)
        return next(each for each in answer["checks"] if each["name"] == f"fast-path-{interface}")

    def test_doctor(self) -> None:
        self.assertTrue(self.doctor()["ok"])
        self.assertIn("inet", self.doctor()["detail"])
        self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\n',
                                f'name = "{A.interface}"\nside = "subscriber"\nfast_path = true\n'))
        self.await_fast_path("stack")
        self.assertFalse(self.doctor()["ok"])
        self.assertIn("no other interface", self.doctor()["detail"])
        self.fetch(INTERNET4)
