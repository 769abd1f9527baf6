# SPDX-License-Identifier: Apache-2.0
"""What could be taken for the end of a message and isn't, messages that have none, and what stands around STARTTLS: no
octet of it is a command."""

import base64
import random
import re
import socket
import ssl
import string

from lab.clients import SmtpTls
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SMTP_NAME, SUBSCRIBERS
from test_submission import FRIEND, SENDER, BadMailTest, SmtpTest

A = SUBSCRIBERS["a"]

BARE, NUL, TOO_LARGE = "554 5.5.2", "554 5.6.0", "552 5.3.4"
# For one server or another each is CRLF.CRLF.
ENDS = {b"\n.\n": BARE, b"\n.\r\n": BARE, b"\r\n.\n": BARE, b"\n.\r": BARE, b"\r.\r": BARE, b"\r.\n": BARE, b"\r.\r\n": BARE,
        b"\r\n.\r": BARE, b"\r\n.\r\r\n": BARE, b"\r\r\n.\r\r\n": BARE, b"\r\n\x00.\r\n": NUL, b"\r\n.\x00\r\n": NUL,
        b"\n\n.\n\n": BARE}
ENVELOPE = b"MAIL FROM:<x@example.net>\r\nRCPT TO:<friend@example.com>\r\n"
SMUGGLED = ENVELOPE + b"DATA\r\nSubject: smuggled\r\n\r\ny\r\n"
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

    def replies(self, octets: bytes, count: int) -> list[str]:
        """To all of this at once."""
        self.client.send(octets)
        return [self.code(self.client.getreply()) for _ in range(count)]

    def assert_end(self) -> None:
        self.assertEqual(self.client.sock.recv(100), b"")

    def test_across_data(self) -> None:
        """Who doesn't wait for the answer to DATA (RFC 2920, 3.1): its text is a message or nothing, never a command."""
        text = b"DATA\r\nSubject: %b\r\n\r\nRSET\r\n..\r\nQUIT\r\n.\r\n"
        taken = ["250 2.1.0", "250 2.1.5", "354 End", "250 2.0.0"]
        self.assertEqual(self.replies((ENVELOPE + text % b"one after") + (ENVELOPE + text % b"the other") + b"NOOP\r\n", 9),
                         taken + taken + ["250 2.0.0"])
        await_true(lambda: {"one after", "the other"} <= set(self.subjects()), "both messages", 15)
        nobody = ENVELOPE.replace(b"friend", b"a friend")
        for refused, codes in ((nobody, ["250 2.1.0", "501 5.1.3", "554 5.5.1"]), (b"", ["503 5.5.1"])):
            with self.subTest(codes):
                self.begin_connection()
                self.assertEqual(self.replies(refused + text % b"bad" + SMUGGLED + b".\r\n", len(codes) + 1),
                                 [*codes, "421 4.7.0"])
                self.assert_end()
        self.begin_connection()
        self.after("after the texts without DATA")

    def test_across_auth(self) -> None:
        """Who doesn't wait for the answer to AUTH: what stands behind it is answered by what the login has become."""
        right, wrong = (base64.b64encode(f"\0{A.user}\0{word}".encode()) for word in (A.password, "guessed"))
        cases = ((b" " + right + b"\r\n", ["235 2.7.0", "250 2.1.0", "250 2.1.5"]),
                 (b" " + wrong + b"\r\n", ["535 5.7.8", "530 5.7.0", "503 5.5.1"]),
                 (b"\r\n" + right + b"\r\n", ["334", "235 2.7.0", "250 2.1.0", "250 2.1.5"]),
                 (b"\r\n", ["334", "501 5.5.2", "503 5.5.1"]))  # MAIL was the password
        for initial, codes in cases:
            with self.subTest(codes), self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
                client.send(b"EHLO client.example.net\r\nAUTH PLAIN" + initial + ENVELOPE)
                self.assertEqual(client.getreply()[0], 250)
                said = [client.getreply() for _ in codes]
                self.assertEqual([self.code(each) if each[1] else str(each[0]) for each in said], codes)

    def test_other_protocols(self) -> None:
        """A browser that was sent here, and a header that has lost its DATA: nothing behind their first line is read."""
        for first in (*(f"{method} / HTTP/1.1" for method in ("GET", "POST", "PUT", "HEAD", "OPTIONS", "get")),
                      f"CONNECT {SMTP_NAME}:25 HTTP/1.1", "Host: x", "X-Anything:", "Subject: bad"):
            with self.subTest(first):
                self.begin_connection()
                self.assertEqual(self.replies(f"{first}\r\n\r\n".encode() + SMUGGLED + b".\r\n", 1), ["421 4.7.0"])
                self.assert_end()
        self.begin_connection()
        self.after("after the browsers")

    def test_long_lines(self) -> None:
        """Of a million octets; a command goes on for no longer."""
        million = b"x" * 1_000_000
        self.assertEqual(self.replies(b"NOOP " + million + b"\r\nVRFY x\r\n", 2), ["500 5.5.2", "252 2.0.0"])
        bad = b"Subject: bad\r\n\r\n" + million + b"\r\n"
        self.assertEqual(self.replies(ENVELOPE + b"DATA\r\n" + bad + b".\r\nVRFY x\r\n", 5),
                         ["250 2.1.0", "250 2.1.5", "354 End", "554 5.6.0", "252 2.0.0"])
        self.assertEqual(self.replies(ENVELOPE + b"BDAT %d LAST\r\n" % len(bad) + bad + b"VRFY x\r\n", 4),
                         ["250 2.1.0", "250 2.1.5", "554 5.6.0", "252 2.0.0"])
        self.assertEqual(self.replies(b"MAIL FROM:<" + million + million + b">\r\n" + SMUGGLED, 1), ["421 4.7.0"])
        self.assert_end()
        self.begin_connection()
        self.after("after the long lines")

    def test_octet_for_octet(self) -> None:
        """What arrives is what was sent, whether its end is a dot or is counted."""
        chance = random.Random(3)
        letters = (string.ascii_letters + string.digits + string.punctuation + " \t").encode()
        lines = [b"", b".", b"..", b". ", b"...", b"From ", b"." * 998, b"trailing blanks \t "]
        while sum(map(len, lines)) < 3_000_000:
            lines.append(chance.choice((b"", b"", b".", b"..")) + bytes(chance.choices(letters, k=chance.randrange(996))))
        body = b"".join(line + b"\r\n" for line in lines)
        for way in ("DATA", "BDAT"):
            text = b"Subject: all of it by %b\r\n\r\n" % way.encode() + body
            self.client.send(ENVELOPE + (b"DATA\r\n" + re.sub(rb"(?m)^\.", b"..", text) + b".\r\n" if way == "DATA"
                                         else self.chunks(text, chance)))
            reply = self.client.getreply()
            while reply[0] in (250, 354) and b"Accepted" not in reply[1]:
                reply = self.client.getreply()
            self.assertEqual(self.code(reply), "250 2.0.0", reply)
        for way in ("DATA", "BDAT"):
            await_true(lambda way=way: f"all of it by {way}" in self.subjects(), f"the message by {way}", 30)
            messages = [path.read_bytes().split(b"\n\n", 1) for path in self.isp.inbox("internet")]
            (arrived,) = [text for head, text in messages if head.split(b"\n").count(b"Subject: all of it by %b" % way.encode())]
            self.assertTrue(arrived == body.replace(b"\r\n", b"\n"), f"{way}: {len(arrived)} octets are others")

    def chunks(self, text: bytes, chance: random.Random) -> bytes:
        """In pieces of any size, an empty one at the end."""
        said = b""
        while text:
            size = min(len(text), chance.choice((1, 2, 100, chance.randrange(1, 200_000))))
            said += b"BDAT %d\r\n" % size + text[:size]
            text = text[size:]
        return said + b"BDAT 0 LAST\r\n"


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
