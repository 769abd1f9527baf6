# SPDX-License-Identifier: Apache-2.0
"""RADIUS accounting as fast as it is answered, sessions and their store included; what a million sessions and grants
take of the agent's memory, of a core while nothing happens, and of a start."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lab.daemon import CONFIG, Daemon
from lab.hosts import Lab, await_true

ROUNDS = 3
SUBSCRIBERS = 100_000  # of a round: each begins, is alive, and ends
MANY = 1_000_000
IDLE = 30  # seconds
RESTART = 10  # seconds: a NAS repeats a packet that long before it gives up
SECRET = "for-the-bench"

AGENT = """
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
[radius]
listen = ["127.0.0.1"]
[[radius.client]]
name = "bng1"
prefixes = ["127.0.0.1/32"]
secret_file = "/etc/sekisho/bng1.secret"
"""


def row(name: str, value: float, unit: str, target: float, met: bool, **peers: float) -> None:
    print(json.dumps({"row": name, "value": round(value, 2), "unit": unit, "target": target, "met": met,
                      "peers": peers}), flush=True)


def text(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


class Bench:
    def __init__(self, build: Path, lab: Lab):
        self.sender = build / "tests/bench/bench_logins_radius"
        self.edge = lab["edge"]
        self.agent = Daemon(self.edge, "sekishod")

    def start(self) -> None:
        self.agent.launch()
        await_true(self.agent.ready, "READY=1", 120)

    def stop(self) -> None:
        self.agent.stop()
        self.edge.run("sekishod", "--config", CONFIG, "--detach")
        self.edge.run("sh", "-c", "rm -f /var/lib/sekisho/*")

    def send(self, count: int, *kinds: str) -> dict:
        done = self.edge.run(str(self.sender), "127.0.0.1", SECRET, "1", str(count), *kinds, timeout=600)
        return json.loads(done.stdout)

    def rate(self) -> None:
        rounds = []
        for _ in range(ROUNDS):
            self.start()
            rounds.append(self.send(SUBSCRIBERS, "start", "interim", "stop"))
            self.stop()
        value = statistics.median(each["packets"] / each["seconds"] for each in rounds)
        lost = sum(each["lost"] for each in rounds)
        row("logins-radius", value, "packets/s", 20_000, value >= 20_000 and lost == 0, lost=lost)

    def _memory(self) -> tuple[float, float]:
        """MiB that are resident: the agent's own, and of the kernel's maps that it looks into, which are there without it."""
        own = maps = 0
        of_maps = False
        for line in Path(f"/proc/{self.agent.process.pid}/smaps").read_text().splitlines():
            if line.startswith("Rss:"):
                size = int(line.split()[1]) / 1024
                own, maps = (own, maps + size) if of_maps else (own + size, maps)
            elif "-" in line.split()[0]:
                of_maps = line.endswith("anon_inode:bpf-map")
        return own, maps

    def _known(self) -> int:
        """Sessions and grants together."""
        text = self.edge.run("curl", "-sS", "--fail", "--unix-socket", "/run/sekisho/agent.sock", "http://localhost/metrics").stdout
        return sum(int(float(line.split()[1])) for line in text.splitlines()
                   if line.split()[0] in ("sekisho_sessions", "sekisho_grants"))

    def many(self) -> None:
        self.start()
        self.send(MANY, "start")
        self.edge.file("/run/list.txt").write_text("".join(f"{text(number)}\n" for number in range(1, MANY + 1)))
        self.edge.run("sekisho", "grant", "import", "/run/list.txt", "--for", "10h", timeout=300)
        own, maps = self._memory()
        begin = self.agent.seconds_of_a_core()
        time.sleep(IDLE)
        idle = 100 * (self.agent.seconds_of_a_core() - begin) / IDLE
        self.agent.stop()
        begin = time.monotonic()
        self.start()
        restart = time.monotonic() - begin
        lost = 2 * MANY - self._known()
        self.stop()
        row("logins-memory-1m", own, "MiB", 600, own <= 600, mapped_kernel_tables=round(maps, 2))
        row("logins-idle-1m", idle, "% of a core", 0.5, idle <= 0.5)
        row("logins-restart-1m", restart, "s", RESTART, restart <= RESTART and lost == 0, lost=lost)


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir(parents=True)
    lab = Lab("bench-radius", build)
    try:
        lab.make_hosts(("edge",))
        edge = lab["edge"]
        edge.run("mkdir", "-p", "/var/lib/sekisho", "/run/sekisho")
        edge.run("mount", "--bind", str(disk), "/var/lib/sekisho")
        edge.write(CONFIG, AGENT)
        edge.write("/etc/sekisho/bng1.secret", SECRET + "\n", 0o600)
        bench = Bench(build, lab)
        bench.rate()
        bench.many()
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
