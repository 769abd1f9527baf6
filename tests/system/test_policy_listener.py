# SPDX-License-Identifier: Apache-2.0
"""Requests that no Dovecot sends, at the policy listener and at the agent's socket: refused, counted, and nothing lost."""

import contextlib
import json
import socket
import time

from lab.hosts import await_true
from lab.topology import API_KEY, EDGE_CORE4, INTERNET4, MAIL4, POLICY_PORT, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]


class PolicyListener(LabTest):
    """Made by hand on the mail host, which is a reporter, and elsewhere."""

    def setUp(self) -> None:
        super().setUp()
        self.isp.restart_agent()
        self.agent.revoke_all()

    def assert_healthy(self) -> None:
        """After all that, an honest login still opens the port."""
        status, body = self.policy("allow", self.login_event(A.address4))
        self.assertEqual(status, 200, body)
        self.assertIn(b'"status":0', body.replace(b" ", b""))
        self.assert_port_25("a", INTERNET4, "open")

    def assert_rejected(self, statuses: range, command: str, body, **how) -> None:
        before = self.logins()["rejected"]
        status, _ = self.policy(command, body, **how)
        self.assertIn(status, statuses)
        self.assertEqual(self.logins()["rejected"], before + 1)
        self.assertIsNone(self.agent.granted(A.address4))

    def raw(self, data: bytes = b"") -> socket.socket:
        with self.isp.lab["mail"].network():
            stream = socket.create_connection((EDGE_CORE4, POLICY_PORT), 5)
        stream.sendall(data)
        return stream

    def test_broken_json(self) -> None:
        for body in (b"", b"{", b"[]", b"null", b'{"remote":', b"\xff\xfe", b'{"remote":5}', b'{"login":{}}',
                     b'{"a":' * 500, b'{"success":"yes"}'):
            with self.subTest(body=body[:20]):
                self.assert_rejected(range(400, 500), "allow", body)
        self.assert_healthy()

    def test_wrong_key(self) -> None:
        for key in (None, "", "wrong", API_KEY[:-1], API_KEY + "x"):
            with self.subTest(key=key):
                self.assert_rejected(range(401, 402), "allow", self.login_event(A.address4), key=key)
        self.assertIn("POLICY_WRONG_KEY", self.log())
        self.assert_healthy()

    def test_wrong_command(self) -> None:
        self.assert_rejected(range(400, 500), "explode", self.login_event(A.address4))
        self.assert_healthy()

    def test_stranger(self) -> None:
        """From an address that isn't a reporter's: with the right key, too."""
        before = self.logins()["rejected"]
        with contextlib.suppress(OSError):
            status, _ = self.policy("allow", self.login_event(A.address4), host="a")
            self.assertNotEqual(status, 200)
        await_true(lambda: self.logins()["rejected"] > before, "the stranger is counted")
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_healthy()

    def test_unknown_address(self) -> None:
        """The login itself passes; there is nobody to grant to."""
        for remote in ("", "unknown", "192.0.2.300", "192.0.2.10/32", "fe80::1%eth0", "::"):
            with self.subTest(remote=remote):
                before = self.logins()
                status, body = self.policy("allow", self.login_event(remote))
                self.assertEqual(status, 200)
                self.assertIn(b'"status":0', body.replace(b" ", b""))
                after = self.logins()
                self.assertEqual(after["granted"], before["granted"])
                self.assertGreater(after["refused"] + after["rejected"], before["refused"] + before["rejected"])
        self.assert_healthy()

    def test_address_in_no_pool(self) -> None:
        before = self.logins()
        status, _ = self.policy("allow", self.login_event(MAIL4))
        self.assertEqual(status, 200)
        self.assertEqual(self.logins(), before | {"refused": before["refused"] + 1})
        self.assertIn("LOGIN_REFUSED", self.log())
        self.assert_healthy()

    def test_one_login_told_by_two(self) -> None:
        """By Dovecot, and by the submission server that asked it: one decision, whether it opens the port or not."""
        for address in (A.address4, MAIL4):  # of a pool, and of none
            self.policy("allow", self.login_event(address, login="twice", protocol="smtp"))
            self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock", "-d",
                          json.dumps({"address": address, "user": "Twice", "protocol": "smtp", "success": True}),
                          "http://localhost/v1/logins")
        self.assertEqual([(each["name"], each["key"], each["reporter"]) for each in self.decisions("--user", "twice")],
                         [("LOGIN_GRANTED", f"{A.address4}/32", "mail1"), ("LOGIN_REFUSED", f"{MAIL4}/32", "mail1")])
        self.assertEqual(self.decisions("--user", "Twice"), [])
        self.assertEqual((self.log().count("LOGIN_GRANTED"), self.log().count("LOGIN_REFUSED")), (1, 1))
        counts = {each["name"]: (each["granted"], each["refused"]) for each in self.agent.ask("status")["logins"]}
        self.assertEqual((counts["mail1"], counts["submission"]), ((1, 1), (1, 1)), "each reporter's own")

    def test_without_proof_nothing(self) -> None:
        for fields in ({"authed": ""}, {"authed": "no"}, {"authed": "okay"}):
            status, _ = self.policy("allow", self.login_event(A.address4, **fields))
            self.assertEqual(status, 200)
            self.assertIsNone(self.agent.granted(A.address4))
        # APOP: Dovecot has found the user, so `authed` is filled though the password was wrong.
        self.policy("report", self.login_event(A.address4, success=False, policy_reject=False, mech="APOP", tls=False))
        self.assertIsNone(self.agent.granted(A.address4))
        self.assert_port_25("a", INTERNET4, "refused")

    def test_mapped_address(self) -> None:
        self.policy("allow", self.login_event(f"::ffff:{A.address4}"))
        self.assertEqual(self.agent.granted(A.address4)["key"], f"{A.address4}/32")

    def test_huge_requests(self) -> None:
        with self.raw(b"POST /?command=allow HTTP/1.1\r\nX: " + b"x" * 1_000_000) as stream:
            self.assert_closed(stream)
        with self.raw(b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode()
                      + b"\r\nContent-Length: 1000000000\r\n\r\n" + b"{" * 200_000) as stream:
            self.assert_closed(stream)
        self.assertEqual(self.turned_down("malformed"), 2)
        self.assert_healthy()

    def turned_down(self, why: str) -> float:
        text = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock",
                             "http://localhost/metrics").stdout
        line = f'sekisho_http_turned_down_total{{listener="mail1",why="{why}"}} '
        return next(float(each.removeprefix(line)) for each in text.splitlines() if each.startswith(line))

    def assert_closed(self, stream: socket.socket, seconds: float = 15) -> None:
        """Whatever is answered, the end comes."""
        stream.settimeout(seconds)
        with contextlib.suppress(ConnectionError):
            answer = stream.recv(65536)
            self.assertNotIn(b" 200 ", answer.split(b"\r\n")[0] if answer else b"")
            while answer:
                answer = stream.recv(65536)

    def test_garbage(self) -> None:
        for data in (b"\x00" * 100, b"HELO x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n"):
            with self.subTest(data=data[:10]), self.raw(data) as stream:
                stream.shutdown(socket.SHUT_WR)
                self.assert_closed(stream)
        self.assert_healthy()

    def test_slow_clients(self) -> None:
        """More of them than the agent takes, saying nothing or next to nothing: they are sent away, others are served."""
        slow = []
        try:
            for number in range(400):
                with contextlib.suppress(OSError):
                    slow.append(self.raw(b"POST" if number % 2 else b""))
            begin = time.monotonic()
            self.assertEqual(self.agent.command("status").returncode, 0)
            self.assertLess(time.monotonic() - begin, 2)
            await_true(self.serves, "an honest login among 400 slow ones", 20)
            self.assert_closed(slow[1], 20)
            self.assertGreaterEqual(self.turned_down("slow") + self.turned_down("crowded_out"), 144)
        finally:
            for stream in slow:
                stream.close()
        self.assert_healthy()

    def serves(self) -> bool:
        with contextlib.suppress(OSError):
            return self.policy("allow", self.login_event(A.address4))[0] == 200
        return False

    def test_keeps_connection(self) -> None:
        """Dovecot sends many requests on one connection."""
        body = b'{"remote":"192.0.2.10","authed":""}'
        request = (b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode()
                   + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        with self.raw() as stream:
            for _ in range(50):
                stream.sendall(request)
                answer = b""
                while b'"status"' not in answer:
                    part = stream.recv(4096)
                    self.assertTrue(part, "closed in between")
                    answer += part
                self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)


class ApiSocket(LabTest):
    """The agent's Unix socket, by hand."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.start()

    def connect(self, data: bytes) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(20)
        stream.connect(str(self.edge.file("/run/sekisho/agent.sock")))
        with contextlib.suppress(ConnectionError):
            stream.sendall(data)
        return stream

    def answer(self, data: bytes) -> bytes:
        with self.connect(data) as stream:
            said = b""
            with contextlib.suppress(ConnectionError):
                while part := stream.recv(65536):
                    said += part
            return said

    def test_bad_requests(self) -> None:
        close = b"Host: x\r\nConnection: close\r\n"
        cases = {
            b"GET /v1/nothing HTTP/1.1\r\n" + close + b"\r\n": b" 404 ",
            b"POST /v1/grants HTTP/1.1\r\n" + close + b"Content-Length: 1\r\n\r\n{": b" 400 ",
            b"POST /v1/grants HTTP/1.1\r\n" + close + b'Content-Length: 15\r\n\r\n{"address":"x"}': b" 400 ",
            b"GET /v1/grants/nonsense HTTP/1.1\r\n" + close + b"\r\n": b" 400 ",
        }
        for request, status in cases.items():
            with self.subTest(request=request[:30]):
                self.assertIn(status, self.answer(request).split(b"\r\n")[0])

    def test_huge_and_slow(self) -> None:
        huge = self.answer(b"POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
        self.assertNotIn(b" 200 ", huge.split(b"\r\n")[0])
        slow = [self.connect(b"GET /v1/status HT") for _ in range(50)]
        self.assertEqual(self.agent.command("status").returncode, 0)
        begin = time.monotonic()
        while slow[0].recv(4096):
            pass
        self.assertLess(time.monotonic() - begin, 15, "a slow request was not ended after 10 s")
        for stream in slow:
            stream.close()
        self.assertEqual(self.agent.command("status").returncode, 0)
