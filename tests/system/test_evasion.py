# SPDX-License-Identifier: Apache-2.0
"""What a hostile subscriber might send instead of a plain SYN, to an edge that is a real router."""

import collections
import fcntl
import os
import select
import socket
import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from arrivals import Arrivals
from lab.clients import connect
from lab.hosts import await_true
from lab.services import OTHER_PORT
from lab.topology import INTERNET4, INTERNET6, SUBSCRIBERS
from lab.watch import SynCounters
from lab_test import LabTest

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000


class Evasion(LabTest):  # labels: sanitize
    """A (XDP) and B (TC) send frames by hand; nothing of them arrives on the Internet."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()
        self.counters = SynCounters(self.isp.lab["internet"], {"four": "192.0.2.0/24", "six": "2001:db8:100::/40"})

    def send(self, line, frames: list) -> None:
        mac = {name: self.mac(host, name) for host, name in (("edge", line.interface), (line.host, "eth0"))}
        with self.isp.lab[line.host].network():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
                wire.bind(("eth0", 0))
                for frame in frames:
                    wire.send(bytes(Ether(src=mac["eth0"], dst=mac[line.interface]) / frame))

    def mac(self, host: str, name: str) -> str:
        return self.isp.lab[host].run("cat", f"/sys/class/net/{name}/address").stdout.strip()

    def test_priority_tags(self) -> None:
        """The kernel takes off any number of tags with VID 0 and routes what is behind them."""
        control = SynCounters(self.edge, {"four": "192.0.2.0/24", "six": "2001:db8:100::/40"})
        for line in (SUBSCRIBERS["a"], SUBSCRIBERS["b"]):
            for depth in (0, 1, 4, 5, 6, 12):
                tags = [Dot1Q(vlan=0)] * depth
                for packet in (IP(src=line.address4, dst=INTERNET4) / TCP(sport=1024, dport=25, flags="S"),
                               IPv6(src=line.address6, dst=INTERNET6) / TCP(sport=1024, dport=25, flags="S")):
                    frame = packet
                    for tag in tags:
                        frame = tag / frame
                    self.send(line, [frame])
        # C's SYN comes after all of them: when it has arrived, they would have, too.
        self.agent.ask("exempt", "add", SUBSCRIBERS["c"].address4)
        self.assert_port_25("c", INTERNET4, "open")
        self.assertEqual(self.counters.read(), {"four": 1, "six": 0}, "only C's")
        self.assertEqual(control.read(), {"four": 1, "six": 0}, "the edge's own stack saw one")

    def test_tunnels(self) -> None:
        """Passed and complained of, or looked into: the key is the line's, whatever the inner source says."""
        syn = TCP(sport=1024, dport=25, flags="S")
        frames = {host: [IPv6(src=line.address6, dst=INTERNET6) / IP(src="10.0.0.2", dst=INTERNET4) / syn,
                         IP(src=line.address4, dst=INTERNET4) / IPv6(src="2001:db8:77::7", dst=INTERNET6) / syn]
                  for host, line in SUBSCRIBERS.items() if host in ("a", "b")}
        self.assertNotIn("tunnel", self.counts())
        for host, packets in frames.items():
            self.send(SUBSCRIBERS[host], packets)
        await_true(lambda: self.counts()["tunnel"] == 4, "four packets passed unseen")
        self.assertIn("4 packets of tunnels", self.agent.command("doctor").stdout)
        self.isp.restart_agent(*((f'name = "{name}"', f'name = "{name}"\ntunnels = "inspect"')
                                 for name in ("sub-b", "sub-*")))
        before = self.counts()["not_granted"]
        granted = self.counts()["granted"]
        for host, packets in frames.items():
            self.send(SUBSCRIBERS[host], packets)
        await_true(lambda: self.counts()["not_granted"] == before + 4, "four packets were blocked")
        for line in (SUBSCRIBERS["a"], SUBSCRIBERS["b"]):
            self.agent.ask("grant", "add", line.address4)
            self.send(line, frames[line.host])
        await_true(lambda: self.counts()["granted"] == granted + 2, "IPv4's grant opens 6in4, not the line over IPv6")
        self.assertEqual(self.counts()["not_granted"], before + 6)

    def test_source_validation(self) -> None:
        """What a subscriber sends in a stranger's name, to any port, goes nowhere; his own goes on."""
        spoofed = [IP(src="203.0.113.77", dst=INTERNET4) / UDP(sport=1024, dport=53),
                   IPv6(src="2001:db8:77::7", dst=INTERNET6) / UDP(sport=1024, dport=53)]
        self.isp.restart_agent(*((f'name = "{name}"', f'name = "{name}"\nsource_validation = "pool"')
                                 for name in ("sub-b", "sub-*")))
        arrived = Arrivals(self.isp.lab["internet"], {"four": "ip saddr 203.0.113.77 udp dport 53",
                                                      "six": "ip6 saddr 2001:db8:77::7 udp dport 53"})
        before = self.counts()["source_invalid"]
        for line in (SUBSCRIBERS["a"], SUBSCRIBERS["b"]):
            self.send(line, spoofed)
            self.assertEqual(connect(self.isp.lab[line.host], INTERNET4, OTHER_PORT).outcome, "open")
            self.assertEqual(connect(self.isp.lab[line.host], INTERNET6, OTHER_PORT).outcome, "open")
            self.assert_port_25(line.host, INTERNET4, "refused")
        await_true(lambda: self.counts()["source_invalid"] == before + 4, "four packets were dropped")
        self.assertEqual(arrived.read(), {"four": 0, "six": 0})
        self.isp.restart_agent()
        self.send(SUBSCRIBERS["a"], spoofed)
        self.send(SUBSCRIBERS["b"], spoofed)
        await_true(lambda: arrived.read() == {"four": 2, "six": 2}, "they would have been forwarded")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.counts()["source_invalid"], before + 4, "switched off again")

    def counts(self) -> collections.Counter:
        """Packets of each reason, whatever became of them."""
        all_of = collections.Counter()
        for item in self.agent.ask("status")["counts"]:
            all_of[item["reason"]] += item["packets"]
        return all_of


class Bare(LabTest):  # labels: sanitize
    """A line without an Ethernet header, as ppp* has none: a TUN device on the edge, its other end in the test."""

    def open_tun(self, name: str) -> int:
        with self.edge.network():
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        self.addCleanup(os.close, tun)
        self.edge.run("ip", "addr", "add", "192.0.2.129/32", "dev", name)
        self.edge.run("ip", "link", "set", name, "up")
        self.edge.run("ip", "route", "add", "192.0.2.250/32", "dev", name)
        return tun

    @staticmethod
    def answer(tun: int, packet: IP, seconds: float = 5) -> IP | None:
        os.write(tun, bytes(packet))
        while select.select([tun], [], [], seconds)[0]:
            said = os.read(tun, 65536)
            if said[0] >> 4 == 4 and IP(said).haslayer(TCP):
                return IP(said)
        return None

    def test_refused_and_granted(self) -> None:
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "tun-*"\n[[pool]]'))
        tun = self.open_tun("tun-0")
        await_true(lambda: any(each["name"] == "tun-0" and each["attached"]
                               for each in self.agent.ask("interface", "list")["interfaces"]), "tun-0 is attached")
        syn = IP(src="192.0.2.250", dst=INTERNET4) / TCP(sport=4000, dport=25, flags="S", seq=99)
        reset = self.answer(tun, syn)
        self.assertIsNotNone(reset)
        self.assertEqual((str(reset[TCP].flags), reset[TCP].seq, reset[TCP].ack), ("RA", 0, 100))
        self.assertEqual(bytes(IP(bytes(reset))), bytes(self.summed(reset)), "checksums")
        self.agent.ask("grant", "add", "192.0.2.250")
        opened = self.answer(tun, syn)
        self.assertIsNotNone(opened)
        self.assertEqual(str(opened[TCP].flags), "SA")

    @staticmethod
    def summed(packet: IP) -> IP:
        copy = packet.copy()
        del copy[IP].chksum, copy[TCP].chksum
        return copy

    def test_xdp_is_refused_with_a_remedy(self) -> None:
        self.open_tun("tun-1")
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "tun-*"\nattach = "xdp"\n[[pool]]'))
        self.assertIn("no Ethernet header", self.log())
        self.assertEqual(self.agent.ask("status")["state"], "incomplete")
        self.assertEqual(self.agent.command("doctor").returncode, 1)
        self.assertIn("tun-1", self.agent.command("why", "192.0.2.250").stdout)
