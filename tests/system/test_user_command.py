# SPDX-License-Identifier: Apache-2.0
"""`sekisho user` against sekisho-auth: for people, with --json, its exit codes, and what it means for logins."""

import base64
import json

from lab.clients import SmtpTls
from lab.isp import config_text
from lab.topology import EDGE_CORE4, SUBSCRIBERS
from test_submission import SmtpTest

A = SUBSCRIBERS["a"]
USERS = sorted(line.user for line in SUBSCRIBERS.values())
OPERATOR, VIEWER, STRANGER = "mail", "nobody", "games"
ROLES = ("[grants]", f'[api]\noperators = ["{OPERATOR}"]\nviewers = ["{VIEWER}"]\n[grants]')


class UserCommand(SmtpTest):
    """The subscribers' users are there already; each test leaves none of its own behind."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.configure(config_text(ROLES))
        cls.submission.restart()

    def tearDown(self) -> None:
        if not self.submission.auth.running():
            self.submission.auth.start()
        for name in self.names():
            if name not in USERS:
                self.agent.ask("user", "remove", name)

    def say(self, exit_code: int, *words: str, password: str = "") -> str:
        """Standard output of a command, once its exit code has been looked at."""
        done = self.agent.command("user", *words, text=f"{password}\n" if password else "")
        self.assertEqual(done.returncode, exit_code, f"sekisho user {words}: {done.stdout}{done.stderr}")
        self.assertEqual(bool(done.stderr), exit_code != 0, done.stderr)
        return done.stdout

    def ask(self, exit_code: int, *words: str, password: str = "") -> dict:
        return json.loads(self.say(exit_code, *words, "--json", password=password))

    def assert_error(self, kind: str, what: str, remedy: str, *words: str, password: str = "") -> None:
        """Refused: exit code 1, and words for people and programs that help."""
        done = self.agent.command("user", *words, text=f"{password}\n" if password else "")
        self.assertEqual((done.returncode, done.stdout), (1, ""), words)
        first, second = done.stderr.splitlines()
        self.assertRegex(first, f"^sekisho: .*{what}")
        self.assertRegex(second, f"^  .*{remedy}")
        error = self.ask(1, *words, password=password)["error"]
        self.assertEqual((error["kind"], f"sekisho: {error['what']}", f"  {error['remedy']}"), (kind, first, second))

    def names(self) -> list[str]:
        return [user["name"] for user in self.ask(0, "list")["users"]]

    def login_code(self, name: str, password: str) -> int:
        """What AUTH was answered with."""
        message = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            return client.docmd("AUTH", f"PLAIN {message}")[0]  # smtplib's own login sends ASCII only

    def test_life_of_a_user(self) -> None:
        self.assertEqual(self.login_code("dora", "first-password"), 535)
        self.assertEqual(self.say(0, "add", "dora", password="first-password"), "dora may log in\n")
        self.assertEqual(self.login_code("dora", "first-password"), 235)
        self.assertEqual(self.say(0, "passwd", "dora", password="second-password"), "dora has another password\n")
        self.assertEqual(self.login_code("dora", "first-password"), 535)
        self.assertEqual(self.login_code("dora", "second-password"), 235)
        self.assertEqual(self.say(0, "remove", "dora"), "dora may no longer log in\n")
        self.assertEqual(self.login_code("dora", "second-password"), 535)
        self.assertEqual(self.names(), USERS)

    def test_json(self) -> None:
        name = "erik@example.net"
        self.assertEqual(self.ask(0, "add", name, password="first-password"), {"name": name})
        listed = self.ask(0, "list")
        self.assertEqual(listed["bad_lines"], [])
        self.assertIn({"name": name, "scheme": "yescrypt", "scram": True, "recoverable": False}, listed["users"])
        self.assertEqual(self.ask(0, "passwd", name, password="second-password"), {"ok": True})
        self.assertEqual(self.ask(0, "remove", name), {"ok": True})
        self.assertEqual(self.names(), USERS)

    def test_list(self) -> None:
        head, *rows = self.say(0, "list").splitlines()
        self.assertEqual(head.split(), ["NAME", "HASH", "SCRAM", "RECOVERABLE"])
        self.assertEqual([row.split() for row in rows], [[name, "yescrypt", "yes", "no"] for name in USERS])

    def test_odd_names(self) -> None:
        """Letters' case makes no other user; signs that mean something in a URL are only signs."""
        for name in ("Frieda@Example.NET", "a/b%2e?c&d", "関所"):
            with self.subTest(name=name):
                self.say(0, "add", name, password="first-password")
                self.assertIn(name.lower(), self.names())
                self.assertEqual(self.login_code(name.upper(), "second-password"), 535)
                self.say(0, "passwd", name, password="second-password")
                self.assertEqual(self.login_code(name.upper(), "second-password"), 235)
                self.say(0, "remove", name)
                self.assertEqual(self.names(), USERS)

    def test_password_is_one_line(self) -> None:
        """Blanks and letters outside of ASCII belong to it; the line's end doesn't, whoever has written the file."""
        done = self.agent.command("user", "add", "gerd", text=" two words für \r\nignored\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.login_code("gerd", "two words für"), 535)
        self.assertEqual(self.login_code("gerd", " two words für "), 235)

    def test_refused(self) -> None:
        before = self.ask(0, "list")
        unknown = ("not_found", "no user nobody-here", "sekisho user list")
        self.assert_error(*unknown, "passwd", "nobody-here", password="long-enough")
        self.assert_error(*unknown, "remove", "nobody-here")
        self.assert_error("conflict", "user alice already", "sekisho user passwd alice", "add", "Alice", password="long-enough")
        for command, name in (("add", "hans"), ("passwd", A.user)):
            self.assert_error("invalid", "fewer than 8 characters", "at least 8", command, name, password="seven77")
            self.assert_error("invalid", "fewer than 8 characters", "at least 8", command, name, password="öäüß")
            self.assert_error("invalid", "control characters", "without control", command, name, password="long\tenough")
            self.assert_error("invalid", "no password was given", "standard input", command, name)
        for name in ("two words", "a:b", "#a"):
            self.assert_error("invalid", "name has a blank, a colon", "alice", "add", name, password="long-enough")
        self.assertEqual(self.ask(0, "list"), before)
        self.assertEqual(self.login_code(A.user, A.password), 235)

    def test_wrong_usage(self) -> None:
        for words in ((), ("nonsense",), ("add",), ("add", ""), ("add", "a", "b"), ("passwd",), ("remove",), ("remove", ""),
                      ("list", "a"), ("list", "--password", "x")):
            with self.subTest(words=words):
                self.say(2, *words)

    def test_daemon_away(self) -> None:
        for away in (self.submission.auth.stop, lambda: self.edge.file("/run/sekisho/auth.sock").unlink()):
            away()
            for words in (("list",), ("add", "ida"), ("passwd", A.user), ("remove", A.user)):
                with self.subTest(words=words):
                    self.assert_error("unavailable", "the authentication server at /run/sekisho/auth.sock",
                                      "sekisho-auth.*systemctl", *words, password="long-enough")
        self.submission.auth.start()
        self.assertEqual(self.names(), USERS)

    def test_socket_of_somebody_else(self) -> None:
        """The agent's answer is no user's list, and says so."""
        for socket in ("/run/sekisho/agent.sock", "/run/sekisho/mail.sock"):
            done = self.agent.command("user", "list", "--socket", socket)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertTrue(done.stderr)

    def as_user(self, user: str, *words: str, password: str = ""):
        return self.edge.run("setpriv", "--reuid", user, "--clear-groups", self.for_all("sekisho"), "user", *words, "--json",
                             check=False, text=f"{password}\n" if password else "")

    def test_who_may(self) -> None:
        before = self.ask(0, "list")
        changes = (("add", "jan"), ("passwd", A.user), ("remove", A.user))
        refused = [(STRANGER, words) for words in (("list",), *changes)] + [(VIEWER, words) for words in changes]
        for user, words in refused:
            with self.subTest(user=user, words=words):
                done = self.as_user(user, *words, password="long-enough")
                self.assertEqual(done.returncode, 1, done.stdout)
                error = json.loads(done.stdout)["error"]
                self.assertEqual(error["kind"], "refused")
                self.assertIn("api.viewers" if words == ("list",) else "api.operators", error["remedy"])
        self.assertEqual(self.ask(0, "list"), before)
        self.assertEqual(json.loads(self.as_user(VIEWER, "list").stdout), before)
        self.assertEqual(self.as_user(OPERATOR, "add", "jan", password="long-enough").returncode, 0)
        self.assertEqual(self.login_code("jan", "long-enough"), 235)
        self.assertEqual(self.as_user(OPERATOR, "remove", "jan").returncode, 0)
