# SPDX-License-Identifier: Apache-2.0
"""Logins that other hosts' syslog tells of: rsyslog and logger speak to the edge, by UDP, TCP and TLS."""

import socket
import ssl
import time
from contextlib import ExitStack

from lab.hosts import Process, await_true
from lab.isp import config_text
from lab.topology import EDGE_CORE4, EDGE_CORE6, MAIL4, SUBSCRIBERS
from lab_test import LabTest

A, B = SUBSCRIBERS["a"], SUBSCRIBERS["b"]
CA, KEYS = "/etc/sekisho/ca.pem", "/etc/keys"
OPENS = "LOGIN, user=alice, ip=[::ffff:{}], port=[1234], protocol=POP3"


def section(name: str, transport: str, *lines: str, listen: str = EDGE_CORE4) -> str:
    return "\n".join(["[[login.syslog]]", f'name = "{name}"', f'listen = "{listen}"', f'transport = "{transport}"', *lines,
                      "[[pool]]"])


SENDERS = f'senders = ["{MAIL4}"]'
TLS = 'certificate = "/etc/sekisho/syslog.pem"\nkey = "/etc/sekisho/syslog.key"\n' + f'client_ca = "{CA}"'


class Syslog(LabTest):  # labels: sanitize
    """The mail host is the sender."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.mail_host = cls.isp.lab["mail"]
        # As sekisho.toml(5) says for ports below 1024.
        cls.agent.capabilities += ",+net_bind_service"

    def setUp(self) -> None:
        super().setUp()
        self.begin_anew()

    def reported(self, name: str = "syslog") -> dict:
        return next(item for item in self.agent.ask("status")["logins"] if item["name"] == name)

    def logger(self, *options: str, text: str) -> None:
        self.mail_host.run("logger", "-n", EDGE_CORE4, "-t", "pop3d", *options, "--", text)

    def assert_opens(self, address: str, what: str) -> None:
        await_true(lambda: self.agent.granted(address), what)

    def test_logger(self) -> None:
        """util-linux's: both RFCs, by datagrams and by streams with either kind of frame."""
        both = section("udp", "udp", SENDERS)[:-len("[[pool]]")] + section("tcp", "tcp", SENDERS)
        self.isp.restart_agent(("[[pool]]", both))
        self.assertIsNone(self.agent.granted(A.address4))
        ways = [(transport + form) for transport in (("-d", "-P", "514"), ("-T", "-P", "601"), ("-T", "-P", "601", "--octet-count"))
                for form in (("--rfc3164",), ("--rfc5424",))]
        for number, options in enumerate(ways, 60):
            address = f"192.0.2.{number}"
            self.logger(*options, text=OPENS.format(address))
            self.assert_opens(address, " ".join(options))
        self.assertEqual((self.reported("udp")["granted"], self.reported("tcp")["granted"]), (2, 4))
        self.assertIn('sekisho_log_lines_total{reporter="tcp"} 4', self.edge.run(
            "curl", "-s", "--unix-socket", "/run/sekisho/agent.sock", "http://localhost/metrics").stdout)
        self.logger("-d", "-P", "514", text="nothing of interest")
        await_true(lambda: "3 messages read" in self.agent.command("doctor").stdout, "doctor tells")

    def test_over_ipv6_and_from_strangers(self) -> None:
        self.isp.restart_agent(("[[pool]]", section("syslog", "udp", 'senders = ["2001:db8:ffff::1"]', listen=EDGE_CORE6)))
        self.mail_host.run("logger", "-n", EDGE_CORE6, "-d", "-t", "pop3d", "--", OPENS.format(A.address4))
        await_true(lambda: self.reported()["rejected"] == 1, "a stranger is counted")
        self.assertIn("SYSLOG_STRANGER", self.log())
        self.assertIsNone(self.agent.granted(A.address4))
        self.assertEqual(self.reported()["granted"], 0)

    def test_old_messages(self) -> None:
        """What waited in a queue opens nothing, unless the operator believes the arrival."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
        message = f"<22>1 {when} mail pop3d - - - {OPENS.format(A.address4)}".encode()
        for time_of, field in (("line", "refused"), ("arrival", "granted")):
            self.isp.restart_agent(("[[pool]]", section("syslog", "udp", SENDERS, f'time = "{time_of}"')))
            with self.mail_host.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(message, (EDGE_CORE4, 514))
            await_true(lambda: self.reported()[field] == 1, f"{time_of}: {field}")

    def test_rsyslog(self) -> None:
        """As an operator would set it up: the daemons log to rsyslog, which forwards."""
        self.make_keys()
        ways = "".join(section(name, name, *lines)[:-len("[[pool]]")] for name, lines in (
            ("udp", (SENDERS,)), ("tcp", (SENDERS,)), ("tls", (TLS, 'client_names = ["mail.example.net"]'))))
        self.isp.restart_agent(("[[pool]]", ways + "[[pool]]"))
        actions = (
            f'action(type="omfwd" target="{EDGE_CORE4}" port="514" protocol="udp" template="RSYSLOG_TraditionalForwardFormat")',
            f'action(type="omfwd" target="{EDGE_CORE4}" port="601" protocol="tcp" TCP_Framing="octet-counted" '
            'template="RSYSLOG_SyslogProtocol23Format")',
            f'action(type="omfwd" target="{EDGE_CORE4}" port="6514" protocol="tcp" StreamDriver="ossl" StreamDriverMode="1" '
            f'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="edge.example.net" TCP_Framing="octet-counted")')
        for number, (name, action) in enumerate(zip(("udp", "tcp", "tls"), actions), 70):
            rsyslog = self.start_rsyslog(action)
            self.addCleanup(rsyslog.kill)
            address = f"192.0.2.{number}"
            self.mail_host.run("logger", "-u", "/run/test.sock", "-t", "pop3d", "--", OPENS.format(address))
            self.assert_opens(address, f"rsyslog by {name}")
            self.assertEqual(self.reported(name)["granted"], 1)
            rsyslog.kill()

    def test_certificates(self) -> None:
        """Without a certificate of the CA, and with one for somebody else, nobody is heard."""
        self.make_keys()
        self.isp.restart_agent(("[[pool]]", section("syslog", "tls", TLS, 'client_names = ["mail.example.net"]')))
        message = f"<22>1 - mail pop3d - - - {OPENS.format(A.address4)}\n".encode()
        for who, heard in ((None, False), ("other", False), ("mail", True)):
            context = ssl.create_default_context(cafile=str(self.edge.file(CA)))
            if who:
                context.load_cert_chain(self.mail_host.file(f"{KEYS}/{who}.pem"), self.mail_host.file(f"{KEYS}/{who}.key"))
            with self.mail_host.network():
                raw = socket.create_connection((EDGE_CORE4, 6514), 10)
            try:
                with context.wrap_socket(raw, server_hostname="edge.example.net") as stream:
                    stream.sendall(message)
                    if not heard:
                        stream.settimeout(10)
                        self.assertEqual(stream.recv(1), b"")
            except (ssl.SSLError, ConnectionError):
                self.assertFalse(heard, who)
            if heard:
                self.assert_opens(A.address4, "a good certificate")
            else:
                self.assertIsNone(self.agent.granted(A.address4), who)
        self.assertEqual(self.reported()["rejected"], 2)
        self.assert_strangers_crowd_nobody_out()
        # And one who never shakes hands does not hold a place for long.
        with self.mail_host.network():
            silent = socket.create_connection((EDGE_CORE4, 6514), 30)
        with silent:
            self.assertEqual(silent.recv(1), b"")

    def assert_strangers_crowd_nobody_out(self) -> None:
        context = ssl.create_default_context(cafile=str(self.edge.file(CA)))
        context.load_cert_chain(self.mail_host.file(f"{KEYS}/mail.pem"), self.mail_host.file(f"{KEYS}/mail.key"))
        with ExitStack() as strangers, self.mail_host.network():
            raw = socket.create_connection((EDGE_CORE4, 6514), 10)
            sender = strangers.enter_context(context.wrap_socket(raw, server_hostname="edge.example.net"))
            sender.sendall(f"<22>1 - mail pop3d - - - {OPENS.format('192.0.2.80')}\n".encode())
            self.assert_opens("192.0.2.80", "the sender is known")
            for _ in range(70):
                strangers.enter_context(socket.create_connection((EDGE_CORE4, 6514), 10))
            await_true(lambda: "SYSLOG_CROWDED" in self.log(), "strangers crowd one another")
            sender.sendall(f"<22>1 - mail pop3d - - - {OPENS.format('192.0.2.81')}\n".encode())
            self.assert_opens("192.0.2.81", "the sender is still heard")

    def test_check(self) -> None:
        """What --check can see before anything is started."""
        for lines, complaint in ((TLS, "/etc/sekisho/nowhere"), (SENDERS + '\npatterns = ["cyrsu"]', 'no pattern "cyrsu"')):
            transport = "tls" if lines == TLS else "udp"
            changed = section("syslog", transport, lines.replace("/etc/sekisho/syslog", "/etc/sekisho/nowhere"))
            self.agent.configure(config_text(("[[pool]]", changed)))
            done = self.edge.run("sekishod", "--check", check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(complaint, done.stderr)

    def start_rsyslog(self, action: str) -> Process:
        self.mail_host.write("/etc/rsyslog-test.conf", f"""
global(workDirectory="/run/rsyslog" DefaultNetstreamDriverCAFile="{KEYS}/ca.pem"
       DefaultNetstreamDriverCertFile="{KEYS}/mail.pem" DefaultNetstreamDriverKeyFile="{KEYS}/mail.key")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/run/test.sock")
{action}
""")
        self.mail_host.run("sh", "-c", "mkdir -p /run/rsyslog; rm -f /run/test.sock")
        with open(self.mail_host.log("rsyslog.log"), "ab") as log:
            process = self.mail_host.spawn("rsyslogd", "-n", "-f", "/etc/rsyslog-test.conf", "-i", "/run/rsyslog/pid",
                                           stdout=log, stderr=log)
        await_true(lambda: self.mail_host.file("/run/test.sock").exists(), "rsyslog's socket")
        return process

    def make_keys(self) -> None:
        """A CA, the edge's certificate, and those of two senders."""
        host = self.mail_host
        host.run("mkdir", "-p", KEYS)
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        host.run(*new, "-x509", "-days", "30", "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-keyout", f"{KEYS}/ca.key", "-out", f"{KEYS}/ca.pem")
        for name in ("edge", "mail", "other"):
            host.run(*new, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}.example.net",
                     "-keyout", f"{KEYS}/{name}.key", "-out", f"{KEYS}/{name}.csr")
            host.run("openssl", "x509", "-req", "-in", f"{KEYS}/{name}.csr", "-CA", f"{KEYS}/ca.pem", "-CAkey",
                     f"{KEYS}/ca.key", "-CAcreateserial", "-days", "30", "-copy_extensions", "copy",
                     "-out", f"{KEYS}/{name}.pem")
        for theirs, ours, mode in (("ca.pem", "ca.pem", 0o644), ("edge.pem", "syslog.pem", 0o644),
                                   ("edge.key", "syslog.key", 0o600)):
            self.edge.write(f"/etc/sekisho/{ours}", host.file(f"{KEYS}/{theirs}").read_text(), mode)
