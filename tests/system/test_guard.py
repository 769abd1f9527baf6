# SPDX-License-Identifier: Apache-2.0
"""Interfaces that are closed until they are judged (until_judged = "drop"): by nftables, with the agent and without it."""

import contextlib
import json
import shlex

from lab.clients import connect
from lab.daemon import CONFIG
from lab.hosts import await_true
from lab.network import connect_subscriber
from lab.services import OTHER_PORT
from lab.topology import EDGE_SUBSCRIBER4, INTERNET4, INTERNET6, MAIL4, MAIL6, SUBSCRIBERS, Subscriber
from lab.watch import Stream
from lab_test import ROOT, LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
CLOSED = ('side = "subscriber"\n', 'side = "subscriber"\nuntil_judged = "drop"\n')
FILES = ("/var/lib/sekisho/guard.nft", "/var/lib/sekisho/guard-bridge.nft")
LOOK = 15  # the agent looks every 10 s
NFT = "/usr/sbin/nft"


def commands_of(unit: str) -> list[list[str]]:
    """What a unit executes, a "-" before it or not."""
    lines = (ROOT / "images/systemd" / unit).read_text().splitlines()
    return [shlex.split(line.removeprefix("ExecStart=").lstrip("-")) for line in lines if line.startswith("ExecStart=")]


class GuardTest(LabTest):
    """A is exempt, B is nobody's friend, and both lines are closed until they are judged. Not a test itself."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.edge.run("nft", "flush", "ruleset")
        self.isp.restart_agent(CLOSED)
        self.agent.ask("exempt", "add", A.address4)
        self.agent.ask("exempt", "add", A.prefix6)

    def interface(self, name: str) -> dict:
        return next((each for each in self.agent.ask("interface", "list")["interfaces"] if each["name"] == name), {})

    def attached(self, name: str) -> bool:
        return self.interface(name).get("attached", False)

    def bring_back(self, line: Subscriber = A) -> None:
        """The line goes and comes back: under the same name, and new for the kernel."""
        lab = self.isp.lab
        self.edge.run("ip", "link", "del", line.interface, check=False)
        lab.wire("edge", line.interface, line.host, "eth0")
        lab[line.host].run("ip", "addr", "flush", "dev", "lo", "scope", "global")
        connect_subscriber(lab, line, lab.state / "pass.o")

    def tables(self) -> list[str]:
        return [line for line in self.edge.run("nft", "list", "tables").stdout.splitlines() if line.endswith(" sekisho")]

    def table(self, family: str = "inet") -> list[dict]:
        return json.loads(self.edge.run("nft", "-j", "list", "table", family, "sekisho").stdout)["nftables"]

    def elements(self, name: str, family: str = "inet") -> list[str]:
        """Of a set; indexes by their interfaces' names, where there is one."""
        return next(each["set"].get("elem", []) for each in self.table(family) if each.get("set", {}).get("name") == name)

    def dropped(self, family: str = "inet") -> int:
        return next(each["counter"]["packets"] for each in self.table(family) if "counter" in each)

    def assert_closed(self, line: Subscriber = A) -> None:
        """Silence on port 25, and on nothing else."""
        for address in (INTERNET4, INTERNET6):
            attempt = connect(self.isp.lab[line.host], address, timeout=1.5)
            self.assert_attempt(attempt, "timeout", f"{line.host} to {address}:")
        self.assert_attempt(connect(self.isp.lab[line.host], INTERNET4, OTHER_PORT), "open", "another port:")

    def assert_judged(self) -> None:
        for address in (INTERNET4, INTERNET6):
            self.assert_port_25("a", address, "open")
            self.assert_port_25("b", address, "refused")


class Guard(GuardTest):
    """On lines of their own."""

    def load_at_boot(self) -> None:
        for command in commands_of("sekisho-guard.service"):
            self.edge.run(*command)

    def test_closed_before_any_agent(self) -> None:
        """The kernel as after a boot, and the unit's commands."""
        kept = {file: self.edge.file(file).read_text() for file in FILES}
        self.assertEqual({self.edge.file(file).stat().st_mode & 0o777 for file in FILES}, {0o600})
        self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.assertEqual(self.tables(), [])
        self.assert_port_25("b", INTERNET4, "open")
        for file, text in kept.items():
            self.edge.write(file, text, 0o600)
        for _ in range(2):
            self.load_at_boot()
            self.assertEqual(self.elements("judged"), [])
        for line in (A, B):
            self.assert_closed(line)
        for address in (MAIL4, MAIL6):
            self.assert_port_25("a", address, "refused")  # by the designated server, on which nobody listens
        self.assertGreater(self.dropped(), 0)
        self.agent.start()
        self.assert_judged()
        self.load_at_boot()
        self.assert_judged()
        self.assertEqual(sorted(self.elements("judged")), ["sub-a", "sub-b", "sub-c"])

    def test_new_interface_of_a_known_name(self) -> None:
        """Closed from the moment when it is there, while the agent stands still."""
        self.assert_judged()
        with self.agent.process.standing_still():
            self.bring_back()
            self.assert_closed()
            self.assert_port_25("b", INTERNET4, "refused")
        await_true(lambda: "sub-a" in self.elements("judged"), "sub-a is judged again")
        self.assert_judged()
        self.assertFalse(self.interface("sub-a")["closed"])
        self.assertEqual(len(self.elements("judged")), len(SUBSCRIBERS), "the one that went is forgotten")
        self.assertNotIn("GUARD_LOST", self.log())

    def test_new_interface_without_an_agent(self) -> None:
        self.agent.kill()
        self.assert_judged()
        self.bring_back()
        self.assert_closed()
        self.assert_port_25("b", INTERNET4, "refused")
        self.agent.start()
        self.assert_judged()

    def test_restarts_refuse_nobody(self) -> None:
        """Not one packet of those that are judged is dropped."""
        with Stream(self.isp.lab["a"], INTERNET4) as stream:
            for end in (self.agent.stop, self.agent.kill, self.agent.stop):
                end()
                self.agent.start()
            await_true(lambda: stream.outcomes.total() > 100, "A connects")
        self.assertEqual(set(stream.outcomes), {"open"})
        self.assertEqual(self.dropped(), 0)

    def test_flushed(self) -> None:
        self.edge.run("nft", "flush", "ruleset")
        await_true(lambda: "GUARD_LOST" in self.log(), "the agent notices", LOOK)
        await_true(lambda: len(self.tables()) == 2, "both tables are there again")
        self.assertEqual(sorted(self.elements("judged")), ["sub-a", "sub-b", "sub-c"])
        self.assert_judged()
        self.assertEqual(self.dropped(), 0)
        self.agent.kill()
        self.bring_back()
        self.assert_closed()
        self.agent.start()

    def test_some_of_it_is_taken_away(self) -> None:
        """Whoever isn't among the judged any more comes back; so do rules."""
        for lost, words in enumerate((("flush", "set", "inet", "sekisho", "judged"),
                                      ("flush", "chain", "bridge", "sekisho", "guard"),
                                      ("delete", "table", "bridge", "sekisho")), 1):
            self.edge.run("nft", *words)
            await_true(lambda: self.log().count("GUARD_LOST") == lost, f"the agent notices: {words}", LOOK)
            await_true(lambda: len(self.tables()) == 2 and len(self.elements("judged")) == len(SUBSCRIBERS), "all is there again")
        self.assert_judged()

    def test_what_an_operator_is_told(self) -> None:
        with self.agent.process.standing_still():
            self.bring_back()
            self.assert_closed()
        await_true(lambda: self.attached("sub-a"), "sub-a is attached")
        doctor = self.agent.command("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout)
        self.assertRegex(doctor.stdout, r"ok +until-judged +stands in nftables; ")
        metrics = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://x/metrics").stdout
        self.assertIn('sekisho_interface_closed{interface="sub-a"} 0\n', metrics)
        self.assertIn("sekisho_guard_in_place 1\n", metrics)
        await_true(lambda: "packets dropped so far: 0;" not in self.agent.command("doctor").stdout, "they are counted", LOOK)

    def test_what_cannot_be_attached(self) -> None:
        """It stays closed, for the exempt, too; and opens when it is judged."""
        self.agent.stop()
        self.bring_back()
        self.edge.file("/run/pass.o").write_bytes(self.isp.lab["a"].file("/run/pass.o").read_bytes())
        self.edge.run("ip", "link", "set", "dev", "sub-a", "xdp", "obj", "/run/pass.o", "sec", "xdp.frags")
        self.agent.start()
        self.assertRegex(self.log(), "INTERFACE_NOT_ATTACHED .* interface=sub-a until_judged=drop ")
        self.assertTrue(self.interface("sub-a")["closed"])
        self.assertFalse(self.interface("sub-b")["closed"])
        self.assert_closed()
        self.assert_port_25("b", INTERNET4, "refused")
        self.edge.run("ip", "link", "set", "dev", "sub-a", "xdp", "off")
        await_true(lambda: "sub-a" in self.elements("judged"), "sub-a is judged", LOOK)
        self.assert_judged()

    def test_detach_opens(self) -> None:
        self.agent.stop()
        self.assertEqual(len(self.tables()), 2, "an agent's end leaves all")
        self.edge.run("sekishod", "--detach", "--json")
        self.assertEqual(self.tables(), [])
        self.assertFalse(any(self.edge.file(file).exists() for file in FILES))
        self.bring_back()
        for host in ("a", "b"):
            self.assert_port_25(host, INTERNET4, "open")

    def test_detach_leaves_a_running_agents(self) -> None:
        self.assertEqual(self.edge.run("sekishod", "--detach", check=False).returncode, 1)
        self.assertEqual(len(self.tables()), 2)

    def test_another_configuration(self) -> None:
        """B's line alone; then none."""
        self.isp.restart_agent(('name = "sub-b"\nside = "subscriber"\n', f'name = "sub-b"\n{CLOSED[1]}'))
        self.assertEqual(self.elements("judged"), ["sub-b"])
        self.agent.kill()
        self.bring_back()
        self.assert_port_25("a", INTERNET4, "open")
        self.bring_back(B)
        self.assert_closed(B)
        self.isp.restart_agent()
        self.assertEqual(self.tables(), [])
        self.assertFalse(any(self.edge.file(file).exists() for file in FILES))
        self.assertIn("GUARD_REMOVED", self.log())
        self.assertNotIn("until-judged", self.agent.command("doctor").stdout)

    def test_a_name_above_the_pattern(self) -> None:
        """The first that fits counts for nftables, too."""
        self.isp.restart_agent(('name = "sub-*"\nside = "subscriber"\n', f'name = "sub-*"\n{CLOSED[1]}'))
        self.agent.kill()
        self.bring_back()
        self.bring_back(B)
        self.assert_closed()
        self.assert_port_25("b", INTERNET4, "open")

    @contextlib.contextmanager
    def another_nft(self, script: str | None):
        """In the place of the edge's, without an agent that runs; none, if it is none. The real one is /run/nft."""
        self.agent.stop()
        self.edge.run("cp", NFT, "/run/nft")
        self.edge.write("/run/nft.sh", script or "", 0o755 if script else 0o644)
        self.edge.run("mount", "--bind", "/run/nft.sh", NFT)
        try:
            yield
        finally:
            self.edge.run("umount", "--lazy", NFT)

    def test_no_nft(self) -> None:
        """Judging is more important. When there is one, all is as it should be."""
        self.edge.run("nft", "flush", "ruleset")
        with self.another_nft(None):
            self.agent.start()
            self.assert_judged()
            self.assertIn("GUARD_FAILED", self.log())
            self.assertIn("warning: interface.until_judged", self.edge.run("sekishod", "--check", "--config", CONFIG, check=False).stderr)
            doctor = self.agent.command("doctor")
            self.assertEqual(doctor.returncode, 1)
            self.assertRegex(doctor.stdout, r"BAD +until-judged +interfaces are open until they are judged")
            self.assertIn("apt-get install nftables", doctor.stdout)
        await_true(lambda: len(self.tables()) == 2, "the tables are there", LOOK)
        self.assertEqual(self.agent.command("doctor").returncode, 0)

    def test_nft_that_hangs(self) -> None:
        """It is ended, and the agent works meanwhile."""
        with self.another_nft("#!/bin/sh\nexec sleep 1000\n"):
            self.agent.start()
            self.assertRegex(self.log(), "GUARD_FAILED .* took longer than 10 s")
            self.assert_judged()
        await_true(lambda: self.edge.run("pgrep", "-x", "sleep", check=False).stdout == "", "none is left", LOOK)

    def test_no_bridges(self) -> None:
        """A kernel without nftables' bridge family."""
        self.edge.run("nft", "flush", "ruleset")
        with self.another_nft('#!/bin/sh\ninput=$(cat)\ncase "$*$input" in *"bridge sekisho"*) echo Error >&2; exit 1 ;; esac\n'
                              'printf "%s\\n" "$input" | exec /run/nft "$@"\n'):
            self.agent.start()
            self.assertIn("GUARD_WITHOUT_BRIDGES", self.log())
            self.assertRegex(self.agent.command("doctor").stdout, r"BAD +until-judged +bridges' ports are not closed")
            self.assertEqual(self.tables(), ["table inet sekisho"])
            self.assert_judged()
            with self.agent.process.standing_still():
                self.bring_back()
                self.assert_closed()
            await_true(lambda: "sub-a" in self.elements("judged"), "sub-a is judged")
            self.assert_judged()
            self.assertEqual(self.log().count("bridges=false"), 1, "nobody has taken anything away")
            self.agent.stop()

    def test_files_that_cannot_be_written(self) -> None:
        self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.edge.run("mkdir", "-p", "/var/lib/sekisho/guard.nft.new/full")
        self.addCleanup(self.edge.run, "rm", "-rf", "/var/lib/sekisho/guard.nft.new")
        self.agent.start()
        self.assertIn("GUARD_NOT_KEPT", self.log())
        self.assertRegex(self.agent.command("doctor").stdout, r"BAD +until-judged +can't write /var/lib/sekisho/guard.nft")
        self.assert_judged()
        self.edge.run("rm", "-r", "/var/lib/sekisho/guard.nft.new")
        await_true(lambda: all(self.edge.file(file).exists() for file in FILES), "they are written", LOOK)
        self.assertEqual(self.agent.command("doctor").returncode, 0)

    def test_as_its_unit_runs_it(self) -> None:
        """No root, and nothing but the capabilities that nft inherits."""
        self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.edge.run("chown", "-R", "nobody", "/var/lib/sekisho", "/run/sekisho", "/sys/fs/bpf", "/etc/sekisho")
        self.addCleanup(self.edge.run, "chown", "-R", "root", "/var/lib/sekisho", "/run/sekisho", "/sys/fs/bpf", "/etc/sekisho")
        caps = "+bpf,+net_admin,+perfmon"
        self.agent.launch("setpriv", "--reuid", "nobody", "--clear-groups", "--no-new-privs", "--inh-caps", caps, "--ambient-caps",
                          caps, "--bounding-set", f"-all,{caps}", program=self.for_all("sekishod"))
        self.agent.await_ready()
        self.assertEqual(len(self.tables()), 2, self.log())
        self.assert_judged()
        for command in commands_of("sekisho-guard.service"):
            self.edge.run("setpriv", "--reuid", "nobody", "--clear-groups", "--no-new-privs", "--inh-caps", "+net_admin",
                          "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin", *command)
        self.assert_judged()
        self.agent.stop()


class StackedGuard(GuardTest):
    """Devices under and over the one that is closed."""

    def tearDown(self) -> None:
        for name in ("mv-a", "br-a", "behind"):
            self.edge.run("ip", "link", "del", name, check=False)
        self.bring_back()
        super().tearDown()

    def move_up(self, name: str, *make: str) -> None:
        """A's line comes in by a device on top of its own, which is new: the addresses are there."""
        self.isp.lab.configure("edge", *make, f"addr flush dev {A.interface}", f"addr add {EDGE_SUBSCRIBER4}/32 dev {name}",
                               f"link set {name} up", f"route add {A.address4} dev {name}")
        self.isp.lab["a"].run("ip", "neigh", "flush", "all")
        await_true(lambda: connect(self.isp.lab["a"], INTERNET4, OTHER_PORT).outcome == "open", f"A passes by {name}")

    def move_to_a_macvlan(self) -> None:
        self.move_up("mv-a", f"link add link {A.interface} name mv-a type macvlan mode bridge")

    def test_a_macvlan(self) -> None:
        self.move_to_a_macvlan()
        await_true(lambda: "mv-a" in self.elements("stacked"), "its name is known")
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(sorted(self.elements("judged")), ["mv-a", "sub-a", "sub-b", "sub-c"])
        self.assertIn('"mv-a"', self.edge.file(FILES[0]).read_text())
        self.agent.kill()
        self.bring_back()
        self.move_to_a_macvlan()
        self.assert_attempt(connect(self.isp.lab["a"], INTERNET4, timeout=1.5), "timeout", "by a new macvlan:")
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "open")
        self.edge.run("ip", "link", "del", "mv-a")
        await_true(lambda: self.elements("stacked") == [], "it is forgotten")

    def become_a_port(self) -> None:
        """A's line and one to a router behind the edge are ports of a bridge."""
        self.isp.lab.configure("edge", f"link set {A.interface} master br-a", f"addr flush dev {A.interface}")
        self.isp.lab["a"].run("ip", "neigh", "flush", "all")
        await_true(lambda: connect(self.isp.lab["a"], INTERNET4, OTHER_PORT).outcome == "open", "A reaches the router")

    def test_a_port_of_a_bridge(self) -> None:
        self.isp.lab.wire("edge", "behind", "internet", "router")
        self.isp.lab.configure("edge", "link add br-a type bridge", "link set br-a up", "link set behind up",
                               "link set behind master br-a")
        self.isp.lab.configure("internet", f"addr add {EDGE_SUBSCRIBER4}/32 dev router", "link set router up",
                               f"route add {A.address4} dev router")
        self.become_a_port()
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.kill()
        self.assert_port_25("a", INTERNET4, "open")
        self.bring_back()
        self.become_a_port()
        self.assert_attempt(connect(self.isp.lab["a"], INTERNET4, timeout=1.5), "timeout", "by a new port:")
        self.assertGreater(self.dropped("bridge"), 0)
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.kill()
        self.edge.run("nft", "flush", "set", "bridge", "sekisho", "judged")
        self.assert_attempt(connect(self.isp.lab["a"], INTERNET4, timeout=1.5), "timeout", "not among the judged:")

    def test_routed_from_a_port(self) -> None:
        """The routing knows nothing of the port, and nftables' inet family has the bridge's name."""
        self.move_up("br-a", "link add br-a type bridge", f"link set {A.interface} master br-a")
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.kill()
        self.edge.run("ip", "link", "del", "br-a")
        self.bring_back()
        self.move_up("br-a", "link add br-a type bridge", f"link set {A.interface} master br-a")
        self.assert_attempt(connect(self.isp.lab["a"], INTERNET4, timeout=1.5), "timeout", "by a new port:")
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "open")
