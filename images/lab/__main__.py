# SPDX-License-Identifier: Apache-2.0
"""The lab's command line; images/lab.sh is the way to call it."""

import argparse
import os
import sys
import time
from pathlib import Path

from .hosts import Lab, LabError
from .isp import Isp
from .story import STEPS
from .topology import HOSTS

DEFAULT_NAME = "lab"


def tell(isp: Isp) -> bool:
    """The story, step by step; whether every step went as it should."""
    failed = []
    for number, step in enumerate(STEPS, 1):
        print(f"\n{number}. {step.title}", flush=True)
        begin = time.monotonic()
        try:
            for seen in step.tell(isp):
                print(f"     {seen}", flush=True)
            result = "ok"
        except (AssertionError, LabError, OSError) as error:
            print(f"     {error}")
            result = "FAILED"
            failed.append(step.name)
        print(f"   {result} in {time.monotonic() - begin:.1f} s", flush=True)
    print(f"\n{len(STEPS) - len(failed)} of {len(STEPS)} steps went well" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return not failed


def up(name: str, build: Path) -> Isp:
    begin = time.monotonic()
    isp = Isp(name, build, keep=True)
    isp.agent.start()
    isp.submission.start()
    isp.submission.add_users()
    print(f"the lab is up after {time.monotonic() - begin:.1f} s: {', '.join(isp.lab.hosts)}", flush=True)
    return isp


def call_of(name: str) -> str:
    """How images/lab.sh is called for this lab."""
    return "images/lab.sh" if name == DEFAULT_NAME else f"images/lab.sh --name {name}"


def shell(name: str, host: str) -> None:
    lab = Lab.find(name)
    if not lab:
        raise LabError(f"no lab {name} is standing; {call_of(name)} makes one")
    machine = lab[host]
    environment = machine.environment() | {"PS1": f"{host}# "}
    command = machine.command("/bin/bash", "--norc", "-i") if sys.stdin.isatty() else machine.command("/bin/bash")
    os.execvpe(command[0], command, environment)


def main() -> int:
    parser = argparse.ArgumentParser(prog="images/lab.sh", description="A small ISP on this machine.")
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"of the lab; several can stand at once (default: {DEFAULT_NAME})")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("story", help="make the lab, tell the story, leave the lab standing (default)")
    commands.add_parser("up", help="make the lab only")
    commands.add_parser("down", help="remove the lab, and every trace of it")
    commands.add_parser("shell", help="enter a host").add_argument("host", metavar="HOST", help=f"one of {', '.join(HOSTS)}")
    arguments = parser.parse_args()
    try:
        if arguments.command == "down":
            Lab(arguments.name, Path("/")).remove()
            return 0
        if arguments.command == "shell":
            shell(arguments.name, arguments.host)
        isp = up(arguments.name, arguments.build)
        if arguments.command == "up":
            return 0
        well = tell(isp)
    except LabError as error:
        print(f"lab.sh: {error}", file=sys.stderr)
        return 1
    call = call_of(arguments.name)
    print(f"the lab stands: {call} shell edge enters a host, {call} down removes it")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
