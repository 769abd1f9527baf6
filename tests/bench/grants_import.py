# SPDX-License-Identifier: Apache-2.0
"""A million grants: `sekisho grant import`, a start that finds them in the store and nothing in the kernel, and what the
kernel keeps for each. From store to kernel is what such a start takes longer than one without grants."""

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
GRANTS = 1_000_000
PINS = "/sys/fs/bpf/sekisho"
BITS_OF_A_KEY = 1 / 8  # octets of the bitmap

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
"""


def text(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def row(name: str, value: float, unit: str, target: float, **peers: float) -> None:
    print(json.dumps({"row": name, "value": round(value, 2), "unit": unit, "target": target, "met": value <= target,
                      "peers": peers}), flush=True)


def start(agent: Daemon) -> float:
    """The seconds until it is ready."""
    begin = time.monotonic()
    agent.launch()
    await_true(agent.ready, "READY=1", 120)
    return time.monotonic() - begin


def main() -> int:
    build = Path(sys.argv[1])
    disk = build / "bench-disk"
    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir(parents=True)
    lab = Lab("bench-grants", build)
    imported, started, empty = [], [], []
    try:
        lab.make_hosts(("edge",))
        edge = lab["edge"]
        edge.run("mkdir", "-p", "/var/lib/sekisho", "/run/sekisho")
        edge.run("mount", "--bind", str(disk), "/var/lib/sekisho")
        edge.write(CONFIG, AGENT)
        edge.file("/run/list.txt").write_text("".join(f"{text(number)}\n" for number in range(GRANTS)))
        agent = Daemon(edge, "sekishod")
        for _ in range(ROUNDS):
            empty.append(start(agent))
            begin = time.monotonic()
            edge.run("sekisho", "grant", "import", "/run/list.txt", "--for", "10h", timeout=300)
            imported.append(time.monotonic() - begin)
            entries = json.loads(edge.run("sh", "-c", f"bpftool --json map show pinned {PINS}/v*/sekisho_entries",
                                          check=False).stdout)
            agent.stop()
            edge.run("sekishod", "--config", CONFIG, "--detach")
            started.append(start(agent))
            agent.stop()
            edge.run("sekishod", "--config", CONFIG, "--detach")
            edge.run("sh", "-c", "rm -f /var/lib/sekisho/*")
    finally:
        lab.remove()
        subprocess.run(["rm", "-rf", str(disk)], check=True)
    row("grants-import-1m", statistics.median(imported), "s", 5)
    whole, without = statistics.median(started), statistics.median(empty)
    row("grants-start-1m", whole - without, "s", 2, whole_start=round(whole, 2), without_grants=round(without, 2))
    row("grants-memory-per-entry", entries["bytes_memlock"] / GRANTS + BITS_OF_A_KEY, "bytes", 128)
    return 0


if __name__ == "__main__":
    sys.exit(main())
