# SPDX-License-Identifier: Apache-2.0
"""Users whose passwords the ISP's FreeRADIUS knows log in at the submission server."""

import base64

from lab.clients import SmtpTls
from lab.isp import config_text
from lab.services import FREERADIUS, start_freeradius
from lab.topology import EDGE_CORE4, MAIL4, SUBSCRIBERS
from test_submission import SmtpTest

A = SUBSCRIBERS["a"]
SECRET = "for-the-lab-only"
SECRET_FILE = "/etc/sekisho/radius.secret"
SECTION = f"""
[[auth.radius]]
address = "{MAIL4}"
secret_file = "{SECRET_FILE}"
timeout = "1s"
"""
CLIENT = f"""
client edge {{
    ipaddr = {EDGE_CORE4}
    secret = {SECRET}
    require_message_authenticator = yes
}}
"""
USERS = """zoe@example.net Cleartext-Password := "open sesame, \\"please\\" b\u00fcrger"
yan Cleartext-Password := "{long}"
more Auth-Type := Accept
""".format(long="p" * 128)
# What sekisho.toml(5) has an operator write for FreeRADIUS before 3.2.5.
SEAL = "update reply {\n        &Message-Authenticator := 0x00\n    }\n"
ZOE = 'open sesame, "please" b\u00fcrger'


class RadiusLogins(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.mail_host = cls.isp.lab["mail"]
        for path, text in (("clients.conf", CLIENT), ("mods-config/files/authorize", USERS)):
            file = cls.mail_host.file(f"{FREERADIUS}/{path}")
            kept = file.read_text()
            cls.addClassCleanup(cls.mail_host.write, f"{FREERADIUS}/{path}", kept, 0o640)
            cls.mail_host.write(f"{FREERADIUS}/{path}", text + kept, 0o640)
            cls.mail_host.run("chgrp", "freerad", f"{FREERADIUS}/{path}")
        site = cls.mail_host.file(f"{FREERADIUS}/sites-available/default")
        text = site.read_text()
        cls.addClassCleanup(cls.mail_host.write, f"{FREERADIUS}/sites-available/default", text, 0o640)
        for section in ("post-auth {\n", "Post-Auth-Type REJECT {\n"):
            text = text.replace(section, section + SEAL)
        cls.mail_host.write(f"{FREERADIUS}/sites-available/default", text, 0o640)
        cls.mail_host.run("chgrp", "freerad", f"{FREERADIUS}/sites-available/default")
        cls.radius = start_freeradius(cls.isp.lab, SECRET)
        cls.addClassCleanup(lambda: cls.radius.kill())
        cls.set_secret(SECRET)

    @classmethod
    def set_secret(cls, secret: str, more: str = "") -> None:
        cls.edge.write(SECRET_FILE, secret + "\n", 0o600)
        cls.edge.run("chown", "sekisho-auth", SECRET_FILE)
        cls.agent.configure(config_text() + SECTION + more)
        cls.submission.restart()

    def log_in(self, user: str, password: str) -> str:
        with self.isp.lab["a"].network(), SmtpTls(EDGE_CORE4, self.isp.smtp_trust) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
            secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            return self.code(client.docmd("AUTH", f"PLAIN {secret}"))

    def said(self) -> str:
        return self.edge.log("sekisho-auth.log").read_text()

    def test_its_users_and_those_of_the_file(self) -> None:
        self.agent.revoke_all()
        self.assertEqual(self.log_in("Zoe@example.net", ZOE), "235 2.7.0")
        self.assertEqual([each["user"] for each in self.agent.ask("grant", "list")["grants"]], ["zoe@example.net"])
        self.assertEqual(self.log_in("zoe@example.net", ZOE[:-1]), "535 5.7.8")
        self.assertEqual(self.log_in("nobody", ZOE), "535 5.7.8")
        self.assertEqual(self.log_in("yan", "p" * 128), "235 2.7.0")
        self.assertEqual(self.log_in("yan", "p" * 129), "535 5.7.8")
        self.assertEqual(self.log_in(A.user, A.password), "235 2.7.0")
        self.assertEqual(self.log_in(A.user, ZOE), "535 5.7.8", "who is in the file is judged by it")
        self.assertNotIn("sesame", self.said())
        self.assertNotIn(SECRET, self.said())
        metrics = self.edge.run("curl", "-s", "--unix-socket", "/run/sekisho/auth.sock", "http://localhost/metrics").stdout
        self.assertRegex(metrics, rf'sekisho_auth_radius_total{{.*"accepted".*}} [1-9]')
        self.assertRegex(metrics, rf'sekisho_auth_radius_total{{.*"{MAIL4}:1812".*}}')

    def test_it_is_away(self) -> None:
        type(self).radius.kill()
        self.assertEqual(self.log_in("zoe@example.net", ZOE), "454 4.7.0")
        self.assertIn("RADIUS_SERVER_LOST", self.said())
        self.assertEqual(self.log_in(A.user, A.password), "235 2.7.0", "the file is there")
        type(self).radius = start_freeradius(self.isp.lab, SECRET)
        self.assertEqual(self.log_in("zoe@example.net", ZOE), "235 2.7.0")
        self.assertIn("RADIUS_SERVER_BACK", self.said())

    def test_another_secret(self) -> None:
        self.addCleanup(self.set_secret, SECRET)
        self.set_secret("not-the-same")
        self.assertEqual(self.log_in("zoe@example.net", ZOE), "454 4.7.0", "nobody knows whether it is wrong")
        self.assertEqual(self.log_in("more", "x"), "454 4.7.0")
