# SPDX-License-Identifier: Apache-2.0
"""POP and IMAP on the box: a real Dovecot by the configuration that `sekisho mailbox apply` writes, and sekisho-auth's users."""

import email
import imaplib
import json
import poplib
import re
import subprocess

from lab import services
from lab.clients import apop_login, imap_login, pop3_login
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, INTERNET4, MAIL4, MAIL_NAME, SUBSCRIBERS
from lab.tree import debian_tree, run_from
from test_mechanisms import Scram
from test_submission import SmtpTest

A, B, C = (SUBSCRIBERS[host] for host in "abc")
FILE, LOCAL = "/etc/dovecot/sekisho.conf", "/etc/dovecot/sekisho-local.conf"
USERS = "/run/sekisho-dovecot"
PORT = 4003
DOMAIN = "example.org"
REPORTER = f"""
[[login.dovecot]]
name = "box"
listen = "127.0.0.1"
port = {PORT}
key_file = "/etc/sekisho/policy.key"
reporters = ["127.0.0.1"]
proof = "authed=ok"
"""
STORE = 'store = "/var/lib/vmail"'
ANY = 'mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "APOP", "PLAIN", "LOGIN"]\nlogin_in_clear = true'
RELAY_LOCAL = f"""
[[relay.local]]
domains = ["{DOMAIN}"]
lmtp = "/run/dovecot/lmtp"
"""
# Tests fail often, and from few addresses.
HASTE = """
log_path = /var/log/dovecot.log
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
PASSWORD = "paper: jam \"again\" 100%"


def mailbox(*lines: str, place: str = STORE) -> str:
    return "\n".join(("[mailbox]", f'listen = ["{EDGE_CORE4}"]', 'reporter = "box"', place, *lines, ""))


class MailboxTest(SmtpTest):
    """A Dovecot on the edge. Not a test itself."""

    place = STORE

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.edge.run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "vmail")
        cls.edge.run("install", "-d", "-m", "2750", "-o", "sekisho-auth", "-g", "dovecot", USERS)
        cls.edge.run("install", "-d", "/var/lib/dovecot")
        cls.edge.write(LOCAL, HASTE, 0o600)
        cls.configure()

    @classmethod
    def configure(cls, *lines: str, more: str = "") -> None:
        """The daemons with such a [mailbox], and Dovecot."""
        cls.isp.restart_agent(("[dns]\n", f"{mailbox(*lines, place=cls.place)}{REPORTER}{more}\n[dns]\n"))
        cls.submission.restart()
        cls.start_dovecot()

    @classmethod
    def start_dovecot(cls) -> None:
        cls.apply()
        if cls.edge.file("/run/dovecot/master.pid").exists():
            cls.edge.run("doveadm", "-c", FILE, "stop")
            await_true(lambda: not cls.edge.file("/run/dovecot/master.pid").exists(), "end of Dovecot")
        cls.edge.run("dovecot", "-c", FILE)
        await_true(lambda: services.accepts(cls.edge, EDGE_CORE4, 995), "Dovecot")

    @classmethod
    def apply(cls, *words: str) -> dict:
        return cls.agent.ask("mailbox", "apply", *words)

    def setUp(self) -> None:
        super().setUp()
        if self.agent.running():
            self.agent.revoke_all()

    def pop3(self, user: str, password: str, host: str = "a"):
        with self.isp.lab[host].network():
            return pop3_login(self.isp.smtp_trust, EDGE_CORE4, user, password)

    def imap(self, user: str, password: str, host: str = "a"):
        with self.isp.lab[host].network():
            return imap_login(self.isp.smtp_trust, EDGE_CORE4, user, password)

    def logs_in(self, user: str, password: str, host: str = "a", no: str = r"\[AUTH\]") -> bool:
        """By POP, with a password. `no`: what a refusal looks like."""
        try:
            self.pop3(user, password, host).quit()
        except poplib.error_proto as error:
            self.assertRegex(str(error), no)
            return False
        return True

    def await_login(self, user: str, password: str, expected: bool) -> None:
        """Dovecot looks at its files once a second; who is in one of them still, and not in the other, is an error to it."""
        await_true(lambda: self.logs_in(user, password, no=r"\[AUTH\]|Internal error|EOF") == expected, f"{user} logs in: {expected}", 4, 0.1)

    def opened(self) -> list[tuple[str, str]]:
        return [(each["key"], each["user"]) for each in self.agent.ask("grant", "list")["grants"]]


class MailboxLoginsTest(MailboxTest):
    """What any Dovecot must do; not a test itself."""

    def by_imap(self, mechanism: str, user: str, password: str) -> bool:
        """In TLS."""
        with self.isp.lab["a"].network():
            client = imaplib.IMAP4_SSL(EDGE_CORE4, ssl_context=self.isp.smtp_trust, timeout=10)
        try:
            if mechanism == "CRAM-MD5":
                client.login_cram_md5(user, password)
            elif mechanism == "PLAIN":
                client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            else:
                scram = Scram(mechanism, user, password)
                client.authenticate(mechanism, lambda challenge: scram(challenge or None).encode())
        except imaplib.IMAP4.error as error:
            self.assertIn("AUTHENTICATIONFAILED", str(error))
            return False
        finally:
            client.shutdown()
        return True

    def offered(self) -> list[str]:
        with self.isp.lab["a"].network():
            client = imaplib.IMAP4_SSL(EDGE_CORE4, ssl_context=self.isp.smtp_trust, timeout=10)
        try:
            return sorted(each.removeprefix("AUTH=") for each in client.capabilities if each.startswith("AUTH="))
        finally:
            client.shutdown()

    def test_a_login_opens_port_25(self) -> None:
        """Before the client knows it itself; a wrong password opens nothing."""
        self.assert_port_25("a", INTERNET4, "refused")
        self.assertFalse(self.logs_in(A.user, "wrong"))
        self.assert_port_25("a", INTERNET4, "refused")
        self.pop3(A.user, A.password)
        self.assert_port_25("a", INTERNET4, "open")
        self.imap(B.user, B.password, "b")
        self.assert_port_25("b", INTERNET4, "open")
        self.assertEqual(sorted(self.opened()), [(f"{A.address4}/32", A.user), (f"{B.address4}/32", B.user)])

    def test_what_all_users_can_do_is_offered(self) -> None:
        self.assertEqual(self.offered(), ["LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
        for mechanism in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                self.assertTrue(self.by_imap(mechanism, A.user, A.password))
                self.assertTrue(self.by_imap(mechanism, A.user.upper(), A.password))
                self.assertFalse(self.by_imap(mechanism, A.user, B.password))
                self.assertFalse(self.by_imap(mechanism, "nobody", A.password))
        self.assertEqual(self.opened(), [(f"{A.address4}/32", A.user)])
        # Somebody has a hash and nothing else.
        self.addCleanup(self.apply)
        self.addCleanup(self.agent.ask, "user", "remove", "hashed")
        self.edge.run("sh", "-c", "grep '^alice:' /var/lib/sekisho/auth/users | cut -d: -f2 | sed 's/^/hashed:/' >> /var/lib/sekisho/auth/users")
        await_true(lambda: "hashed:" in self.edge.file(f"{USERS}/hashes").read_text(), "the edited file")
        self.assertEqual(self.apply()["mechanisms"], ["PLAIN", "LOGIN"])
        self.await_login("hashed", A.password, True)

    def test_nobody_logs_in_without_tls(self) -> None:
        with self.isp.lab["a"].network():
            client = poplib.POP3(EDGE_CORE4, timeout=10)
        self.addCleanup(client.close)
        self.assertNotIn("USER", client.capa())
        with self.assertRaises(poplib.error_proto):
            client.user(A.user)
            client.pass_(A.password)

    def test_users_who_were_switched(self) -> None:
        """APOP and CRAM-MD5 are theirs alone."""
        self.configure(ANY)
        self.addCleanup(self.configure)
        self.agent.ask("user", "add", "copier", "--recoverable", text=f"{PASSWORD}\n")
        self.addCleanup(self.agent.ask, "user", "remove", "copier")
        self.await_login("copier", PASSWORD, True)
        self.assertTrue(self.by_imap("CRAM-MD5", "copier", PASSWORD))
        self.assertTrue(self.by_imap("SCRAM-SHA-256", "copier", PASSWORD))
        self.assertFalse(self.by_imap("CRAM-MD5", A.user, A.password))
        self.agent.revoke_all()
        with self.isp.lab["a"].network():
            apop_login(EDGE_CORE4, "copier", PASSWORD).quit()
            for user, password in ((A.user, A.password), ("copier", "paper jam"), ("nobody", PASSWORD)):
                with self.assertRaises(poplib.error_proto):
                    apop_login(EDGE_CORE4, user, password)
        self.assertEqual(self.opened(), [(f"{A.address4}/32", "copier")])
        self.agent.ask("user", "passwd", "copier", "--hashed", text=f"{PASSWORD}\n")
        await_true(lambda: not self.by_imap("CRAM-MD5", "copier", PASSWORD), "switched back", 4, 0.1)
        self.assertTrue(self.logs_in("copier", PASSWORD))

    def test_life_of_a_user(self) -> None:
        self.assertFalse(self.logs_in("dora", "first-password"))
        self.agent.ask("user", "add", "dora", text="first-password\n")
        self.await_login("dora", "first-password", True)
        self.agent.ask("user", "passwd", "dora", text="second-password\n")
        self.await_login("dora", "second-password", True)
        self.assertFalse(self.logs_in("dora", "first-password"))
        for password in ("third-password", "fourth-password", "fifth-password"):  # as long, and in the same second
            self.agent.ask("user", "passwd", "dora", text=f"{password}\n")
        self.await_login("dora", "fifth-password", True)
        self.agent.ask("user", "remove", "dora")
        self.await_login("dora", "fifth-password", False)

    def test_secrets_are_for_dovecot_alone(self) -> None:
        self.agent.ask("user", "add", "copier", "--recoverable", text=f"{PASSWORD}\n")
        self.addCleanup(self.agent.ask, "user", "remove", "copier")
        listed = self.edge.run("stat", "-c", "%a %U %G", USERS, f"{USERS}/recoverable", FILE).stdout
        self.assertEqual(listed, "2750 sekisho-auth dovecot\n640 sekisho-auth dovecot\n600 root root\n")
        for user in ("nobody", "sekisho-smtpd", "vmail"):
            done = self.edge.run("setpriv", "--reuid", user, "--clear-groups", "cat", f"{USERS}/hashes", check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
        done = self.edge.run("setpriv", "--reuid", "dovecot", "--regid", "dovecot", "--clear-groups", "cat", f"{USERS}/hashes")
        self.assertIn(A.user, done.stdout)
        self.assertNotIn("for-the-lab-only", self.agent.command("mailbox", "apply", "--print").stdout)

    def test_without_the_daemons(self) -> None:
        """Mailboxes stay open without the agent and sekisho-auth; nothing is opened then."""
        self.agent.stop()
        self.submission.auth.stop()
        try:
            self.assertTrue(self.logs_in(A.user, A.password))
            self.assertFalse(self.logs_in(A.user, "wrong"))
        finally:
            self.agent.start()
            self.submission.auth.start()
        self.assertEqual(self.opened(), [])

    def test_where_from(self) -> None:
        """[[login.access]] of users, with the agent and without."""
        rule = f"""
[[login.access]]
action = "allow"
clients = ["{A.address4}/32", "{A.prefix6}"]
users = ["{A.user}"]
[[login.access]]
action = "deny"
users = ["{A.user}"]
"""
        self.configure(more=rule)
        self.addCleanup(self.configure)
        for running in (True, False):
            self.assertTrue(self.logs_in(A.user, A.password, "a"))
            self.assertFalse(self.logs_in(A.user, A.password, "b"))
            self.assertTrue(self.logs_in(B.user, B.password, "b"))
            if running:
                self.assertEqual(sorted(self.opened()), [(f"{A.address4}/32", A.user), (f"{B.address4}/32", B.user)])
                self.agent.stop()
        self.agent.start()

    def test_mail_arrives(self) -> None:
        """From the relay by LMTP, for users with and without a domain in their names."""
        self.configure(more=RELAY_LOCAL)
        self.addCleanup(self.configure)
        full = f"erik@{DOMAIN}"
        self.agent.ask("user", "add", full, text="erik's password\n")
        self.addCleanup(self.agent.ask, "user", "remove", full)
        with self.login() as client:
            client.sendmail(f"{A.user}@example.net", [f"{A.user}@{DOMAIN}", f"Erik@{DOMAIN}"], "Subject: to the mailbox\r\n\r\nhello\r\n")
        for user, password in ((A.user, A.password), (full, "erik's password")):
            await_true(lambda user=user, password=password: self.pop3(user, password).stat()[0] == 1, f"mail for {user}", 20, 0.2)
            text = b"\n".join(self.pop3(user, password).retr(1)[1]).decode()
            self.assertEqual(email.message_from_string(text)["Subject"], "to the mailbox")
        with self.login() as client:
            client.mail(f"{A.user}@example.net")
            self.assertEqual(client.rcpt(f"not-there@{DOMAIN}")[0], 550)
        owners = self.edge.run("find", "/var/lib/vmail", "-printf", "%u\\n").stdout.split()
        self.assertEqual(set(owners), {"vmail"})
        self.assertEqual(sorted(each.name for each in self.edge.file("/var/lib/vmail").iterdir() if "@" in each.name), [full])

    def test_apply(self) -> None:
        """Whole or not at all, again and again."""
        first = self.edge.file(FILE).read_text()
        self.assertEqual(self.apply()["changed"], False)
        self.assertIn(f" is as it should be, for Dovecot {self.version}.", self.agent.command("mailbox", "apply").stdout)
        shown = self.agent.command("mailbox", "apply", "--print").stdout
        self.assertIn("X-API-Key: (hidden)\n", shown)
        secret = re.compile("auth_policy_(server_api_header|hash_nonce) = .*")
        self.assertEqual(secret.sub("", shown), secret.sub("", first))
        self.addCleanup(self.edge.write, LOCAL, HASTE, 0o600)
        self.edge.write(LOCAL, "no_such_setting = 1\n", 0o600)
        self.edge.write("/etc/sekisho/other.toml", self.edge.file("/etc/sekisho/sekisho.toml").read_text()
                        .replace("[mailbox]\n", '[mailbox]\nprotocols = ["imaps", "pop3s"]\n'))
        done = self.agent.command("mailbox", "apply", "--config", "/etc/sekisho/other.toml", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no_such_setting", json.loads(done.stdout)["error"]["what"])
        self.assertEqual(self.edge.file(FILE).read_text(), first)
        self.assertEqual([each.name for each in self.edge.file("/etc/dovecot").glob("sekisho.conf*")], ["sekisho.conf"])
        self.edge.write(LOCAL, HASTE, 0o600)
        self.assertEqual(self.apply("--config", "/etc/sekisho/other.toml")["changed"], True)
        self.assertEqual(self.apply()["changed"], True)
        self.assertEqual(self.edge.file(FILE).read_text(), first)

    def test_apply_is_careful(self) -> None:
        other = self.edge.file("/etc/sekisho/sekisho.toml").read_text()
        self.edge.write("/etc/dovecot/mine.conf", "protocols = imap\n")
        self.edge.write("/etc/sekisho/other.toml", other.replace("[mailbox]\n", '[mailbox]\nfile = "/etc/dovecot/mine.conf"\n'))

        def refused(*words: str) -> subprocess.CompletedProcess:
            done = self.agent.command("mailbox", "apply", *words)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            return done

        self.assertIn("was not written by this command", refused("--config", "/etc/sekisho/other.toml").stderr)
        self.assertEqual(self.edge.file("/etc/dovecot/mine.conf").read_text(), "protocols = imap\n")
        self.edge.write("/etc/sekisho/other.toml", other.replace("[mailbox]\n", '[mailbox]\nuser = "nobody-here"\n'))
        self.assertIn("there is no user nobody-here", refused("--config", "/etc/sekisho/other.toml").stderr)
        done = self.edge.run("setpriv", "--reuid", "nobody", "--clear-groups", self.for_all("sekisho"), "mailbox", "apply", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.edge.write("/etc/sekisho/other.toml", "[mailbox]\nstore = 1\n")
        done = self.agent.command("mailbox", "apply", "--config", "/etc/sekisho/other.toml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("mailbox.store", done.stderr)

    def test_apply_without_a_mailbox(self) -> None:
        self.edge.write("/etc/sekisho/other.toml", config_text())
        self.addCleanup(self.apply)
        self.assertEqual(self.apply("--config", "/etc/sekisho/other.toml")["changed"], True)
        self.assertFalse(self.edge.file(FILE).exists())
        self.assertEqual(self.apply("--config", "/etc/sekisho/other.toml")["changed"], False)


class Mailbox(MailboxLoginsTest):
    version = "2.3"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.version = ".".join(map(str, services.dovecot_version(cls.edge)))


class MailboxOfTrixie(MailboxLoginsTest):  # labels: long
    """Dovecot 2.4, whose configuration is another language."""

    version = "2.4"

    @classmethod
    def configure(cls, *lines: str, more: str = "") -> None:
        if not cls.edge.file("/run/of-tree").exists():
            run_from(cls.edge, debian_tree("trixie", "dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd"),
                     ("/usr/sbin/dovecot", "/usr/bin/doveadm", "/usr/bin/doveconf"),
                     ("/etc/dovecot", "/etc/sekisho", "/run", "/var/lib"))
        super().configure(*lines, more=more)


class MailboxProxy(MailboxTest):
    """The mailboxes are at the ISP's mail host, and the users are ours: by the same passwords, or by a master's."""

    place = f'proxy = "{MAIL_NAME}"\nproxy_ca = "/etc/sekisho/mail.pem"'

    @classmethod
    def setUpClass(cls) -> None:
        cls.edge_is_ready = False
        super().setUpClass()

    @classmethod
    def configure(cls, *lines: str, more: str = "") -> None:
        if not cls.edge_is_ready:
            cls.edge_is_ready = True
            cls.edge.write("/etc/sekisho/mail.pem", (cls.isp.lab.state / "ca.pem").read_text())
            cls.edge.run("sh", "-c", f"echo {MAIL4} {MAIL_NAME} >> /etc/hosts")
        super().configure(*lines, more=more)

    def marked(self, user: str) -> None:
        """A message in the user's mailbox there."""
        directory = f"/var/lib/mail/{user}/Maildir"
        self.isp.lab["mail"].run("install", "-d", "-o", "mail", "-g", "mail", *(f"{directory}{each}" for each in ("", "/new", "/cur", "/tmp")))
        self.isp.lab["mail"].write(f"{directory}/new/1.1.mail", f"Subject: for {user}\n\nhere\n")
        self.isp.lab["mail"].run("chown", "-R", "mail:mail", f"/var/lib/mail/{user}")

    def test_mailboxes_are_there(self) -> None:
        self.marked(A.user)
        client = self.pop3(A.user, A.password)
        self.assertIn(f"Subject: for {A.user}".encode(), client.retr(1)[1])
        self.assertEqual(self.opened(), [(f"{A.address4}/32", A.user)])
        self.agent.revoke_all()
        client = self.imap(B.user, B.password, "b")
        self.assertEqual(client.select()[0], "OK")
        self.assertEqual(self.opened(), [(f"{B.address4}/32", B.user)])
        self.assertFalse(self.logs_in(A.user, "wrong"))
        self.assertEqual(self.apply()["mechanisms"], ["PLAIN", "LOGIN"])

    def test_whoever_is_no_user_here_is_none(self) -> None:
        self.agent.ask("user", "remove", C.user)
        self.addCleanup(self.agent.ask, "user", "add", C.user, text=f"{C.password}\n")
        self.await_login(C.user, C.password, False)

    def test_the_host_is_gone(self) -> None:
        services.stop_dovecot(self.isp.lab)
        self.addCleanup(services.start_dovecot, self.isp.lab)
        with self.assertRaisesRegex(poplib.error_proto, "SYS/TEMP|UNAVAILABLE"):
            self.pop3(A.user, A.password)

    def test_a_certificate_of_somebody_else(self) -> None:
        """Passwords are told to nobody but that host."""
        right = self.edge.file("/etc/sekisho/mail.pem").read_text()
        self.addCleanup(self.start_dovecot)
        self.addCleanup(self.edge.write, "/etc/sekisho/mail.pem", right)
        self.edge.write("/etc/sekisho/mail.pem", self.edge.file("/etc/sekisho/tls/fullchain.pem").read_text())
        self.start_dovecot()
        with self.assertRaises(poplib.error_proto):
            self.pop3(A.user, A.password)

    def test_a_master_there(self) -> None:
        """Who shows no password, and whose password there is another."""
        mail = self.isp.lab["mail"]
        mail.write("/etc/dovecot/masters", "box:{PLAIN}let-me\n", 0o640)
        mail.run("chgrp", "dovecot", "/etc/dovecot/masters")
        services.stop_dovecot(self.isp.lab)
        self.addCleanup(services.start_dovecot, self.isp.lab)
        services.write_dovecot(self.isp.lab)
        text = mail.file("/etc/dovecot/dovecot.conf").read_text()
        mail.write("/etc/dovecot/dovecot.conf", "auth_master_user_separator = *\npassdb {\n  driver = passwd-file\n  master = yes\n"
                   "  args = /etc/dovecot/masters\n}\n" + text, 0o600)
        mail.run("dovecot")
        await_true(lambda: services.accepts(mail, MAIL4, 995), "Dovecot on the mail host")
        self.edge.write("/etc/sekisho/proxy.login", "box:let-me\n", 0o600)
        self.addCleanup(self.configure)
        self.configure('proxy_login = "/etc/sekisho/proxy.login"', 'mechanisms = ["SCRAM-SHA-256", "PLAIN"]')
        self.agent.ask("user", "passwd", A.user, text="another-password\n")
        self.addCleanup(self.agent.ask, "user", "passwd", A.user, text=f"{A.password}\n")
        self.marked(A.user)
        self.await_login(A.user, "another-password", True)
        with self.isp.lab["a"].network():
            client = imaplib.IMAP4_SSL(EDGE_CORE4, ssl_context=self.isp.smtp_trust, timeout=10)
        self.addCleanup(client.shutdown)
        scram = Scram("SCRAM-SHA-256", A.user, "another-password")
        client.authenticate("SCRAM-SHA-256", lambda challenge: scram(challenge or None).encode())
        self.assertEqual(client.select()[0], "OK")
