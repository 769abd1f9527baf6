# SPDX-License-Identifier: Apache-2.0
"""Domains whose mailboxes are here: who may send to them, and to others, and that it arrives, by way of a real LMTP
server."""

import email
import email.policy
import os
import smtplib
import ssl
import time
from email.message import EmailMessage
from pathlib import Path

from lab import services
from lab.clients import pop3_login
from lab.hosts import await_true
from lab.isp import config_text
from lab.story_mail import arrived
from lab.topology import EDGE_CORE4, EDGE_INET4, INTERNET4, LMTP_PORT, MAIL4, SUBSCRIBERS
from mail_host import MailHost
from test_submission import FRIEND, SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
DOMAIN = "example.org"
ALICE, NOBODY = f"{A.user}@{DOMAIN}", f"not-there@{DOMAIN}"
STRANGER = "stranger@example.com"
KNOWN = 2525  # a port where a network of trust and grants count
CONFIG = f"""
[[relay.local]]
domains = ["{DOMAIN}"]
lmtp = "{MAIL4}:{LMTP_PORT}"
[[submission.listener]]
address = "{EDGE_INET4}"
port = 25
local = true
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {KNOWN}
local = true
relay = ["{B.address4}/32"]
relay_grants = true
"""
TAKEN, NO_MAILBOX, NO_RELAY, NO_LOGIN = "250 2.1.5", "550 5.1.1", "550 5.7.1", "530 5.7.0"


class LocalDomains(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        services.start_dovecot(cls.isp.lab, lmtp=True)
        cls.agent.configure(config_text(("[grants]\n", '[grants]\nscope = ["edge", "relay"]\n')) + CONFIG)
        cls.agent.stop()
        cls.agent.start()
        cls.submission.restart()

    def connect(self, host: str = "internet", server: str = EDGE_INET4, port: int = 25) -> smtplib.SMTP:
        with self.isp.lab[host].network():
            client = smtplib.SMTP(server, port, "client.example.com", 10)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def rcpt(self, client: smtplib.SMTP, sender: str, recipient: str) -> str:
        """What becomes of RCPT, or of MAIL where that is refused, as "250 2.1.5"."""
        client.rset()
        mail = self.code(client.mail(sender))
        return self.code(client.rcpt(recipient)) if mail == "250 2.1.0" else mail

    def mailbox(self, user: str = A.user) -> list[Path]:
        return list(self.isp.lab["mail"].file(f"/var/lib/mail/{user}/Maildir/new").glob("*"))

    def in_mailbox(self, subject: str) -> EmailMessage:
        def look() -> EmailMessage | None:
            for path in self.mailbox():
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if message["Subject"] == subject:
                    return message
            return None
        return await_true(look, f"{subject!r} in the mailbox", 15, 0.05)

    def test_from_the_internet(self) -> None:
        """It is passed on as it is, but for the trace."""
        text = f"From: {STRANGER}\r\nBcc: x@example.com\r\nSubject: from the Internet\r\n\r\nHello\r\n.dot\r\n"
        self.connect().sendmail(STRANGER, [ALICE], text)
        message = self.in_mailbox("from the Internet")
        self.assertEqual(message["Return-Path"], f"<{STRANGER}>")
        self.assertEqual((message["Date"], message["Message-ID"], message["Bcc"]), (None, None, "x@example.com"))
        trace = [" ".join(each.split()) for each in message.get_all("Received")]
        self.assertTrue(any(f"[{INTERNET4}]" in each and "by smtp.example.net" in each and "with ESMTP " in each for each in trace), trace)
        self.assertEqual(message.get_content().replace("\r\n", "\n"), "Hello\n.dot\n")
        with self.isp.lab["a"].network():
            reader = pop3_login(self.isp.trust, MAIL4, A.user, A.password)
            self.assertGreaterEqual(reader.stat()[0], 1)
            reader.quit()

    def test_inside_tls(self) -> None:
        """As between mail hosts: whoever it is, it is better than nothing (RFC 7435)."""
        opportunistic = ssl.create_default_context()
        opportunistic.check_hostname = False
        opportunistic.verify_mode = ssl.CERT_NONE
        client = self.connect()
        client.starttls(context=opportunistic)
        client.ehlo()
        self.assertEqual(self.rcpt(client, STRANGER, ALICE), TAKEN)

    def test_mailboxes(self) -> None:
        client = self.connect()
        self.assertEqual(self.rcpt(client, STRANGER, NOBODY), NO_MAILBOX)
        self.assertEqual(self.rcpt(client, STRANGER, ALICE.upper()), TAKEN)
        self.assertEqual(self.rcpt(client, "", ALICE), TAKEN, "a notice")
        self.assertEqual(self.rcpt(client, STRANGER, f"{A.user}@sub.{DOMAIN}"), NO_RELAY, "each domain by its whole name")
        self.assertEqual(self.rcpt(client, STRANGER, "postmaster"), NO_MAILBOX, "it is the first local domain's")
        with self.login() as user:
            self.assertEqual(self.rcpt(user, ALICE, NOBODY), NO_MAILBOX, "users learn it at once, too")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"RECIPIENT_REFUSED .*{NOBODY}")

    def test_in_letters_of_any_language(self) -> None:
        """This LMTP server takes none of it: so nothing is taken from strangers that would have to go back."""
        client = self.connect()
        client.command_encoding = "utf-8"
        self.assertEqual(self.code(client.docmd("MAIL", "FROM:<jörg@example.com> SMTPUTF8")), "250 2.1.0")
        self.assertEqual(self.code(client.docmd("RCPT", f"TO:<{ALICE}>")), "550 5.6.7")

    def test_four_directions(self) -> None:
        """Each under each way of being known."""
        pairs = {"local to local": (ALICE, ALICE), "Internet to local": (STRANGER, ALICE),
                 "local to Internet": (ALICE, FRIEND), "Internet to Internet": (STRANGER, FRIEND)}
        to_all = dict.fromkeys(pairs, TAKEN)
        to_local = {name: TAKEN if recipient == ALICE else NO_RELAY for name, (_, recipient) in pairs.items()}

        def seen(client: smtplib.SMTP) -> dict[str, str]:
            return {name: self.rcpt(client, *pair) for name, pair in pairs.items()}

        self.assertEqual(seen(self.connect()), to_local, "a stranger at port 25")
        with self.isp.lab["internet"].network():
            stranger = smtplib.SMTP(EDGE_CORE4, 587, "client.example.com", 10)
        self.addCleanup(stranger.close)
        stranger.starttls(context=self.isp.smtp_trust)
        stranger.ehlo()
        self.assertEqual(seen(stranger), dict.fromkeys(pairs, NO_LOGIN), "a stranger at port 587")
        with self.login() as user:
            self.assertEqual(seen(user), to_all, "a user at port 587")
        user = self.connect("a", EDGE_CORE4, KNOWN)
        user.starttls(context=self.isp.smtp_trust)
        user.login(A.user, A.password)
        self.assertEqual(seen(user), to_all, "a user where strangers are served, too")
        self.assertEqual(seen(self.connect("b", EDGE_CORE4, KNOWN)), to_all, "a network of trust")
        holder = self.connect("c", EDGE_CORE4, KNOWN)
        self.assertEqual(seen(holder), to_local, "a subscriber who has fetched no mail")
        self.agent.ask("grant", "add", SUBSCRIBERS["c"].address4, "--scope", "relay")
        self.addCleanup(self.agent.revoke_all)
        self.assertEqual(seen(holder), to_all, "one who has")

    def test_what_is_told(self) -> None:
        client = self.connect()
        client.mail(STRANGER)
        self.assertIn(b"log in at smtp.example.net, port 587", client.rcpt(FRIEND)[1])
        asked = ("why-relay", "--client", INTERNET4, "--from", STRANGER, "--listener", "5", "--to")
        answer = self.agent.ask(*asked, ALICE)
        self.assertEqual((answer["verdict"], answer["rule"], answer["direction"]), ("accept", "local", "Internet to local"))
        answer = self.agent.ask(*asked, FRIEND)
        self.assertEqual((answer["verdict"], answer["rule"], answer["direction"]), ("refuse", "nobody", "Internet to Internet"))
        self.assertIn("log in at smtp.example.net, port 587", answer["reply"])

    def test_forms_of_relaying(self) -> None:
        """The classical ones; none may reach another host."""
        victim = FRIEND.replace("@", "{}")
        forms = [victim.format("%") + f"@{DOMAIN}", f"example.com!friend@{DOMAIN}", f'"{FRIEND}"@{DOMAIN}',
                 f"@{DOMAIN}:{FRIEND}", f"@{DOMAIN},@example.com:{FRIEND}", f"{FRIEND}@{DOMAIN}", f"{FRIEND}%{DOMAIN}",
                 victim.format("%"), f'"{victim.format("%")}"', f'"{FRIEND}"', f"friend@[{INTERNET4}]", f"friend@[{EDGE_INET4}]",
                 f"friend@[IPv6:2001:db8:ffff::25]", f"example.com!friend", f"@example.com:friend@{DOMAIN}",
                 f"friend%[{INTERNET4}]@{DOMAIN}", f"friend@{EDGE_INET4}", f"{FRIEND} @{DOMAIN}"]
        for sender in (STRANGER, ALICE, "", f"postmaster@{DOMAIN}", f"{A.user}@smtp.example.net"):
            for form in forms:
                client = self.connect()
                client.mail(sender)
                client.putcmd("RCPT", f"TO:<{form}>")
                code = client.getreply()[0]
                self.assertIn(code, (501, 550, 553), f"{form} of {sender}")
                self.assertEqual(client.docmd("DATA")[0], 554, form)
                client.close()
        self.assertEqual(self.submission.queue(), [])
        client = self.connect()
        self.assertEqual(self.rcpt(client, STRANGER, ALICE), TAKEN)
        self.assertEqual(self.rcpt(client, STRANGER, FRIEND), NO_RELAY, "what was true before RSET is no matter")

    def test_the_mailboxes_server_is_gone(self) -> None:
        """Other hosts come again; users can't, so their mail waits."""
        services.stop_dovecot(self.isp.lab)
        self.addCleanup(services.start_dovecot, self.isp.lab, lmtp=True)
        self.assertEqual(self.rcpt(self.connect(), STRANGER, ALICE), "451 4.3.0")
        with self.login() as user:
            user.sendmail(ALICE, [ALICE], "Subject: it waits\r\n\r\nuntil then\r\n")
        await_true(lambda: any(each["recipients"][0]["last_error"] for each in self.submission.queue()), "an attempt")
        services.start_dovecot(self.isp.lab, lmtp=True)
        self.in_mailbox("it waits")

    def test_the_mailboxes_server_wants_nobody(self) -> None:
        """What it says at its door is not about the mailbox."""
        services.stop_dovecot(self.isp.lab)
        self.addCleanup(services.start_dovecot, self.isp.lab, lmtp=True)
        for answers in ({"": "554 5.3.2 not now"}, {"LHLO": "550 5.7.1 not you"}, {"MAIL": "550 5.7.1 not you"}):
            with MailHost(self.isp.lab["mail"], MAIL4, LMTP_PORT, answers):
                self.assertEqual(self.rcpt(self.connect(), STRANGER, ALICE), "451 4.3.0", answers)
                with self.login() as user:
                    self.assertEqual(self.rcpt(user, ALICE, ALICE), TAKEN)
        with MailHost(self.isp.lab["mail"], MAIL4, LMTP_PORT, {"RCPT": "552 5.2.2 full"}):
            self.assertEqual(self.rcpt(self.connect(), STRANGER, ALICE), "552 5.2.2")

    def test_questions_wait_quietly(self) -> None:
        """More of them than are asked at a time, of a server that doesn't answer."""
        services.stop_dovecot(self.isp.lab)
        self.addCleanup(services.start_dovecot, self.isp.lab, lmtp=True)
        with MailHost(self.isp.lab["mail"], MAIL4, LMTP_PORT, {"RCPT": None}):
            for client in [self.connect() for _ in range(12)]:
                client.mail(STRANGER)
                client.putcmd("RCPT", f"TO:<{ALICE}>")
            before = self.seconds_worked()
            time.sleep(2)
            self.assertLess(self.seconds_worked() - before, 0.5)

    def seconds_worked(self) -> float:
        """By the relay's processor so far."""
        numbers = Path(f"/proc/{self.submission.relay.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")

    def test_strangers_send_nobody_notices(self) -> None:
        client = self.connect()
        self.assertFalse(client.has_extn("dsn"))
        client.mail(STRANGER)
        self.assertEqual(self.code(client.docmd("RCPT", f"TO:<{ALICE}> NOTIFY=SUCCESS")), "555 5.5.4")

    def test_a_notice_of_arrival(self) -> None:
        """RFC 3461: it is in the mailbox, and not merely passed on."""
        with self.login() as user:
            user.sendmail(f"{A.user}@example.net", [ALICE], "Subject: is it there\r\n\r\nis it\r\n", rcpt_options=["NOTIFY=SUCCESS"])
        notice = arrived(self.isp, "mail", "Mail has arrived")
        self.assertIn("Action: delivered", notice.as_string())
        self.assertIn(f"Final-Recipient: rfc822; {ALICE}", notice.as_string())
