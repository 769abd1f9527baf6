# SPDX-License-Identifier: Apache-2.0
"""A line's interface that is moved into another network namespace, by each way into the kernel."""

import subprocess

from lab.clients import connect
from lab.hosts import await_true
from lab.network import compile_pass, connect_subscriber
from lab.topology import EDGE_SUBSCRIBER4, INTERNET4, INTERNET6, SUBSCRIBERS
from lab.watch import Door
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
# Whether the kernel leaves our program on a device that moves, while nobody takes it off.
FOLLOWS = {"xdp": True, "tc": True, "clsact": False}


class Moves(LabTest):
    """B's line goes to the mail host and stays wired: what B sends there shows whether a program of ours still judges it."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        door = Door(cls.isp.lab["mail"], 25)
        cls.addClassCleanup(door.close)

    def tearDown(self) -> None:
        self.bring_back()

    def restart(self, attach: str) -> None:
        self.isp.restart_agent(('attach = "tc"', f'attach = "{attach}"'))
        self.assertTrue(self.attached())
        self.assert_port_25("b", INTERNET4, "refused")

    def attached(self) -> bool:
        return any(item["name"] == B.interface and item["attached"] and item["index"] == self.index()
                   for item in self.agent.ask("interface", "list")["interfaces"])

    def index(self) -> int | None:
        said = self.edge.run("cat", f"/sys/class/net/{B.interface}/ifindex", check=False).stdout
        return int(said) if said else None

    def move(self) -> None:
        with self.edge.network():  # from outside, where processes of all hosts have numbers
            subprocess.run(["ip", "link", "set", B.interface, "netns", str(self.isp.lab["mail"].pid)], check=True)
        self.isp.lab.configure("mail", f"addr add {EDGE_SUBSCRIBER4}/32 dev {B.interface}", f"link set {B.interface} up",
                               f"route add {B.address4} dev {B.interface}")

    def outcome_there(self) -> str:
        """Of B's connection to an address of the mail host's that nobody has designated."""
        return connect(self.isp.lab["b"], EDGE_SUBSCRIBER4, timeout=1.5).outcome

    def bring_back(self, *wish: str) -> None:
        """B's line anew, its other end with it; `wish` is for the edge's."""
        lab = self.isp.lab
        for host in ("mail", "edge"):
            lab[host].run("ip", "link", "del", B.interface, check=False)
        subprocess.run(["ip", "link", "add", B.interface, *wish, "netns", str(self.edge.pid), "type", "veth",
                        "peer", "name", "eth0", "netns", str(lab["b"].pid)], check=True)
        lab["b"].run("ip", "addr", "flush", "dev", "lo", "scope", "global")
        connect_subscriber(lab, B, compile_pass(lab.state / "pass.o"))

    def assert_closed_again(self) -> None:
        await_true(self.attached, "sub-b is attached again")
        self.assert_port_25("b", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET6, "refused")

    def test_under_a_running_agent(self) -> None:
        """It notices, and takes its program off where the kernel lets it follow."""
        for attach in FOLLOWS:
            with self.subTest(attach=attach):
                self.restart(attach)
                self.move()
                await_true(lambda: not self.attached(), "the agent notices that sub-b is gone")
                await_true(lambda: self.outcome_there() == "open", "there it judges nobody")
                self.assert_port_25("a", INTERNET4, "refused")
                self.bring_back()
                self.assert_closed_again()

    def test_while_nobody_looks(self) -> None:
        """Until the next start of the agent the program goes on there, but for clsact's, which is gone at once."""
        for attach, follows in FOLLOWS.items():
            with self.subTest(attach=attach):
                self.restart(attach)
                self.agent.kill()
                self.move()
                self.assertEqual(self.outcome_there() != "open", follows)
                self.agent.start()
                self.assertEqual(self.outcome_there(), "open")
                self.assert_port_25("a", INTERNET4, "refused")
                self.bring_back()
                self.assert_closed_again()

    def test_its_number_is_another_line_s(self) -> None:
        """The pin names a link that is elsewhere now: the line that has the number gets one of its own."""
        for attach in FOLLOWS:
            with self.subTest(attach=attach):
                self.restart(attach)
                self.agent.kill()
                index = self.index()
                self.edge.run("ip", "link", "set", B.interface, "down")
                self.move()
                self.isp.lab["mail"].run("ip", "link", "set", B.interface, "name", "moved")
                self.addCleanup(self.isp.lab["mail"].run, "ip", "link", "del", "moved", check=False)
                self.isp.lab.configure("b", "link set eth0 down", "link set eth0 name moved-peer")
                self.bring_back("index", str(index))
                self.assertEqual(self.index(), index)
                self.assert_port_25("b", INTERNET4, "open")
                self.agent.start()
                self.assert_closed_again()
                self.isp.lab["mail"].run("ip", "link", "del", "moved")
                self.assert_port_25("b", INTERNET4, "refused")
