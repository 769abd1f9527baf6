# SPDX-License-Identifier: Apache-2.0
"""Connections that were opened under a grant, and grants that are used too often."""

import socket
import time

from kernel_entries import FEW, entries
from lab.clients import connect
from lab.hosts import await_true
from lab.topology import INTERNET4, INTERNET6, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]


class Conversation:
    """SMTP with the Internet's Postfix, as slowly as the test wants."""

    def __init__(self, test: LabTest, address: str):
        with test.isp.lab["a"].network():
            self._socket = socket.create_connection((address, 25), 5)
        test.addCleanup(self._socket.close)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()

    def goes_on(self) -> bool:
        """Whether a command is answered."""
        self._socket.settimeout(5)
        try:
            self._socket.sendall(b"NOOP\r\n")
            return self._lines.readline().startswith(b"250")
        except (ConnectionResetError, BrokenPipeError):
            return False

    def source(self) -> tuple[str, int]:
        """Address and port at its own end."""
        return self._socket.getsockname()[:2]

    def reset(self) -> None:
        """Ends it by a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._lines.close()
        self._socket.close()


class Flows(LabTest):
    """A long mail survives the end of its grant."""

    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(FEW)

    def closed(self, address: str) -> None:
        await_true(lambda: self.agent.granted(A.address4) is None and self.agent.granted(A.address6) is None,
                   "the grant is over")
        self.assert_port_25("a", address, "refused")

    def test_outlives_the_grant(self) -> None:
        for address, source in ((INTERNET4, A.address4), (INTERNET6, A.address6)):
            with self.subTest(address=address):
                self.agent.ask("grant", "add", source, "--for", "2s")
                conversation = Conversation(self, address)
                self.assertTrue(conversation.goes_on())
                self.closed(address)
                self.assertTrue(conversation.goes_on())
                self.agent.kill()
                self.assertTrue(conversation.goes_on())
                self.agent.start()
                self.assertTrue(conversation.goes_on())
                time.sleep(1.5)  # a sweep of the agent
                self.assertTrue(conversation.goes_on())
                self.assert_port_25("a", address, "refused")

    def test_revoke(self) -> None:
        self.agent.ask("grant", "add", A.address4)
        conversation = Conversation(self, INTERNET4)
        self.assertEqual(self.agent.ask("grant", "show", A.address4)["flows"], 1)
        self.agent.ask("grant", "revoke", A.address4)
        self.assertTrue(conversation.goes_on())
        self.assert_port_25("a", INTERNET4, "refused")

    def test_revoke_and_kill(self) -> None:
        self.agent.ask("grant", "add", A.address4)
        conversation = Conversation(self, INTERNET4)
        self.agent.ask("grant", "revoke", A.address4, "--kill")
        self.assertFalse(conversation.goes_on())

    def test_kill_what_has_outlived_its_grant(self) -> None:
        for address, source in ((INTERNET4, A.address4), (INTERNET6, A.address6)):
            with self.subTest(address=address):
                self.agent.ask("grant", "add", source, "--for", "2s")
                conversation = Conversation(self, address)
                self.closed(address)
                self.assertTrue(conversation.goes_on())
                self.assertIn("1 connections that were opened under it go on", self.agent.command("why", source).stdout)
                self.assertNotEqual(self.agent.command("grant", "revoke", source).returncode, 0, "there is none")
                self.agent.ask("grant", "revoke", source, "--kill", "--no-cool-down")
                self.assertFalse(conversation.goes_on())
                self.assertEqual(self.decisions("--within", source)[-1]["name"], "CONNECTIONS_ENDED")
                self.assertNotEqual(self.agent.command("grant", "revoke", source, "--kill").returncode, 0, "nor connections")

    def test_the_next_holder_inherits_nothing(self) -> None:
        self.agent.ask("grant", "add", A.address4)
        conversation = Conversation(self, INTERNET4)
        self.agent.ask("grant", "revoke", A.address4)
        self.agent.ask("grant", "add", A.address4, "--for", "1s")
        self.closed(INTERNET4)
        self.assertFalse(conversation.goes_on())

    def test_resting_entries_go(self) -> None:
        self.agent.ask("grant", "add", A.address4)
        conversation = Conversation(self, INTERNET4)
        self.agent.ask("grant", "revoke", A.address4)
        self.assertTrue(conversation.goes_on())
        self.assertIn(A.address4, self.known())
        conversation.reset()
        await_true(lambda: A.address4 not in self.known(), "the entry goes with its last connection", 30)

    def known(self) -> list[str]:
        """The IPv4 addresses that the kernel has an entry of."""
        return [socket.inet_ntoa(entry[12:16]) for entry in entries(self.edge) if entry[10:12] == b"\xff\xff"]


class Budget(LabTest):  # labels: sanitize
    """Who opens more connections than a grant is good for loses it."""

    mx = True

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(("[grants]", '[grants]\ncool_down = "4s"'))

    def overrun(self, budget: int = 3) -> None:
        self.agent.ask("grant", "add", A.address4, "--budget", str(budget), "--reason", "ticket 7")
        for _ in range(budget):
            self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("a", INTERNET4, "refused")

    def cooling(self) -> list[str]:
        return [item["key"] for item in self.agent.ask("grant", "list")["cool_downs"]]

    def login(self) -> None:
        self.policy("allow", self.login_event(A.address4))

    def test_overrun(self) -> None:
        self.overrun()
        await_true(lambda: self.cooling() == [f"{A.address4}/32"], "the agent heard of it")
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertIn("BUDGET_OVERRUN", self.log())
        told = self.decisions("--event", "BUDGET_OVERRUN")[-1]
        self.assertEqual((told["key"], told["reporter"], told["text"]), (
            f"{A.address4}/32", "operator", "more connections than the grant was good for: it ended, and its key cools down"))
        status = self.agent.ask("status")
        self.assertEqual((status["overruns"], status["cool_downs"]), (1, 1))
        steps = {step["rule"]: step["detail"] for step in self.agent.ask("why", A.address4)["steps"]}
        self.assertIn("more connections than its grant", steps["cool_down"])
        self.login()
        self.assertIsNone(self.agent.granted(A.address4), "a login opens nothing now")
        self.assertIn("LOGIN_REFUSED", self.log())
        await_true(lambda: not self.cooling(), "the cool-down is over")
        self.login()
        self.assert_port_25("a", INTERNET4, "open")

    def test_an_operator_knows_better(self) -> None:
        self.overrun()
        await_true(self.cooling, "the agent heard of it")
        self.agent.ask("grant", "add", A.address4)
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.cooling(), [])

    def test_counted_on_while_the_agent_is_away(self) -> None:
        self.agent.ask("grant", "add", A.address4, "--budget", "3")
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.kill()
        for expected in ("open", "open", "refused"):
            self.assert_port_25("a", INTERNET4, expected)
        self.agent.start()
        self.assertEqual(self.cooling(), [f"{A.address4}/32"])
        self.assert_port_25("a", INTERNET4, "refused")

    def test_a_restart_gives_nothing_back(self) -> None:
        self.agent.ask("grant", "add", A.address4, "--budget", "3")
        self.assert_port_25("a", INTERNET4, "open")
        self.agent.stop()
        self.agent.start()
        self.assertEqual(self.agent.ask("grant", "show", A.address4)["connections_left"], 2)

    def test_window(self) -> None:
        self.isp.restart_agent(("window_connections = 5000", 'window = "1h"\nwindow_connections = 2'))
        self.agent.ask("grant", "add", A.address4)
        outcomes = [connect(self.isp.lab["a"], INTERNET4).outcome for _ in range(5)]
        # Once an hour a window may end between two of them.
        self.assertIn(outcomes, (["open"] * 2 + ["refused"] * 3, ["open"] * 3 + ["refused"] * 2,
                                 ["open"] * 4 + ["refused"]))
        await_true(self.cooling, "the agent heard of it")
