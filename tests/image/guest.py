# SPDX-License-Identifier: Apache-2.0
"""The image in a virtual machine, in software emulation: what an operator sees on its serial console."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

FIRMWARE = Path("/usr/share/OVMF")
# A boot takes a minute when nothing else runs, and several on a busy machine.
BOOT = 600.0


class GuestError(RuntimeError):
    pass


class Guest:
    """A box with a disk of its own, which begins as the image and keeps what is written to it until remove().

    network: of the virtual machine, arguments of QEMU; without it there is one card that leads nowhere.
    """

    def __init__(self, image: Path, work: Path, size: int = 8 << 30, memory: str = "2G"):
        self.work = work
        self.memory = memory
        self.log = work / "console.log"
        self.disks = [work / "disk.raw"]
        self.network = ["-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,netdev=n0"]
        self.namespace: str | None = None
        self._process: subprocess.Popen | None = None
        self._console: socket.socket | None = None
        self._said = b""
        work.mkdir(parents=True)
        shutil.copy(FIRMWARE / "OVMF_VARS_4M.fd", work / "variables.fd")
        subprocess.run(["cp", "--sparse=always", image, self.disks[0]], check=True)
        os.truncate(self.disks[0], size)

    def add_disk(self, path: Path) -> None:
        """One more disk, raw; it is there from the next start on."""
        self.disks.append(path)

    def start(self) -> None:
        """Switches it on; does not wait."""
        drives: list[str] = []
        for path in self.disks:
            drives += ["-drive", f"if=virtio,format=raw,file={path},cache=unsafe"]
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", self.memory, "-smbios",
                   "type=11,value=io.systemd.stub.kernel-cmdline-extra=no_timer_check",
                   "-display", "none", "-nodefaults",
                   "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd",
                   "-drive", f"if=pflash,format=raw,unit=1,file={self.work}/variables.fd",
                   *drives, *self.network, "-device", "i6300esb",
                   "-chardev", f"socket,id=s0,path={self.work}/console,server=on,wait=on,logfile={self.log},logappend=on", "-serial", "chardev:s0",
                   "-qmp", f"unix:{self.work}/monitor,server=on,wait=off"]
        if self.namespace:
            command = ["nsenter", f"--net=/run/netns/{self.namespace}", *command]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._said = b""
        self._console = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 30
        while True:
            try:
                self._console.connect(str(self.work / "console"))
                break
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise GuestError(f"QEMU: {self._process.stderr.read()}") from error
                time.sleep(0.1)

    def wait_for(self, pattern: str, timeout: float = BOOT) -> re.Match:
        """Until the console has shown this; what stood before it is forgotten."""
        end = time.monotonic() + timeout
        compiled = re.compile(pattern.encode(), re.MULTILINE)
        while not (found := compiled.search(self._said)):
            self._console.settimeout(max(0.01, end - time.monotonic()))
            try:
                more = self._console.recv(65536)
            except TimeoutError:
                more = b""
            if not more:
                raise GuestError(f"no {pattern!r} on the console; its end was:\n{self._said.decode(errors='replace')[-3000:]}")
            self._said += more.replace(b"\r", b"")
        self._said = self._said[found.end():]
        return found

    def send(self, text: str) -> None:
        self._console.sendall(text.encode())

    def boot(self, timeout: float = BOOT) -> None:
        """Switches it on, and waits for a shell on its console."""
        self.start()
        self.shell(timeout)

    def shell(self, timeout: float = BOOT) -> None:
        self.wait_for(r"^root@\S+:\S*# ?", timeout)
        self.send("stty -echo cols 4096; PS1=; PS2=; export TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_PAGER=\n")
        self.run("true")

    def run(self, command: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess:
        """A command of root's shell, by the console; its errors are told with what it says."""
        mark = uuid.uuid4().hex
        script = base64.b64encode(command.encode()).decode()
        # What the box says by itself meanwhile goes to its journal.
        for start in range(0, len(script), 1000):
            self.send(f"s=$s{script[start:start + 1000]}\n" if start else f"s={script[:1000]}\n")
        self.send(f"o=$(printf %s $s | base64 -d | bash 2>&1); r=$?; printf '\\n%s\\n' {mark}; printf %s \"$o\" | base64 -w0; printf ' %s %s\\n' $r {mark}\n")
        found = self.wait_for(rf"^{mark}\n(\S*) (\d+) {mark}$", timeout)
        done = subprocess.CompletedProcess(command, int(found.group(2)), base64.b64decode(found.group(1)).decode(errors="replace"), "")
        if check and done.returncode != 0:
            raise GuestError(f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}")
        return done

    def write(self, path: str, text: str) -> None:
        self.run(f"mkdir -p $(dirname {path}) && printf %s {base64.b64encode(text.encode()).decode()} | base64 -d >{path}")

    def monitor(self, command: str, **arguments) -> None:
        """QEMU's: system_powerdown, system_reset, ..."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(30)
            monitor.connect(str(self.work / "monitor"))
            lines = monitor.makefile("rw")
            lines.readline()
            for each in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(each) + "\n")
                lines.flush()
                while "event" in (answer := json.loads(lines.readline())):
                    pass
                if "error" in answer:
                    raise GuestError(f"{command}: {answer['error']}")

    def cut_power(self) -> None:
        """In the middle of whatever it does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process.stderr.close()
            self._process = None
        if self._console:
            self._console.close()
            self._console = None

    def shut_down(self, timeout: float = 180) -> None:
        self.send("systemctl poweroff\n")
        self._process.wait(timeout)
        self.cut_power()

    def remove(self) -> None:
        self.cut_power()
        shutil.rmtree(self.work, ignore_errors=True)


def is_possible() -> str:
    """Why no virtual machine can be started here; empty if one can."""
    if os.geteuid() != 0:
        return "needs root: an image is made in trees of its own"
    return ""
