# SPDX-License-Identifier: Apache-2.0
"""Clients that log in by a certificate (AUTH EXTERNAL), and those whose certificate is good for nothing."""

import signal
import smtplib
import socket
import ssl
import subprocess

from lab.clients import Smtp, SmtpTls, trust
from lab.hosts import LabError, await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SMTP_NAME, SUBSCRIBERS
from test_submission import SmtpTest

A = SUBSCRIBERS["a"]
AUTHORITY = "/etc/sekisho/tls/clients.pem"


class ClientCertificates(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = cls.isp.lab.state / "certificates"
        cls.folder.mkdir(exist_ok=True)
        for name in ("ours", "theirs"):
            cls.openssl("req", "-x509", *cls.new_key(name), "-days", "30", "-subj", f"/CN={name}", "-out", f"{name}.pem")
        cls.make("anna", "ours", "/CN=Somebody", "subjectAltName=DNS:x.example.net,email:Alice")
        cls.make("bob", "ours", "/O=Example/CN=bob")
        cls.make("stranger", "theirs", "/CN=alice")
        cls.make("gone", "ours", "/CN=left-us")
        cls.make("old", "ours", "/CN=alice", days="-1")
        cls.make("server", "ours", "/CN=alice", "extendedKeyUsage=serverAuth")
        cls.make("nameless", "ours", "/O=Example")
        cls.make("address", "ours", "/CN=alice@example.net")
        cls.make("two", "ours", "/CN=alice/CN=bob")
        cls.make("revoked", "ours", "/CN=bob")
        cls.edge.write(AUTHORITY, (cls.folder / "ours.pem").read_text())
        cls.edge.run("chown", "sekisho-smtpd", "/etc/sekisho/tls/privkey.pem")  # so that it can be read again
        cls.agent.configure(config_text(("[submission]\n", f'[submission]\nclient_ca = "{AUTHORITY}"\n')))
        cls.submission.restart()

    @classmethod
    def openssl(cls, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=cls.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"openssl {' '.join(arguments)}: {done.stderr}")

    @staticmethod
    def new_key(name: str) -> tuple[str, ...]:
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"

    @classmethod
    def make(cls, name: str, authority: str, subject: str, extension: str = "", days: str = "30") -> None:
        """NAME.pem and NAME.key."""
        cls.openssl("req", *cls.new_key(name), "-subj", subject, "-out", f"{name}.csr")
        (cls.folder / "extensions").write_text(extension + "\n")
        cls.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                    "-CAcreateserial", "-days", days, "-extfile", "extensions", "-out", f"{name}.pem")

    def context(self, name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        context = trust(self.isp.lab.state / "smtp.pem")
        context.maximum_version = version
        if name:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def offered(self, client: smtplib.SMTP) -> bool:
        client.ehlo()
        return "EXTERNAL" in client.esmtp_features["auth"].split()

    def by_certificate(self, name: str | None, response: str = "=") -> str:
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.context(name)) as client:
            offered = self.offered(client)
            code = self.code(client.docmd("AUTH", f"EXTERNAL {response}"))
            self.assertEqual(offered, code != "504 5.5.4")
            return code

    def test_whom_it_names(self) -> None:
        for name, user in (("anna", "alice"), ("bob", "bob")):
            with self.subTest(name):
                self.agent.revoke_all()
                self.assertEqual(self.by_certificate(name), "235 2.7.0")
                self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [user])
        self.assertEqual(self.by_certificate("bob", "Ym9i"), "235 2.7.0", "bob as bob")
        self.assertEqual(self.by_certificate("bob", "YWxpY2U="), "535 5.7.8", "bob as alice")

    def test_what_is_as_none(self) -> None:
        for name in (None, "stranger", "old", "server", "nameless", "address", "two"):
            with self.subTest(name):
                self.assertEqual(self.by_certificate(name), "504 5.5.4")
                with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.context(name)) as client:
                    self.assertEqual(client.login(A.user, A.password)[0], 235, "passwords are good all the same")

    def test_who_is_no_user_any_more(self) -> None:
        self.assertEqual(self.by_certificate("gone"), "535 5.7.8")

    def test_revoked(self) -> None:
        """By a list in the authority's own file; read again with the certificates."""
        self.assertEqual(self.by_certificate("revoked"), "235 2.7.0")
        (self.folder / "index").write_text("")
        (self.folder / "ca.cnf").write_text("[ca]\ndefault_ca = ours\n[ours]\ndatabase = index\ndefault_md = sha256\n"
                                            "default_crl_days = 30\n")
        authority = ("ca", "-config", "ca.cnf", "-cert", "ours.pem", "-keyfile", "ours.key")
        self.openssl(*authority, "-revoke", "revoked.pem")
        self.openssl(*authority, "-gencrl", "-out", "ours.crl")
        ours = (self.folder / "ours.pem").read_text()
        self.addCleanup(self.read_authorities, ours)
        self.read_authorities(ours + (self.folder / "ours.crl").read_text())
        self.assertEqual(self.by_certificate("revoked"), "504 5.5.4")
        self.assertEqual(self.by_certificate("bob"), "235 2.7.0")

    def read_authorities(self, text: str) -> None:
        self.edge.write(AUTHORITY, text)
        log = self.edge.log("sekisho-smtpd.log")
        before = log.read_text().count("CERTIFICATES_READ")
        self.submission.smtpd.process.signal(signal.SIGHUP)
        await_true(lambda: log.read_text().count("CERTIFICATES_READ") > before, "the authorities are read", 10)

    def test_with_starttls(self) -> None:
        with self.isp.lab["a"].network(), Smtp(EDGE_CORE4) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))
            client.starttls(context=self.context("bob"))
            self.assertTrue(self.offered(client))
            self.assertEqual(client.docmd("AUTH", "EXTERNAL"), (334, b""))
            self.assertEqual(self.code(client.docmd("")), "235 2.7.0")

    def test_resumed(self) -> None:
        """Who the client is comes back with the session, in both versions of TLS."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name):
                context, session = self.context("bob", version), None
                for again in (False, True):
                    with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, 465)) as raw, \
                            context.wrap_socket(raw, server_hostname=SMTP_NAME, session=session) as tls:
                        tls.recv(1000)
                        tls.sendall(b"EHLO client.example.net\r\n")
                        self.assertIn(b"AUTH EXTERNAL ", tls.recv(2000))
                        self.assertEqual(tls.session_reused, again)
                        session = tls.session
