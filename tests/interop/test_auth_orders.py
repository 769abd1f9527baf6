# SPDX-License-Identifier: Apache-2.0
"""What mail programs say that can't be run here, line by line as they are known to say it; each must get what it waits
for. {user} and {password} stand for themselves in base64, {plain} for both as AUTH PLAIN has them, {cram} for the answer to
the challenge before it.

Where it is written:
- Thunderbird: its source, mailnews/compose/src/SmtpClient.sys.mjs (_preferredAuthMethods, _authenticateUser, _onAuthFailed,
  _getHelloArgument), and mailnews/compose/test/unit/test_smtpAuthMethods.js, which has such transcripts, too.
- Outlook: [MS-XLOGIN], its protocol example, for AUTH LOGIN (whose line may have the name in it); for tokens "Authenticate an
  IMAP, POP or SMTP connection using OAuth", SMTP Protocol Exchange, at learn.microsoft.com.
- XOAUTH2: developers.google.com/gmail/imap/xoauth2-protocol.
Of Outlook's second try, Outlook Express, Apple Mail and copiers there is no document: so it stands in logs of mail servers."""

import base64
import hmac
import re
import socket
import ssl

from lab.clients import SmtpTls
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, ISP_DOMAIN, MX_DOMAIN, SMTP_NAME, SUBSCRIBERS
from lab.story_mail import arrived
from lab_test import LabTest
from token_server import SECTION, TokenServer

A = SUBSCRIBERS["a"]
TOKENS = {"fresh": {"active": True, "username": A.user, "scope": "smtp"}}


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WORDS = {"user": in_base64(A.user), "password": in_base64(A.password), "plain": in_base64(f"\0{A.user}\0{A.password}"),
         "wrong": in_base64("guessed"), "wrong_plain": in_base64(f"\0{A.user}\0guessed"),
         "token": in_base64(f"user={A.user}\1auth=Bearer fresh\1\1"), "old_token": in_base64(f"user={A.user}\1auth=Bearer old\1\1"),
         "sender": f"{A.user}@{ISP_DOMAIN}", "friend": f"friend@{MX_DOMAIN}"}
Transcript = tuple[tuple[str, str], ...]
MAIL: Transcript = (("RCPT TO:<{friend}>", "250 2.1.5"), ("DATA", "354"))

# What is said, and how the reply must begin.
TRANSCRIPTS: dict[str, tuple[int, Transcript]] = {
    # "Normal password": PLAIN with its initial response first. SIZE= and BODY= where they are offered.
    "Thunderbird": (587, (
        ("EHLO [192.0.2.10]", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO [192.0.2.10]", "250-"),
        ("AUTH PLAIN {plain}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    # What isn't taken by PLAIN it says by LOGIN, on the same connection; then it asks its user, and begins anew.
    "Thunderbird, wrong password": (465, (
        ("EHLO [127.0.0.1]", "250-"), ("AUTH PLAIN {wrong_plain}", "535 5.7.8"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{wrong}", "535 5.7.8"), ("AUTH PLAIN {plain}", "235 2.7.0"),
        ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    "Thunderbird, encrypted password": (587, (
        ("EHLO [192.0.2.10]", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO [192.0.2.10]", "250-"),
        ("AUTH CRAM-MD5", "334 "), ("{cram}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    "Thunderbird, OAuth2": (587, (
        ("EHLO [192.0.2.10]", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO [192.0.2.10]", "250-"),
        ("AUTH XOAUTH2 {token}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    # What is wrong stands in a challenge, which it answers by nothing.
    "Thunderbird, old token": (465, (
        ("EHLO [192.0.2.10]", "250-"), ("AUTH XOAUTH2 {old_token}", "334 ey"), ("", "535 5.7.8"),
        ("AUTH XOAUTH2 {token}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    # LOGIN, whatever else is offered; it calls itself by the machine's NetBIOS name.
    "Outlook": (587, (
        ("EHLO OFFICE_PC", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO OFFICE_PC", "250-"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{password}", "235 2.7.0"), ("MAIL FROM: <{sender}>", "250 2.1.0"),
        ("RCPT TO: <{friend}>", "250 2.1.5"), ("DATA", "354"))),
    # It asks its user for the password, and says all of it again.
    "Outlook, wrong password": (587, (
        ("EHLO OFFICE_PC", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO OFFICE_PC", "250-"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{wrong}", "535 5.7.8"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{password}", "235 2.7.0"), ("MAIL FROM: <{sender}>", "250 2.1.0"),
        ("RCPT TO: <{friend}>", "250 2.1.5"), ("DATA", "354"))),
    # The token in a line of its own, behind an empty challenge.
    "Outlook, OAuth2": (587, (
        ("EHLO OFFICE_PC", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO OFFICE_PC", "250-"), ("auth xoauth2", "334 "),
        ("{token}", "235 2.7.0"), ("MAIL FROM: <{sender}>", "250 2.1.0"), ("RCPT TO: <{friend}>", "250 2.1.5"), ("DATA", "354"))),
    "Outlook Express": (465, (
        ("EHLO officepc", "250-"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("{user}", "334 UGFzc3dvcmQ6"), ("{password}", "235 2.7.0"),
        ("MAIL FROM: <{sender}>", "250 2.1.0"), ("RCPT TO: <{friend}>", "250 2.1.5"), ("DATA", "354"))),
    # The user's name in the line of AUTH LOGIN.
    "a copier": (587, (
        ("EHLO copier", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO copier", "250-"), ("AUTH LOGIN {user}", "334 UGFzc3dvcmQ6"),
        ("{password}", "235 2.7.0"), ("MAIL FROM:<{sender}>", "250 2.1.0"), *MAIL)),
    # PLAIN without its initial response: an empty challenge first.
    "Apple Mail": (587, (
        ("EHLO smtpclient.apple", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO smtpclient.apple", "250-"), ("AUTH PLAIN", "334 "),
        ("{plain}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME", "250 2.1.0"), *MAIL)),
}


class AuthOrders(LabTest):
    mail = True
    mx = True
    smtp = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        mechanisms = '\n[auth]\nmechanisms = ["SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2", "PLAIN", "LOGIN"]\n'
        cls.addClassCleanup(TokenServer(cls.isp, TOKENS).kill)
        cls.agent.configure(config_text() + mechanisms + SECTION)
        cls.agent.start()
        cls.isp.submission.start()
        cls.isp.submission.add_users()
        cls.agent.ask("user", "passwd", A.user, "--recoverable", text=f"{A.password}\n")

    def offered(self) -> list[str]:
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            return client.esmtp_features["auth"].split()

    def test_transcripts(self) -> None:
        await_true(lambda: {"CRAM-MD5", "XOAUTH2"} <= set(self.offered()), "all mechanisms")
        for program, (port, transcript) in TRANSCRIPTS.items():
            with self.subTest(program), self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, port), 10) as client:
                self.agent.revoke_all()
                self.replay(client, port == 465, program, transcript)
                arrived(self.isp, "internet", f"as {program} does")
                (grant,) = self.agent.ask("grant", "list")["grants"]
                self.assertEqual((grant["user"], grant["source"]), (A.user, "submission"))

    def replay(self, client: socket.socket, implicit: bool, program: str, transcript: Transcript) -> None:
        client = self.secured(client) if implicit else client
        said = self.reply(client)
        self.assertTrue(said.startswith("220 "))
        for line, expected in transcript:
            client.sendall(f"{line.format(**WORDS, cram=self.cram_md5(said))}\r\n".encode())
            self.assertTrue((said := self.reply(client)).startswith(expected), f"{line}: {said}")
            if line == "STARTTLS":
                client = self.secured(client)
        client.sendall(f"Subject: as {program} does\r\n\r\nx\r\n.\r\nQUIT\r\n".encode())
        self.assertTrue(self.reply(client).startswith("250 2.0.0"))

    def cram_md5(self, said: str) -> str:
        """The answer to a challenge, if that is one (RFC 2195, 2)."""
        if not said.startswith("334 "):
            return ""
        proof = hmac.new(A.password.encode(), base64.b64decode(said[4:]), "md5").hexdigest()
        return in_base64(f"{A.user} {proof}")

    def secured(self, client: socket.socket) -> ssl.SSLSocket:
        secured = self.isp.smtp_trust.wrap_socket(client, server_hostname=SMTP_NAME)
        self.addCleanup(secured.close)
        return secured

    def reply(self, client: socket.socket) -> str:
        said = b""
        while not re.search(rb"(?m)^\d{3} [^\r\n]*\r\n", said):
            piece = client.recv(4096)
            self.assertTrue(piece, f"the connection ends behind {said!r}")
            said += piece
        return said.decode()
