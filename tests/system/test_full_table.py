# SPDX-License-Identifier: Apache-2.0
"""A policy that the kernel's table has no room for is refused, and the one in force stays whole."""

import json

from lab.clients import connect
from lab.isp import config_text
from lab.topology import INTERNET4, INTERNET6, MAIL4, SUBSCRIBERS, crowd_address4, crowd_address6
from lab.watch import Door
from lab_test import LabTest

B = SUBSCRIBERS["b"]
POOL = '"192.0.2.0/24", "2001:db8:100::/40"'
# Of the crowd: in a half of the pool, which makes one range more, and in the middle of it, which makes two.
HALF, MIDDLE, HALF6 = "192.0.2.128/25", "192.0.2.32/27", "2001:db8:100::/41"
IN_HALF, IN_MIDDLE, IN_HALF6 = crowd_address4(200), crowd_address4(10), crowd_address6(0)


def pools(four: int, six: int) -> tuple[str, str]:
    """For the configuration: the lab's pool has so many prefixes more, none the other's neighbour."""
    more = [f"10.{number // 128}.{number % 128 * 2}.0/24" for number in range(four)]
    more += [f"2001:db8:{0x1000 + number * 2:x}::/48" for number in range(six)]
    return POOL, ", ".join([POOL, *(f'"{prefix}"' for prefix in more)])


MANY_RANGES = pools(510, 0)  # 1,023 of 1,024 over IPv4: 511 prefixes, and what is before, between and behind them
MANY_MEANINGS = pools(510, 510)  # all 1,023: 1,022 prefixes, and the designated servers


class FullTable(LabTest):  # labels: sanitize
    """Exemptions wider than a subscriber stand in the table, so they can be too many in a running agent."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        door = Door(cls.isp.lab["mail"], 25)  # a designated server
        cls.addClassCleanup(door.close)

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()

    def outcome(self, source: str, address: str = INTERNET4) -> str:
        return connect(self.isp.lab["a"], address, source=source).outcome

    def refused(self, prefix: str, why: str) -> None:
        """The operator is told what lacks and what to do, and nothing remembers the prefix."""
        listed = self.agent.ask("exempt", "list")
        before = self.kernel_map()
        done = self.agent.command("exempt", "add", prefix)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(why, done.stderr)
        self.assertIn("join neighbouring prefixes", done.stderr)
        self.assertEqual(self.agent.ask("exempt", "list"), listed)
        after = self.kernel_map()
        self.assertFalse(after["ok"])
        self.assertNotEqual(after["detail"], before["detail"], "doctor counts it")
        self.assertIn(why, after["detail"])
        self.assertIn("join neighbouring prefixes", after["remedy"])

    def kernel_map(self) -> dict:
        checks = json.loads(self.agent.command("doctor", "--json").stdout)["checks"]
        return next(check for check in checks if check["name"] == "kernel-map")

    def assert_in_force(self, middle: str = "refused") -> None:
        """The policy with the exempt half, whole: pools, exemptions, designated servers, and who is granted."""
        self.assertEqual(self.outcome(IN_HALF), "open")
        self.assertEqual(self.outcome(IN_MIDDLE), middle)
        self.assertEqual(self.outcome(IN_MIDDLE, MAIL4), "open")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("a", INTERNET6, "refused")
        self.assert_port_25("b", INTERNET4, "open")
        self.assert_port_25("b", INTERNET6, "refused")
        self.assert_port_25("c", INTERNET4, "refused")

    def fill(self, many: tuple[str, str]) -> None:
        self.isp.restart_agent(many)
        self.agent.ask("grant", "add", B.address4)
        self.assertTrue(self.kernel_map()["ok"])

    def test_too_many_ranges(self) -> None:
        self.fill(MANY_RANGES)
        self.agent.ask("exempt", "add", HALF)
        self.assert_in_force()
        for turn in range(2):  # a table of its own each time, and each time not the one in force
            with self.subTest(turn=turn):
                self.refused(MIDDLE, "1026 ranges, and the kernel's table holds 1024")
                self.assert_in_force()
        self.agent.ask("grant", "revoke", B.address4)  # by the table in force
        self.assert_port_25("b", INTERNET4, "refused")
        self.agent.ask("grant", "add", B.address4)
        self.agent.stop()
        self.agent.start()
        self.assert_in_force()
        self.agent.ask("exempt", "remove", HALF)
        self.assertEqual(self.outcome(IN_HALF), "refused")
        self.refused(MIDDLE, "1025 ranges")
        self.assertEqual(self.outcome(IN_MIDDLE), "refused")

    def test_too_many_meanings(self) -> None:
        self.fill(MANY_MEANINGS)
        for prefix, source, address in ((HALF, IN_HALF, INTERNET4), (HALF6, IN_HALF6, INTERNET6)):
            with self.subTest(prefix=prefix):
                self.refused(prefix, "more than 1023 prefixes in pools, designated servers and exemptions")
                self.assertEqual(self.outcome(source, address), "refused")
        self.agent.ask("exempt", "add", IN_HALF)  # one subscriber needs none
        self.assert_in_force()

    def test_a_start_that_has_no_room(self) -> None:
        """The configuration alone would fit; what operators have exempted meanwhile doesn't."""
        self.isp.restart_agent()
        self.agent.ask("grant", "add", B.address4)
        for prefix in (HALF, MIDDLE):
            self.agent.ask("exempt", "add", prefix)
        self.assert_in_force("open")
        self.agent.stop()
        self.agent.configure(config_text(MANY_RANGES))
        self.assertIn("1026 ranges, and the kernel's table holds 1024", self.agent.refused_start(1))
        self.assert_in_force("open")
        self.agent.configure(config_text())
        self.agent.start()
        self.assert_in_force("open")
