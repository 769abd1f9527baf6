# SPDX-License-Identifier: Apache-2.0
"""The box as a bridge in somebody else's path: frames for others' MACs."""

from lab.clients import connect
from lab.hosts import await_true
from lab.services import OTHER_PORT
from lab.topology import EDGE_SUBSCRIBER4, INTERNET4, SUBSCRIBERS
from lab_test import LabTest

LATE = ("[[pool]]", '[[interface]]\nname = "br-*"\nside = "subscriber"\nattach = "tc"\n[[pool]]')


class Bridges(LabTest):  # labels: sanitize
    """A bridge itself, and its ports."""

    def attached(self, name: str) -> bool:
        return any(item["name"] == name and item["attached"] for item in self.agent.ask("interface", "list")["interfaces"])

    def test_a_bridge_that_comes_late(self) -> None:
        self.isp.restart_agent(LATE)
        self.edge.run("ip", "link", "add", "br-0", "type", "bridge")
        await_true(lambda: self.attached("br-0"), "br-0 is attached")
        self.edge.run("ip", "link", "set", "br-0", "name", "br-1")
        await_true(lambda: self.attached("br-1"), "it is known by its new name")
        self.edge.run("ip", "link", "del", "br-1")
        await_true(lambda: not self.attached("br-1"), "br-1 is forgotten")

    def test_a_port_answers_for_others(self) -> None:
        """A's and B's lines end at a router behind the edge, whose MAC their frames carry."""
        self.isp.restart_agent()
        lines = [SUBSCRIBERS[host] for host in ("a", "b")]
        self.isp.lab.wire("edge", "behind", "internet", "router")
        self.isp.lab.configure("edge", "link add br-2 type bridge", "link set br-2 up", "link set behind up",
                               "link set behind master br-2",
                               *(f"addr flush dev {line.interface}" for line in lines),
                               *(f"link set {line.interface} master br-2" for line in lines))
        self.isp.lab.configure("internet", f"addr add {EDGE_SUBSCRIBER4}/32 dev router", "link set router up",
                               *(f"route add {line.address4} dev router" for line in lines))
        for line in lines:
            self.isp.lab[line.host].run("ip", "neigh", "flush", "all")
            through = lambda host=line.host: connect(self.isp.lab[host], INTERNET4, OTHER_PORT).outcome == "open"
            await_true(through, f"{line.host} reaches the router behind the bridge")
            self.assert_port_25(line.host, INTERNET4, "refused")
            self.agent.ask("grant", "add", line.address4)
            self.assert_port_25(line.host, INTERNET4, "open")
