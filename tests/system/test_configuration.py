# SPDX-License-Identifier: Apache-2.0
"""A start that can't succeed says why, and changes nothing of what is in force."""

import json
import socket

from lab.agent import CONFIG
from lab.isp import config_text
from lab.topology import EDGE_CORE4, INTERNET4, INTERNET6, POLICY_PORT
from lab_test import LabTest


# These are said of a section, not of the line that was changed.
BETWEEN_SECTIONS = ("two pools that overlap", "more gaps than the kernel's table has room for")


class BadStart(LabTest):  # labels: sanitize
    """Each test ends the agent, tries a start that must fail, and finds port 25 as closed as before."""

    smtp = True  # its users and its certificate

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()
        self.programs = self.attached()
        self.agent.stop()

    def tearDown(self) -> None:
        self.assertEqual(self.attached(), self.programs, "the programs on the interfaces have changed")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")

    def attached(self) -> list[str]:
        """The pinned links and the kernel's ids of their programs; those of this edge, other labs have their own."""
        # Newer versions of bpftool end with 255 whatever they have shown.
        show = 'for pin in /sys/fs/bpf/sekisho/v*/links/*; do bpftool link show pinned "$pin" || true; done'
        lines = self.edge.run("sh", "-c", show).stdout.splitlines()
        links = [line.strip() for line in lines if "prog " in line]
        self.assertEqual(len(links), 3, lines)
        return links

    def test_broken_configurations(self) -> None:
        changes = {
            "unknown key": (("ipv6_key", "ipv6_kex"), "ipv6_key"),
            "wrong type": (("ipv6_key = 56", 'ipv6_key = "56"'), "ipv6_key"),
            "out of range": (("ipv6_key = 56", "ipv6_key = 12"), "ipv6_key"),
            "syntax": (("[grants]", "[grants"), ""),
            "bits behind the prefix": (("192.0.2.0/24", "192.0.2.7/24"), "192.0.2.0/24"),
            "two pools that overlap": (("[grants]", '[[pool]]\nname = "x"\nprefixes = ["192.0.2.8/29"]\n[grants]'), "dsl"),
            "more gaps than the kernel's table has room for":
                (('["192.0.2.0/24", ', "[" + "".join(f'"10.{i // 128}.{i % 128 * 2}.0/24", ' for i in range(512))
                  + '"192.0.2.0/24", '), "join"),
            "unknown action": (('action = "reset"', 'action = "explode"'), "reset"),
        }
        for what, (change, hint) in changes.items():
            with self.subTest(what=what):
                text = config_text(change)
                self.agent.configure(text)
                said = self.agent.refused_start(2)
                line = 1 + next(number for number, (old, new) in
                                enumerate(zip(config_text().splitlines(), text.splitlines())) if old != new)
                place = "[0-9]+" if what in BETWEEN_SECTIONS else line
                self.assertRegex(said, rf"{CONFIG}:{place}:[0-9]+: ")
                self.assertIn(hint, said)

    def test_no_configuration(self) -> None:
        self.edge.file(CONFIG).unlink()
        self.assertIn(CONFIG, self.agent.refused_start(2))

    def test_key_file_missing(self) -> None:
        self.edge.file("/etc/sekisho/policy.key").unlink()
        self.assertIn("/etc/sekisho/policy.key", self.agent.refused_start(1))

    def test_key_file_open_to_all(self) -> None:
        self.edge.file("/etc/sekisho/policy.key").chmod(0o644)
        self.assertIn("/etc/sekisho/policy.key", self.agent.refused_start(1))

    def test_port_taken(self) -> None:
        with self.edge.network():
            taken = socket.create_server((EDGE_CORE4, POLICY_PORT))
        with taken:
            self.assertIn(f"{EDGE_CORE4}:{POLICY_PORT}", self.agent.refused_start(1))

    def test_policy_listener_without_address(self) -> None:
        """Nothing to refuse the start for: the address may come later, and meanwhile the port must be closed."""
        self.agent.configure(config_text(('listen = "198.51.100.1"', 'listen = "198.51.100.77"')))
        self.agent.start()
        doctor = self.agent.command("doctor")
        self.assertEqual((doctor.returncode, "198.51.100.77" in doctor.stdout), (1, True), doctor.stdout)
        self.edge.run("ip", "addr", "add", "198.51.100.77/32", "dev", "lo")
        self.addCleanup(self.edge.run, "ip", "addr", "del", "198.51.100.77/32", "dev", "lo")
        self.assertEqual(self.agent.command("doctor").returncode, 0)
        self.programs = self.attached()

    def test_second_agent(self) -> None:
        self.agent.start()
        self.programs = self.attached()
        others = ('socket = "/run/sekisho/other.sock"\n', 'path = "/run/sekisho/other.db"\n')
        self.agent.configure(config_text(("[grants]", f"[api]\n{others[0]}[store]\n{others[1]}[grants]"),
                                         ("port = 4001", "port = 4002")))
        self.assertIn("another agent holds /sys/fs/bpf/sekisho", self.agent.refused_start(1))
        self.assertEqual(self.agent.ask("status")["state"], "enforcing")

    def test_pin_path_without_bpf_file_system(self) -> None:
        self.agent.configure(config_text(("[grants]", '[dataplane]\npin_path = "/run/sekisho/pins"\n[grants]')))
        self.assertIn("bpf", self.agent.refused_start(1).lower())

    def test_check_starts_nothing(self) -> None:
        done = self.edge.run("sekishod", "--check", "--config", CONFIG)
        self.assertIn(CONFIG, done.stdout)

    def test_check_names_what_the_machine_lacks(self) -> None:
        self.agent.configure(config_text(("fullchain.pem", "missing.pem")))
        done = self.edge.run("sekishod", "--check", "--config", CONFIG, check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("/etc/sekisho/tls/missing.pem", done.stderr)

    def test_wrong_usage(self) -> None:
        self.assertEqual(self.edge.run("sekishod", "--nonsense", check=False).returncode, 2)


class Pins(LabTest):  # labels: sanitize
    """Programs and tables may be pinned elsewhere."""

    PLACE = "/sys/fs/bpf/isp/edge/pins"

    def file_system(self) -> bool:
        checks = json.loads(self.agent.command("doctor", "--json").stdout)["checks"]
        return next(check["ok"] for check in checks if check["name"] == "bpf-file-system")

    def test_another_path(self) -> None:
        self.agent.configure(config_text(("[grants]", f'[dataplane]\npin_path = "{self.PLACE}"\n[grants]')))
        self.assertTrue(self.file_system(), "before the first start, of which only the beginning of the path is there")
        self.agent.start()
        self.assertTrue(self.file_system())
        self.assertEqual(self.edge.run("sh", "-c", f"ls {self.PLACE}/v*/links | wc -l").stdout.strip(), "3")
        self.assertFalse(self.edge.file("/sys/fs/bpf/sekisho").exists())
        self.agent.ask("grant", "add", "192.0.2.10")
        self.agent.kill()
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.start()
        self.assertIsNotNone(self.agent.granted("192.0.2.10"))
        self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.assertFalse(self.edge.file(self.PLACE).exists())


class Detach(LabTest):
    """The way out: nothing is enforced, nothing is left, and the next start closes the port again."""

    def test_detach(self) -> None:
        self.isp.restart_agent()
        self.assert_port_25("a", INTERNET4, "refused")
        busy = self.agent.command("dataplane", "detach", "--json")
        self.assertEqual(busy.returncode, 1, "detached under a running agent")
        self.assertEqual(json.loads(busy.stdout)["error"]["kind"], "conflict")
        self.assertIn("stop it first", busy.stderr)
        self.assertEqual(self.edge.run("sekishod", "--detach", check=False).returncode, 1)
        self.assert_port_25("a", INTERNET4, "refused")
        self.agent.stop()
        broken = self.agent.command("dataplane", "detach", "--config", "/dev/null/none", "--json")
        self.assertEqual(broken.returncode, 2)
        self.assertIn("/dev/null/none", broken.stderr)
        self.assertEqual(json.loads(self.agent.command("dataplane", "detach", "--json").stdout),
                         {"interfaces_freed": 3})
        self.assertEqual(self.agent.command("dataplane", "detach").stdout,
                         "nothing is enforced any more; interfaces freed: 0\n")
        self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("b", INTERNET4, "open")
        left = self.edge.run("find", "/sys/fs/bpf", "-path", "*sekisho*", "-not", "-name", "*.debug").stdout
        self.assertEqual(left, "")
        self.agent.start()
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("b", INTERNET4, "refused")

    def test_detach_clsact(self) -> None:
        """Filters have no pins: they are found by the interfaces that the maps know, also of an agent that was killed."""
        lines = ("sub-a", "sub-b", "sub-c")
        for leave in (self.agent.stop, self.agent.kill):
            with self.subTest(leave=leave.__name__):
                self.isp.restart_agent(('attach = "tc"', 'attach = "clsact"'), ('attach = "xdp"', 'attach = "clsact"'))
                leave()
                self.assertEqual([self.filters(line) for line in lines], [1, 1, 1])
                self.assert_port_25("a", INTERNET4, "refused")
                self.assert_port_25("b", INTERNET6, "refused")
                self.assertEqual(json.loads(self.agent.command("dataplane", "detach", "--json").stdout),
                                 {"interfaces_freed": 3})
                self.assertEqual([self.filters(line) for line in lines], [0, 0, 0])
                for host in ("a", "b", "c"):
                    self.assert_port_25(host, INTERNET4, "open")
                    self.assert_port_25(host, INTERNET6, "open")
                self.agent.start()
                self.assert_port_25("b", INTERNET4, "refused")

    def test_filters_that_nothing_tells_of(self) -> None:
        """The pins are gone, and the filters go on by themselves: detaching finds them, and so does another start."""
        self.isp.restart_agent(('attach = "tc"', 'attach = "clsact"'))
        self.agent.kill()
        self.edge.run("rm", "-rf", "/sys/fs/bpf/sekisho", check=False)
        self.assertEqual(self.filters("sub-b"), 1)
        self.assertEqual(json.loads(self.agent.command("dataplane", "detach", "--json").stdout), {"interfaces_freed": 1})
        self.assertEqual(self.filters("sub-b"), 0)
        self.isp.restart_agent(('attach = "tc"', 'attach = "clsact"'))
        self.agent.kill()
        self.edge.run("rm", "-rf", "/sys/fs/bpf/sekisho", check=False)
        self.isp.restart_agent(('name = "sub-b"', 'name = "other"'), ('name = "sub-*"', 'name = "sub-a"'))
        self.assertEqual(self.filters("sub-b"), 0, "an interface that nobody wants any more")
        self.assert_port_25("b", INTERNET4, "open")

    def filters(self, interface: str) -> int:
        """How many programs tc(8) sees on what comes in."""
        said = json.loads(self.edge.run("tc", "-j", "filter", "show", "dev", interface, "ingress").stdout)
        return sum("prog" in each.get("options", {}) for each in said)
