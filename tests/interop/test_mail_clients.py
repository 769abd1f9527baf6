# SPDX-License-Identifier: Apache-2.0
"""Programs that subscribers read mail with. Each logs in from A's host by itself, and opens A's port 25 by that."""

import imaplib
import poplib

from lab.topology import INTERNET4, INTERNET6, MAIL4, MAIL6, MAIL_NAME, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
CERTIFICATE = "/run/ca.pem"


class MailClients(LabTest):
    """Over IPv4 and IPv6, STARTTLS and TLS from the first byte."""

    mail = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a = cls.isp.lab["a"]
        cls.a.write(CERTIFICATE, (cls.isp.lab.state / "ca.pem").read_text())
        cls.agent.start()

    def tearDown(self) -> None:
        self.agent.revoke_all()

    def assert_opened(self, protocol: str, family: int = 4) -> None:
        """That one login, and it alone, has opened the port, for this family only."""
        own, other = (INTERNET4, INTERNET6) if family == 4 else (INTERNET6, INTERNET4)
        self.assert_port_25("a", own, "open")
        self.assert_port_25("a", other, "refused")
        (grant,) = self.agent.ask("grant", "list")["grants"]
        self.assertEqual((grant["user"], grant["source"]), (A.user, "mail1"))
        self.assertIn(protocol, grant["reason"])

    def assert_closed(self) -> None:
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("a", INTERNET6, "refused")

    def curl(self, url: str, *options: str, password: str = A.password, check: bool = True):
        return self.a.run("curl", "-sS", "--cacert", CERTIFICATE, "--user", f"{A.user}:{password}", *options, url,
                          check=check)

    def test_curl(self) -> None:
        cases = (("pop3s", f"pop3s://{MAIL_NAME}/", ("-4",)), ("pop3 stls", f"pop3://{MAIL_NAME}/", ("--ssl-reqd", "-4")),
                 ("pop3 apop", f"pop3://{MAIL_NAME}/", ("--login-options", "AUTH=+APOP", "-4")),
                 ("imaps", f"imaps://{MAIL_NAME}/", ("-6",)),
                 ("imap starttls", f"imap://{MAIL_NAME}/", ("--ssl-reqd", "-6")),
                 ("imap cram-md5", f"imap://{MAIL_NAME}/", ("--login-options", "AUTH=CRAM-MD5", "-4")))
        for what, url, options in cases:
            with self.subTest(what=what):
                self.assert_closed()
                self.curl(url, *options)
                self.assert_opened(what[:4], 6 if "-6" in options else 4)
                self.agent.revoke_all()

    def test_curl_with_wrong_password(self) -> None:
        done = self.curl(f"pop3s://{MAIL_NAME}/", password="guessed", check=False)
        self.assertEqual(done.returncode, 67, done.stderr)  # "user name or password not accepted"
        self.assert_closed()

    def s_client(self, port: int, dialogue: list[str], *options: str) -> str:
        """Lines typed by hand into openssl s_client; `-ign_eof` keeps it until the server hangs up."""
        done = self.a.run("openssl", "s_client", "-quiet", "-ign_eof", "-verify_return_error", "-CAfile", CERTIFICATE,
                          "-verify_hostname", MAIL_NAME, "-connect", f"{MAIL4}:{port}", *options,
                          text="".join(f"{line}\r\n" for line in dialogue), check=False)
        return done.stdout

    def test_openssl_pop3(self) -> None:
        for port, options in ((995, ()), (110, ("-starttls", "pop3"))):
            with self.subTest(port=port):
                said = self.s_client(port, [f"USER {A.user}", f"PASS {A.password}", "QUIT"], *options)
                self.assertIn("+OK Logged in", said)
                self.assert_opened("pop3")
                self.agent.revoke_all()

    def test_openssl_imap(self) -> None:
        for port, options in ((993, ()), (143, ("-starttls", "imap"))):
            with self.subTest(port=port):
                said = self.s_client(port, [f"a LOGIN {A.user} {A.password}", "b LOGOUT"], *options)
                self.assertRegex(said, "a OK .*Logged in")
                self.assert_opened("imap")
                self.agent.revoke_all()

    def test_poplib(self) -> None:
        with self.a.network():
            client = poplib.POP3_SSL(MAIL6, context=self.isp.trust)
            client.user(A.user)
            self.assertTrue(client.pass_(A.password).startswith(b"+OK"))
            client.quit()
        self.assert_opened("pop3", 6)

    def test_imaplib(self) -> None:
        with self.a.network():
            client = imaplib.IMAP4_SSL(MAIL4, ssl_context=self.isp.trust)
            client.login(A.user, A.password)
            client.select()
            client.logout()
        self.assert_opened("imap")

    def test_not_before_the_password(self) -> None:
        """A client that connects, talks, and leaves without a password."""
        with self.a.network():
            client = poplib.POP3_SSL(MAIL4, context=self.isp.trust)
            client.user(A.user)
            self.assert_closed()
            client.close()
        self.assert_closed()

    def test_cleartext_is_refused(self) -> None:
        """Without TLS, Dovecot takes no plain password: no login, no grant."""
        with self.a.network():
            client = poplib.POP3(MAIL4)
            with self.assertRaises(poplib.error_proto):
                client.user(A.user)
                client.pass_(A.password)
            client.close()
        self.assert_closed()
