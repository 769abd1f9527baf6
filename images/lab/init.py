# SPDX-License-Identifier: Apache-2.0
"""The first process of a lab host: gives the host its own files, says "ready", and reaps what others leave behind.

Run by hosts.py in fresh mount, network, UTS and PID namespaces: init.py STATE NAME [KEEP ...]. Nothing done here can
be seen outside: the mounts are private and vanish with the process.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

SYSCTLS = {
    # No waiting for duplicate address detection, no routes from advertisements: the lab's addresses are known.
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/lo/disable_ipv6": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/ping_group_range": "0 0",
}
OWN_DIRECTORIES = ("/run", "/var/lib", "/var/spool", "/var/mail")


def mount(*arguments: str, **popen) -> None:
    subprocess.run(["mount", *arguments], check=True, **popen)


def own_files(state: Path, kept: list[str]) -> None:
    """Private copies of what services write to; `kept` directories stay visible even below a covered one."""
    handles = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in kept}
    (state / "log").mkdir()
    mount("--bind", str(state / "log"), "/var/log")
    for directory in OWN_DIRECTORIES:
        if os.path.isdir(directory) and not os.path.islink(directory):
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
    os.makedirs("/run/lock", exist_ok=True)
    subprocess.run(["cp", "-a", "/etc", "/run/etc"], check=True)
    mount("--bind", "/run/etc", "/etc")
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("-t", "bpf", "bpf", "/sys/fs/bpf")
    for path, handle in handles.items():
        if not os.path.exists(path):
            os.makedirs(path)
            mount("--bind", f"/proc/self/fd/{handle}", path, pass_fds=[handle])
        os.close(handle)


def own_network() -> None:
    for key, value in SYSCTLS.items():
        path = Path("/proc/sys") / key
        if path.exists():
            path.write_text(value)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def reap() -> None:
    """Until killed. A process whose parent died becomes a child of this one."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigtimedwait([signal.SIGCHLD], 3600)


def main() -> None:
    state, name, kept = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    subprocess.run(["hostname", name], check=True)
    own_files(state, kept)
    own_network()
    # Blocked so that a child's end between waitpid and sigtimedwait isn't lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    print("ready", flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    reap()


if __name__ == "__main__":
    main()
