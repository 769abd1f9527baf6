# SPDX-License-Identifier: Apache-2.0
"""Who may send: who has fetched mail sends without a login, where the operator wants it so; who is denied does not."""

import contextlib
import smtplib
import socket
import ssl
import time

from lab.clients import Smtp, pop3_login, smtp_login
from lab.daemon import CONFIG
from lab.isp import config_text
from lab.story_mail import arrived
from lab.topology import (CLIENT_NAME, EDGE_CORE4, EDGE_CORE6, INTERNET4, INTERNET6, MAIL4, MISNAMED4, NAMED4,
                          SMTP_NAME, SUBSCRIBERS, crowd_address4)
from test_submission import FRIEND, SENDER, SmtpTest

A, B, C = SUBSCRIBERS["a"], SUBSCRIBERS["b"], SUBSCRIBERS["c"]
DELAY = 3
SENDERS = "/etc/sekisho/senders"
NO_RELAY = "norelay"
DOUBTFUL4 = crowd_address4(7)  # denied until it has logged in
ACCESS = f"""
[[submission.account]]
users = ["{NO_RELAY}"]
relay = false
[[submission.access]]
action = "allow"
names = ["{CLIENT_NAME.upper()}"]
[[submission.access]]
action = "deny"
clients = ["{NAMED4}/32", "{MISNAMED4}/32"]
[[submission.access]]
action = "deny"
clients = ["{C.address4}/32"]
[[submission.access]]
action = "delay"
clients = ["{B.address4}/32"]
delay = "{DELAY}s"
[[submission.access]]
action = "deny"
senders = ["*@rude.test"]
[[submission.access]]
action = "deny"
senders = ["*@half.test"]
unless_login = true
[[submission.access]]
action = "deny"
clients = ["{DOUBTFUL4}/32"]
unless_login = true
[[submission.access]]
action = "delay"
senders = ["*@slow.test"]
delay = "{DELAY}s"
"""
# The lower number counts, though it stands behind.
ACCESS += "".join(f"""
[[submission.access]]
priority = {priority}
action = "{action}"
senders = ["*@{domain}"]
""" for priority, action, domain in ((20, "deny", "good.test"), (20, "allow", "bad.test"),
                                     (10, "allow", "good.test"), (10, "deny", "bad.test")))
BALANCED = 2525  # a listener's port; A is the balancer
TRUSTED = "203.0.113.200"
ACCESS += f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {BALANCED}
tls = "none"
relay = ["{TRUSTED}/32"]
proxy = ["{A.address4}/32"]
"""
SPEAKER = 2526  # another; B speaks for others there
ACCESS += f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {SPEAKER}
tls = "none"
relay = ["{TRUSTED}/32"]
xclient = ["{B.address4}/32"]
"""
BY_INTERFACE = 2527  # a third, for whom A's interface is one of trust
ACCESS += f"""
[[submission.listener]]
address = "{EDGE_CORE4}"
port = {BY_INTERFACE}
tls = "none"
relay_interfaces = ["{A.interface}"]
"""
LISTENER = f'[[submission.listener]]\naddress = "{EDGE_CORE4}"\nport = 587\n'


class WhoMaySend(SmtpTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.edge.write(SENDERS, f"{A.user}: *  # whoever\n{B.user}: {B.user}@example.net\n{NO_RELAY}: *\n", 0o644)
        cls.agent.configure(config_text(("[submission]\n", f'[submission]\nhide_clients = true\nown_senders = true\nsender_file = "{SENDERS}"\n'),
                                        ("[grants]\n", '[grants]\nscope = ["edge", "relay"]\n'),
                                        (LISTENER, LISTENER + "relay_grants = true\n")) + ACCESS)
        cls.agent.stop()
        cls.agent.start()
        cls.submission.restart()
        cls.agent.command("user", "add", NO_RELAY, text="no-relay-for-me\n")

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.agent.revoke_all)

    def connect(self, line, server: str = EDGE_CORE4) -> smtplib.SMTP:
        with self.isp.lab[line].network():
            client = smtplib.SMTP(server, 587, "client.example.net", 10)
        self.addCleanup(client.close)
        client.starttls(context=self.isp.smtp_trust)
        client.ehlo()
        return client

    def mail(self, client: smtplib.SMTP, sender: str = SENDER) -> str:
        """What becomes of MAIL, as "250 2.1.0"."""
        client.rset()
        return self.code(client.mail(sender))

    def submission_metrics(self) -> str:
        return self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/submission.sock",
                             "http://localhost/metrics").stdout

    def fetch_mail(self) -> None:
        with self.isp.lab["a"].network():
            pop3_login(self.isp.trust, MAIL4, A.user, A.password).quit()

    def test_a_login_by_pop_opens_it(self) -> None:
        client = self.connect("a")
        self.assertEqual(self.mail(client), "530 5.7.0")
        self.fetch_mail()
        client.sendmail(SENDER, FRIEND, "Subject: after POP\r\n\r\nwithout a login\r\n")
        message = arrived(self.isp, "internet", "after POP")
        ours = [line for line in message.get_all("Received") if "by smtp.example.net" in " ".join(line.split())]
        self.assertIn("with ESMTPS (", " ".join(ours[0].split()), "nobody was authenticated here")
        said = self.edge.log("sekisho-smtpd.log").read_text()
        self.assertRegex(said, f'MESSAGE_ACCEPTED .*user={A.user} client={A.address4} tls="TLSv1\\.[23] with cipher ')
        self.assertEqual(self.mail(self.connect("b")), "530 5.7.0", "another subscriber has fetched none")
        self.agent.ask("grant", "revoke", "--no-cool-down", A.address4)
        self.assertEqual(self.mail(client), "530 5.7.0", "it is over, on the same connection, too")

    def why(self, *words: str) -> tuple[str, str]:
        """What `sekisho why-relay` says of mail by A: verdict and the rule that decides."""
        answer = self.agent.ask("why-relay", "--client", A.address4, "--from", SENDER, "--to", FRIEND, *words)
        return answer["verdict"], answer["rule"]

    def test_why(self) -> None:
        """What an operator is told is what the client is."""
        self.assertEqual(self.why(), ("refuse", "nobody"))
        self.assertEqual(self.why("--user", A.user), ("accept", "login"))
        self.fetch_mail()
        self.assertEqual(self.why(), ("accept", "grant"))
        self.assertEqual(self.mail(self.connect("a")), "250 2.1.0")
        self.assertEqual(self.why("--listener", "2"), ("refuse", "nobody"), "grants don't count there")
        self.assertEqual(self.agent.command("why-relay", "--client", A.address4, "--from", SENDER, "--to", FRIEND,
                                            "--listener", "99").returncode, 1)
        said = self.submission_metrics()
        self.assertRegex(said, r"sekisho_submission_connections_total\{result=\"accepted\"\} [1-9]")
        self.assertIn("sekisho_submission_connections 1\n", said)

    def test_only_the_relays_part_counts(self) -> None:
        client = self.connect("a")
        self.agent.ask("grant", "add", A.address4, "--scope", "edge")
        self.assertEqual(self.mail(client), "530 5.7.0")
        self.agent.ask("grant", "revoke", "--no-cool-down", A.address4)
        self.agent.ask("grant", "add", A.address4, "--scope", "relay")
        self.assertEqual(self.mail(client), "250 2.1.0")
        self.assert_port_25("a", INTERNET4, "refused")
        self.agent.ask("quarantine", "add", A.address4)
        self.addCleanup(self.agent.ask, "quarantine", "remove", A.address4)
        self.assertEqual(self.mail(client), "530 5.7.0", "who is shut off sends nothing")

    def test_interfaces_of_trust(self) -> None:
        last = str(self.edge.file(CONFIG).read_text().count("[[submission.listener]]"))
        for line, code, rule in ((A, "250 2.1.0", "network"), (B, "530 5.7.0", "nobody")):
            with self.isp.lab[line.host].network(), smtplib.SMTP(EDGE_CORE4, BY_INTERFACE, "client.example.net", 10) as client:
                client.ehlo()
                self.assertEqual(self.code(client.mail(SENDER)), code, line.host)
            answer = self.agent.ask("why-relay", "--client", line.address4, "--from", SENDER, "--to", FRIEND,
                                    "--listener", last, "--interface", line.interface)
            self.assertEqual(answer["rule"], rule)

    def test_only_where_the_listener_says_so(self) -> None:
        self.agent.ask("grant", "add", A.address6, "--scope", "relay")
        self.assertEqual(self.mail(self.connect("a", EDGE_CORE6)), "530 5.7.0")

    def test_without_the_agent(self) -> None:
        """Who can't be told from others is to come again; who logs in needs nobody's word."""
        self.fetch_mail()
        client = self.connect("a")
        self.agent.stop()
        self.addCleanup(self.agent.start)
        self.assertEqual(self.mail(client), "451 4.3.0")
        self.assertIn("GRANT_UNKNOWN", self.edge.log("sekisho-smtpd.log").read_text())
        with self.login() as user:
            self.assertEqual(self.mail(user), "250 2.1.0")

    def test_who_is_denied_is_turned_away(self) -> None:
        with self.isp.lab["c"].network(), socket.create_connection((EDGE_CORE4, 587), 10) as client, client.makefile("rb") as said:
            self.assertEqual(said.read(), b"554 5.7.1 Access denied\r\n")
        with self.isp.lab["c"].network(), socket.create_connection((EDGE_CORE4, 465), 10) as client:
            self.assertEqual(client.recv(1), b"", "nothing is said before TLS")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"CLIENT_DENIED .*{C.address4}")
        answer = self.agent.ask("why-relay", "--client", C.address4, "--from", SENDER, "--to", FRIEND, "--user", C.user)
        self.assertEqual((answer["rule"], answer["reply"]), ("access", "554 5.7.1 Access denied"))
        self.assertEqual(self.code(self.connect("c", EDGE_CORE6).noop()), "250 2.0.0", "its other address is no matter")

    def test_hosts_are_known_by_their_names(self) -> None:
        """By those that have the address; whoever holds an address can write any name there."""
        for source, greeting in ((NAMED4, b"220 "), (MISNAMED4, b"554 5.7.1 Access denied\r\n")):
            with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, 587), 10, (source, 0)) as client, \
                    client.makefile("rb") as said:
                self.assertTrue(said.readline().startswith(greeting), source)
        with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, 465), 10, (MISNAMED4, 0)) as client:
            self.assertEqual(client.recv(1), b"", "nothing is said before TLS")
        why = [self.agent.ask("why-relay", "--client", source, "--from", SENDER, "--to", FRIEND, "--user", A.user)
               for source in (NAMED4, MISNAMED4)]
        self.assertEqual([answer["rule"] for answer in why], ["login", "access"])
        self.assertIn(f"hosts called {CLIENT_NAME} allows it", why[0]["rules"][0]["detail"])
        self.submission.relay.stop()
        self.addCleanup(self.submission.relay.start)
        with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, 587), 10, (NAMED4, 0)) as client, \
                client.makefile("rb") as said:
            self.assertEqual(said.read(), b"554 5.7.1 Access denied\r\n", "nobody tells its name now")

    def test_who_is_delayed_waits_for_the_greeting(self) -> None:
        begin = time.monotonic()
        self.assertEqual(self.code(self.connect("b").noop()), "250 2.0.0")
        self.assertGreaterEqual(time.monotonic() - begin, DELAY)

    def said_too_early(self) -> bytes:
        """The answer on port 465 to a command that comes with the last words of the handshake."""
        said, heard = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.isp.smtp_trust.wrap_bio(heard, said, server_hostname=SMTP_NAME)
        with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, 465), 10) as connection:
            shaking = True
            while shaking:
                try:
                    client.do_handshake()
                    shaking = False
                    client.write(b"EHLO client.example.net\r\n")
                except ssl.SSLWantReadError:
                    pass
                connection.sendall(said.read())
                if shaking:
                    heard.write(connection.recv(16384))
            while more := connection.recv(16384):
                heard.write(more)
            return client.read()

    def test_who_does_not_wait_for_the_greeting(self) -> None:
        early = b"EHLO client.example.net\r\nMAIL FROM:<" + SENDER.encode() + b">\r\n"
        with self.isp.lab["b"].network(), socket.create_connection((EDGE_CORE4, 587), 10) as client, client.makefile("rb") as said:
            client.sendall(early)
            self.assertEqual(said.read(), b"554 5.5.1 Wait for the greeting\r\n")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"SPOKE_FIRST .*{B.address4}")
        self.assertEqual(self.said_too_early(), b"554 5.5.1 Wait for the greeting\r\n")
        self.assertRegex(self.submission_metrics(), r'sekisho_submission_connections_total\{result="spoke_first"\} [1-9]')

    def test_who_is_denied_until_it_has_logged_in(self) -> None:
        """It is greeted, but nothing else that lets others send lets it."""
        with self.isp.lab["a"].network():
            client = Smtp(EDGE_CORE4, source=DOUBTFUL4)
        self.addCleanup(client.close)
        client.starttls(context=self.isp.smtp_trust)
        client.ehlo()
        self.assertEqual(self.mail(client), "530 5.7.0")
        self.agent.ask("grant", "add", DOUBTFUL4, "--scope", "relay")
        self.assertEqual(self.mail(client), "530 5.7.0", "a grant doesn't lift it")
        client.login(A.user, A.password)
        self.assertEqual(self.mail(client), "250 2.1.0")
        self.assertEqual(self.code(client.rcpt(FRIEND)), "250 2.1.5")
        asked = ("why-relay", "--client", DOUBTFUL4, "--from", SENDER, "--to", FRIEND)
        self.assertEqual([self.agent.ask(*asked)["rule"], self.agent.ask(*asked, "--user", A.user)["rule"]], ["access", "login"])

    def test_who_is_delayed_for_its_sender_waits_at_mail(self) -> None:
        with self.login() as user:
            begin = time.monotonic()
            self.assertEqual(self.mail(user), "250 2.1.0")
            self.assertLess(time.monotonic() - begin, DELAY, "others don't wait")
            begin = time.monotonic()
            self.assertEqual(self.mail(user, "anybody@SLOW.test"), "250 2.1.0")
            self.assertGreaterEqual(time.monotonic() - begin, DELAY)

    def test_senders_that_are_denied(self) -> None:
        with self.login() as user:
            self.assertEqual(self.mail(user, "anybody@RUDE.test"), "554 5.7.1")
            self.assertEqual(self.mail(user, "anybody@half.test"), "250 2.1.0", "a login lifts it")
        self.fetch_mail()
        client = self.connect("a")
        self.assertEqual(self.mail(client), "250 2.1.0")
        self.assertEqual(self.mail(client, "anybody@half.test"), "530 5.7.0", "a grant doesn't")
        self.assertEqual(self.mail(client, "anybody@rude.test"), "554 5.7.1")

    def test_the_lower_number_decides(self) -> None:
        """Wherever it stands in the file."""
        with self.login() as user:
            self.assertEqual(self.mail(user, "anybody@good.test"), "250 2.1.0")
            self.assertEqual(self.mail(user, "anybody@bad.test"), "554 5.7.1")

    def test_accounts_without_the_right_to_relay(self) -> None:
        """Nor by a grant; what their login opens at the edge is another matter."""
        with self.isp.lab["b"].network():
            user = smtp_login(self.isp.smtp_trust, EDGE_CORE6, NO_RELAY, "no-relay-for-me")
        self.addCleanup(user.close)
        refused = user.mail(f"{NO_RELAY}@example.net")
        self.assertEqual((self.code(refused), b"Your account" in refused[1]), ("550 5.7.1", True))
        answer = self.agent.ask("why-relay", "--client", B.address4, "--from", SENDER, "--to", FRIEND, "--user", NO_RELAY.upper())
        self.assertEqual((answer["verdict"], answer["rule"]), ("refuse", "login"))
        self.assert_port_25("b", INTERNET6, "open")

    def test_clients_are_hidden(self) -> None:
        subject = f"from somewhere {time.time_ns()}"
        with self.login() as user:
            user.sendmail(SENDER, FRIEND, f"Subject: {subject}\r\n\r\ntext\r\n")
        message = arrived(self.isp, "internet", subject)
        ours = [line for line in message.get_all("Received") if "by smtp.example.net" in " ".join(line.split())]
        self.assertIn("from client.invalid (hidden) by smtp.example.net with ESMTPSA", " ".join(ours[0].split()))
        self.assertNotIn(A.address4, str(message))
        self.assertIn(f"client={A.address4}", self.edge.log("sekisho-smtpd.log").read_text())

    def test_users_send_as_what_they_were_given(self) -> None:
        with self.isp.lab["b"].network():
            user = smtp_login(self.isp.smtp_trust, EDGE_CORE4, B.user, B.password)
        self.addCleanup(user.close)
        self.assertEqual(self.mail(user, f"{B.user}@EXAMPLE.net"), "250 2.1.0")
        self.assertEqual(self.mail(user, f"{A.user}@example.net"), "553 5.7.1")
        self.assertEqual(self.mail(user, ""), "250 2.1.0", "a receipt has no sender")
        self.edge.write(SENDERS, f"{A.user}: *\n{B.user}: *@example.net\n", 0o644)
        self.assertEqual(self.mail(user, f"{A.user}@example.net"), "250 2.1.0", "the file has changed")
        self.edge.write(SENDERS, f"{A.user}: *\nnonsense\n", 0o644)
        self.assertEqual(self.mail(user, f"{A.user}@example.net"), "250 2.1.0", "a broken one changes nothing")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), "SENDERS_UNREADABLE .*line 2")

    def balanced(self, *octets: bytes) -> bytes:
        """All that is said to a balancer's connection that begins so, in pieces; the last one is sent when it is greeted, or
        turned away."""
        with self.isp.lab["a"].network(), socket.create_connection((EDGE_CORE4, BALANCED), 10) as client:
            for piece in octets[:-1]:
                client.sendall(piece)
                time.sleep(0.02)
            said = client.recv(4096) if len(octets) > 1 else b""
            if octets[-1]:
                client.sendall(octets[-1])
            with contextlib.suppress(ConnectionResetError):  # who closes with something unread says so
                while piece := client.recv(4096):
                    said += piece
            return said

    def test_a_balancer_says_who_is_behind_it(self) -> None:
        commands = b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nQUIT\r\n"
        trusted = f"PROXY TCP4 {TRUSTED} {EDGE_CORE4} 4711 25\r\n".encode()
        said = self.balanced(trusted[:20], trusted[20:], commands)
        self.assertIn(f"greets {TRUSTED}".encode(), said)
        self.assertIn(b"\r\n250 2.1.0", said)
        self.assertIn(b"\r\n530 5.7.0", self.balanced(trusted.replace(b"113.200", b"113.201"), commands))
        denied = socket.inet_aton(C.address4) + socket.inet_aton(EDGE_CORE4) + bytes((0, 25, 0, 25))
        self.assertEqual(self.balanced(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + denied, b""), b"554 5.7.1 Access denied\r\n")
        self.assertEqual(self.balanced(commands), b"", "without a header nothing is said")
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"PROXY_WRONG .*{A.address4}")

    def test_a_host_speaks_for_others(self) -> None:
        """By XCLIENT: the networks of trust, the denials and the users are those of whom it names."""
        def open_at(host: str) -> smtplib.SMTP:
            with self.isp.lab[host].network():
                client = smtplib.SMTP(EDGE_CORE4, SPEAKER, "webmail.example.net", 10)
            self.addCleanup(client.close)
            client.ehlo()
            return client

        client = open_at("b")
        self.assertTrue(client.has_extn("xclient"))
        self.assertEqual(self.mail(client), "530 5.7.0")
        self.assertEqual(client.docmd("XCLIENT", f"ADDR={TRUSTED} PORT=4711")[0], 220)
        self.assertIn(f"greets {TRUSTED}".encode(), client.ehlo()[1])
        self.assertEqual(self.mail(client), "250 2.1.0")
        self.assertEqual(self.code(client.docmd("XCLIENT", f"ADDR={B.address4}")), "503 5.5.1", "in a transaction")
        client.rset()
        self.assertEqual(self.code(client.docmd("XCLIENT", f"ADDR={A.address4} LOGIN={A.user}")), "550 5.7.0",
                         "once: what comes now may be the client's own words")
        client = open_at("b")
        self.assertEqual(client.docmd("XCLIENT", f"ADDR={A.address4} LOGIN={A.user}")[0], 220)
        client.ehlo()
        client.sendmail(SENDER, FRIEND, "Subject: by webmail\r\n\r\nwithout a login here\r\n")
        ours = [" ".join(line.split()) for line in arrived(self.isp, "internet", "by webmail").get_all("Received")]
        self.assertTrue(any(" by smtp.example.net with ESMTPA " in line for line in ours), ours)
        self.assertRegex(self.edge.log("sekisho-smtpd.log").read_text(), f"MESSAGE_ACCEPTED .*client={A.address4} ")
        told = self.decisions("--within", A.address4, "--reporter", "submission")[-1]
        self.assertEqual((told["user"], told["protocol"]), (A.user, "smtp"))
        self.assertEqual(self.code(open_at("b").docmd("XCLIENT", f"ADDR={C.address4}")), "554 5.7.1")
        stranger = open_at("a")
        self.assertFalse(stranger.has_extn("xclient"))
        self.assertEqual(self.code(stranger.docmd("XCLIENT", f"ADDR={TRUSTED}")), "550 5.7.0")
