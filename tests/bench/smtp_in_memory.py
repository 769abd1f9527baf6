# SPDX-License-Identifier: Apache-2.0
"""What sekisho-smtpd holds for each client that has begun TLS, said EHLO and is silent: its resident memory with
5,000 of them, less that without any, for each."""

import contextlib
import json
import resource
import socket
import ssl
import sys
from pathlib import Path

from lab.daemon import CONFIG, Daemon
from lab.hosts import Lab
from lab.submission import make_certificate, make_users

CLIENTS = 5000
TARGET = 30.0  # KB
PORT = 4650

OURS = f"""
[submission]
hostname = "ours.test"
report_logins = false
connections = {CLIENTS + 100}
certificate = "/etc/sekisho/tls/fullchain.pem"
key = "/etc/sekisho/tls/privkey.pem"
[[submission.listener]]
address = "127.0.0.1"
port = {PORT}
tls = "implicit"
relay = ["127.0.0.0/8"]
"""


def resident(process: int) -> int:
    """Octets."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def main() -> int:
    wanted = CLIENTS + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    lab = Lab("bench-smtp-in-memory", Path(sys.argv[1]))
    try:
        lab.make_hosts(("edge",))
        edge = lab["edge"]
        edge.file("/run/sekisho").mkdir(parents=True, exist_ok=True)
        edge.write(CONFIG, OURS)
        make_users(edge)
        edge.file("/etc/sekisho/tls").mkdir(parents=True, exist_ok=True)
        make_certificate(lab)
        edge.run("chown", "sekisho-smtpd", "/etc/sekisho/tls/privkey.pem")
        smtpd = Daemon(edge, "sekisho-smtpd")
        smtpd.start()
        before = resident(smtpd.process.pid)
        with contextlib.ExitStack() as clients:
            for _ in range(CLIENTS):
                with edge.network():
                    plain = socket.create_connection(("127.0.0.1", PORT), 20)
                client = clients.enter_context(trust.wrap_socket(plain))
                client.recv(1000)
                client.sendall(b"EHLO client.example.com\r\n")
                client.recv(1000)
            value = (resident(smtpd.process.pid) - before) / CLIENTS / 1000
    finally:
        lab.remove()
    print(json.dumps({"row": "smtp-in-memory-of-an-idle-tls-session", "value": round(value, 1), "unit": "KB", "target": TARGET,
                      "met": value <= TARGET, "peers": {}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
