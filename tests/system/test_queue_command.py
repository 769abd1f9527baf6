# SPDX-License-Identifier: Apache-2.0
"""`sekisho queue` against sekisho-relay: for people, with --json, its exit codes, and what becomes of the mail."""

import json
import time

from lab.hosts import await_true
from lab.isp import config_text
from lab.services import await_no_connection
from lab.story_mail import arrived, send
from lab.topology import DOWN4, DOWN_DOMAIN, MX_DOMAIN, SUBSCRIBERS
from test_submission import SmtpTest
from test_user_command import OPERATOR, ROLES, STRANGER, VIEWER

A = SUBSCRIBERS["a"]
SENDER = "alice@example.net"
DOWN = f"friend@{DOWN_DOMAIN}"
ALSO_DOWN = "friend@[203.0.113.27]"  # nobody has that address


class QueueCommand(SmtpTest):
    """Hosts that are down keep mail waiting; after its first attempt nothing is tried again by itself."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # Whether somebody is not there is known sooner by a route that says so.
        cls.edge.run("ip", "route", "add", "unreachable", f"{DOWN4}/32")
        cls.edge.run("ip", "route", "add", "unreachable", "203.0.113.27/32")
        cls.agent.configure(config_text(ROLES, ('retry_first = "2s"', 'retry_first = "1h"'),
                                        ('retry_longest = "4s"', 'retry_longest = "4h"')))
        cls.submission.restart()

    def tearDown(self) -> None:
        if not self.submission.relay.running():
            self.submission.relay.start()
        self.submission.empty_queue()
        self.agent.revoke_all()

    def say(self, exit_code: int, *words: str) -> str:
        """Standard output of a command, once its exit code has been looked at."""
        done = self.agent.command("queue", *words)
        self.assertEqual(done.returncode, exit_code, f"sekisho queue {words}: {done.stdout}{done.stderr}")
        self.assertEqual(bool(done.stderr), exit_code != 0, done.stderr)
        return done.stdout

    def ask(self, exit_code: int, *words: str) -> dict:
        return json.loads(self.say(exit_code, *words, "--json"))

    def assert_error(self, kind: str, what: str, remedy: str, *words: str) -> None:
        """Refused: exit code 1, and words for people and programs that help."""
        done = self.agent.command("queue", *words)
        self.assertEqual((done.returncode, done.stdout), (1, ""), words)
        first, second = done.stderr.splitlines()
        self.assertRegex(first, f"^sekisho: .*{what}")
        self.assertRegex(second, f"^  .*{remedy}")
        error = self.ask(1, *words)["error"]
        self.assertEqual((error["kind"], f"sekisho: {error['what']}", f"  {error['remedy']}"), (kind, first, second))

    def messages(self) -> list[dict]:
        return self.ask(0, "list")["messages"]

    def attempts(self) -> dict[str, int]:
        """Of each recipient who waits."""
        return {each["address"]: each["attempts"] for message in self.messages() for each in message["recipients"]}

    def wait(self, *recipients: str) -> list[str]:
        """Sends one message to each, awaits its first attempt, and returns the ids."""
        for recipient in recipients:
            send(self.isp, A, recipient, f"waits {time.time_ns()}")
        await_true(lambda: self.attempts() == dict.fromkeys(recipients, 1), f"first attempts: {self.attempts()}", 20)
        return [message["id"] for message in self.messages()]

    def test_nothing(self) -> None:
        self.assertEqual(self.say(0, "list"), "nothing waits\n")
        self.assertEqual(self.ask(0, "list"), {"messages": [], "more": 0})
        self.assertEqual(self.say(0, "flush"), "everything is tried again now\n")
        self.assertEqual(self.ask(0, "flush"), {"ok": True})

    def test_list_and_show(self) -> None:
        begin = time.time()
        first, second = self.wait(DOWN, ALSO_DOWN)
        message = self.messages()[0]
        self.assertEqual(message["id"], first)
        self.assertEqual((message["sender"], message["user"], message["client"]), (SENDER, A.user, A.address4))
        self.assertGreater(message["size"], 300)
        self.assertRegex(message["received"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        (recipient,) = message["recipients"]
        self.assertEqual((recipient["address"], recipient["attempts"]), (DOWN, 1))
        self.assertIn(DOWN4, recipient["last_error"])
        waits = time.mktime(time.strptime(recipient["next"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - begin
        self.assertTrue(3590 < waits < 3600 * 1.25 + 30, waits)
        self.assertEqual(self.ask(0, "show", first), message)
        lines = self.say(0, "list").splitlines()
        self.assertEqual(lines[0].split(), ["ID", "RECEIVED", "SIZE", "SENDER", "RECIPIENT", "TRIES", "NEXT", "LAST", "ERROR"])
        self.assertEqual([line.split()[0] for line in lines[1:]], [first, second])
        self.assertIn(DOWN, lines[1])
        shown = self.say(0, "show", first)
        for text in (first, SENDER, A.user, A.address4, DOWN, recipient["last_error"]):
            self.assertIn(text, shown)
        self.assertIn(first, self.edge.log("sekisho-smtpd.log").read_text())

    def test_flush(self) -> None:
        """Of one domain, whatever the case of its letters; then of all."""
        self.wait(DOWN, ALSO_DOWN)
        self.assertEqual(self.say(0, "flush", DOWN_DOMAIN.upper()), f"what is for {DOWN_DOMAIN.upper()} is tried again now\n")
        await_true(lambda: self.attempts() == {DOWN: 2, ALSO_DOWN: 1}, "a second attempt for one domain")
        self.assertEqual(self.ask(0, "flush", "elsewhere.example.com"), {"ok": True})
        self.assertEqual(self.ask(0, "flush"), {"ok": True})
        await_true(lambda: self.attempts() == {DOWN: 3, ALSO_DOWN: 2}, "one more attempt for all")

    def test_flush_delivers(self) -> None:
        subject = f"flushed {time.time_ns()}"
        send(self.isp, A, DOWN, subject)
        await_true(lambda: self.attempts() == {DOWN: 1}, "a first attempt", 20)
        internet = self.isp.lab["internet"]
        internet.run("ip", "addr", "add", f"{DOWN4}/24", "dev", "eth0")
        self.addCleanup(internet.run, "ip", "addr", "del", f"{DOWN4}/24", "dev", "eth0")
        self.edge.run("ip", "route", "del", "unreachable", f"{DOWN4}/32")
        self.addCleanup(self.edge.run, "ip", "route", "add", "unreachable", f"{DOWN4}/32")
        self.say(0, "flush", DOWN_DOMAIN)
        arrived(self.isp, "internet", subject)
        await_true(lambda: not self.messages(), "an empty queue")
        await_no_connection(self.edge, DOWN4)  # it would be silent, and the next test's mail would wait for it

    def test_hold_and_release(self) -> None:
        held, other = self.wait(DOWN, ALSO_DOWN)
        self.assertEqual(self.say(0, "hold", held), f"message {held} is held\n")
        message = self.ask(0, "show", held)
        self.assertEqual((message["held"], message["user_stopped"], message["recipients"][0]["next"]), (True, False, None))
        self.assertIn(" held ", self.say(0, "list").splitlines()[1])
        self.assertFalse(self.ask(0, "show", other)["held"])
        # The other one's attempt is the sign that this one had its time.
        self.say(0, "flush")
        await_true(lambda: self.attempts() == {DOWN: 1, ALSO_DOWN: 2}, "an attempt for what isn't held", 20)
        self.submission.relay.stop()
        self.submission.relay.start()
        self.say(0, "flush")
        await_true(lambda: self.attempts() == {DOWN: 1, ALSO_DOWN: 3}, "another one behind a restart", 20)
        self.assertEqual(self.ask(0, "release", held), {"ok": True})
        await_true(lambda: self.attempts() == {DOWN: 2, ALSO_DOWN: 3}, "an attempt for what was held", 20)
        self.assertRegex(self.ask(0, "show", held)["recipients"][0]["next"], r"^20\d\d-")
        log = self.edge.log("sekisho-relay.log").read_text()
        for name in ("MESSAGE_HELD", "MESSAGE_RELEASED"):
            self.assertRegex(log, f"{name}.* id={held} by=\"?uid 0")

    def test_delete(self) -> None:
        """Only this one, and nobody is told."""
        told = len(self.isp.inbox("mail"))
        first, second = self.wait(DOWN, ALSO_DOWN)
        self.assertEqual(self.say(0, "delete", first), f"message {first} is thrown away\n")
        self.assertEqual([message["id"] for message in self.messages()], [second])
        self.assert_error("not_found", f"no message {first}", "sekisho queue list", "show", first)
        self.assertEqual(self.ask(0, "delete", second), {"ok": True})
        self.assertEqual(self.messages(), [])
        # What goes out later has arrived: a notice would have been there before it.
        subject = f"after {time.time_ns()}"
        send(self.isp, A, f"friend@{MX_DOMAIN}", subject)
        arrived(self.isp, "internet", subject)
        self.assertEqual(len(self.isp.inbox("mail")), told)

    def test_unknown_id(self) -> None:
        for name in ("7h2k9f0q3m1x8z4c", "two words", "../users", "flush", "関所", "%2e"):
            for command in ("show", "hold", "release", "delete"):
                with self.subTest(command=command, name=name):
                    self.assert_error("not_found", f"no message {name}$", "sekisho queue list", command, name)

    def test_wrong_usage(self) -> None:
        for words in ((), ("nonsense",), ("show",), ("show", ""), ("delete",), ("hold",), ("release", ""), ("delete", "a", "b"), ("list", "a"),
                      ("flush", "a", "b"), ("list", "--nonsense")):
            with self.subTest(words=words):
                self.say(2, *words)

    def test_daemon_away(self) -> None:
        for away in (self.submission.relay.stop, lambda: self.edge.file("/run/sekisho/mail.sock").unlink()):
            away()
            for words in (("list",), ("show", "a"), ("flush",), ("flush", MX_DOMAIN), ("hold", "a"), ("release", "a"),
                          ("delete", "a")):
                with self.subTest(words=words):
                    self.assert_error("unavailable", "the mail relay at /run/sekisho/mail.sock", "sekisho-relay.*systemctl",
                                      *words)

    def as_user(self, user: str, *words: str):
        return self.edge.run("setpriv", "--reuid", user, "--clear-groups", self.for_all("sekisho"), "queue", *words, "--json",
                             check=False)

    def test_who_may(self) -> None:
        (name,) = self.wait(DOWN)
        looks, changes = (("list",), ("show", name)), (("flush",), ("hold", name), ("release", name), ("delete", name))
        refused = [(STRANGER, words) for words in looks + changes] + [(VIEWER, words) for words in changes]
        for user, words in refused:
            with self.subTest(user=user, words=words):
                done = self.as_user(user, *words)
                self.assertEqual(done.returncode, 1, done.stdout)
                error = json.loads(done.stdout)["error"]
                self.assertEqual(error["kind"], "refused")
                self.assertIn("api.viewers" if words in looks else "api.operators", error["remedy"])
        self.assertEqual(self.attempts(), {DOWN: 1})
        for words in looks:
            self.assertEqual(json.loads(self.as_user(VIEWER, *words).stdout), self.ask(0, *words))
        self.assertEqual(self.as_user(OPERATOR, "delete", name).returncode, 0)
        self.assertEqual(self.messages(), [])
