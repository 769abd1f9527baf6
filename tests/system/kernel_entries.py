# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of subscribers, read without the agent."""

import json
from typing import Iterator

from lab.hosts import Host

PINS = "/sys/fs/bpf/sekisho"
# For the agent's configuration: the table is read as text, so it should be small.
FEW = ("[grants]", "[dataplane]\nmax_entries = 64\n[grants]")
ENTRY, KEY = 64, 16  # struct sekisho_entry, struct sekisho_key


def entries(host: Host) -> Iterator[bytes]:
    """Each entry, the key first."""
    dump = host.run("sh", "-c", f"bpftool --json map dump pinned {PINS}/v*/sekisho_entries").stdout
    for element in json.loads(dump):
        bucket = bytes(int(octet, 16) for octet in element["value"])
        for at in range(0, len(bucket), ENTRY):
            if any(bucket[at:at + KEY]):
                yield bucket[at:at + ENTRY]
