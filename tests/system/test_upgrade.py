# SPDX-License-Identifier: Apache-2.0
"""A new agent finds the pins of another layout: what an older one knew and counted goes on, and nobody gets through meanwhile."""

import json
import os
import socket
import threading
import time
from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from kernel_entries import FEW, PINS
from lab.agent import CONFIG
from lab.clients import connect
from lab.hosts import Host, await_true
from lab.isp import config_text
from lab.topology import INTERNET4, INTERNET6, MAIL4, SUBSCRIBERS, Subscriber, crowd_address4, crowd_address6
from lab.watch import Door, SynCounters
from lab_test import ROOT, LabTest
from older_layout import (DROP, EXEMPT, GRANT, LATER_FRAGMENT, NOT_GRANTED, OVERRUN, PASS, QUARANTINE, UNLIMITED, Entry,
                          OlderLayout, key_of)
from test_flows import Conversation

A, B, C = (SUBSCRIBERS[name] for name in "abc")
# A's crowd, a subscriber each.
GRANTED, BUDGETED, CONTRACT, INFECTED, ENDED, OVERRAN, UNKNOWN, NOBODY = (crowd_address4(number) for number in range(8))
GRANTED6, NOBODY6 = crowd_address6(0), crowd_address6(1)
HOUR = 3_600_000_000_000


class Flood:
    """SYNs of one subscriber to port 25, over IPv4 and IPv6, with pauses in between. Use it in a `with`."""

    def __init__(self, line: Subscriber, host: Host, gateway: str, mac: str, pause: float):
        syn = TCP(sport=1024, dport=25, flags="S")
        self._frames = [bytes(Ether(src=mac, dst=gateway) / packet) for packet in
                        (IP(src=line.address4, dst=INTERNET4) / syn, IPv6(src=line.address6, dst=INTERNET6) / syn)]
        self._host = host
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent = 0

    def _send(self) -> None:
        with self._host.network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind(("eth0", 0))
            while not self._over.is_set():
                for frame in self._frames:
                    self.sent += wire.send(frame) == len(frame)
                time.sleep(self._pause)

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()


class Upgrade(LabTest):  # labels: sanitize
    """The agent of today makes the grants, the layout of old has them in the kernel, the agent of today takes over."""

    mx = True  # which has conversations

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.build = Path(os.environ.get("SEKISHO_BUILD", ROOT / "build/release"))
        door = Door(cls.isp.lab["mail"], 25)  # a designated server
        cls.addClassCleanup(door.close)

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.today = self.edge.run("ls", PINS).stdout.strip()

    def begin_anew(self) -> None:
        """Nobody has been granted anything, the kernel is empty, and nothing has arrived."""
        super().begin_anew()
        self.isp.restart_agent(FEW)
        self.arrived = SynCounters(self.isp.lab["internet"], {
            "b4": f"{B.address4}/32", "b6": B.prefix6, "c4": f"{C.address4}/32", "c6": C.prefix6})

    def detach(self) -> None:
        self.edge.run("sekishod", "--config", CONFIG, "--detach")

    def make_books(self) -> None:
        """What the store is to know: grants, an exemption, a quarantine."""
        for address in (GRANTED, GRANTED6, ENDED):
            self.agent.ask("grant", "add", address, "--for", "1h", "--reason", f"ticket of {address}")
        for address in (BUDGETED, OVERRAN):
            self.agent.ask("grant", "add", address, "--for", "1h", "--budget", "3")
        self.agent.ask("exempt", "add", CONTRACT)
        self.agent.ask("quarantine", "add", INFECTED)

    def stored(self) -> dict[bytes, tuple[int, int]]:
        """End and generation of each grant in the store. Read where the file is: SQLite follows no path into another host."""
        program = ("import json, sqlite3\nstore = sqlite3.connect('/var/lib/sekisho/agent.db')\n"
                   "print(json.dumps(store.execute('SELECT key, expires_boot, generation FROM grants').fetchall()))\n")
        rows = json.loads(self.edge.run("/usr/bin/python3", "-c", program).stdout)
        return {key_of(key.split("/")[0]): (end, generation) for key, end, generation in rows}

    def leave(self, version: int, attached: dict[str, str]) -> OlderLayout:
        """Instead of today's agent and what it has in the kernel: that layout, with empty maps."""
        self.agent.stop()
        self.detach()
        return OlderLayout(self.edge, self.build, version, attached)

    def fill(self, older: OlderLayout, version: int) -> None:
        unlimited = UNLIMITED if version >= 3 else 0
        stored = self.stored()
        for address in (GRANTED, GRANTED6):
            older.know(Entry(address, GRANT | unlimited, *stored[key_of(address)]))
        older.know(Entry(BUDGETED, GRANT, *stored[key_of(BUDGETED)], budget=2))  # of three
        older.know(Entry(CONTRACT, EXEMPT))
        older.know(Entry(INFECTED, QUARANTINE))
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        older.know(Entry(ENDED, GRANT | unlimited, now - 1, stored[key_of(ENDED)][1]))  # whatever the store says
        older.know(Entry(OVERRAN, GRANT | (OVERRUN if version >= 3 else 0), *stored[key_of(OVERRAN)]))
        older.know(Entry(UNKNOWN, GRANT | unlimited, now + HOUR, 4000))  # the store was too slow for it

    def flood(self, line: Subscriber, pause: float) -> Flood:
        def mac(host: str, name: str) -> str:
            return self.isp.lab[host].run("cat", f"/sys/class/net/{name}/address").stdout.strip()

        return Flood(line, self.isp.lab[line.host], mac("edge", line.interface), mac(line.host, "eth0"), pause)

    def take_over(self, older: OlderLayout, pause: float = 0.002) -> None:
        """The agent starts while B and C send all the time; nothing of it gets through, and what was counted stays."""
        with self.flood(B, pause) as b, self.flood(C, pause) as c:
            await_true(lambda: min(b.sent, c.sent) > 100, "B and C knock")
            blocked = older.counted(NOT_GRANTED, DROP)
            self.assertGreater(blocked, 100, "the programs of old count")
            self.agent.start()
            since = b.sent + c.sent
            await_true(lambda: b.sent + c.sent > since + 200, "B and C knock still")
        sent = b.sent + c.sent
        self.assertEqual(self.arrived.read(), {"b4": 0, "b6": 0, "c4": 0, "c6": 0})
        await_true(lambda: self.counted("not_granted") >= blocked + sent - since, "old and new are summed up")
        # Those that were counted between the copy and the last replacement are lost.
        self.assertLessEqual(self.counted("not_granted"), sent)
        self.assertEqual(self.edge.run("ls", PINS).stdout.split(), [self.today])

    def counted(self, reason: str) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"] if item["reason"] == reason)

    def link(self, layout: str, line: Subscriber) -> tuple[int, int]:
        """The kernel's numbers of an interface's pinned link, and of its program."""
        index = self.edge.run("cat", f"/sys/class/net/{line.interface}/ifindex").stdout.strip()
        pin = self.edge.run("sh", "-c", f"ls {PINS}/{layout}/links/{index}-*").stdout.strip()
        # Debian 13's bpftool ends with 255 behind a good answer.
        said = json.loads(self.edge.run("bpftool", "--json", "link", "show", "pinned", pin, check=False).stdout)
        said = said[0] if isinstance(said, list) else said
        return said["id"], said["prog_id"]

    def outcome(self, source: str, address: str = INTERNET4) -> str:
        return connect(self.isp.lab["a"], address, source=source).outcome

    def assert_means_the_same(self, version: int) -> None:
        """What the entries of old meant, by traffic and by the books."""
        self.assertEqual(self.outcome(GRANTED), "open")
        self.assertEqual(self.outcome(GRANTED6, INTERNET6), "open")
        self.assertEqual(self.outcome(UNKNOWN), "open")
        self.assertEqual(self.outcome(CONTRACT), "open")
        self.assertEqual(self.outcome(NOBODY), "refused")
        self.assertEqual(self.outcome(NOBODY6, INTERNET6), "refused")
        self.assertEqual((self.outcome(INFECTED, MAIL4), self.outcome(NOBODY, MAIL4)), ("refused", "open"))
        self.assertEqual(self.outcome(ENDED), "refused")
        self.assertIsNone(self.agent.granted(ENDED))
        self.assertEqual(self.agent.granted(GRANTED)["reason"], f"ticket of {GRANTED}")
        self.assertEqual(self.agent.granted(UNKNOWN)["source"], "kernel")
        self.assertEqual(self.agent.ask("why", CONTRACT, INTERNET4)["reason"], "exempt")
        if version < 3:  # nothing was counted then, so the budget of the store is a word only
            self.assertEqual([self.outcome(BUDGETED) for _ in range(5)], ["open"] * 5)
            return
        self.assertEqual(self.agent.granted(BUDGETED)["connections_left"], 2)
        self.assertEqual([self.outcome(BUDGETED) for _ in range(3)], ["open", "open", "refused"])
        self.assertIsNone(self.agent.granted(OVERRAN))
        self.assertIn(f"{OVERRAN}/32", [item["key"] for item in self.agent.ask("grant", "list")["cool_downs"]])

    def upgrade(self, version: int) -> None:
        self.make_books()
        ends = {address: self.agent.granted(address)["expires"] for address in (GRANTED, GRANTED6)}
        self.agent.ask("grant", "add", A.address4)
        conversation = Conversation(self, INTERNET4)
        self.agent.ask("grant", "revoke", A.address4)
        older = self.leave(version, {A.interface: "xdp", B.interface: "tcx", C.interface: "xdp"})
        self.fill(older, version)
        if version >= 3:
            older.know(Entry(A.address4, 0, generation=4711, flows=1))
            older.add_flow(conversation.source(), (INTERNET4, 25), 4711)
        fragments = older.count(LATER_FRAGMENT, PASS, 1000)
        links = {line: self.link(f"v{version}", line) for line in (A, B, C)}
        self.take_over(older)
        self.assertEqual(self.counted("later_fragment"), fragments)
        for line, (link, program) in links.items():
            self.assertEqual(self.link(self.today, line)[0], link, "the same link")
            self.assertNotEqual(self.link(self.today, line)[1], program, "another program")
        self.assertEqual({address: self.agent.granted(address)["expires"] for address in ends}, ends)
        self.assert_means_the_same(version)
        self.assertEqual(conversation.goes_on(), version >= 3, "flows are known since layout 3")
        self.assert_port_25("a", INTERNET4, "refused")

    def test_layout_1(self) -> None:
        self.upgrade(1)

    def test_layout_3(self) -> None:
        self.upgrade(3)

    def test_layout_5(self) -> None:
        self.upgrade(5)

    def clsact_program(self, line: Subscriber) -> list[int]:
        said = json.loads(self.edge.run("tc", "-j", "filter", "show", "dev", line.interface, "ingress").stdout)
        return [each["options"]["prog"]["id"] for each in said if "prog" in each.get("options", {})]

    def test_clsact(self) -> None:
        """No link, no pin: the filter of old judges until its place is another's, and then is gone."""
        for attach, mode in (("clsact", "clsact"), ("tc", "tcx"), ("xdp", "xdp")):
            with self.subTest(attach=attach):
                self.begin_anew()
                older = self.leave(5, {A.interface: "xdp", B.interface: "clsact", C.interface: "clsact"})
                before = self.clsact_program(B)
                self.assertEqual(len(before), 1)
                self.agent.configure(config_text(FEW, ('attach = "tc"', f'attach = "{attach}"'),
                                                 ('attach = "xdp"', f'attach = "{attach}"')))
                self.take_over(older, 0)  # a filter can be changed in less time than a pause
                modes = {item["name"]: item["mode"] for item in self.agent.ask("interface", "list")["interfaces"]}
                self.assertEqual((modes[B.interface], modes[C.interface]), (mode, mode))
                after = self.clsact_program(B)
                self.assertEqual(len(after), 1 if mode == "clsact" else 0)
                self.assertNotEqual(after, before)
                self.assert_port_25("b", INTERNET4, "refused")

    def test_what_is_known_finds_room(self) -> None:
        """The old table is larger than the configuration's, and has more in it."""
        addresses = [f"192.0.2.{40 + number}" for number in range(20)]
        for address in addresses:
            self.agent.ask("grant", "add", address)
        older = self.leave(5, {A.interface: "xdp", B.interface: "tcx", C.interface: "xdp"})
        stored = self.stored()
        for address in addresses:
            older.know(Entry(address, GRANT | UNLIMITED, *stored[key_of(address)]))
        self.agent.configure(config_text((FEW[0], FEW[1].replace("64", "16"))))
        self.agent.start()
        self.assertEqual(self.agent.ask("status")["grants"], 20)
        self.assertIn("the map sekisho_entries keeps its size of 64", self.log())
        self.assertEqual({self.outcome(address) for address in addresses}, {"open"})

    def test_one_that_did_not_come_to_the_end(self) -> None:
        """What it left of the old pins takes nothing away."""
        self.assert_port_25("b", INTERNET4, "refused")
        self.agent.stop()
        self.edge.run("mkdir", "-p", f"{PINS}/v1/links")
        self.agent.start()
        self.assertEqual(self.counted("not_granted"), 1)
        self.assertEqual(self.edge.run("ls", PINS).stdout.split(), [self.today])

    def test_a_newer_one_is_refused(self) -> None:
        self.agent.stop()
        self.edge.run("mkdir", f"{PINS}/v99")
        self.addCleanup(self.edge.run, "rmdir", f"{PINS}/v99")
        self.assertIn("a newer sekishod has left its pins", self.agent.refused_start(1))
        self.assert_port_25("b", INTERNET4, "refused")

    def test_detach_takes_all_layouts_out(self) -> None:
        self.leave(1, {A.interface: "xdp", B.interface: "tcx", C.interface: "clsact"})
        for host in ("a", "b", "c"):
            self.assert_attempt(connect(self.isp.lab[host], INTERNET4, timeout=0.5), "timeout", f"{host}'s line is closed:")
        self.detach()
        self.assertEqual(self.edge.run("ls", PINS, check=False).stdout, "")
        for host in ("a", "b", "c"):
            self.assert_port_25(host, INTERNET4, "open")
        self.agent.start()
        self.assert_port_25("b", INTERNET4, "refused")
