# SPDX-License-Identifier: Apache-2.0
"""What Dovecot is told of those who have failed too often, and of those whom the access list denies; a real Dovecot obeys."""

import imaplib
import itertools
import json
import poplib
import time

from lab.clients import connect, imap_login, pop3_login, smtp_login
from lab.hosts import await_true
from lab.services import dovecot_version, replace_dovecot, start_dovecot
from lab.story_mail import arrived
from lab.topology import EDGE_CORE4, INTERNET4, ISP_DOMAIN, MAIL4, MAIL6, SUBSCRIBERS, crowd_address4
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
PROOF = 'proof = "authed=ok"\n'


def sections(text: str) -> tuple[str, str]:
    """More of [login] in the edge's configuration."""
    return (PROOF, PROOF + text)


def tries(**keys) -> tuple[str, str]:
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return sections("\n".join(["[login.tries]", *lines, ""]))


class GuessingTest(LabTest):
    """Somebody who tries, and what became of it."""

    mail = True
    dovecot: dict[str, bool] = {"before": True, "after": True, "report": True}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        start_dovecot(cls.isp.lab, **cls.dovecot)

    def pop3(self, password: str, user: str = A.user, source: str | None = None, host: str = "a",
             server: str = MAIL4) -> str:
        """What the server says to the password."""
        with self.isp.lab[host].network():
            try:
                client = pop3_login(self.isp.trust, server, user, password, source)
            except poplib.error_proto as error:
                return error.args[0].decode()
            client.close()
            return "+OK"

    def imap(self, password: str, user: str = A.user, source: str | None = None, host: str = "a") -> str:
        with self.isp.lab[host].network():
            try:
                client = imap_login(self.isp.trust, MAIL4, user, password, source)
            except imaplib.IMAP4.error as error:
                return str(error)
            client.shutdown()
            return "OK"

    def guess(self, times: int, **how) -> None:
        for _ in range(times):
            self.assertIn("-ERR", self.pop3("guessed", **how))

    def await_lock(self, who: str) -> dict:
        await_true(lambda: who in self.locked(), f"lock of {who}")
        return self.locked()[who]

    def locked(self) -> dict[str, dict]:
        return {each["who"]: each for each in self.agent.ask("lockout", "list")["lockouts"]}

    def metric(self, name: str) -> float:
        text = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock",
                             "http://localhost/metrics").stdout
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))


class FailedLoginsTest(GuessingTest):
    """Brute force, with a Dovecot that asks before and after."""

    def test_locked_address(self) -> None:
        """The right password is refused, too, until an operator says otherwise; the neighbour gets in."""
        self.isp.restart_agent(tries(per_address=4))
        self.guess(4)
        lock = self.await_lock(A.address4)
        self.assertEqual((lock["kind"], lock["tries"]), ("address", 4))
        self.assertLessEqual(lock["seconds_left"], 600)
        self.assertIn("Too many logins have failed; try again in", self.pop3(A.password))
        self.assertIn("Too many logins have failed; try again in", self.imap(A.password))
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertEqual(connect(self.isp.lab["a"], INTERNET4).outcome, "refused")
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")
        self.assertEqual(self.metric('sekisho_lockouts{kind="address"}'), 1)
        self.assertEqual(self.metric('sekisho_logins_held_total{how="refused"}'), 2)
        log = self.log()
        self.assertIn("LOCKOUT_BEGAN", log)
        self.assertIn("LOGIN_LOCKED", log)
        self.assertEqual(self.locked()[A.address4]["held"], 2)
        self.assertIn("no longer locked", self.agent.command("lockout", "remove", A.address4).stdout)
        decided = {event["name"]: event for event in self.decisions("--within", A.address4)}
        self.assertEqual(decided["LOCKOUT_BEGAN"]["user"], A.user)
        self.assertIn("is locked for another", decided["LOGIN_LOCKED"]["text"])
        self.assertEqual(decided["LOCKOUT_REMOVED"]["by"], "uid 0")
        self.assertEqual(self.pop3(A.password), "+OK")
        await_true(lambda: self.agent.granted(A.address4), "grant once it isn't locked")
        self.assertEqual(self.agent.ask("lockout", "list"), {"lockouts": []})
        self.assertEqual(self.agent.command("lockout", "remove", A.address4).returncode, 1)

    def test_refused_logins_do_not_prolong(self) -> None:
        self.isp.restart_agent(tries(per_address=2, lock="4s"))
        self.guess(2)
        self.await_lock(A.address4)
        begin = time.monotonic()
        while time.monotonic() < begin + 3:
            self.pop3("guessed")
        await_true(lambda: not self.locked(), "end of the lock", 10)
        self.assertLess(time.monotonic() - begin, 6)
        self.assertEqual(self.pop3(A.password), "+OK")

    def test_locked_network(self) -> None:
        self.isp.restart_agent(tries(per_address=0, per_network=5, per_user=0))
        for number in range(5):
            self.guess(1, source=crowd_address4(number))
        self.assertEqual(self.await_lock("192.0.2.0/24")["kind"], "network")
        self.assertIn("Too many", self.pop3(B.password, B.user, host="b"))
        refused = self.agent.command("lockout", "remove", B.address4)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("sekisho lockout remove 192.0.2.0/24", refused.stderr)
        self.agent.ask("lockout", "remove", "192.0.2.0/24")
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")

    def test_locked_user(self) -> None:
        """A stranger can't lock him out of his own home."""
        self.isp.restart_agent(tries(per_address=0, per_network=0, per_user=3))
        self.assertEqual(self.pop3(A.password), "+OK")
        self.guess(3, host="internet")
        self.assertEqual(self.await_lock(A.user)["kind"], "user")
        self.assertIn("Too many", self.pop3(A.password, host="internet"))
        self.assertEqual(self.pop3(A.password), "+OK")
        self.assertIn("Too many", self.pop3(A.password, server=MAIL6), "over IPv6 he was never seen")
        self.assertEqual(self.pop3(B.password, B.user, host="internet"), "+OK")
        self.agent.ask("lockout", "remove", A.user.upper())
        self.assertEqual(self.pop3(A.password, host="internet"), "+OK")

    def test_never(self) -> None:
        """The operator's own networks are neither counted nor locked."""
        self.isp.restart_agent(tries(per_address=2, per_user=4, never=[f"{A.address4}/32"]))
        self.guess(6)
        self.assertEqual(self.pop3(A.password), "+OK")
        self.assertEqual(self.locked(), {})
        self.guess(1, host="b")
        self.guess(2, host="internet")
        self.guess(1, host="b")
        self.await_lock(A.user)
        self.assertIn("Too many", self.pop3(A.password, source=crowd_address4(9)))
        self.assertEqual(self.pop3(A.password), "+OK")

    def test_tarpit(self) -> None:
        self.isp.restart_agent(tries(per_address=2, answer="tarpit", tarpit="3s"))
        self.guess(2)
        self.await_lock(A.address4)
        begin = time.monotonic()
        self.assertEqual(self.pop3(A.password), "+OK")
        self.assertGreaterEqual(time.monotonic() - begin, 3)
        self.assertTrue(self.agent.granted(A.address4))
        begin = time.monotonic()
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")
        self.assertLess(time.monotonic() - begin, 3)

    def test_own_mistakes_are_forgiven(self) -> None:
        """And nobody else's: who has an account can't hide his guesses at others by it."""
        self.isp.restart_agent(tries(per_address=4))
        for _ in range(3):
            self.guess(3)
            self.assertEqual(self.pop3(A.password), "+OK")
        for _ in range(2):
            self.guess(2, user=B.user)
            self.pop3(A.password)
        self.await_lock(A.address4)

    def test_submission_server(self) -> None:
        """What fails there counts, too."""
        self.isp.restart_agent(tries(per_address=2))
        for _ in range(2):
            self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock", "-d",
                          json.dumps({"address": A.address4, "user": "", "protocol": "smtp", "success": False}),
                          "http://localhost/v1/logins")
        self.assertIn("Too many", self.pop3(A.password))

    def test_refused_grant_lets_the_login_pass(self) -> None:
        self.isp.restart_agent(tries(per_address=2))
        self.assertEqual(self.pop3(A.password, host="internet"), "+OK")
        self.assertIn("no pool", self.log())


class FailedLogins(FailedLoginsTest):
    """By this Debian's Dovecot."""


class OtherFailedLogins(FailedLoginsTest):  # labels: long
    """By Dovecot 2.4 of Debian 13, whose reports of failures have members that 2.3's don't."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        replace_dovecot(cls.isp.lab, "trixie")
        start_dovecot(cls.isp.lab, **cls.dovecot)

    def test_it_is_another(self) -> None:
        self.assertEqual(dovecot_version(self.isp.lab["mail"]), (2, 4))


class FailedLoginsAfter(GuessingTest):
    """A Dovecot that asks only after a right password: the refusal must not tell that it was right."""

    dovecot = {"before": False, "after": True, "report": True}

    def test_no_oracle(self) -> None:
        self.isp.restart_agent(tries(per_address=3, lock="1h"))
        wrong = self.pop3("guessed")
        self.guess(2)
        self.await_lock(A.address4)
        self.assertEqual(self.pop3("guessed"), wrong)
        self.assertEqual(self.pop3(A.password), wrong)
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertNotIn("POLICY_NOT_ASKED", self.log())
        time.sleep(11)  # by then what was on its way when the lock began has arrived
        self.guess(1)
        await_true(lambda: "POLICY_NOT_ASKED" in self.log(), "a word to the operator")


class AccessLists(GuessingTest):
    """Who may log in at all, by client, user and protocol."""

    smtp = True

    def restart(self, *entries: str) -> None:
        self.isp.restart_agent(sections("".join(f"[[login.access]]\n{entry}\n" for entry in entries)))
        self.agent.revoke_all()

    def assert_denied(self, said: str, host: str = "a") -> None:
        self.assertIn("not allowed here", said)
        self.assertIsNone(self.agent.granted(SUBSCRIBERS[host].address4))

    def test_denied_client(self) -> None:
        self.restart(f'action = "deny"\nclients = ["{A.address4}"]\nprotocols = ["pop3"]')
        self.assert_denied(self.pop3(A.password))
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")
        self.assertEqual(self.imap(A.password), "OK")
        self.assertTrue(self.agent.granted(A.address4))
        self.assertIn("LOGIN_DENIED", self.log())
        self.assertEqual(self.metric('sekisho_logins_held_total{how="denied"}'), 1)

    def test_denied_user(self) -> None:
        self.restart('action = "deny"\nusers = ["ALI*"]\nprotocols = ["pop3"]')
        self.assert_denied(self.pop3(A.password))
        self.assert_denied(self.pop3(A.password, "Alice"))
        self.assertEqual(self.imap(A.password), "OK")
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")

    def test_priority(self) -> None:
        """The lowest number counts, wherever it stands."""
        self.restart('action = "deny"\npriority = 30',
                     f'action = "allow"\npriority = 20\nclients = ["{A.address4}/32", "{B.address4}/32"]',
                     f'action = "deny"\npriority = 10\nclients = ["{B.address4}"]')
        self.assertEqual(self.pop3(A.password), "+OK")
        self.assert_denied(self.pop3(B.password, B.user, host="b"), "b")
        self.assert_denied(self.pop3(A.password, source=crowd_address4(1)), "b")

    def test_accounts_that_only_send(self) -> None:
        """Their mail goes out, their mailbox stays shut, and no port opens; others' logins are as ever."""
        self.isp.restart_agent(sections(
            f'[[login.access]]\naction = "deny"\nusers = ["{A.user}"]\nprotocols = ["pop3", "imap"]\n'
            f'[[grants.rule]]\nname = "only-send"\nusers = ["{A.user}"]\nopens = false\n'))
        self.submission = self.isp.submission
        self.submission.start()
        self.submission.add_users()
        self.send(A)
        self.assert_denied(self.pop3(A.password))
        self.assert_denied(self.imap(A.password))
        self.assertEqual(connect(self.isp.lab["a"], INTERNET4).outcome, "refused")
        decided = self.decisions("--within", A.address4, "--reporter", "submission")[-1]
        self.assertEqual((decided["user"], decided["rule"]), (A.user, "only-send"))
        self.send(B)
        self.assertEqual(self.agent.granted(B.address4)["user"], B.user)
        self.assertEqual(self.pop3(B.password, B.user, host="b"), "+OK")
        self.assertEqual(self.imap(B.password, B.user, host="b"), "OK")

    def send(self, line) -> None:
        """A message of this user's, to another of this ISP's."""
        subject = f"from {line.user} {time.time_ns()}"
        with self.isp.lab[line.host].network():
            client = smtp_login(self.isp.smtp_trust, EDGE_CORE4, line.user, line.password)
        with client:
            client.sendmail(f"{line.user}@{ISP_DOMAIN}", f"carol@{ISP_DOMAIN}", f"Subject: {subject}\r\n\r\nx\r\n")
        arrived(self.isp, "mail", subject)

    def test_allow_lifts_locks(self) -> None:
        self.isp.restart_agent(sections(
            f'[login.tries]\nper_address = 2\n[[login.access]]\naction = "allow"\nclients = ["{A.address4}"]\n'
            'protocols = ["imap"]\n'))
        self.guess(2)
        self.await_lock(A.address4)
        self.assertIn("Too many", self.pop3(A.password))
        self.assertEqual(self.imap(A.password), "OK")


class HeldNeverGrants(GuessingTest):
    """Who is locked or denied, with the right password, under each of Dovecot's settings."""

    def check(self, *changes: tuple[str, str], words_after: bool) -> None:
        self.isp.restart_agent(sections('[login.tries]\nper_address = 2\n[[login.access]]\naction = "deny"\n'
                                        f'users = ["{B.user}"]\n'), *changes)
        failed = self.login_event(A.address4, authed="", success=False, policy_reject=False)
        for before, after, report in itertools.product((False, True), repeat=3):
            start_dovecot(self.isp.lab, before=before, after=after, report=report)
            for _ in range(2):
                self.assertEqual(self.policy("report", failed)[0], 200)
            for line, how in itertools.product((A, B), (self.pop3, self.imap)):
                with self.subTest(before=before, after=after, report=report, user=line.user, how=how.__name__):
                    said = how(line.password, line.user, host=line.host)
                    self.assertEqual("OK" in said, not before and not after, said)
                    self.assertEqual("not allowed here" in said or "Too many" in said,
                                     before or (after and words_after), said)
                    self.assertIsNone(self.agent.granted(line.address4))
        self.assertEqual(self.logins()["granted"], 0)

    def test_with_proof(self) -> None:
        self.check(words_after=False)

    def test_without_proof(self) -> None:
        """Nobody can tell then whether the password was looked at: the refusal has its words."""
        self.check((PROOF, ""), words_after=True)
