# SPDX-License-Identifier: Apache-2.0
"""Logins that a Dovecot reports over connections that it keeps: how many a second one core takes, and how long each
waits. The answer is sent when the kernel's map has the grant, so it is the bound for that; each login is of an
address that had none, and afterwards there must be as many grants as there were logins."""

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from lab.daemon import CONFIG, Daemon
from lab.hosts import Lab, await_true

ROUNDS = 3
RATE = 20_000
SECONDS = 10
LOGINS = RATE * SECONDS  # of a round
OVERTIME = 20  # seconds, for those that are due by then
SLOWEST = 5  # milliseconds
CONNECTIONS = 100  # as many as Dovecot's auth policy client makes; it has one request waiting on each
PIPELINE = 8
PORT = 4001
KEY = "for-the-bench"

AGENT = f"""
[api]
socket = "/run/sekisho/agent.sock"
[dataplane]
max_entries = 1048576
[[interface]]
name = "none"
[[pool]]
name = "pool"
prefixes = ["10.0.0.0/11"]
action = "drop"
[[login.dovecot]]
name = "mail1"
listen = "127.0.0.1"
port = {PORT}
key_file = "/etc/sekisho/policy.key"
reporters = ["127.0.0.1/32"]
proof = "authed=ok"
"""


def row(name: str, value: float, unit: str, target: float, met: bool, **peers: float) -> None:
    print(json.dumps({"row": name, "value": round(value, 2), "unit": unit, "target": target, "met": met,
                      "peers": {each: round(number, 2) for each, number in peers.items()}}), flush=True)


def median(rounds: list[dict], name: str) -> float:
    return statistics.median(each[name] for each in rounds)


def total(rounds: list[dict], name: str) -> int:
    return sum(each[name] for each in rounds)


class Bench:
    def __init__(self, build: Path, lab: Lab):
        self.sender = build / "tests/bench/bench_logins_http"
        self.edge = lab["edge"]
        self.agent = Daemon(self.edge, "sekishod")

    def round(self, rate: int, seconds: int, depth: int = 1) -> dict:
        """One agent, alone on a core, from an empty store; what the sender saw on the other."""
        self.agent.launch("taskset", "-c", "0")
        await_true(self.agent.ready, "READY=1", 120)
        begin = self.agent.seconds_of_a_core()
        order = (KEY, LOGINS, rate, seconds, CONNECTIONS, depth)
        done = self.edge.run("taskset", "-c", "1", str(self.sender), "127.0.0.1", str(PORT), *map(str, order),
                             timeout=300)
        seen = json.loads(done.stdout)
        seen["per_second"] = seen["answered"] / seen["seconds"]
        seen["core_us"] = 1e6 * (self.agent.seconds_of_a_core() - begin) / seen["answered"]
        grants = json.loads(self.edge.run("sekisho", "status", "--json").stdout)["grants"]
        seen["wrong"] = seen["failed"] + abs(seen["answered"] - grants)
        self.agent.stop()
        self.edge.run("sekishod", "--config", CONFIG, "--detach")
        self.edge.run("sh", "-c", "rm -f /var/lib/sekisho/* /var/log/sekishod.log")
        return seen

    def rate(self) -> None:
        rounds = [self.round(0, SECONDS) for _ in range(ROUNDS)]
        pipelined = [self.round(0, SECONDS, PIPELINE) for _ in range(ROUNDS)]
        value, wrong = median(rounds, "per_second"), total(rounds + pipelined, "wrong")
        row("logins-http rate", value, "logins/s", RATE, value >= RATE and wrong == 0, wrong=wrong,
            core_us=median(rounds, "core_us"), sender_us=median(rounds, "sender_us"),
            pipelined_per_second=median(pipelined, "per_second"),
            pipelined_core_us=median(pipelined, "core_us"))

    def p99(self) -> None:
        rounds = [self.round(RATE, OVERTIME) for _ in range(ROUNDS)]
        at_a_tenth = [self.round(RATE // 10, SECONDS) for _ in range(ROUNDS)]
        value, wrong, unsent = median(rounds, "p99_ms"), total(rounds + at_a_tenth, "wrong"), total(rounds, "unsent")
        row("logins-http p99", value, "ms", SLOWEST, value < SLOWEST and wrong == unsent == 0, wrong=wrong,
            unsent=unsent, offered_per_second=RATE, p99_ms_at_a_tenth=median(at_a_tenth, "p99_ms"),
            **{name: median(rounds, name) for name in ("per_second", "p50_ms", "slowest_ms", "late_p99_ms", "core_us")})


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir(parents=True)
    lab = Lab("bench-http", build)
    try:
        lab.make_hosts(("edge",))
        edge = lab["edge"]
        edge.run("mkdir", "-p", "/var/lib/sekisho", "/run/sekisho")
        edge.run("mount", "--bind", str(disk), "/var/lib/sekisho")
        edge.write(CONFIG, AGENT)
        edge.write("/etc/sekisho/policy.key", KEY + "\n", 0o600)
        bench = Bench(build, lab)
        bench.rate()
        bench.p99()
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
