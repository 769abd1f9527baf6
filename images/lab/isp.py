# SPDX-License-Identifier: Apache-2.0
"""The whole ISP: hosts, wires, servers and the agent, up and running."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from . import services
from .agent import Agent
from .clients import trust
from .hosts import Lab, LabError
from .network import build_network
from .submission import Submission
from .topology import HOSTS
from .watch import Door


def config_text(*changes: tuple[str, str]) -> str:
    """The edge's configuration with parts of it replaced: (old, new)."""
    text = services.fill("sekisho.toml")
    for old, new in changes:
        if old not in text:
            raise LabError(f"the lab's configuration has no {old!r}")
        text = text.replace(old, new)
    return text


class Isp:
    """Without `mail` the mail host has no servers; without `mx` a mere listener stands in for the Internet's Postfix.
    Without `smtp` the edge has no submission server. All three are for tests that look elsewhere and want to start soon."""

    def __init__(self, name: str, build: Path, *, keep: bool = False, mail: bool = True, mx: bool = True,
                 smtp: bool = True):
        self.lab = Lab(name, build)
        self._door: Door | None = None
        try:
            self.lab.make_hosts(HOSTS, keep)
            build_network(self.lab)
            self._start_servers(mail, mx)
            self.agent = Agent(self.lab)
            self.agent.configure(config_text())
            self.submission = Submission(self.lab, self.agent) if smtp else None
        except BaseException:
            if not keep:
                self.lab.remove()
            raise

    def _start_servers(self, mail: bool, mx: bool) -> None:
        starts = []
        if not mx:
            self._door = Door(self.lab["internet"], 25, services.OTHER_PORT)
        if mail:
            services.make_certificate(self.lab)
            services.start_dns(self.lab)
            starts += [services.start_dovecot, services.start_isp_postfix]
        if mx:
            starts.append(services.start_internet_postfix)
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(start, self.lab) for start in starts]:
                started.result()

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return trust(self.lab.state / "ca.pem")

    @cached_property
    def smtp_trust(self) -> ssl.SSLContext:
        return trust(self.lab.state / "smtp.pem")

    def inbox(self, host: str) -> list[Path]:
        """The messages that have arrived at a host's Postfix, oldest first."""
        return sorted(self.lab[host].file("/var/lib/mail/inbox/new").glob("*"), key=lambda each: each.stat().st_mtime_ns)

    def restart_agent(self, *changes: tuple[str, str]) -> None:
        """A new agent, with parts of the configuration replaced."""
        if self.agent.process and self.agent.process.poll() is None:
            self.agent.stop()
        self.agent.configure(config_text(*changes))
        self.agent.start()

    def remove(self) -> None:
        if self._door:
            self._door.close()
        self.lab.remove()
        if self.agent.process:
            self.agent.process.wait()
        self.agent.close()
        if self.submission:
            self.submission.close()
