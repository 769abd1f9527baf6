# SPDX-License-Identifier: Apache-2.0
"""Interfaces that come late, go, and come back."""

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

from lab.clients import connect
from lab.hosts import await_true
from lab.network import compile_pass, connect_subscriber
from lab.topology import EDGE_CORE4, INTERNET4, INTERNET6, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # of linux/in.h


def octets_of(number: int) -> list[str]:
    """Of a number of 32 bits, as the machine has them."""
    return [str(octet) for octet in number.to_bytes(4, sys.byteorder)]


class Interfaces(LabTest):
    """The agent runs on, whatever its interfaces do."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def attached(self, name: str) -> bool:
        return any(item["name"] == name and item["attached"] for item in self.agent.ask("interface", "list")["interfaces"])

    def test_counted_apart(self) -> None:
        """What was judged stands behind its interface, since it was attached; in the metrics, too."""
        self.assert_port_25("a", INTERNET4, "refused")
        interfaces = {item["name"]: item for item in self.agent.ask("interface", "list")["interfaces"]}
        blocked = [item["packets"] for item in interfaces[A.interface]["counts"] if item["reason"] == "not_granted"]
        self.assertEqual(blocked, [1])
        self.assertEqual([item for item in interfaces["sub-b"]["counts"] if item["reason"] == "not_granted"], [])
        self.assertEqual(interfaces[A.interface]["driver"], "veth")
        metrics = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://x/metrics").stdout
        self.assertRegex(metrics, r'sekisho_interface_packets_total{[^}]*interface="sub-a"[^}]*reason="not_granted"'
                                  r'[^}]*} 1\n')
        total = self.blocked()
        self.edge.run("ip", "link", "del", A.interface)
        self.bring_back()
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        again = next(item for item in self.agent.ask("interface", "list")["interfaces"] if item["name"] == A.interface)
        self.assertEqual([item for item in again["counts"] if item["reason"] == "not_granted"], [])
        self.assertEqual(self.blocked(), total, "the sum forgets nothing")

    def blocked(self) -> int:
        return sum(item["packets"] for item in self.agent.ask("status")["counts"] if item["reason"] == "not_granted")

    def bring_back(self) -> None:
        """A's line anew, as after a card was pulled and put in again."""
        self.wire()
        self.number()

    def wire(self) -> None:
        self.isp.lab.wire("edge", A.interface, "a", "eth0")

    def number(self) -> None:
        lab = self.isp.lab
        lab["a"].run("ip", "addr", "flush", "dev", "lo", "scope", "global")
        connect_subscriber(lab, A, compile_pass(lab.state / "pass.o"))

    def test_goes_and_comes_back(self) -> None:
        for turn in range(3):
            self.edge.run("ip", "link", "del", A.interface)
            await_true(lambda: not self.attached(A.interface), "the agent notices that sub-a is gone")
            self.assertEqual(len(self.edge.run("ls", f"{self.pins()}/links").stdout.split()), len(SUBSCRIBERS) - 1)
            self.assertTrue(self.attached("sub-b"))
            self.assert_port_25("b", INTERNET4, "refused")
            self.bring_back()
            await_true(lambda: self.attached(A.interface), f"sub-a is attached again, turn {turn}")
            self.assert_port_25("a", INTERNET4, "refused")
            self.assert_port_25("a", INTERNET6, "refused")

    def test_goes_while_nobody_looks(self) -> None:
        self.agent.kill()
        self.edge.run("ip", "link", "del", A.interface)
        self.bring_back()
        self.agent.start()
        self.assertTrue(self.attached(A.interface))
        self.assert_port_25("a", INTERNET4, "refused")

    def test_another_way_in(self) -> None:
        """Whatever the configuration changes to, the port stays closed and the kernel runs what is said."""
        for attach in ("xdp-generic", "xdp", "xdp-generic", "tc", "clsact", "xdp", "auto"):
            with self.subTest(attach=attach):
                self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\nattach = "xdp"',
                                        f'name = "sub-*"\nside = "subscriber"\nattach = "{attach}"'))
                self.assertTrue(self.attached(A.interface), self.log())
                self.assert_port_25("a", INTERNET4, "refused")

    def test_taken_off_by_others(self) -> None:
        self.isp.restart_agent(('attach = "tc"', 'attach = "clsact"'))
        self.assert_port_25("b", INTERNET4, "refused")
        self.edge.run("tc", "qdisc", "del", "dev", "sub-b", "clsact")
        await_true(lambda: "INTERFACE_LOST" in self.log(), "the agent notices", 15)
        await_true(lambda: self.attached("sub-b"), "it is attached again")
        self.assert_port_25("b", INTERNET4, "refused")

    def test_pins_are_removed(self) -> None:
        """All that is pinned, while the agent runs: it puts its programs back, and the next one goes on."""
        self.agent.ask("grant", "add", SUBSCRIBERS["c"].address4)
        pins = self.edge.run("find", "/sys/fs/bpf/sekisho", "-type", "f").stdout.split()
        self.edge.run("rm", "-rf", "/sys/fs/bpf/sekisho", check=False)
        await_true(lambda: self.log().count("INTERFACE_LOST") == len(SUBSCRIBERS), "the agent notices", 15)
        for name in (line.interface for line in SUBSCRIBERS.values()):
            await_true(lambda: self.attached(name), f"{name} is attached again")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")
        self.assertIn("PINS_RENEWED", self.log())
        self.assertEqual(set(self.edge.run("find", "/sys/fs/bpf/sekisho", "-type", "f").stdout.split()), set(pins))
        self.assertIn("another agent holds", self.agent.refused_start(1))
        blocked = self.blocked()
        self.assertGreater(blocked, 0)
        self.agent.kill()
        self.assert_port_25("a", INTERNET4, "refused")
        self.agent.start()
        self.assertGreater(self.blocked(), blocked, "the maps are the same")
        self.assert_port_25("b", INTERNET4, "refused")
        self.assert_port_25("c", INTERNET4, "open")
        self.agent.revoke_all()

    def test_comes_late(self) -> None:
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "late-*"\nside = "subscriber"\nattach = "tc"\n[[pool]]'))
        self.assertIn("INTERFACE_MISSING", self.log())
        self.assertFalse(self.attached("late-0"))
        self.edge.run("ip", "link", "add", "late-0", "type", "veth", "peer", "name", "late-peer")
        await_true(lambda: self.attached("late-0"), "late-0 is attached")
        self.edge.run("ip", "link", "del", "late-0")
        await_true(lambda: not self.attached("late-0"), "late-0 is forgotten")
        self.assert_port_25("a", INTERNET4, "refused")

    def interface(self, name: str) -> dict:
        return next(item for item in self.agent.ask("interface", "list")["interfaces"] if item["name"] == name)

    def unjudged(self, name: str) -> tuple[int, int]:
        return self.interface(name)["unjudged_packets"], self.interface(name)["unjudged_microseconds"]

    def test_nothing_comes_in_before(self) -> None:
        """On a line that is attached before it is up, and over a restart."""
        self.edge.run("ip", "link", "del", A.interface)
        await_true(lambda: not self.attached(A.interface), "the agent notices that sub-a is gone")
        self.wire()
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        self.number()
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.unjudged(A.interface), (0, 0))
        self.agent.kill()
        self.agent.start()
        self.assertEqual(self.unjudged(A.interface), (0, 0))

    def test_what_came_in_before_the_agent(self) -> None:
        self.agent.kill()
        self.edge.run("ip", "link", "del", A.interface)
        self.bring_back()
        for _ in range(3):
            self.assert_port_25("a", INTERNET4, "open")
        self.agent.start()
        self.assertEqual(self.unjudged("sub-b"), (0, 0))
        packets, time = self.unjudged(A.interface)
        self.assertGreaterEqual(packets, 3)
        self.assertIsNone(time, "it was up before")
        shown = self.edge.run("sekisho", "interface", "list").stdout
        self.assertRegex(shown, rf"{A.interface} .* {packets} ")
        metrics = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://x/metrics").stdout
        self.assertIn(f'sekisho_interface_unjudged_packets{{interface="{A.interface}"}} {packets}\n', metrics)
        self.assert_port_25("a", INTERNET4, "refused")

    def test_what_came_in_before_the_program(self) -> None:
        """The agent stands still while the line comes up; the kernel's message says that it was down."""
        self.edge.run("ip", "link", "del", A.interface)
        await_true(lambda: not self.attached(A.interface), "the agent notices that sub-a is gone")
        with self.agent.process.standing_still():
            self.bring_back()
            for _ in range(3):
                self.assert_port_25("a", INTERNET4, "open")
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        packets, time = self.unjudged(A.interface)
        self.assertGreaterEqual(packets, 3)
        self.assertGreater(time, 0)
        self.assertIn(f"{packets} in {time} us", self.edge.run("sekisho", "interface", "list").stdout)
        self.assert_port_25("a", INTERNET4, "refused")

    def test_too_many(self) -> None:
        """Interfaces for which there is no room any more are judged, too."""
        room = 4096
        table = f"{self.pins()}/sekisho_interfaces"
        said = self.edge.run("bpftool", "--json", "map", "show", "pinned", table, check=False).stdout
        value = " ".join(["0"] * json.loads(said)["bytes_value"])
        self.edge.run("ip", "link", "del", A.interface)
        await_true(lambda: not self.attached(A.interface), "the agent notices that sub-a is gone")
        self.edge.write("/run/updates", "".join(
            f"map update pinned {table} key {' '.join(octets_of(100_000 + number))} value {value}\n" for number in range(room)))
        self.edge.run("bpftool", "batch", "file", "/run/updates", check=False)  # ends where it is full
        self.bring_back()
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        self.assertIn("too many interfaces", self.interface(A.interface)["why"])
        self.assert_port_25("a", INTERNET4, "timeout")

    def pins(self) -> str:
        return self.edge.run("sh", "-c", "ls -d /sys/fs/bpf/sekisho/v*").stdout.strip()

    def test_links_are_taken_off_by_others(self) -> None:
        for name in (A.interface, "sub-b"):
            with self.subTest(interface=name):
                index = self.interface(name)["index"]
                pin = self.edge.run("sh", "-c", f"ls {self.pins()}/links/{index}-*").stdout.strip()
                self.edge.run("bpftool", "link", "detach", "pinned", pin)
                await_true(lambda: f"interface={name}" in "".join(
                    line for line in self.log().splitlines() if "INTERFACE_LOST" in line), "the agent notices", 15)
                await_true(lambda: self.attached(name), "it is attached again")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")

    def test_pins_go_while_nobody_looks(self) -> None:
        """Links end with them; a clsact filter goes on, with maps of its own, and is replaced. The store has the grants."""
        self.isp.restart_agent(('attach = "tc"', 'attach = "clsact"'))
        self.agent.ask("grant", "add", SUBSCRIBERS["c"].address4)
        self.agent.kill()
        self.edge.run("rm", "-rf", "/sys/fs/bpf/sekisho", check=False)
        self.assert_port_25("b", INTERNET4, "refused")
        await_true(lambda: connect(self.isp.lab["a"], INTERNET4).outcome == "open", "nobody judges A")
        self.agent.start()
        self.assert_port_25("c", INTERNET4, "open")
        self.assertTrue(self.attached(A.interface) and self.attached("sub-b"))
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")
        self.agent.ask("grant", "add", SUBSCRIBERS["b"].address4)
        self.assert_port_25("b", INTERNET4, "open")
        self.agent.revoke_all()

    def test_tags_that_the_device_takes_off(self) -> None:
        """XDP would see none of them: it is switched off where XDP goes, and complained of when it is switched on again."""
        for attach in ("xdp", "xdp-generic"):
            with self.subTest(attach=attach):
                self.edge.run("ethtool", "-K", A.interface, "rxvlan", "on")
                self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\nattach = "xdp"',
                                        f'name = "sub-*"\nside = "subscriber"\nattach = "{attach}"'))
                self.assertIn("rx-vlan-offload: off", self.edge.run("ethtool", "-k", A.interface).stdout)
                self.assertTrue(self.interface(A.interface)["why"].endswith("; switched off: rxvlan"))
                self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\nattach = "xdp"',
                                        f'name = "sub-*"\nside = "subscriber"\nattach = "{attach}"'))
                self.assertNotIn("rxvlan", self.interface(A.interface)["why"])
                self.edge.run("ethtool", "-K", A.interface, "rxvlan", "on")
                doctor = self.agent.command("doctor")
                self.assertEqual(doctor.returncode, 1)
                self.assertRegex(doctor.stdout, rf"BAD +vlan-offload-{A.interface} ")
                self.assertIn(f"ethtool -K {A.interface} rxvlan off", doctor.stdout)

    def test_jumbo_frames(self) -> None:
        """Native XDP takes frames in several buffers, where the driver does."""
        for host, name in (("edge", A.interface), ("a", "eth0")):
            self.isp.lab[host].run("ip", "link", "set", name, "mtu", "9000")
        try:
            self.isp.restart_agent()
            self.assertEqual(self.interface(A.interface)["mode"], "xdp")
            self.assert_port_25("a", INTERNET4, "refused")
            self.send_in_one_piece(8_900)
            counts = {each["reason"]: each["packets"] for each in self.interface(A.interface)["counts"]}
            self.assertGreaterEqual(counts["not_tcp"], 1)
        finally:
            for host, name in (("edge", A.interface), ("a", "eth0")):
                self.isp.lab[host].run("ip", "link", "set", name, "mtu", "1500")

    def send_in_one_piece(self, size: int) -> None:
        """A datagram from A to the edge, which must arrive; OSError if it had to be cut."""
        with self.edge.network():
            there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            there.bind((EDGE_CORE4, 0))
            there.settimeout(5)
        with self.isp.lab["a"].network():
            here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with there, here:
            here.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            here.sendto(bytes(size), there.getsockname())
            self.assertEqual(len(there.recv(2 * size)), size)

    def test_tc_is_told_of_tags(self) -> None:
        """There the device may take them off."""
        self.edge.run("ethtool", "-K", A.interface, "rxvlan", "on")
        self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\nattach = "xdp"',
                                'name = "sub-*"\nside = "subscriber"\nattach = "tc"'))
        self.assertIn("rx-vlan-offload: on", self.edge.run("ethtool", "-k", A.interface).stdout)
        self.assertEqual(self.agent.command("doctor").returncode, 0)

    def test_moves_to_another_namespace(self) -> None:
        """XDP's link goes with the device; there it judges nobody."""
        with self.edge.network():  # from outside, where processes of all hosts have numbers
            subprocess.run(["ip", "link", "set", A.interface, "netns", str(self.isp.lab["mail"].pid)], check=True)
        await_true(lambda: not self.attached(A.interface), "the agent notices that sub-a is gone")
        there = self.isp.lab["mail"].run("ip", "-details", "link", "show", "dev", A.interface).stdout
        self.assertNotIn("prog/xdp", there)
        self.assert_port_25("b", INTERNET4, "refused")
        self.isp.lab["mail"].run("ip", "link", "del", A.interface)
        self.bring_back()
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        self.assert_port_25("a", INTERNET4, "refused")

    def test_programs_are_there_before_their_interfaces(self) -> None:
        """Those for XDP, TC and lines without Ethernet, so that an interface isn't open while the kernel verifies them."""
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "late-*"\nside = "subscriber"\n[[pool]]'))

        def programs() -> int:
            found = set()
            for file in Path(f"/proc/{self.agent.process.pid}/fdinfo").iterdir():
                with contextlib.suppress(FileNotFoundError):  # the agent closes others meanwhile
                    found.update(line for line in file.read_text().splitlines() if line.startswith("prog_id:"))
            return len(found)

        await_true(lambda: programs() >= 4, "subscriber_xdp, subscriber_tc, subscriber_tc_bare, and the agent's own")

    def attached_late(self, *prepare: tuple[str, ...]) -> dict:
        """What `interface list` says of late-0, which was prepared under another name by these commands."""
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "late-*"\nside = "subscriber"\n[[pool]]'))
        for arguments in prepare:
            self.edge.run(*arguments)
        self.addCleanup(self.edge.run, "ip", "link", "del", "late-0")
        self.edge.run("ip", "link", "set", "early-0", "name", "late-0")
        await_true(lambda: self.attached("late-0"), "late-0 is attached")
        return next(each for each in self.agent.ask("interface", "list")["interfaces"] if each["name"] == "late-0")

    def test_too_few_queues(self) -> None:
        """A veth refuses XDP where its peer sends from more queues than it receives with."""
        late = self.attached_late(("ip", "link", "add", "early-0", "numrxqueues", "1", "type", "veth",
                                   "peer", "name", "peer-0", "numtxqueues", "4"), ("ethtool", "-L", "peer-0", "tx", "4"))
        self.assertIn(late["mode"], ("tcx", "clsact"))
        self.assertIn("not xdp: too few queues: `ethtool -l late-0`", late["why"])

    def test_foreign_program(self) -> None:
        self.edge.file("/run/pass.o").write_bytes(self.isp.lab[A.host].file("/run/pass.o").read_bytes())
        late = self.attached_late(("ip", "link", "add", "early-0", "type", "veth", "peer", "name", "peer-0"),
                                  ("ip", "link", "set", "dev", "early-0", "xdp", "obj", "/run/pass.o", "sec", "xdp.frags"))
        self.assertIn(late["mode"], ("tcx", "clsact"))
        self.assertRegex(late["why"], r"not xdp: program \d+ is attached already")

    def test_nonexistent(self) -> None:
        self.isp.restart_agent(("sub-b", "eth99"), ("sub-*", "eth98"))
        self.assertIn("INTERFACE_MISSING", self.log())
        answer = self.agent.command("doctor", "--json")
        self.assertEqual(answer.returncode, 1, answer.stdout)
        # What the configuration no longer names is freed, and said so.
        self.assertIn("INTERFACE_RELEASED", self.log())
        self.assert_port_25("a", INTERNET4, "open")

    def test_one_of_them_is_missing(self) -> None:
        self.isp.restart_agent(("[[pool]]", '[[interface]]\nname = "eth99"\n[[interface]]\nname = "ppp*"\n[[pool]]'))
        doctor = self.agent.command("doctor")
        self.assertEqual(doctor.returncode, 1)
        self.assertRegex(doctor.stdout, r"BAD +interface-eth99 ")
        self.assertRegex(doctor.stdout, r"ok +interface-ppp\* ")

    def test_is_renamed(self) -> None:
        self.edge.run("ip", "link", "set", A.interface, "down")
        self.edge.run("ip", "link", "set", A.interface, "name", "core-a")
        try:
            await_true(lambda: not self.attached(A.interface), "sub-a is let go under its new name")
        finally:
            self.edge.run("ip", "link", "del", "core-a")
            self.bring_back()
        await_true(lambda: self.attached(A.interface), "sub-a is attached again")
        self.assert_port_25("a", INTERNET4, "refused")
