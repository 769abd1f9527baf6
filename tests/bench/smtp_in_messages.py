# SPDX-License-Identifier: Apache-2.0
"""Messages accepted a second: sekisho-smtpd and sekisho-relay against Debian's Postfix, interleaved, medians of rounds.

smtp-source sends messages in one session or 50 (-d: a session isn't ended after a message) to a listener that takes mail
from a network of trust without TLS; both keep each message on the same disk before they answer, and pass it on to an
smtp-sink of their own. All queues are empty before each round. Each server is a host of its own; so is an smtp-sink that
takes the same mail at once, keeps nothing, and is the limit.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from lab.daemon import CONFIG, Daemon
from lab.hosts import Host, Lab, await_true
from lab.services import accepts
from lab.submission import make_users

ROUNDS = 5
SINK = 2525
PORT = 2500


class Work(NamedTuple):
    row: str
    sessions: int
    messages: int  # a round; the sink gets five times as many
    size: int
    of_postfix: float  # targets
    of_sink: float | None = None


WORKS = (Work("smtp-in-4k-50-sessions", 50, 4000, 4096, 8.0, 0.4), Work("smtp-in-4k-one-session", 1, 1000, 4096, 3.0),
         Work("smtp-in-10mb", 10, 40, 10 * 1024 * 1024, 1.5))

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
message_size_limit = 20000000
relayhost = [127.0.0.1]:{SINK}
"""


def own_disk(host: Host, directory: Path, at: str) -> None:
    """The machine's disk instead of the host's memory: what is durable must cost what it costs."""
    directory.mkdir(parents=True)
    host.run("mkdir", "-p", at)
    host.run("mount", "--bind", str(directory), at)


def start_sink(host: Host, port: int) -> None:
    host.run("sh", "-c", f"smtp-sink -u postfix 127.0.0.1:{port} 256 >/dev/null 2>&1 &")
    await_true(lambda: accepts(host, "127.0.0.1", port), "smtp-sink")


class Limit:
    name = "smtp-sink"
    times = 5

    def __init__(self, host: Host):
        self.host = host
        start_sink(host, PORT)

    def waiting(self) -> bool:
        return False


class Ours:
    name = "sekisho"
    times = 1

    def __init__(self, host: Host, disk: Path):
        self.host = host
        own_disk(host, disk / "ours", "/var/lib/sekisho")
        host.file("/run/sekisho").mkdir(parents=True, exist_ok=True)
        host.write(CONFIG, OURS)
        make_users(host)
        start_sink(host, SINK)
        self._relay, self._smtpd = Daemon(host, "sekisho-relay"), Daemon(host, "sekisho-smtpd")
        self._relay.start()
        self._smtpd.start()

    def waiting(self) -> bool:
        return bool(json.loads(self.host.run("sekisho", "queue", "list", "--json").stdout)["messages"])


class Theirs:
    name = "postfix"
    times = 1

    def __init__(self, host: Host, disk: Path):
        self.host = host
        own_disk(host, disk / "theirs", "/var/spool/postfix")
        host.write("/etc/postfix/main.cf", THEIRS)
        host.write("/etc/postfix/master.cf", Path("/usr/share/postfix/master.cf.dist").read_text())
        host.run("postconf", "-F", "*/*/chroot = n")
        host.run("postconf", "-M", f"{PORT}/inet={PORT} inet n - n - - smtpd")
        host.run("install", "-d", "-o", "postfix", "-g", "postfix", "/var/lib/postfix")
        start_sink(host, SINK)
        host.run("postfix", "start")
        await_true(lambda: accepts(host, "127.0.0.1", PORT), "Postfix", 30)

    def waiting(self) -> bool:
        return any(self.host.run("find", f"/var/spool/postfix/{queue}", "-type", "f").stdout
                   for queue in ("incoming", "active", "deferred"))


def await_quiet(servers) -> None:
    """Nobody passes on what an earlier round has left: that would slow down who comes next."""
    for server in servers:
        await_true(lambda: not server.waiting(), f"an empty queue of {server.name}", 300, 0.2)


def rate(server, work: Work) -> float:
    """Messages a second, of one round."""
    messages = work.messages * server.times
    begin = time.monotonic()
    server.host.run("smtp-source", "-s", str(work.sessions), "-m", str(messages), "-l", str(work.size), "-d", "-4",
                    "-f", "alice@example.net", "-t", "bob@example.com", f"127.0.0.1:{PORT}", timeout=300)
    return messages / (time.monotonic() - begin)


def compare(servers, work: Work) -> None:
    """Prints the rows of one kind of work."""
    contenders = [each for each in servers if work.of_sink or each.name != Limit.name]
    rates: dict[str, list[float]] = {each.name: [] for each in contenders}
    for _ in range(ROUNDS):
        for server in contenders:
            await_quiet(contenders)
            rates[server.name].append(rate(server, work))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    peers = {f"{name.replace('-', '_')}_per_second": round(each, 1) for name, each in medians.items()}
    for other, target in ((Theirs.name, work.of_postfix), (Limit.name, work.of_sink)):
        if target:
            value = medians[Ours.name] / medians[other]
            print(json.dumps({"row": f"{work.row}-vs-{other}", "value": round(value, 3), "unit": "ratio", "target": target,
                              "met": value >= target, "peers": peers}), flush=True)


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    lab = Lab("bench-smtp-in", build)
    try:
        lab.make_hosts(("ours", "theirs", "limit"))
        servers = (Ours(lab["ours"], disk), Theirs(lab["theirs"], disk), Limit(lab["limit"]))
        for work in WORKS:
            compare(servers, work)
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
