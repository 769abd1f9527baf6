# SPDX-License-Identifier: Apache-2.0
"""Mail to hosts that mean no good: nothing is lost by what they say, and nobody else waits for them."""

import contextlib
import socket
import threading
import time

from lab.hosts import await_true
from lab.topology import DOWN4, DOWN_DOMAIN
from test_submission import FRIEND, SENDER, SmtpTest

HOST = "c"  # where DOWN_DOMAIN's mail host stands now: port 25 of the internet host is Postfix's


class MailHost(threading.Thread):
    """Serves each client by a function, which gets the connection."""

    def __init__(self, test: SmtpTest, serve):
        super().__init__(daemon=True)
        self.serve = serve
        self.commands: list[bytes] = []
        with test.isp.lab[HOST].network():
            self.listener = socket.create_server((DOWN4, 25), backlog=100)
        test.addCleanup(self.close)
        self.connections: list[socket.socket] = []
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.serve(self, connection)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def yes(host: MailHost, connection: socket.socket) -> None:
    """Says 250 to everything."""
    connection.sendall(b"220 mx ESMTP\r\n")
    for line in connection.makefile("rb"):
        host.commands.append(line)
        connection.sendall(b"250 2.0.0 ok\r\n")


def nothing(host: MailHost, connection: socket.socket) -> None:
    """Takes the connection and never says a word."""
    time.sleep(300)


class HostileHosts(SmtpTest):
    """Deliveries to a host that a test makes."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.isp.lab.configure("edge", f"route add {DOWN4}/32 dev sub-{HOST}")
        cls.isp.lab.configure(HOST, f"addr add {DOWN4}/32 dev lo")

    def setUp(self) -> None:
        super().setUp()
        self.client = self.login()
        self.addCleanup(self.client.close)
        self.addCleanup(self.forget_queue)

    def forget_queue(self) -> None:
        for message in self.submission.queue():
            self.agent.ask("queue", "delete", message["id"])

    def send(self, recipients: list[str], subject: str) -> None:
        self.client.sendmail(SENDER, recipients, f"Subject: {subject}\r\n\r\nx\r\n".encode())

    def test_data_answered_with_250(self) -> None:
        """It can't have arrived: not an octet of it was sent."""
        host = MailHost(self, yes)
        self.send([f"x@{DOWN_DOMAIN}"], "not sent")
        await_true(lambda: b"DATA\r\n" in host.commands, "DATA", 15)
        waiting = await_true(lambda: [each for each in self.submission.queue() if each["recipients"][0]["attempts"]],
                             "an attempt that failed", 15)
        self.assertIn("250 2.0.0 ok", waiting[0]["recipients"][0]["last_error"])

    def test_silent_domain_has_many(self) -> None:
        """More wait for one domain than are looked at in one go."""
        host = MailHost(self, nothing)
        for message in range(12):
            self.send([f"x{message}-{number}@{DOWN_DOMAIN}" for number in range(100)], "silence")
        await_true(lambda: len(host.connections) == 5, "as many deliveries as a domain may have", 15)
        self.send([FRIEND], "in spite of them")
        await_true(lambda: "in spite of them" in self.subjects(), "a message to another domain", 15)
        self.assertEqual(len(host.connections), 5)
