# SPDX-License-Identifier: Apache-2.0
"""A whole Debian with systemd as its first process, in namespaces: what packages do is seen where it happens."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "images"))

from lab.tree import debian_tree  # noqa: E402

PACKAGES = ("systemd-sysv", "dbus", "iproute2", "procps", "nftables", "python3-minimal", "openssl", "debconf-utils")
# In namespaces of its own; what it is given: the tree's root, and where what it is in memory lies.
BOOT = r"""
set -e
mount --make-rprivate /
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t bpf -o mode=700 bpf "$root/sys/fs/bpf"  # as systemd does
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -o remount,bind,ro "$root/sys"  # no udev: the devices are the machine's around it
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<<"$device"
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
hostname packages
ip link set lo up
cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal
"""


class MachineError(RuntimeError):
    pass


class Machine:
    """Nothing it does stays: its file system is an overlay of a tree that is kept for the next one."""

    def __init__(self, release: str, work: Path):
        self.release = release
        self.tree = debian_tree(release, *PACKAGES)
        self.work = work
        self.root = work / "root"
        self._process: subprocess.Popen | None = None
        for name in ("upper", "scratch", "root"):
            (work / name).mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={self.tree},upperdir={work}/upper,workdir={work}/scratch",
                        "sekisho-machine", str(self.root)], check=True)

    def prepare(self, script: str) -> None:
        """Before it is booted, with the network of this machine."""
        (self.root / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
        self._checked(subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                                      'mount --make-rprivate /; mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; '
                                      'exec chroot "$0" env -i DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$1"',
                                      str(self.root), script], capture_output=True, text=True, check=False), script)

    def boot(self) -> None:
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup",
             "bash", "-c", BOOT, "boot", str(self.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise MachineError(f"it didn't start: {self._process.stderr.read()}")
            if self.pid and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise MachineError("it didn't come up")

    @property
    def pid(self) -> int | None:
        """Of its first process, once that is systemd."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return None

    def run(self, *command: str, check: bool = True, text: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess:
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-a", "--root", "--wd", "env", "-i", "DEBIAN_FRONTEND=noninteractive",
                               "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command],
                              input=text, capture_output=True, text=True, check=False, timeout=timeout)
        return self._checked(done, " ".join(command)) if check else done

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$0")" && cat >"$0"', path, text=text)

    def remove(self) -> None:
        if self._process:
            pid = self.pid if self._process.poll() is None else None
            if pid:
                os.kill(pid, 9)
            self._process.wait()
            self._process.stderr.close()
        subprocess.run(["umount", str(self.root)], check=False)
        subprocess.run(["rm", "-rf", str(self.work)], check=True)

    @staticmethod
    def _checked(done: subprocess.CompletedProcess, what: str) -> subprocess.CompletedProcess:
        if done.returncode != 0:
            raise MachineError(f"{what}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done
