# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine, as separate as namespaces make them, and the wires between them.

A lab has a name; several can stand at once. What is known of one is kept in /run/sekisho-lab/NAME. Killing a host's
first process ends all its processes and takes its interfaces and mounts along.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[2]  # of the repository
STATE = Path("/run/sekisho-lab")
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab itself is broken: nothing was tested."""


def await_true(condition, what: str, seconds: float = 10.0, pause: float = 0.01):
    """Asks until the answer is true, and returns it; LabError(what) when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(pause)


def start_time(pid: int) -> int | None:
    """When the process was started, in ticks since boot: with the pid this names a process for good."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return None if fields[0] == "Z" else int(fields[19])


def child_of(parent: int) -> int | None:
    """The first child of a process, if it has one."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            if int(text[text.rindex(")") + 2:].split()[1]) == parent:
                return int(entry)
    return None


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Host:
    """One host: its processes are started by `run` and `spawn`, its sockets made inside `network()`."""

    def __init__(self, name: str, pid: int, started: int, state: Path, path: str):
        self.name = name
        self.pid = pid
        self.started = started
        self.state = state
        self._path = path

    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def command(self, *arguments: str) -> list[str]:
        """What to execute outside for these words to be executed inside."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", "-i", "--", *arguments]

    def environment(self) -> dict[str, str]:
        return {"PATH": self._path, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}

    def run(self, *arguments: str, check: bool = True, text: str | None = None,
            timeout: float = 30) -> subprocess.CompletedProcess:
        """Runs to the end; what it said is in stdout and stderr. A daemon may stay behind."""
        # Files, not pipes: a daemon that kept its end of a pipe would keep us waiting for more.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(self.command(*arguments), input=text, text=True, stdout=out, stderr=err,
                                  timeout=timeout, env=self.environment(), check=False)
            for stream in (out, err):
                stream.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def spawn(self, *arguments: str, **popen) -> "Process":
        return Process(self, arguments, **popen)

    @contextlib.contextmanager
    def network(self):
        """The calling thread makes its sockets in this host."""
        mine = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        theirs = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            set_namespace(theirs)
            yield
        finally:
            set_namespace(mine)
            os.close(mine)
            os.close(theirs)

    def file(self, path: str) -> Path:
        """A file of the host, as it is seen from outside."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def log(self, name: str) -> Path:
        """A file in the host's /var/log; it can be read when the host is gone, too."""
        return self.state / "log" / name

    def kill(self) -> None:
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            await_true(lambda: not self.alive(), f"end of host {self.name}")


class Process:
    """A process of a host that goes on while the test does something else. Its pid is the one outside."""

    def __init__(self, host: Host, arguments: tuple[str, ...], **popen):
        environment = host.environment() | popen.pop("env", {})
        self._entry = subprocess.Popen(host.command(*arguments), env=environment, **popen)
        self.stdin, self.stdout = self._entry.stdin, self._entry.stdout
        # nsenter forks, since only a child lands in the PID namespace.
        self.pid = await_true(lambda: child_of(self._entry.pid) or self._entry.poll() is not None,
                              f"start of {arguments[0]}")

    def poll(self) -> int | None:
        return self._entry.poll()

    def signal(self, number: int) -> None:
        if self._entry.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stops it meanwhile. nsenter stops with its child, and lets it go on when it goes on itself."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._entry.pid, signal.SIGCONT)
            self.signal(signal.SIGCONT)

    def wait(self, timeout: float = 10) -> int:
        """The exit code; nsenter gives a signal's death on as its own, so it is negative then."""
        return self._entry.wait(timeout)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()
        for pipe in (self.stdin, self.stdout):
            if pipe:
                pipe.close()


def set_namespace(descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def forget_dead_labs() -> None:
    """Removes what is left of labs that died with their test."""
    for directory in STATE.glob("*"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            known = json.loads((directory / "lab.json").read_text())
            being_made = known["boot"] == boot_id() and start_time(known["maker"]) == known["started"]
            if not being_made and not Lab.find(directory.name):
                shutil.rmtree(directory, ignore_errors=True)


class Lab:
    """Hosts with a common name."""

    def __init__(self, name: str, build: Path):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", name):
            raise LabError(f"a lab's name is made of a-z, 0-9 and '-', unlike {name!r}")
        self.name = name
        self.build = build
        self.state = STATE / name
        self.hosts: dict[str, Host] = {}
        self._entries: list[subprocess.Popen] = []

    def __getitem__(self, host: str) -> Host:
        try:
            return self.hosts[host]
        except KeyError:
            raise LabError(f"no host {host}; there are {', '.join(self.hosts) or 'none'}") from None

    def make_hosts(self, names: tuple[str, ...], keep: bool = False) -> None:
        """New hosts, all at once, that outlive this process only if they are to be kept; what stood under this lab's name before is removed."""
        self.remove()
        forget_dead_labs()
        while not self.state.exists():
            with contextlib.suppress(FileNotFoundError):  # another lab, the last one, has just put out the light
                self.state.mkdir(parents=True)
        path = f"{self.build}/agent:{self.build}/agent/cli:{self.build}/smtpd:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        known = {"build": str(self.build), "boot": boot_id(), "maker": os.getpid(), "started": start_time(os.getpid())}
        (self.state / "lab.json").write_text(json.dumps(known))
        self._entries = [self._start(name, keep) for name in names]
        for name, entry in zip(names, self._entries):
            line = entry.stdout.readline()
            if line != "ready\n":
                raise LabError(f"host {name} did not come up: {line}{entry.stdout.read()}")
            entry.stdout.close()
            pid = child_of(entry.pid)
            host = Host(name, pid, start_time(pid), self.state / name, path)
            self.hosts[name] = host
            known = {"pid": pid, "started": host.started, "boot": boot_id(), "path": path}
            (self.state / name / "host.json").write_text(json.dumps(known))

    def _start(self, name: str, keep: bool) -> subprocess.Popen:
        state = self.state / name
        state.mkdir()
        kept = [str(ROOT)]
        if not self.build.is_relative_to(ROOT):
            kept.append(str(self.build))
        init = str(Path(__file__).with_name("init.py"))
        return subprocess.Popen(
            ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
             sys.executable, "-I", "-B", init, str(state), name, *kept],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
            start_new_session=True, preexec_fn=None if keep else die_with_parent)

    @classmethod
    def find(cls, name: str) -> "Lab | None":
        """The lab that stands under this name, if one does."""
        try:
            known = json.loads((STATE / name / "lab.json").read_text())
        except (OSError, ValueError):
            return None
        lab = cls(name, Path(known["build"]))
        for directory in sorted(lab.state.iterdir()):
            with contextlib.suppress(OSError, ValueError, KeyError):
                values = json.loads((directory / "host.json").read_text())
                if values["boot"] == boot_id():
                    host = Host(directory.name, values["pid"], values["started"], directory, values["path"])
                    if host.alive():
                        lab.hosts[directory.name] = host
        return lab if lab.hosts else None

    def remove(self) -> None:
        """Ends all hosts of this name and forgets them. Nothing is left."""
        standing = Lab.find(self.name)
        for host in (self.hosts or (standing.hosts if standing else {})).values():
            host.kill()
        for entry in self._entries:
            entry.wait()
        self.hosts, self._entries = {}, []
        shutil.rmtree(self.state, ignore_errors=True)
        with contextlib.suppress(OSError):
            STATE.rmdir()  # the last one puts out the light

    def wire(self, left: str, left_name: str, right: str, right_name: str) -> None:
        """A veth pair, each end made directly in its host."""
        subprocess.run(["ip", "link", "add", left_name, "netns", str(self[left].pid), "type", "veth",
                        "peer", "name", right_name, "netns", str(self[right].pid)], check=True)

    def configure(self, host: str, *lines: str) -> None:
        """Commands of ip(8), in one go."""
        self[host].run("ip", "-batch", "-", text="\n".join(lines) + "\n")
