# SPDX-License-Identifier: Apache-2.0
"""The appliance's image: from nothing to a disk, its size, and what a box in software emulation takes to filter, to be
updated, and to do nothing. The peer is the machine: without a processor's own virtualization all of it is many times slower."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/image"))

from appliance_test import GREET, SECOND, SERVER, STICK, BetweenNetworksTest  # noqa: E402
from guest import Guest  # noqa: E402

IDLE = 120  # seconds after which nothing is left to be done


def row(name: str, value: float, unit: str, target: float, **peers: float) -> None:
    print(json.dumps({"row": name, "value": round(value, 1), "unit": unit, "target": target, "met": value <= target, "peers": peers}), flush=True)


def build() -> None:
    """With the compiler's cache, and nothing else that an earlier build has left."""
    trees, kept, output = ROOT / "build/trees", ROOT / "build/trees.kept", ROOT / "build/bench-image"
    if trees.exists():
        trees.rename(kept)
    begin = time.monotonic()
    try:
        subprocess.run([ROOT / "images/build.sh", "--output", output], check=True, stdout=sys.stderr)
        row("image-build", time.monotonic() - begin, "s", 900)
        image, = output.glob("*.raw.zst")
        row("image-size", image.stat().st_size / 10 ** 6, "MB", 250)
    finally:
        shutil.rmtree(output, ignore_errors=True)
        if kept.exists():
            shutil.rmtree(trees, ignore_errors=True)
            kept.rename(trees)


def stamp(guest: Guest, name: str) -> float:
    """One of systemd's times, by the time of day."""
    return int(guest.run(f"systemctl show -P {name} --timestamp=unix | tr -dc 0-9").stdout)


def ahead(guest: Guest) -> float:
    """By how many seconds the box's clock is ahead of ours."""
    return float(guest.run("date +%s.%N").stdout) - time.time()


class Box(BetweenNetworksTest):
    """A box that has been configured, measured."""

    def measure(self) -> None:
        update = self.made(SECOND, "--again").with_name(f"sekisho-{SECOND}.update")
        guest = self.between("bench")
        guest.add_disk(self.stick("bench-stick", update, label="SEKISHO", texts=STICK))
        self.beside("internet", GREET)
        self.start(guest)
        guest.shell()
        self.await_way()
        guest.shut_down()

        begin = time.time()
        self.start(guest)
        while self.meets(SERVER) != "refused":
            pass
        filtered = time.time()
        row("image-boot-to-filtering", filtered - begin, "s", 120)
        guest.shell()
        offset = ahead(guest)
        row("image-user-space-to-filtering", filtered + offset - stamp(guest, "InitRDTimestamp"), "s", 5,
            after_the_root=round(filtered + offset - stamp(guest, "UserspaceTimestamp"), 1))
        time.sleep(IDLE)
        row("image-idle-memory", int(guest.run("free -m | awk '/^Mem/ { print $3 }'").stdout), "MiB", 300)
        begin = time.time()
        guest.run(f"mount -o ro /dev/vdb /mnt && sekisho image update /mnt/sekisho-{SECOND}.update", timeout=600)
        row("image-update", time.time() - begin, "s", 60)


def main() -> int:
    build()
    Box.setUpClass()
    box = Box()
    try:
        box.setUp()
        box.measure()
    finally:
        box.doCleanups()
        Box.doClassCleanups()
    return 0


if __name__ == "__main__":
    sys.exit(main())
