# SPDX-License-Identifier: Apache-2.0
"""Hosts between a client and the submission server: balancers, which say who is behind them by the PROXY protocol, and hosts
that speak for others by XCLIENT. Their time, their crowds, and limits, which are those of whom they speak for."""

import base64
import contextlib
import re
import signal
import smtplib
import socket
import ssl
import time

from lab.clients import Smtp
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SMTP_NAME, SUBSCRIBERS, crowd_address4
from test_failed_logins import tries
from test_submission import FRIEND, SENDER, SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
ONE, OTHER = crowd_address4(40), crowd_address4(41)  # clients behind such a host
BALANCED, BALANCED_TLS, SPEAKER = 2525, 2465, 2587
CONNECTIONS = 40
LISTENERS = f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {BALANCED}
proxy = ["{A.address4}/32"]
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {BALANCED_TLS}
tls = "implicit"
proxy = ["{A.address4}/32"]
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {SPEAKER}
xclient = ["{B.address4}/32"]
"""
LIMIT = ("[submission]\n", f"[submission]\nconnections = {CONNECTIONS}\n")
HEADER_TIME = 10  # seconds
EHLO = b"EHLO client.example.net\r\n"


def header(client: str, port: int = BALANCED) -> bytes:
    return f"PROXY TCP4 {client} {EDGE_CORE4} 40000 {port}\r\n".encode()


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class InBetweenTest(SmtpTest):
    """With such listeners. Not a test itself."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.stop()
        cls.agent.configure(config_text(LIMIT, tries(per_address=3, per_network=0, per_user=0)) + LISTENERS)
        cls.agent.start()
        cls.submission.restart()

    def setUp(self) -> None:
        super().setUp()
        for lock in self.agent.ask("lockout", "list")["lockouts"]:
            self.agent.ask("lockout", "remove", lock["who"])

    def smtpd_said(self) -> str:
        return self.edge.log("sekisho-smtpd.log").read_text()

    def metric(self, name: str) -> int:
        text = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/submission.sock",
                             "http://localhost/metrics").stdout
        return int(float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE).group(1)))

    def delays(self, client: str) -> list[int]:
        """For how long sekisho-auth has held back its noes to a client, in milliseconds."""
        said = self.edge.log("sekisho-auth.log").read_text()
        return [int(each) for each in re.findall(rf"LOGIN_WRONG .* address={re.escape(client)} .*answered_after_ms=(\d+)", said)]

    def assert_locked(self, client: str) -> None:
        self.assertEqual([(each["kind"], each["who"]) for each in self.agent.ask("lockout", "list")["lockouts"]],
                         [("address", client)])

    def assert_counted_by_client(self, log_in) -> None:
        """`log_in(client, password)` are the codes of the reply to B's user."""
        for _ in range(3):
            self.assertEqual(log_in(ONE, "guessed"), "535 5.7.8")
        self.assert_locked(ONE)
        begin = time.monotonic()
        self.assertEqual(log_in(ONE, B.password), "535 5.7.8", "the right one is refused, too")
        self.assertGreater(time.monotonic() - begin, 10)
        self.assertEqual(log_in(OTHER, "guessed"), "535 5.7.8")
        self.assertEqual(log_in(OTHER, B.password), "235 2.7.0", "by the same host")
        self.assertEqual(self.delays(ONE)[-3:], [200, 400, 800])
        self.assertEqual(self.delays(OTHER)[-1:], [200], "nor does he wait for what others have failed")
        self.assert_locked(ONE)


class Balancers(InBetweenTest):
    """A is one."""

    def connect(self, port: int = BALANCED, host: str = "a") -> socket.socket:
        with self.isp.lab[host].network():
            client = socket.create_connection((EDGE_CORE4, port), 20)
        self.addCleanup(client.close)
        return client

    def rest(self, client: socket.socket) -> bytes:
        """All that is said up to the end."""
        said = b""
        with contextlib.suppress(ConnectionResetError):  # who closes with something unread says so
            while piece := client.recv(4096):
                said += piece
        return said

    def greeted(self, client: str, port: int = BALANCED) -> smtplib.SMTP:
        """A client behind it; smtplib.SMTPConnectError if it is turned away."""
        connection = self.connect(port)
        connection.sendall(header(client, port))
        smtp = smtplib.SMTP(local_hostname="client.example.net")
        if port == BALANCED_TLS:
            connection = self.isp.smtp_trust.wrap_socket(connection, server_hostname=SMTP_NAME)
        smtp.sock = connection
        self.addCleanup(smtp.close)
        code, text = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        return smtp

    def test_header_in_time(self) -> None:
        """As a whole: it isn't enough to say an octet now and then."""
        begin = time.monotonic()
        silent, dripping, secret = self.connect(), self.connect(), self.connect(BALANCED_TLS)
        secret.sendall(b"\r\n\r\n\0\r\nQUIT\n")
        dripping.settimeout(0.5)
        with contextlib.suppress(ConnectionError):
            for octet in header(ONE):
                dripping.sendall(bytes([octet]))
                with contextlib.suppress(TimeoutError):
                    self.assertEqual(dripping.recv(100), b"")
                    break
        for each in (silent, secret):
            self.assertEqual(self.rest(each), b"", "nobody knows yet who would read it")
        self.assertGreater(time.monotonic() - begin, HEADER_TIME - 1)
        self.assertLess(time.monotonic() - begin, HEADER_TIME + 5)
        await_true(lambda: "of a PROXY header" in self.smtpd_said(), "a word to the operator")

    def test_a_crowd_that_never_says_who(self) -> None:
        """It takes nobody's place but its own, and that for ten seconds."""
        before = self.metric('sekisho_submission_connections_total{result="turned_away"}')
        begin = time.monotonic()
        crowd = [self.connect() for _ in range(CONNECTIONS)]
        self.assertEqual(self.rest(self.connect()), b"421 4.3.2 Too many connections, try again later\r\n")
        self.assertEqual(self.rest(self.connect(BALANCED_TLS)), b"", "in TLS it would have words")
        self.assertEqual(self.metric('sekisho_submission_connections_total{result="turned_away"}'), before + 2)
        self.assertRegex(self.smtpd_said(), f"CROWDED .*a balancer was turned away.*{A.address4}")
        self.assertEqual(self.metric("sekisho_submission_connections"), 0)
        with self.isp.lab["b"].network():
            Smtp(EDGE_CORE4).close()  # by another listener
        for each in crowd:
            self.assertEqual(self.rest(each), b"")
        self.assertLess(time.monotonic() - begin, HEADER_TIME + 5)
        self.assertEqual(self.code(self.greeted(ONE).noop()), "250 2.0.0")

    def test_tls_behind_the_header(self) -> None:
        """In a packet of its own or in the same, and what is between the two is TLS's own."""
        client = self.greeted(ONE, BALANCED_TLS)
        self.assertIn(f"greets {ONE}".encode(), client.ehlo()[1])
        self.assertEqual(self.code(client.docmd("AUTH", f"PLAIN {plain(B.user, B.password)}")), "235 2.7.0")
        self.assertEqual(self.decisions("--within", ONE, "--reporter", "submission")[-1]["user"], B.user)
        client.sendmail(SENDER, FRIEND, "Subject: behind a balancer\r\n\r\nx\r\n")
        self.assertRegex(self.smtpd_said(), f"MESSAGE_ACCEPTED .*client={ONE} tls=\"TLSv1")
        said, heard = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.isp.smtp_trust.wrap_bio(heard, said, server_hostname=SMTP_NAME)
        connection = self.connect(BALANCED_TLS)
        first = header(OTHER, BALANCED_TLS)
        for step in (tls.do_handshake, lambda: tls.read(1000), lambda: tls.write(EHLO), lambda: tls.read(1000)):
            while True:
                try:
                    answer = step()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(first + said.read())
                    first = b""
                    heard.write(connection.recv(16384))
            connection.sendall(said.read())
        self.assertIn(f"greets {OTHER}".encode(), answer)

    def test_tls_without_a_header(self) -> None:
        def is_told() -> bool:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.isp.smtp_trust.wrap_socket(self.connect(BALANCED_TLS), server_hostname=SMTP_NAME)
            return "there is no PROXY header" in self.smtpd_said()

        await_true(is_told, "a word to the operator, who is told of one in a second", 10, 0.5)

    def test_a_handshake_behind_the_header_that_fails(self) -> None:
        before = self.metric("sekisho_submission_tls_failures_total")
        connection = self.connect(BALANCED_TLS)
        connection.sendall(header(ONE, BALANCED_TLS) + b"\x16\x03\x01\x00\x05hello")
        self.rest(connection)
        await_true(lambda: self.metric("sekisho_submission_tls_failures_total") == before + 1, "a failure")
        self.assertRegex(self.smtpd_said(), f"TLS_FAILED .*{ONE}")

    def test_failed_logins(self) -> None:
        def log_in(client: str, password: str) -> str:
            with self.greeted(client, BALANCED_TLS) as smtp:
                smtp.ehlo()
                return self.code(smtp.docmd("AUTH", f"PLAIN {plain(B.user, password)}"))

        self.assert_counted_by_client(log_in)

    def test_share_of_one_client(self) -> None:
        """A tenth of all connections."""
        crowd = [self.greeted(ONE) for _ in range(CONNECTIONS // 10)]
        with self.assertRaises(smtplib.SMTPConnectError) as told:
            self.greeted(ONE)
        self.assertEqual(told.exception.smtp_code, 421)
        self.assertEqual(self.code(self.greeted(OTHER).noop()), "250 2.0.0")
        crowd[0].close()
        await_true(lambda: self.has_room(ONE), "room for the client that has left")

    def has_room(self, client: str) -> bool:
        with contextlib.suppress(smtplib.SMTPConnectError):
            self.greeted(client).close()
            return True
        return False

    def test_a_header_when_nobody_is_taken_in_any_more(self) -> None:
        busy = self.login()
        self.addCleanup(busy.close)
        busy.mail(SENDER)
        busy.rcpt(FRIEND)
        self.assertEqual(busy.docmd("DATA")[0], 354)
        waiting = self.connect()
        self.submission.smtpd.process.signal(signal.SIGTERM)
        await_true(lambda: "LEAVING" in self.smtpd_said(), "the end begins")
        waiting.sendall(header(ONE))
        self.assertEqual(self.rest(waiting), b"421 4.3.2 Shutting down\r\n")
        busy.send(b"Subject: still in time\r\n\r\nx\r\n.\r\n")
        self.assertEqual(self.code(busy.getreply()), "250 2.0.0")
        self.submission.smtpd.process.wait()
        self.submission.smtpd.start()


class SpeakingHosts(InBetweenTest):
    """B is one, by XCLIENT."""

    def speaking_for(self, client: str) -> smtplib.SMTP:
        with self.isp.lab["b"].network():
            smtp = smtplib.SMTP(EDGE_CORE4, SPEAKER, "webmail.example.net", 20)
        self.addCleanup(smtp.close)
        smtp.ehlo()
        self.assertEqual(smtp.docmd("XCLIENT", f"ADDR={client}")[0], 220)
        smtp.ehlo()
        smtp.starttls(context=self.isp.smtp_trust)
        self.assertIn(f"greets {client}".encode(), smtp.ehlo()[1])
        return smtp

    def test_failed_logins(self) -> None:
        def log_in(client: str, password: str) -> str:
            with self.speaking_for(client) as smtp:
                return self.code(smtp.docmd("AUTH", f"PLAIN {plain(B.user, password)}"))

        self.assert_counted_by_client(log_in)
        with self.isp.lab["b"].network(), Smtp(EDGE_CORE4) as smtp:
            smtp.starttls(context=self.isp.smtp_trust)
            smtp.login(B.user, B.password)  # the host itself has failed nothing

    def test_three_on_one_connection(self) -> None:
        smtp = self.speaking_for(ONE)
        for _ in range(2):
            self.assertEqual(self.code(smtp.docmd("AUTH", f"PLAIN {plain(B.user, 'guessed')}")), "535 5.7.8")
        smtp.putcmd("AUTH", f"PLAIN {plain(B.user, 'guessed')}")
        self.assertEqual([self.code(smtp.getreply()) for _ in range(2)], ["535 5.7.8", "421 4.7.0"])
        self.assert_locked(ONE)
