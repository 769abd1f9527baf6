# SPDX-License-Identifier: Apache-2.0
"""What the box lets through while it boots, is updated, is shut down, and where its agent is dead."""

import itertools
import time
from pathlib import Path

from appliance_test import CONFIG, DESIGNATED, GREET, MEET, OTHER_PORT, SECOND, SERVER, STICK, BetweenNetworksTest

TARGETS = {"other": (SERVER, OTHER_PORT), "designated": (DESIGNATED, 25), "port 25": (SERVER, 25)}
# One thread for each target, a client after the other; lines of time, target and what was met.
WATCH = MEET + """import sys, threading, time
def watch(name, address, port):
    while True:
        began = time.monotonic()
        print(f"{began} {name}: {meet(address, port, 1)}", file=out, flush=True)
        time.sleep(0.1)
out = open(FILE, "w")
for name, (address, port) in TARGETS.items():
    threading.Thread(target=watch, args=(name, address, port)).start()
"""
CLOSED = {"refused", "silence", "no way"}


class WhileItBoots(BetweenNetworksTest):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.work / "watch"

    def watch(self) -> None:
        """From now on a subscriber knocks everywhere, all the time."""
        self.beside("subscriber", WATCH.replace("FILE", repr(str(self.log))).replace("TARGETS", repr(TARGETS)))

    def met(self, since: float) -> dict[str, list[str]]:
        """By target what was met since then, in its order; what was met again and again stands there once."""
        met: dict[str, list[str]] = {name: [] for name in TARGETS}
        for line in Path(self.log).read_text().splitlines():
            when, _, rest = line.partition(" ")
            name, _, outcome = rest.partition(": ")
            if float(when) > since:
                met[name].append(outcome)
        return {name: [outcome for outcome, _ in itertools.groupby(each)] for name, each in met.items()}

    def assert_opens(self, met: list[str], name: str) -> None:
        """Closed for a while, as the box is off; and once it is open, it stays so."""
        opened = max((place for place, outcome in enumerate(met) if outcome not in ("open",)), default=-1) + 1
        self.assertEqual(met[opened:], ["open"], f"{name}: {met}")
        before = met[:opened]
        if before and before[0] == "open":  # of the time before it went down
            before = before[1:]
        self.assertNotIn("open", before, f"{name}: {met}")

    def assert_boot(self, since: float, ends: str) -> None:
        met = self.met(since)
        self.assert_opens(met["other"], "other ports")
        self.assert_opens(met["designated"], "designated servers")
        self.assertLessEqual(set(met["port 25"]), CLOSED)
        self.assertEqual(met["port 25"][-1], ends)

    def assert_no_change(self, since: float) -> None:
        self.assertEqual(self.met(since), {"other": ["open"], "designated": ["open"], "port 25": ["refused"]})

    def configure(self, guest, text: str) -> None:
        guest.write("/etc/sekisho/sekisho.toml", text)
        guest.run("systemctl unmask sekisho-agent; systemctl restart sekisho-agent")

    def test_story(self) -> None:
        update = self.made(SECOND, "--again").with_name(f"sekisho-{SECOND}.update")
        guest = self.between("traffic")
        guest.add_disk(self.stick("traffic-stick", update, label="SEKISHO", texts=STICK))
        self.beside("internet", GREET)
        began = time.monotonic()
        self.start(guest)
        self.watch()
        guest.shell()
        self.await_way()
        time.sleep(5)
        with self.subTest("the first boot"):
            self.assert_boot(began, "refused")

        began = time.monotonic()
        guest.run("systemctl mask --runtime sekisho-agent && systemctl kill --signal=KILL sekisho-agent && sleep 10 && ! pgrep -x sekishod")
        with self.subTest("a dead agent"):
            self.assert_no_change(began)
        guest.run("systemctl unmask --runtime sekisho-agent && systemctl start sekisho-agent")
        began = time.monotonic()
        guest.run(f"mount -o ro /dev/vdb /mnt && sekisho image update /mnt/sekisho-{SECOND}.update && umount /mnt", timeout=300)
        with self.subTest("an update"):
            self.assert_no_change(began)
        began = time.monotonic()
        self.reboot(guest)
        self.await_way()
        time.sleep(5)
        with self.subTest("shutdown and boot"):
            self.assert_boot(began, "refused")

        self.configure(guest, CONFIG.replace('side = "subscriber"', 'side = "subscriber"\nuntil_judged = "drop"'))
        guest.run("systemctl mask sekisho-agent")
        began = time.monotonic()
        self.reboot(guest)
        self.await_way()
        time.sleep(5)
        with self.subTest("no agent after a boot, closed until it is judged"):
            self.assert_boot(began, "silence")

        self.configure(guest, CONFIG)
        guest.run("systemctl mask sekisho-agent")
        self.reboot(guest)
        self.await_way()
        with self.subTest("no agent after a boot, open until it is judged"):
            self.assertEqual(self.meets(SERVER), "open")
