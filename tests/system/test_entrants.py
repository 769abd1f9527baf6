# SPDX-License-Identifier: Apache-2.0
"""Sources that are valid on one interface only."""

import json
import socket

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from lab.hosts import await_true
from lab.topology import INTERNET4, SUBSCRIBERS
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
POOLS = '[[pool]]\nname = "fields"\nprefixes = ["10.8.0.0/24"]\n[[pool]]\nname = "woods"\nprefixes = ["10.9.0.0/24"]\n[[pool]]'


class Entrants(LabTest):  # labels: sanitize
    """Whose addresses may come in by A's line (XDP) and B's (TC) stands in the configuration."""

    def restart(self, a: list[str], b: list[str]) -> None:
        self.isp.restart_agent(
            *((f'name = "{name}"', f'name = "{name}"\nsource_validation = "pool"\npools = {json.dumps(pools)}')
              for name, pools in (("sub-b", b), ("sub-*", a))), ("[[pool]]", POOLS))

    def valid(self, line, source: str) -> bool:
        """Whether what comes in with this source is judged further."""
        mac = {name: self.isp.lab[host].run("cat", f"/sys/class/net/{name}/address").stdout.strip()
               for host, name in (("edge", line.interface), (line.host, "eth0"))}
        frame = Ether(src=mac["eth0"], dst=mac[line.interface]) / IP(src=source, dst=INTERNET4) / UDP(sport=1, dport=2)
        before = self.counts(line)
        with self.isp.lab[line.host].network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("eth0", 0))
            wire.send(bytes(frame))
        await_true(lambda: self.counts(line) != before, "the packet was judged")
        after = self.counts(line)
        return after["source_invalid"] == before["source_invalid"]

    def counts(self, line) -> dict[str, int]:
        """Of these two reasons; nothing else sends UDP on these lines."""
        interface = next(each for each in self.agent.ask("interface", "list")["interfaces"]
                         if each["name"] == line.interface)
        return {reason: sum(item["packets"] for item in interface["counts"] if item["reason"] == reason)
                for reason in ("source_invalid", "not_tcp")}

    def test_by_line(self) -> None:
        self.restart(["fields"], ["fields", "woods"])
        outcomes = {(line.host, source): self.valid(line, source)
                    for line in (A, B) for source in ("10.8.0.1", "10.9.0.1", "10.10.0.1")}
        self.assertEqual(outcomes, {("a", "10.8.0.1"): True, ("a", "10.9.0.1"): False, ("a", "10.10.0.1"): False,
                                    ("b", "10.8.0.1"): True, ("b", "10.9.0.1"): True, ("b", "10.10.0.1"): False})

    def test_other_lists_after_a_restart(self) -> None:
        """What was number one means another pool now; the lines are told anew."""
        self.restart(["fields"], ["woods"])
        self.restart(["woods"], ["fields"])
        self.assertEqual([self.valid(A, "10.8.0.1"), self.valid(A, "10.9.0.1")], [False, True])
        self.assertEqual([self.valid(B, "10.8.0.1"), self.valid(B, "10.9.0.1")], [True, False])
