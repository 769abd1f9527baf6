# SPDX-License-Identifier: Apache-2.0
"""sekishod on the edge, and the operator's command there."""

import json
import subprocess

from .daemon import CONFIG, Daemon
from .hosts import Lab
from .topology import API_KEY


# What sekisho-agent.service leaves it.
CAPABILITIES = "-all,+bpf,+net_admin,+perfmon"


class Agent(Daemon):
    """Killed, it leaves what is in the kernel there."""

    def __init__(self, lab: Lab):
        super().__init__(lab["edge"], "sekishod")
        self.edge = self.host
        self.capabilities = CAPABILITIES

    def launch(self, *wrapper: str, program: str | None = None) -> None:
        super().launch(*(wrapper or ("setpriv", "--bounding-set", self.capabilities)), program=program)

    def configure(self, text: str) -> None:
        for directory in ("/run/sekisho", "/var/lib/sekisho"):  # systemd's part elsewhere
            self.edge.file(directory).mkdir(parents=True, exist_ok=True)
        self.edge.write(CONFIG, text)
        self.edge.write("/etc/sekisho/policy.key", API_KEY + "\n", 0o600)

    def command(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess:
        """`sekisho WORDS` on the edge, whatever its exit code; `text` is what it reads."""
        return self.edge.run("sekisho", *words, check=False, text=text)

    def ask(self, *words: str, text: str | None = None):
        """`sekisho WORDS --json`; what it answered. LabError unless the exit code is 0."""
        done = self.edge.run("sekisho", *words, "--json", text=text)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def granted(self, address: str) -> dict | None:
        """The grant that covers the address, if there is one."""
        done = self.command("grant", "show", address, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def revoke_all(self) -> None:
        for grant in self.ask("grant", "list")["grants"]:
            self.edge.run("sekisho", "grant", "revoke", "--no-cool-down", grant["key"].split("/")[0])


__all__ = ["CAPABILITIES", "CONFIG", "Agent"]
