# SPDX-License-Identifier: Apache-2.0
"""What becomes of a packet: whether the host that it is for gets it."""

import json

from lab.hosts import Host


class Arrivals:
    """Counts what comes in at a host, by what nft(8) is to match. A host has one; a second takes its place."""

    def __init__(self, host: Host, matches: dict[str, str]):
        """`matches`: name of a counter, and which packets it counts."""
        self._host = host
        lines = ["table inet arrivals", "delete table inet arrivals", "table inet arrivals {"]
        lines += [f"counter {name} {{}}" for name in matches]
        lines.append("chain arriving { type filter hook prerouting priority -300;")
        lines += [f"{match} counter name {name}" for name, match in matches.items()]
        lines += ["}", "}"]
        host.run("nft", "-f", "-", text="\n".join(lines) + "\n")

    def read(self) -> dict[str, int]:
        """Packets so far."""
        said = json.loads(self._host.run("nft", "-j", "list", "counters", "table", "inet", "arrivals").stdout)
        return {item["counter"]["name"]: item["counter"]["packets"] for item in said["nftables"] if "counter" in item}
