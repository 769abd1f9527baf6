# SPDX-License-Identifier: Apache-2.0
"""The box's other side: what comes from the Internet."""

import socket

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from arrivals import Arrivals
from lab.hosts import await_true
from lab.topology import INTERNET4, INTERNET6, SUBSCRIBERS
from lab_test import LabTest

A, B, C = (SUBSCRIBERS[name] for name in "abc")


class Uplink(LabTest):  # labels: sanitize
    """Half of a conversation goes nowhere, whole ones go on; by XDP and by TC."""

    def test_replies(self) -> None:
        for attach in ("xdp", "tc"):
            with self.subTest(attach=attach):
                self.replies(attach)

    def test_inbound_mail(self) -> None:
        for attach in ("xdp", "tc"):
            with self.subTest(attach=attach):
                self.inbound_mail(attach)

    def replies(self, attach: str) -> None:
        self.restart(attach)
        arrived = self.arrivals("tcp sport 25 tcp dport 40001")
        before = self.count("uplink_reply")
        reply = TCP(sport=25, dport=40001, flags="SA")
        replies = [IP(src=INTERNET4, dst=A.address4) / reply, IPv6(src=INTERNET6, dst=B.address6) / reply]
        self.send(replies)
        await_true(lambda: self.count("uplink_reply") == before + 2, "two halves of conversations were dropped")
        self.assertEqual(self.at_a_and_b(arrived), [(0, 0), (0, 0)])
        self.assert_port_25("a", INTERNET4, "refused")
        self.agent.ask("grant", "add", A.address4)
        self.agent.ask("exempt", "add", C.address4)
        self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("c", INTERNET4, "open")
        self.send(replies)
        await_true(lambda: self.count("uplink_reply") == before + 3, "A has a grant over IPv4")
        await_true(lambda: self.at_a_and_b(arrived) == [(1, 0), (0, 0)], "A's arrives")
        self.agent.ask("grant", "revoke", A.address4)
        self.agent.ask("exempt", "remove", C.address4)

        self.restart(attach, '[dataplane]\ninbound_replies = "off"\n')
        self.send(replies)
        self.send([IP(src=INTERNET4, dst=A.address4) / TCP(sport=40001, dport=25, flags="S")])
        await_true(lambda: self.at_a_and_b(arrived) == [(2, 0), (0, 1)], "both arrive")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.count("uplink_reply"), before + 3)

        self.restart(attach, '[dataplane]\ninbound_replies = "designated"\n')
        self.agent.ask("grant", "add", A.address4)
        self.send(replies)
        await_true(lambda: self.count("uplink_reply") == before + 5, "a grant opens nothing here")
        self.assertEqual(self.at_a_and_b(arrived), [(2, 0), (0, 1)])
        self.agent.ask("grant", "revoke", A.address4)

    def inbound_mail(self, attach: str) -> None:
        """To a pool that wants none from outside."""
        self.restart(attach, pool='inbound = "block"\n')
        arrived = self.arrivals("tcp sport 40001 tcp dport 25")
        before = self.count("uplink_inbound")
        syn = TCP(sport=40001, dport=25, flags="S")
        mail = [IP(src=INTERNET4, dst=A.address4) / syn, IPv6(src=INTERNET6, dst=A.address6) / syn]
        self.send(mail)
        await_true(lambda: self.count("uplink_inbound") == before + 2, "mail to A's own server was dropped")
        self.assertEqual(self.at_a_and_b(arrived)[0], (0, 0))
        self.agent.ask("exempt", "add", A.address4)
        self.send(mail)
        await_true(lambda: self.count("uplink_inbound") == before + 3, "a static contract may have a server")
        await_true(lambda: self.at_a_and_b(arrived)[0] == (1, 0), "its mail arrives")
        self.agent.ask("exempt", "remove", A.address4)

    def arrivals(self, match: str) -> list[Arrivals]:
        """Of such packets over IPv4 and IPv6, at A and B."""
        return [Arrivals(self.isp.lab[line.host], {"four": f"ip daddr {line.address4} {match}",
                                                   "six": f"ip6 daddr {line.address6} {match}"}) for line in (A, B)]

    @staticmethod
    def at_a_and_b(arrived: list[Arrivals]) -> list[tuple[int, int]]:
        return [(each["four"], each["six"]) for each in (host.read() for host in arrived)]

    def restart(self, attach: str, dataplane: str = "", pool: str = "") -> None:
        interface = f'[[interface]]\nname = "inet"\nside = "uplink"\nattach = "{attach}"\n'
        self.isp.restart_agent(("[[pool]]\n", f"{dataplane}{interface}[[pool]]\n{pool}"))
        await_true(lambda: any(each["name"] == "inet" and each["attached"]
                               for each in self.agent.ask("interface", "list")["interfaces"]), "inet is attached")

    def send(self, packets: list) -> None:
        """From the Internet's host, by hand."""
        mac = {name: self.isp.lab[host].run("cat", f"/sys/class/net/{name}/address").stdout.strip()
               for host, name in (("edge", "inet"), ("internet", "eth0"))}
        with self.isp.lab["internet"].network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("eth0", 0))
            for packet in packets:
                wire.send(bytes(Ether(src=mac["eth0"], dst=mac["inet"]) / packet))

    def count(self, reason: str) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"] if item["reason"] == reason)

