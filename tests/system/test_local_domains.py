# SPDX-License-Identifier: Apache-2.0
"""Domains whose mailboxes are here: who may send to them, and to others, and that it arrives, by way of a real LMTP
server."""

import email
import email.policy
import os
import smtplib
import ssl
import subprocess
import time
from email.message import EmailMessage
from pathlib import Path

from lab import services
from lab.clients import SmtpTls, pop3_login, smtp_login, trust
from lab.hosts import await_true
from lab.isp import config_text
from lab.story_mail import arrived
from lab.topology import (CLIENT_NAME, EDGE_CORE4, EDGE_INET4, INTERNET4, LMTP_PORT, MAIL4, MISNAMED4, NAMED4, SUBSCRIBERS,
                          crowd_address4)
from mail_host import MailHost
from test_submission import FRIEND, SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
DOMAIN = "example.org"
ALICE, NOBODY = f"{A.user}@{DOMAIN}", f"not-there@{DOMAIN}"
STRANGER = "stranger@example.com"
NO_RELAY_USER, NO_RELAY_PASSWORD = "norelay", "no-relay-for-me"
KNOWN = 2525  # a port where a network of trust and grants count
SPEAKER = 2526  # another; A speaks for others there
BY_INTERFACE = 2527  # a third, for whom A's interface is one of trust; A speaks for others there, too
DENIED = "192.0.2.32/28"  # but for one address, and for hosts of one name
EXEMPT4, NEIGHBOUR4 = crowd_address4(2), crowd_address4(3)
AUTHORITY = "/etc/sekisho/tls/clients.pem"
SECOND_DOMAIN, SECOND_PORT = "second.example.net", 2424  # its server is a test's
CONFIG = f"""
[[relay.local]]
domains = ["{DOMAIN}"]
lmtp = "{MAIL4}:{LMTP_PORT}"
[[relay.local]]
domains = ["{SECOND_DOMAIN}"]
lmtp = "{MAIL4}:{SECOND_PORT}"
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
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {SPEAKER}
local = true
xclient = ["{A.address4}/32"]
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {BY_INTERFACE}
local = true
relay_interfaces = ["{A.interface}"]
xclient = ["{A.address4}/32"]
[[submission.account]]
users = ["{NO_RELAY_USER}"]
relay = false
[[submission.access]]
action = "allow"
clients = ["{EXEMPT4}/32"]
[[submission.access]]
action = "allow"
clients = ["{DENIED}"]
names = ["{CLIENT_NAME}"]
[[submission.access]]
action = "deny"
clients = ["{DENIED}"]
"""
# Each form that some server has taken for a way to another host.
FORMS = [f"friend%example.com@{DOMAIN}", f"example.com!friend@{DOMAIN}", f'"{FRIEND}"@{DOMAIN}', f"@{DOMAIN}:{FRIEND}",
         f"@{DOMAIN},@example.com:{FRIEND}", f"{FRIEND}@{DOMAIN}", f"{FRIEND}%{DOMAIN}", "friend%example.com",
         '"friend%example.com"', f'"{FRIEND}"', f"friend@[{INTERNET4}]", f"friend@[{EDGE_INET4}]", "friend@[IPv6:2001:db8:ffff::25]",
         "example.com!friend", f"@example.com:friend@{DOMAIN}", f"friend%[{INTERNET4}]@{DOMAIN}", f"friend@{EDGE_INET4}",
         f"{FRIEND} @{DOMAIN}"]
DIRECTIONS = {"local to local": (ALICE, ALICE), "Internet to local": (STRANGER, ALICE),
              "local to Internet": (ALICE, FRIEND), "Internet to Internet": (STRANGER, FRIEND)}
TAKEN, NO_MAILBOX, NO_RELAY, NO_LOGIN = "250 2.1.5", "550 5.1.1", "550 5.7.1", "530 5.7.0"
TO_ALL = dict.fromkeys(DIRECTIONS, TAKEN)
TO_LOCAL = {name: TAKEN if recipient == ALICE else NO_RELAY for name, (_, recipient) in DIRECTIONS.items()}
WITHIN = {name: TAKEN if name == "local to local" else NO_RELAY for name in DIRECTIONS}
TO_NOBODY = dict.fromkeys(DIRECTIONS, NO_LOGIN)


class LocalDomains(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        services.start_dovecot(cls.isp.lab, lmtp=True)
        cls.make_client_certificate()
        cls.agent.configure(config_text(("[grants]\n", '[grants]\nscope = ["edge", "relay"]\n'),
                                        ("[submission]\n", f'[submission]\nerrors = 1000\nclient_ca = "{AUTHORITY}"\n')) + CONFIG)
        cls.agent.stop()
        cls.agent.start()
        cls.submission.restart()
        cls.agent.ask("user", "add", NO_RELAY_USER, text=f"{NO_RELAY_PASSWORD}\n")

    @classmethod
    def make_client_certificate(cls) -> None:
        """A's, which is its own authority."""
        cls.certificate = cls.isp.lab.state / "client.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", f"/CN={A.user}", "-keyout", str(cls.certificate.with_suffix(".key")), "-out", str(cls.certificate)],
                       check=True, capture_output=True)
        cls.edge.write(AUTHORITY, cls.certificate.read_text())

    def connect(self, host: str = "internet", server: str = EDGE_INET4, port: int = 25, source: str = "") -> smtplib.SMTP:
        with self.isp.lab[host].network():
            client = smtplib.SMTP(server, port, "client.example.com", 10, (source, 0) if source else None)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    def login_without_relay(self) -> smtplib.SMTP:
        with self.isp.lab["a"].network():
            client = smtp_login(self.isp.smtp_trust, EDGE_CORE4, NO_RELAY_USER, NO_RELAY_PASSWORD)
        self.addCleanup(client.close)
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

    def test_what_a_second_server_would_send_back(self) -> None:
        """Each server is asked, not the first recipient's alone: a forged sender would read of what it never sent."""
        other = f"anna@{SECOND_DOMAIN}"
        for recipients, offered, header, refused in (
                ((other, ALICE), "250-SMTPUTF8\r\n250 8BITMIME", "Subject: Grüße", "550 5.6.7"),
                ((ALICE, other), "250 SMTPUTF8", "Subject: x", "550 5.6.3"),
                ((ALICE, other), "250 8BITMIME", "Subject: x", "250 2.0.0")):
            answers = {"LHLO": f"250-second\r\n{offered}"}
            with self.subTest(header, offered=offered), MailHost(self.isp.lab["mail"], MAIL4, SECOND_PORT, answers):
                client = self.connect()
                client.command_encoding = "utf-8"
                options = "BODY=8BITMIME" if header.isascii() else "SMTPUTF8 BODY=8BITMIME"
                self.assertEqual(self.code(client.docmd("MAIL", f"FROM:<{STRANGER}> {options}")), "250 2.1.0")
                for recipient in recipients:
                    self.assertEqual(self.code(client.rcpt(recipient)), TAKEN)
                self.assertEqual(client.docmd("DATA")[0], 354)
                client.sock.sendall(f"{header}\r\n\r\nGrüße\r\n.\r\n".encode())
                self.assertEqual(self.code(client.getreply()), refused)
                await_true(lambda: not self.submission.queue(), "an empty queue")

    def directions(self, client: smtplib.SMTP) -> dict[str, str]:
        return {name: self.rcpt(client, *pair) for name, pair in DIRECTIONS.items()}

    def test_four_directions(self) -> None:
        """Each under each way of being known that is the client's own."""
        self.assertEqual(self.directions(self.connect()), TO_LOCAL, "a stranger at port 25")
        stranger = self.connect("internet", EDGE_CORE4, 587)
        self.assertEqual(self.directions(stranger), TO_NOBODY, "a stranger at port 587")
        stranger.starttls(context=self.isp.smtp_trust)
        stranger.ehlo()
        self.assertEqual(self.directions(stranger), TO_NOBODY, "the same, inside TLS")
        self.assertEqual(self.directions(self.connect("b", EDGE_CORE4, KNOWN)), TO_ALL, "a network of trust")
        holder = self.connect("c", EDGE_CORE4, KNOWN)
        self.assertEqual(self.directions(holder), TO_LOCAL, "a subscriber who has fetched no mail")
        self.agent.ask("grant", "add", SUBSCRIBERS["c"].address4, "--scope", "relay")
        self.addCleanup(self.agent.revoke_all)
        self.assertEqual(self.directions(holder), TO_ALL, "one who has")

    def known(self, user: str, password: str) -> smtplib.SMTP:
        """Who has logged in where strangers are served, too."""
        client = self.connect("a", EDGE_CORE4, KNOWN)
        client.starttls(context=self.isp.smtp_trust)
        client.login(user, password)
        return client

    def test_four_directions_of_users(self) -> None:
        with self.login() as user:
            self.assertEqual(self.directions(user), TO_ALL, "at port 587")
        self.assertEqual(self.directions(self.known(A.user, A.password)), TO_ALL, "where strangers are served, too")
        self.assertEqual(self.directions(self.login_without_relay()), WITHIN, "one without the right to relay")
        self.assertEqual(self.directions(self.known(NO_RELAY_USER, NO_RELAY_PASSWORD)), WITHIN, "the same among strangers")
        context = trust(self.isp.lab.state / "smtp.pem")
        context.load_cert_chain(self.certificate, self.certificate.with_suffix(".key"))
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, context) as client:
            client.ehlo()
            self.assertEqual(self.directions(client), TO_NOBODY, "a certificate alone")
            self.assertEqual(self.code(client.docmd("AUTH", "EXTERNAL =")), "235 2.7.0")
            self.assertEqual(self.directions(client), TO_ALL, "by a certificate")

    def test_four_directions_by_interface(self) -> None:
        """Of trust: it is the client's own connection that counts, and not its address."""
        for host, source, seen in (("a", A.address4, TO_ALL), ("a", crowd_address4(100), TO_ALL), ("b", B.address4, TO_LOCAL),
                                   ("internet", INTERNET4, TO_LOCAL)):
            with self.subTest(source):
                self.assertEqual(self.directions(self.connect(host, EDGE_CORE4, BY_INTERFACE, source)), seen)
        client = self.connect("a", EDGE_CORE4, BY_INTERFACE)
        self.assertEqual(client.docmd("XCLIENT", f"ADDR={A.address4}")[0], 220)
        client.ehlo()
        self.assertEqual(self.directions(client), TO_LOCAL, "whom it speaks for")

    def test_four_directions_of_those_for_whom_a_host_speaks(self) -> None:
        for who, seen in ((f"ADDR={INTERNET4}", TO_LOCAL), (f"ADDR={INTERNET4} LOGIN={A.user}", TO_ALL),
                          (f"ADDR={INTERNET4} LOGIN={NO_RELAY_USER}", WITHIN)):
            with self.subTest(who):
                client = self.connect("a", EDGE_CORE4, SPEAKER)
                self.assertEqual(client.docmd("XCLIENT", who)[0], 220)
                client.ehlo()
                self.assertEqual(self.directions(client), seen)

    def test_four_directions_of_the_exempt(self) -> None:
        """From a denial, and from nothing else: they are strangers until they are known."""
        for source in (NEIGHBOUR4, MISNAMED4):
            with self.assertRaises(smtplib.SMTPConnectError) as told:
                self.connect("a", EDGE_CORE4, KNOWN, source)
            self.assertEqual(told.exception.smtp_code, 554)
        for source in (EXEMPT4, NAMED4):
            with self.subTest(source):
                self.assertEqual(self.directions(self.connect("a", EDGE_CORE4, 587, source)), TO_NOBODY)
                client = self.connect("a", EDGE_CORE4, KNOWN, source)
                self.assertEqual(self.directions(client), TO_LOCAL)
                client.rset()
                client.starttls(context=self.isp.smtp_trust)
                client.login(A.user, A.password)
                self.addCleanup(self.agent.revoke_all)
                self.assertEqual(self.directions(client), TO_ALL)

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
        for sender in (STRANGER, ALICE, "", f"postmaster@{DOMAIN}", f"{A.user}@smtp.example.net"):
            for form in FORMS:
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

    def test_forms_of_relaying_by_users(self) -> None:
        """Who has logged in, but may send to local domains only, gets no further by them."""
        user = self.login_without_relay()
        for sender in (f"{NO_RELAY_USER}@{DOMAIN}", ALICE, ""):
            for form in FORMS:
                user.rset()
                self.assertEqual(user.mail(sender)[0], 250)
                user.putcmd("RCPT", f"TO:<{form}>")
                code = user.getreply()[0]
                self.assertIn(code, (501, 550, 553), f"{form} of {sender}")
                self.assertEqual(user.docmd("DATA")[0], 554, form)
        for sender in (STRANGER, FRIEND, f"{NO_RELAY_USER}@smtp.example.net"):
            user.rset()
            self.assertEqual(self.code(user.mail(sender)), NO_RELAY)
        self.assertEqual(self.submission.queue(), [])
        self.assertEqual(self.rcpt(user, ALICE, ALICE), TAKEN)
        self.assertEqual(self.rcpt(user, ALICE, FRIEND), NO_RELAY, "what was true before RSET is no matter")

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
