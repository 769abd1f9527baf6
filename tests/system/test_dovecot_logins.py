# SPDX-License-Identifier: Apache-2.0
"""Logins at the submission server that a Dovecot on the same host judges, by its own passwords and mechanisms."""

import base64
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

from lab import services
from lab.clients import SmtpTls
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import API_KEY, EDGE_CORE4, SUBSCRIBERS
from test_failed_logins import sections, tries
from test_mechanisms import Scram
from test_submission import FRIEND, SENDER, SmtpTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
PASSWORD = "down the rabbit hole"  # Dovecot's; sekisho-auth knows another
SOCKET = "/run/dovecot/auth-client"
# ANONYMOUS is no login, and APOP not for SMTP: neither may be offered.
COMMON = """
protocols =
ssl = no
log_path = /var/log/dovecot.log
auth_mechanisms = plain login cram-md5 scram-sha-256 apop anonymous
auth_failure_delay = 0
service auth {
  unix_listener auth-client {
    mode = 0660
    group = sekisho-smtpd
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
CONFIG = {
    "2.3": COMMON + """
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}
""",
    "2.4": "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" + COMMON + """
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = /nonexistent
  }
}
""",
}


CONFIGURED = ("[submission]\n", f'[submission]\nauth_socket = "{SOCKET}"\n')


class DovecotTest(SmtpTest):
    """A Dovecot on the edge judges. Not a test itself."""

    more: dict[str, str] = {"2.3": "", "2.4": ""}  # of its configuration
    users = f"{A.user}:{{PLAIN}}{PASSWORD}\n"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.version = "2.3" if services.dovecot_version(cls.edge) < (2, 4) else "2.4"
        cls.write_files()
        cls.edge.write("/etc/dovecot/dovecot.conf", CONFIG[cls.version] + cls.more[cls.version])
        cls.write_secret("/etc/dovecot/users", cls.users)
        cls.edge.run("install", "-d", "/var/lib/dovecot")
        cls.start_dovecot()
        cls.agent.configure(config_text(CONFIGURED))
        cls.submission.restart()

    @classmethod
    def write_files(cls) -> None:
        """What `more` names."""

    @classmethod
    def write_secret(cls, path: str, text: str) -> None:
        cls.edge.write(path, text, 0o640)
        cls.edge.run("chgrp", "dovecot", path)

    @classmethod
    def start_dovecot(cls) -> None:
        cls.edge.run("dovecot")
        await_true(lambda: cls.edge.file(SOCKET).is_socket(), "Dovecot's socket")

    @classmethod
    def stop_dovecot(cls) -> None:
        cls.edge.run("doveadm", "stop")
        await_true(lambda: not cls.edge.file("/run/dovecot/master.pid").exists(), "end of Dovecot")
        # Who judges logins would do so as long as anybody is connected.
        for pid in cls.edge.run("pidof", "auth", check=False).stdout.split():
            cls.edge.run("kill", "-KILL", pid)

    def setUp(self) -> None:
        super().setUp()
        await_true(lambda: "PLAIN" in self.offered() and "CRAM-MD5" in self.offered(), "Dovecot has been heard")

    def connected(self, host: str = "a") -> smtplib.SMTP:
        with self.isp.lab[host].network():
            client = SmtpTls(EDGE_CORE4, self.isp.smtp_trust)
        client.ehlo()
        return client

    def offered(self) -> list[str]:
        with self.connected() as client:
            return client.esmtp_features["auth"].split()

    def log_in(self, mechanism: str, password: str, user: str = A.user, host: str = "a") -> str:
        """The codes of the last reply."""
        with self.connected(host) as client:
            client.user, client.password = user, password
            own = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}", None)
            try:
                return self.code(client.auth(mechanism, own or Scram(mechanism, user, password)))
            except smtplib.SMTPAuthenticationError as failed:
                return self.code((failed.smtp_code, failed.smtp_error))

    def lockouts(self) -> list[tuple[str, str]]:
        return sorted((each["kind"], each["who"]) for each in self.agent.ask("lockout", "list")["lockouts"])


class DovecotLogins(DovecotTest):
    def test_what_it_knows_is_offered(self) -> None:
        self.assertEqual(self.offered(), ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"])
        self.assertEqual(self.log_in("SCRAM-SHA-1", PASSWORD), "504 5.5.4", "which sekisho-auth knows")

    def test_right_and_wrong(self) -> None:
        self.submission.auth.stop()
        self.addCleanup(self.submission.auth.start)
        for mechanism in self.offered():
            with self.subTest(mechanism):
                self.agent.revoke_all()
                self.assertEqual(self.log_in(mechanism, A.password), "535 5.7.8")
                self.assertEqual(self.log_in(mechanism, PASSWORD, "nobody"), "535 5.7.8")
                self.assertEqual(self.agent.ask("grant", "list")["grants"], [])
                self.assertEqual(self.log_in(mechanism, PASSWORD), "235 2.7.0")
                self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], [A.user])

    def test_the_longest_response(self) -> None:
        """Dovecot takes it for what it is, and others go on over the same connection to it."""
        longest = base64.b64encode(b"\0alice\0".ljust(9216, b"x")).decode()
        self.assertEqual(len(longest), 12_288)
        lost = self.edge.log("sekisho-smtpd.log").read_text().count("AUTH_SERVER_LOST")
        with self.connected() as client:
            self.assertEqual(self.code(client.docmd("AUTH", f"PLAIN {longest}")), "535 5.7.8")
            self.assertEqual(client.docmd("AUTH", "PLAIN")[0], 334)
            self.assertEqual(self.code(client.docmd(longest)), "535 5.7.8")
        self.assertEqual(self.log_in("PLAIN", PASSWORD), "235 2.7.0")
        self.assertEqual(self.edge.log("sekisho-smtpd.log").read_text().count("AUTH_SERVER_LOST"), lost)

    def test_gone_and_back(self) -> None:
        """Who is connected already goes on when it is back."""
        with self.connected() as client:
            self.stop_dovecot()
            self.assertEqual(self.log_in("PLAIN", PASSWORD), "454 4.7.0")
            client.user, client.password = A.user, PASSWORD
            with self.assertRaises(smtplib.SMTPAuthenticationError) as told:
                client.auth("PLAIN", client.auth_plain)
            self.assertEqual(self.code((told.exception.smtp_code, told.exception.smtp_error)), "454 4.7.0")
            self.start_dovecot()
            await_true(lambda: self.log_in("PLAIN", PASSWORD) == "235 2.7.0", "logins again", 20, 0.1)
            self.assertEqual(client.auth("PLAIN", client.auth_plain)[0], 235)
            self.assertEqual(client.sendmail(SENDER, [FRIEND], "Subject: judged by Dovecot\r\n\r\nx\r\n"), {})
        await_true(lambda: "judged by Dovecot" in self.subjects(), "the message", 15)


MASTERS = "/etc/dovecot/masters"
CHECKER = "/usr/local/sbin/check-password"
# Knows whoever says the password, and calls them all by one name.
CHECKER_TEXT = f"""#!/bin/sh
if [ "$(tr '\\0' '\\n' <&3 | sed -n 2p)" = "open sesame" ]; then
    export USER=zoe
    exec "$@"
fi
exit 1
"""


class RenamedUsers(DovecotTest):
    """Dovecot calls users by other names than clients do: a lock of either holds."""

    more = {
        "2.3": f"""
auth_username_format = %Ln
auth_master_user_separator = *
passdb {{
  driver = passwd-file
  master = yes
  args = {MASTERS}
  pass = yes
}}
passdb {{
  driver = checkpassword
  args = {CHECKER}
}}
""",
        "2.4": f"""
auth_username_format = %{{user | username | lower}}
auth_master_user_separator = *
passdb masters {{
  driver = passwd-file
  master = yes
  passwd_file_path = {MASTERS}
  result_success = continue
}}
""",
    }
    users = f"{A.user}:{{PLAIN}}{PASSWORD}\nsales:{{PLAIN}}{PASSWORD}::::::user={A.user}\n"

    @classmethod
    def write_files(cls) -> None:
        cls.write_secret(MASTERS, f"boss:{{PLAIN}}{PASSWORD}\n")
        cls.edge.write(CHECKER, CHECKER_TEXT, 0o755)

    def setUp(self) -> None:
        super().setUp()
        self.agent.revoke_all()
        self.isp.restart_agent(CONFIGURED, tries(per_address=0, per_network=0, per_user=3))

    def guess(self, user: str, times: int = 3) -> None:
        for _ in range(times):
            self.assertEqual(self.log_in("PLAIN", "guessed", user), "535 5.7.8")

    def assert_locked(self, password: str, *users: str) -> None:
        """The right password is refused, and not as soon as a wrong one."""
        def locked_try(user: str) -> tuple[str, float]:
            begin = time.monotonic()
            return self.log_in("PLAIN", password, user, B.host), time.monotonic() - begin

        with ThreadPoolExecutor() as together:
            for user, (code, seconds) in zip(users, together.map(locked_try, users)):
                self.assertEqual(code, "535 5.7.8", user)
                self.assertGreater(seconds, 10, user)
        self.assertEqual(self.agent.ask("grant", "list")["grants"], [])

    def test_names_that_are_made_alike(self) -> None:
        self.guess("ALICE@example.net", 2)
        self.guess("Alice@example.com", 1)
        self.assertEqual(self.lockouts(), [("user", A.user)], "each spelling has failed less often")
        self.assert_locked(PASSWORD, "alice", "sales")

    def test_an_alias(self) -> None:
        self.guess("sales")
        self.assertEqual(self.lockouts(), [("user", A.user), ("user", "sales")])
        self.assert_locked(PASSWORD, A.user)

    def test_a_name_that_a_right_password_changes(self) -> None:
        """A wrong one is answered with the name that the client gave, a right one with the other."""
        if self.version == "2.4":
            self.skipTest("it has no checkpassword any more")
        self.guess("zed")
        self.assertEqual(self.lockouts(), [("user", "zed")])
        self.assert_locked("open sesame", "zed")
        self.agent.ask("lockout", "remove", "zed")
        self.guess("zoe")
        self.assert_locked("open sesame", "zed")
        self.agent.ask("lockout", "remove", "zoe")
        self.assertEqual(self.log_in("PLAIN", "open sesame", "zed"), "235 2.7.0")
        self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], ["zoe"])

    def test_a_master(self) -> None:
        """It is the master's password that is guessed, whoever he would be."""
        self.guess(f"{A.user}*Boss", 2)
        self.guess("carol*boss", 1)
        self.assertEqual(self.lockouts(), [("user", "boss")])
        self.assert_locked(PASSWORD, f"{A.user}*boss")
        self.assertEqual(self.log_in("PLAIN", PASSWORD), "235 2.7.0", "who has guessed nothing")


POLICY_PORT = 4002  # of the agent, for the Dovecot beside it
POLICY = f"""
auth_policy_server_url = http://{EDGE_CORE4}:{POLICY_PORT}/
auth_policy_server_api_header = X-API-Key: {API_KEY}
auth_policy_server_timeout_msecs = 2000
auth_policy_hash_nonce = salt
auth_policy_check_before_auth = yes
auth_policy_check_after_auth = no
auth_policy_report_after_auth = no
"""
LISTENER = f"""
[[login.dovecot]]
name = "beside"
listen = "{EDGE_CORE4}"
port = {POLICY_PORT}
key_file = "/etc/sekisho/policy.key"
reporters = ["{EDGE_CORE4}"]
[[login.access]]
action = "deny"
users = ["{B.user}"]
"""
DENIED = "/etc/dovecot/denied"


class NotForThePassword(DovecotTest):
    """Dovecot refuses somebody for another reason than a wrong password: that is no guess, and locks nobody. It doesn't
    report what failed, for it would report these, too."""

    more = {
        "2.3": POLICY + f"""
passdb {{
  driver = passwd-file
  deny = yes
  args = {DENIED}
}}
""",
        "2.4": POLICY + f"""
auth_policy_request_attributes {{
  login = %{{requested_username}}
  remote = %{{remote_ip}}
  protocol = %{{protocol}}
}}
passdb denied {{
  driver = passwd-file
  deny = yes
  passwd_file_path = {DENIED}
}}
""",
    }
    users = f"{A.user}:{{PLAIN}}{PASSWORD}\n{B.user}:{{PLAIN}}{PASSWORD}\naway:{{PLAIN}}{PASSWORD}::::::nologin reason=away\n"

    @classmethod
    def write_files(cls) -> None:
        cls.write_secret(DENIED, "dora:\n")

    def setUp(self) -> None:
        super().setUp()
        self.agent.revoke_all()
        self.isp.restart_agent(CONFIGURED, sections(LISTENER), tries(per_address=3, per_network=0, per_user=3))

    def assert_no_guess(self, user: str, password: str) -> None:
        log = self.edge.log("sekisho-smtpd.log")
        before = log.read_text().count("LOGIN_NOT_ALLOWED")
        for _ in range(4):
            self.assertEqual(self.log_in("PLAIN", password, user), "535 5.7.8")
        self.assertEqual(log.read_text().count("LOGIN_NOT_ALLOWED"), before + 4)
        self.assertEqual(self.lockouts(), [])
        self.assertEqual(self.log_in("PLAIN", PASSWORD), "235 2.7.0", "from the same address")

    def test_by_its_policy(self) -> None:
        """Which is the agent's list of who may log in, with words; nobody has looked at the password."""
        self.assert_no_guess(B.user, PASSWORD)
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), "LOGIN_NOT_ALLOWED .*not allowed here")

    def test_who_may_not_log_in(self) -> None:
        self.assert_no_guess("away", PASSWORD)
        metrics = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/submission.sock",
                                "http://localhost/metrics").stdout
        self.assertRegex(metrics, r'sekisho_submission_logins_total\{result="not_allowed"\} [1-9]')

    def test_who_is_disabled(self) -> None:
        """Whatever the password is."""
        self.assert_no_guess("dora", "guessed")

    def test_a_wrong_password(self) -> None:
        for _ in range(3):
            self.assertEqual(self.log_in("PLAIN", "guessed"), "535 5.7.8")
        self.assertEqual(self.lockouts(), [("address", A.address4), ("user", A.user)])
