# SPDX-License-Identifier: Apache-2.0
"""What could be taken for the end of a message and isn't, messages that have none, and what stands around STARTTLS: no
octet of it is a command."""

import socket
import ssl

from lab.isp import config_text
from lab.topology import EDGE_CORE4, SMTP_NAME
from test_submission import FRIEND, SENDER, BadMailTest, SmtpTest

BARE, NUL, TOO_LARGE = "554 5.5.2", "554 5.6.0", "552 5.3.4"
# For one server or another each is CRLF.CRLF.
ENDS = {b"\n.\n": BARE, b"\n.\r\n": BARE, b"\r\n.\n": BARE, b"\n.\r": BARE, b"\r.\r": BARE, b"\r.\n": BARE, b"\r.\r\n": BARE,
        b"\r\n.\r": BARE, b"\r\n.\r\r\n": BARE, b"\r\r\n.\r\r\n": BARE, b"\r\n\x00.\r\n": NUL, b"\r\n.\x00\r\n": NUL,
        b"\n\n.\n\n": BARE}
SMUGGLED = b"MAIL FROM:<x@example.net>\r\nRCPT TO:<friend@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\ny\r\n"
LARGEST = 65_536
LINE = b"x" * 62 + b"\r\n"


class MessageEndsTest(BadMailTest):
    """Each of them in a message, and in a chunk of one. Not a test itself."""

    def assert_refused(self, octets: bytes, reply: str) -> None:
        """By one reply; the next one answers the next command, and no message has begun."""
        self.client.send(octets)
        self.assertEqual(self.code(self.client.getreply()), reply)
        self.assertEqual(self.code(self.client.docmd("VRFY", "x")), "252 2.0.0")
        self.assertEqual(self.code(self.client.docmd("DATA")), "503 5.5.1")

    def assert_all_refused(self, before: bytes = b"", reply: str | None = None) -> None:
        """`before`: text in front of them; `reply`: to them all, otherwise each has its own."""
        for end, own in ENDS.items():
            text = b"Subject: bad\r\n\r\n" + before + b"x" + end + SMUGGLED
            with self.subTest(end=end):
                self.begin_connection()
                self.begin()
                self.assert_refused(text + b".\r\n", reply or own)
            with self.subTest(end=end, chunk=True):
                self.begin_connection()
                self.assertEqual(self.client.mail(SENDER)[0], 250)
                self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
                self.assert_refused(b"BDAT %d LAST\r\n%b" % (len(text), text), reply or own)


class MessageEnds(MessageEndsTest):
    def test_all(self) -> None:
        self.assert_all_refused()
        self.after("after the message ends")


class LargeMail(MessageEndsTest):
    """More than the largest message has."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.configure(config_text(("[submission]\n", f"[submission]\nlargest_message = {LARGEST}\n")))
        cls.submission.restart()

    def test_message_ends(self) -> None:
        """A message that is refused already is read as strictly."""
        self.assert_all_refused(LINE * (LARGEST // len(LINE) + 1), TOO_LARGE)
        self.after("after the large ones")

    def test_without_an_end(self) -> None:
        """It is read for a while, so that its sender hears why it is refused, but not for ever."""
        for begin in (b"DATA\r\n", b"NOOP\r\nBDAT 1000000000 LAST\r\n"):
            with self.subTest(begin):
                self.begin_connection()
                self.assertEqual(self.client.mail(SENDER)[0], 250)
                self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
                self.client.send(begin)
                self.assertIn(self.client.getreply()[0], (354, 250))
                self.client.send(LINE * (4 * LARGEST // len(LINE) + 1))
                self.assertEqual(self.client.getreply(), (421, b"4.3.0 The message has no end"))
                self.assertEqual(self.client.sock.recv(1), b"")
        self.begin_connection()
        self.after("after those without an end")


INJECTED = b"EHLO evil\r\nMAIL FROM:<a@b.example>\r\n"
HELLO = b"EHLO client.example.net\r\n"


class AroundStartTls(SmtpTest):
    """Who sits between the two can add words of his own to what isn't encrypted yet (RFC 3207, 6)."""

    def connect(self) -> socket.socket:
        with self.isp.lab["a"].network():
            client = socket.create_connection((EDGE_CORE4, 587), 10)
        self.addCleanup(client.close)
        self.assertEqual(self.reply(client)[:4], b"220 ")
        return client

    def reply(self, client: socket.socket, words: bytes = b"") -> bytes:
        """To these words: its last line, and not an octet more is read."""
        client.sendall(words)
        line = b""
        while not line.endswith(b"\r\n") or line[3:4] == b"-":
            octet = client.recv(1)
            self.assertTrue(octet, f"the connection ends behind {line!r}")
            line = (b"" if line.endswith(b"\n") else line) + octet
        return line

    def secure(self, client: socket.socket) -> ssl.SSLSocket:
        secured = self.isp.smtp_trust.wrap_socket(client, server_hostname=SMTP_NAME, do_handshake_on_connect=False)
        self.addCleanup(secured.close)
        secured.do_handshake()
        return secured

    def assert_nothing_has_been_said(self, client: ssl.SSLSocket) -> None:
        self.assertEqual(self.reply(client, b"RCPT TO:<c@d.example>\r\n"), b"503 5.5.1 Say EHLO first\r\n")
        self.assertEqual(self.reply(client, HELLO)[:4], b"250 ")
        self.assertEqual(self.reply(client, b"RCPT TO:<c@d.example>\r\n"), b"503 5.5.1 Say MAIL first\r\n")
        self.assertEqual(self.reply(client, b"MAIL FROM:<a@b.example>\r\n")[:9], b"530 5.7.0")

    def test_behind_it(self) -> None:
        client = self.connect()
        self.assertEqual(self.reply(client, HELLO)[:4], b"250 ")
        self.assertEqual(self.reply(client, b"STARTTLS\r\n" + INJECTED)[:9], b"220 2.0.0")
        self.assert_nothing_has_been_said(self.secure(client))

    def test_in_front_of_it(self) -> None:
        """In one packet with it; what was answered in the clear is forgotten."""
        client = self.connect()
        self.assertEqual(self.reply(client, INJECTED + b"STARTTLS\r\n")[:4], b"250 ")
        self.assertEqual(self.reply(client)[:9], b"530 5.7.0")
        self.assertEqual(self.reply(client)[:9], b"220 2.0.0")
        self.assert_nothing_has_been_said(self.secure(client))

    def test_into_the_handshake(self) -> None:
        client = self.connect()
        self.assertEqual(self.reply(client, HELLO)[:4], b"250 ")
        self.assertEqual(self.reply(client, b"STARTTLS\r\n")[:9], b"220 2.0.0")
        client.sendall(INJECTED)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.secure(client)
