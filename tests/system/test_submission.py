# SPDX-License-Identifier: Apache-2.0
"""Mail through the box: the story's second half, bad input, and processes that are gone."""

import itertools
import random
import signal
import smtplib
import socket
import threading
import time

from lab import story_mail
from lab.clients import smtp_login
from lab.hosts import await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, MX_DOMAIN, SUBSCRIBERS
from lab_test import LabTest
from test_story import tell

A = SUBSCRIBERS["a"]
SENDER, FRIEND = "alice@example.net", f"friend@{MX_DOMAIN}"


class SmtpTest(LabTest):
    """The whole mail side is up. Not a test itself: no name of a test."""

    mail = True
    mx = True
    smtp = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.start()
        cls.submission = cls.isp.submission
        cls.submission.start()
        cls.submission.add_users()

    def login(self) -> smtplib.SMTP:
        with self.isp.lab["a"].network():
            return smtp_login(self.isp.smtp_trust, EDGE_CORE4, A.user, A.password)

    def code(self, answer: tuple[int, bytes]) -> str:
        """"554 5.5.2" of a reply."""
        return f"{answer[0]} {answer[1].split()[0].decode()}"

    def subjects(self) -> list[str]:
        """Of all messages at the Internet's Postfix."""
        found = []
        for path in self.isp.inbox("internet"):
            head = path.read_bytes().split(b"\n\n")[0].decode(errors="replace")
            found += [line[9:] for line in head.splitlines() if line.startswith("Subject: ")]
        return found


class Submission(SmtpTest):  # labels: quick
    """The story's steps."""

    def test_submission(self) -> None:
        tell(self, story_mail.submission)

    def test_no_login(self) -> None:
        tell(self, story_mail.no_login)

    def test_login_opens_port_25(self) -> None:
        tell(self, story_mail.login_opens)

    def test_host_down(self) -> None:
        tell(self, story_mail.host_down)

    def test_bounce(self) -> None:
        tell(self, story_mail.bounce)

    def test_no_root(self) -> None:
        for daemon in self.submission.daemons:
            status = dict(line.split(":\t", 1) for line in
                          self.edge.file(f"/proc/{self.pid(daemon.name)}/status").read_text().splitlines() if ":\t" in line)
            self.assertNotIn("0", status["Uid"].split(), daemon.name)
            self.assertNotIn("0", status["Gid"].split(), daemon.name)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(status[capabilities], 16), 0, f"{daemon.name} {capabilities}")
            self.assertEqual(status["NoNewPrivs"], "1")

    def pid(self, name: str) -> str:
        return self.edge.run("pidof", name).stdout.split()[0]


class SlowClients(SmtpTest):
    """A command has its time as a whole, and a message must come fast enough."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.agent.configure(config_text(("[submission]\n", '[submission]\ncommand_timeout = "2s"\nleast_rate = 1000\n'))
                            + '[[submission.access]]\naction = "delay"\ndelay = "4s"\nsenders = ["*@slow.test"]\n')
        cls.submission.restart()

    def setUp(self) -> None:
        super().setUp()
        self.client = self.login()
        self.addCleanup(self.client.close)

    def said_meanwhile(self, piece: bytes) -> bytes:
        """What the client is told while it sends one piece after another, and is never silent for long."""
        said = b""
        self.client.sock.settimeout(0.2)
        for _ in range(300):
            try:
                self.client.sock.sendall(piece)
                said += self.client.sock.recv(4096)
                if said.endswith(b"\r\n"):
                    break
            except TimeoutError:
                pass
        return said

    def test_an_octet_after_the_other(self) -> None:
        self.assertTrue(self.said_meanwhile(b"X").startswith(b"421 4.4.2 "))

    def test_a_message_that_drips(self) -> None:
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        self.assertEqual(self.client.docmd("DATA")[0], 354)
        self.assertTrue(self.said_meanwhile(b"a drop\r\n").startswith(b"421 4.4.2 "))
        self.assertEqual(self.submission.queue(), [])

    def test_a_message_in_drops_of_its_own(self) -> None:
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        said = b""
        self.client.sock.settimeout(10)
        for _ in range(300):
            self.client.sock.sendall(b"BDAT 1\r\nx")
            said = self.client.sock.recv(4096)
            if not said.startswith(b"250 "):
                break
            time.sleep(0.2)
        self.assertTrue(said.startswith(b"421 4.4.2 "), said)

    def test_what_the_client_waits_for_is_not_its_own_time(self) -> None:
        """In one piece the end of a message and the next sender, whose answer comes late."""
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        self.assertEqual(self.client.docmd("DATA")[0], 354)
        self.client.sock.sendall(b"Subject: fast\r\n\r\nx\r\n.\r\nMAIL FROM:<alice@slow.test>\r\n")
        self.assertEqual(self.client.getreply()[0], 250)
        self.assertEqual(self.code(self.client.getreply()), "250 2.1.0")
        self.assertEqual(self.code(self.client.rcpt(FRIEND)), "250 2.1.5")

    def test_a_refused_message_is_read_to_its_end(self) -> None:
        """However long it takes: who reads 421 in its middle sends it again and again."""
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        self.assertEqual(self.client.docmd("DATA")[0], 354)
        self.client.sock.sendall(b"X" * 999 + b"\r\n")
        for _ in range(20):
            self.client.sock.sendall(b"a good deal of text\r\n" * 1000)
            time.sleep(0.2)
        self.client.sock.sendall(b".\r\n")
        self.assertEqual(self.code(self.client.getreply()), "554 5.6.0")
        self.assertEqual(self.code(self.client.noop()), "250 2.0.0")

    def test_a_message_that_takes_longer_than_a_command(self) -> None:
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        self.assertEqual(self.client.docmd("DATA")[0], 354)
        subject = f"slow but not too slow {time.time_ns()}"
        self.client.sock.sendall(f"Subject: {subject}\r\n\r\n".encode())
        for _ in range(20):
            self.client.sock.sendall(b"a good deal of text\r\n" * 1000)
            time.sleep(0.2)
        self.client.sock.sendall(b".\r\n")
        self.assertEqual(self.client.getreply()[0], 250)
        story_mail.arrived(self.isp, "internet", subject)


class BadMailTest(SmtpTest):
    """Nothing of it is read as a command, nothing of it arrives, and the next message does. Not a test itself."""

    def setUp(self) -> None:
        super().setUp()
        self.begin_connection()

    def begin_connection(self) -> None:
        self.client = self.login()
        self.addCleanup(self.client.close)

    def begin(self) -> None:
        self.assertEqual(self.client.mail(SENDER)[0], 250)
        self.assertEqual(self.client.rcpt(FRIEND)[0], 250)
        self.assertEqual(self.client.docmd("DATA")[0], 354)

    def body(self, octets: bytes) -> str:
        self.begin()
        self.client.send(octets)
        return self.code(self.client.getreply())

    def after(self, subject: str) -> None:
        """The connection still works, and what was refused has not arrived."""
        self.assertEqual(self.body(f"Subject: {subject}\r\n\r\nfine\r\n.\r\n".encode()), "250 2.0.0")
        await_true(lambda: subject in self.subjects(), subject, 15)
        # Whatever has been taken besides is on its way, too.
        await_true(lambda: not self.submission.queue(), "an empty queue", 15)
        self.assertFalse([each for each in self.subjects() if "smuggled" in each or "bad" in each])


class BadMail(BadMailTest):
    def test_nul_and_long_lines(self) -> None:
        self.assertTrue(self.body(b"Subject: bad\r\n\r\na\x00b\r\n.\r\n").startswith("554 "))
        self.assertTrue(self.body(b"Subject: bad\r\n\r\n" + b"x" * 100_000 + b"\r\n.\r\n").startswith("554 "))
        self.after("after the long line")

    def test_garbage_commands(self) -> None:
        for line in (b"\xff\xfe\x00\x01", b"MAIL FROM:", b"A" * 5000, b"RCPT TO:<a\nb>", b"\x00" * 100):
            with self.subTest(line=line[:20]):
                client = self.login()
                client.send(line + b"\r\n")
                self.assertTrue(500 <= client.getreply()[0] < 600)
                self.assertEqual(client.noop()[0], 250)
                client.close()
        self.after("after the garbage")

    def test_too_many_hops(self) -> None:
        """All of it in one packet: what is refused in the middle has ended already, well or badly, and a mail follows."""
        loop = b"DATA\r\n" + b"Received: from nowhere\r\n" * 60 + b"Subject: bad\r\n\r\n"
        again = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{FRIEND}>\r\n".encode()
        for body, reply in ((b"x\r\n", "554 5.4.6"), (b"x\ny\r\n", "554 5.5.2")):
            with self.subTest(body=body):
                self.client.send(again + loop + body + b".\r\n" + again + b"RSET\r\n")
                codes = [self.code(self.client.getreply()) for _ in range(7)]
                self.assertEqual(codes, ["250 2.1.0", "250 2.1.5", "354 End", reply, "250 2.1.0", "250 2.1.5", "250 2.0.0"])
        self.after("after the hops")

    def test_chunks(self) -> None:
        """What a refused BDAT has announced is no command, and the next message arrives in chunks."""
        envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{FRIEND}>\r\n".encode()
        bad = b"Subject: bad\r\n\r\nx\n.\nMAIL FROM:<x@example.net>\r\n"
        self.client.send(envelope + b"BDAT %d\r\n%bBDAT 6 LAST\r\nQUIT\r\n" % (len(bad), bad))
        self.assertEqual([self.code(self.client.getreply()) for _ in range(4)], ["250 2.1.0", "250 2.1.5", "554 5.5.2", "554 5.5.2"])
        good = b"Subject: in chunks\r\n\r\n.\r\nQUIT"
        self.client.send(envelope + b"BDAT 9\r\n%bBDAT %d LAST\r\n%b" % (good[:9], len(good) - 9, good[9:]))
        self.assertEqual([self.code(self.client.getreply()) for _ in range(4)], ["250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.0.0"])
        await_true(lambda: "in chunks" in self.subjects(), "the message", 15)
        self.after("after the chunks")

    def test_too_large(self) -> None:
        self.assertEqual(self.code(self.client.docmd("MAIL", f"FROM:<{SENDER}> SIZE=99999999999")), "552 5.3.4")
        self.after("after the large one")

    def test_disconnects(self) -> None:
        whole = b"Subject: bad %d\r\n\r\nhalf a message\r\n"
        for number in range(20):
            client = self.login()
            client.mail(SENDER)
            client.rcpt(FRIEND)
            if number % 3:
                client.docmd("DATA")
                client.send((whole % number)[: 1 + number * 2])
            client.sock.shutdown(socket.SHUT_RDWR) if number % 2 else client.close()
        self.after("after the disconnects")


class Crowd(SmtpTest):
    """One client can't keep the others out."""

    def test_share_of_one_client(self) -> None:
        self.isp.restart_agent(("[submission]", "[submission]\nconnections = 50"))
        self.submission.restart()
        with self.isp.lab["b"].network():
            idle = [socket.create_connection((EDGE_CORE4, 465), 10) for _ in range(2)]  # without a word of TLS
            # Each port takes its clients on its own: which of them is the last one to get in is open.
            while (client := self.let_in()) and len(idle) < 10:
                idle.append(client)
        self.assertIn(len(idle), (5, 6, 7))  # up to two on 465 may have come too late
        self.login().close()
        for each in idle:
            each.close()
        with self.isp.lab["b"].network():
            await_true(self.let_in, "room for the client that has left", 10, 0.1).close()

    def let_in(self) -> smtplib.SMTP | None:
        try:
            return smtplib.SMTP(EDGE_CORE4, 587, timeout=10)
        except smtplib.SMTPConnectError as refused:
            self.assertEqual(refused.smtp_code, 421)
            return None


class ProcessGone(SmtpTest):
    """Each of the others is gone for a while: clients are told to come back, and can."""

    def test_auth_gone(self) -> None:
        self.submission.auth.kill()
        with self.assertRaises(smtplib.SMTPAuthenticationError) as told:
            self.login()
        self.assertEqual(told.exception.smtp_code, 454)
        self.submission.auth.start()
        self.login().close()

    def test_relay_gone(self) -> None:
        """In the middle of a message, and before the next one, which isn't sent in vain."""
        client = self.login()
        client.mail(SENDER)
        client.rcpt(FRIEND)
        self.submission.relay.kill()
        self.assertEqual(self.code(client.data(b"Subject: too early\r\n\r\nx\r\n")), "451 4.3.0")
        with self.assertRaises(smtplib.SMTPSenderRefused) as told:
            client.sendmail(SENDER, [FRIEND], b"Subject: too early\r\n\r\nx\r\n")
        self.assertEqual(self.code((told.exception.smtp_code, told.exception.smtp_error)), "451 4.3.0")
        self.submission.relay.start()
        client = self.login()
        client.sendmail(SENDER, [FRIEND], b"Subject: in time\r\n\r\nx\r\n")
        await_true(lambda: "in time" in self.subjects(), "the second message", 15)
        self.assertNotIn("too early", self.subjects())

    def test_the_message_in_hand(self) -> None:
        """Asked to end, the server takes the rest of the message first; who does nothing is told at once."""
        smtpd = self.submission.smtpd
        busy, chunks, idle, silent = self.login(), self.login(), self.login(), self.login()
        for client in (busy, chunks, silent):
            client.mail(SENDER)
            client.rcpt(FRIEND)
        for client in (busy, silent):
            self.assertEqual(client.docmd("DATA")[0], 354)
        busy.send(b"Subject: in hand\r\n\r\nfirst half\r\n")
        self.assertEqual(self.chunk(chunks, b"Subject: in chunks\r\n\r\nfirst "), "250 2.0.0")
        smtpd.process.signal(signal.SIGTERM)
        self.assertEqual(self.code(idle.getreply()), "421 4.3.2")
        with self.edge.network(), self.assertRaises(ConnectionRefusedError):
            socket.create_connection((EDGE_CORE4, 587), 10)
        self.assertTrue(smtpd.running())
        busy.send(b"second half\r\n.\r\n")
        self.assertEqual(self.code(busy.getreply()), "250 2.0.0")
        self.assertEqual(self.code(busy.getreply()), "421 4.3.2")
        self.assertEqual(self.chunk(chunks, b"part\r\n"), "250 2.0.0", "between two chunks it is in hand, too")
        self.assertEqual(self.chunk(chunks, b"last part\r\n", " LAST"), "250 2.0.0")
        self.assertEqual(self.code(chunks.getreply()), "421 4.3.2")
        self.assertTrue(smtpd.running(), "there is one more")
        silent.close()
        self.assertEqual(smtpd.process.wait(), 0)
        self.assertIn("LEAVING", smtpd.last_words())
        smtpd.start()
        await_true(lambda: "in hand" in self.subjects(), "the message", 15)
        self.assertEqual(story_mail.arrived(self.isp, "internet", "in chunks").get_payload(), "first part\nlast part\n")

    def chunk(self, client: smtplib.SMTP, octets: bytes, last: str = "") -> str:
        client.send(f"BDAT {len(octets)}{last}\r\n".encode() + octets)
        return self.code(client.getreply())

    def test_agent_gone(self) -> None:
        """The login stands; there is only nobody to open port 25."""
        self.agent.kill()
        try:
            client = self.login()
            client.sendmail(SENDER, [FRIEND], b"Subject: without the agent\r\n\r\nx\r\n")
            await_true(lambda: "without the agent" in self.subjects(), "the message", 15)
        finally:
            self.agent.start()

    def test_full_disk(self) -> None:
        small = "/run/small-spool"
        self.edge.run("mkdir", "-p", small)
        self.edge.run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", small)
        self.edge.run("chown", "sekisho-relay:", small)
        self.addCleanup(self.restore_spool, small)
        self.isp.restart_agent(("[relay]", f'[relay]\nspool = "{small}/mail.db"'))
        self.submission.restart()
        # 8 MiB are kept for what leaves the spool.
        self.edge.run("dd", "if=/dev/zero", f"of={small}/ballast", "bs=1M", "count=23")
        client = self.login()

        def say(subject: str) -> str:
            client.mail(SENDER)
            client.rcpt(FRIEND)
            return self.code(client.data(f"Subject: {subject}\r\n\r\n".encode() + (b"x" * 70 + b"\r\n") * 1000))

        number = 0
        while (answer := say(f"full {number}")) == "250 2.0.0" and number < 50:
            number += 1
        self.assertEqual(answer, "452 4.3.1")
        self.assertGreater(number, 0)
        self.edge.run("dd", "if=/dev/zero", f"of={small}/more", "bs=4k", check=False)
        self.assertEqual(say("full to the brim"), "452 4.3.1")
        self.edge.run("rm", f"{small}/more")
        self.edge.run("rm", f"{small}/ballast")
        client.sendmail(SENDER, [FRIEND], b"Subject: room again\r\n\r\nx\r\n")
        accepted = {f"full {each}" for each in range(number)} | {"room again"}
        await_true(lambda: accepted <= set(self.subjects()), "all that was answered with 250", 30)
        self.assertNotIn(f"full {number}", self.subjects())

    def restore_spool(self, small: str) -> None:
        self.isp.restart_agent()
        self.submission.restart()
        self.edge.run("umount", "-l", small)


class Load(threading.Thread):
    """A client that logs in, sends a numbered message and leaves, over and over; it remembers which were answered with 250."""

    def __init__(self, test: SmtpTest, name: str):
        super().__init__(daemon=True)
        self.test = test
        self.label = name
        self.accepted: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        with self.test.isp.lab["a"].network():
            for number in itertools.count():
                if self.over.is_set():
                    return
                try:
                    self.send(f"{self.label}-{number}")
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.05)

    def send(self, subject: str) -> None:
        client = smtp_login(self.test.isp.smtp_trust, EDGE_CORE4, A.user, A.password)
        try:
            client.sendmail(SENDER, [FRIEND], f"Subject: {subject}\r\n\r\nwhole {subject}\r\n".encode())
            self.accepted.append(subject)
        finally:
            client.close()


class Killed(SmtpTest):
    """SIGKILL at random moments under load: what was answered with 250 arrives, and nothing by halves."""

    MOMENTS = 50

    def kill_often(self, daemon) -> None:
        moments = random.Random(daemon.name)
        clients = [Load(self, f"{daemon.name}-{number}") for number in range(4)]
        for client in clients:
            client.start()
        try:
            for number in range(self.MOMENTS):
                # However slow the machine is: on average a message is accepted in each of the daemon's lives.
                await_true(lambda least=number: sum(len(each.accepted) for each in clients) > least, "a message", 60)
                time.sleep(moments.uniform(0.01, 0.4))  # the moment is what is tested
                daemon.kill()
                daemon.start()
        finally:
            for client in clients:
                client.over.set()
            for client in clients:
                client.join()
        accepted = {subject for client in clients for subject in client.accepted}
        await_true(lambda: accepted <= set(self.subjects()), "all messages that were answered with 250", 90, 0.5)
        await_true(lambda: not self.submission.queue(), "an empty queue", 30)
        for path in self.isp.inbox("internet"):
            text = path.read_text()
            subject = next(line[9:] for line in text.splitlines() if line.startswith("Subject: "))
            self.assertIn(f"\n\nwhole {subject}\n", text)

    def test_smtpd(self) -> None:
        self.kill_often(self.submission.smtpd)

    def test_auth(self) -> None:
        self.kill_often(self.submission.auth)

    def test_relay(self) -> None:
        self.kill_often(self.submission.relay)
