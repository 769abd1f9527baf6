# SPDX-License-Identifier: Apache-2.0
"""Certificates by ACME: Debian's pebble is the authority, on the mail host."""

import json
import subprocess

from lab import services
from lab.clients import SmtpTls, trust
from lab.hosts import LabError, Process, await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, MAIL4, SMTP_NAME
from test_submission import SmtpTest

PORT, MANAGEMENT = 14000, 15000
TLS = "/etc/sekisho/tls"
AUTHORITY = "/etc/sekisho/acme-authority.pem"
STATE = "/var/lib/sekisho-acme"
PEBBLE = {"pebble": {"listenAddress": f"{MAIL4}:{PORT}", "managementListenAddress": f"{MAIL4}:{MANAGEMENT}",
                     "certificate": "/etc/pebble/server.pem", "privateKey": "/etc/pebble/server.key",
                     "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": False}}


def acme(*lines: str, names: str = f'"{SMTP_NAME}"') -> tuple[str, str]:
    return ("[dns]\n", "\n".join(("[acme]", f'directory = "https://{MAIL4}:{PORT}/dir"', 'email = "postmaster@example.net"',
                                   f"names = [{names}]", "agree = true", f'authorities = "{AUTHORITY}"', *lines, "[dns]\n")))


class Acme(SmtpTest):
    pebble: Process

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        mail = cls.isp.lab["mail"]
        mail.write("/etc/pebble/pebble.json", json.dumps(PEBBLE))
        mail.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=acme",
                 "-addext", f"subjectAltName=IP:{MAIL4}", "-keyout", "/etc/pebble/server.key", "-out", "/etc/pebble/server.pem")
        cls.edge.write(AUTHORITY, mail.file("/etc/pebble/server.pem").read_text())
        cls.edge.run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "sekisho-acme")
        with open(mail.log("pebble.log"), "wb") as log:
            cls.pebble = mail.spawn("pebble", "-config", "/etc/pebble/pebble.json", "-dnsserver", f"{MAIL4}:53", stdout=log, stderr=log,
                                    env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"})
        await_true(lambda: services.accepts(mail, MAIL4, PORT), "pebble", 30)

    def setUp(self) -> None:
        super().setUp()
        self.edge.run("rm", "-rf", STATE)
        self.edge.run("install", "-d", "-m", "0700", "-o", "sekisho-acme", "-g", "sekisho-acme", STATE)
        self.agent.configure(config_text(acme()))
        self.program = self.for_all("sekisho")

    def fetch(self, *words: str) -> subprocess.CompletedProcess:
        """As the unit does it: by a user who has no right but to listen on ports below 1024."""
        return self.edge.run("setpriv", "--reuid", "sekisho-acme", "--regid", "sekisho-acme", "--clear-groups", "--no-new-privs",
                             "--bounding-set", "-all,+net_bind_service", "--inh-caps", "-all,+net_bind_service", "--ambient-caps", "-all,+net_bind_service",
                             self.program, "certificate", "fetch", "--json", *words, check=False, timeout=120)

    def fetched(self, *words: str) -> dict:
        done = self.fetch(*words)
        if done.returncode != 0:
            raise LabError(f"{done.stdout}{done.stderr}\n{self.isp.lab['mail'].log('pebble.log').read_text()[-2000:]}")
        return json.loads(done.stdout)

    def refused(self, *words: str) -> dict:
        done = self.agent.command("certificate", *words, "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return json.loads(done.stdout)["error"]

    def root(self) -> str:
        """Pebble's authority is another at each start."""
        got = self.isp.lab["mail"].run("curl", "-sk", f"https://{MAIL4}:{MANAGEMENT}/roots/0").stdout
        self.assertIn("BEGIN CERTIFICATE", got)
        return got

    def test_from_the_question_to_the_client(self) -> None:
        before = self.agent.ask("certificate", "show")
        self.assertTrue(before["self_signed"])
        self.assertFalse(services.accepts(self.edge, EDGE_CORE4, 80))
        first = self.fetched()
        self.assertEqual((first["changed"], first["names"]), (True, [SMTP_NAME]))
        self.assertFalse(services.accepts(self.edge, EDGE_CORE4, 80), "only while it was asked")
        self.assertEqual(self.agent.ask("certificate", "show"), before, "it is not in use yet")
        installed = self.agent.ask("certificate", "install")
        self.assertEqual((installed["changed"], installed["self_signed"]), (True, False))
        self.assertIn("Pebble", installed["issuer"])
        listed = self.edge.run("stat", "-c", "%a %U %G", f"{TLS}/privkey.pem", f"{TLS}/fullchain.pem", f"{STATE}").stdout
        self.assertEqual(listed, "640 root sekisho-smtpd\n644 root root\n700 sekisho-acme sekisho-acme\n")
        self.assertEqual(self.agent.ask("certificate", "install")["changed"], False)
        self.submission.restart()
        authority = self.isp.lab.state / "pebble.pem"
        authority.write_text(self.root())
        context = trust(authority)
        context.check_hostname = False  # this client knows the address alone
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, context) as client:
            self.assertIn(("DNS", SMTP_NAME), client.sock.getpeercert()["subjectAltName"])
        self.assertEqual(self.fetched()["changed"], False, "it is good for long")
        self.assertEqual(self.fetched("--force")["changed"], True)
        text = self.agent.command("certificate", "show").stdout
        self.assertIn(f"for {SMTP_NAME}\n", text)
        self.assertIn("signed by Pebble", text)

    def test_by_tls(self) -> None:
        self.agent.configure(config_text(acme('challenge = "tls-alpn-01"')))
        self.assertTrue(self.fetched()["changed"])
        self.assertFalse(services.accepts(self.edge, EDGE_CORE4, 443))

    def test_other_names(self) -> None:
        """Another certificate is asked for when the names are others, and none takes the other's place."""
        self.fetched()
        self.agent.configure(config_text(acme(names=f'"{SMTP_NAME}", "mail.example.net"')))
        self.assertIn("a name of acme.names is missing", self.refused("install")["what"])
        done = self.fetch()  # the second name leads to another host
        self.assertEqual(done.returncode, 1)
        self.assertIn("the authority has signed nothing", json.loads(done.stdout)["error"]["what"])
        self.assertIn("mail.example.net", json.loads(done.stdout)["error"]["what"])

    def test_the_authority_is_gone(self) -> None:
        before = self.edge.file(f"{TLS}/fullchain.pem").read_text()
        self.agent.configure(config_text((acme()[0], acme()[1].replace(f":{PORT}/", ":14001/"))))
        done = self.fetch()
        self.assertEqual(done.returncode, 1)
        self.assertIn("signed nothing", json.loads(done.stdout)["error"]["what"])
        self.assertIn("there is no", self.refused("install")["what"])
        self.assertEqual(self.edge.file(f"{TLS}/fullchain.pem").read_text(), before)

    def test_what_is_broken_is_not_installed(self) -> None:
        self.fetched()
        before = self.edge.file(f"{TLS}/fullchain.pem").read_text()
        other = self.edge.file(f"{TLS}/privkey.pem").read_text()
        signed = f"{STATE}/certificates/{SMTP_NAME}"
        key = self.edge.file(f"{signed}.key").read_text()
        for ending, text, what in ((".key", other, "the key isn't its own"), (".key", "nothing\n", "there is no key in PEM"),
                                   (".crt", "nothing\n", "there is no certificate in PEM")):
            self.edge.file(f"{signed}.key").write_text(key)
            self.edge.file(f"{signed}{ending}").write_text(text)
            self.assertIn(what, self.refused("install")["what"])
        self.assertEqual(self.edge.file(f"{TLS}/fullchain.pem").read_text(), before)

    def test_without_acme(self) -> None:
        self.agent.configure(config_text())
        for command in ("fetch", "install"):
            self.assertIn("there is no [acme]", self.refused(command)["what"])
