# SPDX-License-Identifier: Apache-2.0
"""Messages accepted a second: sekisho-smtpd and sekisho-relay against Debian's Postfix, interleaved, medians of rounds.

smtp-source sends messages of 4 KB in 50 sessions (-d: a session isn't ended after a message) to a listener that takes mail from a
network of trust without TLS; both keep each message on the same disk before they answer, and pass it on to an
smtp-sink of their own. The queue is empty before each round. Each server is a host of its own.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lab.daemon import CONFIG, Daemon
from lab.hosts import Host, Lab, await_true
from lab.services import accepts
from lab.submission import make_users

ROUNDS = 5
SESSIONS = 50
MESSAGES = 2000
SIZE = 4096
TARGET = 8.0
SINK = 2525
PORT = 2500

OURS = f"""
[api]
socket = "/run/sekisho/agent.sock"
[submission]
hostname = "ours.test"
report_logins = false
connections = 200
[[submission.listener]]
address = "127.0.0.1"
port = {PORT}
tls = "none"
relay = ["127.0.0.0/8"]
[relay]
smarthost = "127.0.0.1:{SINK}"
"""

THEIRS = f"""compatibility_level = 3.6
myhostname = theirs.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
maillog_file = /var/log/postfix.log
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 200
relayhost = [127.0.0.1]:{SINK}
"""


def own_disk(host: Host, directory: Path, at: str) -> None:
    """The machine's disk instead of the host's memory: what is durable must cost what it costs."""
    directory.mkdir(parents=True)
    host.run("mkdir", "-p", at)
    host.run("mount", "--bind", str(directory), at)


def start_sink(host: Host) -> None:
    host.run("sh", "-c", f"smtp-sink -u postfix -c 127.0.0.1:{SINK} 256 >/dev/null 2>&1 &")
    await_true(lambda: accepts(host, "127.0.0.1", SINK), "smtp-sink")


class Ours:
    name = "sekisho"

    def __init__(self, host: Host, disk: Path):
        self.host = host
        own_disk(host, disk / "ours", "/var/lib/sekisho")
        host.file("/run/sekisho").mkdir(parents=True, exist_ok=True)
        host.write(CONFIG, OURS)
        make_users(host)
        start_sink(host)
        self._relay, self._smtpd = Daemon(host, "sekisho-relay"), Daemon(host, "sekisho-smtpd")
        self._relay.start()
        self._smtpd.start()

    def waiting(self) -> bool:
        return bool(json.loads(self.host.run("sekisho", "queue", "list", "--json").stdout)["messages"])


class Theirs:
    name = "postfix"

    def __init__(self, host: Host, disk: Path):
        self.host = host
        own_disk(host, disk / "theirs", "/var/spool/postfix")
        host.write("/etc/postfix/main.cf", THEIRS)
        host.write("/etc/postfix/master.cf", Path("/usr/share/postfix/master.cf.dist").read_text())
        host.run("postconf", "-F", "*/*/chroot = n")
        host.run("postconf", "-M", f"{PORT}/inet={PORT} inet n - n - - smtpd")
        host.run("install", "-d", "-o", "postfix", "-g", "postfix", "/var/lib/postfix")
        start_sink(host)
        host.run("postfix", "start")
        await_true(lambda: accepts(host, "127.0.0.1", PORT), "Postfix", 30)

    def waiting(self) -> bool:
        return any(self.host.run("find", f"/var/spool/postfix/{queue}", "-type", "f").stdout
                   for queue in ("incoming", "active", "deferred"))


def rate(server) -> float:
    """Messages a second, of one round."""
    await_true(lambda: not server.waiting(), f"an empty queue of {server.name}", 300, 0.2)
    begin = time.monotonic()
    server.host.run("smtp-source", "-s", str(SESSIONS), "-m", str(MESSAGES), "-l", str(SIZE), "-d", "-4",
                    "-f", "alice@example.net", "-t", "bob@example.com", f"127.0.0.1:{PORT}", timeout=300)
    return MESSAGES / (time.monotonic() - begin)


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    lab = Lab("bench-smtp-in", build)
    rates: dict[str, list[float]] = {Ours.name: [], Theirs.name: []}
    try:
        lab.make_hosts(("ours", "theirs"))
        servers = (Ours(lab["ours"], disk), Theirs(lab["theirs"], disk))
        for _ in range(ROUNDS):
            for server in servers:
                rates[server.name].append(rate(server))
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    ours, theirs = (statistics.median(rates[each.name]) for each in (Ours, Theirs))
    value = ours / theirs
    print(json.dumps({"row": "smtp-in-4k-50-sessions-vs-postfix", "value": round(value, 3), "unit": "ratio",
                      "target": TARGET, "met": value >= TARGET,
                      "peers": {"sekisho_per_second": round(ours), "postfix_per_second": round(theirs)}}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
