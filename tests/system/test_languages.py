# SPDX-License-Identifier: Apache-2.0
"""Addresses and headers in letters of any language (RFC 6531): to who takes them, and back from who doesn't."""

import time

from lab.hosts import await_true
from lab.story_mail import arrived
from lab.topology import MAIL4, MX_DOMAIN
from mail_host import MailHost
from test_relay import FRIEND, SENDER, RelayTest

JOERG = f"jörg@{MX_DOMAIN}"
OPTIONS = ["SMTPUTF8", "BODY=8BITMIME"]


class Languages(RelayTest):
    def post(self, sender: str, recipient: str, writer: str = "Jürgen") -> str:
        """One message; its subject."""
        subject = f"in any language {time.time_ns()}"
        with self.login() as client:
            client.ehlo()
            self.assertTrue(client.has_extn("smtputf8"))
            text = f"From: {writer} <{sender}>\r\nSubject: {subject}\r\n\r\nGrüße\r\n"
            client.sendmail(sender, [recipient], text.encode(), OPTIONS)
        return subject

    def test_to_who_takes_it(self) -> None:
        self.postfix("internet", smtputf8_enable="yes")
        for sender, recipient in ((SENDER, JOERG), ("関所@example.net", FRIEND), (SENDER, FRIEND)):
            message = arrived(self.isp, "internet", self.post(sender, recipient))
            ours = self.received(message, "smtp.example.net")
            self.assertIn("with UTF8SMTPSA ", ours)
            self.assertIn("with UTF8SMTP", self.received(message, "mx.example.com"), "it was passed on as such")

    def test_back_from_who_does_not(self) -> None:
        self.configure(("[relay]\n", f'[relay]\nsmarthost = "[{MAIL4}]:2525"\n'))
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, {}) as host:
            subject = self.post(SENDER, JOERG)
            await_true(lambda: host.messages, "the notice", 15)
            notice = host.messages[0].decode()
            self.assertIn(f"\r\nTo: <{SENDER}>\r\nSubject: Undelivered mail returned to sender\r\n", notice)
            self.assertIn("\r\nFinal-Recipient: utf-8; j\\x{F6}rg@example.com\r\nAction: failed\r\nStatus: 5.6.7\r\n", notice)
            self.assertIn(f"\r\n  {JOERG}\r\n", notice)
            self.assertIn("\r\nContent-Type: message/global-headers\r\n", notice)
            self.assertIn(f"\r\nSubject: {subject}\r\n", notice)
            self.assertNotIn("jörg", "".join(host.commands))

    def test_who_says_it_without_using_it_reaches_everybody(self) -> None:
        self.configure(("[relay]\n", f'[relay]\nsmarthost = "[{MAIL4}]:2525"\n'))
        with MailHost(self.isp.lab["mail"], MAIL4, 2525, {}) as host:
            subject = self.post(SENDER, FRIEND, writer="Anna")
            await_true(lambda: host.messages, "the message", 15)
            self.assertIn(f"Subject: {subject}\r\n", host.messages[0].decode())

    def test_only_where_it_was_announced(self) -> None:
        with self.login() as client:
            client.ehlo()
            client.command_encoding = "utf-8"
            self.assertEqual(self.code(client.docmd("MAIL", f"FROM:<{JOERG}>")), "553 5.6.7")
            self.assertEqual(self.code(client.docmd("MAIL", "FROM:<a@-ü.example> SMTPUTF8")), "501 5.1.7")
            self.assertEqual(self.code(client.docmd("MAIL", f"FROM:<{SENDER}>")), "250 2.1.0")
            self.assertEqual(self.code(client.docmd("RCPT", f"TO:<{JOERG}>")), "553 5.6.7")
