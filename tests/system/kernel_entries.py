# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of subscribers, read without the agent; and the same as an older agent would have left it."""

import json
from typing import Iterator

from lab.hosts import Host

PINS = "/sys/fs/bpf/sekisho"
# For the agent's configuration: the table is read as text, so it should be small.
FEW = ("[grants]", "[dataplane]\nmax_entries = 64\n[grants]")
ENTRY, KEY = 64, 16  # struct sekisho_entry, struct sekisho_key
OLD_ENTRY = 40


def entries(host: Host) -> Iterator[bytes]:
    """Each entry, the key first."""
    dump = host.run("sh", "-c", f"bpftool --json map dump pinned {PINS}/v*/sekisho_entries").stdout
    for element in json.loads(dump):
        bucket = bytes(int(octet, 16) for octet in element["value"])
        for at in range(0, len(bucket), ENTRY):
            if any(bucket[at:at + KEY]):
                yield bucket[at:at + ENTRY]


def make_older(host: Host, version: int) -> None:
    """Makes today's pins those of a layout from 1 to 5: entries stand in a hash, in which they are 40 octets long."""
    now = list(entries(host))
    layout = f"{PINS}/v{version}"
    host.run("mv", f"{PINS}/{host.run('ls', PINS).stdout.strip()}", layout)
    host.run("rm", f"{layout}/sekisho_entries")
    host.run("bpftool", "map", "create", f"{layout}/sekisho_entries", "type", "hash", "key", str(KEY), "value",
             str(OLD_ENTRY), "entries", "64", "name", "sekisho_entries", "flags", "1")
    for entry in now:
        host.run("bpftool", "map", "update", "pinned", f"{layout}/sekisho_entries",
                 "key", *octets(entry[:KEY]), "value", *octets(entry[:OLD_ENTRY]))


def octets(data: bytes) -> list[str]:
    return [f"{octet:#04x}" for octet in data]
