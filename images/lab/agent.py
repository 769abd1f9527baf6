# SPDX-License-Identifier: Apache-2.0
"""sekishod on the edge, and the operator's command there."""

import json
import signal
import socket
import subprocess

from .hosts import LabError, Lab, Process, await_true
from .topology import API_KEY

CONFIG = "/etc/sekisho/sekisho.toml"


class Agent:
    """The daemon of one lab; started and ended as often as a test likes. Its log is the edge's sekishod.log."""

    def __init__(self, lab: Lab):
        self.edge = lab["edge"]
        self.process: Process | None = None
        self._notify: socket.socket | None = None

    def configure(self, text: str) -> None:
        for directory in ("/run/sekisho", "/var/lib/sekisho"):  # systemd's part elsewhere
            self.edge.file(directory).mkdir(parents=True, exist_ok=True)
        self.edge.write(CONFIG, text)
        self.edge.write("/etc/sekisho/policy.key", API_KEY + "\n", 0o600)

    def start(self, *wrapper: str) -> None:
        """Returns when the agent has said READY=1; LabError with the end of its log if it ends instead. `wrapper`: words
        of a command that executes the words behind it."""
        path = self.edge.log("notify.sock")
        path.unlink(missing_ok=True)
        self.close()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notify.bind(str(path))
        self._notify.settimeout(0.02)
        with open(self.edge.log("sekishod.log"), "ab") as log:
            self.process = self.edge.spawn(*wrapper, "sekishod", "--config", CONFIG, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, env={"NOTIFY_SOCKET": "/var/log/notify.sock"})
        await_true(self.ready, "READY=1 of sekishod", 20)

    def refused_start(self, exit_code: int, *wrapper: str, program: str = "sekishod") -> str:
        """What sekishod says that can't start and ends with this code; AssertionError if it does anything else."""
        done = self.edge.run(*wrapper, "timeout", "10", program, "--config", CONFIG, check=False)
        if done.returncode != exit_code:
            raise AssertionError(f"exit code {done.returncode}, should be {exit_code}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def ready(self) -> bool:
        """Whether READY=1 has come since the last start."""
        try:
            if b"READY=1" in self._notify.recv(4096):
                return True
        except TimeoutError:
            pass
        if self.process.poll() is not None:
            raise LabError(f"sekishod ended with {self.process.poll()}:\n{self.last_words()}")
        return False

    def last_words(self, size: int = 2000) -> str:
        try:
            return self.edge.log("sekishod.log").read_text(errors="replace")[-size:]
        except OSError:
            return "(no log)"

    def kill(self) -> None:
        """SIGKILL: no farewell. What is in the kernel stays there."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait()

    def close(self) -> None:
        """When its lab is gone, or before another start."""
        if self._notify:
            self._notify.close()
            self._notify = None

    def command(self, *words: str) -> subprocess.CompletedProcess:
        """`sekisho WORDS` on the edge, whatever its exit code."""
        return self.edge.run("sekisho", *words, check=False)

    def ask(self, *words: str):
        """`sekisho WORDS --json`; what it answered. LabError unless the exit code is 0."""
        done = self.edge.run("sekisho", *words, "--json")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def granted(self, address: str) -> dict | None:
        """The grant that covers the address, if there is one."""
        done = self.command("grant", "show", address, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def revoke_all(self) -> None:
        for grant in self.ask("grant", "list")["grants"]:
            self.edge.run("sekisho", "grant", "revoke", grant["key"].split("/")[0])
