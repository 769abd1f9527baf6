# SPDX-License-Identifier: Apache-2.0
"""What mail programs say that can't be run here, line by line as they are known to say it; each must get what it waits
for. {user} and {password} stand for themselves in base64, {plain} for both as AUTH PLAIN has them."""

import base64
import re
import socket
import ssl

from lab.topology import EDGE_CORE4, ISP_DOMAIN, MX_DOMAIN, SMTP_NAME, SUBSCRIBERS
from lab.story_mail import arrived
from lab_test import LabTest

A = SUBSCRIBERS["a"]
WORDS = {"user": base64.b64encode(A.user.encode()).decode(), "password": base64.b64encode(A.password.encode()).decode(),
         "plain": base64.b64encode(f"\0{A.user}\0{A.password}".encode()).decode(),
         "sender": f"{A.user}@{ISP_DOMAIN}", "friend": f"friend@{MX_DOMAIN}"}
Transcript = tuple[tuple[str, str], ...]
MAIL: Transcript = (("RCPT TO:<{friend}>", "250 2.1.5"), ("DATA", "354"))

# What is said, and how the reply must begin.
TRANSCRIPTS: dict[str, tuple[int, Transcript]] = {
    # "Normal password": PLAIN with its initial response first. SIZE= and BODY= where they are offered.
    "Thunderbird": (587, (
        ("EHLO [192.0.2.10]", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO [192.0.2.10]", "250-"),
        ("AUTH PLAIN {plain}", "235 2.7.0"), ("MAIL FROM:<{sender}> BODY=8BITMIME SIZE=404", "250 2.1.0"), *MAIL)),
    # Where PLAIN isn't taken (here: by a wrong password), it says LOGIN on the same connection.
    "Thunderbird, second try": (465, (
        ("EHLO [127.0.0.1]", "250-"), ("AUTH PLAIN AGFsaWNlAHdyb25n", "535 5.7.8"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{password}", "235 2.7.0"), ("MAIL FROM:<{sender}> SIZE=404", "250 2.1.0"), *MAIL)),
    # LOGIN, whatever else is offered; it calls itself by the machine's NetBIOS name.
    "Outlook": (587, (
        ("EHLO OFFICE_PC", "250-"), ("STARTTLS", "220 2.0.0"), ("EHLO OFFICE_PC", "250-"), ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("{user}", "334 UGFzc3dvcmQ6"), ("{password}", "235 2.7.0"), ("MAIL FROM: <{sender}>", "250 2.1.0"),
        ("RCPT TO: <{friend}>", "250 2.1.5"), ("DATA", "354"))),
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
        cls.agent.start()
        cls.isp.submission.start()
        cls.isp.submission.add_users()

    def test_transcripts(self) -> None:
        for program, (port, transcript) in TRANSCRIPTS.items():
            with self.subTest(program), self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, port), 10) as client:
                self.replay(client, port == 465, program, transcript)
                arrived(self.isp, "internet", f"as {program} does")

    def replay(self, client: socket.socket, implicit: bool, program: str, transcript: Transcript) -> None:
        client = self.secured(client) if implicit else client
        self.assertTrue(self.reply(client).startswith("220 "))
        for line, expected in transcript:
            client.sendall(f"{line.format(**WORDS)}\r\n".encode())
            self.assertTrue((said := self.reply(client)).startswith(expected), f"{line}: {said}")
            if line == "STARTTLS":
                client = self.secured(client)
        client.sendall(f"Subject: as {program} does\r\n\r\nx\r\n.\r\nQUIT\r\n".encode())
        self.assertTrue(self.reply(client).startswith("250 2.0.0"))

    def secured(self, client: socket.socket) -> ssl.SSLSocket:
        return self.isp.smtp_trust.wrap_socket(client, server_hostname=SMTP_NAME)

    def reply(self, client: socket.socket) -> str:
        said = b""
        while not re.search(rb"(?m)^\d{3} [^\r\n]*\r\n", said):
            piece = client.recv(4096)
            self.assertTrue(piece, f"the connection ends behind {said!r}")
            said += piece
        return said.decode()
