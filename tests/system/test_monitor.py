# SPDX-License-Identifier: Apache-2.0
"""How every operator begins: everything is judged, and nothing is blocked."""

from lab.clients import connect
from lab.hosts import await_true
from lab.topology import INTERNET4, INTERNET6, MAIL4, SUBSCRIBERS
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]


class Monitor(LabTest):
    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.isp.restart_agent(('action = "reset"', 'action = "monitor"'))

    def counted(self) -> dict[tuple[str, str], int]:
        return {(each["reason"], each["verdict"]): each["packets"] for each in self.agent.ask("status")["counts"]}

    def test_counts_and_blocks_nothing(self) -> None:
        self.assertEqual(self.agent.ask("status")["state"], "monitoring")
        for host in ("a", "b"):  # by XDP and by TC
            for address in (INTERNET4, INTERNET6):
                self.assert_port_25(host, address, "open")
        counts = self.counted()
        self.assertGreaterEqual(counts["not_granted", "monitor"], 4)
        self.assertEqual([each for each in counts if each[1] in ("drop", "reset", "prohibit")], [])
        why = self.agent.ask("why", A.address4)
        self.assertEqual((why["verdict"], why["reason"]), ("monitor", "not_granted"))
        await_true(lambda: {each["key"] for each in self.agent.ask("blocked", "top")["blocked"]} >=
                   {f"{A.address4}/32", f"{B.address4}/32"}, "who would have been blocked is shown")

    def test_what_opens_is_counted_as_such(self) -> None:
        self.agent.ask("grant", "add", A.address4)
        self.assert_port_25("a", INTERNET4, "open")
        connect(self.isp.lab["a"], MAIL4)  # where nobody listens
        counts = self.counted()
        self.assertGreaterEqual(counts["granted", "pass"], 1)
        self.assertGreaterEqual(counts["designated", "pass"], 1)
        self.assertNotIn(("not_granted", "monitor"), counts)

    def test_from_monitor_to_reset(self) -> None:
        """The configuration changes, and what was counted stays."""
        self.assert_port_25("a", INTERNET4, "open")
        before = self.counted()["not_granted", "monitor"]
        self.isp.restart_agent()
        self.assertEqual(self.agent.ask("status")["state"], "enforcing")
        self.assert_port_25("a", INTERNET4, "refused")
        counts = self.counted()
        self.assertEqual(counts["not_granted", "monitor"], before)
        self.assertGreaterEqual(counts["not_granted", "reset"], 1)
