# SPDX-License-Identifier: Apache-2.0
"""What every system test stands on: a lab of its own, made before the class's first test and gone after the last."""

import http.client
import json
import os
import unittest
from pathlib import Path

from lab.clients import Attempt, connect
from lab.isp import Isp
from lab.topology import API_KEY, EDGE_CORE4, POLICY_PORT

ROOT = Path(__file__).resolve().parents[2]


class LabTest(unittest.TestCase):
    """`mail`, `mx`, `smtp`: does the class need the mail host's servers, the Internet's Postfix, the submission server?"""

    mail = False
    mx = False
    smtp = False
    isp: Isp

    @classmethod
    def setUpClass(cls) -> None:
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root: hosts are made of namespaces")
        build = Path(os.environ.get("SEKISHO_BUILD", ROOT / "build/release"))
        # The pid: the same test may run from another build folder at the same time.
        cls.isp = Isp(f"test-{cls.__name__.lower()}-{os.getpid()}", build, mail=cls.mail, mx=cls.mx, smtp=cls.smtp)
        cls.addClassCleanup(cls.isp.remove)
        cls.agent = cls.isp.agent
        cls.edge = cls.isp.lab["edge"]

    def run(self, result=None):
        """Shows what the daemons have said in a test that failed."""
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        self._log_begins = 0
        super().run(result)
        if len(result.failures) + len(result.errors) > before and hasattr(self, "edge"):
            print(f"--- sekishod said:\n{self.log()}---", flush=True)
            for name in ("sekisho-smtpd", "sekisho-auth", "sekisho-relay", "dovecot"):
                log = self.edge.log(f"{name}.log")
                if log.exists():
                    print(f"--- {name} said at the end:", *log.read_text(errors="replace").splitlines()[-30:], "---", sep="\n", flush=True)
        return result

    def assert_nobody_crashed(self) -> None:
        """Whatever else a test looks for, it would wait in vain for somebody who is gone."""
        daemons = (self.agent, *self.submission.daemons) if hasattr(self, "submission") else (self.agent,)
        for daemon in daemons:
            daemon.assert_not_crashed()

    def setUp(self) -> None:
        self.addCleanup(self.assert_nobody_crashed)
        log = self.edge.log("sekishod.log")
        self._log_begins = log.stat().st_size if log.exists() else 0

    def begin_anew(self) -> None:
        """No agent, nothing in the kernel, nothing remembered."""
        if self.agent.running():
            self.agent.stop()
        self.edge.run("sekishod", "--detach")
        self.edge.run("sh", "-c", "rm -f /var/lib/sekisho/*.db*")

    def log(self) -> str:
        """What sekishod has said in this test."""
        path = self.edge.log("sekishod.log")
        return path.read_bytes()[self._log_begins:].decode(errors="replace") if path.exists() else ""

    def assert_attempt(self, attempt: Attempt, outcome: str, what: str = "") -> None:
        self.assertEqual(attempt.outcome, outcome, f"{what} {attempt}")

    def assert_port_25(self, host: str, address: str, outcome: str, source: str | None = None) -> None:
        self.assert_attempt(connect(self.isp.lab[host], address, source=source), outcome, f"{host} to {address}:")

    def policy(self, command: str, body: bytes | dict, key: str | None = API_KEY, host: str = "mail",
               source: str | None = None, port: int = POLICY_PORT) -> tuple[int, bytes]:
        """One request of Dovecot's policy protocol, made by hand; status and body of the answer."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key is not None else {})
        with self.isp.lab[host].network():
            connection = http.client.HTTPConnection(EDGE_CORE4, port, timeout=5,
                                                    source_address=(source, 0) if source else None)
            try:
                connection.request("POST", f"/?command={command}", body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

    def decisions(self, *words: str) -> list[dict]:
        """What the audit log says, by the words of `sekisho events`."""
        done = self.agent.command("events", "--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def for_all(self, program: str) -> str:
        """A program of the build where every user of the edge may execute it, which the build's folder may not allow."""
        path = self.edge.run("which", program).stdout.strip()
        self.edge.run("install", "-D", "-m", "755", path, f"/run/for-all/{program}")
        return f"/run/for-all/{program}"

    def login_event(self, address: str, **fields) -> dict:
        """A body as Dovecot sends it after a right password."""
        return {"authed": "ok", "device_id": "", "login": "alice", "mech": "PLAIN", "protocol": "pop3", "pwhash": "05b4",
                "remote": address, "session": "NWaH8PtgeJPAAAIK", "tls": True} | fields

    def logins(self) -> dict[str, int]:
        """The counters of the reporter mail1."""
        return {name: value for name, value in self.agent.ask("status")["logins"][0].items() if name != "name"}
