# SPDX-License-Identifier: Apache-2.0
"""The way out: smarthost, TLS, retries, and notices that aren't sent."""

import datetime
import time
from email.message import EmailMessage

from lab.hosts import await_true
from lab.isp import config_text
from lab.services import await_no_connection
from lab.story_mail import arrived, send
from lab.topology import (EDGE_CORE4, EDGE_CORE6, INTERNET4, MAIL4, MAIL_NAME, MX_DOMAIN, MX_NAME, SMTP_NAME, SUBSCRIBERS,
                          UNKNOWN_USER)
from mail_host import MailHost
from test_submission import SENDER, SmtpTest

A = SUBSCRIBERS["a"]
FRIEND, UNKNOWN = f"friend@{MX_DOMAIN}", f"{UNKNOWN_USER}@{MX_DOMAIN}"


class RelayTest(SmtpTest):
    """What the tests below have in common. Not a test itself."""

    def tearDown(self) -> None:
        self.submission.empty_queue()
        self.agent.revoke_all()

    def configure(self, *changes: tuple[str, str]) -> None:
        """The relay with parts of the lab's configuration replaced, until the test is over."""
        self.addCleanup(self.reconfigure)
        self.reconfigure(*changes)

    def reconfigure(self, *changes: tuple[str, str]) -> None:
        self.agent.configure(config_text(*changes))
        self.submission.relay.stop()
        self.submission.relay.start()

    def postfix(self, host: str, **settings: str) -> None:
        """Settings of a host's Postfix, until the test is over."""
        machine = self.isp.lab[host]
        before = machine.file("/etc/postfix/main.cf").read_text()
        self.addCleanup(machine.run, "postfix", "reload")
        self.addCleanup(machine.write, "/etc/postfix/main.cf", before)
        machine.run("postconf", *(f"{name}={value}" for name, value in settings.items()))
        machine.run("postfix", "reload")

    def send(self, recipient: str = FRIEND) -> str:
        """One message; its subject."""
        subject = f"out {time.time_ns()}"
        send(self.isp, A, recipient, subject)
        return subject

    def received(self, message: EmailMessage, by: str) -> str:
        """The one Received line of this server, in one line."""
        (line,) = [line for line in (" ".join(each.split()) for each in message.get_all("Received")) if f"by {by} " in line]
        return line

    def waiting(self) -> dict:
        """The only recipient in the queue, once there is only one and there was an attempt."""
        def look() -> dict | None:
            waiting = [each for message in self.submission.queue() for each in message["recipients"]]
            return waiting[0] if len(waiting) == 1 and waiting[0]["attempts"] else None
        return await_true(look, "one recipient with an attempt", 20)

    def said(self, name: str) -> str:
        """Lines of this name in the relay's log."""
        log = self.edge.log("sekisho-relay.log").read_text()
        return "\n".join(line for line in log.splitlines() if f" {name} " in line)


class Smarthost(RelayTest):
    """All mail goes to one host, whatever the name service says of the recipients'."""

    def to(self, smarthost: str) -> tuple[str, str]:
        return "[relay]", f'[relay]\nsmarthost = "{smarthost}"'

    def test_by_name(self) -> None:
        """The ISP's own Postfix takes it on."""
        self.postfix("mail", mynetworks=f"127.0.0.0/8 {EDGE_CORE4}/32 [{EDGE_CORE6}]/128")
        self.configure(self.to(f"{MAIL_NAME}:587"))
        message = arrived(self.isp, "internet", self.send(), 30)
        self.assertIn(f"from {SMTP_NAME} ", self.received(message, MAIL_NAME))
        self.assertIn(f"from {MAIL_NAME} ", self.received(message, MX_NAME))

    def test_by_address(self) -> None:
        """Recipients of every domain, also of one that the name service doesn't know."""
        before = len(self.isp.inbox("internet"))
        recipients = [FRIEND, "friend@unknown.example.net", f"friend@[{INTERNET4}]"]
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, {}) as host:
            self.configure(self.to(f"[{MAIL4}]:2525"))
            for recipient in recipients:
                self.send(recipient)
            await_true(lambda: len(host.messages) == len(recipients), "all messages at the smarthost")
            await_true(lambda: not self.submission.queue(), "an empty queue")
        told = sorted(command for command in host.commands if command.startswith("RCPT"))
        self.assertEqual(told, sorted(f"RCPT TO:<{recipient}>" for recipient in recipients))
        self.assertEqual(len(self.isp.inbox("internet")), before)

    def test_many_domains(self) -> None:
        """One message is one message there, however many domains it is for."""
        recipients = [f"friend@d{number}.example.net" for number in range(10)]
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, {}) as host:
            self.configure(self.to(f"[{MAIL4}]:2525"))
            client = self.login()
            client.sendmail(SENDER, recipients, b"Subject: many\r\n\r\nx\r\n")
            client.close()
            await_true(lambda: not self.submission.queue(), "an empty queue")
        self.assertEqual(len(host.messages), 1)
        self.assertEqual(sum(command.startswith("RCPT") for command in host.commands), len(recipients))

    def test_on_this_host(self) -> None:
        """Another mail server on the box is a smarthost like any other."""
        with MailHost(self.edge, EDGE_CORE4, 2525, {}) as host:
            self.configure(self.to(f"[{EDGE_CORE4}]:2525"))
            self.send()
            await_true(lambda: len(host.messages) == 1, "the message at the smarthost")

    def test_unknown_name(self) -> None:
        """A mistake in the configuration: no sender is told that it failed for good."""
        told = len(self.isp.inbox("mail"))
        self.configure(self.to("nowhere.example.net"))
        subject = self.send()
        self.assertIn("nowhere.example.net", self.waiting()["last_error"])
        self.reconfigure()
        arrived(self.isp, "internet", subject)
        self.assertEqual(len(self.isp.inbox("mail")), told)


class Wishes(RelayTest):
    """What a sender wants to hear (RFC 3461) is passed on, or done here."""

    def submit(self) -> None:
        client = self.login()
        client.sendmail(SENDER, [FRIEND], b"Subject: wishes\r\n\r\nx\r\n", ["RET=HDRS", "ENVID=QQ+2B314"],
                        ["NOTIFY=SUCCESS", f"ORCPT=rfc822;{FRIEND}"])
        client.close()

    def test_success(self) -> None:
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, {}) as host:
            self.configure(("[relay]", f'[relay]\nsmarthost = "[{MAIL4}]:2525"'))
            self.submit()
            await_true(lambda: len(host.messages) == 2, "the message, and a notice of it")
            self.assertFalse([command for command in host.commands if "NOTIFY" in command or "ENVID" in command])
            notice = host.messages[1].decode()
            for field in ("Action: relayed", "Original-Envelope-Id: QQ+314", f"Original-Recipient: rfc822; {FRIEND}"):
                self.assertIn(f"\r\n{field}\r\n", notice)
            await_no_connection(self.edge, MAIL4)
            host.answers["EHLO"] = "250-mx.example.com\r\n250 DSN"
            self.submit()
            await_true(lambda: len(host.messages) == 3 and not self.submission.queue(), "the message, and an empty queue")
        self.assertIn(f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=QQ+2B314", host.commands)
        self.assertIn(f"RCPT TO:<{FRIEND}> NOTIFY=SUCCESS ORCPT=rfc822;{FRIEND}", host.commands)
        self.assertEqual(len(host.messages), 3)


    def fail(self, host: MailHost, subject: str, options: list[str], wishes: list[str]) -> str:
        """A message to somebody whom the smarthost doesn't know, and what it is told then."""
        before = len(host.messages)
        client = self.login()
        client.sendmail(SENDER, [UNKNOWN], f"Subject: {subject}\r\n\r\nthe text of {subject}\r\n".encode(), options, wishes)
        client.close()
        await_true(lambda: f"RCPT TO:<{UNKNOWN}>" in host.commands, "an attempt")
        await_true(lambda: not self.submission.queue(), "an empty queue")
        host.commands.clear()
        return "".join(each.decode() for each in host.messages[before:])

    def test_failure(self) -> None:
        """What of the message comes back, or that nobody is told."""
        unknown = {f"RCPT TO:<{UNKNOWN}>": "550 5.1.1 No such user"}
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, unknown) as host:
            self.configure(("[relay]", f'[relay]\nsmarthost = "[{MAIL4}]:2525"'))
            self.assertEqual(self.fail(host, "never", ["RET=FULL"], ["NOTIFY=NEVER"]), "")
            self.assertEqual(self.fail(host, "late", ["RET=FULL"], ["NOTIFY=SUCCESS,DELAY"]), "")
            whole = self.fail(host, "whole", ["RET=FULL"], ["NOTIFY=FAILURE"])
            self.assertIn("\r\nContent-Type: message/rfc822\r\n", whole)
            self.assertIn("\r\nSubject: whole\r\n", whole)
            self.assertIn("\r\n\r\nthe text of whole\r\n", whole)
            head = self.fail(host, "head", ["RET=HDRS"], [])
            self.assertIn("\r\nContent-Type: text/rfc822-headers\r\n", head)
            self.assertIn("\r\nSubject: head\r\n", head)
            self.assertNotIn("the text of", head)


# Where a MailHost stands in for the Internet's Postfix.
OTHER_PORT = ("[relay]", "[relay]\nport = 2525")


class OutboundTls(RelayTest):
    """TLS where it is offered, and mail goes out where it doesn't work."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        internet = cls.isp.lab["internet"]
        internet.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", f"/CN={MX_NAME}", "-keyout", "/etc/postfix/mx.key", "-out", "/etc/postfix/mx.pem")

    def offer(self, **settings: str) -> None:
        self.postfix("internet", smtpd_tls_cert_file="/etc/postfix/mx.pem", smtpd_tls_key_file="/etc/postfix/mx.key",
                     smtpd_tls_security_level="may", smtpd_tls_received_header="yes", **settings)

    def test_not_offered(self) -> None:
        line = self.received(arrived(self.isp, "internet", self.send()), MX_NAME)
        self.assertIn("with ESMTP ", line)
        self.assertNotIn("using TLS", line)

    def test_offered(self) -> None:
        self.offer()
        line = self.received(arrived(self.isp, "internet", self.send()), MX_NAME)
        self.assertIn("(using TLSv1.3 with cipher ", line)
        self.assertIn("with ESMTPS ", line)
        self.assertIn("TLSv1.3 with cipher ", self.said("DELIVERED").splitlines()[-1])

    def test_too_old(self) -> None:
        """Where both sides find no version in common, the mail goes without: so it would have gone without the offer."""
        self.offer(smtpd_tls_protocols="TLSv1")
        line = self.received(arrived(self.isp, "internet", self.send()), MX_NAME)
        self.assertNotIn("using TLS", line)

    def test_refused_and_broken(self) -> None:
        for answer in ("454 4.7.0 TLS not available", "220 2.0.0 and then no TLS"):
            with self.subTest(answer):
                with MailHost(self.isp.lab["internet"], INTERNET4, 2525, {"STARTTLS": answer}) as host:
                    self.configure(OTHER_PORT)
                    subject = self.send()
                    await_true(lambda: host.messages, "the message")
                    self.assertIn(f"Subject: {subject}\r\n".encode(), host.messages[0])
                    self.assertIn("STARTTLS", host.commands)


class Retries(RelayTest):
    """A host that says "later" is asked again, each time after a longer while."""

    LATER = "451 4.2.0 Come again"

    def host(self, answers: dict[str, str]) -> MailHost:
        return MailHost(self.isp.lab["internet"], INTERNET4, 2525, answers)

    def test_growing_intervals(self) -> None:
        self.configure(OTHER_PORT, ('retry_longest = "4s"', 'retry_longest = "1m"'))
        with self.host({"RCPT": self.LATER}) as host:
            self.send()
            waits = []
            for attempt in (1, 2, 3):
                state = await_true(lambda: (now := self.waiting())["attempts"] >= attempt and now, f"attempt {attempt}", 20)
                self.assertEqual(state["attempts"], attempt)
                self.assertIn(self.LATER, state["last_error"])
                waits.append(self.seconds(state["next"]) - host.greeted[attempt - 1])
            # 2, 3 and 4.5 s, up to a quarter more, in whole seconds
            for wait, (least, most) in zip(waits, ((1, 4), (2, 5), (4, 7))):
                self.assertTrue(least <= wait <= most, waits)
            self.assertEqual(waits, sorted(waits))
            self.assertEqual(host.messages, [])
            host.answers.clear()
            await_true(lambda: len(host.messages) == 1, "the message", 20)
            await_true(lambda: not self.submission.queue(), "an empty queue")
        gaps = [later - sooner for sooner, later in zip(host.greeted, host.greeted[1:])]
        self.assertEqual(gaps, sorted(gaps))

    def seconds(self, moment: str) -> float:
        return datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()

    def test_only_for_whom_it_failed(self) -> None:
        """What one recipient has got isn't sent to them again."""
        self.configure(OTHER_PORT)
        with self.host({f"RCPT TO:<later@{MX_DOMAIN}>": self.LATER}) as host:
            client = self.login()
            client.sendmail(SENDER, [FRIEND, f"later@{MX_DOMAIN}"], b"Subject: two\r\n\r\nx\r\n")
            client.close()
            self.assertEqual(self.waiting()["address"], f"later@{MX_DOMAIN}")
            self.assertEqual(len(host.messages), 1)
            host.answers.clear()
            await_true(lambda: len(host.messages) == 2, "the second one's message", 20)
        self.assertEqual(host.commands.count(f"RCPT TO:<{FRIEND}>"), 1)

    def test_host_that_serves_nobody(self) -> None:
        """554 as a greeting is no word about the mailbox."""
        self.configure(OTHER_PORT)
        with self.host({"": "554 5.3.2 No SMTP service here"}) as host:
            subject = self.send()
            await_true(lambda: host.greeted, "a visit")
            self.waiting()
            host.answers.clear()
            await_true(lambda: host.messages, "the message", 20)
        self.assertIn(subject.encode(), host.messages[0])

    def test_given_up(self) -> None:
        """After relay.give_up the sender is told."""
        told = len(self.isp.inbox("mail"))
        self.configure(OTHER_PORT, ("[relay]", '[relay]\ngive_up = "3s"'))
        with self.host({f"RCPT TO:<{FRIEND}>": self.LATER, f"RCPT TO:<{SENDER}>": "250 2.1.5 Ok"}) as host:
            self.send()
            await_true(lambda: "4.7" in self.said("FAILED") or self.said("NOTICE"), "the end of patience", 20)
            self.reconfigure()
            await_true(lambda: len(self.isp.inbox("mail")) > told, "the notice", 20)
        self.assertGreaterEqual(len(host.greeted), 2)
        notice = self.isp.inbox("mail")[-1].read_text()
        self.assertIn("Status: 5.4.7", notice)
        self.assertIn(self.LATER, notice)


class SlowHost(RelayTest):
    """However much waits for a host that says nothing, others get their mail."""

    SLOW = "203.0.113.27"  # nobody has it, until the test gives it to the internet host

    def test_others_get_theirs(self) -> None:
        internet = self.isp.lab["internet"]
        internet.run("ip", "addr", "add", f"{self.SLOW}/32", "dev", "eth0")
        self.addCleanup(internet.run, "ip", "addr", "del", f"{self.SLOW}/32", "dev", "eth0")
        self.configure(OTHER_PORT)
        crowd = [f"friend{number}@[{self.SLOW}]" for number in range(100)]
        with MailHost(internet, self.SLOW, 2525, {"": None}) as slow, MailHost(internet, INTERNET4, 2525, {}) as host:
            client = self.login()
            for number in range(15):
                client.sendmail(SENDER, crowd, f"Subject: slow {number}\r\n\r\nx\r\n".encode())
            await_true(lambda: len(slow.greeted) == 5, "as many deliveries as may be at once")  # deliveries_per_host
            client.sendmail(SENDER, [FRIEND], b"Subject: quick\r\n\r\nx\r\n")
            client.close()
            await_true(lambda: host.messages, "the other host's message")
            self.assertEqual(len(slow.greeted), 5)


class Notices(RelayTest):
    """To whom nothing is said."""

    def setUp(self) -> None:
        super().setUp()
        self.told = len(self.isp.inbox("mail"))

    def submit(self, sender: str, recipient: str) -> None:
        client = self.login()
        client.sendmail(sender, [recipient], b"Subject: no notice\r\n\r\nx\r\n")
        client.close()

    def failures(self, recipient: str) -> int:
        return sum(recipient in line for line in self.said("FAILED").splitlines())

    def test_null_sender(self) -> None:
        """Itself a notice, perhaps: nobody is told (RFC 5321, 4.5.5)."""
        before, said = self.failures(UNKNOWN), self.said("NOTICE")
        self.submit("", UNKNOWN)
        await_true(lambda: self.failures(UNKNOWN) > before, "the failure", 20)
        await_true(lambda: not self.submission.queue(), "an empty queue")
        self.assertEqual(self.said("NOTICE"), said)
        self.assertEqual(len(self.isp.inbox("mail")), self.told)

    def test_null_sender_arrives(self) -> None:
        subject = f"null {time.time_ns()}"
        client = self.login()
        client.sendmail("", [FRIEND], f"Subject: {subject}\r\n\r\nx\r\n".encode())
        client.close()
        self.assertEqual(arrived(self.isp, "internet", subject)["Return-Path"], "<>")

    def test_notice_is_not_bounced(self) -> None:
        """The sender doesn't exist either."""
        before, said = self.failures(UNKNOWN), len(self.said("NOTICE").splitlines())
        self.submit(UNKNOWN, UNKNOWN)
        await_true(lambda: self.failures(UNKNOWN) == before + 2, "the message's and the notice's failure", 20)
        await_true(lambda: not self.submission.queue(), "an empty queue")
        self.assertEqual(len(self.said("NOTICE").splitlines()), said + 1)
        self.assertEqual(len(self.isp.inbox("mail")), self.told)
