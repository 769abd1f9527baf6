# SPDX-License-Identifier: Apache-2.0
"""Programs that subscribers send mail with. Each logs in from A's host by itself, and its message arrives."""

import base64
import contextlib
import os
import re
import select
import smtplib
import subprocess

from lab.clients import Smtp, SmtpTls
from lab.story_mail import arrived
from lab.topology import (EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, ISP_DOMAIN, MX_DOMAIN, SMTP_NAME, SUBSCRIBERS)
from lab_test import LabTest

A = SUBSCRIBERS["a"]
SENDER, FRIEND = f"{A.user}@{ISP_DOMAIN}", f"friend@{MX_DOMAIN}"
CERTIFICATE = "/run/smtp.pem"
PLAIN = base64.b64encode(f"\0{A.user}\0{A.password}".encode()).decode()
SERVERS = {4: EDGE_CORE4, 6: EDGE_CORE6}
AIOSMTPLIB = f"""
import aiosmtplib, asyncio
asyncio.run(aiosmtplib.send({{mail!r}}, sender="{SENDER}", recipients=["{FRIEND}"], hostname={{server!r}}, port={{port}},
                            username="{A.user}", password="{A.password}", cert_bundle="{CERTIFICATE}", {{begin}}))
"""


class SubmissionClients(LabTest):
    """STARTTLS on 587 and TLS on 465, over IPv4 and IPv6."""

    mail = True
    mx = True
    smtp = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a = cls.isp.lab["a"]
        cls.a.write(CERTIFICATE, (cls.isp.lab.state / "smtp.pem").read_text())
        cls.agent.start()
        cls.isp.submission.start()
        cls.isp.submission.add_users()

    def setUp(self) -> None:
        super().setUp()
        self.agent.revoke_all()

    def assert_opened(self, family: int) -> None:
        """That one login, and it alone, has opened the port, for this family only; closes it again."""
        own, other = (INTERNET4, INTERNET6) if family == 4 else (INTERNET6, INTERNET4)
        self.assert_port_25("a", own, "open")
        self.assert_port_25("a", other, "refused")
        (grant,) = self.agent.ask("grant", "list")["grants"]
        self.assertEqual((grant["user"], grant["source"]), (A.user, "submission"))
        self.agent.revoke_all()

    def assert_closed(self) -> None:
        self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
        self.assert_port_25("a", INTERNET4, "refused")
        self.assert_port_25("a", INTERNET6, "refused")

    def assert_arrived(self, subject: str, text: str) -> None:
        """The message is at the Internet's Postfix, with this text and with one Received line of ours."""
        message = arrived(self.isp, "internet", subject)
        body = message.get_payload(decode=True).decode().replace("\r\n", "\n")
        self.assertEqual(body.rstrip("\n"), text.rstrip("\n"))
        ours = [line for line in message.get_all("Received") if f"by {SMTP_NAME} with ESMTPSA" in " ".join(line.split())]
        self.assertEqual(len(ours), 1, message)
        self.assertEqual(message["From"], SENDER)

    def swaks(self, family: int, *options: str, password: str | None = A.password, mechanism: str = "PLAIN",
              subject: str = "swaks", text: str = "x") -> subprocess.CompletedProcess:
        login = ("--auth", mechanism, "--auth-user", A.user, "--auth-password", password) if password else ()
        # --body wants swaks's own "\n".
        return self.a.run("swaks", f"-{family}", "--server", SERVERS[family], "--helo", "client.example.net", "--from", SENDER,
                          "--to", FRIEND, "--tls-verify", "--tls-ca-path", CERTIFICATE, "--h-Subject", subject,
                          "--body", text.replace("\n", "\\n"), *login, *options, check=False)

    def test_swaks(self) -> None:
        """Both ports, both families, both mechanisms that need TLS."""
        text = "Hello from swaks\n.a line that begins with a dot\n..two\n.\nlast"
        ways = {"587": ("--port", "587", "--tls"), "465": ("--port", "465", "--tls-on-connect")}
        for port, options in ways.items():
            for family in (4, 6):
                for mechanism in ("PLAIN", "LOGIN"):
                    subject = f"swaks {port} IPv{family} {mechanism}"
                    with self.subTest(subject):
                        self.assert_closed()
                        done = self.swaks(family, *options, mechanism=mechanism, subject=subject, text=text)
                        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                        self.assertIn(f"AUTH {mechanism}", done.stdout)
                        self.assert_opened(family)
                        self.assert_arrived(subject, text)

    def test_swaks_with_wrong_password(self) -> None:
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                done = self.swaks(4, "--port", "465", "--tls-on-connect", mechanism=mechanism, password="guessed-again")
                self.assertEqual(done.returncode, 28, done.stdout + done.stderr)  # "error during AUTH"
                self.assertIn("<~* 535 5.7.8 ", done.stdout)
                self.assert_closed()

    def test_swaks_without_login(self) -> None:
        for options in (("--port", "587", "--tls"), ("--port", "465", "--tls-on-connect"), ("--port", "587")):
            with self.subTest(options):
                done = self.swaks(4, *options, password=None)
                self.assertEqual(done.returncode, 23, done.stdout + done.stderr)  # "error during MAIL"
                self.assertRegex(done.stdout, r"<[~-]?\*\*? 530 5\.7\.0 ")
                self.assert_closed()

    def test_swaks_never_logs_in_without_tls(self) -> None:
        """AUTH isn't offered there, so swaks doesn't send the password."""
        done = self.swaks(4, "--port", "587")
        self.assertEqual(done.returncode, 28, done.stdout + done.stderr)
        self.assertNotIn("AUTH", done.stdout)
        self.assert_closed()

    def test_smtplib(self) -> None:
        """An 8-bit body keeps its octets, whatever the mechanism and the port."""
        text = "Grüße aus 関所\n.ein Punkt am Anfang\n"
        for implicit in (False, True):
            for family in (4, 6):
                for mechanism in ("PLAIN", "LOGIN"):
                    subject = f"smtplib {465 if implicit else 587} IPv{family} {mechanism}"
                    with self.subTest(subject):
                        self.assert_closed()
                        self.send_by_smtplib(implicit, SERVERS[family], mechanism, subject, text)
                        self.assert_opened(family)
                        self.assert_arrived(subject, text)

    def send_by_smtplib(self, implicit: bool, server: str, mechanism: str, subject: str, text: str) -> None:
        head = (f"From: {SENDER}\nTo: {FRIEND}\nSubject: {subject}\nMIME-Version: 1.0\n"
                "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
        octets = (head + text).replace("\n", "\r\n").encode()  # smtplib mends the line ends of str only
        with self.a.network():
            client = SmtpTls(server, self.isp.smtp_trust) if implicit else Smtp(server)
            with client:
                if not implicit:
                    client.starttls(context=self.isp.smtp_trust)
                client.ehlo()
                self.assertTrue(client.has_extn("8bitmime"))
                client.user, client.password = A.user, A.password
                code, _ = client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
                self.assertEqual(code, 235)
                refused = client.sendmail(SENDER, [FRIEND], octets, ["BODY=8BITMIME"])
                self.assertEqual(refused, {})

    def test_smtplib_chooses(self) -> None:
        """smtplib's own choice of a mechanism, and an answer to a wrong password that it understands."""
        with self.a.network():
            with SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
                with self.assertRaises(smtplib.SMTPAuthenticationError):
                    client.login(A.user, "guessed-again")
                self.assert_closed()
                client.login(A.user, A.password)
                client.sendmail(SENDER, [FRIEND], f"From: {SENDER}\nSubject: smtplib second\n\nat last\n")
        self.assert_opened(4)
        self.assert_arrived("smtplib second", "at last")

    def test_aiosmtplib(self) -> None:
        for port, family, begin in ((587, 4, "start_tls=True"), (465, 6, "use_tls=True")):
            with self.subTest(port=port):
                self.assert_closed()
                subject = f"aiosmtplib {port}"
                mail = f"From: {SENDER}\r\nTo: {FRIEND}\r\nSubject: {subject}\r\n\r\n.asynchronous\r\n"
                done = self.a.run("/usr/bin/python3", "-c", AIOSMTPLIB.format(
                    mail=mail, server=SERVERS[family], port=port, begin=begin), check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_opened(family)
                self.assert_arrived(subject, ".asynchronous")

    @contextlib.contextmanager
    def s_client(self, port: int, family: int):
        """openssl s_client as somebody uses it at a keyboard; a function that types a line and returns the reply to it."""
        server = EDGE_CORE4 if family == 4 else f"[{EDGE_CORE6}]"
        options = ("-starttls", "smtp") if port == 587 else ()
        client = self.a.spawn("openssl", "s_client", "-quiet", "-crlf", "-verify_return_error", "-CAfile", CERTIFICATE,
                              "-verify_hostname", SMTP_NAME, "-connect", f"{server}:{port}", *options, bufsize=0,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def say(line: str | None) -> str:
            if line is not None:
                client.stdin.write(f"{line}\n".encode())
            reply = b""
            while not re.search(rb"(?m)^\d{3} .*\r\n\Z", reply):
                ready, _, _ = select.select([client.stdout], [], [], 10)
                piece = os.read(client.stdout.fileno(), 4096) if ready else b""
                self.assertTrue(piece, f"{line!r} was answered with {reply!r}")
                reply += piece
            return reply.decode()

        try:
            yield say
        finally:
            client.kill()

    def test_openssl(self) -> None:
        """Typed by hand."""
        for port, family in ((587, 4), (465, 4), (587, 6), (465, 6)):
            with self.subTest(port=port, family=family):
                self.assert_closed()
                subject = f"openssl {port} IPv{family}"
                with self.s_client(port, family) as say:
                    if port == 465:  # on 587 s_client has read the greeting itself
                        self.assertTrue(say(None).startswith(f"220 {SMTP_NAME} "))
                    hello = say("EHLO client.example.net")
                    self.assertRegex(hello, r"250-AUTH .*PLAIN")
                    self.assertNotIn("STARTTLS", hello)
                    self.assertRegex(say(f"MAIL FROM:<{SENDER}>"), r"\A530 5\.7\.0 ")
                    self.assertRegex(say(f"AUTH PLAIN {PLAIN}"), r"\A235 2\.7\.0 ")
                    self.assertRegex(say(f"MAIL FROM:<{SENDER}>"), r"\A250 2\.1\.0 ")
                    self.assertRegex(say(f"RCPT TO:<{FRIEND}>"), r"\A250 2\.1\.5 ")
                    self.assertRegex(say("DATA"), r"\A354 ")
                    self.assertRegex(say(f"From: {SENDER}\nSubject: {subject}\n\nTyped\n..by hand\n."), r"\A250 2\.0\.0 ")
                    self.assertRegex(say("QUIT"), r"\A221 2\.0\.0 ")
                self.assert_opened(family)
                self.assert_arrived(subject, "Typed\n.by hand")

    def curl(self, url: str, family: int, subject: str, text: str, password: str = A.password,
             *options: str) -> subprocess.CompletedProcess:
        self.a.write("/run/mail.txt", f"From: {SENDER}\r\nTo: {FRIEND}\r\nSubject: {subject}\r\n\r\n{text}\r\n")
        return self.a.run("curl", "-sS", f"-{family}", "--cacert", CERTIFICATE, "--user", f"{A.user}:{password}", "--url", url,
                          "--mail-from", SENDER, "--mail-rcpt", FRIEND, "--upload-file", "/run/mail.txt", *options, check=False)

    def test_curl(self) -> None:
        ways = {"587": (f"smtp://{SMTP_NAME}:587/client.example.net", "--ssl-reqd"),
                "465": (f"smtps://{SMTP_NAME}:465/client.example.net",)}
        for port, (url, *options) in ways.items():
            for family in (4, 6):
                for mechanism in ("PLAIN", "LOGIN"):
                    subject = f"curl {port} IPv{family} {mechanism}"
                    with self.subTest(subject):
                        self.assert_closed()
                        done = self.curl(url, family, subject, ".curl", A.password, "--login-options", f"AUTH={mechanism}",
                                         *options)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assert_opened(family)
                        self.assert_arrived(subject, ".curl")

    def test_curl_with_wrong_password(self) -> None:
        done = self.curl(f"smtps://{SMTP_NAME}:465/client.example.net", 4, "curl", "x", "guessed-again")
        self.assertEqual(done.returncode, 67, done.stderr)  # "user name or password not accepted"
        self.assert_closed()
