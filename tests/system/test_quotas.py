# SPDX-License-Identifier: Apache-2.0
"""Users who send too much, and accounts that are stopped: what they read, what an operator sees, what becomes of mail."""

import json
import re
import smtplib
import time

from lab.clients import pop3_login, smtp_login
from lab.hosts import await_true
from lab.isp import config_text
from lab.story_mail import arrived, send
from lab.topology import DOWN4, DOWN_DOMAIN, EDGE_CORE4, MAIL4, MX_DOMAIN, SUBSCRIBERS, UNKNOWN_USER, crowd_address4
from test_submission import FRIEND, SENDER, SmtpTest
from test_user_command import ROLES, VIEWER

A, B, C = SUBSCRIBERS["a"], SUBSCRIBERS["b"], SUBSCRIBERS["c"]
DOWN = f"friend@{DOWN_DOMAIN}"
QUOTAS = f"""
[[submission.quota]]
users = ["{A.user.upper()}"]
hour = 4
[[submission.quota]]
users = ["{C.user}"]
hour = 4
new_day = 2
stop = true
"""
# Each limit of a day has a user of its name.
OF_A_DAY = {"day": 2, "addresses_day": 2, "networks_day": 1, "failed_day": 1}
QUOTAS += "".join(f"""
[[submission.quota]]
users = ["{limit}"]
{limit} = {most}
""" for limit, most in OF_A_DAY.items())
OF_A_DAYS_PASSWORD = "day-after-day"
LISTENER = f'[[submission.listener]]\naddress = "{EDGE_CORE4}"\nport = 587\n'


class Quotas(SmtpTest):
    """A may send to four recipients an hour, B to any number, C to two new ones a day or four an hour, and is stopped then.
    Other users have one limit of a day each."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.edge.run("ip", "route", "add", "unreachable", f"{DOWN4}/32")
        cls.agent.configure(config_text(ROLES, ('retry_first = "2s"', 'retry_first = "1h"'),
                                        ('retry_longest = "4s"', 'retry_longest = "4h"'),
                                        ("[grants]\n", '[grants]\nscope = ["edge", "relay"]\n'),
                                        (LISTENER, LISTENER + "relay_grants = true\n")) + QUOTAS)
        cls.agent.stop()
        cls.agent.start()

    def setUp(self) -> None:
        super().setUp()
        # What was counted before is another test's.
        self.submission.relay.stop()
        for path in self.edge.file("/var/lib/sekisho/spool").glob("mail.db*"):
            if path.is_file():
                path.unlink()
        self.relay_said = self.edge.log("sekisho-relay.log").stat().st_size
        self.submission.restart()

    def client(self, line) -> smtplib.SMTP:
        with self.isp.lab[line.host].network():
            client = smtp_login(self.isp.smtp_trust, EDGE_CORE4, line.user, line.password)
        self.addCleanup(client.close)
        return client

    def mail(self, client: smtplib.SMTP) -> str:
        client.rset()
        return self.code(client.mail(SENDER))

    def message(self, client: smtplib.SMTP, *recipients: str) -> str:
        """What the message was answered with, at MAIL or at its end."""
        client.rset()
        answer = client.mail(SENDER)
        if answer[0] != 250:
            return self.code(answer)
        for recipient in recipients:
            self.assertEqual(client.rcpt(recipient)[0], 250)
        return self.code(client.data(f"Subject: {time.time_ns()}\r\n\r\ntext\r\n"))

    def usage(self, user: str) -> dict:
        return self.agent.ask("user", "usage", user)

    def log(self) -> str:
        """What the relay has said in this test."""
        return self.edge.log("sekisho-relay.log").read_bytes()[self.relay_said:].decode()

    def metric(self, name: str) -> float:
        said = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/mail.sock",
                             "http://localhost/metrics").stdout
        return float(re.search(rf"^{re.escape(name)} (\S+)$", said, re.MULTILINE)[1])

    def queue(self) -> dict[str, dict]:
        """Messages by the address of their one recipient."""
        return {each["recipients"][0]["address"]: each for each in self.agent.ask("queue", "list")["messages"]}

    def test_a_quota_is_reached(self) -> None:
        client = self.client(A)
        self.assertEqual(self.message(client, *[FRIEND] * 5), "550 5.7.1", "that never fits")
        self.assertEqual(self.message(client, FRIEND, DOWN, FRIEND), "250 2.0.0")
        self.assertNotIn("USER_NEAR_QUOTA", self.log())
        self.assertEqual(self.message(client, FRIEND, FRIEND), "452 4.7.1", "one is left")
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assertRegex(self.log(), f'USER_NEAR_QUOTA .* user={A.user} client={A.address4} limit="hour = 4" used=4')
        self.assertEqual(self.mail(client), "452 4.7.1", "nothing is left, which is said before the message is sent")
        self.assertRegex(self.log(), f"USER_OVER_QUOTA .* user={A.user} ")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"USER_REFUSED .*4 recipients.* user={A.user} ")
        self.assertEqual(self.mail(self.client(B)), "250 2.1.0", "others are no matter")
        usage = self.usage(A.user)
        self.assertEqual((usage["hour"], usage["day"], usage["new_day"], usage["limits"], usage["stopped"]),
                         (4, 4, 2, {"hour": 4}, None))
        self.assertIn("4 of 4", self.agent.command("user", "usage").stdout)
        why = self.agent.ask("why-relay", "--client", A.address4, "--user", A.user, "--from", SENDER, "--to", FRIEND)
        self.assertEqual((why["verdict"], why["rule"], why["reply"][:9]), ("refuse", "login", "452 4.7.1"))
        self.submission.relay.stop()
        self.submission.relay.start()
        self.assertEqual(self.mail(client), "452 4.7.1", "a restart forgets nothing")
        self.assertEqual(self.metric("sekisho_relay_told_no_total"), 1)

    def of_a_day(self, limit: str, host: str = "a", source: str | None = None) -> smtplib.SMTP:
        """A client of the limit's user, somewhere."""
        with self.isp.lab[host].network():
            client = smtp_login(self.isp.smtp_trust, EDGE_CORE4, limit, OF_A_DAYS_PASSWORD, source=source)
        self.addCleanup(client.close)
        return client

    def assert_over(self, client: smtplib.SMTP, words: str, *recipients: str) -> None:
        """By a message to them, or by MAIL alone."""
        client.rset()
        answer = client.mail(SENDER)
        if recipients:
            self.assertEqual(self.code(answer), "250 2.1.0")
            for recipient in recipients:
                self.assertEqual(client.rcpt(recipient)[0], 250)
            answer = client.data("Subject: too much\r\n\r\ntext\r\n")
        self.assertEqual((answer[0], answer[1].decode()),
                         (452, f"4.7.1 Your limit of {words} within one day is reached: try again later"))

    def test_limits_of_a_day(self) -> None:
        for user in OF_A_DAY:
            self.agent.ask("user", "add", user, text=f"{OF_A_DAYS_PASSWORD}\n")
            self.addCleanup(self.agent.ask, "user", "remove", user)
        client = self.of_a_day("day")
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assert_over(client, "2 recipients", FRIEND, FRIEND)
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assert_over(client, "2 recipients")
        client = self.of_a_day("addresses_day")
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assertEqual(self.message(self.of_a_day("addresses_day", source=crowd_address4(1)), FRIEND), "250 2.0.0")
        self.assert_over(self.of_a_day("addresses_day", source=crowd_address4(2)), "2 addresses to send from", FRIEND)
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0", "the first one is no new one")
        self.assertEqual(self.message(self.of_a_day("networks_day"), FRIEND), "250 2.0.0")
        self.assertEqual(self.message(self.of_a_day("networks_day", source=crowd_address4(1)), FRIEND), "250 2.0.0")
        self.assert_over(self.of_a_day("networks_day", "internet"), "1 networks to send from", FRIEND)
        client = self.of_a_day("failed_day")
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assertEqual(self.message(client, f"{UNKNOWN_USER}@{MX_DOMAIN}"), "250 2.0.0")
        await_true(lambda: self.usage("failed_day")["failed_day"] == 1, "the refusal is counted", 20)
        self.assert_over(client, "1 recipients who could not be reached")
        self.assertNotIn("too much", self.subjects())

    def test_who_goes_too_far_is_stopped(self) -> None:
        client = self.client(C)
        self.assertEqual(self.message(client, FRIEND, DOWN), "250 2.0.0")
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0", "no new one")
        self.assertEqual(self.message(client, f"other@{MX_DOMAIN}"), "450 4.7.1")
        self.assertEqual(self.mail(client), "450 4.7.1")
        stop = self.usage(C.user)["stopped"]
        self.assertEqual((stop["by"], stop["reason"]), ("sekisho-relay", "beyond the quota: new_day = 2"))
        self.assertRegex(self.log(), f"USER_STOPPED .* user={C.user} ")
        self.assertEqual(self.metric("sekisho_relay_users_stopped"), 1)
        self.assertTrue(self.queue()[DOWN]["user_stopped"])
        self.assertEqual(self.agent.ask("user", "resume", C.user), {"ok": True})
        for answer in ("250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0", "450 4.7.1"):
            self.assertEqual(self.message(client, FRIEND), answer, "one by one, counted anew")
        self.assertEqual(self.usage(C.user)["stopped"]["reason"], "beyond the quota: hour = 4")
        told = self.agent.command("user", "resume", C.user, "--discard").stdout
        self.assertEqual(told, f"{C.user} may send again; what was held is thrown away\n")
        await_true(lambda: not self.queue(), "an empty queue")
        self.assertEqual(self.metric("sekisho_relay_users_stopped"), 0)

    def test_an_operator_stops_an_account(self) -> None:
        """Its mail stays, its open connections send nothing, a message in the middle isn't kept; others' mail goes on."""
        client = self.client(B)
        half = self.client(B)
        self.assertEqual(self.message(client, DOWN), "250 2.0.0")
        await_true(lambda: self.queue()[DOWN]["recipients"][0]["attempts"] == 1, "a first attempt", 20)
        half.mail(SENDER)
        half.rcpt(FRIEND)
        done = self.agent.command("user", "stop", B.user, "--reason", "ticket 4713")
        self.assertIn(f"{B.user} may send nothing any more; messages held: 1\n", done.stdout)
        self.assertEqual(self.code(half.data("Subject: in the middle\r\n\r\ntext\r\n")), "450 4.7.1")
        self.assertEqual(self.mail(client), "450 4.7.1")
        self.assertEqual(self.mail(self.client(B)), "450 4.7.1", "nor by another login")
        self.assertRegex(self.log(), f'USER_STOPPED .* user={B.user} by="?uid 0"? reason="ticket 4713"')
        self.agent.ask("queue", "flush")
        subject = f"goes on {time.time_ns()}"
        send(self.isp, A, FRIEND, subject)
        arrived(self.isp, "internet", subject)
        waits = self.queue()[DOWN]
        self.assertEqual((waits["user_stopped"], waits["recipients"][0]["attempts"]), (True, 1))
        self.assertIn("user stopped", self.agent.command("queue", "list").stdout)
        usage = self.usage(B.user.upper())
        self.assertEqual((usage["held"], usage["stopped"]["reason"]), (1, "ticket 4713"))
        self.assertEqual((usage["addresses_day"], usage["networks_day"]), (1, 1))
        self.agent.ask("user", "resume", B.user)
        await_true(lambda: self.queue()[DOWN]["recipients"][0]["attempts"] == 2, "another attempt", 20)
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assertIn("USER_RESUMED", self.log())

    def test_a_grant_is_no_way_round(self) -> None:
        with self.isp.lab["b"].network():
            pop3_login(self.isp.trust, MAIL4, B.user, B.password).quit()
            client = smtplib.SMTP(EDGE_CORE4, 587, "client.example.net", 10)
        self.addCleanup(client.close)
        self.addCleanup(self.agent.revoke_all)
        client.starttls(context=self.isp.smtp_trust)
        client.ehlo()
        self.assertEqual(self.message(client, FRIEND), "250 2.0.0")
        self.assertEqual(self.usage(B.user)["day"], 1)
        self.agent.ask("user", "stop", B.user)
        self.assertEqual(self.mail(client), "450 4.7.1")

    def test_recipients_who_are_not_there(self) -> None:
        self.assertEqual(self.message(self.client(B), f"{UNKNOWN_USER}@{MX_DOMAIN}", FRIEND), "250 2.0.0")
        await_true(lambda: self.usage(B.user)["failed_day"] == 1, "the refusal is counted", 20)

    def test_wrong_usage_and_roles(self) -> None:
        told = self.agent.command("user", "stop", "nobody-here").stdout
        self.assertIn("Nobody of this name has sent anything in the last 24 hours", told)
        self.assertEqual(self.agent.ask("user", "resume", "nobody-here"), {"ok": True})
        self.assertEqual(self.agent.command("user", "resume", "nobody-here").returncode, 1)
        error = json.loads(self.agent.command("user", "resume", "nobody-here", "--json").stdout)["error"]
        self.assertEqual((error["kind"], error["remedy"]), ("not_found", "see `sekisho user usage`"))
        self.assertEqual(self.agent.command("user", "usage").stdout, "nobody has sent anything in the last 24 hours\n")
        self.agent.ask("user", "stop", B.user)
        for words in (("usage",), ("usage", A.user), ("stop", A.user), ("resume", B.user)):
            done = self.edge.run("setpriv", "--reuid", VIEWER, "--clear-groups", self.for_all("sekisho"), "user", *words, "--json",
                                 check=False)
            self.assertEqual(done.returncode, 0 if words[0] == "usage" else 1, done.stdout)
        self.assertIsNone(self.usage(A.user)["stopped"])
        self.assertIsNotNone(self.usage(B.user)["stopped"])
