# SPDX-License-Identifier: Apache-2.0
"""The submission server's certificates: by the name that is asked for, and replaced while it runs."""

import signal
import smtplib
import ssl

from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SMTP_NAME
from test_submission import SmtpTest

TLS = "/etc/sekisho/tls"
OTHER_NAME = "mail.example.org"
OTHER = f"""
[[submission.sni]]
certificate = "{TLS}/other.pem"
key = "{TLS}/other.key"
"""


class Certificates(SmtpTest):  # labels: quick
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.make(SMTP_NAME, "fullchain.pem", "privkey.pem")
        cls.make(OTHER_NAME, "other.pem", "other.key")
        cls.agent.configure(config_text(("[[submission.listener]]", OTHER + "[[submission.listener]]")))
        cls.submission.restart()

    @classmethod
    def make(cls, name: str, certificate: str, key: str) -> None:
        """A fresh one, self-signed; its key may be read by the group, as the manual says."""
        cls.edge.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", f"{TLS}/{key}",
                     "-out", f"{TLS}/{certificate}")
        cls.edge.run("chgrp", "sekisho-smtpd", f"{TLS}/{key}")
        cls.edge.run("chmod", "0640", f"{TLS}/{key}")

    def connect(self, name: str | None) -> smtplib.SMTP:
        """Shows whatever certificate there is to who asks for this name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with self.isp.lab["a"].network():
            client = smtplib.SMTP(EDGE_CORE4, 587, "client.example.net", 10)
        self.addCleanup(client.close)
        client._host = name  # what starttls() asks for
        client.starttls(context=context)
        client.ehlo()
        return client

    def shown(self, name: str | None) -> str:
        return ssl.DER_cert_to_PEM_cert(self.connect(name).sock.getpeercert(binary_form=True))

    def file(self, name: str) -> str:
        return self.edge.file(f"{TLS}/{name}").read_text()

    def reload(self, word: str) -> None:
        smtpd = self.submission.smtpd
        before = smtpd.last_words(1 << 20).count(word)
        smtpd.process.signal(signal.SIGHUP)
        await_true(lambda: smtpd.last_words(1 << 20).count(word) > before, word, 10)

    def test_the_one_that_is_asked_for(self) -> None:
        first, other = self.file("fullchain.pem"), self.file("other.pem")
        self.assertEqual(self.shown(SMTP_NAME), first)
        self.assertEqual(self.shown(OTHER_NAME), other)
        self.assertEqual(self.shown(OTHER_NAME.upper()), other)
        self.assertEqual(self.shown("nobody.example.net"), first)
        self.assertEqual(self.shown(None), first, "who asks for none")

    def test_replaced_while_it_runs(self) -> None:
        client = self.connect(OTHER_NAME)
        old = self.file("other.pem")
        self.make(OTHER_NAME, "other.pem", "other.key")
        self.assertEqual(self.shown(OTHER_NAME), old, "nobody has asked it to look")
        self.reload("CERTIFICATES_READ")
        self.assertNotEqual(self.file("other.pem"), old)
        self.assertEqual(self.shown(OTHER_NAME), self.file("other.pem"))
        self.assertEqual(self.code(client.noop()), "250 2.0.0", "the connection goes on")

    def test_broken_ones_change_nothing(self) -> None:
        for what, name in (("no certificate", "other.pem"), ("a key that doesn't fit", "other.key")):
            with self.subTest(what):
                old, whole = self.shown(OTHER_NAME), self.file(name)
                self.edge.file(f"{TLS}/{name}").write_text("nonsense\n" if name.endswith("pem") else self.file("privkey.pem"))
                self.reload("CERTIFICATES_UNREADABLE")
                self.assertEqual(self.shown(OTHER_NAME), old)
                self.edge.file(f"{TLS}/{name}").write_text(whole)
        self.reload("CERTIFICATES_READ")

    def test_resumption(self) -> None:
        """A client that comes again needs no whole handshake (RFC 8446, 2.2)."""
        command = ["openssl", "s_client", "-connect", f"{EDGE_CORE4}:465", "-servername", OTHER_NAME, "-ign_eof"]
        quit_ = "EHLO x\r\nQUIT\r\n"
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                subscriber = self.isp.lab["a"]
                first = subscriber.run(*command, version, "-sess_out", "/run/session", text=quit_, check=False)
                self.assertIn("New, TLSv1", first.stdout)
                again = subscriber.run(*command, version, "-sess_in", "/run/session", text=quit_, check=False)
                self.assertIn("Reused, TLSv1", again.stdout)

    def test_old_versions(self) -> None:
        for version in ("-tls1", "-tls1_1"):
            done = self.isp.lab["a"].run("openssl", "s_client", "-connect", f"{EDGE_CORE4}:465", version,
                                         "-cipher", "DEFAULT@SECLEVEL=0", text="", check=False)
            self.assertNotEqual(done.returncode, 0, version)
            self.assertIn("alert protocol version", done.stdout + done.stderr)
