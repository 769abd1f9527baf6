# SPDX-License-Identifier: Apache-2.0
"""Budgets that are overrun by more subscribers at once than the kernel's ring of events has room for."""

import re
import socket

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from lab.hosts import await_true
from lab.topology import INTERNET4, SUBSCRIBERS
from lab_test import LabTest

LINE = SUBSCRIBERS["a"]
MANY = 9000  # the ring has room for about 8,200
ADDRESSES = [f"10.7.{number // 250}.{number % 250}" for number in range(MANY)]


class Overruns(LabTest):  # labels: sanitize
    """An infected network behind one line: the agent learns of each, even of those that no event told of."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(("[[pool]]", '[[pool]]\nname = "many"\nprefixes = ["10.7.0.0/16"]\naction = "drop"\n[[pool]]'))

    def test_more_than_the_ring_holds(self) -> None:
        self.edge.write("/root/many", "\n".join(ADDRESSES) + "\n")
        self.agent.ask("grant", "import", "/root/many", "--budget", "1", "--for", "1h")
        self.assertEqual(self.agent.ask("status")["grants"], MANY)
        with self.agent.process.standing_still():
            for port in (1024, 1025):
                self.knock(port)
        await_true(lambda: self.agent.ask("status")["grants"] == 0, "all grants have ended", 60)
        self.assertEqual(self.agent.ask("status")["overruns"], MANY)
        self.assertGreater(self.unsent(), 0)
        self.assertEqual(self.agent.ask("why", ADDRESSES[-1])["reason"], "not_granted")

    def unsent(self) -> int:
        metrics = self.edge.run("curl", "-sS", "--unix-socket", "/run/sekisho/agent.sock", "http://x/metrics").stdout
        return int(re.search(r"^sekisho_unsent_events_total (\d+)$", metrics, re.MULTILINE).group(1))

    def knock(self, port: int) -> None:
        """A SYN from each."""
        source, target = (self.isp.lab[host].run("cat", f"/sys/class/net/{name}/address").stdout.strip()
                          for host, name in ((LINE.host, "eth0"), ("edge", LINE.interface)))
        frame = bytes(Ether(src=source, dst=target) / IP(src="0.0.0.0", dst=INTERNET4, chksum=0)
                      / TCP(sport=port, dport=25, flags="S", chksum=0))
        with self.isp.lab[LINE.host].network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("eth0", 0))
            for address in ADDRESSES:
                wire.send(frame[:26] + socket.inet_aton(address) + frame[30:])
