# SPDX-License-Identifier: Apache-2.0
"""Subscribers that an operator sees blocked, and shuts off."""

import time

from lab.clients import connect
from lab.topology import INTERNET4, INTERNET6, MAIL4, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
C = SUBSCRIBERS["c"]


class Quarantine(LabTest):  # labels: sanitize
    """No mail server can be reached, not even the provider's own; all else can."""

    mail = True
    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def contract(self) -> None:
        for prefix in (C.address4, C.prefix6):
            self.agent.ask("exempt", "add", prefix)
            self.addCleanup(self.agent.command, "exempt", "remove", prefix)

    def shut(self, address: str) -> None:
        self.agent.ask("quarantine", "add", address, "--note", "ticket 4712")
        self.addCleanup(self.agent.command, "quarantine", "remove", address)

    def test_reaches_no_mail_server(self) -> None:
        self.assert_port_25("a", MAIL4, "open")
        self.agent.ask("grant", "add", A.address4)
        self.shut(A.address4)
        self.assert_port_25("a", MAIL4, "refused")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertEqual(self.agent.ask("status")["quarantines"], 1)
        why = self.agent.ask("why", A.address4, MAIL4)
        self.assertEqual(why["reason"], "quarantined")
        self.assertIn("ticket 4712", next(step["detail"] for step in why["steps"] if step["rule"] == "quarantined"))
        told = self.decisions("--event", "QUARANTINE_ADDED", "--within", f"{A.address4}/32")[-1]
        self.assertEqual((told["key"], told["text"], told["by"]), (f"{A.address4}/32", "ticket 4712", "uid 0"))

    def test_nobody_else(self) -> None:
        self.contract()
        self.shut(A.address4)
        self.assert_port_25("b", MAIL4, "open")
        self.assert_port_25("c", INTERNET4, "open")

    def test_a_contract_counts_for_nothing_meanwhile(self) -> None:
        self.contract()
        self.shut(C.address6)
        self.assert_port_25("c", INTERNET6, "refused")
        self.agent.ask("quarantine", "remove", C.address6)
        self.assert_port_25("c", INTERNET6, "open")

    def test_logins_open_nothing(self) -> None:
        self.shut(A.address4)
        self.policy("allow", self.login_event(A.address4))
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertIn("is quarantined: ticket 4712", self.log())
        told = self.decisions("--event", "LOGIN_REFUSED", "--within", f"{A.address4}/32")[-1]
        self.assertEqual((told["user"], told["reporter"]), ("alice", "mail1"))
        self.assertIn("is quarantined: ticket 4712", told["text"])
        refused = self.agent.command("grant", "add", A.address4)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("sekisho quarantine remove", refused.stderr)

    def test_outlives_the_agent(self) -> None:
        self.shut(A.address4)
        self.agent.kill()
        self.assert_port_25("a", MAIL4, "refused")
        self.agent.start()
        self.assert_port_25("a", MAIL4, "refused")
        self.agent.ask("quarantine", "remove", A.address4)
        self.assert_port_25("a", MAIL4, "open")
        self.assertEqual(self.agent.ask("quarantine", "list")["quarantines"], [])
        self.assertEqual(self.decisions("--event", "QUARANTINE_REMOVED")[-1]["key"], f"{A.address4}/32")


class Infected(LabTest):  # labels: sanitize
    """Who is being blocked, and how often."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()

    def knock(self, host: str, times: int) -> None:
        for _ in range(times):
            self.assertEqual(connect(self.isp.lab[host], INTERNET4).outcome, "refused")

    def top(self, *words: str) -> list[dict]:
        return self.agent.ask("blocked", "top", *words)["blocked"]

    def test_rate_and_destinations(self) -> None:
        """A bot that goes through a network: how fast, and to how many."""
        key = f"{SUBSCRIBERS['c'].address4}/32"
        begin = time.monotonic()
        for number in range(20):
            attempt = connect(self.isp.lab["c"], f"203.0.113.{100 + number}")
            self.assertEqual(attempt.outcome, "refused", attempt)
            time.sleep(0.1)
        took = time.monotonic() - begin
        c = next(item for item in self.top() if item["key"] == key)
        self.assertEqual(c["packets"], 20)
        self.assertTrue(15 <= c["destinations"] <= 25, c)
        step = 2**30 / 1e9  # of the kernel's clock for this, in seconds
        self.assertTrue(20 / (took + step) <= c["per_second"] <= 20 / max(took - step, step), (c, took))

    def test_the_busiest_comes_first(self) -> None:
        self.knock("a", 30)
        self.knock("b", 5)
        self.assertEqual(connect(self.isp.lab["b"], INTERNET6).outcome, "refused")
        seen = {item["key"]: item for item in self.top()}
        a, b = seen[f"{A.address4}/32"], seen[f"{SUBSCRIBERS['b'].address4}/32"]
        self.assertEqual((a["packets"], b["packets"], a["destinations"], a["pool"]), (30, 5, 1, "dsl"))
        self.assertLessEqual(a["first"], a["last"])
        self.assertFalse(a["quarantined"])
        self.assertEqual(sum(item["packets"] for key, item in seen.items() if key.endswith("/56")), 1, "by its key")
        self.assertEqual([item["key"] for item in self.top("-n", "1")], [a["key"]])
        self.agent.kill()
        self.knock("a", 1)
        self.agent.start()
        self.agent.ask("quarantine", "add", A.address4)
        after = self.top()[0]
        self.assertEqual((after["key"], after["packets"], after["quarantined"]), (a["key"], 31, True))
