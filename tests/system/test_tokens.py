# SPDX-License-Identifier: Apache-2.0
"""Access tokens instead of passwords: OAUTHBEARER and XOAUTH2, and an authorization server that says whose they are."""

import base64
import json

from lab.clients import SmtpTls
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SUBSCRIBERS
from test_submission import SmtpTest
from token_server import AUTHORITIES, SECRET, SECTION, TokenServer

A = SUBSCRIBERS["a"]
LONGEST = "t" * 8192
MOST_OCTETS = 12_288  # of base64 in a line (RFC 4954, 4)
TOKENS = {
    "good+/=": {"active": True, "username": "Zoe@example.net", "scope": "imap smtp"},
    "alices": {"active": True, "username": A.user, "scope": "smtp"},
    LONGEST: {"active": True, "username": A.user, "scope": "smtp"},
    "imap-only": {"active": True, "username": A.user, "scope": "imap"},
}


class Tokens(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = TokenServer(cls.isp, TOKENS)
        cls.addClassCleanup(cls.server.kill)
        cls.set_secret(SECRET)

    @classmethod
    def set_secret(cls, secret: str) -> None:
        cls.server.give_secret(secret)
        cls.agent.configure(config_text() + SECTION)
        cls.submission.restart()

    def offered(self) -> list[str]:
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            return client.esmtp_features["auth"].split()

    def log_in(self, token: str, user: str = "", mechanism: str = "OAUTHBEARER") -> str:
        """The reply's codes, behind a challenge if there is one."""
        head = f"n,{'a=' if user else ''}{user},\1host=smtp.example.net" if mechanism == "OAUTHBEARER" else f"user={user}"
        await_true(lambda: mechanism in self.offered(), "tokens are offered", 10)
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            code, text = client.docmd("AUTH", f"{mechanism} " + base64.b64encode(f"{head}\1auth=Bearer {token}\1\1".encode()).decode())
            self.told = base64.b64decode(text) if code == 334 else b""
            answer = client.docmd("AQ==") if code == 334 else (code, text)
            return self.code(answer)

    def said(self) -> str:
        return self.edge.log("sekisho-auth.log").read_text()

    def test_whose_they_are(self) -> None:
        for mechanism, user in (("OAUTHBEARER", ""), ("OAUTHBEARER", "zoe@EXAMPLE.net"), ("XOAUTH2", "zoe@example.net")):
            with self.subTest(f"{mechanism} {user}"):
                self.agent.revoke_all()
                self.assertEqual(self.log_in("good+/=", user, mechanism), "235 2.7.0")
                self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], ["zoe@example.net"])
        self.assertEqual(self.log_in("alices", A.user), "235 2.7.0", "who stands in the file, too")
        self.assertNotIn("good+", self.said())

    def test_the_longest_line(self) -> None:
        """Through all that it passes, with the command and behind it; one octet more is too many."""
        end = f"\1auth=Bearer {LONGEST}\1\1"
        begin = f"n,a={A.user},\1host="
        longest = base64.b64encode(f"{begin}{'h' * (MOST_OCTETS // 4 * 3 - len(begin + end))}{end}".encode()).decode()
        self.assertEqual(len(longest), MOST_OCTETS)
        await_true(lambda: "OAUTHBEARER" in self.offered(), "tokens are offered", 10)
        log = self.edge.log("sekisho-smtpd.log")
        lost = log.read_text().count("AUTH_SERVER_LOST")
        for _ in range(2):
            with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
                client.ehlo()
                self.assertEqual(client.docmd("AUTH", "OAUTHBEARER")[0], 334)
                self.assertEqual(self.code(client.docmd(f"{longest}A")), "500 5.5.6")
                self.assertEqual(self.code(client.docmd("AUTH", f"OAUTHBEARER {longest}{longest}")), "500 5.5.6")
                self.assertEqual(client.docmd("AUTH", "PLAIN")[0], 334)
                self.assertEqual(self.code(client.docmd(longest)), "535 5.7.8", "no name and password")
                self.assertEqual(self.code(client.docmd("AUTH", f"OAUTHBEARER {longest}")), "235 2.7.0")
            with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
                client.ehlo()
                self.assertEqual(client.docmd("AUTH", "OAUTHBEARER")[0], 334)
                self.assertEqual(self.code(client.docmd(longest)), "235 2.7.0")
        self.assertEqual(log.read_text().count("AUTH_SERVER_LOST"), lost)

    def test_what_is_no_good(self) -> None:
        for token, user in (("nobodys", ""), ("imap-only", ""), ("alices", "zoe@example.net")):
            with self.subTest(token):
                self.agent.revoke_all()
                self.assertEqual(self.log_in(token, user), "535 5.7.8")
                self.assertEqual(json.loads(self.told)["status"], "invalid_token")
                self.assertIn("openid-configuration", json.loads(self.told))
                self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
        self.assertEqual(self.log_in("nobodys", "alice", "XOAUTH2"), "535 5.7.8")
        self.assertEqual(json.loads(self.told)["status"], "401")

    def test_who_goes_away_is_written_down(self) -> None:
        """By the time the client is told, the try has been counted and delayed: a cancelled login is no free one."""
        await_true(lambda: "OAUTHBEARER" in self.offered(), "tokens are offered", 10)
        before = self.said().count("LOGIN_WRONG")
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            for _ in range(2):
                token = base64.b64encode(b"n,,\1auth=Bearer guessed\1\1").decode()
                self.assertEqual(client.docmd("AUTH", f"OAUTHBEARER {token}")[0], 334)
                self.assertEqual(self.code(client.docmd("*")), "501 5.7.0")
        self.assertEqual(self.said().count("LOGIN_WRONG"), before + 2)
        self.assertEqual(self.edge.log("sekisho-smtpd.log").read_text().count("a token that is no good"), 2)

    def test_where_nobody_can_tell(self) -> None:
        self.assertEqual(self.log_in("slow"), "454 4.7.0")
        self.assertEqual(self.log_in("elsewhere"), "454 4.7.0", "a token isn't carried on to where it is sent")
        self.server.kill()
        self.assertEqual(self.log_in("good+/="), "454 4.7.0")
        self.server.start()
        self.assertEqual(self.log_in("good+/="), "235 2.7.0")
        self.assertRegex(self.said(), "LOGIN_NOT_CHECKED .*authorization server")

    def test_another_secret(self) -> None:
        self.addCleanup(self.set_secret, SECRET)
        self.set_secret("not-the-same")
        self.assertEqual(self.log_in("good+/="), "454 4.7.0")
        self.assertRegex(self.said(), "answers 401.*secret_file")
        self.assertNotIn("not-the-same", self.said())

    def test_a_certificate_of_somebody_else(self) -> None:
        """Not even of one whom this machine believes otherwise."""
        believed = "/etc/ssl/certs/login.pem"
        self.edge.write(believed, self.server.certificate)
        self.edge.run("openssl", "rehash", "/etc/ssl/certs")
        self.addCleanup(self.edge.run, "openssl", "rehash", "/etc/ssl/certs")
        self.addCleanup(self.edge.run, "rm", "-f", believed)
        self.addCleanup(self.set_secret, SECRET)
        self.addCleanup(self.edge.write, AUTHORITIES, self.server.certificate)
        self.edge.write(AUTHORITIES, self.edge.file("/etc/sekisho/tls/fullchain.pem").read_text())
        self.set_secret(SECRET)
        self.assertEqual(self.log_in("good+/="), "454 4.7.0")
