# SPDX-License-Identifier: Apache-2.0
"""More interfaces than are counted apart: the later ones are counted together."""

import re

from lab.hosts import await_true
from lab.network import compile_pass, connect_subscriber
from lab.topology import INTERNET4, INTERNET6, SUBSCRIBERS, Subscriber
from lab_test import LabTest

A, B, C = (SUBSCRIBERS[name] for name in "abc")
SLOTS = 63  # of interfaces that are counted apart
MANY = ("[[pool]]", '[[interface]]\nname = "many-*"\nside = "subscriber"\nattach = "tc"\n[[pool]]')


class ManyInterfaces(LabTest):
    """B's line is counted apart; others come when all slots are taken."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(MANY)
        self.addCleanup(self.remove_many)
        self.made = 0
        self.make(SLOTS - len(SUBSCRIBERS))

    def make(self, count: int) -> None:
        """So many lines to nobody, in the order of their names."""
        numbers = range(self.made, self.made + count)
        self.isp.lab.configure("edge", *(f"link add many-{number} type veth peer name far-{number}" for number in numbers))
        self.made += count
        await_true(lambda: self.attached().keys() >= {f"many-{number}" for number in numbers}, "they are attached", 30)

    def remove_many(self) -> None:
        for name in re.findall(r"many-\d+", self.edge.run("ls", "/sys/class/net").stdout):
            self.edge.run("ip", "link", "del", name)

    def attached(self) -> dict[str, dict]:
        return {item["name"]: item for item in self.agent.ask("interface", "list")["interfaces"] if item["attached"]}

    def bring_back(self, line: Subscriber, keeps_slot: bool = False) -> None:
        """The line anew, as the youngest of all; if its slot isn't to be kept for it, another line has it meanwhile."""
        lab = self.isp.lab
        self.edge.run("ip", "link", "del", line.interface)
        await_true(lambda: line.interface not in self.attached(), "the agent notices that it is gone")
        if not keeps_slot:
            self.make(1)
        lab.wire("edge", line.interface, line.host, "eth0")
        lab[line.host].run("ip", "addr", "flush", "dev", "lo", "scope", "global")
        connect_subscriber(lab, line, compile_pass(lab.state / "pass.o"))
        await_true(lambda: line.interface in self.attached(), "it is attached again")

    def blocked(self) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"] if item["reason"] == "not_granted")

    def blocked_on(self) -> dict[str, int]:
        """By interface; those that aren't counted apart are left out."""
        return {name: sum(each["packets"] for each in item["counts"] if each["reason"] == "not_granted")
                for name, item in self.attached().items() if item["counts"] is not None}

    def metric(self, name: str, *labels: str) -> float:
        """The sum of all that have these labels."""
        said = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://x/metrics").stdout
        lines = [line for line in said.splitlines() if line.startswith(name + "{") and all(each in line for each in labels)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def knock(self, *lines: Subscriber) -> None:
        for line in lines:
            for address in (INTERNET4, INTERNET6):
                self.assert_port_25(line.host, address, "refused")

    def test_the_later_ones_are_in_the_sums(self) -> None:
        self.make(2)  # these take no slot either
        for line in (A, C):
            self.bring_back(line)
        before, metric = self.blocked(), self.metric("sekisho_packets_total", 'reason="not_granted"')
        self.knock(A, B, C)
        self.assertEqual(self.blocked(), before + 6)
        self.assertEqual(self.metric("sekisho_packets_total", 'reason="not_granted"'), metric + 6)
        apart = self.blocked_on()
        self.assertEqual(len(apart), SLOTS)
        self.assertEqual({name: packets for name, packets in apart.items() if packets}, {B.interface: 2})

    # The kernel goes on counting A's packets where the agent before had them, which is B's now (Slots::give).
    def test_another_agent_gives_slots_anew(self) -> None:
        """By age: the youngest, which had one of the agent before, has none any more, and is counted as nobody else's."""
        self.make(2)
        self.bring_back(A, keeps_slot=True)
        self.knock(A)
        self.assertEqual(self.blocked_on()[A.interface], 2)
        self.agent.stop()
        self.agent.start()
        await_true(lambda: len(self.attached()) == len(SUBSCRIBERS) + self.made, "all are attached", 30)
        self.assertNotIn(A.interface, self.blocked_on())
        before = self.blocked()
        self.knock(A, B)
        self.assertEqual(self.blocked(), before + 4)
        self.assertEqual({name: packets for name, packets in self.blocked_on().items() if packets}, {B.interface: 2})
