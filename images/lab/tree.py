# SPDX-License-Identifier: Apache-2.0
"""Programs of another Debian than this machine's: a tree with its packages, and a host of the lab that uses them."""

import fcntl
import shutil
import subprocess
from pathlib import Path

from .hosts import ROOT, Host, LabError

TREES = ROOT / "build/trees"


def mirror() -> str:
    """Where this machine's own apt configuration has Debian from."""
    return subprocess.run([ROOT / "images/mirror.sh"], capture_output=True, text=True, check=True).stdout.strip()


def debian_tree(release: str, *packages: str) -> Path:
    """A tree of that release with these packages; made once (half a minute), for all tests."""
    tree = TREES / "-".join((release, *packages))
    TREES.mkdir(parents=True, exist_ok=True)
    with open(TREES / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            unfinished = TREES / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            done = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release,
                                   str(unfinished), mirror()], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LabError(f"debootstrap {release}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
            unfinished.rename(tree)
    return tree


def run_from(host: Host, tree: Path, programs: tuple[str, ...], shared: tuple[str, ...]) -> None:
    """From now on the host has these programs of the tree instead of its own. They see its users and, of its files, the
    shared directories."""
    for path in ("/dev", "/proc", *shared):
        host.run("install", "-d", path, f"{tree}{path}")
        host.run("mount", "--rbind", path, f"{tree}{path}")
    for path in ("/etc/passwd", "/etc/group"):
        host.run("mount", "--bind", path, f"{tree}{path}")
    for program in programs:
        wrapper = f"/run/of-tree{program}"
        host.write(wrapper, f'#!/bin/sh\nexec chroot {tree} {program} "$@"\n', 0o755)
        host.run("mount", "--bind", wrapper, program)
