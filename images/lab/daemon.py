# SPDX-License-Identifier: Apache-2.0
"""A daemon of ours on a host: started as systemd would, ended as a test likes."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from .hosts import Host, LabError, Process, await_true

CONFIG = "/etc/sekisho/sekisho.toml"


CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP)


class Daemon:
    """One program; started and ended as often as a test likes. Its log is the host's NAME.log."""

    def __init__(self, host: Host, name: str):
        self.host = host
        self.name = name
        self.process: Process | None = None
        self._notify: socket.socket | None = None

    def start(self, *wrapper: str) -> None:
        """Returns when it has said READY=1; LabError with the end of its log if it ends instead. `wrapper`: words of a
        command that executes the words behind it."""
        self.launch(*wrapper)
        self.await_ready()

    def launch(self, *wrapper: str, program: str | None = None) -> None:
        """Starts it, or what will start it some day."""
        path = self.host.log(f"{self.name}.notify")
        path.unlink(missing_ok=True)
        self.close()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notify.bind(str(path))
        path.chmod(0o666)  # the daemon may have become somebody else when it is ready
        self._notify.settimeout(0.02)
        with open(self.host.log(f"{self.name}.log"), "ab") as log:
            self.process = self.host.spawn(*wrapper, program or self.name, "--config", CONFIG, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, env={"NOTIFY_SOCKET": f"/var/log/{self.name}.notify"})

    def await_ready(self) -> None:
        await_true(self.ready, f"READY=1 of {self.name}", 20)

    def refused_start(self, exit_code: int, *wrapper: str, program: str | None = None) -> str:
        """What it says that can't start and ends with this code; AssertionError if it does anything else."""
        done = self.host.run(*wrapper, "timeout", "10", program or self.name, "--config", CONFIG, check=False)
        if done.returncode != exit_code:
            raise AssertionError(f"exit code {done.returncode}, should be {exit_code}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def ready(self) -> bool:
        """Whether READY=1 has come since the last start."""
        return self.notified(b"READY=1")

    def notified(self, word: bytes) -> bool:
        """Whether the next thing that systemd is told is this. LabError if the daemon has ended."""
        try:
            if word in self._notify.recv(4096):
                return True
        except TimeoutError:
            pass
        if self.process.poll() is not None:
            raise LabError(f"{self.name} ended with {self.process.poll()}:\n{self.last_words()}")
        return False

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def assert_not_crashed(self) -> None:
        """LabError if it has ended by a signal that nobody has sent."""
        code = self.process.poll() if self.process else None
        if code is not None and -code in CRASHES:
            raise LabError(f"{self.name} ended with {signal.Signals(-code).name}:\n{self.last_words()}")

    def last_words(self, size: int = 2000) -> str:
        try:
            return self.host.log(f"{self.name}.log").read_text(errors="replace")[-size:]
        except OSError:
            return "(no log)"

    def seconds_of_a_core(self) -> float:
        """That it has taken since its start."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        self.assert_not_crashed()
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.assert_not_crashed()
        self.process.signal(signal.SIGTERM)
        return self.process.wait()

    def close(self) -> None:
        """When its lab is gone, or before another start."""
        if self._notify:
            self._notify.close()
            self._notify = None
