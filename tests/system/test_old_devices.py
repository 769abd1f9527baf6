# SPDX-License-Identifier: Apache-2.0
"""Devices without TLS that know nothing better than CRAM-MD5 or DIGEST-MD5: swaks plays them."""

import subprocess

from lab.clients import Smtp
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, ISP_DOMAIN, MX_DOMAIN, SUBSCRIBERS
from test_submission import SmtpTest
from token_server import AUTHORITIES, SECRET, SECTION

A = SUBSCRIBERS["a"]
COPIER, PASSWORD = f"copier@{ISP_DOMAIN}", "paper jam again"
PORT = 2587
IN_TLS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]
NAMES = '", "'.join(IN_TLS)
SECTIONS = f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {PORT}
login_in_clear = true

[auth]
mechanisms = ["EXTERNAL", "{NAMES}"]
{SECTION}"""
CERTIFICATE = "/etc/sekisho/tls/fullchain.pem"


class OldDevices(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # Tokens and certificates are taken in TLS; nobody is there who knows any.
        cls.edge.write("/etc/sekisho/oauth.secret", f"{SECRET}\n", 0o600)
        cls.edge.run("chown", "sekisho-auth", "/etc/sekisho/oauth.secret")
        cls.edge.run("cp", CERTIFICATE, AUTHORITIES)
        cls.agent.configure(config_text(("[submission]\n", f'[submission]\nclient_ca = "{CERTIFICATE}"\n')) + SECTIONS)
        cls.submission.restart()

    def setUp(self) -> None:
        super().setUp()
        self.agent.ask("user", "add", COPIER, "--recoverable", text=f"{PASSWORD}\n")
        self.addCleanup(self.agent.ask, "user", "remove", COPIER)

    def send(self, mechanism: str, *options: str, user: str = COPIER, password: str = PASSWORD) -> subprocess.CompletedProcess:
        return self.isp.lab["a"].run(
            "swaks", "-4", "--server", EDGE_CORE4, "--port", str(PORT), "--helo", "client.example.net",
            "--from", COPIER, "--to", f"friend@{MX_DOMAIN}", "--h-Subject", mechanism, "--auth", mechanism,
            "--auth-user", user, "--auth-password", password, *options, check=False)

    def assert_no(self, done: subprocess.CompletedProcess) -> None:
        self.assertEqual(done.returncode, 28, done.stdout + done.stderr)  # "error during AUTH"
        self.assertIn("535 5.7.8 ", done.stdout)

    def kept(self) -> bool:
        (user,) = [each for each in self.agent.ask("user", "list")["users"] if each["name"] == COPIER]
        return user["recoverable"]

    def test_in_the_clear(self) -> None:
        for mechanism in ("CRAM-MD5", "DIGEST-MD5"):
            with self.subTest(mechanism):
                done = self.send(mechanism)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertNotIn(" -> STARTTLS", done.stdout)
                await_true(lambda: mechanism in self.subjects(), "the message", 20)
                self.assert_no(self.send(mechanism, password="paper jam"))
                self.assert_no(self.send(mechanism, user="nobody"))
                self.assert_no(self.send(mechanism, user=A.user, password=A.password))

    def test_passwords_are_not_shown_in_the_clear(self) -> None:
        with self.isp.lab["a"].network(), Smtp(EDGE_CORE4, PORT) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), ["SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5"])
            for mechanism in ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"):
                self.assertEqual(self.code(client.docmd("AUTH", f"{mechanism} AGFubmEAc2VjcmV0MDA=")), "538 5.7.11", mechanism)
            # To these TLS must have given something, a certificate or what a proof is bound to.
            for mechanism in ("EXTERNAL", "SCRAM-SHA-256-PLUS"):
                self.assertEqual(self.code(client.docmd("AUTH", f"{mechanism} bixhLG49YSxyPWI=")), "504 5.5.4", mechanism)
            client.starttls(context=self.isp.smtp_trust)
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), IN_TLS)
        with self.isp.lab["a"].network(), Smtp(EDGE_CORE4) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("auth"), "the other listeners are as they were")

    def test_with_tls_they_have_the_same(self) -> None:
        done = self.send("CRAM-MD5", "--tls")
        self.assertIn("TLS started", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_is_kept(self) -> None:
        self.assertTrue(self.kept())
        files = self.edge.run("cat", "/var/lib/sekisho/auth/users.recoverable", "/var/lib/sekisho/auth/users",
                              "/var/lib/sekisho/auth/users.key").stdout + self.edge.log("sekisho-auth.log").read_text()
        self.assertIn("{AES-256-GCM}", files)
        self.assertNotIn(PASSWORD, files)
        self.agent.ask("user", "passwd", COPIER, text="another jam\n")
        self.assertTrue(self.kept(), "it stays so")
        self.assert_no(self.send("CRAM-MD5"))
        self.assertEqual(self.send("CRAM-MD5", password="another jam").returncode, 0)
        self.agent.ask("user", "passwd", COPIER, "--hashed", text="another jam\n")
        self.assertFalse(self.kept())
        self.assert_no(self.send("CRAM-MD5", password="another jam"))
        self.assertNotIn(COPIER, self.edge.run("cat", "/var/lib/sekisho/auth/users.recoverable").stdout)
        self.agent.ask("user", "passwd", COPIER, "--recoverable", text="a third jam\n")
        self.submission.auth.stop()
        self.submission.auth.start()
        self.assertEqual(self.send("CRAM-MD5", password="a third jam").returncode, 0, "it outlives a start")
