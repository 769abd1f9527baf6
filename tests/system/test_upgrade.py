# SPDX-License-Identifier: Apache-2.0
"""A new agent finds the pins of another layout."""

import json
import threading

from kernel_entries import FEW, PINS, make_older
from lab.clients import connect
from lab.hosts import await_true
from lab.topology import INTERNET4, SUBSCRIBERS
from lab_test import LabTest


class Upgrade(LabTest):  # labels: sanitize
    """Entries, links and counters are taken over; nobody gets through meanwhile."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(FEW)
        self.layout = self.edge.run("ls", PINS).stdout.strip()

    def link(self, layout: str, interface: str) -> dict:
        """What the kernel says of an interface's pinned link."""
        index = self.edge.run("cat", f"/sys/class/net/{interface}/ifindex").stdout.strip()
        pins = self.edge.run("ls", f"{PINS}/{layout}/links").stdout.split()
        pin = next(each for each in pins if each.startswith(f"{index}-"))
        path = f"{PINS}/{layout}/links/{pin}"
        # Debian 13's bpftool ends with 255 behind a good answer.
        said = json.loads(self.edge.run("bpftool", "--json", "link", "show", "pinned", path, check=False).stdout)
        return said[0] if isinstance(said, list) else said

    def test_from_the_first_layout(self) -> None:
        a, b = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
        self.agent.ask("grant", "add", a.address4)
        self.assert_port_25("b", INTERNET4, "refused")
        blocked = self.blocked()
        before = {line.interface: self.link(self.layout, line.interface) for line in (a, b)}
        self.agent.stop()
        make_older(self.edge, 1)
        outcomes: list[str] = []
        done = threading.Event()

        def knock() -> None:
            while not done.is_set():
                outcomes.append(connect(self.isp.lab["b"], INTERNET4).outcome)

        knocking = threading.Thread(target=knock)
        knocking.start()
        try:
            await_true(lambda: len(outcomes) > 5, "B knocks")
            self.agent.start()
            seen = len(outcomes)
            await_true(lambda: len(outcomes) > seen + 5, "B knocks still")
        finally:
            done.set()
            knocking.join()
        self.assertEqual(set(outcomes), {"refused"})
        self.assert_port_25("a", INTERNET4, "open")
        # Less what was counted while it changed over.
        self.assertGreater(self.blocked(), blocked + seen / 2)
        for line in (a, b):
            after = self.link(self.layout, line.interface)
            self.assertEqual(after["id"], before[line.interface]["id"], "the same link")
            self.assertNotEqual(after["prog_id"], before[line.interface]["prog_id"], "another program")
        self.assertEqual(self.edge.run("ls", PINS).stdout.split(), [self.layout])
        # What one left that didn't come to the end takes nothing away.
        carried = self.blocked()
        self.agent.stop()
        self.edge.run("mkdir", "-p", f"{PINS}/v1/links")
        self.agent.start()
        self.assertGreaterEqual(self.blocked(), carried)
        self.assertEqual(self.edge.run("ls", PINS).stdout.split(), [self.layout])

    def blocked(self) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"] if item["reason"] == "not_granted")

    def test_what_is_known_finds_room(self) -> None:
        """The old table is larger than the configuration's, and has more in it."""
        self.agent.revoke_all()
        for number in range(20):
            self.agent.ask("grant", "add", f"192.0.2.{40 + number}")
        self.agent.stop()
        make_older(self.edge, 5)
        self.isp.restart_agent((FEW[0], FEW[1].replace("64", "16")))
        self.addCleanup(self.agent.revoke_all)
        self.assertEqual(self.agent.ask("status")["grants"], 20)
        self.assertIn("the map sekisho_entries keeps its size of 64", self.agent.last_words(20_000))

    def test_a_newer_one_is_refused(self) -> None:
        self.agent.stop()
        self.edge.run("mkdir", f"{PINS}/v99")
        self.addCleanup(self.agent.start)
        self.addCleanup(self.edge.run, "rmdir", f"{PINS}/v99")
        self.assertIn("a newer sekishod has left its pins", self.agent.refused_start(1))
        self.assert_port_25("b", INTERNET4, "refused")

    def test_detach_takes_all_layouts_out(self) -> None:
        self.agent.stop()
        make_older(self.edge, 1)
        self.edge.run("sekishod", "--config", "/etc/sekisho/sekisho.toml", "--detach")
        self.assertEqual(self.edge.run("ls", PINS, check=False).stdout, "")
        self.assert_port_25("b", INTERNET4, "open")
        self.agent.start()
        self.assert_port_25("b", INTERNET4, "refused")
