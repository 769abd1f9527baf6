# SPDX-License-Identifier: Apache-2.0
"""Clients that say nothing, next to nothing or too much, and such as are gone without a word: they hold neither a daemon
nor its memory, and honest ones are served among them."""

import contextlib
import itertools
import os
import re
import resource
import select
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import story_mail
from lab.clients import Smtp
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import API_KEY, EDGE_CORE4, MAIL4, POLICY_PORT, SMTP_NAME, SUBSCRIBERS, crowd_address4
from lab_test import LabTest
from test_mechanisms import Scram
from test_submission import FRIEND, SENDER, SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
SYSLOG_PORT = 1601
SECTIONS = f"""[[login.syslog]]
name = "syslog"
listen = "{EDGE_CORE4}"
port = {SYSLOG_PORT}
transport = "tcp"
senders = ["{MAIL4}"]
[[pool]]"""
# Clients from these ports vanish: no packet of theirs arrives any more, none reaches them.
GONE = range(20_000, 22_000)
VANISH = f"""
table inet vanish {{
    chain out {{ type filter hook output priority 0; tcp sport {GONE.start}-{GONE.stop - 1} drop; }}
    chain in {{ type filter hook input priority 0; tcp dport {GONE.start}-{GONE.stop - 1} drop; }}
}}
"""
# What each kind says on its connection.
POLICY_WORDS = (b"", b"", b"POST /?comm",
                b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode()
                + b"\r\nContent-Length: 60000\r\n\r\n" + b"{" * 50_000)
SYSLOG_WORDS = (b"", b"<22>1 - mail pop3d - - - LOGIN, us", b"8000 <22>" + b"x" * 7_000, b"x" * 100_000)


def resident_kib(process: int, which: str = "VmRSS") -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"^{which}:\s+(\d+) kB", status, re.MULTILINE).group(1))


@contextlib.contextmanager
def running(work: Callable[[], None]) -> Iterator[None]:
    """Beside what stands in the `with`; whatever ends it must have been said before."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


class SilentClients(LabTest):
    """They come from the mail host, which may speak."""

    # How many connections each listener takes, and room for what the agent opens besides, now and then.
    most_descriptors = 256 + 64 + 16
    most_growth_kib = 64 * 1024

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent(("[[pool]]", SECTIONS))
        self.agent.revoke_all()
        self.mail = self.isp.lab["mail"]
        self.ports = iter(GONE)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.agent.process.pid}/fd"))

    def crowd(self, clients: contextlib.ExitStack, port: int, words: tuple[bytes, ...], count: int, gone: bool) -> None:
        """So many clients, each kind in turn; of those that will be gone, all from their own ports."""
        for number in range(count):
            with self.mail.network(), contextlib.suppress(ConnectionError):
                stream = clients.enter_context(socket.socket())
                stream.settimeout(5)
                if gone:
                    stream.bind((MAIL4, next(self.ports)))
                stream.connect((EDGE_CORE4, port))
                stream.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    stream.send(words[number % len(words)])

    def test_crowds(self) -> None:
        before, kib = self.descriptors(), resident_kib(self.agent.process.pid)
        with contextlib.ExitStack() as clients:
            for gone in (True, False):
                self.crowd(clients, POLICY_PORT, POLICY_WORDS, 1000, gone)
                self.crowd(clients, SYSLOG_PORT, SYSLOG_WORDS, 200, gone)
                self.assert_bounded(before, kib)
                self.assert_serves("192.0.2.60" if gone else "192.0.2.61")
                if gone:
                    self.mail.run("nft", "-f", "-", text=VANISH)
                    self.addCleanup(self.mail.run, "nft", "delete", "table", "inet", "vanish")
                    self.assert_serves("192.0.2.62")
            self.assert_bounded(before, kib)
        await_true(lambda: "SYSLOG_CROWDED" in self.log(), "the log tells of the crowd")
        self.assert_serves("192.0.2.63")

    def assert_bounded(self, before: int, kib: int) -> None:
        await_true(lambda: self.descriptors() <= before + self.most_descriptors, "few descriptors")
        self.assertLess(resident_kib(self.agent.process.pid) - kib, self.most_growth_kib)

    def assert_serves(self, address: str) -> None:
        """An honest login by either way, and an operator."""
        await_true(self.answers, "an honest login in the crowd", 20)
        await_true(lambda: self.agent.granted(A.address4), "its port is open")
        self.agent.revoke_all()
        self.mail.run("logger", "-n", EDGE_CORE4, "-T", "-P", str(SYSLOG_PORT), "-t", "pop3d", "--",
                      f"LOGIN, user=alice, ip=[{address}], port=[1234], protocol=POP3")
        await_true(lambda: self.agent.granted(address), "an honest line in the crowd")
        self.assertEqual(self.agent.command("status").returncode, 0)

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.policy("allow", self.login_event(A.address4))[0] == 200
        return False


class FewDescriptors(LabTest):  # labels: quick
    """The usual soft limit of 1024 is no limit; a hard one that is too low is told of."""

    def start_with(self, limit: str) -> str:
        """What the kernel says of the agent's limit then."""
        if self.agent.running():
            self.agent.stop()
        self.agent.start("prlimit", f"--nofile={limit}")
        limits = Path(f"/proc/{self.agent.process.pid}/limits").read_text()
        return re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE).group(1)

    def test_limits(self) -> None:
        self.assertEqual(self.start_with("128:4096"), "4096")
        self.assertNotIn("FEW_DESCRIPTORS", self.log())
        self.assertEqual(self.start_with("128:400"), "400")
        self.assertRegex(self.log(), "FEW_DESCRIPTORS.*limit=400")


def client_hello() -> bytes:
    """The first words of a TLS handshake."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname=SMTP_NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read()


class SilentSenders(SmtpTest):  # labels: alone
    """Ten thousand clients at the submission server: some say nothing, some an octet a second, and a quarter has begun a
    TLS handshake, or half of its first words."""

    count = 10_000
    most_kib = 12  # for each
    most_kib_in_handshake = 64
    soon = 0.1  # seconds

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.configure(config_text(("[submission]\n", f"[submission]\nconnections = {cls.count + 1000}\n")))
        cls.submission.restart()

    def test_an_honest_client_among_them(self) -> None:
        kib = [resident_kib(self.submission.smtpd.process.pid)]
        with contextlib.ExitStack() as clients:
            self.allow_descriptors(clients)
            crowd = self.enter(clients, 587, self.count * 3 // 4)
            # Who says anything before its greeting is sent away.
            await_true(lambda: self.connected() == len(crowd), "the first of them are connected", 25)
            kib.append(resident_kib(self.submission.smtpd.process.pid))
            self.assertLess((kib[1] - kib[0]) / len(crowd), self.most_kib, "KiB for each")
            end = threading.Event()
            clients.enter_context(running(lambda: self.drip(crowd[::2], end)))
            clients.callback(end.set)  # before the thread is waited for
            hello = client_hello()
            shaking = self.enter(clients, 465, self.count // 4)
            for number, client in enumerate(shaking):
                client.sendall(hello if number % 2 else hello[:len(hello) // 2])
            await_true(lambda: self.connected() == self.count, "all of them are connected", 25)
            # Who has begun a handshake has 30 seconds for it.
            self.assert_soon(self.greet)
            self.assert_soon(self.greet_in_tls)
            kib.append(resident_kib(self.submission.smtpd.process.pid))
            self.assertLess((kib[2] - kib[1]) / len(shaking), self.most_kib_in_handshake, "KiB for each in a handshake")
            story_mail.send(self.isp, B, FRIEND, subject := f"in a crowd {time.time_ns()}")
            story_mail.arrived(self.isp, "internet", subject)
            self.assertGreaterEqual(self.connected(), len(crowd), "nobody was sent away")

    def allow_descriptors(self, clients: contextlib.ExitStack) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.count + 1000
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
        clients.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, max(hard, wanted)))

    def enter(self, clients: contextlib.ExitStack, port: int, count: int) -> list[socket.socket]:
        """From all addresses behind A's line: one alone may have a tenth of all connections."""
        crowd = []
        with self.isp.lab["a"].network():
            for number in range(count):
                client = clients.enter_context(socket.socket())
                client.settimeout(20)
                client.bind((crowd_address4(number % 222), 0))
                client.connect((EDGE_CORE4, port))
                crowd.append(client)
        return crowd

    def drip(self, crowd: list[socket.socket], end: threading.Event) -> None:
        """An octet a second from each, and not from all at once."""
        for turn in itertools.count():
            for client in crowd[turn % 50::50]:
                with contextlib.suppress(OSError):
                    client.send(b"N")
            if end.wait(0.02):
                return

    def connected(self) -> int:
        said = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/submission.sock",
                             "http://localhost/metrics").stdout
        return int(float(re.search(r"^sekisho_submission_connections (\S+)$", said, re.MULTILINE).group(1)))

    def assert_soon(self, serve: Callable[[smtplib.SMTP], None]) -> None:
        """Half of 20 clients at any rate, and all of them but one. The machine has other things to do, too: where more are
        late, another 20 come."""
        for _ in range(4):
            seconds = sorted(self.seconds(serve) for _ in range(20))
            self.assertLess(seconds[10], self.soon, serve.__name__)
            if seconds[18] < self.soon:
                return
        self.fail(f"{serve.__name__}: of 20 clients more than one are late: {seconds}")

    def seconds(self, serve: Callable[[smtplib.SMTP], None]) -> float:
        time.sleep(0.05)  # what is measured is each time another moment
        begin = time.monotonic()
        with self.isp.lab["b"].network(), contextlib.closing(Smtp(EDGE_CORE4)) as client:
            serve(client)
            return time.monotonic() - begin

    def greet(self, client: smtplib.SMTP) -> None:
        client.ehlo()

    def greet_in_tls(self, client: smtplib.SMTP) -> None:
        client.ehlo()
        client.starttls(context=self.isp.smtp_trust)
        client.ehlo()


class SilentHandshakes(SmtpTest):
    """Who begins TLS and doesn't go on has half a minute, in whatever pieces the words come."""

    most_seconds = 30

    def setUp(self) -> None:
        super().setUp()
        self.clients: dict[str, socket.socket] = {}

    def connect(self, kind: str, port: int) -> socket.socket:
        with self.isp.lab["a"].network():
            client = self.clients[kind] = socket.create_connection((EDGE_CORE4, port), 20)
        self.addCleanup(client.close)
        return client

    def metric(self, name: str) -> int:
        said = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/submission.sock",
                             "http://localhost/metrics").stdout
        return int(float(re.search(rf"^{name} (\S+)$", said, re.MULTILINE).group(1)))

    def test_half_a_minute(self) -> None:
        failed = self.metric("sekisho_submission_tls_failures_total")
        hello = client_hello()
        begin = time.monotonic()
        self.connect("nothing", 465)
        self.connect("half of the first words", 465).sendall(hello[:len(hello) // 2])
        self.connect("no more than the first words", 465).sendall(hello)
        self.connect("drops", 465)
        upgraded = self.connect("nothing behind STARTTLS", 587)
        for words, reply in ((b"", b"220 "), (b"EHLO x\r\n", b"250-"), (b"STARTTLS\r\n", b"220 ")):
            upgraded.sendall(words)
            self.assertEqual(upgraded.recv(4096)[:4], reply)
        self.login().close()
        ends = self.ends(begin, hello)
        for kind in self.clients:
            self.assertGreater(ends[kind], self.most_seconds - 2, f"{kind}: {ends}")
            self.assertLess(ends[kind], self.most_seconds + 5, f"{kind}: {ends}")
        self.assertEqual(self.metric("sekisho_submission_tls_failures_total"), failed + len(self.clients))
        self.assertEqual(self.metric("sekisho_submission_connections"), 0)
        said = self.edge.log("sekisho-smtpd.log").read_text()
        self.assertEqual(said.count('TLS_FAILED "the handshake took over half a minute"'), len(self.clients))

    def ends(self, begin: float, hello: bytes) -> dict[str, float]:
        """When each of them was cut off; meanwhile one says an octet after the other."""
        ends: dict[str, float] = {}
        drops = iter(hello)
        while len(ends) < len(self.clients) and time.monotonic() < begin + 2 * self.most_seconds:
            if "drops" not in ends:
                with contextlib.suppress(OSError):
                    self.clients["drops"].send(bytes([next(drops)]))
            left = [client for kind, client in self.clients.items() if kind not in ends]
            for client in select.select(left, [], [], 0.25)[0]:
                with contextlib.suppress(ConnectionError):
                    if client.recv(16384):
                        continue
                ends[next(kind for kind in self.clients if self.clients[kind] is client)] = time.monotonic() - begin
        return ends


CLEAR = 2587  # a port where who reads and writes at once needs no TLS that can do that
CLEAR_LISTENER = f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {CLEAR}
login_in_clear = true
"""
FREE_COMMANDS = 100  # that move nothing, before each counts as an error


class MillionRecipients(SmtpTest):
    """Of one message, by a client that has logged in and doesn't wait for replies."""

    count = 1_000_000
    most_growth_kib = 8 * 1024

    def set_limits(self, recipients: int, errors: int) -> None:
        limits = f"[submission]\nrecipients = {recipients}\nerrors = {errors}\n"
        self.agent.configure(config_text(("[submission]\n", limits)) + CLEAR_LISTENER)
        self.submission.restart()
        await_true(self.offered, "logins")
        Path(f"/proc/{self.submission.smtpd.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        self.kib = resident_kib(self.submission.smtpd.process.pid)

    def offered(self) -> bool:
        with self.isp.lab["a"].network(), contextlib.closing(Smtp(EDGE_CORE4, CLEAR)) as client:
            client.ehlo()
            return client.has_extn("auth")

    def assert_small(self) -> None:
        peak = resident_kib(self.submission.smtpd.process.pid, "VmHWM")
        self.assertLess(peak - self.kib, self.most_growth_kib, "KiB")

    def flood(self, pause: float = 0) -> list[str]:
        """The replies to all of them, up to the end of the connection; read after so many seconds."""
        with self.isp.lab["a"].network(), contextlib.closing(Smtp(EDGE_CORE4, CLEAR)) as client:
            client.ehlo()
            client.auth("SCRAM-SHA-256", Scram("SCRAM-SHA-256", A.user, A.password))
            self.assertEqual(client.mail(SENDER)[0], 250)
            if pause:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # it has no room for all of them
            replies = []
            with running(lambda: self.write(client.sock)), contextlib.suppress(ConnectionResetError):
                time.sleep(pause)
                while line := client.file.readline():
                    replies.append(line[:9].decode())
            return replies

    def write(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # nobody reads to the end
            for _ in range(self.count // 1000):
                connection.sendall(f"RCPT TO:<{FRIEND}>\r\n".encode() * 1000)

    def assert_cut_short(self, recipients: int, errors: int, pause: float = 0) -> None:
        replies = self.flood(pause)
        self.assertEqual(replies[:recipients], ["250 2.1.5"] * recipients)
        self.assertEqual(set(replies[recipients:-1]), {"452 4.5.3"})
        self.assertEqual(replies[-1], "421 4.7.0")
        self.assertLessEqual(len(replies), recipients + FREE_COMMANDS + errors + 1)
        self.assertEqual(self.submission.queue(), [])

    def test_with_the_usual_limits(self) -> None:
        self.set_limits(100, 10)
        self.assert_cut_short(100, 10)
        self.assert_small()

    def test_with_the_highest_limits(self) -> None:
        """Nobody is answered a million times: there is no configuration that allows it."""
        self.set_limits(1000, 1000)
        self.assert_cut_short(1000, 1000)
        self.assert_small()

    def test_who_reads_late(self) -> None:
        """Replies are still on their way when the server has said its last word, and commands, too."""
        self.set_limits(1000, 1000)
        self.assert_cut_short(1000, 1000, 2)

    def test_others_are_served_meanwhile(self) -> None:
        self.set_limits(1000, 1000)
        end = threading.Event()
        floods = []

        def flood_on() -> None:
            while not end.is_set():
                floods.append(self.flood())

        with contextlib.ExitStack() as clients:
            for _ in range(3):
                clients.enter_context(running(flood_on))
            clients.callback(end.set)  # before the threads are waited for
            await_true(lambda: len(floods) >= 3, "the first floods", 60)
            with self.isp.lab["b"].network(), contextlib.closing(Smtp(EDGE_CORE4)) as client:
                self.assertEqual(client.ehlo()[0], 250)
            story_mail.send(self.isp, B, FRIEND, subject := f"among recipients {time.time_ns()}")
        self.assertEqual({replies[-1] for replies in floods}, {"421 4.7.0"})
        story_mail.arrived(self.isp, "internet", subject)
        await_true(lambda: not self.submission.queue(), "an empty queue")
        self.assert_small()
