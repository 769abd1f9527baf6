# SPDX-License-Identifier: Apache-2.0
"""Logins at the real Dovecot, in every configuration of its checks."""

import imaplib
import itertools
import poplib
from concurrent.futures import ThreadPoolExecutor

from lab.clients import apop_login, connect, imap_login, pop3_login
from lab.hosts import await_true
from lab.services import dovecot_version, replace_dovecot, start_dovecot
from lab.topology import INTERNET4, MAIL4, SUBSCRIBERS
from lab_test import LabTest

A = SUBSCRIBERS["a"]
WITHOUT_PROOF = ('proof = "authed=ok"\n', "")


def cram_md5(isp, password: str):
    """IMAP with CRAM-MD5: like APOP, Dovecot finds the user's secret before it knows whether the answer is right."""
    client = imaplib.IMAP4(MAIL4)
    try:
        client.starttls(isp.trust)
        client.login_cram_md5(A.user, password)
    except BaseException:
        client.shutdown()
        raise
    return client


LOGINS = {
    "pop3": lambda isp, password: pop3_login(isp.trust, MAIL4, A.user, password),
    "apop": lambda isp, password: apop_login(MAIL4, A.user, password),
    "imap": lambda isp, password: imap_login(isp.trust, MAIL4, A.user, password),
    "cram-md5": cram_md5,
}


class DovecotChecksTest(LabTest):
    """Wrong and right passwords against before, after, report: all eight of their combinations."""

    mail = True

    def log_in(self, how: str, password: str) -> bool:
        with self.isp.lab["a"].network():
            try:
                client = LOGINS[how](self.isp, password)
            except (poplib.error_proto, imaplib.IMAP4.error):
                return False
            if isinstance(client, imaplib.IMAP4):
                client.shutdown()
            else:
                client.close()
            return True

    def check_combinations(self, grants) -> None:
        """`grants(after, report)`: does a right password grant?"""
        for before, after, report in itertools.product((False, True), repeat=3):
            start_dovecot(self.isp.lab, before=before, after=after, report=report)
            self.assert_refused()
            for how in LOGINS:
                with self.subTest(before=before, after=after, report=report, how=how):
                    self.assertTrue(self.log_in(how, A.password))
                    # The right one comes last on the same Dovecot: when it has been heard of, so has the wrong one.
                    self.check_grant(grants(after, report))

    def assert_refused(self) -> None:
        """A wrong password, in each way; at once, for Dovecot takes its time for each."""
        with ThreadPoolExecutor() as together:
            refused = {how: together.submit(self.log_in, how, "guessed") for how in LOGINS}
            for how, logged_in in refused.items():
                self.assertFalse(logged_in.result(), how)

    def check_grant(self, expected: bool) -> None:
        if expected:
            await_true(lambda: self.agent.granted(A.address4), "grant by a right password")
            self.agent.revoke_all()
        else:
            self.assertIsNone(self.agent.granted(A.address4))

    def check_wrong_passwords(self) -> None:
        """Nothing but wrong ones: every report must have come, and none may have opened anything."""
        for before, after, report in itertools.product((False, True), repeat=3):
            start_dovecot(self.isp.lab, before=before, after=after, report=report)
            with self.subTest(before=before, after=after, report=report):
                self.assert_refused()
                self.assertIsNone(self.agent.granted(A.address4))
            self.assertEqual(connect(self.isp.lab["a"], INTERNET4).outcome, "refused")
        self.assertEqual(self.logins()["granted"], 0)

    def test_wrong_password_with_proof(self) -> None:
        self.isp.restart_agent()
        self.check_wrong_passwords()

    def test_wrong_password_without_proof(self) -> None:
        self.isp.restart_agent(WITHOUT_PROOF)
        self.check_wrong_passwords()

    def test_right_password_with_proof(self) -> None:
        self.isp.restart_agent()
        self.check_combinations(lambda after, report: after)

    def test_right_password_without_proof(self) -> None:
        self.isp.restart_agent(WITHOUT_PROOF)
        self.check_combinations(lambda after, report: report)


class DovecotChecks(DovecotChecksTest):
    """By this Debian's Dovecot."""


class OtherDovecotChecks(DovecotChecksTest):  # labels: long
    """By Dovecot 2.4 of Debian 13, whose configuration and requests are others than 2.3's."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        replace_dovecot(cls.isp.lab, "trixie")

    def test_it_is_another(self) -> None:
        self.assertEqual(dovecot_version(self.isp.lab["mail"]), (2, 4))


class NoGrant(LabTest):
    """Logins that open nothing still are logins."""

    mail = True

    def test_address_in_no_pool(self) -> None:
        self.isp.restart_agent()
        before = self.logins()
        with self.isp.lab["internet"].network():
            pop3_login(self.isp.trust, MAIL4, A.user, A.password).close()
        after = self.logins()
        self.assertGreater(after["refused"], before["refused"])
        self.assertEqual(after["granted"], before["granted"])
        self.assertIn("no pool", self.log())
        metrics = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock",
                                "http://localhost/metrics").stdout
        refused = [line for line in metrics.splitlines() if "refused" in line and not line.startswith("#")]
        self.assertTrue(any(float(line.split()[-1]) >= 1 for line in refused), metrics)

    def test_agent_away(self) -> None:
        self.isp.restart_agent()
        self.agent.kill()
        with self.isp.lab["a"].network():
            pop3_login(self.isp.trust, MAIL4, A.user, A.password).close()
        self.assertEqual(connect(self.isp.lab["a"], INTERNET4).outcome, "refused")
