# SPDX-License-Identifier: Apache-2.0
"""Deliveries of Stalwart's webhook, made by hand on the mail host: Debian has no Stalwart."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import time
from datetime import datetime, timedelta

from lab.isp import config_text
from lab.topology import EDGE_CORE4, INTERNET4, INTERNET6, MAIL4, SUBSCRIBERS
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
PORT = 4002
KEY = "ovos-moles"
KEY_FILE = "/etc/sekisho/webhook.key"
SECTION = f"""[[login.stalwart]]
name = "stalwart"
listen = "{EDGE_CORE4}"
key_file = "{KEY_FILE}"
reporters = ["{MAIL4}"]
"""
CHANGE = ("[[pool]]", SECTION + "[[pool]]")


def signature(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


def login(address: str, age: float = 0, kind: str = "auth.success", number: int = 1, **fields) -> dict:
    """An event of Stalwart 0.16; no two of the same number are alike."""
    when = int(time.time() - age)
    return {"id": f"{when}{number}37", "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)), "type": kind,
            "data": {"accountName": "alice@example.net", "accountId": 5, "spanId": 345678901234567890,
                     "listenerId": "imaps", "localPort": 993, "remoteIp": address, "remotePort": 40000 + number} | fields}


def body_of(*events: dict) -> bytes:
    return json.dumps({"events": events}, separators=(",", ":")).encode()


class Webhook(LabTest):  # labels: sanitize
    """The mail host is the reporter."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()
        self.edge.write(KEY_FILE, KEY + "\n", 0o600)
        self.isp.restart_agent(CHANGE)

    def deliver(self, body: bytes, host: str = "mail", **headers: str | None) -> int:
        """The status of the answer. `signature`: instead of the right one, None for none."""
        said = headers.get("signature", signature(body))
        with self.isp.lab[host].network():
            connection = http.client.HTTPConnection(EDGE_CORE4, PORT, timeout=60)
            with contextlib.closing(connection):
                connection.request("POST", "/", body, {"Content-Type": "application/json"}
                                   | ({"X-Signature": said} if said is not None else {}))
                return connection.getresponse().status

    def counted(self) -> dict[str, int]:
        found = next(item for item in self.agent.ask("status")["logins"] if item["name"] == "stalwart")
        return {name: value for name, value in found.items() if name != "name"}

    def end_of(self, address: str) -> datetime:
        return datetime.fromisoformat(self.agent.granted(address)["expires"].replace("Z", "+00:00"))

    def test_opens(self) -> None:
        """The port is open when the answer comes, over both families, and for nobody else."""
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.deliver(body_of(login(A.address4))), 200)
        self.assert_port_25("a", INTERNET4, "open")
        self.assert_port_25("a", INTERNET6, "refused")
        self.assert_port_25("b", INTERNET4, "refused")
        self.assertEqual(self.deliver(body_of(login(A.address6), login(f"::ffff:{B.address4}", number=2))), 200)
        self.assert_port_25("a", INTERNET6, "open")
        self.assert_port_25("b", INTERNET4, "open")
        self.assertEqual(self.counted(), {"granted": 3, "refused": 0, "rejected": 0})
        grant = self.agent.granted(A.address4)
        self.assertEqual((grant["user"], grant["source"]), ("alice@example.net", "stalwart"))
        metrics = self.edge.run("curl", "-sS", "--unix-socket", "/run/sekisho/agent.sock", "http://localhost/metrics").stdout
        self.assertIn('sekisho_logins_total{reporter="stalwart",result="granted"} 3', metrics)
        self.assertIn('sekisho_http_requests_total{listener="stalwart"} 2', metrics)
        doctor = self.agent.ask("doctor")["checks"]
        self.assertTrue(next(check for check in doctor if check["name"] == "listener-stalwart")["ok"])

    def test_wrong_signature(self) -> None:
        body = body_of(login(A.address4))
        other = body_of(login(B.address4))
        wrong = (None, "", KEY, signature(body, KEY + "x"), signature(other),
                 hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest())
        for said in wrong:
            with self.subTest(said=said):
                self.assertEqual(self.deliver(body, signature=said), 401)
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.counted(), {"granted": 0, "refused": 0, "rejected": len(wrong)})
        self.assertIn("WEBHOOK_WRONG_SIGNATURE", self.log())
        self.assertNotIn(KEY, self.log())
        self.assertEqual(self.deliver(body), 200)
        self.assert_port_25("a", INTERNET4, "open")

    def test_stranger(self) -> None:
        """With the right key, too."""
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.deliver(body_of(login(A.address4)), host="a")
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.counted()["rejected"], 1)
        self.assertIn("WEBHOOK_STRANGER", self.log())

    def test_no_login(self) -> None:
        """Wrong passwords, other events, a login without an address, one of nobody's subscriber: heard, and nothing opens."""
        for event in (login(A.address4, kind="auth.failed", reason="Authentication failed"),
                      login(A.address4, kind="security.authentication-ban"), login(A.address4, kind="imap.connection-start")):
            self.assertEqual(self.deliver(body_of(event)), 200)
        self.assertEqual(self.counted(), {"granted": 0, "refused": 0, "rejected": 0})
        self.assertEqual(self.deliver(body_of(login(""), login(MAIL4), login(A.address4, number=2, accountName=7))), 200)
        self.assertEqual(self.counted(), {"granted": 0, "refused": 1, "rejected": 2})
        for body in (b"", b"{", b"[]", b'{"events":1}', b'{"events":' + b"[" * 1000):
            self.assertEqual(self.deliver(body), 400, body[:20])
        self.assert_port_25("a", INTERNET4, "refused")

    def test_repetition(self) -> None:
        """After a timeout: the same login with other ids lengthens nothing, and begins no budget anew."""
        event = login(A.address4)
        self.assertEqual(self.deliver(body_of(event)), 200)
        self.assert_port_25("a", INTERNET4, "open")
        end, left = self.end_of(A.address4), self.agent.granted(A.address4)["connections_left"]
        self.assertLess(left, 500)
        time.sleep(2.1)  # the end would be another one
        for number in range(2, 5):
            self.assertEqual(self.deliver(body_of(event | {"id": f"{event['id']}{number}"})), 200)
        self.assertEqual(self.end_of(A.address4), end)
        self.assertEqual(self.agent.granted(A.address4)["connections_left"], left)
        self.assertEqual(self.counted(), {"granted": 1, "refused": 0, "rejected": 0})
        # A revoked grant does not come back either.
        self.agent.revoke_all()
        self.assertEqual(self.deliver(body_of(event)), 200)
        self.assert_port_25("a", INTERNET4, "refused")
        # Nor does another agent, which has forgotten what it heard, lengthen one.
        event = login(A.address4, number=2)
        self.assertEqual(self.deliver(body_of(event)), 200)
        end = self.end_of(A.address4)
        time.sleep(2.1)
        self.isp.restart_agent(CHANGE)
        self.assertEqual(self.deliver(body_of(event)), 200)
        self.assertLessEqual(self.end_of(A.address4), end + timedelta(seconds=1))

    def test_old_stamp(self) -> None:
        """A grant lasts 10 minutes from the login, however late that is told; the future is now."""
        for age, least, most in ((540, 50, 61), (0, 590, 601), (-3600, 590, 601)):
            self.agent.revoke_all()
            self.assertEqual(self.deliver(body_of(login(A.address4, age=age, number=abs(age) + 1))), 200)
            left = self.agent.granted(A.address4)["seconds_left"]
            self.assertTrue(least <= left <= most, (age, left))
        self.agent.revoke_all()
        self.assertEqual(self.deliver(body_of(login(A.address4, age=601))), 200)
        self.assertEqual(self.counted()["refused"], 1)
        self.assert_port_25("a", INTERNET4, "refused")

    def test_protocols(self) -> None:
        self.isp.restart_agent(("[[pool]]", SECTION + 'protocols = ["pop3", "imap"]\nlifetime = "1m"\n[[pool]]'))
        unwanted = body_of(login(A.address4, listenerId="https", localPort=443))
        for _ in range(2):  # a repetition
            self.assertEqual(self.deliver(unwanted), 200)
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertEqual(self.counted(), {"granted": 0, "refused": 1, "rejected": 0})
        self.assertEqual(self.deliver(body_of(login(A.address4))), 200)
        self.assertLessEqual(self.agent.granted(A.address4)["seconds_left"], 60)

    def test_after_an_outage(self) -> None:
        """All logins of minutes at once; but there is a limit."""
        events = [login(f"192.0.2.{number % 200 + 33}", number=number, age=number % 300) for number in range(9999)]
        begin = time.monotonic()
        self.assertEqual(self.deliver(body_of(*events, login(A.address4))), 200)
        self.assertLess(time.monotonic() - begin, 30, "Stalwart waits no longer")
        self.assertEqual(self.counted(), {"granted": 10000, "refused": 0, "rejected": 0})
        self.assert_port_25("a", INTERNET4, "open")
        self.assertEqual(self.deliver(body_of(*events, *[login(A.address4)] * 2)), 400)

    def test_check(self) -> None:
        """What --check can see before anything is started."""
        self.agent.configure(config_text(CHANGE))
        self.edge.write(KEY_FILE, KEY + "\n", 0o644)
        done = self.edge.run("sekishod", "--check", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn('login.stalwart "stalwart"', done.stderr)
        self.assertIn("everybody", done.stderr)
        self.edge.write(KEY_FILE, KEY + "\n", 0o600)
        self.assertNotIn("stalwart", self.edge.run("sekishod", "--check", check=False).stderr)
