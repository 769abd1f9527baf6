# SPDX-License-Identifier: Apache-2.0
"""What an agent of an older layout left in the kernel, made from that layout's own definitions (folder layouts)."""

import ipaddress
import json
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from kernel_entries import PINS
from lab.hosts import Host

EXEMPT, GRANT, QUARANTINE, OVERRUN, UNLIMITED = 1, 2, 4, 8, 16  # flags of an entry; the last two since layout 3
LATER_FRAGMENT, NOT_GRANTED = 10, 25  # reasons
PASS, DROP = 0, 2  # verdicts
VERDICTS = 8
COUNT = struct.Struct("=QQ")  # packets, octets
ENTRIES = 64


@dataclass(frozen=True)
class Entry:
    """What the kernel knew of a subscriber, in that layout's terms."""

    address: str
    flags: int
    expires: int = 0  # CLOCK_BOOTTIME in nanoseconds
    generation: int = 1
    budget: int = 0
    flows: int = 0

    def value(self, version: int) -> bytes:
        """The same 40 octets in all layouts before 6; of layout 1 those of budgets and flows are nothing yet."""
        bits = 32 if ":" not in self.address else 56
        counted = (self.budget, 0, self.flows) if version >= 3 else (0, 0, 0)
        return key_of(self.address) + struct.pack("=QIiIHBB", self.expires, self.generation, *counted, self.flags, bits)


def key_of(address: str) -> bytes:
    """Of an IPv4 address, or of the /56 that an IPv6 address is in."""
    parsed = ipaddress.ip_address(address)
    return bytes(10) + b"\xff\xff" + parsed.packed if parsed.version == 4 else parsed.packed[:7] + bytes(9)


def octets(data: bytes) -> list[str]:
    """As bpftool reads them."""
    return [f"{octet:#04x}" for octet in data]


class OlderLayout:
    """Makes it, and fills and reads its maps through their pins."""

    def __init__(self, host: Host, build: Path, version: int, attached: dict[str, str]):
        """`attached`: by what mode each interface has its program."""
        self._host = host
        self._version = version
        self.pins = f"{PINS}/v{version}"
        self._indexes = {name: int(host.run("cat", f"/sys/class/net/{name}/ifindex").stdout) for name in attached}
        folder = build / "tests/system"
        host.run(str(folder / "load_layout"), str(folder / f"layouts/layout_{version}.bpf.o"), self.pins, str(ENTRIES),
                 *(f"{self._indexes[name]}-{mode}" for name, mode in attached.items()))
        for index in self._indexes.values():
            self._put("sekisho_interfaces", struct.pack("=I", index), bytes(12))

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        self._host.run("bpftool", "map", "update", "pinned", f"{self.pins}/{name}",
                       "key", *octets(key), "value", *octets(value))

    def know(self, entry: Entry) -> None:
        self._put("sekisho_entries", key_of(entry.address), entry.value(self._version))

    def add_flow(self, source: tuple[str, int], destination: tuple[str, int], generation: int) -> None:
        """An open connection of a subscriber's over IPv4."""
        ends = [int(ipaddress.ip_address(address)) for address, _ in (source, destination)]
        ports = struct.pack(">HHI", source[1], destination[1], 0)
        key = key_of(source[0]) + struct.pack("=QQQQ", 0, ends[0], 0, ends[1]) + ports
        seen = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        self._put("sekisho_flows", key, struct.pack("=IIII", generation, 0, seen, 1))

    def _slots(self) -> set[int]:
        return {index % 64 for index in self._indexes.values()}

    def count(self, reason: int, verdict: int, packets: int) -> int:
        """Sets a counter that no packet touches; how many packets that is in all, over CPUs and slots."""
        place, counted = reason * VERDICTS + verdict, COUNT.pack(packets, packets * 60)
        if self._version < 4:
            self._put("sekisho_counts", struct.pack("=I", place), counted)
            return packets * possible_cpus()
        value = bytes(place * COUNT.size) + counted + bytes(8208 - (place + 1) * COUNT.size)
        # Interfaces' slots are in use already.
        slots = [0] + [slot for slot in range(1, 64) if slot not in self._slots()][:1]
        for slot in slots:
            self._put("sekisho_counts", struct.pack("=I", slot), value)
        return packets * possible_cpus() * len(slots)

    def counted(self, reason: int, verdict: int) -> int:
        """Packets that its programs counted."""
        place = reason * VERDICTS + verdict
        if self._version < 4:
            return self._sum(place, 0)
        return sum(self._sum(slot, place * COUNT.size) for slot in self._slots())

    def _sum(self, key: int, at: int) -> int:
        said = self._host.run("bpftool", "--json", "map", "lookup", "pinned", f"{self.pins}/sekisho_counts",
                              "key", *octets(struct.pack("=I", key))).stdout
        values = [bytes(int(octet, 16) for octet in each["value"]) for each in json.loads(said)["values"]]
        return sum(COUNT.unpack_from(value, at)[0] for value in values)


def possible_cpus() -> int:
    """Those that the kernel has counters of."""
    ranges = [part.split("-") for part in Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")]
    return sum(int(each[-1]) - int(each[0]) + 1 for each in ranges)
