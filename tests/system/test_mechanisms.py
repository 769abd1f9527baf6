# SPDX-License-Identifier: Apache-2.0
"""Logins at the submission server by proof instead of password (SCRAM, RFC 5802 and 7677)."""

import base64
import hashlib
import hmac
import itertools
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from lab.clients import Smtp, SmtpTls, pop3_login, trust
from lab.hosts import Host, await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, MAIL4, SUBSCRIBERS
from test_failed_logins import tries
from test_submission import SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
NO_EXTENDED_MASTER_SECRET = 1  # OpenSSL's SSL_OP_..., for which Python's ssl has no name
ALL = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]


class Scram:
    """The client's side, as an object for smtplib's auth(): each call answers a challenge."""

    def __init__(self, mechanism: str, user: str, password: str, binding: tuple[str, bytes] | None = None):
        """`binding`: what kind of channel binding the client takes, and its data."""
        self.hash = HASHES[mechanism.removesuffix("-PLUS")]
        self.header = f"p={binding[0]},," if binding else "n,,"
        self.bound = self.header.encode() + (binding[1] if binding else b"")
        self.bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
        self.password = password
        self.challenge = ""
        self.server_final = ""

    def __call__(self, challenge: bytes | None = None) -> str:
        if challenge is None:
            return f"{self.header}{self.bare}"
        said = challenge.decode()
        if self.server_final:
            if said != self.server_final:
                raise ValueError("this server doesn't know the password's keys")
            return ""
        self.challenge = said
        return self.proof(dict(each.split("=", 1) for each in said.split(",")))

    def proof(self, said: dict[str, str]) -> str:
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        client_key = hmac.digest(salted, b"Client Key", self.hash)
        without = f"c={base64.b64encode(self.bound).decode()},r={said['r']}"
        message = f"{self.bare},{self.challenge},{without}".encode()
        signature = hmac.digest(hashlib.new(self.hash, client_key).digest(), message, self.hash)
        proof = bytes(left ^ right for left, right in zip(client_key, signature))
        server = hmac.digest(hmac.digest(salted, b"Server Key", self.hash), message, self.hash)
        self.server_final = f"v={base64.b64encode(server).decode()}"
        return f"{without},p={base64.b64encode(proof).decode()}"

    def looks(self) -> tuple[int, str]:
        """What a stranger can tell from the challenge: the salt's length, and the iterations."""
        said = dict(each.split("=", 1) for each in self.challenge.split(","))
        return len(said["s"]), said["i"]


class Gsasl:
    """Debian's program gsasl, as an object for smtplib's auth()."""

    def __init__(self, mechanism: str, user: str, password: str):
        self.process = subprocess.Popen(["gsasl", "--client", "--quiet", "--no-cb", "-m", mechanism, "-a", user, "-p", password],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Gsasl":
        self.process.stdout.readline()  # the mechanism's name
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def __call__(self, challenge: bytes | None = None) -> str:
        if challenge is not None:
            self.process.stdin.write(base64.b64encode(challenge).decode() + "\n")
            self.process.stdin.flush()
        return base64.b64decode(self.process.stdout.readline()).decode()


class TlsProgram:
    """openssl's s_client on port 465, which tells what the connection is bound to (TLS 1.3)."""

    def __init__(self, host: Host):
        self.process = host.spawn("openssl", "s_client", "-connect", f"{EDGE_CORE4}:465", "-ign_eof", "-crlf", "-tls1_3",
                                  "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32",
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.exporter = bytes.fromhex(self.until("Keying material: ").removeprefix("Keying material: "))
        self.until("220 ")
        self.say("EHLO client.example.net")

    def __enter__(self) -> "TlsProgram":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def until(self, begin: str) -> str:
        for line in self.process.stdout:
            if line.strip().startswith(begin):
                return line.strip()
        raise EOFError(begin)

    def say(self, line: str) -> str:
        """The last line of the reply."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        for reply in self.process.stdout:
            if re.match("[2-5][0-9]{2} ", reply):
                return reply.strip()
        raise EOFError(line)

    def log_in(self, mechanism: str, scram: Scram) -> str:
        reply = self.say(f"AUTH {mechanism} {base64.b64encode(scram().encode()).decode()}")
        while reply.startswith("334 "):
            reply = self.say(base64.b64encode(scram(base64.b64decode(reply[4:])).encode()).decode())
        return reply


class Mechanisms(SmtpTest):  # labels: quick
    """With every user's password set by `sekisho user`."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a = cls.isp.lab["a"]

    def setUp(self) -> None:
        super().setUp()
        await_true(lambda: self.offered() == ALL, "all mechanisms", 10)

    def connected(self) -> smtplib.SMTP:
        with self.a.network():
            client = SmtpTls(EDGE_CORE4, self.isp.smtp_trust)
        client.ehlo()
        return client

    def offered(self) -> list[str]:
        with self.connected() as client:
            return client.esmtp_features["auth"].split()

    def log_in(self, mechanism: str, user: str, password: str) -> Scram:
        """smtplib.SMTPAuthenticationError if it failed."""
        scram = Scram(mechanism, user, password)
        with self.connected() as client:
            try:
                self.assertEqual(client.auth(mechanism, scram)[0], 235)
            except smtplib.SMTPAuthenticationError as failed:
                failed.scram = scram
                raise
        return scram

    def test_outside_of_tls(self) -> None:
        with self.a.network(), Smtp(EDGE_CORE4) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))
            self.assertEqual(self.code(client.docmd("AUTH", "SCRAM-SHA-256")), "538 5.7.11")
            client.starttls(context=self.isp.smtp_trust)
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), ALL)
            self.assertEqual(self.code(client.docmd("AUTH", "CRAM-MD5")), "504 5.5.4")

    def test_login_opens_port_25(self) -> None:
        for mechanism in HASHES:
            with self.subTest(mechanism):
                self.agent.revoke_all()
                self.log_in(mechanism, A.user.upper(), A.password)
                told = self.decisions("--within", A.address4, "--reporter", "submission")[-1]
                self.assertEqual(told["user"], A.user)
                self.assertIn(f"by {mechanism}", told["text"])
                self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [A.user])

    def test_wrong_and_unknown_look_alike(self) -> None:
        looks = set()
        for user in (A.user, "nobody"):
            with self.assertRaises(smtplib.SMTPAuthenticationError) as told:
                self.log_in("SCRAM-SHA-256", user, "guessed-again")
            looks.add((told.exception.smtp_code, told.exception.smtp_error, told.exception.scram.looks()))
        self.assertEqual(len(looks), 1, looks)

    def test_bound_to_the_connection(self) -> None:
        """By tls-exporter (RFC 9266): a proof that somebody passes on to his own connection is worth nothing."""
        with TlsProgram(self.a) as client, TlsProgram(self.a) as other:
            self.assertNotEqual(client.exporter, other.exporter)
            stolen = Scram("SCRAM-SHA-256-PLUS", A.user, A.password, ("tls-exporter", other.exporter))
            self.assertEqual(client.log_in("SCRAM-SHA-256-PLUS", stolen)[:9], "535 5.7.8")
            self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
            for mechanism, connection in (("SCRAM-SHA-256-PLUS", client), ("SCRAM-SHA-1-PLUS", other)):
                own = Scram(mechanism, A.user, A.password, ("tls-exporter", connection.exporter))
                self.assertEqual(connection.log_in(mechanism, own)[:9], "235 2.7.0")
        self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [A.user])

    def test_bound_to_the_connection_in_tls_1_2(self) -> None:
        """By tls-unique (RFC 5929), but not where the session was resumed."""
        self.isp.smtp_trust.maximum_version = ssl.TLSVersion.TLSv1_2
        self.addCleanup(setattr, self.isp.smtp_trust, "maximum_version", ssl.TLSVersion.MAXIMUM_SUPPORTED)
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            with self.subTest(mechanism), self.connected() as client:
                session = client.sock.session
                binding = client.sock.get_channel_binding("tls-unique")
                for data, code in ((b"x" * 12, 535), (binding, 235)):
                    scram = Scram(mechanism, A.user, A.password, ("tls-unique", data))
                    try:
                        self.assertEqual(client.auth(mechanism, scram)[0], code)
                    except smtplib.SMTPAuthenticationError as failed:
                        self.assertEqual(failed.smtp_code, code)
        with self.a.network(), socket.create_connection((EDGE_CORE4, 465)) as raw, \
                self.isp.smtp_trust.wrap_socket(raw, server_hostname=EDGE_CORE4, session=session) as resumed:
            self.assertTrue(resumed.session_reused)
            resumed.recv(1000)
            resumed.sendall(b"EHLO client.example.net\r\n")
            self.assertIn(b"250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\r\n", resumed.recv(2000))

    def test_without_the_extended_master_secret(self) -> None:
        """Without it two connections can have the same tls-unique (RFC 7627, 1): nothing is bound to it."""
        context = trust(self.isp.lab.state / "smtp.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= NO_EXTENDED_MASTER_SECRET
        with self.a.network(), SmtpTls(EDGE_CORE4, context) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), [each for each in ALL if not each.endswith("-PLUS")])
            self.assertEqual(self.code(client.docmd("AUTH", "SCRAM-SHA-256-PLUS")), "504 5.5.4")
            self.assertEqual(client.auth("SCRAM-SHA-256", Scram("SCRAM-SHA-256", A.user, A.password))[0], 235)

    def test_who_would_have_bound(self) -> None:
        """Somebody between the two has taken the names with -PLUS out of what was offered."""
        scram = Scram("SCRAM-SHA-256", A.user, A.password)
        scram.header, scram.bound = "y,,", b"y,,"
        with self.connected() as client, self.assertRaises(smtplib.SMTPAuthenticationError) as told:
            client.auth("SCRAM-SHA-256", scram)
        self.assertEqual(told.exception.smtp_code, 535)

    def test_gsasl(self) -> None:
        """GNU SASL's own client, whose words smtplib carries: its --smtp says STARTTLS before it has greeted."""
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"):
            with self.subTest(mechanism), Gsasl(mechanism, A.user, A.password) as client, self.connected() as connection:
                self.agent.revoke_all()
                self.assertEqual(connection.auth(mechanism, client)[0], 235)
                self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [A.user])
        with Gsasl("SCRAM-SHA-256", A.user, "guessed-again") as client, self.connected() as connection:
            with self.assertRaises(smtplib.SMTPAuthenticationError) as told:
                connection.auth("SCRAM-SHA-256", client)
            self.assertEqual(told.exception.smtp_code, 535)

    def test_locked_users(self) -> None:
        """From where they never were: neither a proof nor the time tells whether the password was right."""
        self.agent.revoke_all()
        self.isp.restart_agent(tries(per_user=3))
        self.addCleanup(self.isp.restart_agent)
        for _ in range(3):
            with self.isp.lab["a"].network(), self.assertRaises(poplib.error_proto):
                pop3_login(self.isp.trust, MAIL4, B.user, "guessed")
        await_true(lambda: self.agent.ask("lockout", "list")["lockouts"], "a lock")
        with ThreadPoolExecutor() as together:
            ways = itertools.product(("PLAIN", "SCRAM-SHA-256"), (B.password, "guessed-again"))
            for way, tried in [(way, together.submit(self.locked_try, *way)) for way in ways]:
                code, seconds = tried.result()
                with self.subTest(way):
                    self.assertEqual(code, 535)
                    self.assertGreater(seconds, 10)
        self.assertEqual(self.agent.ask("grant", "list")["grants"], [])

    def locked_try(self, mechanism: str, password: str) -> tuple[int, float]:
        """The reply's code, and after how many seconds it came."""
        with Gsasl(mechanism, B.user, password) as client, self.connected() as connection:
            begin = time.monotonic()
            with self.assertRaises(smtplib.SMTPAuthenticationError) as told:
                connection.auth(mechanism, client)
            return told.exception.smtp_code, time.monotonic() - begin

    def test_auth_gone(self) -> None:
        """What was offered stays offered; who hasn't heard sekisho-auth yet offers what every server has."""
        self.submission.auth.kill()
        self.assertEqual(self.offered(), ALL)
        self.submission.smtpd.kill()
        self.submission.smtpd.start()
        self.assertEqual(self.offered(), ["PLAIN", "LOGIN"])
        with self.connected() as client:
            self.assertEqual(self.code(client.docmd("AUTH", "PLAIN AGFubmEAc2VjcmV0MDA=")), "454 4.7.0")
        self.submission.auth.start()
        await_true(lambda: self.offered() == ALL, "all mechanisms again", 10)


CHECKER = """#!/bin/sh
# Speaks as Squid's helpers for basic authentication do.
while read -r user password; do
    case "$user $password" in
    'zoe%40example.net open%20sesame') echo OK ;;
    hangs*) sleep 100 ;;
    *) echo ERR ;;
    esac
done
"""


class ByProgram(SmtpTest):
    """A program of the operator's knows users who aren't in the file."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.edge.write("/usr/local/sbin/check-password", CHECKER, 0o755)
        program = '\n[auth]\nprogram = ["/usr/local/sbin/check-password"]\nprogram_timeout = "1s"\n'
        cls.agent.configure(config_text() + program)
        cls.submission.restart()

    def log_in(self, user: str, password: str) -> str:
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"], "it can't prove anything by SCRAM")
            secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            return self.code(client.docmd("AUTH", f"PLAIN {secret}"))

    def alive(self, pid: str) -> bool:
        return self.edge.run("test", "-e", f"/proc/{pid}", check=False).returncode == 0

    def test_its_users_and_those_of_the_file(self) -> None:
        self.assertEqual(self.log_in("Zoe@example.net", "open sesame"), "235 2.7.0")
        self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], ["zoe@example.net"])
        self.assertEqual(self.log_in("zoe@example.net", "open sesam"), "535 5.7.8")
        self.assertEqual(self.log_in("nobody", "open sesame"), "535 5.7.8")
        self.assertEqual(self.log_in(A.user, A.password), "235 2.7.0")
        self.assertEqual(self.log_in(A.user, "open sesame"), "535 5.7.8", "who is in the file is judged by it")
        said = self.edge.log("sekisho-auth.log").read_text()
        self.assertIn("PROGRAM_STARTED", said)
        self.assertNotIn("sesam", said)

    def test_it_hangs(self) -> None:
        self.assertEqual(self.log_in("hangs", "x"), "454 4.7.0")
        self.assertRegex(self.edge.log("sekisho-auth.log").read_text(), "LOGIN_NOT_CHECKED .*in time")
        self.assertEqual(self.log_in("zoe@example.net", "open sesame"), "235 2.7.0")

    def test_it_goes_with_the_daemon(self) -> None:
        self.log_in("zoe@example.net", "open sesame")
        pids = re.findall(r"PROGRAM_STARTED .* pid=(\d+)", self.edge.log("sekisho-auth.log").read_text())
        self.assertTrue(self.alive(pids[-1]), pids)
        self.submission.auth.stop()
        self.assertEqual([pid for pid in pids if self.alive(pid)], [])
        self.submission.auth.start()
        self.assertEqual(self.log_in("zoe@example.net", "open sesame"), "235 2.7.0")
