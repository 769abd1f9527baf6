# SPDX-License-Identifier: Apache-2.0
"""The mail side as its units start it: systemd opens the sockets, and no daemon is root for a moment."""

import configparser
import socket

from lab.hosts import await_true
from lab.story_mail import arrived, send
from lab.topology import EDGE_CORE4, EDGE_CORE6, MX_DOMAIN, SUBSCRIBERS
from lab_test import ROOT, LabTest

A = SUBSCRIBERS["a"]
PORTS = tuple(f"{address}:{port}" for address in (EDGE_CORE4, f"[{EDGE_CORE6}]") for port in (587, 465))


def unit(name: str) -> configparser.SectionProxy:
    """The section [Socket] of a unit."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(ROOT / "images/systemd" / name)
    return parser["Socket"]


class SocketActivation(LabTest):
    """systemd-socket-activate stands in for systemd: it opens sockets, and becomes the daemon at the first connection."""

    mail = True
    mx = True
    smtp = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.submission = cls.isp.submission
        cls.edge.run("chgrp", "sekisho-smtpd", "/etc/sekisho/tls/privkey.pem")
        cls.edge.file("/etc/sekisho/tls/privkey.pem").chmod(0o640)
        cls.agent.start()

    def tearDown(self) -> None:
        for daemon in self.submission.daemons:
            if daemon.running():
                daemon.stop()
        self.agent.revoke_all()

    def launch(self, daemon, *activations: tuple[str, ...]) -> None:
        """Each activation: options of one systemd-socket-activate, which hands its sockets on to the next."""
        words = []
        for options in activations:
            words += ["systemd-socket-activate", "-E", f"NOTIFY_SOCKET=/var/log/{daemon.name}.notify", *options]
        words += ["setpriv", "--reuid", daemon.name, "--regid", daemon.name, "--init-groups", "--bounding-set=-all",
                  "--no-new-privs"]
        daemon.host.log(f"{daemon.name}.log").unlink(missing_ok=True)  # the tests read in it what this start has said
        daemon.launch(*words, program=self.for_all(daemon.name))

    def listening(self, daemon, where: str) -> None:
        await_true(lambda: f"Listening on {where} " in daemon.last_words(), f"a socket at {where}")

    def give(self, daemon, name: str) -> None:
        """Gives a socket's file to those whom its unit gives it to."""
        section = unit(name)
        path = section.get("ListenStream") or section["ListenSequentialPacket"]
        self.listening(daemon, path)
        owner = f"{section.get('SocketUser', 'root')}:{section.get('SocketGroup', 'root')}"
        self.edge.run("chown", owner, path)
        self.edge.run("chmod", section["SocketMode"], path)

    def names(self, *units: str) -> str:
        return ":".join(unit(name)["FileDescriptorName"] for name in units)

    def launch_auth(self) -> None:
        units = ("sekisho-auth.socket", "sekisho-auth-admin.socket")
        paths = [word for name in units for word in ("-l", unit(name)["ListenStream"])]
        self.launch(self.submission.auth, ("--fdname", self.names(*units), *paths))
        for name in units:
            self.give(self.submission.auth, name)

    def launch_relay(self) -> None:
        """Its two sockets are of two kinds, so one systemd-socket-activate starts the other."""
        units = ("sekisho-relay.socket", "sekisho-relay-admin.socket")
        handoff, admin = unit(units[0])["ListenSequentialPacket"], unit(units[1])["ListenStream"]
        self.launch(self.submission.relay, ("--seqpacket", "--fdname", self.names(units[0]), "-l", handoff),
                    ("--fdname", self.names(*units), "-l", admin))
        self.give(self.submission.relay, units[0])

    def launch_smtpd(self, *ports: str) -> None:
        admin = "sekisho-smtpd-admin.socket"
        words = [word for each in (*ports, unit(admin)["ListenStream"]) for word in ("-l", each)]
        names = [self.names("sekisho-smtpd.socket")] * len(ports) + [self.names(admin)]
        self.launch(self.submission.smtpd, ("--fdname", ":".join(names), *words))
        for port in ports:
            self.listening(self.submission.smtpd, port)

    def assert_never_root(self, daemon) -> None:
        pid = self.edge.run("pidof", daemon.name).stdout.strip()
        lines = self.edge.file(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        self.assertEqual(set(status["Uid"].split()), {self.edge.run("id", "-u", daemon.name).stdout.strip()})
        for capabilities in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[capabilities], 16), 0, f"{daemon.name} {capabilities}")

    def test_mail_goes_through(self) -> None:
        """Nobody runs before somebody comes."""
        self.launch_auth()
        self.launch_relay()
        self.launch_smtpd(*PORTS)
        self.assertEqual(self.edge.run("pidof", *(daemon.name for daemon in self.submission.daemons), check=False).stdout, "")
        self.submission.add_users()
        for number, server in enumerate((EDGE_CORE4, EDGE_CORE6)):
            for implicit in (False, True):
                subject = f"activated {number} {implicit}"
                send(self.isp, A, f"friend@{MX_DOMAIN}", subject, implicit=implicit, server=server)
                arrived(self.isp, "internet", subject)
        for daemon in self.submission.daemons:
            daemon.await_ready()
            self.assert_never_root(daemon)
        self.edge.run("chmod", unit("sekisho-relay-admin.socket")["SocketMode"], "/run/sekisho/mail.sock")
        await_true(lambda: not self.submission.queue(), "an empty queue")
        for daemon in self.submission.daemons:
            self.assertEqual(daemon.stop(), 0)

    def test_ports_that_differ(self) -> None:
        """What systemd listens on and what the configuration names are two things: said, with what to do."""
        smtpd = self.submission.smtpd
        self.launch_smtpd("198.51.100.1:587", "198.51.100.1:2525")
        with self.edge.network():
            socket.create_connection(("198.51.100.1", 587)).close()
        self.assertEqual(smtpd.process.wait(), 1)
        said = smtpd.last_words()
        self.assertIn("198.51.100.1:465", said)
        self.assertIn("ListenStream=198.51.100.1:465", said)
        self.assertIn("sekisho-smtpd.socket", said)
