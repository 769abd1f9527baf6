# SPDX-License-Identifier: Apache-2.0
"""Who looks on: counters at the Internet's door, and clients that never stop connecting."""

import json
import socket
import threading
import time
from collections import Counter

from .clients import connect_here
from .hosts import Host

SYN = "tcp dport 25 tcp flags & (fin|syn|rst|ack) == syn"


class SynCounters:
    """Counts the SYNs to port 25 that arrive at a host, by source prefix."""

    def __init__(self, host: Host, sources: dict[str, str]):
        """`sources`: name of a counter, and the prefix it counts."""
        self._host = host
        lines = ["table inet watch", "delete table inet watch", "table inet watch {"]
        lines += [f"counter {name} {{}}" for name in sources]
        lines.append("chain arriving { type filter hook prerouting priority -300;")
        for name, prefix in sources.items():
            family = "ip6" if ":" in prefix else "ip"
            lines.append(f"{family} saddr {prefix} {SYN} counter name {name}")
        lines += ["}", "}"]
        host.run("nft", "-f", "-", text="\n".join(lines) + "\n")

    def read(self) -> dict[str, int]:
        """SYNs so far."""
        answer = json.loads(self._host.run("nft", "-j", "list", "counters").stdout)
        return {item["counter"]["name"]: item["counter"]["packets"] for item in answer["nftables"] if "counter" in item}


class Stream:
    """A client that connects again and again, and remembers how it went. Use it in a `with`."""

    def __init__(self, host: Host, address: str, source: str | None = None, pause: float = 0.001):
        self._host = host
        self._to = (address, source)
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._connect, daemon=True)
        self.outcomes: Counter[str] = Counter()

    def _connect(self) -> None:
        address, source = self._to
        with self._host.network():
            while not self._over.is_set():
                self.outcomes[connect_here(address, 25, source).outcome] += 1
                time.sleep(self._pause)

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()


class Door:
    """Listens on ports of a host, on all its addresses, and closes what it has accepted: enough to see who gets through."""

    def __init__(self, host: Host, *ports: int):
        with host.network():
            self._listeners = [self._listen(port) for port in ports]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    @staticmethod
    def _listen(port: int) -> socket.socket:
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=256, dualstack_ipv6=True)

    @staticmethod
    def _accept(listener: socket.socket) -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:  # closed
                return

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
