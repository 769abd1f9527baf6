# SPDX-License-Identifier: Apache-2.0
"""What the agent is told of logins at the submission server, and whom it has refused there."""

import poplib
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

from lab.clients import SmtpTls, pop3_login, smtp_login
from lab.hosts import await_true
from lab.topology import EDGE_CORE4, MAIL4, SUBSCRIBERS, crowd_address4
from test_failed_logins import tries
from test_submission import SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]


class Reports(SmtpTest):
    """Logins of subscribers, who are all of one network."""

    def test_all_that_is_known(self) -> None:
        client = self.login()
        port = client.sock.getsockname()[1]
        client.close()
        told = self.decisions("--within", A.address4, "--reporter", "submission")[-1]
        self.assertEqual((told["user"], told["protocol"]), (A.user, "smtp"))
        self.assertIn(f"; with TLS, by PLAIN, from port {port}", told["text"])
        self.assertIn(f"port={port}", self.log())

    def test_failed_tries(self) -> None:
        """They count for the user, too, from wherever somebody tries."""
        self.isp.restart_agent(tries(per_user=3))
        for line in (A, B, B):
            self.assertEqual(self.plain_login(line, A.user, "guessed"), "535 5.7.8")
        self.assertEqual(self.locks(), [("user", A.user, 3)])

    def test_locked_here_too(self) -> None:
        """Who has failed too often at the mailbox is refused here, with the right password, too, and not at once."""
        self.agent.revoke_all()
        self.isp.restart_agent(tries(per_address=3))
        for _ in range(3):
            with self.isp.lab["b"].network(), self.assertRaises(poplib.error_proto):
                pop3_login(self.isp.trust, MAIL4, A.user, "guessed")
        await_true(lambda: self.agent.ask("lockout", "list")["lockouts"], "a lock")
        with ThreadPoolExecutor() as both:
            codes = set(both.map(lambda password: self.locked_try(B, password), (B.password, "guessed")))
        self.assertEqual(codes, {"535 5.7.8"})
        self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
        self.assertIn("LOGIN_LOCKED", self.edge.log("sekisho-smtpd.log").read_text())
        self.agent.ask("lockout", "remove", B.address4)
        with self.isp.lab["b"].network():
            smtp_login(self.isp.smtp_trust, EDGE_CORE4, B.user, B.password).close()
        self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [B.user])

    def test_locked_network(self) -> None:
        """Tries from many addresses: their neighbour is refused, too, with the right password, and nobody from elsewhere."""
        self.agent.revoke_all()
        self.isp.restart_agent(tries(per_address=0, per_network=3, per_user=0))
        for number in range(3):
            self.assertEqual(self.plain_login(A, A.user, "guessed", crowd_address4(number)), "535 5.7.8")
        self.assertEqual(self.locks(), [("network", "192.0.2.0/24", 3)])
        self.assertEqual(self.locked_try(B, B.password), "535 5.7.8")
        self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
        with self.isp.lab["internet"].network():
            smtp_login(self.isp.smtp_trust, EDGE_CORE4, B.user, B.password).close()
        self.agent.ask("lockout", "remove", "192.0.2.0/24")
        self.assertEqual(self.plain_login(B, B.user, B.password), "235 2.7.0")

    def test_tarpit(self) -> None:
        """It lets the right password in, at once: it is for servers that ask before they look at one."""
        self.agent.revoke_all()
        self.isp.restart_agent(tries(per_address=2, answer="tarpit", tarpit="15s"))
        for _ in range(2):
            self.assertEqual(self.plain_login(A, A.user, "guessed"), "535 5.7.8")
        self.assertEqual(self.locks(), [("address", A.address4, 2)])
        begin = time.monotonic()
        self.assertEqual(self.plain_login(A, A.user, "guessed"), "535 5.7.8")
        self.assertEqual(self.plain_login(A, A.user, A.password), "235 2.7.0")
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(self.agent.granted(A.address4)["user"], A.user)

    def locks(self) -> list[tuple[str, str, int]]:
        return [(each["kind"], each["who"], each["tries"]) for each in self.agent.ask("lockout", "list")["lockouts"]]

    def locked_try(self, line, password: str) -> str:
        begin = time.monotonic()
        code = self.plain_login(line, line.user, password)
        self.assertGreater(time.monotonic() - begin, 10)
        return code

    def plain_login(self, line, user: str, password: str, source: str | None = None) -> str:
        """One try; smtplib's login() would go through all mechanisms."""
        with self.isp.lab[line.host].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust, source) as client:
            client.ehlo()
            client.user, client.password = user, password
            try:
                return self.code(client.auth("PLAIN", client.auth_plain))
            except smtplib.SMTPAuthenticationError as refused:
                return self.code(refused.args)
